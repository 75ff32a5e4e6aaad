//! From accumulators to evidence: raw surprise, common-mode discount, recalibration, family maxima, score
//! (DETECTION.md §4–§7, §9).

use super::{
    baseline::tail::recalibrate,
    class::Class,
    day::Day,
    detector::{DETECTORS, FAMILIES, FLOOR, HURDLE, MEMBERS, NEEDS_REVEALED, REVEALED, RULE, SHARE, SLOW, Set, is_drift},
    explain::{Detector, Family},
    manager::Baseline,
    math::{exp, ln},
    score,
    team::TeamDay,
    terms::Terms,
};

/// What is new to a newcomer is no news: it counts fully from so many days on.
const SETTLED: f64 = 5.0;

impl Day {
    /// Recalibrates everything, if maps, thresholds or policy changed since that was done last.
    pub(super) fn refresh(&mut self, base: &Baseline, class: &Class, terms: &Terms) {
        if self.generation != class.generation() {
            // No family has this value: all weights are computed anew.
            self.v = [-1.0; FAMILIES];
            self.recalibrate(Set::BEHAVIOUR, base, class, terms);
            self.generation = class.generation();
        }
    }

    /// The x of some detectors changed. All values only grow within a day, so looking again and again costs nothing.
    pub(super) fn rise(&mut self, changed: Set, base: &Baseline, team: &mut TeamDay, class: &Class, terms: &Terms, revealed_before: f64) {
        let Some(expected) = base.expected() else { return };
        for k in changed.iter().filter(|k| *k < HURDLE) {
            self.rise_to(k, expected.hurdle.surprise(k, self.x[k]), team);
        }
        if changed.iter().any(is_drift) {
            let z = expected.drift.z(&self.x);
            for k in changed.iter().filter(|k| is_drift(*k)) {
                self.rise_to(k, base.drift.surprise(k - HURDLE, z[k - HURDLE]), team);
            }
        }
        let mut changed = changed;
        if changed.has(SHARE) || changed.has(Detector::Distinct as usize) {
            // The only one that may fall within a day: what the whole team does by now was no theft this morning. And of a usual
            // day's clients at least: three strangers at nine are not a day of strangers only.
            let clients = self.clients().max(expected.hurdle.at(Detector::Distinct as usize, 0.0));
            let team = team.share_of_others(self.x[SHARE], self.clients(), self.team_before).unwrap_or(0.0);
            self.share = self.x[SHARE] / clients;
            self.raw[SHARE] = expected.share.surprise(self.x[SHARE], clients, team);
            self.r[SHARE] = self.raw[SHARE];
            changed = changed.with(SHARE);
        }
        (self.raw[RULE], self.r[RULE]) = (self.x[RULE], self.x[RULE]);
        // Passing the floor on what was revealed wakes detectors that did not change themselves.
        let wakes = revealed_before < REVEALED && self.revealed() >= REVEALED;
        self.recalibrate(if wakes { changed.or(NEEDS_REVEALED) } else { changed }, base, class, terms);
    }

    fn rise_to(&mut self, k: usize, r: f64, team: &mut TeamDay) {
        let old = self.raw[k];
        if r > old {
            self.raw[k] = r;
        }
        // The others' rise counts even when one's own value stays.
        self.r[k] = self.r[k].max(team.discount(k, old, self.raw[k]));
    }

    fn recalibrate(&mut self, set: Set, base: &Baseline, class: &Class, terms: &Terms) {
        for k in set.iter().filter(|k| *k != RULE) {
            self.s[k] = self.recalibrated(k, base, class, terms);
        }
        self.s[RULE] = self.hits.nats(terms.rules);
        for (f, members) in MEMBERS.iter().enumerate() {
            let v = members.iter().map(|&k| self.s[k]).fold(0.0, f64::max);
            if v.to_bits() != self.v[f].to_bits() {
                (self.v[f], self.weight[f]) = (v, terms.stakes[f] * exp(v.min(60.0)));
            }
        }
    }

