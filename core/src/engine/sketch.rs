//! Sets of clients in bounded memory, whatever somebody does: exact while small, then Bloom filters (Bloom 1970) and
//! HyperLogLog (Flajolet et al. 2007).
//!
//! Stated errors. A day of up to 512 clients: none worth naming (58 bits of hash). Above: a new client is taken for a known
//! one with probability 0.02 % at 600 clients, 2.4 % at 2048; the count is low by at most 0.7 % to there and within 13 % (two
//! standard errors) beyond. Clients remembered over days are told apart by 32 bits: of 1024, one in four millions is a
//! stranger taken for known.

use serde::{Deserialize, Serialize};

use super::{
    math::{count, ln, number},
    packed::{fixed, registers, words},
};
use crate::event::Date;

/// So many clients of a day are known exactly, with their weights.
const EXACT: usize = 512;
/// Words of the filter behind them (2^14 bits) ...
const TOUCHED: usize = 256;
/// ... whose own count holds up to here.
const TRUSTED: u32 = 2048;
/// Words of the filter of called clients (2^12 bits).
const CALLED: usize = 64;
/// The lowest bits of a hash make room for weight (five, in sixteenths) and whether the client was called (one).
const WEIGHT: u64 = 0x1f;
const WAS_CALLED: u64 = 0x20;
const KEY: u64 = !0x3f;
/// Clients remembered over days, per manager.
const REMEMBERED: usize = 1024;

/// Clients touched on a manager-day, each with the relation weight of its first touch, and whether it was called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Clients {
    /// Sorted.
    Few(#[serde(with = "fixed")] Vec<u64>),
    Many(Box<Many>),
}

/// What is known of a client of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Not touched yet.
    New,
    /// Touched first with this weight, in sixteenths.
    Weight(u8),
    /// Probably touched; its weight was not kept.
    Probably,
}

/// Too many to be listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Many {
    touched: Bloom<TOUCHED>,
    called: Bloom<CALLED>,
    /// Clients that the filter did not know.
    met: u32,
    distinct: Distinct<256>,
    count: u32,
}

impl Default for Clients {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Clients {
    /// What is known of a client that is touched now.
    pub(super) fn meet(&mut self, h: u64) -> Known {
        let key = h & KEY;
        match self {
            Self::Few(list) => match list.get(list.partition_point(|e| *e < key)) {
                Some(e) if e & KEY == key => Known::Weight(u8::try_from(e & WEIGHT).expect("five bits")),
                _ => Known::New,
            },
            Self::Many(many) => {
                if many.distinct.add(key) && many.met > TRUSTED {
                    many.count = many.count.max(u32::try_from(count(many.distinct.estimate())).unwrap_or(u32::MAX));
                }
                if many.touched.has(key) { Known::Probably } else { Known::New }
            }
        }
    }

    /// Adds a new client with its weight.
    pub(super) fn insert(&mut self, h: u64, sixteenths: u8) {
        let entry = h & KEY | u64::from(sixteenths) & WEIGHT;
        match self {
            Self::Few(list) if list.len() < EXACT => list.insert(list.partition_point(|e| *e < entry & KEY), entry),
            Self::Few(list) => {
                let mut many = Box::new(Many::default());
                for e in list.iter().chain([&entry]) {
                    many.insert(e & KEY);
                    if e & WAS_CALLED != 0 {
                        many.called.insert(e & KEY);
                    }
                }
                *self = Self::Many(many);
            }
            Self::Many(many) => many.insert(entry & KEY),
        }
    }

