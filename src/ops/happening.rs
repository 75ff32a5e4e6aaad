//! What happens while Filin runs, each as a struct whose `emit` counts it and logs it. Levels say what on-call does: `error` act
//! now, `warn` recovered, `info` lifecycle, `debug` per batch. Neither names nor numbers nor query texts come here.

use std::{fmt::Display, time::Duration};

use tracing::{debug, error, info, warn};

use super::metrics::{Metrics, Receiver, Told};
use crate::event::Timestamp;

/// Something could not be stored; the attempt will be made again.
pub struct StoreAway<'a> {
    /// What.
    pub what: &'a str,
    /// Why.
    pub error: &'a dyn Display,
    /// Attempts so far.
    pub attempt: u32,
}

impl StoreAway<'_> {
    /// Counts and logs: the first attempt may be a hiccup, the third is for on-call.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.store_away();
        if self.attempt < 3 {
            warn!(what = self.what, attempt = self.attempt, error = %self.error, "could not store, trying again");
        } else {
            error!(what = self.what, attempt = self.attempt, error = %self.error, "ClickHouse is away; consumption pauses, nothing is lost");
        }
    }
}

/// Storing works again.
#[derive(Debug)]
pub struct StoreBack;

impl StoreBack {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.store_back();
        info!("ClickHouse is back");
    }
}

/// Somebody read alerts, and that could not be written down.
pub struct ReadsUnrecorded<'a> {
    /// How often.
    pub n_reads: usize,
    /// Why.
    pub error: &'a dyn Display,
}

impl ReadsUnrecorded<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.unrecorded(self.n_reads);
        error!(reads = self.n_reads, error = %self.error, "who read alerts could not be written down");
    }
}

/// A canary or near-miss was heard in the log.
#[derive(Debug)]
pub struct CanaryHeard<'a> {
    /// Its control.
    pub control: &'a str,
    /// `fire` or `still`.
    pub expected: &'a str,
    /// The same, as it came.
    pub outcome: &'a str,
    /// When its run began.
    pub run: Timestamp,
    /// All of the control's were heard: whether each did as expected.
    pub passed: Option<bool>,
}

impl CanaryHeard<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        if let Some(passed) = self.passed {
            metrics.canary(self.control, passed, self.run);
        }
        let Self { control, expected, outcome, .. } = self;
        if expected == outcome {
            debug!(control, expected, "a canary did as expected");
        } else {
            error!(control, expected, outcome, "a canary did not do as expected: this control cannot be relied on");
        }
    }
}

/// A checkpoint was written.
#[derive(Debug)]
pub struct CheckpointWritten {
    /// Partition of the log.
    pub partition: u32,
    /// Everything up to here is in it.
    pub offset: u64,
    /// Bytes of changed states.
    pub n_bytes: usize,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

impl CheckpointWritten {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.checkpointed(self.n_bytes, self.took, self.at);
        debug!(partition = self.partition, offset = self.offset, n_bytes = self.n_bytes, took = ?self.took, "checkpoint");
    }
}

/// Somebody was to be told of alert versions.
#[derive(Debug)]
pub struct Notified<'a> {
    /// Who.
    pub receiver: Receiver,
    /// What became of it.
    pub told: Told,
    /// Of how many.
    pub n_versions: usize,
    /// Why not, in words of ours; none: it was taken.
    pub reason: Option<&'a str>,
}

impl Notified<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { receiver, told, n_versions, reason } = self;
        metrics.notified(*receiver, *told, *n_versions);
        let (receiver, reason) = (receiver.as_str(), reason.unwrap_or_default());
        match told {
            Told::Failed => error!(receiver, n_versions, reason, "alerts were refused and are not sent again"),
            Told::Again => warn!(receiver, n_versions, reason, "alerts could not be sent, trying again"),
            Told::Sent | Told::Skipped | Told::Resolved => debug!(receiver, n_versions, told = told.as_str(), "alerts"),
        }
    }
}

/// A backup was made.
#[derive(Debug)]
pub struct BackedUp<'a> {
    /// Where it is.
    pub place: &'a str,
    /// When it was begun.
    pub at: Timestamp,
    /// Rows in it.
    pub n_rows: u64,
    /// Bytes that were not there before.
    pub n_bytes: u64,
    /// How long it took, with loading it once.
    pub took: Duration,
}

impl BackedUp<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        let Self { place, at, n_rows, n_bytes, took } = self;
        metrics.backed_up(place, *at, *n_bytes);
        info!(place, n_rows, n_bytes, ?took, "a backup is made, and was loaded to see that it is one");
    }
}

/// A backup did not come about.
pub struct BackupFailed<'a> {
    /// Where it should have gone.
    pub place: &'a str,
    /// Why.
    pub error: &'a dyn Display,
}

impl BackupFailed<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.not_backed_up(self.place);
        error!(place = self.place, error = %self.error, "no backup: earlier ones are as they were");
    }
}

/// Readiness changed.
#[derive(Debug)]
pub struct Readiness<'a> {
    /// Why not, in a word of ours; none: ready.
    pub missing: Option<&'a str>,
}

impl Readiness<'_> {
    /// Counts and logs.
    pub fn emit(&self, metrics: &Metrics) {
        metrics.ready(self.missing.is_none());
        match self.missing {
            None => info!("ready"),
            Some(missing) => warn!(missing, "not ready"),
        }
    }
}
