//! A person's usual day: per detector whether there is any (hurdle) and how much (log-normal), shrunk to the role and the class
//! (DETECTION.md §4; Mullahy 1986, Gelman et al. 2013).

use serde::{Deserialize, Serialize};

use super::{
    super::{
        detector::{HURDLE, Values},
        math::{exp_m1, ln, ln_1p, stored, t6_tail},
    },
    pool::{Learned, Pool},
};

/// Per learned day the past weighs this much less.
const FADE: f64 = 0.985;
/// No sample is tighter than this.
const LEAST_SD: f64 = 0.35;

/// What is persisted per manager: f32 in memory as on disk, so that a restored instance cannot differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    /// Decayed learned days.
    n: f32,
    /// ... of them with any.
    n1: [f32; HURDLE],
    /// Weight, mean and variance of ln(1 + x) on those.
    w: [f32; HURDLE],
    mean: [f32; HURDLE],
    var: [f32; HURDLE],
}

/// What is expected of a day, as of the last close.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// P(x > 0).
    pub(crate) share: [f64; HURDLE],
    /// Of ln(1 + x) on days with any.
    mean: [f64; HURDLE],
    sd: [f64; HURDLE],
    /// The peers' mean.
    peer: [f64; HURDLE],
}

impl Expected {
    /// Own days shrunk to the role (none: too small a group) and the class.
    pub(crate) fn of(own: &Own, class: &Pool, role: Option<&Pool>) -> Self {
        let n = f64::from(own.n);
        let mut e = Self { share: [0.0; HURDLE], mean: [0.0; HURDLE], sd: [0.0; HURDLE], peer: [0.0; HURDLE] };
        for k in 0..HURDLE {
            let class_share = (class.n1[k] + 0.3) / (class.n + 3.0);
            let class_var = class.var[k].max(0.1);
            let (p_share, p_mean, p_var) = match role {
                Some(p) => (
                    (p.n1[k] + 20.0 * class_share) / (p.n + 20.0),
                    (p.w[k] * p.mean[k] + 10.0 * class.mean[k]) / (p.w[k] + 10.0),
                    (p.w[k] * p.var[k] + 10.0 * class_var) / (p.w[k] + 10.0),
                ),
                None => (class_share, class.mean[k], class_var),
            };
            let (w, mean) = (f64::from(own.w[k]), f64::from(own.mean[k]));
            let share = (f64::from(own.n1[k]) + 8.0 * p_share) / (n + 8.0);
            // Nobody can know a rate below one in the days seen.
            e.share[k] = share.max(0.5 / (class.n + 1.0)).min(1.0);
            e.mean[k] = (w * mean + 6.0 * p_mean) / (w + 6.0);
            let apart = if w < 12.0 { w * 6.0 / (w + 6.0) * (mean - p_mean) * (mean - p_mean) } else { 0.0 };
            let var = (w * f64::from(own.var[k]) + 8.0 * p_var + apart) / (w + 8.0);
            e.sd[k] = (var.max(LEAST_SD * LEAST_SD) * (1.0 + 1.0 / (w + 6.0))).sqrt();
            e.peer[k] = p_mean;
        }
        e
    }

    /// −ln P(day total ≥ x), x > 0.
    pub(crate) fn surprise(&self, k: usize, x: f64) -> f64 {
        -ln((self.share[k] * t6_tail((ln_1p(x) - self.mean[k]) / self.sd[k])).max(1e-30))
    }

    /// The day total at z standard deviations.
    pub(crate) fn at(&self, k: usize, z: f64) -> f64 {
        exp_m1(self.mean[k] + z * self.sd[k])
    }

    /// The peers' usual day total.
    pub(crate) fn of_peers(&self, k: usize) -> f64 {
        exp_m1(self.peer[k])
    }
}

impl Own {
    /// Decayed learned days (N).
    pub(crate) fn days(&self) -> f64 {
        f64::from(self.n)
    }

