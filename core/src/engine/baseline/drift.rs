//! Slow drift: a CUSUM over the days of four series, against one's own slow mean (DETECTION.md §5; Page 1954). The fourth, records
//! that left, goes beyond the reference: on screen are so many that a tenth more that leave every day moves their sum by little.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        detector::{SLOW, Values},
        explain::Detector,
        math::{ln_1p, stored},
        state,
    },
    pool::Pool,
};

/// Per learned day the past weighs this much less.
const FADE: f64 = 0.993;
/// A drift speaks from so many (decayed) days on: the level of a newcomer is not known.
const WARM: f64 = 10.0;
/// It never gets higher.
const MOST: f64 = 12.0;
/// A day counts for a drift by what it exceeds so many standard deviations. Records that leave do so by fits and starts: there
/// many small steps tell more of a change than a few large ones.
const SLACK: [f64; SLOW] = [0.5, 0.5, 0.5, 0.35];
/// What a day adds at most, before that, so that no single day makes a drift; and what it takes away.
const LARGEST: [f64; SLOW] = [2.5, 2.5, 2.5, 1.75];
const LEAST: f64 = -1.5;
/// So many records that leave are next to none.
const FEW: f64 = 10.0;
/// The pace of a series: while one drifts, those of its pace are learned slowly.
pub(crate) const PACE: [usize; SLOW] = [0, 0, 0, 1];
/// Number of paces.
pub(super) const PACES: usize = 2;

/// What is persisted per manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    /// Decayed learned days, by pace.
    #[serde(deserialize_with = "state::grown::<1, _, _, _>")]
    n: [f32; PACES],
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    mean: [f32; SLOW],
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    var: [f32; SLOW],
    /// C.
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    level: [f32; SLOW],
    /// Days on which it has been above zero without a break.
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    days: [u16; SLOW],
}

/// What is expected of the series, as of the last close.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    mean: [f64; SLOW],
    sd: [f64; SLOW],
}

/// ln(1 + records), ln(1 + unrelated), ln(1 + distinct), ln(1 + records that left / 10).
pub(crate) fn series(x: &Values) -> [f64; SLOW] {
    use Detector::{Distinct, RecOut, RecScr, Unrel};
    let out = x[RecOut as usize];
    [ln_1p(out + x[RecScr as usize]), ln_1p(x[Unrel as usize]), ln_1p(x[Distinct as usize]), ln_1p(out / FEW)]
}

/// What a day adds to a series.
pub(crate) fn step(j: usize, z: f64) -> f64 {
    z.clamp(LEAST, LARGEST[j])
}

impl Expected {
    /// Own series shrunk to those of the role, or of the class where the role is too small.
    pub(crate) fn of(own: &Own, peers: &Pool) -> Self {
        let n = |j: usize| own.learned(j);
        let var = |j: usize| ((n(j) * f64::from(own.var[j]) + 8.0 * peers.slow_var[j]) / (n(j) + 8.0)).max(0.1);
        Self {
            mean: std::array::from_fn(|j| (n(j) * f64::from(own.mean[j]) + 5.0 * peers.slow_mean[j]) / (n(j) + 5.0)),
            sd: std::array::from_fn(|j| var(j).sqrt()),
        }
    }

    /// How many standard deviations a day lies above.
    pub(crate) fn z(&self, x: &Values) -> [f64; SLOW] {
        let y = series(x);
        std::array::from_fn(|j| (y[j] - self.mean[j]) / self.sd[j])
    }
}

impl Own {
    /// Enough days for a drift.
    pub(crate) fn warm(&self, j: usize) -> bool {
        self.learned(j) >= WARM
    }

    /// Decayed learned days of a series.
    fn learned(&self, j: usize) -> f64 {
        f64::from(self.n[PACE[j]])
    }

    /// The drift of a series.
    pub(crate) fn level(&self, j: usize) -> f64 {
        f64::from(self.level[j])
    }

    /// Days on which each has been above zero without a break.
    pub(crate) fn days(&self) -> [u16; SLOW] {
        self.days
    }

    /// Answered work does not go on alarming.
    pub(crate) fn reset(&mut self, j: usize) {
        (self.level[j], self.days[j]) = (0.0, 0);
    }

    /// Raw surprise of a series today: none without fresh evidence.
    pub(crate) fn surprise(&self, j: usize, z: f64) -> f64 {
        if z > SLACK[j] && self.warm(j) { (self.level(j) + step(j, z) - SLACK[j]).max(0.0) } else { 0.0 }
    }

    /// As states before [`state::GREW`] had it.
    #[cfg(test)]
    pub(crate) fn forget_exports(&mut self) {
        (self.n[1], self.mean[3], self.var[3], self.level[3], self.days[3]) = Default::default();
    }

    /// Another role: the past tells less about it.
    pub(crate) fn change_role(&mut self) {
        self.n = self.n.map(|n| stored(f64::from(n) * 0.2));
    }

