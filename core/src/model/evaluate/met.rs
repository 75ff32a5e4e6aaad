//! Attacks, and what became of each.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    Share, Version,
    share::{Middle, middle, number, share, size},
};
use crate::{
    engine::{control, explain::Detector},
    event::{HOUR_MS, Timestamp},
    model::label::{Label, Strength},
};

/// Grace after an attack's last event: somebody may be told the next morning.
const GRACE_MS: i64 = 24 * HOUR_MS;

/// An attack and what became of it.
pub(super) struct Met<'a> {
    pub(super) label: &'a Label,
    /// Time of the first version within its span.
    pub(super) at: Option<Timestamp>,
    /// Most bits of its versions; a rule's are beyond any threshold.
    pub(super) bits: Option<u64>,
    pub(super) named: bool,
    pub(super) by_event: bool,
    pub(super) delay_events: Option<f64>,
    /// What had gone by the first version: all of it when there was none. Of an attack whose course is not told, nothing is known.
    gone: Option<Gone>,
}

/// What had gone by the first alert, whole where there was none, of attacks whose course is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Records or clients.
    pub records: u64,
    /// Of so many that the attacks gave away.
    pub of_records: u64,
    /// Events.
    pub events: u64,
    /// Of so many.
    pub of_events: u64,
}

/// One kind of attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// Found among weak, medium and strong ones.
    pub weak: Share,
    /// Medium.
    pub medium: Share,
    /// Strong.
    pub strong: Share,
    /// All of them.
    pub all: Share,
    /// Hours from the first event to the first version.
    pub delay_hours: Option<Middle>,
    /// Events of the attack until the first version.
    pub delay_events: Option<Middle>,
    /// Of those found, with an alert that names a right control.
    pub rightly_named: Share,
    /// Median share that had gone by the first version, of those found.
    pub leaked: Option<f64>,
    /// What had gone, those that were missed included.
    pub gone: Gone,
}

impl<'a> Met<'a> {
    /// What the versions of the label's manager, and those without a manager among all, make of it.
    pub(super) fn of(l: &'a Label, of_manager: &[&Version], all: &[Version]) -> Self {
        let within: Vec<&&Version> = of_manager.iter().filter(|v| in_span(v, l)).collect();
        let at = within.iter().map(|v| v.time).min();
        let ids: BTreeSet<&str> = l.event_ids.iter().map(String::as_str).collect();
        let shares = |v: &Version| v.event_ids.iter().any(|e| ids.contains(e.as_str()));
        let gone = (!l.course.is_empty()).then(|| Gone::by(at, l));
        Self {
            label: l,
            at,
            bits: within.iter().map(|v| if is_rule(v) { u64::MAX } else { v.bits }).max(),
            named: within.iter().any(|v| v.controls.iter().chain([&v.kind]).any(|c| l.controls.contains(c))),
            by_event: of_manager.iter().any(|v| shares(v)) || all.iter().any(|v| v.manager.is_none() && shares(v)),
            delay_events: at.and(gone).map(|g| number(g.events)),
            gone,
        }
    }

    /// Share of what it gave away that had gone.
    pub(super) fn leaked(&self) -> Option<f64> {
        self.gone.filter(|g| g.of_records > 0).map(|g| number(g.records) / number(g.of_records))
    }

    pub(super) fn hours(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of some weeks")]
        self.at.map(|t| (t.millis() - self.label.from.millis()) as f64 / HOUR_MS as f64)
    }
}

impl Gone {
    fn by(at: Option<Timestamp>, l: &Label) -> Self {
        let until = at.map_or(l.course.len(), |t| l.course.iter().take_while(|(when, _)| *when <= t).count());
        let records = if at.is_none() { l.exposure } else { until.checked_sub(1).map_or(0, |last| l.course[last].1) };
        Self { records, of_records: l.exposure, events: size(until), of_events: size(l.course.len()) }
    }

    /// All attacks together.
    pub(super) fn sum<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Self {
        met.filter_map(|m| m.gone).fold(Self::default(), |a, b| Self {
            records: a.records + b.records,
            of_records: a.of_records + b.of_records,
            events: a.events + b.events,
            of_events: a.of_events + b.of_events,
        })
    }
}

/// Whether a version belongs to a label by person and time.
fn in_span(v: &Version, l: &Label) -> bool {
    v.manager.as_deref() == Some(&l.manager) && l.from <= v.time && v.time <= l.to.plus(GRACE_MS)
}

/// Whether any version of an alert lies in the span of a label; without a manager, whether it shares an event with it.
pub(super) fn meets(alert: &[&Version], l: &Label) -> bool {
    alert.iter().any(|v| in_span(v, l) || v.manager.is_none() && v.event_ids.iter().any(|e| l.event_ids.contains(e)))
}

/// Whether a version comes from a rule rather than from behaviour: by what it rests on most. A control of behaviour may have
/// a rule of its own, so its name decides only where contributions are not told.
pub(super) fn is_rule(v: &Version) -> bool {
    let by_name = || control::get(&v.kind).map_or(v.manager.is_none(), |c| c.kind != control::Kind::Behavioural);
    v.contributions.iter().max_by_key(|c| c.bits).map_or_else(by_name, |c| c.detector == Detector::Rule.as_str())
}

/// Bits of an alert that would be no alert above them: a rule that joins opens it anyway, whatever behaviour says later.
pub(super) fn behavioural_bits(alert: &[&Version]) -> u64 {
    alert.iter().take_while(|v| !is_rule(v)).map(|v| v.bits).max().unwrap_or_default()
}

pub(super) fn rows(met: &[Met<'_>]) -> Vec<Row> {
    let scenarios: BTreeSet<&str> = met.iter().map(|m| m.label.scenario.as_str()).collect();
    let row = |scenario: &str| {
        let of: Vec<&Met<'_>> = met.iter().filter(|m| m.label.scenario == scenario).collect();
        let strength = |s| found(of.iter().copied().filter(|m| m.label.strength == s));
        Row {
            scenario: scenario.to_owned(),
            weak: strength(Strength::Weak),
            medium: strength(Strength::Medium),
            strong: strength(Strength::Strong),
            all: found(of.iter().copied()),
            delay_hours: middle(of.iter().filter_map(|m| m.hours()).collect()),
            delay_events: middle(of.iter().filter_map(|m| m.delay_events).collect()),
            rightly_named: named(of.iter().copied()),
            leaked: leaked_when_found(of.iter().copied()),
            gone: Gone::sum(of.iter().copied()),
        }
    };
    scenarios.into_iter().map(row).collect()
}

pub(super) fn found<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Share {
    counted(met, |m| m.at.is_some())
}

pub(super) fn named<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Share {
    counted(met.filter(|m| m.at.is_some()), |m| m.named)
}

/// The share of attacks that something is true of.
pub(super) fn counted<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>, is: impl Fn(&Met<'b>) -> bool) -> Share {
    let (mut n, mut of) = (0, 0);
    for m in met {
        of += 1;
        n += usize::from(is(m));
    }
    share(n, of)
}

/// Median share that had gone, of those found.
pub(super) fn leaked_when_found<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Option<f64> {
    middle(met.filter(|m| m.at.is_some()).filter_map(Met::leaked).collect()).map(|m| m.median)
}
