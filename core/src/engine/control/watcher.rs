//! Who looks at whose alerts in Filin itself.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "watcher",
    title: words("Watching the watchers", "Наблюдение за наблюдающими"),
    kind: Kind::Behavioural,
    about: words(
        "Alerts, profiles and evidence in Filin looked at more, by others or at other times than usual",
        "Оповещения, профили и доказательства в Filin смотрят больше, другие люди или в другое время, чем обычно",
    ),
    mitre: &["T1213"],
    named: Some(words("for every behavioural finding in the tenant `_audit`", "для всех поведенческих признаков в организации `_audit`")),
    benign: &[
        words("Is an incident being investigated?", "Не расследуется ли инцидент?"),
        words("Did the analyst on duty change?", "Не сменился ли дежурный аналитик?"),
    ],
    ..NAMED
};