    /// Per detector the mean of ln(1 + x) over all days.
    pub(crate) fn usual(&self) -> Vec<f64> {
        let n = self.days().max(1e-9);
        (0..HURDLE).map(|k| f64::from(self.mean[k]) * (f64::from(self.n1[k]) / n).min(1.0)).collect()
    }

    /// Another role: the past tells less about it.
    pub(crate) fn change_role(&mut self) {
        for v in [&mut self.n].into_iter().chain(&mut self.n1).chain(&mut self.w) {
            *v = stored(f64::from(*v) * 0.2);
        }
    }

    /// Learns a day of weight `wd` (§8); what is far off is clipped if `clip`, so that one day moves little.
    pub(crate) fn learn(&mut self, e: &Expected, x: &Values, wd: f64, clip: bool) -> Learned {
        let mut learned = Learned::default();
        self.n = stored(FADE * self.days() + wd);
        for k in 0..HURDLE {
            let hit = if x[k] > 0.0 { wd } else { 0.0 };
            self.n1[k] = stored(FADE * f64::from(self.n1[k]) + hit);
            let w = FADE * f64::from(self.w[k]) + hit;
            if hit > 0.0 {
                let y = ln_1p(x[k]);
                let y = if clip { y.max(e.mean[k] - 4.0 * e.sd[k]).min(e.mean[k] + 3.0 * e.sd[k]) } else { y };
                learned.y[k] = Some(y);
                let (f, d) = (hit / w, y - f64::from(self.mean[k]));
                self.mean[k] = stored(f64::from(self.mean[k]) + f * d);
                self.var[k] = stored((1.0 - f) * (f64::from(self.var[k]) + f * d * d));
            }
            self.w[k] = stored(w);
        }
        learned
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::detector::DETECTORS;

    fn day(x: f64) -> Values {
        let mut values = [0.0; DETECTORS];
        values[0] = x;
        values
    }

    #[test]
    fn of_a_newcomer_only_the_class_is_known() {
        let class = Pool::new(2.0, 4.0);
        let e = Expected::of(&Own::default(), &class, None);
        // pi = 0.3 / 3 floored at 0.5; m = 2; sd² = 4 · 7/6.
        assert!((e.share[0] - 0.5).abs() < 1e-12);
        assert!((e.at(0, 0.0) - exp_m1(2.0)).abs() < 1e-9);
        let z = (ln_1p(1000.0) - 2.0) / (4.0_f64 * 7.0 / 6.0).sqrt();
        assert!((e.surprise(0, 1000.0) + ln(0.5 * t6_tail(z))).abs() < 1e-9);
    }

    #[test]
    fn habit_is_learned_and_a_burst_is_clipped() {
        let class = Pool::new(2.0, 4.0);
        let mut own = Own::default();
        for _ in 0..60 {
            let e = Expected::of(&own, &class, None);
            own.learn(&e, &day(100.0), 1.0, true);
        }
        let e = Expected::of(&own, &class, None);
        assert!((60.0..100.0).contains(&e.at(0, 0.0)), "shrunk to the class, but little: {}", e.at(0, 0.0));
        let (usual, burst) = (e.surprise(0, 100.0), e.surprise(0, 5000.0));
        assert!(usual < 2.0 && burst > 5.0, "{usual} {burst}");
        let learned = own.learn(&e, &day(1e9), 1.0, true);
        assert!(learned.y[0].expect("positive") <= ln_1p(e.at(0, 3.0)) + 1e-9);
    }

    proptest! {
        #[test]
        fn more_is_never_less_surprising(past in prop::collection::vec(0.0..1e4, 0..40), x in 0.01..1e6, more in 0.0..1e6) {
            let class = Pool::new(2.0, 4.0);
            let mut own = Own::default();
            for p in past {
                let e = Expected::of(&own, &class, None);
                own.learn(&e, &day(p), 1.0, true);
            }
            let e = Expected::of(&own, &class, None);
            prop_assert!(e.surprise(0, x + more) >= e.surprise(0, x) - 1e-9);
            prop_assert!(e.surprise(0, x).is_finite());
        }
    }
}
