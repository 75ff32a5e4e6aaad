//! What is new: values that a manager, their team or anybody had before (DETECTION.md §3; Good 1953).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{
    explain::Attribute,
    math::{ln, stored},
};
use crate::event::Date;

/// Number of [`Attribute`]s.
pub(crate) const ATTRIBUTES: usize = 7;
/// Weight of each in its detector.
pub(crate) const WEIGHT: [f64; ATTRIBUTES] = [0.5, 1.0, 1.0, 0.7, 1.0, 1.0, 0.7];
/// Values remembered per manager.
const CAP: [usize; ATTRIBUTES] = [24, 8, 12, 8, 8, 64, 48];
/// Values remembered per tenant; above, the eighth that nobody used for longest is forgotten.
const KNOWN: usize = 65_536;
/// So many people who learned a value make it common: three others, whoever asks.
const COMMON: usize = 4;

/// A manager's values of one attribute, in the order in which they were learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    /// Upper half of the value's hash, and last day.
    values: Vec<([u8; 4], Date)>,
    n1: f32,
    n2: f32,
}

/// Values that anybody in the tenant ever learned, by hash (of attribute and value).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Everybody(BTreeMap<u64, Learners>);

/// Who learned a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Learners {
    /// Last day on which somebody used it.
    last: Date,
    /// Hash of the manager and of the team; empty: so many that it is common.
    who: Vec<(u64, u64)>,
}

/// Rates of new values of a class, per attribute: decayed days with a new one, and days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates([(f64, f64); ATTRIBUTES]);

/// Who asks: hashes of manager and team.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) me: u64,
    pub(crate) team: u64,
}

/// The hash of an attribute's value.
pub(crate) fn hash(a: Attribute, value: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(value, a as u64)
}

fn short(value: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = value.to_be_bytes();
    [a, b, c, d]
}

impl Default for Rates {
    fn default() -> Self {
        Self([(0.6, 30.0); ATTRIBUTES])
    }
}

impl Rates {
    /// Known shares of days, weighing as much as the start does; of an attribute without one the start.
    pub(crate) fn of_shares(share: impl Fn(Attribute) -> Option<f64>) -> Self {
        let mut rates = Self::default();
        for (a, g) in Attribute::ALL.iter().zip(&mut rates.0) {
            g.0 = share(*a).map_or(g.0, |share| share.clamp(0.0, 1.0) * g.1);
        }
        rates
    }

    /// Share of days with something new.
    pub(crate) fn of(&self, a: Attribute) -> f64 {
        let g = self.0[a as usize];
        (g.0 / g.1).clamp(0.002, 0.5)
    }

    /// A manager-day with the attribute closed.
    pub(crate) fn learn(&mut self, a: Attribute, new: bool) {
        let g = &mut self.0[a as usize];
        *g = (0.9999 * g.0 + f64::from(u8::from(new)), 0.9999 * g.1 + 1.0);
    }
}

impl Own {
    /// How many values are known.
    pub(crate) fn known(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn knows(&self, value: u64) -> bool {
        self.values.iter().any(|v| v.0 == short(value))
    }

    /// P(something new of this kind comes on a day).
    pub(crate) fn rate(&self, rates: &Rates, a: Attribute) -> f64 {
        (f64::from(self.n1) + 6.0 * rates.of(a)) / (f64::from(self.n2) + 6.0)
    }

    /// Surprise of a value that this manager does not know.
    pub(crate) fn surprise(&self, rates: &Rates, everybody: &Everybody, a: Attribute, value: u64, asker: Asker) -> f64 {
        let mut u = -ln(self.rate(rates, a));
        if self.n2 <= 0.0 && a != Attribute::Country {
            u *= 0.3;
        }
        match everybody.others(value, asker) {
            Others::Several => u * 0.35,
            Others::Some => u,
            Others::None => u + 0.7,
        }
    }

    /// Learns or refreshes a value; the least recent goes, of equals the one learned first. True when this is its first use
    /// on a later day than before.
    pub(crate) fn learn(&mut self, a: Attribute, value: u64, day: Date) -> bool {
        if let Some(v) = self.values.iter_mut().find(|v| v.0 == short(value)) {
            let later = day > v.1;
            v.1 = v.1.max(day);
            return later;
        }
        self.values.push((short(value), day));
        if self.values.len() > CAP[a as usize] {
            let oldest = (0..self.values.len()).min_by_key(|&i| (self.values[i].1, i)).expect("not empty");
            self.values.remove(oldest);
        }
        true
    }

    /// A day with the attribute closed; returns whether the class may learn from it.
    pub(crate) fn close(&mut self, new: bool) -> bool {
        self.n1 = stored(0.98 * f64::from(self.n1) + f64::from(u8::from(new)));
        self.n2 = stored(0.98 * f64::from(self.n2) + 1.0);
        self.n2 > 5.0
    }
}

/// Who else had a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// Nobody.
    None,
    /// One or two.
    Some,
    /// At least three, or two of the team.
    Several,
}

