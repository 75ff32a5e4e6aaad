//! What the managers of a class (people, integrations) share.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    baseline::{
        novelty::Rates,
        pool::Pool,
        tail::{Histogram, Tail},
    },
    budget::{Calibration, Curve, Thresholds, young},
    detector::{OUT, RULE},
    state,
};
use crate::event::ActorKind;

/// Number of classes.
pub(super) const CLASSES: usize = 2;
/// The class of integrations.
pub(super) const INTEGRATIONS: usize = 1;
/// A role with fewer managers joins the class.
const SMALLEST_ROLE: u32 = 5;

/// Pools, histograms, novelty rates, thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Class {
    /// Which of the classes it is.
    pub(super) index: usize,
    pub(super) pool: Pool,
    pub(super) roles: BTreeMap<Arc<str>, Pool>,
    role_size: BTreeMap<Arc<str>, u32>,
    /// Of the behavioural detectors.
    #[serde(deserialize_with = "state::grown_box::<OUT, _, _, _>")]
    pub(super) histograms: Box<[Histogram; RULE]>,
    pub(super) rates: Rates,
    pub(super) calibration: Calibration,
    /// Thresholds elsewhere, until there is a past of one's own.
    #[serde(deserialize_with = "state::since::<10, _, _>")]
    pub(super) elsewhere: Curve,
    /// What new tenants will be told of this one; none before it is known.
    #[serde(deserialize_with = "state::since::<10, _, _>")]
    pub(super) early: Option<Curve>,
    pub(super) theta: Thresholds,
    #[serde(skip)]
    tails: Vec<Option<Tail>>,
    /// Changes with whatever was computed from this: what was recalibrated before is stale.
    #[serde(skip)]
    generation: u64,
}

impl Class {
    /// The class of an actor; none for the CRM itself.
    pub(super) fn of(kind: ActorKind) -> Option<usize> {
        match kind {
            ActorKind::User => Some(0),
            ActorKind::Integration => Some(INTEGRATIONS),
            ActorKind::System => None,
        }
    }

    /// A class that has seen nothing.
    pub(super) fn new(index: usize, budget: f64) -> Self {
        let mut class = Self {
            index,
            pool: Pool::new(2.0, 4.0),
            roles: BTreeMap::new(),
            role_size: BTreeMap::new(),
            histograms: Box::new(std::array::from_fn(|_| Histogram::default())),
            rates: Rates::default(),
            calibration: Calibration::default(),
            elsewhere: Curve::default(),
            early: None,
            theta: young(budget),
            tails: Vec::new(),
            generation: 0,
        };
        class.refresh();
        class
    }

    /// Computes the maps anew: at a close, and after a restore.
    pub(super) fn refresh(&mut self) {
        self.tails = self.histograms.iter().map(Histogram::tail).collect();
        self.touch();
    }

    /// What was computed from this class before is stale.
    pub(super) fn touch(&mut self) {
        self.generation += 1;
    }

    /// From 1.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The map of a detector; none while its histogram is too thin.
    pub(super) fn tail(&self, k: usize) -> Option<&Tail> {
        self.tails[k].as_ref()
    }

    /// Roles with peers enough.
    pub(super) fn large_roles(&self) -> impl Iterator<Item = (&Arc<str>, &Pool)> {
        self.roles.iter().filter(|(role, _)| self.role_size.get(*role).is_some_and(|n| *n >= SMALLEST_ROLE))
    }

    /// Roles as another history knew them; until the first close they count as large.
    pub(super) fn take_roles(&mut self, roles: impl Iterator<Item = (Arc<str>, Pool)>) {
        for (role, pool) in roles {
            self.role_size.insert(role.clone(), SMALLEST_ROLE);
            self.roles.insert(role, pool);
        }
    }

    /// How many managers each role has.
    pub(super) fn set_sizes(&mut self, sizes: BTreeMap<Arc<str>, u32>) {
        if self.role_size != sizes {
            self.role_size = sizes;
            self.touch();
        }
    }

    /// The pool of a role; none when too few have it.
    pub(super) fn peers(&self, role: &str) -> Option<&Pool> {
        self.role_size.get(role).filter(|n| **n >= SMALLEST_ROLE).and_then(|_| self.roles.get(role))
    }
}
