//! What rules over several events remember of a manager. Little, and for hours: what is usual is for the baseline to know.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{DAY_MS, Date};

/// Sessions, changes and conditions that are remembered; of more the oldest go.
const SESSIONS: usize = 8;
const CHANGES: usize = 32;
const TOLD: usize = 16;
/// Failures that are remembered.
const FAILURES: usize = 100;
/// Sessions and changes are remembered for so long.
const KEEP_MS: i64 = DAY_MS;
/// A condition that lasts is told again after so many days.
const TOLD_DAYS: i32 = 7;

/// A manager's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Failed log-ins and refused prompts, milliseconds.
    pub(super) failures: Recent,
    pub(super) prompts: Recent,
    /// When there were too many failures last.
    pub(super) attacked: Option<i64>,
    /// The last success.
    pub(super) active: Option<i64>,
    pub(super) sessions: Vec<Session>,
    pub(super) place: Option<Place>,
    pub(super) changes: Vec<Change>,
    /// The last finding on the machine.
    pub(super) finding: Option<i64>,
    /// Conditions that were told, and when.
    told: Vec<(u32, Date)>,
    /// Made a mail rule, a key, an integration.
    pub(super) automated: bool,
    /// Channels used so far: a bit each.
    pub(super) channels: u8,
}

/// Instants of the last minutes, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent(Vec<i64>);

/// A session at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: u32,
    /// Program without its versions, and country; 0: not said.
    pub(super) agent: u32,
    pub(super) country: u32,
    /// Network, device or program; 0: not said.
    pub(super) network: u32,
    pub(super) software: u32,
    /// No telephone and no VPN.
    pub(super) fixed: bool,
    pub(super) last: i64,
}

/// Where somebody was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Degrees.
    pub(super) lat: f32,
    pub(super) lon: f32,
    pub(super) at: i64,
}

/// A value that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Which value of which object, from what, to what.
    pub(super) what: u32,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) at: i64,
}

impl Recent {
    /// Notes an instant; returns how many there are within `span` up to it. One that comes late is put in its place.
    pub(super) fn note(&mut self, t: i64, span: i64) -> usize {
        let at = self.0.partition_point(|x| *x <= t);
        self.0.insert(at, t);
        let newest = *self.0.last().expect("one was put in");
        self.0.retain(|x| newest - x <= span);
        if self.0.len() > FAILURES {
            self.0.remove(0);
        }
        self.0.iter().filter(|x| (0..=span).contains(&(t - **x))).count()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Forgets what is older than `since`.
    fn forget(&mut self, since: i64) {
        if self.0.last().is_some_and(|t| *t < since) {
            self.clear();
        }
    }
}

impl Memory {
    /// The session of an id as it was, and as it is from now on.
    pub(super) fn session(&mut self, now: Session) -> Option<Session> {
        let known = self.sessions.iter().position(|s| s.id == now.id).map(|i| self.sessions.remove(i));
        if self.sessions.len() >= SESSIONS {
            self.sessions.remove(0);
        }
        let or = |now: u32, before: Option<u32>| if now == 0 { before.unwrap_or(0) } else { now };
        let (agent, country) = (or(now.agent, known.map(|k| k.agent)), or(now.country, known.map(|k| k.country)));
        self.sessions.push(Session { agent, country, last: now.last.max(known.map_or(now.last, |k| k.last)), ..now });
        known
    }

    /// Notes a change; returns when the opposite was done last, within a day before.
    pub(super) fn change(&mut self, now: Change) -> Option<i64> {
        let opposite = |c: &&Change| c.what == now.what && c.from == now.to && c.to == now.from && (0..=KEEP_MS).contains(&(now.at - c.at));
        let before = self.changes.iter().rev().find(opposite).map(|c| c.at);
        if self.changes.len() >= CHANGES {
            self.changes.remove(0);
        }
        self.changes.push(now);
        before
    }

    /// Whether a condition that lasts is to be told (again) on this date.
    pub(super) fn tell(&mut self, condition: &[u8], date: Date) -> bool {
        let key = short(condition);
        let known = self.told.iter().position(|(k, _)| *k == key);
        if known.is_some_and(|i| date.0 - self.told[i].1.0 < TOLD_DAYS) {
            return false;
        }
        known.map(|i| self.told.remove(i));
        if self.told.len() >= TOLD {
            self.told.remove(0);
        }
        self.told.push((key, date));
        true
    }

    /// Forgets what can have no effect at or after `now`; true when there was any.
    pub(super) fn forget(&mut self, now: i64) -> bool {
        let before = (self.sessions.len(), self.changes.len(), self.failures.0.len(), self.prompts.0.len());
        self.sessions.retain(|s| now - s.last <= KEEP_MS);
        self.changes.retain(|c| now - c.at <= KEEP_MS);
        self.failures.forget(now - KEEP_MS);
        self.prompts.forget(now - KEEP_MS);
        before != (self.sessions.len(), self.changes.len(), self.failures.0.len(), self.prompts.0.len())
    }
}

/// A text as it is remembered; never 0.
pub(super) fn short(bytes: &[u8]) -> u32 {
    u32::try_from(xxh3_64(bytes) >> 32).expect("half of it").max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_within_a_span() {
        let mut recent = Recent::default();
        assert_eq!([0, 5, 10, 11].map(|t| recent.note(t, 10)), [1, 2, 3, 3]);
        assert_eq!(recent.note(6, 10), 2, "one that comes late sees what was before it");
        for t in 0..10_000 {
            recent.note(t, i64::MAX);
        }
        assert!(recent.0.len() <= FAILURES);
    }

    #[test]
    fn a_condition_is_told_once_a_week() {
        let mut memory = Memory::default();
        assert_eq!([0, 1, 6, 7, 8].map(|d| memory.tell(b"weak", Date(d))), [true, false, false, true, false]);
        assert!(memory.tell(b"old", Date(8)));
    }

    #[test]
    fn little_is_kept() {
        let mut memory = Memory::default();
        for i in 0..100_u32 {
            memory.session(Session { id: i, last: i64::from(i), ..Session::default() });
            memory.change(Change { what: i, from: 1, to: 2, at: i64::from(i) });
            memory.tell(&i.to_le_bytes(), Date(0));
        }
        assert!(memory.sessions.len() <= SESSIONS && memory.changes.len() <= CHANGES && memory.told.len() <= TOLD);
        assert!(memory.forget(KEEP_MS + 100));
        assert!(memory.sessions.is_empty() && memory.changes.is_empty());
    }

    #[test]
    fn the_opposite_of_a_change_is_known_for_a_day() {
        let mut memory = Memory::default();
        let change = |from, to, at| Change { what: 7, from, to, at };
        assert_eq!(memory.change(change(1, 2, 0)), None);
        assert_eq!(memory.change(change(2, 1, 1000)), Some(0));
        assert_eq!(memory.change(change(1, 3, 2000)), None);
        assert_eq!(memory.change(change(3, 1, 2001 + KEEP_MS)), None, "a day later");
    }
}
