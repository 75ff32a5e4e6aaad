//! Pooled tail recalibration: raw surprise of a detector against the day-final surprises of the whole class (DETECTION.md §7).

use serde::{Deserialize, Serialize};

use super::super::{
    math::{floor_index, ln},
    packed::sparse,
};

/// Bins of 0.25 nat; the last takes the rest.
const BINS: usize = 200;
const WIDTH: f64 = 0.25;
/// At each close the past weighs this much less.
const FADE: f64 = 0.985;
/// Evidence is never more than this.
const MOST: f64 = 30.0;

/// Day-final surprises of one detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Histogram(#[serde(with = "sparse")] [f64; BINS]);

/// The map from raw to recalibrated surprise; none while the histogram is too thin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tail {
    u: usize,
    beta: f64,
    start: f64,
    levels: Vec<f64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self([0.0; BINS])
    }
}

impl Histogram {
    /// The past fades.
    pub(crate) fn fade(&mut self) {
        for h in &mut self.0 {
            *h *= FADE;
        }
    }

    /// A manager-day ended at r.
    pub(crate) fn add(&mut self, r: f64) {
        self.0[floor_index(4.0 * r).min(BINS - 1)] += 1.0;
    }

    /// An exponential tail in nats (a Pareto tail in p), joined to the empirical levels below it.
    pub(crate) fn tail(&self) -> Option<Tail> {
        let h = &self.0;
        let total: f64 = h.iter().sum();
        if total < 150.0 {
            return None;
        }
        let mut sf = [0.0; BINS];
        let mut acc = 0.0;
        for i in (0..BINS).rev() {
            acc += h[i];
            sf[i] = acc;
        }
        let thin = f64::max(15.0, 0.03 * total);
        let u = (1..BINS).find(|&i| sf[i] <= thin).unwrap_or(BINS - 1);
        let at = |i: usize| WIDTH * f64::from(u32::try_from(i).expect("a bin"));
        let excess: f64 = (u..BINS).map(|i| h[i] * f64::min(at(i - u) + 0.125, 3.0)).sum();
        let beta = ((excess + 5.0) / (sf[u] + 5.0)).clamp(0.5, 2.0);
        let levels: Vec<f64> = (0..=u).map(|i| -ln((sf[i] + 0.5) / (total + 1.0))).collect();
        let start = (sf[u] * at(u) + 5.0 * f64::max(at(u), levels[u])) / (sf[u] + 5.0);
        Some(Tail { u, beta, start, levels })
    }
}

/// s of a raw surprise. A drip has no scale of its own, so without a map it says nothing.
pub(crate) fn recalibrate(tail: Option<&Tail>, r: f64, drip: bool) -> f64 {
    if r <= 0.0 {
        return 0.0;
    }
    let Some(t) = tail else { return if drip { 0.0 } else { r.min(MOST) } };
    let edge = WIDTH * f64::from(u32::try_from(t.u).expect("a bin"));
    let s = if r >= edge {
        t.levels[t.u] + f64::max(0.0, r - t.start) / t.beta
    } else {
        let i = floor_index(4.0 * r);
        let part = 4.0 * r - f64::from(u32::try_from(i).expect("a bin"));
        t.levels[i] + (t.levels[i + 1] - t.levels[i]) * part
    };
    s.clamp(0.0, MOST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(days: usize, of: impl Fn(usize) -> f64) -> Histogram {
        let mut h = Histogram::default();
        (0..days).for_each(|i| h.add(of(i)));
        h
    }

    /// Day-final surprises as they are when probabilities are right: r = −ln u.
    fn honest(days: usize) -> Histogram {
        filled(days, |i| -ln((i as f64 + 0.5) / days as f64))
    }

    #[test]
    fn what_is_calibrated_is_left_alone() {
        let tail = honest(2000).tail().expect("enough days");
        for r in [0.5, 1.0, 2.0, 3.0, 5.0, 8.0] {
            let s = recalibrate(Some(&tail), r, false);
            assert!((s - r).abs() < 0.35, "{r} became {s}");
        }
    }

    #[test]
    fn what_exaggerates_is_brought_down() {
        let tail = filled(2000, |i| -3.0 * ln((i as f64 + 0.5) / 2000.0)).tail().expect("enough days");
        let s = recalibrate(Some(&tail), 12.0, false);
        assert!((s - 4.0).abs() < 1.0, "twelve that come once in e^4 days: {s}");
    }

    #[test]
    fn a_thin_histogram_says_nothing_of_drips() {
        assert!(honest(149).tail().is_none());
        assert!((recalibrate(None, 40.0, false) - 30.0).abs() < 1e-12 && recalibrate(None, 40.0, true) <= 0.0);
    }

    proptest! {
        #[test]
        fn more_surprise_never_gives_less(days in prop::collection::vec(0.0..60.0_f64, 150..400), r in 0.0..60.0, more in 0.0..20.0) {
            let tail = filled(days.len(), |i| days[i]).tail().expect("enough days");
            let (s, t) = (recalibrate(Some(&tail), r, false), recalibrate(Some(&tail), r + more, false));
            prop_assert!(t >= s - 1e-9 && (0.0..=MOST).contains(&s), "{r}: {s}, {}: {t}", r + more);
        }
    }
}
