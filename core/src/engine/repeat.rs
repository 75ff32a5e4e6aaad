//! What was delivered before: event hashes of the last 72 h, and how far each origin was read (DESIGN.md, Time).

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use crate::event::{DAY_MS, HOUR_MS, Origin, Timestamp};

/// How far behind the watermark a repeat is recognised and a closed day kept.
pub(super) const KEEP_MS: i64 = 3 * DAY_MS;
/// What is out of reach is swept out whenever the watermark has risen by so much.
const SWEEP_MS: i64 = 6 * HOUR_MS;
/// Origins remembered; the least recently used goes first. A file from so long ago is beyond the 72 h anyway.
const ORIGINS: usize = 65_536;

/// Hashes of events and their times. Twelve bytes an event: a busy tenant has ten millions of them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Milliseconds since 1970, modulo 2^32: sweeping keeps ages far below that.
    times: HashMap<Key, u32, BuildHasherDefault<Ready>>,
    swept: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Eq)]
struct Key([u32; 2]);

impl Seen {
    /// Whether an event was seen before, and not more than 72 h behind the watermark.
    pub(super) fn has(&self, hash: u64, watermark: Option<Timestamp>) -> bool {
        let Some(watermark) = watermark else { return false };
        self.times.get(&Key::of(hash)).is_some_and(|t| age(*t, watermark) <= KEEP_MS)
    }

    /// Remembers an event. `before` and `now`: the watermark before and with it.
    pub(super) fn note(&mut self, hash: u64, t: Timestamp, before: Option<Timestamp>, now: Timestamp) {
        let since = *self.swept.get_or_insert(now);
        if now.millis() - since.millis() >= SWEEP_MS {
            let old = before.unwrap_or(now);
            let rise = now.millis() - old.millis();
            self.times.retain(|_, t| age(*t, old) + rise <= KEEP_MS);
            self.swept = Some(now);
        }
        if now.millis() - t.millis() <= KEEP_MS {
            self.times.insert(Key::of(hash), low(t));
        }
    }
}

impl Key {
    fn of(hash: u64) -> Self {
        Self([low_word(hash), low_word(hash >> 32)])
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low word is meant")]
fn low_word(n: u64) -> u32 {
    n as u32
}

fn low(t: Timestamp) -> u32 {
    low_word(t.millis().cast_unsigned())
}

/// Milliseconds between a time and the watermark, which is not before it.
fn age(t: u32, watermark: Timestamp) -> i64 {
    i64::from(low(watermark).wrapping_sub(t))
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, h: &mut H) {
        h.write_u64(u64::from(self.0[0]) | u64::from(self.0[1]) << 32);
    }
}

/// Event hashes are hashes already.
#[derive(Debug, Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// Per origin the greatest position seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origins(BTreeMap<String, Reached>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    offset: u64,
    index: u32,
    /// Watermark when it was reached.
    at: Timestamp,
}

impl Origins {
    /// Moves on; false when the position is not above the highest seen: a second delivery, whatever its age.
    pub(super) fn advance(&mut self, origin: &Origin, watermark: Timestamp) -> bool {
        let reached = Reached { offset: origin.offset, index: origin.index, at: watermark };
        if let Some(known) = self.0.get_mut(&origin.source) {
            let further = (known.offset, known.index) < (reached.offset, reached.index);
            if further {
                *known = reached;
            }
            return further;
        }
        if self.0.len() >= ORIGINS {
            let oldest = self.0.iter().min_by_key(|(_, r)| r.at).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.0.remove(&name));
        }
        self.0.insert(origin.source.clone(), reached);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_set_that_forgets_nothing(steps in prop::collection::vec((0..40_u64, 0..400_i64, prop::bool::weighted(0.02)), 1..300)) {
            let (mut seen, mut all) = (Seen::default(), BTreeMap::<u64, i64>::new());
            let (mut watermark, mut leap) = (None::<Timestamp>, 0_i64);
            for (id, hours, leaps) in steps {
                // Now and then a leap of more than 2^32 ms.
                leap += if leaps { 1300 } else { 0 };
                let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let t = Timestamp::from_millis((leap + hours) * HOUR_MS);
                let expected = watermark.is_some_and(|w| all.get(&hash).is_some_and(|t| *t >= w.millis() - KEEP_MS));
                prop_assert_eq!(seen.has(hash, watermark), expected);
                if !expected {
                    let now = watermark.map_or(t, |w| w.max(t));
                    seen.note(hash, t, watermark, now);
                    watermark = Some(now);
                    all.insert(hash, t.millis());
                }
            }
        }
    }

    #[test]
    fn forgets_what_is_out_of_reach() {
        let (mut seen, mut before) = (Seen::default(), None);
        for i in 0..200_u64 {
            let t = Timestamp::from_millis(i64::try_from(i).expect("small") * HOUR_MS);
            seen.note(i, t, before, t);
            before = Some(t);
        }
        assert!(seen.times.len() <= 79, "{}", seen.times.len());
    }

    #[test]
    fn origins_only_grow() {
        let mut origins = Origins::default();
        let mut at = |source: &str, offset, index| origins.advance(&Origin { source: source.to_owned(), offset, index }, Timestamp::MIN);
        assert!(at("a", 5, 0) && at("a", 5, 1) && at("b", 0, 0));
        assert!(!at("a", 5, 1) && !at("a", 5, 0) && !at("a", 4, 9));
        assert!(at("a", 6, 0));
    }
}
