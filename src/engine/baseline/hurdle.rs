//! A person's usual day: hurdle log-normals shrunk to the role and the tenant (DETECTION.md §4), and slow series (§5).

use serde::{Deserialize, Serialize};

use super::{
    super::math::{exp_m1, ln, ln_1p, stored, t6_tail},
    HURDLE, SLOW,
    pool::{Learned, Pool},
};

/// Per learned day the past weighs this much less.
const FADE: f64 = 0.985;
const FADE_SLOW: f64 = 0.993;
/// A drift speaks from so many (decayed) days on.
pub(crate) const WARM: f64 = 10.0;

/// What is persisted per manager. f32 in memory as on disk, so that a restored instance cannot differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    n: f32,
    n1: [f32; HURDLE],
    w: [f32; HURDLE],
    mean: [f32; HURDLE],
    var: [f32; HURDLE],
    slow_n: f32,
    slow_mean: [f32; SLOW],
    slow_var: [f32; SLOW],
    drift: [f32; SLOW],
    drift_days: [u16; SLOW],
}

/// What is expected of a day, as of the last close.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// P(x > 0).
    pub(crate) share: [f64; HURDLE],
    /// Of ln(1 + x) on days with any.
    pub(crate) mean: [f64; HURDLE],
    pub(crate) sd: [f64; HURDLE],
    /// The peers' mean.
    pub(crate) peer: [f64; HURDLE],
    pub(crate) slow_mean: [f64; SLOW],
    pub(crate) slow_var: [f64; SLOW],
}

impl Default for Own {
    fn default() -> Self {
        Self {
            n: 0.0,
            n1: [0.0; HURDLE],
            w: [0.0; HURDLE],
            mean: [0.0; HURDLE],
            var: [0.0; HURDLE],
            slow_n: 0.0,
            slow_mean: [0.0; SLOW],
            slow_var: [0.0; SLOW],
            drift: [0.0; SLOW],
            drift_days: [0; SLOW],
        }
    }
}

impl Expected {
    /// Own days shrunk to the role (`None`: too small a group) and the class.
    pub(crate) fn of(own: &Own, class: &Pool, role: Option<&Pool>) -> Self {
        let n = f64::from(own.n);
        let mut e = Self {
            share: [0.0; HURDLE],
            mean: [0.0; HURDLE],
            sd: [0.0; HURDLE],
            peer: [0.0; HURDLE],
            slow_mean: [0.0; SLOW],
            slow_var: [0.0; SLOW],
        };
        for k in 0..HURDLE {
            let g_share = (class.n1[k] + 0.3) / (class.n + 3.0);
            let g_var = class.var[k].max(0.1);
            let (p_share, p_mean, p_var) = match role {
                Some(p) => (
                    (p.n1[k] + 20.0 * g_share) / (p.n + 20.0),
                    (p.w[k] * p.mean[k] + 10.0 * class.mean[k]) / (p.w[k] + 10.0),
                    (p.w[k] * p.var[k] + 10.0 * g_var) / (p.w[k] + 10.0),
                ),
                None => (g_share, class.mean[k], g_var),
            };
            let (w, mean) = (f64::from(own.w[k]), f64::from(own.mean[k]));
            // Nobody can know a rate below one in the days seen.
            let share = (f64::from(own.n1[k]) + 8.0 * p_share) / (n + 8.0);
            e.share[k] = share.max(0.5 / (class.n + 1.0)).min(1.0);
            e.mean[k] = (w * mean + 6.0 * p_mean) / (w + 6.0);
            let between = if w < 12.0 { w * 6.0 / (w + 6.0) * (mean - p_mean) * (mean - p_mean) } else { 0.0 };
            let var = (w * f64::from(own.var[k]) + 8.0 * p_var + between) / (w + 8.0);
            e.sd[k] = (var.max(0.35 * 0.35) * (1.0 + 1.0 / (w + 6.0))).sqrt();
            e.peer[k] = p_mean;
        }
        let (p, n) = (role.unwrap_or(class), f64::from(own.slow_n));
        for j in 0..SLOW {
            e.slow_mean[j] = (n * f64::from(own.slow_mean[j]) + 5.0 * p.slow_mean[j]) / (n + 5.0);
            e.slow_var[j] = ((n * f64::from(own.slow_var[j]) + 8.0 * p.slow_var[j]) / (n + 8.0)).max(0.1);
        }
        e
    }

    /// −ln P(day total ≥ x), x > 0.
    pub(crate) fn surprise(&self, k: usize, x: f64) -> f64 {
        -ln((self.share[k] * t6_tail((ln_1p(x) - self.mean[k]) / self.sd[k])).max(1e-30))
    }

