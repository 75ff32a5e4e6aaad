//! Pooled statistics of a role or a class (f64): the upper levels of the hierarchy.

use serde::{Deserialize, Serialize};

use super::HURDLE;

/// Per tenant day the past weighs this much less.
const FADE: f64 = 0.97;

/// N, then per hurdle detector N1, W, mean and variance; the slow series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) n: f64,
    pub(crate) n1: [f64; HURDLE],
    pub(crate) w: [f64; HURDLE],
    pub(crate) mean: [f64; HURDLE],
    pub(crate) var: [f64; HURDLE],
    pub(crate) slow_n: f64,
    pub(crate) slow_mean: [f64; 3],
    pub(crate) slow_var: [f64; 3],
}

/// What a pool learns from one manager-day.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    /// x > 0.
    pub(crate) positive: [bool; HURDLE],
    /// Clipped ln(1 + x).
    pub(crate) y: [f64; HURDLE],
    /// The slow series, raw.
    pub(crate) slow: [f64; 3],
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
            slow_n: 0.0,
            slow_mean: [0.0; 3],
            slow_var: [1.0; 3],
        }
    }

    /// Learns the manager-days of one tenant day, each with weight 1.
    pub(crate) fn learn(&mut self, days: &[&Learned]) {
        let n = super::super::math::number(days.len() as u64);
        self.n = FADE * self.n + n;
        for k in 0..HURDLE {
            let ys: Vec<f64> = days.iter().filter(|d| d.positive[k]).map(|d| d.y[k]).collect();
            let (before, w) = (FADE * self.w[k], super::super::math::number(ys.len() as u64));
            self.n1[k] = FADE * self.n1[k] + w;
            self.w[k] = before + w;
            if w > 0.0 {
                (self.mean[k], self.var[k]) = merge(self.mean[k], self.var[k], &ys, w / (before + w));
            }
        }
        let f = n / (FADE * self.slow_n + n);
        self.slow_n = FADE * self.slow_n + n;
        for j in 0..3 {
            let ys: Vec<f64> = days.iter().map(|d| d.slow[j]).collect();
            (self.slow_mean[j], self.slow_var[j]) = merge(self.slow_mean[j], self.slow_var[j], &ys, f);
        }
    }
}

/// Mean and variance with a batch of weight f added (Chan, Golub & LeVeque 1983).
fn merge(mean: f64, var: f64, ys: &[f64], f: f64) -> (f64, f64) {
    let n = super::super::math::number(ys.len() as u64);
    let m = ys.iter().sum::<f64>() / n;
    let v = ys.iter().map(|y| (y - m) * (y - m)).sum::<f64>() / n;
    let d = m - mean;
    (mean + f * d, (1.0 - f) * (var + f * d * d) + f * v)
}
