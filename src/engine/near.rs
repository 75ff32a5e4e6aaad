//! Days that were nearly an alert, for the day on which it becomes known that somebody leaves (CONTROLS.md, `leaver_watch`).
//!
//! From notice on a person is looked at a nat more closely, and nobody knows the weeks before in time. Scoring them again would mean
//! to score all of the tenant again: peers, thresholds and maps were what they were. So each day that one nat more would have made
//! an alert is kept, told as it would have been, and nothing has to be read again.

use serde::{Deserialize, Serialize};

use super::AlertVersion;
use crate::event::Date;

/// Days looked back.
pub(super) const DAYS: i32 = 60;
/// Days kept; of more the weakest goes.
const KEPT: usize = 3;
/// Events named of each.
pub(super) const EVENTS: usize = 20;

/// A person's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Nears(Vec<Near>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Near {
    date: Date,
    bits: u64,
    /// The alert as it would have been: JSON, compressed.
    alert: Vec<u8>,
}

impl Nears {
    /// Whether a day would say more now than what is kept of it.
    pub(super) fn wants(&self, date: Date, bits: u64) -> bool {
        match self.0.iter().find(|n| n.date == date) {
            Some(known) => bits > known.bits,
            None => self.0.len() < KEPT || self.0.iter().any(|n| n.bits < bits),
        }
    }

    /// Keeps a day.
    pub(super) fn keep(&mut self, date: Date, alert: &AlertVersion) {
        let json = serde_json::to_vec(alert).expect("its keys are texts");
        self.drop(date);
        if self.0.len() >= KEPT
            && let Some(weakest) = (0..self.0.len()).min_by_key(|i| self.0[*i].bits)
        {
            self.0.remove(weakest);
        }
        let at = self.0.partition_point(|n| n.date < date);
        self.0.insert(at, Near { date, bits: alert.bits, alert: lz4_flex::compress_prepend_size(&json) });
    }

    /// A day has an alert of its own.
    pub(super) fn drop(&mut self, date: Date) {
        self.0.retain(|n| n.date != date);
    }

    /// Takes out all days from `since` to `until`, oldest first.
    pub(super) fn take(&mut self, since: Date, until: Date) -> Vec<AlertVersion> {
        let (taken, left): (Vec<Near>, Vec<Near>) = self.0.drain(..).partition(|n| (since..=until).contains(&n.date));
        self.0 = left;
        let read = |n: Near| serde_json::from_slice(&lz4_flex::decompress_size_prepended(&n.alert).ok()?).ok();
        taken.into_iter().filter_map(read).collect()
    }

    /// Forgets what nobody looks back at; true when there was any.
    pub(super) fn forget(&mut self, date: Date) -> bool {
        let before = self.0.len();
        self.0.retain(|n| date.0 - n.date.0 <= DAYS + 3);
        before != self.0.len()
    }
}

/// The name of what is found by looking back, beside the names of what was seen.
pub(super) const CONTROL: &str = "leaver_watch";