    /// Marks a client as called; true the first time.
    pub(super) fn call(&mut self, h: u64) -> bool {
        let key = h & KEY;
        match self {
            Self::Few(list) => {
                let at = list.partition_point(|e| *e < key);
                let Some(entry) = list.get_mut(at).filter(|e| **e & KEY == key) else { return false };
                let first = *entry & WAS_CALLED == 0;
                *entry |= WAS_CALLED;
                first
            }
            Self::Many(many) => {
                let first = !many.called.has(key);
                many.called.insert(key);
                first
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> f64 {
        match self {
            Self::Few(list) => number(list.len() as u64),
            Self::Many(many) => f64::from(many.count),
        }
    }
}

impl Default for Many {
    fn default() -> Self {
        Self { touched: Bloom([0; TOUCHED]), called: Bloom([0; CALLED]), met: 0, distinct: Distinct::default(), count: 0 }
    }
}

impl Many {
    fn insert(&mut self, key: u64) {
        self.touched.insert(key);
        self.distinct.add(key);
        self.met = self.met.saturating_add(1);
        self.count = self.count.max(self.met);
    }
}

/// A Bloom filter with four hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bloom<const WORDS: usize>(#[serde(with = "words")] [u64; WORDS]);

impl<const WORDS: usize> Bloom<WORDS> {
    /// Four places by double hashing.
    fn places(key: u64) -> [(usize, u64); 4] {
        let (a, b, size) = (key >> 32, key >> 6 & 0x3ff_ffff | 1, WORDS as u64 * 64);
        [0, 1, 2, 3].map(|i| {
            let bit = (a + i * b) % size;
            (usize::try_from(bit / 64).expect("within the filter"), 1 << (bit % 64))
        })
    }

    fn has(&self, key: u64) -> bool {
        Self::places(key).into_iter().all(|(word, bit)| self.0[word] & bit != 0)
    }

    fn insert(&mut self, key: u64) {
        for (word, bit) in Self::places(key) {
            self.0[word] |= bit;
        }
    }
}

/// No register gets higher: four bits hold it, and counts hold up to a few millions.
const MOST: u8 = 15;

/// HyperLogLog of `N` registers, a power of two up to 256: standard error 1.04 / √N.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Distinct<const N: usize>(#[serde(with = "registers")] [u8; N]);

impl<const N: usize> Default for Distinct<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Distinct<N> {
    const BITS: u32 = N.trailing_zeros();

    /// True when the estimate may have grown.
    pub(super) fn add(&mut self, key: u64) -> bool {
        let register = usize::try_from(key >> (64 - Self::BITS)).expect("at most eight bits");
        let rank = u8::try_from((key << Self::BITS).leading_zeros() + 1).expect("at most 65").min(MOST);
        let grows = self.0[register] < rank;
        self.0[register] = self.0[register].max(rank);
        grows
    }

    /// Holds what the other holds, too.
    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a = (*a).max(*b));
    }

    /// How many different ones.
    pub(super) fn estimate(&self) -> f64 {
        let m = number(N as u64);
        let inverse: f64 = self.0.iter().map(|r| 1.0 / number(1_u64 << r)).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / inverse;
        let empty = self.0.iter().filter(|r| **r == 0).count();
        if raw <= 2.5 * m && empty > 0 { m * ln(m / number(empty as u64)) } else { raw }
    }
}

/// Clients and the last date on which each was touched without a reason; the oldest dates go first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Strangers {
    /// By date; each client stands under its last one.
    dates: Vec<(Date, Vec<[u8; 4]>)>,
}

impl Strangers {
    /// When a client was last touched without a reason.
    pub(super) fn last(&self, h: u64) -> Option<Date> {
        let short = short(h);
        self.dates.iter().rev().find(|(_, clients)| clients.binary_search(&short).is_ok()).map(|(date, _)| *date)
    }

    /// Notes a client; an earlier date does not replace a later one.
    pub(super) fn note(&mut self, h: u64, date: Date) {
        let short = short(h);
        if let Some(i) = self.dates.iter().position(|(_, clients)| clients.binary_search(&short).is_ok()) {
            if self.dates[i].0 >= date {
                return;
            }
            self.dates[i].1.retain(|c| *c != short);
            if self.dates[i].1.is_empty() {
                self.dates.remove(i);
            }
        }
        if self.dates.iter().map(|(_, clients)| clients.len()).sum::<usize>() >= REMEMBERED {
            // When this date alone fills the memory, it holds the first of its clients.
            if self.dates[0].0 >= date {
                return;
            }
            self.dates.remove(0);
        }
        let at = self.dates.partition_point(|(d, _)| *d < date);
        if self.dates.get(at).is_none_or(|(d, _)| *d != date) {
            self.dates.insert(at, (date, Vec::new()));
        }
        let clients = &mut self.dates[at].1;
        clients.insert(clients.partition_point(|c| *c < short), short);
    }

    /// Forgets what is older; true when there was any.
    pub(super) fn forget(&mut self, before: Date) -> bool {
        let old = self.dates.partition_point(|(d, _)| *d < before);
        self.dates.drain(..old);
        old > 0
    }
}

/// Clients and when they last made contact; the oldest go first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Contacts(Vec<([u8; 4], i64)>);

impl Contacts {
    /// When a client last made contact.
    pub(super) fn last(&self, h: u64) -> Option<i64> {
        let short = short(h);
        self.0.binary_search_by_key(&short, |e| e.0).ok().map(|i| self.0[i].1)
    }

