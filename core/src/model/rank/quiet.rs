//! What people call work again and again: a mute would save them the answer.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::Answered;
use crate::{
    engine::VerdictKind,
    event::{DAY_MS, Timestamp},
};

/// Answers that call it work, at least ...
const LEAST: usize = 3;
/// ... of the last so many days.
const WITHIN_D: i64 = 30;

/// A control that may be quiet about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// About this person ...
    pub manager: Option<String>,
    /// ... or about all of this team.
    pub team: Option<String>,
    /// The control.
    pub control: String,
    /// The alerts that were work, oldest first.
    pub alerts: Vec<String>,
}

/// What was `benign_expected` three times within thirty days and never a `true_positive`: by person, or by team where several people
/// of it are concerned and none of them often enough.
pub fn quiet(answered: &[Answered], now: Timestamp) -> Vec<Quiet> {
    let of = |kind: VerdictKind| answered.iter().filter(move |a| a.verdict == kind);
    let mut worked: Vec<&Answered> =
        of(VerdictKind::BenignExpected).filter(|a| now.millis() - a.at.millis() <= WITHIN_D * DAY_MS && !a.case.kind.is_empty()).collect();
    worked.sort_by(|a, b| (a.at, &a.case.alert_id).cmp(&(b.at, &b.case.alert_id)));
    let confirmed = |is: &dyn Fn(&Answered) -> bool, control: &str| {
        of(VerdictKind::TruePositive).any(|a| is(a) && (a.case.kind == control || a.case.controls.iter().any(|c| c == control)))
    };
    let ids = |some: &[&Answered]| some.iter().map(|a| a.case.alert_id.clone()).collect();

    let mut people: BTreeMap<(&str, &str), Vec<&Answered>> = BTreeMap::new();
    let mut teams: BTreeMap<(&str, &str), Vec<&Answered>> = BTreeMap::new();
    for a in worked {
        people.entry((&a.case.manager, &a.case.kind)).or_default().push(a);
        teams.entry((&a.case.team, &a.case.kind)).or_default().push(a);
    }
    let mut found = Vec::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for ((manager, control), some) in people {
        if !manager.is_empty() && some.len() >= LEAST && !confirmed(&|a| a.case.manager == manager, control) {
            told.extend(some.iter().map(|a| a.case.alert_id.as_str()));
            found.push(Quiet { manager: Some(manager.to_owned()), team: None, control: control.to_owned(), alerts: ids(&some) });
        }
    }
    for ((team, control), some) in teams {
        let rest: Vec<&Answered> = some.into_iter().filter(|a| !told.contains(a.case.alert_id.as_str())).collect();
        let several = rest.iter().any(|a| a.case.manager != rest[0].case.manager);
        if !team.is_empty() && several && rest.len() >= LEAST && !confirmed(&|a| a.case.team == team, control) {
            found.push(Quiet { manager: None, team: Some(team.to_owned()), control: control.to_owned(), alerts: ids(&rest) });
        }
    }
    found.sort_by_key(|q| Reverse(q.alerts.len()));
    found
}
