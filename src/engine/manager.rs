//! What is known of one manager.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Severity,
    baseline::{
        hours::WEEK,
        hurdle::{Expected, Own},
        novelty::{self, ATTRIBUTES},
    },
    day::Day,
    sketch::Recent,
};

/// Baseline, kept days, open episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manager {
    pub(super) own: Own,
    pub(super) hours: Vec<f32>,
    pub(super) novelty: [novelty::Own; ATTRIBUTES],
    /// Day on which a client was touched without a reason.
    pub(super) foreign: Recent,
    /// When a client made contact.
    pub(super) contact: Recent,
    pub(super) days: BTreeMap<i32, Day>,
    pub(super) episodes: Vec<Episode>,
    /// Role and class of the latest day.
    pub(super) role: Option<String>,
    pub(super) class: u8,
    pub(super) last_day: i32,
    /// For which close and role `expected` was computed.
    #[serde(skip)]
    pub(super) expected: Option<(u32, String, Box<Expected>)>,
}

/// An alert that may still grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    pub(super) date: i32,
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) alert_id: String,
    pub(super) version: u32,
    pub(super) severity: Option<Severity>,
    pub(super) controls: BTreeSet<String>,
    pub(super) bits: u64,
    pub(super) records: u64,
    pub(super) clients: u64,
}

impl Default for Manager {
    fn default() -> Self {
        Self {
            own: Own::default(),
            hours: vec![0.0; WEEK],
            novelty: Default::default(),
            foreign: Recent::default(),
            contact: Recent::default(),
            days: BTreeMap::new(),
            episodes: Vec::new(),
            role: None,
            class: 0,
            last_day: i32::MIN,
            expected: None,
        }
    }
}