impl Everybody {
    /// Up to three learners are all known; from the fourth on anybody who asks finds three others.
    fn others(&self, value: u64, asker: Asker) -> Others {
        let Some(learners) = self.0.get(&value) else { return Others::None };
        let others = || learners.who.iter().filter(|(who, _)| *who != asker.me);
        if learners.who.is_empty() || others().count() >= 3 || others().filter(|(_, team)| *team == asker.team).count() >= 2 {
            Others::Several
        } else if others().next().is_none() {
            Others::None
        } else {
            Others::Some
        }
    }

    /// A manager learned a value that was new to them.
    pub(crate) fn learn(&mut self, value: u64, by: Asker, day: Date) {
        if self.0.len() >= KNOWN && !self.0.contains_key(&value) {
            self.forget();
        }
        let Some(learners) = self.0.get_mut(&value) else {
            self.0.insert(value, Learners { last: day, who: vec![(by.me, by.team)] });
            return;
        };
        learners.last = learners.last.max(day);
        if let Some(known) = learners.who.iter_mut().find(|(who, _)| *who == by.me) {
            known.1 = by.team;
        } else if !learners.who.is_empty() {
            learners.who.push((by.me, by.team));
            if learners.who.len() >= COMMON {
                learners.who = Vec::new();
            }
        }
    }

    /// A value was used on a day.
    pub(crate) fn used(&mut self, value: u64, day: Date) {
        if let Some(learners) = self.0.get_mut(&value) {
            learners.last = learners.last.max(day);
        }
    }

    fn forget(&mut self) {
        let mut by_use: Vec<(Date, u64)> = self.0.iter().map(|(value, learners)| (learners.last, *value)).collect();
        by_use.sort_unstable();
        for (_, value) in &by_use[..by_use.len() / 8] {
            self.0.remove(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_recent_value_goes_and_of_equals_the_first() {
        let mut own = Own::default();
        let value = |i: u64| hash(Attribute::Country, &i.to_le_bytes());
        for i in 0..8 {
            assert!(own.learn(Attribute::Country, value(i), Date(1)));
        }
        assert!(!own.learn(Attribute::Country, value(0), Date(1)), "the same day");
        assert!(own.learn(Attribute::Country, value(0), Date(2)));
        own.learn(Attribute::Country, value(8), Date(1));
        assert!(own.knows(value(0)) && !own.knows(value(1)) && own.knows(value(2)) && own.knows(value(8)));
    }

    #[test]
    fn closed_forms() {
        let (own, rates, everybody) = (Own::default(), Rates::default(), Everybody::default());
        let asker = Asker { me: 1, team: 1 };
        // r0 = 0.6 / 30 = 0.02, P(new) = 6 · 0.02 / 6.
        let u = -ln(0.02);
        let of = |a: Attribute| own.surprise(&rates, &everybody, a, 7, asker);
        assert!((of(Attribute::Country) - (u + 0.7)).abs() < 1e-12);
        assert!((of(Attribute::Device) - (0.3 * u + 0.7)).abs() < 1e-12);
    }

    proptest! {
        /// Three learners are enough to know.
        #[test]
        fn others_agree_with_a_full_list(learned in prop::collection::vec((0..7_u64, 0..3_u64), 0..20), me in 0..8_u64, team in 0..3_u64) {
            let (mut everybody, mut all) = (Everybody::default(), BTreeMap::new());
            for (who, team) in learned {
                everybody.learn(1, Asker { me: who, team }, Date(0));
                all.insert(who, team);
            }
            all.remove(&me);
            let expected = if all.len() >= 3 || all.values().filter(|t| **t == team).count() >= 2 {
                Others::Several
            } else if all.is_empty() {
                Others::None
            } else {
                Others::Some
            };
            prop_assert_eq!(everybody.others(1, Asker { me, team }), expected);
        }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_used() {
        let mut everybody = Everybody::default();
        let by = Asker { me: 1, team: 1 };
        everybody.learn(u64::MAX, by, Date(0));
        for i in 0..200_000_u64 {
            everybody.learn(i, by, Date(i32::try_from(i / 1000).expect("small")));
            everybody.used(u64::MAX, Date(i32::try_from(i / 1000).expect("small")));
        }
        assert!(everybody.0.len() <= KNOWN);
        assert!(everybody.0.contains_key(&u64::MAX) && !everybody.0.contains_key(&0) && everybody.0.contains_key(&199_999));
    }
}
