//! Days that were nearly an alert, for the day on which it becomes known that somebody leaves (CONTROLS.md, `leaver_watch`).
//!
//! From notice on a person is looked at a nat more closely, and nobody knows the weeks before in time. Scoring them again would mean
//! to score all of the tenant again: peers, thresholds and maps were what they were. So each day that one nat more would have made
//! an alert is kept, told as it would have been, and nothing has to be read again.

use serde::{Deserialize, Deserializer, Serialize};

use super::{AlertVersion, state};
use crate::event::Date;

/// Days looked back.
pub(super) const DAYS: i32 = 60;
/// Days kept; of more the weakest goes.
const KEPT: usize = 3;
/// Events named of each.
pub(super) const EVENTS: usize = 20;
/// A made-up alert: what alerts have in common stands in it, so that none has to keep that (half of its bytes). To change it is to change
/// [`state::VERSION`].
const COMMON: &[u8] = include_bytes!("near.json");

/// A person's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Nears(Vec<Near>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Near {
    date: Date,
    /// [`TOLD`]: it was told, and is not told again when the day goes on or the notice changes.
    bits: u64,
    /// The alert as it would have been: JSON, compressed. Nothing once it was told.
    #[serde(deserialize_with = "short")]
    alert: Vec<u8>,
}

/// Bits of a day that was told: none has more.
const TOLD: u64 = u64::MAX;

fn compress(json: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size_with_dict(json, COMMON)
}

/// Alerts of states before [`state::SHORT`] have it in them.
fn short<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let alert = Vec::deserialize(from)?;
    Ok(if state::reading() < state::SHORT {
        lz4_flex::decompress_size_prepended(&alert).map(|json| compress(&json)).unwrap_or_default()
    } else {
        alert
    })
}

impl Nears {
    /// Whether a day would say more now than what is kept of it.
    pub(super) fn wants(&self, date: Date, bits: u64) -> bool {
        match self.0.iter().find(|n| n.date == date) {
            Some(known) => bits > known.bits,
            None => self.kept().count() < KEPT || self.kept().any(|n| n.bits < bits),
        }
    }

    /// Days that were not told yet.
    fn kept(&self) -> impl Iterator<Item = &Near> {
        self.0.iter().filter(|n| n.bits != TOLD)
    }

    /// Their dates.
    pub(super) fn dates(&self) -> Vec<Date> {
        self.kept().map(|n| n.date).collect()
    }

    /// Keeps a day.
    pub(super) fn keep(&mut self, date: Date, alert: &AlertVersion) {
        let json = serde_json::to_vec(alert).expect("its keys are texts");
        self.drop(date);
        if self.kept().count() >= KEPT
            && let Some(weakest) = (0..self.0.len()).min_by_key(|i| self.0[*i].bits)
        {
            self.0.remove(weakest);
        }
        let at = self.0.partition_point(|n| n.date < date);
        self.0.insert(at, Near { date, bits: alert.bits, alert: compress(&json) });
    }

    /// A day has an alert of its own.
    pub(super) fn drop(&mut self, date: Date) {
        self.0.retain(|n| n.date != date);
    }

    /// Tells all days from `since` to `until` that were not told yet, oldest first.
    pub(super) fn take(&mut self, since: Date, until: Date) -> Vec<AlertVersion> {
        let read = |alert: &[u8]| serde_json::from_slice(&lz4_flex::block::decompress_size_prepended_with_dict(alert, COMMON).ok()?).ok();
        let due = self.0.iter_mut().filter(|n| n.bits != TOLD && (since..=until).contains(&n.date));
        due.filter_map(|n| {
            n.bits = TOLD;
            read(&std::mem::take(&mut n.alert))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(bits: u64) -> AlertVersion {
        AlertVersion { bits, ..serde_json::from_slice(COMMON).expect("an alert") }
    }

    #[test]
    fn the_strongest_days_are_kept_and_each_is_told_once() {
        let mut nears = Nears::default();
        for (date, bits) in [(1, 500), (2, 300), (3, 400), (4, 900)] {
            assert!(nears.wants(Date(date), bits));
            nears.keep(Date(date), &alert(bits));
        }
        assert!(!nears.wants(Date(5), 400), "weaker than all of them");
        assert_eq!(nears.take(Date(2), Date(9)), [alert(400), alert(900)]);
        assert_eq!(nears.take(Date(0), Date(9)), [alert(500)]);
        assert!(nears.take(Date(0), Date(9)).is_empty() && !nears.wants(Date(4), 5000), "told");
        assert!(nears.wants(Date(5), 1) && nears.forget(Date(80)) && nears == Nears::default());
    }

    #[test]
    fn what_alerts_have_in_common_is_left_out() {
        let json = serde_json::to_vec(&alert(1)).expect("its keys are texts");
        assert!(compress(&json).len() * 10 < lz4_flex::compress_prepend_size(&json).len());
    }
}
