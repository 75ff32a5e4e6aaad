//! What happens while Filin runs, each as a struct whose `emit` counts it and logs it. Levels say what on-call does: `error` act
//! now, `warn` recovered, `info` lifecycle, `debug` per batch. Neither names nor numbers nor query texts come here.

use std::{fmt::Display, time::Duration};

use tracing::{debug, error, info, warn};

use super::metrics::{Metrics, Outcome};
use crate::event::Timestamp;

/// Input was refused and kept as dead letters.
#[derive(Debug)]
pub struct EventsRejected<'a> {
    /// Code of the reason.
    pub reason: &'a str,
    /// How many.
    pub n_events: u64,
}

impl EventsRejected<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.rejected(self.reason, self.n_events);
        warn!(reason = self.reason, n_events = self.n_events, "input refused, kept as dead letters");
    }
}

/// Records were appended to the log.
#[derive(Debug)]
pub struct RecordsAppended {
    /// Events among them.
    pub n_events: u64,
    /// All of them.
    pub n_records: u64,
    /// How long it took.
    pub took: Duration,
}

impl RecordsAppended {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.events(Outcome::Accepted, self.n_events);
        metrics.log_appended.inc_by(self.n_records);
        metrics.log_append_seconds.observe(self.took.as_secs_f64());
        debug!(n_events = self.n_events, n_records = self.n_records, took = ?self.took, "appended");
    }
}

/// A batch of records was scored.
#[derive(Debug)]
pub struct BatchScored {
    /// Records.
    pub n_records: u64,
    /// Events seen before.
    pub n_duplicate: u64,
    /// Events whose date was closed.
    pub n_late: u64,
    /// Events more than 72 h late.
    pub n_too_late: u64,
    /// Watermark of its tenant behind it.
    pub watermark: Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl BatchScored {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        for (outcome, n) in [(Outcome::Duplicate, self.n_duplicate), (Outcome::Late, self.n_late), (Outcome::TooLate, self.n_too_late)] {
            metrics.events(outcome, n);
        }
        metrics.watermark(self.watermark);
        metrics.score_seconds.observe(self.took.as_secs_f64());
        debug!(n_records = self.n_records, watermark = %self.watermark, took = ?self.took, "scored");
    }
}

/// A version of an alert is stored.
#[derive(Debug)]
pub struct AlertStored<'a> {
    /// Its id.
    pub alert_id: &'a str,
    /// Its version; 1 opens it.
    pub version: u32,
    /// The control with most bits.
    pub control: &'a str,
    /// How urgent it is.
    pub severity: &'a str,
}

impl AlertStored<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.alert_versions.inc();
        if self.version == 1 {
            metrics.alert(self.control, self.severity);
            info!(alert_id = self.alert_id, control = self.control, severity = self.severity, "alert opened");
        } else {
            debug!(alert_id = self.alert_id, version = self.version, severity = self.severity, "alert grew");
        }
    }
}

/// A batch of rows is stored.
#[derive(Debug)]
pub struct RowsStored {
    /// Rows.
    pub n_rows: u64,
    /// How long it took.
    pub took: Duration,
}

impl RowsStored {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.store_rows.inc_by(self.n_rows);
        metrics.store_seconds.observe(self.took.as_secs_f64());
        debug!(n_rows = self.n_rows, took = ?self.took, "stored");
    }
}

/// Rows could not be stored; the attempt will be made again.
pub struct StoreAway<'a> {
    /// Why.
    pub error: &'a dyn Display,
    /// Attempts so far.
    pub attempt: u32,
}

impl StoreAway<'_> {
    /// Counts and logs: the first attempt may be a hiccup, the third is for on-call.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.store_retries.inc();
        metrics.store_away.set(1);
        if self.attempt < 3 {
            warn!(attempt = self.attempt, error = %self.error, "could not store, trying again");
        } else {
            error!(attempt = self.attempt, error = %self.error, "ClickHouse is away; consumption pauses, nothing is lost");
        }
    }
}

/// Rows can be stored again.
#[derive(Debug)]
pub struct StoreBack;

impl StoreBack {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.store_away.set(0);
        info!("ClickHouse is back");
    }
}

/// A checkpoint was written.
#[derive(Debug)]
pub struct CheckpointWritten {
    /// Partition of the log.
    pub partition: u32,
    /// Everything up to here is in it.
    pub offset: u64,
    /// States written.
    pub n_states: u64,
    /// Their bytes.
    pub n_bytes: u64,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl CheckpointWritten {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.checkpoint_at(self.at);
        metrics.checkpoint_seconds.observe(self.took.as_secs_f64());
        debug!(
            partition = self.partition,
            offset = self.offset,
            n_states = self.n_states,
            n_bytes = self.n_bytes,
            took = ?self.took,
            "checkpoint"
        );
    }
}

/// Restored and loaded: requests are answered.
#[derive(Debug)]
pub struct Ready;

impl Ready {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.ready.set(1);
        info!("ready");
    }
}

/// Not ready any more.
#[derive(Debug)]
pub struct Unready<'a> {
    /// Why, in a word of ours.
    pub reason: &'a str,
}

impl Unready<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.ready.set(0);
        warn!(reason = self.reason, "not ready");
    }
}