    fn recalibrated(&self, k: usize, base: &Baseline, class: &Class, terms: &Terms) -> f64 {
        let below = self.x[k] < FLOOR[k] || NEEDS_REVEALED.has(k) && self.revealed() < REVEALED;
        if below || !terms.detectors.has(k) {
            return 0.0;
        }
        let s = recalibrate(class.tail(k), self.r[k], k >= HURDLE);
        if k == Detector::NovQ as usize { s * (base.hurdle.days() / SETTLED).min(1.0) } else { s }
    }

    /// Evidence of the day: all of it, and without the rules.
    pub(super) fn score(&self) -> (f64, f64) {
        let behaviour: f64 = self.weight[..FAMILIES - 1].iter().sum();
        let of = |sum: f64| ln(sum / 9.0).max(0.0);
        let quiet = of(behaviour + 1.0);
        (if self.v[FAMILIES - 1] > 0.0 { of(behaviour + self.weight[FAMILIES - 1]) } else { quiet }, quiet)
    }

    /// The leading detector of a family: of equals the first.
    pub(super) fn leading(&self, family: usize) -> usize {
        let members = MEMBERS[family];
        members.iter().copied().reduce(|a, b| if self.s[b] > self.s[a] { b } else { a }).unwrap_or(RULE)
    }

    /// The drifts that speak today, a bit each: the strongest, and those within three nats of it.
    pub(super) fn drifts(&self) -> u8 {
        let least = (self.v[Family::Drip as usize] - 3.0).max(0.0);
        (0..SLOW).filter(|j| self.s[HURDLE + j] > least).fold(0, |set, j| set | 1 << j)
    }

    /// The bits of a score over the families.
    pub(super) fn shares(&self, bits: u64) -> [u64; FAMILIES] {
        score::split(&self.v, &self.weight, bits)
    }

    /// Detectors that reached a new whole nat of the day, from the third on.
    pub(super) fn whole_nats(&mut self) -> Set {
        let mut reached = Set::default();
        for k in 0..DETECTORS - 1 {
            let whole = super::math::floor_index(self.s[k]);
            if whole >= 3 && whole > usize::from(self.signalled[k]) {
                self.signalled[k] = u8::try_from(whole).unwrap_or(u8::MAX);
                reached = reached.with(k);
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Policy, people::Post},
        event::Date,
    };

    #[test]
    fn below_its_floor_a_detector_is_silent_whatever_the_surprise() {
        let terms = Terms { detectors: Set::BEHAVIOUR, ..Terms::of(&Policy::default()) };
        let mut class = Class::new(0, 1.0);
        // A drift says nothing without a map.
        for histogram in class.histograms.iter_mut() {
            (0..400).for_each(|i| histogram.add(f64::from(i % 8)));
        }
        class.refresh();
        let mut base = Baseline::default();
        base.expect(&class, &"sales".into());
        let post = || Post { role: "sales".into(), peers: "sales".into(), team: "a".into(), schedule: "".into() };
        let s = |k: usize, x: f64, revealed: f64| {
            let mut day = Day::new(Date(0), 0, post(), false);
            day.x[Detector::Distinct as usize] = revealed;
            day.x[k] = x;
            day.r[k] = 30.0;
            day.recalibrated(k, &base, &class, &terms)
        };
        for k in 0..RULE {
            let name = Detector::ALL[k].as_str();
            let awake = s(k, FLOOR[k], REVEALED) > 0.0;
            assert_eq!(awake, k != Detector::NovQ as usize, "{name}: what is new to a newcomer is no news");
            if FLOOR[k] > 0.0 {
                assert!(s(k, FLOOR[k] - 0.1, 0.0) <= 0.0, "{name}: below its floor");
            }
            if NEEDS_REVEALED.has(k) {
                assert!(s(k, 1e3, REVEALED - 0.1) <= 0.0, "{name}: too little was revealed");
            }
        }
    }
}
