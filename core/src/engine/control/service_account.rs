//! An integration off its habits.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "service_account",
    title: words("Integration off its habits", "Интеграция ведёт себя необычно"),
    kind: Kind::Behavioural,
    about: words(
        "An integration works at another time, from another address, with other queries or volumes than its own past",
        "Интеграция работает в другое время, с другого адреса, с другими запросами или объёмами, чем раньше",
    ),
    mitre: &["T1078.004"],
    named: Some(words("for every behavioural finding about an integration", "для всех поведенческих признаков у интеграции")),
    benign: &[
        words("Was the integration updated or moved to another server?", "Не обновлена ли интеграция, не перенесена ли на другой сервер?"),
        words("Is a first load or a catch-up after a failure under way?", "Не идёт ли первая загрузка или догрузка после сбоя?"),
    ],
    ..NAMED
};
