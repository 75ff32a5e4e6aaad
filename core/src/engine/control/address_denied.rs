//! An address outside the allowed list.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit},
        rule::{Hits, Rule},
    },
    event::Address,
};

pub(super) const CONTROL: Control = Control {
    id: "address_denied",
    title: words("Address not allowed", "Неразрешённый адрес"),
    kind: Kind::Rule,
    about: words(
        "An event from an address that is not on the list of this person, team or organisation; refused attempts count too",
        "Событие с адреса, которого нет в списке этого человека, команды или организации; считаются и отклонённые попытки",
    ),
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::High),
    said: Some(said),
    benign: &[
        words(
            "Did the office's address or VPN change, and the list was not updated?",
            "Не сменился ли адрес офиса или VPN, а список не обновлён?",
        ),
        words("Is the person on an agreed business trip?", "Не в согласованной ли командировке человек?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    if asked.now.enriched.enrich.address == Address::Denied {
        hits.count(Rule::AddressDenied, asked.now.event.time, 1.0, &[asked.ip()]);
    }
}

fn said(hit: &Hit, _: &Facts) -> Text {
    match hit.text(0) {
        Some(address) => Text {
            en: format!("Came from {address}, which is not on the list of allowed addresses"),
            ru: format!("Обращение с адреса {address}, которого нет в списке разрешённых"),
        },
        None => Text {
            en: "Came from an address that is not on the list of allowed addresses".to_owned(),
            ru: "Обращение с адреса, которого нет в списке разрешённых".to_owned(),
        },
    }
}
