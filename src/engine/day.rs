//! One manager-day: accumulators and everything that only lives as long as the day is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    baseline::hours::Hour,
    explain::NewValue,
    score::{DETECTORS, FAMILIES},
    sketch::Clients,
};

/// At most so many events of a day are remembered as evidence before the middling ones go.
const EVIDENCE: usize = 400;
/// New values of a day that a sentence may name.
const NEW_VALUES: usize = 16;
/// (attribute, value) pairs counted on a day.
const COUNTED: usize = 4096;

/// What a day is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    /// Team, role, schedule and class as of the first event in the log.
    pub(super) team: Option<String>,
    pub(super) role: String,
    pub(super) schedule: String,
    pub(super) class: u8,
    pub(super) x: [f64; DETECTORS],
    pub(super) raw: [f64; DETECTORS],
    pub(super) r: [f64; DETECTORS],
    pub(super) s: [f64; DETECTORS],
    pub(super) v: [f64; FAMILIES],
    pub(super) events: u64,
    pub(super) closed: bool,
    pub(super) incident: bool,
    /// Greatest behavioural evidence so far.
    pub(super) peak: f64,
    /// Close count of the class for which `s` was computed; 0: never.
    pub(super) generation: u32,
    pub(super) hours: BTreeMap<u8, Hour>,
    pub(super) touched: Clients,
    pub(super) called: Clients,
    counted: std::collections::BTreeSet<(u8, u64)>,
    /// Attributes with a value today, and those with a newly learned one: bits.
    pub(super) active: u8,
    pub(super) fresh: u8,
    pub(super) rules: Vec<Rule>,
    /// Per detector the greatest whole nat that was signalled.
    pub(super) signalled: [u8; DETECTORS],
    evidence: Vec<Evidence>,
    pub(super) new_values: Vec<Fresh>,
    pub(super) related: u64,
    pub(super) unrelated_key: u64,
    pub(super) substitute: bool,
    pub(super) denied: Option<String>,
    /// Per UTC hour: events, records out, records on screen, calls.
    pub(super) counts: BTreeMap<i64, [u64; 4]>,
}

/// A hard rule that fired on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Rule {
    /// Successful activity after dismissal.
    LeaverActive,
    /// An address that is not on the list.
    AddressDenied,
}

impl Rule {
    /// Control, severity and nats (DETECTION.md §9).
    pub(super) fn what(self) -> (&'static str, super::Severity, f64) {
        match self {
            Self::LeaverActive => ("leaver_active", super::Severity::Critical, 20.0),
            Self::AddressDenied => ("address_denied", super::Severity::High, 14.0),
        }
    }
}

/// An event that raised a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Evidence {
    reference: String,
    /// Bits of the families that it raised.
    families: u16,
    /// By how much, at most.
    nats: f64,
}

/// [`NewValue`] as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fresh {
    attribute: u8,
    value: String,
    rate: f64,
}

impl Day {
    /// A day that begins.
    pub(super) fn new(team: Option<String>, role: String, schedule: String, class: u8, closed: bool) -> Self {
        Self { team, role, schedule, class, closed, ..Self::default() }
    }

    /// Records revealed, so far: the floor of some detectors.
    pub(super) fn revealed(&self) -> f64 {
        self.x[0] + self.x[1] + self.x[5]
    }

    /// Counts an (attribute, value) pair once; false when it was counted already, or the day has too many.
    pub(super) fn count_value(&mut self, a: usize, value: u64) -> bool {
        let key = (u8::try_from(a).expect("seven attributes"), value);
        (self.counted.len() < COUNTED || self.counted.contains(&key)) && self.counted.insert(key)
    }

    /// A value that was new; `text` as shown.
    pub(super) fn note_new(&mut self, a: usize, text: &str, rate: f64) {
        if self.new_values.len() < NEW_VALUES {
            let value = text.chars().take(120).collect();
            self.new_values.push(Fresh { attribute: u8::try_from(a).expect("seven attributes"), value, rate });
        }
    }

    /// The new values for a sentence.
    pub(super) fn news(&self) -> Vec<NewValue> {
        let attribute = |a: u8| super::explain::Attribute::ALL[usize::from(a)];
        self.new_values.iter().map(|f| NewValue { attribute: attribute(f.attribute), value: f.value.clone(), rate: f.rate }).collect()
    }

    /// A rule fired.
    pub(super) fn fire(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// The strongest rule; of equals the first that fired.
    pub(super) fn strongest(&self) -> Option<Rule> {
        self.rules.iter().copied().reduce(|a, b| if b.what().2 > a.what().2 { b } else { a })
    }

    /// Nats of the rules: the greatest, and 0.1 for each further one.
    pub(super) fn rule_nats(&self) -> f64 {
        let more = super::math::number((self.rules.len().max(1) - 1) as u64);
        self.strongest().map_or(0.0, |r| r.what().2 + 0.1 * more)
    }

    /// Remembers an event by the families that it raised from `before` to now.
    pub(super) fn remember(&mut self, reference: impl FnOnce() -> String, before: &[f64; FAMILIES]) {
        let (mut families, mut nats) = (0_u16, 0.0_f64);
        for i in 0..FAMILIES {
            let gain = self.v[i] - before[i];
            if gain > 0.0 {
                families |= 1 << i;
                nats = nats.max(gain);
            }
        }
        if families == 0 {
            return;
        }
        self.evidence.push(Evidence { reference: reference(), families, nats });
        if self.evidence.len() > EVIDENCE {
            // The ends stay; in the middle the weakest half goes.
            let middle = 20..self.evidence.len() - 20;
            let mut nats: Vec<f64> = self.evidence[middle.clone()].iter().map(|e| e.nats).collect();
            nats.sort_by(f64::total_cmp);
            let limit = nats[nats.len() / 2];
            let last = self.evidence.len() - 20;
            let mut i = 0;
            self.evidence.retain(|e| {
                i += 1;
                i <= 20 || i > last || e.nats > limit
            });
        }
    }

    /// The events that raised one of `families`: the first 20, the strongest 60, the last 20, in order.
    pub(super) fn event_ids(&self, families: u16) -> Vec<String> {
        let of: Vec<&Evidence> = self.evidence.iter().filter(|e| e.families & families != 0).collect();
        let mut chosen: Vec<bool> = vec![of.len() <= 100; of.len()];
        if of.len() > 100 {
            let n = of.len();
            let mut middle: Vec<usize> = (20..n - 20).collect();
            middle.sort_by(|&a, &b| of[b].nats.total_cmp(&of[a].nats).then(a.cmp(&b)));
            for i in (0..20).chain(n - 20..n).chain(middle.into_iter().take(60)) {
                chosen[i] = true;
            }
        }
        of.iter().zip(chosen).filter(|(_, c)| *c).map(|(e, _)| e.reference.clone()).collect()
    }
}
