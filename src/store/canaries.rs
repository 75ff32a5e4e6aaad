//! What came of the daily canaries.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// A row of `canaries`: a canary or near-miss in a run.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct CanaryRow {
    /// When its run began.
    pub run: i64,
    /// The control.
    pub control: String,
    /// Which part of it; empty where it has one.
    pub part: String,
    /// `fire` or `still`.
    pub expected: String,
    /// The same, as it came.
    pub outcome: String,
    /// Records of the log.
    pub records: u32,
    /// After how many of them the control fired; 0: it did not.
    pub fired_after: u32,
    /// Time of the event that fired it, else of the last one; made up.
    pub time: i64,
    /// Where in the log it ended.
    pub log_partition: u32,
    /// Offset.
    pub log_offset: u64,
}
