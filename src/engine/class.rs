//! What the managers of a class (people, integrations) share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    baseline::{
        HURDLE,
        hurdle::{Expected, Own},
        novelty::Rates,
        pool::Pool,
        tail::{Histogram, Tail},
    },
    budget::{Calibration, Thresholds, young},
};

/// A role with fewer managers joins the class.
const SMALLEST_ROLE: u32 = 5;

/// Pools, histograms, novelty rates, thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Class {
    pub(super) all: Pool,
    pub(super) roles: BTreeMap<String, Pool>,
    pub(super) role_size: BTreeMap<String, u32>,
    /// Of detectors 1...19.
    pub(super) histograms: Vec<Histogram>,
    pub(super) rates: Rates,
    /// Closes so far, from 1: what was computed before a close is stale.
    pub(super) generation: u32,
    pub(super) calibration: Calibration,
    pub(super) theta: Thresholds,
    #[serde(skip)]
    pub(super) tails: Vec<Option<Tail>>,
}

impl Class {
    /// A class that has seen nothing.
    pub(super) fn new(budget: f64) -> Self {
        let mut class = Self {
            all: Pool::new(2.0, 4.0),
            roles: BTreeMap::new(),
            role_size: BTreeMap::new(),
            histograms: vec![Histogram::default(); HURDLE + 3],
            rates: Rates::default(),
            generation: 1,
            calibration: Calibration::default(),
            theta: young(budget),
            tails: Vec::new(),
        };
        class.map();
        class
    }

    /// Computes the maps anew.
    pub(super) fn map(&mut self) {
        self.tails = self.histograms.iter().map(Histogram::tail).collect();
    }

    /// What is expected of a manager in a role.
    pub(super) fn expected(&self, own: &Own, role: &str) -> Expected {
        let peers = self.roles.get(role).filter(|_| self.role_size.get(role).is_some_and(|n| *n >= SMALLEST_ROLE));
        Expected::of(own, &self.all, peers)
    }
}
