//! How good alerts are against labels: found and missed, how soon, how much had gone by then, and what was false.

mod calibration;
mod curve;
mod fairness;
mod honest;
mod met;
mod share;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::label::{Kind, Label, Meta, Strength};
use crate::{
    directory::{Table, User},
    event::Timestamp,
};
use curve::Curve;
use met::{Met, counted, found, is_rule, leaked_when_found, meets, named, rows};
use share::{mean, middle, rate, size};

pub use calibration::{Calibrated, Calibration, Day, Days, Level};
pub use curve::{Matched, Point};
pub use fairness::{By, Fairness, Group};
pub use met::{Gone, Row};
pub use share::{Middle, Rate, Share, wilson};

/// A version of an alert, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Version {
    /// Which alert; the reference in Python names the event that opened it.
    #[serde(alias = "first_event")]
    pub alert_id: String,
    /// 1, 2, ...
    pub version: u32,
    /// The manager; absent when the subject is none.
    #[serde(default)]
    pub manager: Option<String>,
    /// Time of the event that made this version.
    pub time: Timestamp,
    /// Time of the event that opened the alert.
    #[serde(default)]
    pub opened_at: Option<Timestamp>,
    /// The control with most bits.
    pub kind: String,
    /// All controls.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Evidence.
    #[serde(default)]
    pub event_ids: Vec<String>,
    /// Millibits.
    #[serde(default)]
    pub bits: u64,
    /// What they come from; empty where it is not told.
    #[serde(default)]
    pub contributions: Vec<Part>,
}

/// What a detector adds to a version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Part {
    /// Its name.
    pub detector: String,
    /// Millibits.
    pub bits: u64,
}

/// What alerts are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What really happened.
    pub labels: &'a [Label],
    /// The alerts, a line per version.
    pub versions: &'a [Version],
    /// How long, and how many managers.
    pub meta: &'a Meta,
    /// Manager-days: with them the detectors' calibration is judged.
    pub days: Option<&'a Days>,
    /// Who is who: with them and the manager-days, fairness.
    pub users: Option<&'a Table<User>>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Attacks and alerts before this day (from 0) do not count.
    pub from_day: u32,
    /// Alerts per 100 manager-days that were allowed for.
    pub budget: f64,
}

/// An attack that no alert met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Its name.
    pub scenario: String,
    /// How strong.
    pub strength: Strength,
    /// Who.
    pub manager: String,
    /// When.
    pub from: Timestamp,
    /// Records or clients that went.
    pub exposure: u64,
}

/// Whether the rate of false alerts is what the budget says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The interval holds the budget.
    Kept,
    /// Surely fewer.
    Fewer,
    /// Surely more.
    Broken,
    /// Nothing to judge by.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// First day that counts.
    pub from_day: u32,
    /// Manager-days from there on.
    pub manager_days: u64,
    /// Alerts opened from there on.
    pub alerts: u64,
    /// Alerts that met an attack.
    pub right: u64,
    /// Attacks found.
    pub attacks: Share,
    /// By strength.
    pub by_strength: BTreeMap<&'static str, Share>,
    /// Single bulk exports: the first event gives all away.
    pub single_exports: Share,
    /// All others.
    pub without_single_exports: Share,
    /// Attacks that share an event with an alert.
    pub by_event: Share,
    /// Of those found, with an alert that names a right control.
    pub rightly_named: Share,
    /// Hours from the first event to the first version, of those found.
    pub delay_hours: Option<Middle>,
    /// Events of the attack until the first version, of those found.
    pub delay_events: Option<Middle>,
    /// Median share that had gone by the first version, of those found.
    pub leaked_when_found: Option<f64>,
    /// Mean share that had gone, all of what was missed included.
    pub leaked_of_all: Option<f64>,
    /// What had gone by the first alert, what was missed included.
    pub gone: Gone,
    /// Per kind of attack.
    pub scenarios: Vec<Row>,
    /// The budget.
    pub budget: f64,
    /// False alerts of behaviour, which the budget judges.
    pub false_behavioural: Rate,
    /// False alerts of rules, which it does not.
    pub false_rule: Rate,
    /// Whether the budget was kept.
    pub promise: Promise,
    /// False alerts by control.
    pub false_by_kind: BTreeMap<String, u64>,
    /// False alerts that met something unusual but honest, by what it was, and how often there was such a thing.
    pub false_on_benign: BTreeMap<String, Share>,
    /// False alerts of behaviour by the honest thing that each met, of several the shortest; they add up to all of them.
    pub false_by_confounder: BTreeMap<String, u64>,
    /// At the same rates of false alerts (1 and 5 per 100 manager-days); a rate is absent where the alerts have no more than
    /// so many false ones: they were made with too small a budget to tell.
    pub matched: Vec<Matched>,
    /// The same from 0.1 to 10 per 100 manager-days.
    pub curve: Vec<Point>,
    /// Whether each detector means what it says; only where manager-days are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Whether some groups of people carry more false alerts; only where manager-days and users are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairness: Option<Fairness>,
    /// What no alert met.
    pub missed: Vec<Missed>,
}

