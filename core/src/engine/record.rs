//! What goes into the engine: the records of a tenant's log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{control, peers::Fit, prior::Prior};
use crate::{
    directory::User,
    event::{Access, Budget, Date, Enriched, HOUR_MS, Timestamp, words},
};

/// Version of the log's record format.
pub const LOG_VERSION: u32 = 1;

/// One line of a tenant's log. Whatever can change an effect is a record; so a replay is exact.
///
/// In JSON: `{"v":1,"tenant":"default","event":{..}}`: the record under the name of its kind, so that a reader parses it
/// without looking twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The settings that apply from here on.
    Policy(Policy),
    /// A cold-start prior is put in force, before the tenant has a history.
    Prior(Box<Prior>),
    /// Peer groups as fitted, in force from here on.
    Fit(Fit),
    /// A row of the directory of users appeared or changed.
    User(Box<User>),
    /// A person said what an alert was.
    Verdict(Verdict),
    /// Somebody asked for quiet about something, or took that back.
    Mute(Mute),
    /// What is usual for somebody is to be forgotten.
    Reset(Reset),
    /// Something was done in the CRM.
    Event(Box<Enriched>),
    /// A minute passed and the sources were caught up.
    Tick(Tick),
}

/// A minute of the wall clock, as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// Which minute.
    pub at: Timestamp,
}

/// The account is another person's from now on, or its past is no measure any more: what is usual begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Whose.
    pub manager: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
}

/// A log line as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u32,
    tenant: String,
    policy: Option<Policy>,
    prior: Option<Box<Prior>>,
    fit: Option<Fit>,
    user: Option<Box<User>>,
    verdict: Option<Verdict>,
    mute: Option<Mute>,
    reset: Option<Reset>,
    event: Option<Box<Enriched>>,
    tick: Option<Tick>,
}

impl TryFrom<Wire> for LogLine {
    type Error = String;

    fn try_from(w: Wire) -> Result<Self, String> {
        if w.v != LOG_VERSION {
            return Err(format!("version {} of the log's records is not known here", w.v));
        }
        let found = [
            w.policy.map(Record::Policy),
            w.prior.map(Record::Prior),
            w.fit.map(Record::Fit),
            w.user.map(Record::User),
            w.verdict.map(Record::Verdict),
            w.mute.map(Record::Mute),
            w.reset.map(Record::Reset),
            w.event.map(Record::Event),
            w.tick.map(Record::Tick),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(Self { v: w.v, tenant: w.tenant, record }),
            _ => Err("a log line holds exactly one record".to_owned()),
        }
    }
}

/// Everything in the configuration that the engine reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The tenant's IANA zone.
    pub zone: String,
    /// Expected alerts per 100 manager-days, or per week, when nothing is wrong.
    pub budget: Budget,
    /// How long after a date's end it closes, hours (0 to 48).
    pub lateness_h: u32,
    /// Families weigh in the score by what is at stake; else all alike.
    pub stakes: bool,
    /// Days of critical evidence stay out of the calibration set: undiscovered thefts must not raise the threshold.
    pub robust: bool,
    /// Days of strong evidence are learned with little weight, and what is far off is clipped: a theft must not become usual.
    pub guard: bool,
    /// Peer groups are fitted where roles are missing or plainly mixed.
    pub groups: bool,
    /// Whose clients a manager may touch; absent: the tenant has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Log-ins need a second factor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_mfa: bool,
    /// Oldest allowed version per application.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub min_versions: BTreeMap<String, String>,
    /// Where backups of the CRM must arrive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backup_targets: Vec<String>,
    /// Per control id, what differs from its defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<String, ControlPolicy>,
    /// The user's own rules: name of a file to its text. They are here as they were written, so that a replay needs no files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sigma: BTreeMap<String, String>,
}

/// What the policy says about one control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlPolicy {
    /// A disabled control's detectors have no evidence; learning goes on.
    pub enabled: bool,
    /// Parts of it that are switched on or off against its defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, bool>,
    /// Its numbers that differ from the defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, f64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            zone: "UTC".to_owned(),
            budget: Budget::Rate(1.0),
            lateness_h: 6,
            stakes: true,
            robust: true,
            guard: true,
            groups: true,
            access: None,
            require_mfa: false,
            min_versions: BTreeMap::new(),
            backup_targets: Vec::new(),
            controls: BTreeMap::new(),
            sigma: BTreeMap::new(),
        }
    }
}

