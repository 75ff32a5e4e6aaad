//! What comes out of the engine.

use serde::{Deserialize, Serialize};

use crate::event::{Date, Timestamp, words};

/// Something to store. Equal logs give equal effects, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Effect {
    /// The event record just applied is to be stored.
    Stored {
        /// How it stood to time.
        late: Lateness,
    },
    /// The event record just applied was seen before: nothing is to be stored.
    Repeated,
    /// A detector or rule found something.
    Signal(Box<Signal>),
    /// An alert was opened or grew.
    Alert(Box<AlertVersion>),
}

words! {
    /// How an event stood to the watermark when it was scored.
    Lateness {
        /// Its date was open.
        OnTime = "on_time",
        /// Its date was closed: scored, not learned.
        Late = "late",
        /// More than 72 h behind the watermark: stored, counted, hard rules only.
        TooLate = "too_late",
        /// A system actor: stored, not scored.
        Unscored = "unscored",
    }
}

words! {
    /// How urgent an alert is.
    Severity {
        /// For the record.
        Low = "low",
        /// Look today.
        Medium = "medium",
        /// Look now.
        High = "high",
        /// Act now.
        Critical = "critical",
    }
}

words! {
    /// What an alert is about.
    SubjectKind {
        /// A manager.
        Manager = "manager",
        /// An address used against many accounts.
        Address = "address",
        /// A source that fell silent.
        Source = "source",
        /// The organisation.
        Tenant = "tenant",
    }
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its id.
    pub id: String,
}

/// The same sentence in the languages of supervisors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// English.
    pub en: String,
    /// Russian.
    pub ru: String,
}

/// One detector's or rule's finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// UUIDv5 of tenant, subject, event, control and detector.
    pub signal_id: String,
    /// The organisation.
    pub tenant: String,
    /// The manager.
    pub manager: String,
    /// Event time.
    pub time: Timestamp,
    /// The control.
    pub control: String,
    /// The detector; of a rule, its control.
    pub detector: String,
    /// Millibits.
    pub bits: u64,
    /// Today's value.
    pub observed: f64,
    /// The usual value.
    pub expected: f64,
    /// What is counted.
    pub unit: String,
    /// `source/id`.
    pub event_id: String,
    /// A mute was in force.
    pub muted: bool,
}

/// A version of an alert. Later versions of one `alert_id` replace earlier ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertVersion {
    /// UUIDv5 of tenant, subject and the event that opened it.
    pub alert_id: String,
    /// 1, 2, ...
    pub version: u32,
    /// The organisation.
    pub tenant: String,
    /// The manager; absent when the subject is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// What it is about.
    pub subject: Subject,
    /// The manager's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The manager's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Somebody is to be told: the first version, or the severity rose.
    pub notify: bool,
    /// Alerts of other subjects that belong to the same story.
    pub linked: Vec<String>,
    /// The event that made this version came after its date had closed.
    pub late: bool,
    /// Found by looking back over a leaver's past.
    pub lookback: bool,
    /// Time of the event that made this version.
    pub time: Timestamp,
    /// Time of the event that opened the alert.
    pub opened_at: Timestamp,
    /// The control with most bits.
    pub kind: String,
    /// All controls so far, sorted.
    pub controls: Vec<String>,
    /// Never falls.
    pub severity: Severity,
    /// Millibits: the sum of the contributions.
    pub bits: u64,
    /// Minus the score in nats.
    pub ln_p: f64,
    /// min(100, bits / 600), one decimal, rounded down.
    pub score: f64,
    /// One sentence.
    pub summary: Text,
    /// Per family, strongest first.
    pub contributions: Vec<Contribution>,
    /// `source/id`, at most 100: the first 20, the strongest 60, the last 20.
    pub event_ids: Vec<String>,
    /// Events of the manager-day so far.
    pub events_total: u64,
    /// Records out and on screen of the manager-day so far.
    pub records: u64,
    /// Distinct clients of the manager-day so far.
    pub clients: u64,
    /// ATT&CK Enterprise techniques, sorted.
    pub mitre: Vec<String>,
    /// The cold-start prior in force, `none` without one.
    pub prior: String,
    /// Version of the engine.
    pub engine: String,
}

/// A family's part of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The leading detector.
    pub detector: String,
    /// Its family.
    pub family: String,
    /// Millibits.
    pub bits: u64,
    /// Today's value.
    pub observed: f64,
    /// The usual value.
    pub expected: f64,
    /// What is counted.
    pub unit: String,
    /// Why, in words; absent below 5 % of the bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<Text>,
}

/// Millibits as bits with one decimal, rounded as in the sentences.
pub fn bits_text(millibits: u64) -> String {
    let tenths = millibits.saturating_add(50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Absolute counts of a manager-day so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagerDay {
    /// The manager.
    pub manager: String,
    /// The local date, cut at 05:00.
    pub date: Date,
    /// The team on that day.
    pub team: Option<String>,
    /// The role on that day.
    pub role: Option<String>,
    /// Events.
    pub events: u64,
    /// Records that left.
    pub records_out: u64,
    /// Records shown.
    pub records_screen: u64,
    /// Distinct clients touched.
    pub clients: u64,
    /// Of those, how many had a reason.
    pub related: u64,
    /// Weight of clients touched without a reason.
    pub unrelated: f64,
    /// Greatest behavioural evidence of the day, millibits.
    pub peak_bits: u64,
}

/// Absolute counts of one hour of a manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerHour {
    /// The manager.
    pub manager: String,
    /// Start of the UTC hour.
    pub hour: Timestamp,
    /// The team.
    pub team: Option<String>,
    /// Events.
    pub events: u64,
    /// Records that left.
    pub records_out: u64,
    /// Records shown.
    pub records_screen: u64,
    /// Calls.
    pub calls: u64,
}