    /// A day closed. `common`: the drift of the class on this date (a season lifts all); `learned`: its weight, none for a day
    /// that is not learned, which can only raise a drift, so that a stray Sunday does not wipe it.
    pub(crate) fn close(&mut self, e: &Expected, x: &Values, common: &[f64; SLOW], learned: Option<f64>) {
        let z = e.z(x);
        for j in 0..SLOW {
            let c = (0.97 * self.level(j) + step(j, z[j]) - SLACK[j] - common[j]).clamp(0.0, MOST);
            let c = match learned {
                _ if !self.warm(j) => 0.0,
                Some(_) => c,
                None => c.max(self.level(j)),
            };
            self.level[j] = stored(c);
            self.days[j] = if c > 0.0 { self.days[j].saturating_add(u16::from(learned.is_some())) } else { 0 };
        }
        let Some(wd) = learned else { return };
        // While something drifts, little of it is taken for usual.
        let drifting = |pace: usize| (0..SLOW).any(|j| PACE[j] == pace && self.level(j) > 4.0);
        let ws: [f64; PACES] = std::array::from_fn(|pace| wd * if drifting(pace) { 0.3 } else { 1.0 });
        let n: [f64; PACES] = std::array::from_fn(|pace| FADE * f64::from(self.n[pace]) + ws[pace]);
        for j in 0..SLOW {
            let d = z[j].clamp(-2.5, 2.5) * e.sd[j] + e.mean[j] - f64::from(self.mean[j]);
            let f = ws[PACE[j]] / n[PACE[j]];
            self.mean[j] = stored(f64::from(self.mean[j]) + f * d);
            self.var[j] = stored((1.0 - f) * (f64::from(self.var[j]) + f * d * d));
        }
        self.n = n.map(stored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{baseline::pool::Learned, detector::DETECTORS};

    fn usual(i: u32) -> f64 {
        f64::from(80 + 7 * (i % 6))
    }

    fn after(days: impl Iterator<Item = f64>) -> (Own, Expected) {
        // The role works at the same level.
        let mut peers = Pool::new(0.0, 0.0);
        for i in 0..60 {
            peers.learn(&[&Learned { slow: [ln_1p(usual(i)), 0.0, 0.0, 0.0], ..Learned::default() }]);
        }
        let mut own = Own::default();
        for records in days {
            let mut x = [0.0; DETECTORS];
            x[0] = records;
            let e = Expected::of(&own, &peers);
            own.close(&e, &x, &[0.0; SLOW], Some(1.0));
        }
        let e = Expected::of(&own, &peers);
        (own, e)
    }

    #[test]
    fn steady_work_never_drifts_and_a_little_more_every_day_does() {
        let (steady, _) = after((0..80).map(usual));
        assert!(steady.level(0) < 1.0, "{}", steady.level(0));
        let (more, e) = after((0..50).map(usual).chain((50..65).map(|i| 3.0 * usual(i))));
        assert!(more.level(0) > 4.0 && more.days()[0] >= 10, "{} {:?}", more.level(0), more.days());
        let mut x = [0.0; DETECTORS];
        x[0] = 250.0;
        assert!(more.surprise(0, e.z(&x)[0]) > 4.0);
        assert!(more.surprise(0, 0.5) <= 0.0, "no fresh evidence, no alert");
    }

    #[test]
    fn more_that_leaves_every_day_drifts_where_the_sum_with_the_screen_does_not() {
        let day = |out: f64| {
            let mut x = [0.0; DETECTORS];
            (x[Detector::RecOut as usize], x[Detector::RecScr as usize]) = (out, 1500.0);
            x
        };
        // Once a week, then every day.
        let days = (0..60).map(|i| day(if i % 5 == 0 { 200.0 } else { 0.0 })).chain((0..5).map(|_| day(360.0)));
        let (mut peers, mut own) = (Pool::new(0.0, 0.0), Own::default());
        for x in days {
            peers.learn(&[&Learned { slow: series(&x), ..Learned::default() }]);
            own.close(&Expected::of(&own, &peers), &x, &[0.0; SLOW], Some(1.0));
        }
        assert!(own.level(3) > 4.0 && own.days()[3] >= 5 && own.level(0) < 2.0, "{:?} {:?}", own.level, own.days);
        assert!((own.n[0] - own.n[1]).abs() > 0.1, "what drifts is learned slowly, and does not slow down the others: {:?}", own.n);
    }

    #[test]
    fn a_newcomer_has_no_drift() {
        let (own, e) = after((0..9).map(|_| 5000.0));
        assert!(!own.warm(0) && own.level(0) <= 0.0);
        let mut x = [0.0; DETECTORS];
        x[0] = 1e6;
        assert!(own.surprise(0, e.z(&x)[0]) <= 0.0);
    }

    #[test]
    fn a_day_that_is_not_learned_wipes_nothing() {
        let (mut own, e) = after((0..50).map(usual).chain((50..60).map(|i| 3.0 * usual(i))));
        let (level, days) = (own.level(0), own.days());
        own.close(&e, &[0.0; DETECTORS], &[0.0; SLOW], None);
        assert!(own.level(0) >= level && own.days() == days);
        own.reset(0);
        assert!(own.level(0) <= 0.0);
    }
}
