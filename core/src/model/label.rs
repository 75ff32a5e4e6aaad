//! What really happened, as the made-up company (or a person) tells it.

use serde::{Deserialize, Serialize};

use crate::event::{Date, Timestamp, words};

words! {
    /// Whether an alert about it is right.
    Kind {
        /// Somebody took, spoiled or misused something.
        Attack = "attack",
        /// Unusual, but work.
        Benign = "benign",
    }
}

words! {
    /// How far an attack stands out from the person's own level.
    Strength {
        /// Hardly.
        Weak = "weak",
        /// Clearly.
        Medium = "medium",
        /// Far.
        Strong = "strong",
    }
}

words! {
    /// What an attack should do to the alerts of its manager.
    Expect {
        /// Open one.
        Open = "open",
        /// At most raise the one that is open.
        Raise = "raise",
    }
}

/// A line of `labels.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Attack or benign.
    pub label: Kind,
    /// What it was.
    pub scenario: String,
    /// Controls that are right to name it.
    #[serde(default)]
    pub controls: Vec<String>,
    /// How strong; says nothing of what is benign.
    #[serde(default = "medium")]
    pub strength: Strength,
    /// The manager.
    pub manager: String,
    /// Time of its first event.
    pub from: Timestamp,
    /// Time of its last event.
    pub to: Timestamp,
    /// `source/id` of its events, at most 1000.
    #[serde(default)]
    pub event_ids: Vec<String>,
    /// Records or clients that it gave away.
    #[serde(default)]
    pub exposure: u64,
    /// Per event of `event_ids`: its time, and what had been given away by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub course: Vec<(Timestamp, u64)>,
    /// What it should do; absent: open an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// `meta.json`: how long, and how many managers were active on each day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Day 0.
    pub start: Date,
    /// Days from `start` on.
    pub days: u32,
    /// Managers.
    pub managers: u32,
    /// The seed it was made from.
    #[serde(default)]
    pub seed: u64,
    /// Managers with an event, by local day (cut at 05:00).
    pub active_managers_by_day: Vec<u32>,
}

impl Meta {
    /// The date of a day, from 0.
    pub fn date(&self, day: u32) -> Date {
        Date(self.start.0.saturating_add(i32::try_from(day).unwrap_or(i32::MAX)))
    }

    /// Manager-days from a day on.
    pub fn manager_days(&self, from_day: u32) -> u64 {
        let skipped = usize::try_from(from_day).unwrap_or(usize::MAX);
        self.active_managers_by_day.iter().skip(skipped).map(|n| u64::from(*n)).sum()
    }
}

fn medium() -> Strength {
    Strength::Medium
}
