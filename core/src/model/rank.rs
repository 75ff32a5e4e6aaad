//! What answers teach about the order of the queue: which of two alerts is rather worth somebody's time. Bits, scores, severities and
//! whether there is an alert are the engine's, and nothing here changes them.
//!
//! A logistic model, learned by follow the regularised leader (McMahan et al., *Ad click prediction: a view from the trenches*, KDD
//! 2013; linfa-ftrl), says how likely an alert of this kind is a `true_positive` rather than `benign_expected` or `false_positive`. The
//! alert then takes the place in the queue that an alert of the same rank has by its bits, on the scale of `score`.
//!
//! What holds, whatever was answered:
//! - P1 below [`ENOUGH`] verdicts, or unless the order of the newest quarter, which was held back, becomes better and is beyond chance,
//!   priority is score;
//! - P2 an alert that is critical, or in which a rule fired, has never less than its score;
//! - P3 the same answers give the same priorities, in whatever order they come;
//! - P4 a priority is within 0 and 100, with one decimal.

mod fit;
mod quiet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    engine::{AlertVersion, Severity, VerdictKind, control},
    event::{Timestamp, words},
};

pub use quiet::{Quiet, quiet};

/// Verdicts before anything is learned.
pub const ENOUGH: usize = 200;
/// Of each kind among those held back, at least: an order of fewer says nothing.
const LEAST_HELD: usize = 5;
/// How many shuffles of the answers held back are tried ...
const SHUFFLES: usize = 1000;
/// ... and how many the order has to beat: answers given by the toss of a coin teach nothing.
const BEYOND_CHANCE: usize = 990;

/// An alert, as far as its place in the queue depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Which.
    pub alert_id: String,
    /// In this version.
    pub version: u32,
    /// The manager; empty when it is about nobody.
    pub manager: String,
    /// Their team; may be empty.
    pub team: String,
    /// Their role; may be empty.
    pub role: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The control with most bits.
    pub kind: String,
    /// All controls.
    pub controls: Vec<String>,
    /// How severe it is.
    pub severity: Severity,
    /// Millibits.
    pub bits: u64,
    /// As the engine gave it.
    pub score: f64,
    /// Leading detector and millibits of each family.
    pub parts: Vec<(String, u64)>,
}

impl Case {
    /// What counts of a version of an alert.
    pub fn of(alert: &AlertVersion) -> Self {
        Self {
            alert_id: alert.alert_id.clone(),
            version: alert.version,
            manager: alert.manager.clone().unwrap_or_default(),
            team: alert.team.clone().unwrap_or_default(),
            role: alert.role.clone().unwrap_or_default(),
            opened_at: alert.opened_at,
            kind: alert.kind.clone(),
            controls: alert.controls.clone(),
            severity: alert.severity,
            bits: alert.bits,
            score: alert.score,
            parts: alert.contributions.iter().map(|c| (c.detector.clone(), c.bits)).collect(),
        }
    }

    /// Critical, or a rule fired: no answer to others makes it wait. A control that is not known may be a rule.
    fn is_firm(&self) -> bool {
        let is_rule = |id: &String| control::get(id).is_none_or(|c| c.kind != control::Kind::Behavioural);
        self.severity == Severity::Critical
            || self.parts.iter().any(|(detector, _)| detector == "rule")
            || self.controls.iter().any(is_rule)
    }
}

/// An alert that is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The alert.
    pub case: Case,
    /// What it was.
    pub verdict: VerdictKind,
    /// Since when that is known.
    pub at: Timestamp,
}

/// What a verdict says of the order; none: nothing.
pub fn teaches(verdict: VerdictKind) -> Option<bool> {
    match verdict {
        VerdictKind::TruePositive => Some(true),
        VerdictKind::BenignExpected | VerdictKind::FalsePositive => Some(false),
        VerdictKind::Duplicate | VerdictKind::Unknown => None,
    }
}

words! {
    /// Why an order is in force, or is not.
    Why {
        /// There are not enough verdicts.
        Few = "few_verdicts",
        /// Among those held back nearly all say the same.
        OneSided = "one_sided",
        /// Those held back would not come in a better order, or only by chance.
        NoBetter = "no_better",
        /// They would.
        Better = "better",
    }
}

