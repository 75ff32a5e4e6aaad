//! Any successful activity after dismissal.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "leaver_active",
    title: words("Active after dismissal", "Активность после увольнения"),
    kind: Kind::Rule,
    about: words("A successful action at or after the first instant without access", "Успешное действие после прекращения доступа"),
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::Critical),
    said: Some(said),
    benign: &[
        words("Was the last day moved, and the directory not told?", "Не перенесён ли последний день, о чём справочник не знает?"),
        words(
            "Does a program still sign in with this account? Then change its account",
            "Не входит ли ещё под этой учётной записью программа? Тогда смените её учётную запись",
        ),
        words("Was the account passed on to a successor?", "Не передана ли учётная запись преемнику?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let t = asked.now.event.time;
    if asked.now.event.ok() && asked.now.person.gone(t) {
        hits.count(Rule::LeaverActive, t, 1.0, &[]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    match facts.terminated_at.map(|at| phrase::date(facts, at)) {
        Some(end) => Text {
            en: format!("Active at {clock} although access ended on {}", end.en),
            ru: format!("Активность в {clock}, хотя доступ прекращён {}", end.ru),
        },
        None => Text {
            en: format!("Active at {clock} after dismissal"), ru: format!("Активность в {clock} после увольнения")
        },
    }
}
