//! What goes into the engine: the records of a tenant's log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    directory::User,
    event::{Date, Enriched, HOUR_MS, Timestamp, words},
};

/// Version of the log's record format.
pub const LOG_VERSION: u32 = 1;

/// One line of a tenant's log. Whatever can change an effect is a record; so a replay is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// [`LOG_VERSION`].
    pub v: u32,
    /// The organisation.
    pub tenant: String,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The settings that apply from here on.
    Policy(Policy),
    /// A row of the directory of users appeared or changed.
    User(User),
    /// A person said what an alert was.
    Verdict(Verdict),
    /// Something was done in the CRM.
    Event(Box<Enriched>),
    /// A minute passed and the sources were caught up.
    Tick {
        /// Which minute.
        at: Timestamp,
    },
}

/// Everything in the configuration that the engine reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The tenant's IANA zone.
    pub zone: String,
    /// Expected alerts per 100 manager-days when nothing is wrong.
    pub budget: f64,
    /// How long after a date's end it closes, hours (0 to 48).
    pub lateness_h: u32,
    /// Per control id, what differs from its defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, ControlPolicy>,
}

/// What the policy says about one control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlPolicy {
    /// A disabled control's detectors have no evidence; learning goes on.
    pub enabled: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { zone: "UTC".to_owned(), budget: 1.0, lateness_h: 6, controls: BTreeMap::new() }
    }
}

impl Default for ControlPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Policy {
    /// Whether a control may speak.
    pub fn enabled(&self, control: &str) -> bool {
        self.controls.get(control).is_none_or(|c| c.enabled)
    }

    /// How long after a date's end it closes, milliseconds.
    pub fn lateness_ms(&self) -> i64 {
        i64::from(self.lateness_h) * HOUR_MS
    }
}

/// What a person said about an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The alert.
    pub alert_id: String,
    /// Whom it was about.
    pub manager: String,
    /// The manager-days on which it has versions.
    pub days: Vec<Date>,
    /// What it was.
    pub verdict: VerdictKind,
    /// Drip series that the alert named (`c_rec`, `c_unrel`, `c_distinct`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drip: Vec<String>,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it.
    pub by: String,
}

words! {
    /// What an alert was.
    VerdictKind {
        /// An incident: its days leave the calibration set.
        TruePositive = "true_positive",
        /// That was work.
        BenignExpected = "benign_expected",
        /// It should not have alerted.
        FalsePositive = "false_positive",
    }
}
