//! The user's own rules.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "sigma",
    title: words("Own rule", "Собственное правило"),
    kind: Kind::Rule,
    about: words(
        "A rule of your own, written in Sigma over canonical fields, matched (docs/sigma.md)",
        "Сработало ваше собственное правило, записанное на языке Sigma по полям событий (docs/sigma.md)",
    ),
    mitre: &[],
    severity: SeverityRule::Own,
    said: Some(said),
    benign: &[
        words("Read the rule's own list of false positives", "Прочтите список ложных срабатываний в самом правиле"),
        words("Is the rule older than the way people work now?", "Не устарело ли правило?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    for own in asked.terms.own_rules(asked.now) {
        let rule = match own.level {
            Severity::Critical => Rule::SigmaCritical,
            Severity::High => Rule::SigmaHigh,
            Severity::Medium => Rule::SigmaMedium,
            Severity::Low => Rule::SigmaLow,
        };
        hits.count(rule, asked.now.event.time, 1.0, &[&own.id, &own.title]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let title = phrase::shown(hit.text(1).or(hit.text(0)).unwrap_or_default());
    Text {
        en: format!("Own rule “{title}” matched {}, first at {clock}", phrase::en(hit.observed, "event", "events")),
        ru: format!(
            "Собственное правило «{title}» сработало: {}, первый раз в {clock}",
            phrase::ru(hit.observed, ["событие", "события", "событий"])
        ),
    }
}