    /// exp(m + z sd) − 1.
    pub(crate) fn at(&self, k: usize, z: f64) -> f64 {
        exp_m1(self.mean[k] + z * self.sd[k]).max(0.0)
    }

    /// z of the slow series.
    pub(crate) fn drift(&self, slow: &[f64; SLOW]) -> [f64; SLOW] {
        std::array::from_fn(|j| (slow[j] - self.slow_mean[j]) / self.slow_var[j].sqrt())
    }
}

/// A step of the CUSUM, clipped so that no single day makes a drift.
pub(crate) fn step(z: f64) -> f64 {
    z.clamp(-1.5, 2.5)
}

impl Own {
    /// Decayed learned days.
    pub(crate) fn days(&self) -> f64 {
        f64::from(self.n)
    }

    /// Enough days for a drift.
    pub(crate) fn warm(&self) -> bool {
        f64::from(self.slow_n) >= WARM
    }

    /// The drift of series j.
    pub(crate) fn drift(&self, j: usize) -> f64 {
        f64::from(self.drift[j])
    }

    /// Days on which it has been above zero without a break.
    pub(crate) fn drift_days(&self, j: usize) -> u16 {
        self.drift_days[j]
    }

    /// Answered work does not go on alarming.
    pub(crate) fn reset_drift(&mut self, j: usize) {
        (self.drift[j], self.drift_days[j]) = (0.0, 0);
    }

    /// Raw surprise of a drift today: none without fresh evidence.
    pub(crate) fn drift_surprise(&self, j: usize, z: f64) -> f64 {
        if z > 0.5 && self.warm() { (self.drift(j) + step(z) - 0.5).max(0.0) } else { 0.0 }
    }

    /// Another role: the past tells less about it.
    pub(crate) fn change_role(&mut self) {
        let fade = |v: &mut f32| *v = stored(f64::from(*v) * 0.2);
        fade(&mut self.n);
        fade(&mut self.slow_n);
        self.n1.iter_mut().for_each(fade);
        self.w.iter_mut().for_each(fade);
    }

    /// Learns a manager-day (DETECTION.md §8). `wd` is its weight, `worthy` whether it is learned at all, `common` the class's
    /// drift of the date. Returns what role and class learn from it.
    pub(crate) fn learn(
        &mut self,
        e: &Expected,
        x: &[f64],
        slow: [f64; SLOW],
        worthy: bool,
        wd: f64,
        common: &[f64; SLOW],
    ) -> Option<Learned> {
        let z = e.drift(&slow);
        let mut learned = Learned { positive: [false; HURDLE], y: [0.0; HURDLE], slow };
        if worthy {
            self.n = stored(FADE * f64::from(self.n) + wd);
            for k in 0..HURDLE {
                let y = ln_1p(x[k]).max(e.mean[k] - 4.0 * e.sd[k]).min(e.mean[k] + 3.0 * e.sd[k]);
                let hit = if x[k] > 0.0 { wd } else { 0.0 };
                (learned.positive[k], learned.y[k]) = (x[k] > 0.0, y);
                self.n1[k] = stored(FADE * f64::from(self.n1[k]) + hit);
                let w = FADE * f64::from(self.w[k]) + hit;
                if hit > 0.0 {
                    let (f, d) = (hit / w, y - f64::from(self.mean[k]));
                    self.mean[k] = stored(f64::from(self.mean[k]) + f * d);
                    self.var[k] = stored((1.0 - f) * (f64::from(self.var[k]) + f * d * d));
                }
                self.w[k] = stored(w);
            }
        }
        for j in 0..SLOW {
            let c = (0.97 * self.drift(j) + step(z[j]) - 0.5 - common[j]).clamp(0.0, 12.0);
            // A day that is not learned can only raise it: a stray Sunday does not wipe a drift.
            let c = if !self.warm() {
                0.0
            } else if worthy {
                c
            } else {
                c.max(self.drift(j))
            };
            self.drift[j] = stored(c);
            self.drift_days[j] = if c > 0.0 { self.drift_days[j].saturating_add(u16::from(worthy)) } else { 0 };
        }
        if !worthy {
            return None;
        }
        let high = self.drift.iter().any(|&c| f64::from(c) > 4.0);
        let ws = wd * if high { 0.3 } else { 1.0 };
        let n = FADE_SLOW * f64::from(self.slow_n) + ws;
        for j in 0..SLOW {
            let d = z[j].clamp(-2.5, 2.5) * e.slow_var[j].sqrt() + e.slow_mean[j] - f64::from(self.slow_mean[j]);
            let f = ws / n;
            self.slow_mean[j] = stored(f64::from(self.slow_mean[j]) + f * d);
            self.slow_var[j] = stored((1.0 - f) * (f64::from(self.slow_var[j]) + f * d * d));
        }
        self.slow_n = stored(n);
        Some(learned)
    }
}
