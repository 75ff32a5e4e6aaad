//! What would have been found at a given rate of false alerts.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Version,
    met::{Met, behavioural_bits, counted},
    share::{Share, number},
};
use crate::model::label::Strength;

/// False alerts per 100 manager-days, from what a tenant of a thousand barely notices to what nobody reads.
const GRID: [f64; 13] = [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0];
/// The rates at which each kind of attack is told apart.
const BY_SCENARIO: [f64; 2] = [1.0, 5.0];

/// What would have been found, had behaviour been told from so many bits on that the false alerts are a given rate. Detectors
/// are compared like this: each at the same cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// False alerts of behaviour per 100 manager-days.
    pub rate: f64,
    /// The least bits that are told, millibits.
    pub bits: u64,
    /// Attacks found.
    pub found: Share,
    /// By strength.
    pub by_strength: BTreeMap<&'static str, Share>,
}

/// A point, and what was found of each kind of attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matched {
    /// All kinds together.
    #[serde(flatten)]
    pub point: Point,
    /// Attacks found per kind.
    pub by_scenario: BTreeMap<String, Share>,
}

/// Recall against false alerts, as far as the alerts tell.
pub(super) struct Curve<'a> {
    manager_days: u64,
    met: &'a [Met<'a>],
    /// Most bits of each false alert of behaviour, the most first.
    false_bits: Vec<u64>,
}

impl<'a> Curve<'a> {
    pub(super) fn new(manager_days: u64, met: &'a [Met<'a>], behavioural: &[&Vec<&Version>]) -> Self {
        let mut false_bits: Vec<u64> = behavioural.iter().map(|alert| behavioural_bits(alert)).collect();
        false_bits.sort_unstable_by(|a, b| b.cmp(a));
        Self { manager_days, met, false_bits }
    }

    /// The whole grid.
    pub(super) fn points(&self) -> Vec<Point> {
        GRID.into_iter().filter_map(|rate| self.at(rate)).collect()
    }

    /// The rates at which detectors are compared, by kind of attack.
    pub(super) fn matched(&self) -> Vec<Matched> {
        let scenarios: BTreeSet<&str> = self.met.iter().map(|m| m.label.scenario.as_str()).collect();
        let of = |point: Point| {
            let found = |s: &str| (s.to_owned(), self.told(point.bits, |m| m.label.scenario == s));
            Matched { by_scenario: scenarios.iter().map(|s| found(s)).collect(), point }
        };
        BY_SCENARIO.into_iter().filter_map(|rate| self.at(rate)).map(of).collect()
    }

    /// The threshold that leaves exactly so many false alerts, and what lies above it; none where there are no more than so many.
    fn at(&self, rate: f64) -> Option<Point> {
        let allowed = (rate * number(self.manager_days) / 100.0).floor();
        let bits = (0_u64..).zip(&self.false_bits).find(|(i, _)| number(*i) >= allowed).map(|(_, bits)| bits + 1)?;
        let by_strength = Strength::ALL.iter().map(|s| (s.as_str(), self.told(bits, |m| m.label.strength == *s))).collect();
        Some(Point { rate, bits, found: self.told(bits, |_| true), by_strength })
    }

    fn told(&self, bits: u64, of: impl Fn(&Met<'_>) -> bool) -> Share {
        counted(self.met.iter().filter(|m| of(m)), |m| m.bits.is_some_and(|b| b >= bits))
    }
}
