//! What is new: values that a manager, their team or anybody had before (DETECTION.md §3; Good 1953).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::math::{ln, stored};

/// Attributes: network, country, ASN, agent, device, action, fingerprint.
pub(crate) const ATTRIBUTES: usize = 7;
/// Weight of each in its detector.
pub(crate) const WEIGHT: [f64; ATTRIBUTES] = [0.5, 1.0, 1.0, 0.7, 1.0, 1.0, 0.7];
/// Values remembered per manager.
const CAP: [usize; ATTRIBUTES] = [24, 8, 12, 8, 8, 64, 48];
/// Values remembered per tenant and attribute; the least recently learned goes first.
const KNOWN_CAP: usize = 20_000;
/// Holders remembered per value: three others decide.
const HOLDERS: usize = 8;
/// ... and of further ones the first mates of each team.
const MOST_HOLDERS: usize = 64;
const COUNTRY: usize = 1;

/// A manager's values of one attribute, in the order in which they were learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    /// Value hash and last day.
    values: Vec<(u64, i32)>,
    n1: f32,
    n2: f32,
}

/// Who ever learned a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Holders {
    /// (manager hash, team hash).
    who: Vec<(u64, u64)>,
    last: i32,
}

/// Values that anybody in the tenant ever learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Everybody(BTreeMap<(u8, u64), Holders>);

/// Rates of new values of a class, per attribute: decayed days with a new one, and days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates([(f64, f64); ATTRIBUTES]);

impl Default for Rates {
    fn default() -> Self {
        Self([(0.6, 30.0); ATTRIBUTES])
    }
}

impl Rates {
    fn of(&self, a: usize) -> f64 {
        (self.0[a].0 / self.0[a].1).clamp(0.002, 0.5)
    }

    /// A manager-day with the attribute closed.
    pub(crate) fn learn(&mut self, a: usize, new: bool) {
        let g = &mut self.0[a];
        *g = (0.9999 * g.0 + f64::from(u8::from(new)), 0.9999 * g.1 + 1.0);
    }
}

impl Own {
    pub(crate) fn knows(&self, value: u64) -> bool {
        self.values.iter().any(|v| v.0 == value)
    }

    /// P(something new of this kind comes on a day).
    pub(crate) fn rate(&self, rates: &Rates, a: usize) -> f64 {
        (f64::from(self.n1) + 6.0 * rates.of(a)) / (f64::from(self.n2) + 6.0)
    }

    /// Surprise of a value that this manager does not know.
    pub(crate) fn surprise(&self, rates: &Rates, everybody: &Everybody, a: usize, value: u64, me: u64, team: u64) -> f64 {
        let mut u = -ln(self.rate(rates, a));
        if self.n2 <= 0.0 && a != COUNTRY {
            u *= 0.3;
        }
        let holders = everybody.0.get(&(attribute(a), value));
        let others = || holders.into_iter().flat_map(|h| &h.who).filter(|(who, _)| *who != me);
        if others().count() >= 3 || others().filter(|(_, t)| *t == team).count() >= 2 {
            u * 0.35
        } else if others().next().is_none() {
            u + 0.7
        } else {
            u
        }
    }

    /// Learns or refreshes a value; the least recent goes, of equals the one learned first.
    pub(crate) fn learn(&mut self, a: usize, value: u64, day: i32) {
        match self.values.iter_mut().find(|v| v.0 == value) {
            Some(v) => v.1 = v.1.max(day),
            None => self.values.push((value, day)),
        }
        if self.values.len() > CAP[a] {
            let oldest = (0..self.values.len()).min_by_key(|&i| (self.values[i].1, i)).expect("not empty");
            self.values.remove(oldest);
        }
    }

    /// A day with the attribute closed; returns whether the class may learn from it.
    pub(crate) fn close(&mut self, new: bool) -> bool {
        self.n1 = stored(0.98 * f64::from(self.n1) + f64::from(u8::from(new)));
        self.n2 = stored(0.98 * f64::from(self.n2) + 1.0);
        self.n2 > 5.0
    }
}

impl Everybody {
    /// A manager learned a value.
    pub(crate) fn learn(&mut self, a: usize, value: u64, me: u64, team: u64, day: i32) {
        let holders = self.0.entry((attribute(a), value)).or_default();
        holders.last = holders.last.max(day);
        if let Some(known) = holders.who.iter_mut().find(|(who, _)| *who == me) {
            known.1 = team;
            return;
        }
        // Three others decide; of more, only a second or third mate of a team can still matter.
        let mates = || holders.who.iter().filter(|(_, t)| *t == team).count();
        if holders.who.len() < HOLDERS || holders.who.len() < MOST_HOLDERS && mates() < 3 {
            holders.who.push((me, team));
        }
    }

    /// Forgets the least recently learned values of an attribute above the cap; called at a close.
    pub(crate) fn forget(&mut self) {
        for a in 0..attribute(ATTRIBUTES) {
            let range = (a, 0)..=(a, u64::MAX);
            let count = self.0.range(range.clone()).count();
            if count > KNOWN_CAP {
                let mut days: Vec<(i32, u64)> = self.0.range(range).map(|((_, v), h)| (h.last, *v)).collect();
                days.sort_unstable();
                for (_, value) in &days[..count - KNOWN_CAP] {
                    self.0.remove(&(a, *value));
                }
            }
        }
    }
}

fn attribute(a: usize) -> u8 {
    u8::try_from(a).expect("seven attributes")
}
