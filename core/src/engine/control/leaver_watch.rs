//! Collecting before leaving.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "leaver_watch",
    title: words("Collecting before leaving", "Сбор перед уходом"),
    kind: Kind::Behavioural,
    about: words(
        "When notice or dismissal becomes known, the days before it are looked at again, a nat more closely; alerts are marked lookback",
        "Когда становится известно об уходе, предшествующие дни рассматриваются снова и строже на один нат; такие оповещения помечены lookback",
    ),
    mitre: &["T1213.004"],
    named: Some(words("for what is found by looking back", "для того, что найдено при взгляде назад")),
    benign: &[
        words("Was the person handing over their clients?", "Не передавал ли человек своих клиентов?"),
        words(
            "Did the supervisor know of the leave then, and ask for it?",
            "Не знал ли руководитель об уходе уже тогда, не просил ли об этом?",
        ),
    ],
    ..NAMED
};
