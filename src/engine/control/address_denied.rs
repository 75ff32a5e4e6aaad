//! An address outside the allowed list.

use super::{Control, Kind, SeverityRule, words};
use crate::engine::Severity;

pub(super) const CONTROL: Control = Control {
    id: "address_denied",
    title: words("Address not allowed", "Неразрешённый адрес"),
    kind: Kind::Rule,
    about: words(
        "An event from an address that is not on the list of this person, team or organisation; refused attempts count too",
        "Событие с адреса, которого нет в списке этого человека, команды или организации; считаются и отклонённые попытки",
    ),
    detectors: &[],
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::High),
    parameters: &[],
    settings: &[],
    switches: &[],
    benign: &[
        words(
            "Did the office's address or VPN change, and the list was not updated?",
            "Не сменился ли адрес офиса или VPN, а список не обновлён?",
        ),
        words("Is the person on an agreed business trip?", "Не в согласованной ли командировке человек?"),
    ],
};