    /// Notes a contact; an earlier time does not replace a later one.
    pub(super) fn note(&mut self, h: u64, t: i64) {
        let short = short(h);
        if let Ok(i) = self.0.binary_search_by_key(&short, |e| e.0) {
            self.0[i].1 = self.0[i].1.max(t);
            return;
        }
        if self.0.len() >= REMEMBERED {
            let oldest = (0..self.0.len()).min_by_key(|&i| (self.0[i].1, i)).expect("not empty");
            self.0.remove(oldest);
        }
        self.0.insert(self.0.partition_point(|e| e.0 < short), (short, t));
    }

    /// Forgets what is older; true when there was any.
    pub(super) fn forget(&mut self, before: i64) -> bool {
        let n = self.0.len();
        self.0.retain(|e| e.1 >= before);
        self.0.len() < n
    }
}

/// The upper half of a hash.
fn short(h: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = h.to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::event::client_hash;

    fn h(i: u64) -> u64 {
        client_hash(&i.to_string())
    }

    fn touch(set: &mut Clients, i: u64) -> Known {
        let known = set.meet(h(i));
        if known == Known::New {
            set.insert(h(i), u8::try_from(i % 25).expect("small"));
        }
        known
    }

    #[test]
    fn a_usual_day_is_exact() {
        let mut set = Clients::default();
        for i in 0..512 {
            assert_eq!(touch(&mut set, i), Known::New);
        }
        for i in 0..512 {
            assert_eq!(touch(&mut set, i), Known::Weight(u8::try_from(i % 25).expect("small")));
            assert!(set.call(h(i)) && !set.call(h(i)));
            assert_eq!(set.meet(h(i)), Known::Weight(u8::try_from(i % 25).expect("small")), "a call leaves the weight");
        }
        assert!(!set.call(h(1000)), "never touched");
        assert!((set.count() - 512.0).abs() < 0.1);
    }

    #[test]
    fn large_days_keep_the_stated_errors_and_their_size() {
        let mut set = Clients::default();
        let mut last = 0.0;
        for i in 0..100_000_u64 {
            touch(&mut set, i);
            set.call(h(i));
            assert!(set.count() >= last, "never fewer");
            last = set.count();
            let n = number(i + 1);
            let error = if i < 512 {
                0.0
            } else if i <= 2048 {
                0.007
            } else {
                0.13
            };
            assert!((last / n - 1.0).abs() <= error, "{last} of {n}");
            assert_ne!(set.meet(h(i)), Known::New);
        }
        assert!(postcard::to_stdvec(&set).expect("a set").len() < 3200);
    }

    #[test]
    fn what_was_called_stays_called_when_the_day_grows_large() {
        let mut set = Clients::default();
        for i in 0..512 {
            touch(&mut set, i);
        }
        assert!(set.call(h(7)));
        touch(&mut set, 512);
        assert!(matches!(set, Clients::Many(_)));
        assert!(!set.call(h(7)) && set.call(h(8)));
    }

    proptest! {
        #[test]
        fn strangers_agree_with_a_map(steps in prop::collection::vec((0..50_u64, 0..40_i32), 1..200), before in 0..45_i32) {
            let (mut strangers, mut map) = (Strangers::default(), BTreeMap::<u64, i32>::new());
            for (i, date) in steps {
                strangers.note(h(i), Date(date));
                let last = map.entry(i).or_insert(date);
                *last = (*last).max(date);
            }
            strangers.forget(Date(before));
            map.retain(|_, date| *date >= before);
            for i in 0..50 {
                prop_assert_eq!(strangers.last(h(i)), map.get(&i).map(|d| Date(*d)));
            }
        }
    }

    #[test]
    fn memories_are_bounded() {
        let (mut strangers, mut contacts) = (Strangers::default(), Contacts::default());
        for i in 0..20_000_u64 {
            strangers.note(h(i), Date(i32::try_from(i / 700).expect("small")));
            contacts.note(h(i), i64::try_from(i).expect("small"));
        }
        assert!(strangers.dates.iter().map(|d| d.1.len()).sum::<usize>() <= REMEMBERED && contacts.0.len() <= REMEMBERED);
        assert_eq!((strangers.last(h(19_999)), strangers.last(h(0))), (Some(Date(28)), None));
        assert_eq!((contacts.last(h(19_999)), contacts.last(h(0))), (Some(19_999), None));
        let mut one_day = Strangers::default();
        (0..20_000).for_each(|i| one_day.note(h(i), Date(1)));
        assert_eq!(one_day.dates[0].1.len(), REMEMBERED);
    }
}
