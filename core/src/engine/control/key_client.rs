//! A key client below the required grade.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        rule::{Hits, Rule},
    },
    event::{Owner, Tier},
};

pub(super) const CONTROL: Control = Control {
    id: "key_client",
    title: words("Key client below the grade", "Ключевой клиент не по уровню"),
    kind: Kind::Rule,
    about: words(
        "A key client of somebody else was touched by a person below the grade of senior; one who owns the client was given it, one who stands in for an absent colleague has it for a while",
        "Чужой ключевой клиент затронут человеком, чей уровень ниже старшего; собственный клиент ему поручен, клиент отсутствующего коллеги — на время",
    ),
    mitre: &["T1213.004"],
    severity: SeverityRule::Fixed(Severity::Medium),
    said: Some(said),
    benign: &[
        words(
            "Does the person stand in for the senior colleague by agreement?",
            "Не замещает ли человек старшего коллегу по договорённости?",
        ),
        words("Was the person promoted, and the directory not told?", "Не повышен ли человек, о чём справочник не знает?"),
        words("Is the client still a key client?", "Остался ли клиент ключевым?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let (event, enrich) = (asked.now.event, &asked.now.enriched.enrich);
    let Some(grade) = enrich.grade.as_deref().filter(|g| matches!(*g, "junior" | "middle")) else { return };
    if !event.ok() {
        return;
    }
    let keys = enrich.clients.iter().filter(|c| c.tier == Some(Tier::Key) && !matches!(c.owner, Owner::Me | Owner::TeamAbsent)).count();
    if keys > 0 {
        hits.count(Rule::KeyClient, event.time, number(keys as u64), &[grade]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let (clock, grade) = (phrase::clock(facts, hit.at), hit.text(0).unwrap_or_default());
    Text {
        en: format!(
            "{} of other managers by a {grade}, first at {clock}; expected none below senior",
            phrase::en(hit.observed, "touch of a key client", "touches of key clients")
        ),
        ru: format!(
            "{} других менеджеров человеком уровня {grade}, первый раз в {clock}; ниже уровня senior ожидалось ни одного",
            phrase::ru(hit.observed, ["обращение к ключевым клиентам", "обращения к ключевым клиентам", "обращений к ключевым клиентам"])
        ),
    }
}
