//! A client that exists only to be touched by those who should not.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    math::number,
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "decoy",
    title: words("Decoy client touched", "Обращение к клиенту-приманке"),
    kind: Kind::Rule,
    about: words(
        "A client that nobody has a reason to touch was opened, exported or called",
        "Открыт, выгружен или набран клиент, к которому ни у кого нет причин обращаться",
    ),
    mitre: &["T1213.004"],
    severity: SeverityRule::Fixed(Severity::Critical),
    said: Some(said),
    benign: &[
        words(
            "Does the decoy look so real that it was opened by mistake from a list or a search?",
            "Не так ли похожа приманка на настоящего клиента, что её открыли по ошибке из списка или поиска?",
        ),
        words(
            "Was it touched by a job that goes over all clients, a backup or a clean-up?",
            "Не тронуло ли её задание, которое проходит по всем клиентам: копия, чистка?",
        ),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    if !asked.now.event.ok() {
        return;
    }
    let decoys = asked.now.enriched.enrich.clients.iter().filter(|c| c.decoy).count();
    if decoys > 0 {
        hits.count(Rule::Decoy, asked.now.event.time, number(decoys as u64), &[asked.now.event.action.as_str()]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "{} at {clock}; nobody has a reason to touch them, expected none",
            phrase::en(hit.observed, "decoy client touched", "decoy clients touched")
        ),
        ru: format!(
            "{} в {clock}; причин к ним обращаться нет ни у кого, ожидалось ни одного",
            phrase::ru(hit.observed, ["обращение к клиенту-приманке", "обращения к клиентам-приманкам", "обращений к клиентам-приманкам"])
        ),
    }
}
