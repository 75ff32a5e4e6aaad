//! Pooled statistics of a role or a class (f64): the upper levels of the hierarchy (DETECTION.md §8).

use serde::{Deserialize, Serialize};

use super::{
    super::{
        detector::{HURDLE, SLOW},
        math::number,
        state,
    },
    drift::{PACE, PACES},
    share,
};

/// Per tenant day the past weighs this much less.
pub(super) const FADE: f64 = 0.97;

/// N, then per hurdle detector N1, W, mean and variance; the slow series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) n: f64,
    pub(crate) n1: [f64; HURDLE],
    pub(crate) w: [f64; HURDLE],
    pub(crate) mean: [f64; HURDLE],
    pub(crate) var: [f64; HURDLE],
    /// Decayed manager-days by pace of the series.
    #[serde(deserialize_with = "state::grown::<1, _, _, _>")]
    pub(crate) slow_n: [f64; PACES],
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    pub(crate) slow_mean: [f64; SLOW],
    #[serde(deserialize_with = "state::grown::<3, _, _, _>")]
    pub(crate) slow_var: [f64; SLOW],
    pub(crate) share: share::Pool,
}

/// What a pool learns from one manager-day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    /// Clipped ln(1 + x) where x > 0.
    pub(crate) y: [Option<f64>; HURDLE],
    /// The slow series, raw.
    pub(crate) slow: [f64; SLOW],
    /// Clients without a reason among those touched; none of a day without any.
    pub(crate) share: Option<share::Learned>,
}

impl Pool {
    /// A pool that has seen nothing.
    pub(crate) fn new(mean: f64, var: f64) -> Self {
        Self {
            n: 0.0,
            n1: [0.0; HURDLE],
            w: [0.0; HURDLE],
            mean: [mean; HURDLE],
            var: [var; HURDLE],
            slow_n: [0.0; PACES],
            slow_mean: [0.0; SLOW],
            slow_var: [1.0; SLOW],
            share: share::Pool::default(),
        }
    }

    /// As states before [`state::GREW`] had it.
    #[cfg(test)]
    pub(crate) fn forget_exports(&mut self) {
        (self.slow_n[1], self.slow_mean[3], self.slow_var[3]) = Default::default();
    }

    /// Learns the manager-days of one tenant day (at least one), each with weight 1.
    pub(crate) fn learn(&mut self, days: &[&Learned]) {
        let n = number(days.len() as u64);
        let mut ys = Vec::with_capacity(days.len());
        for k in 0..HURDLE {
            ys.clear();
            ys.extend(days.iter().filter_map(|d| d.y[k]));
            let (before, w) = (FADE * self.w[k], number(ys.len() as u64));
            self.n1[k] = FADE * self.n1[k] + w;
            self.w[k] = before + w;
            if w > 0.0 {
                (self.mean[k], self.var[k]) = merge(self.mean[k], self.var[k], &ys, w / (before + w));
            }
        }
        self.share.learn(days.iter().filter_map(|d| d.share.as_ref()));
        self.n = FADE * self.n + n;
        self.slow_n = self.slow_n.map(|before| FADE * before + n);
        for j in 0..SLOW {
            ys.clear();
            ys.extend(days.iter().map(|d| d.slow[j]));
            (self.slow_mean[j], self.slow_var[j]) = merge(self.slow_mean[j], self.slow_var[j], &ys, n / self.slow_n[PACE[j]]);
        }
    }
}

/// Mean and variance when a batch is merged in with weight `f` of the whole (Chan, Golub & LeVeque 1983).
fn merge(mean: f64, var: f64, ys: &[f64], f: f64) -> (f64, f64) {
    let n = number(ys.len() as u64);
    let m = ys.iter().sum::<f64>() / n;
    let v = ys.iter().map(|y| (y - m) * (y - m)).sum::<f64>() / n;
    let d = m - mean;
    (mean + f * d, (1.0 - f) * (var + f * d * d) + f * v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_merge_as_if_pooled() {
        let (a, b) = ([1.0, 2.0, 4.0], [10.0, 20.0]);
        let (m, v) = merge(0.0, 0.0, &a, 1.0);
        let (m, v) = merge(m, v, &b, 2.0 / 5.0);
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let mean = all.iter().sum::<f64>() / 5.0;
        let var = all.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / 5.0;
        assert!((m - mean).abs() < 1e-12 && (v - var).abs() < 1e-9, "{m} {v}");
    }

    #[test]
    fn days_without_any_lower_the_rate_and_leave_the_mean() {
        let mut pool = Pool::new(2.0, 4.0);
        let mut some = Learned::default();
        some.y[0] = Some(3.0);
        pool.learn(&[&some, &Learned::default()]);
        assert!((pool.n1[0] - 1.0).abs() < 1e-12 && (pool.n - 2.0).abs() < 1e-12);
        assert!((pool.mean[0] - 3.0).abs() < 1e-12, "the first values replace the wide start");
        let before = pool.mean[0];
        pool.learn(&[&Learned::default()]);
        assert!((pool.mean[0] - before).abs() < 1e-12 && pool.n1[0] < 1.0);
    }
}