/// The scenario whose first event gives all away.
const SINGLE_EXPORT: &str = "bulk_export";

/// Judges alerts by labels.
pub fn evaluate(input: &Input<'_>, question: &Question) -> Evaluation {
    let Input { labels, versions, meta, .. } = *input;
    let first_date = meta.date(question.from_day);
    let first_day = first_date.midnight_utc();
    let attacks: Vec<&Label> = labels.iter().filter(|l| l.label == Kind::Attack).collect();
    let met = met(&attacks, versions, first_day);
    let alerts = by_alert(versions);
    let opened: Vec<&Vec<&Version>> = alerts.values().filter(|a| opened_at(a) >= first_day).collect();
    let false_alerts: Vec<&Vec<&Version>> = opened.iter().copied().filter(|a| !attacks.iter().any(|l| meets(a, l))).collect();
    let (rules, behavioural): (Vec<&Vec<&Version>>, Vec<&Vec<&Version>>) = false_alerts.iter().copied().partition(|a| is_rule(a[0]));
    let manager_days = meta.manager_days(question.from_day);
    let false_behavioural = rate(behavioural.len(), manager_days);
    let curve = Curve::new(manager_days, &met, &behavioural);
    Evaluation {
        from_day: question.from_day,
        manager_days,
        alerts: size(opened.len()),
        right: size(opened.len() - false_alerts.len()),
        attacks: found(met.iter()),
        by_strength: Strength::ALL.iter().map(|s| (s.as_str(), found(met.iter().filter(|m| m.label.strength == *s)))).collect(),
        single_exports: found(met.iter().filter(|m| m.label.scenario == SINGLE_EXPORT)),
        without_single_exports: found(met.iter().filter(|m| m.label.scenario != SINGLE_EXPORT)),
        by_event: counted(met.iter(), |m| m.by_event),
        rightly_named: named(met.iter()),
        delay_hours: middle(met.iter().filter_map(Met::hours).collect()),
        delay_events: middle(met.iter().filter_map(|m| m.delay_events).collect()),
        leaked_when_found: leaked_when_found(met.iter()),
        leaked_of_all: mean(&met.iter().filter_map(Met::leaked).collect::<Vec<_>>()),
        gone: Gone::sum(met.iter()),
        scenarios: rows(&met),
        budget: question.budget,
        false_rule: rate(rules.len(), manager_days),
        promise: promise(&false_behavioural, question.budget),
        false_behavioural,
        false_by_kind: by_kind(&false_alerts),
        false_on_benign: honest::on_benign(labels, &false_alerts, first_day),
        false_by_confounder: honest::by_confounder(labels, &behavioural),
        matched: curve.matched(),
        curve: curve.points(),
        calibration: input.days.map(|days| calibration::calibration(days, labels, meta, question.from_day)),
        fairness: input.days.zip(input.users).map(|(days, users)| fairness::fairness(days, users, &behavioural, first_date)),
        missed: missed(&met),
    }
}

/// The versions of each alert, in order.
fn by_alert(versions: &[Version]) -> BTreeMap<&str, Vec<&Version>> {
    let mut alerts: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for v in versions {
        alerts.entry(&v.alert_id).or_default().push(v);
    }
    for versions in alerts.values_mut() {
        versions.sort_by_key(|v| (v.version, v.time));
    }
    alerts
}

fn opened_at(alert: &[&Version]) -> Timestamp {
    alert[0].opened_at.unwrap_or_else(|| alert.iter().map(|v| v.time).min().unwrap_or(alert[0].time))
}

fn met<'a>(attacks: &[&'a Label], versions: &[Version], first_day: Timestamp) -> Vec<Met<'a>> {
    let mut by_manager: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for v in versions {
        by_manager.entry(v.manager.as_deref().unwrap_or("")).or_default().push(v);
    }
    let of_manager = |l: &Label| by_manager.get(l.manager.as_str()).map_or(&[][..], Vec::as_slice);
    attacks.iter().filter(|l| l.from >= first_day).map(|l| Met::of(l, of_manager(l), versions)).collect()
}

fn by_kind(alerts: &[&Vec<&Version>]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for a in alerts {
        *counts.entry(a[0].kind.clone()).or_insert(0) += 1;
    }
    counts
}

fn missed(met: &[Met<'_>]) -> Vec<Missed> {
    let of = |l: &Label| Missed {
        scenario: l.scenario.clone(),
        strength: l.strength,
        manager: l.manager.clone(),
        from: l.from,
        exposure: l.exposure,
    };
    met.iter().filter(|m| m.at.is_none()).map(|m| of(m.label)).collect()
}

fn promise(seen: &Rate, budget: f64) -> Promise {
    match seen.per_100 {
        None => Promise::Unknown,
        Some(_) if seen.low > budget => Promise::Broken,
        Some(_) if seen.high < budget => Promise::Fewer,
        Some(_) => Promise::Kept,
    }
}
