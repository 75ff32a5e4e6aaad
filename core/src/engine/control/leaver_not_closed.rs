//! An account that stays open after dismissal.

use super::{Control, Kind, RULE, SeverityRule, floor, words};
use crate::engine::{Severity, Text, explain::phrase};

pub(super) const CONTROL: Control = Control {
    id: "leaver_not_closed",
    title: words("Account not closed after dismissal", "Учётная запись не закрыта после увольнения"),
    kind: Kind::Absence,
    about: words(
        "Some hours after the end of access the account has not been deactivated; asked at each minute of the log",
        "Через несколько часов после прекращения доступа учётная запись не отключена; проверяется каждую минуту",
    ),
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::High),
    settings: &[floor("hours", 4.0, "hours that it may take", "часов, за которые её следует закрыть")],
    benign: &[
        words("Was the last day moved, and the directory not told?", "Не перенесён ли последний день, о чём справочник не знает?"),
        words(
            "Is the account closed in a system that reports nothing to Filin?",
            "Не закрыта ли запись в системе, которая ничего не сообщает Filin?",
        ),
    ],
    ..RULE
};

/// What is told: `hours` after the end of access.
pub(in crate::engine) fn sentence(hours: f64, end: &Text) -> Text {
    Text {
        en: format!("Access ended on {}, and {} later the account is still open", end.en, phrase::en(hours, "hour", "hours")),
        ru: format!("Доступ прекращён {}, а спустя {} учётная запись всё ещё открыта", end.ru, phrase::ru(hours, ["час", "часа", "часов"])),
    }
}