impl Default for ControlPolicy {
    fn default() -> Self {
        Self { enabled: true, switches: BTreeMap::new(), settings: BTreeMap::new() }
    }
}

impl Policy {
    /// Whether a control may speak.
    pub fn enabled(&self, control: &str) -> bool {
        self.controls.get(control).is_none_or(|c| c.enabled)
    }

    /// Whether a part of a control is on: as the policy says, else by the control's default.
    pub fn switch(&self, control: &str, name: &str) -> bool {
        let said = self.controls.get(control).and_then(|c| c.switches.get(name)).copied();
        let default = || control::get(control).is_some_and(|c| c.switches.iter().any(|s| s.name == name && s.on));
        said.unwrap_or_else(default)
    }

    /// A number of a control: as the policy says, else the control's default; infinite for one that there is not.
    pub fn setting(&self, control: &str, name: &str) -> f64 {
        let said = self.controls.get(control).and_then(|c| c.settings.get(name)).copied().filter(|n| n.is_finite());
        let default = || control::get(control).and_then(|c| c.settings.iter().find(|s| s.name == name)).map(|s| s.value);
        said.or_else(default).unwrap_or(f64::INFINITY)
    }

    /// The detector of DETECTION.md and nothing beyond it: every switch of every control is off, and of the hard rules only its two
    /// are on.
    pub fn reference() -> Self {
        const RULES: [&str; 2] = ["address_denied", "leaver_active"];
        let off = |c: &&control::Control| {
            let switches = c.switches.iter().map(|s| (s.name.to_owned(), false)).collect();
            // Nothing is ever so large.
            let settings = c.settings.iter().map(|s| (s.name.to_owned(), f64::MAX)).collect();
            let enabled = !c.detectors.is_empty() || RULES.contains(&c.id);
            (c.id.to_owned(), ControlPolicy { enabled, switches, settings })
        };
        let controls = control::ALL.iter().map(off).filter(|(_, c)| *c != ControlPolicy::default()).collect();
        Self { stakes: false, robust: false, groups: false, controls, ..Self::default() }
    }

    /// How long after a date's end it closes, milliseconds.
    pub fn lateness_ms(&self) -> i64 {
        i64::from(self.lateness_h) * HOUR_MS
    }
}

/// What a person said about an alert. It ends the alert: what is found later opens another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The alert.
    pub alert_id: String,
    /// Whom it was about; empty: nobody in particular.
    pub manager: String,
    /// The manager-days on which it has versions.
    pub days: Vec<Date>,
    /// What it was.
    pub verdict: VerdictKind,
    /// Drip series that the alert named (`c_rec`, `c_unrel`, `c_distinct`, `c_out`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drip: Vec<String>,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it.
    pub by: String,
}

/// Quiet about something for a while: signals are written as muted, no alert opens or grows. Score and learning do not know of it.
/// Of `manager`, `team`, `client`, `control` and `address` all that are given must hold, and one must be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Its name; one of the same name replaces it.
    pub id: String,
    /// The person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The client: an event that names others, too, is not muted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// First event time.
    pub from: Timestamp,
    /// First event time after it; not after `from`: the mute is lifted.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asked for it.
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
        /// Another alert is about the same.
        Duplicate = "duplicate",
        /// Nobody could say.
        Unknown = "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_exactly_one_record() {
        let tick = LogLine { v: 1, tenant: "t".to_owned(), record: Record::Tick(Tick { at: Timestamp::from_millis(60_000) }) };
        let text = serde_json::to_string(&tick).unwrap();
        assert_eq!(text, r#"{"v":1,"tenant":"t","tick":{"at":"1970-01-01T00:01:00.000Z"}}"#);
        assert_eq!(serde_json::from_str::<LogLine>(&text).unwrap(), tick);
        for wrong in [
            r#"{"v":1,"tenant":"t"}"#,
            r#"{"v":2,"tenant":"t","tick":{"at":"1970-01-01"}}"#,
            r#"{"v":1,"tenant":"t","tick":{"at":"1970-01-01"},"policy":{}}"#,
        ] {
            assert!(serde_json::from_str::<LogLine>(wrong).is_err(), "{wrong}");
        }
    }
}