/// What became of the answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Verdicts that teach.
    pub verdicts: usize,
    /// Of them `true_positive`.
    pub confirmed: usize,
    /// Of them held back: the newest quarter, by the time of the alert.
    pub held_back: usize,
    /// Average precision among those held back when they come by bits, 0 to 1; 0 where that was not tried.
    pub before: f64,
    /// ... and when they come by priority.
    pub after: f64,
    /// Priorities are not scores.
    pub in_force: bool,
    /// Why, or why not.
    pub why: Why,
}

/// What gives the order of the queue. The default has learned nothing: priority is score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranker(Option<Model>);

#[derive(Clone, Debug, PartialEq)]
struct Model {
    /// By term.
    weights: BTreeMap<String, f64>,
    /// Mean of ln bits, and their spread.
    level: (f64, f64),
    /// Log odds, and the millibits of the same rank; both rise.
    scale: Vec<(f64, f64)>,
}

impl Ranker {
    /// Learns from answers, of which those that say nothing of the order do not count.
    pub fn train(answered: &[Answered]) -> (Self, Report) {
        let mut lessons: Vec<(&Case, bool)> = answered.iter().filter_map(|a| Some((&a.case, teaches(a.verdict)?))).collect();
        lessons.sort_by(|(a, _), (b, _)| (a.opened_at, &a.alert_id).cmp(&(b.opened_at, &b.alert_id)));
        let confirmed = |of: &[(&Case, bool)]| of.iter().filter(|(_, is_true)| *is_true).count();
        let (past, held) = lessons.split_at(lessons.len() - lessons.len() / 4);
        let mut report = Report {
            verdicts: lessons.len(),
            confirmed: confirmed(&lessons),
            held_back: held.len(),
            before: 0.0,
            after: 0.0,
            in_force: false,
            why: Why::Few,
        };
        if lessons.len() < ENOUGH {
            return (Self::default(), report);
        }
        let of_both = |of: &[(&Case, bool)]| confirmed(of).min(of.len() - confirmed(of));
        if of_both(held) < LEAST_HELD || of_both(past) < LEAST_HELD {
            return (Self::default(), Report { why: Why::OneSided, ..report });
        }
        let tried = Self(Some(fit::model(past)));
        let is_true: Vec<bool> = held.iter().map(|(_, is_true)| *is_true).collect();
        let by_bits = fit::order(held.iter().map(|(case, _)| (0, case.bits)));
        let by_priority = fit::order(held.iter().map(|(case, _)| place(tried.priority(case), case.bits)));
        (report.before, report.after) = (fit::average_precision(&by_bits, &is_true), fit::average_precision(&by_priority, &is_true));
        let beaten = || fit::shuffles(&is_true, SHUFFLES).filter(|answers| fit::average_precision(&by_priority, answers) < report.after);
        report.in_force = report.after > report.before && beaten().count() >= BEYOND_CHANCE;
        report.why = if report.in_force { Why::Better } else { Why::NoBetter };
        let ranker = if report.in_force { Self(Some(fit::model(&lessons))) } else { Self::default() };
        (ranker, report)
    }

    /// The place of an alert in the queue, on the scale of its score.
    pub fn priority(&self, case: &Case) -> f64 {
        let Some(model) = &self.0 else { return case.score };
        let priority = model.priority(case);
        if case.is_firm() { priority.max(case.score) } else { priority }
    }

    /// What counts for and against, strongest first: a term and its weight in the log odds. Terms are `bits`, `severity:high`,
    /// `detector:rec_out` (its share of the bits), `control:drip`, `role:sales`.
    pub fn weights(&self) -> Vec<(&str, f64)> {
        let Some(model) = &self.0 else { return Vec::new() };
        let mut all: Vec<(&str, f64)> =
            model.weights.iter().filter(|(term, weight)| *term != fit::ALWAYS && **weight != 0.0).map(|(t, w)| (t.as_str(), *w)).collect();
        all.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(b.0)));
        all
    }
}

/// By what the queue is sorted, greatest first: tenths of the priority, then millibits.
fn place(priority: f64, bits: u64) -> (u64, u64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000; what is no number is 0")]
    ((priority * 10.0).round() as u64, bits)
}
