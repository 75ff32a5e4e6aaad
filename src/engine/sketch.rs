//! Sets of clients in bounded memory: exact while small, a Bloom filter behind that (Bloom 1970).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So many clients of a day are known exactly, with their weights.
const EXACT: usize = 2048;
/// 2^17 bits, four hashes: with 10 000 clients in it 0.5 % of new ones are taken for known, with 30 000 13 %. It only ever
/// counts too few, and by then a day is far beyond every threshold.
const WORDS: usize = 2048;

/// Clients touched on a manager-day, each with the relation weight of its first touch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Clients {
    exact: BTreeMap<u64, f64>,
    more: Vec<u64>,
    n_more: u64,
}

/// What is known of a client of the day.
pub(super) enum Known {
    /// Not touched yet.
    New,
    /// Touched first with this weight.
    Weight(f64),
    /// Probably touched; its weight was not kept.
    Probably,
}

impl Clients {
    /// What is known of a client.
    pub(super) fn get(&self, h: u64) -> Known {
        match self.exact.get(&h) {
            Some(w) => Known::Weight(*w),
            None if !self.more.is_empty() && bits(h).into_iter().all(|b| self.more[b / 64] >> (b % 64) & 1 == 1) => Known::Probably,
            None => Known::New,
        }
    }

    /// Adds a new client.
    pub(super) fn insert(&mut self, h: u64, weight: f64) {
        if self.exact.len() < EXACT {
            self.exact.insert(h, weight);
            return;
        }
        self.more.resize(WORDS, 0);
        for b in bits(h) {
            self.more[b / 64] |= 1 << (b % 64);
        }
        self.n_more += 1;
    }
}

/// Four bits of the filter, by double hashing.
fn bits(h: u64) -> [usize; 4] {
    let (a, b) = (h & 0xffff_ffff, h >> 32 | 1);
    let size = (WORDS * 64) as u64;
    [0, 1, 2, 3].map(|i| usize::try_from((a + i * b) % size).expect("smaller than the filter"))
}

/// Clients with a day or time, the oldest forgotten above a cap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent(BTreeMap<u64, i64>);

/// So many are remembered per manager.
const RECENT: usize = 8192;

impl Recent {
    /// When a client was last noted.
    pub(super) fn get(&self, h: u64) -> Option<i64> {
        self.0.get(&h).copied()
    }

    /// Notes a client; an earlier time does not replace a later one.
    pub(super) fn note(&mut self, h: u64, at: i64) {
        let slot = self.0.entry(h).or_insert(at);
        *slot = (*slot).max(at);
        if self.0.len() > RECENT {
            let mut times: Vec<i64> = self.0.values().copied().collect();
            times.sort_unstable();
            let middle = times[RECENT / 2];
            self.0.retain(|_, t| *t > middle);
        }
    }

    /// Forgets what is older.
    pub(super) fn forget(&mut self, before: i64) {
        self.0.retain(|_, t| *t >= before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_many_clients_with_the_stated_error() {
        let mut set = Clients::default();
        let mut missed = 0;
        for i in 0..12_000_u64 {
            let h = crate::event::client_hash(&i.to_string());
            match set.get(h) {
                Known::New => set.insert(h, 1.0),
                _ => missed += 1,
            }
            assert!(!matches!(set.get(h), Known::New));
        }
        assert!(missed < 60, "{missed}");
    }
}
