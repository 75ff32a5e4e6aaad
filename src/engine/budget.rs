//! Threshold = alert budget: split conformal over the day maxima of the last weeks (DETECTION.md §10; Vovk et al. 2005).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::math::{floor_index, ln, number};

/// Bins of 0.05 nat to 32.
const BINS: usize = 640;
/// Dates in the calibration set.
const DATES: i32 = 35;

/// Day maxima of behavioural evidence: date → manager → bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration(BTreeMap<i32, BTreeMap<String, u16>>);

/// θ of the budget, a fifth of it, and a twenty-fifth: medium, high, critical.
pub(super) type Thresholds = [f64; 3];

impl Calibration {
    /// The day maxima of a date, at its close.
    pub(super) fn close(&mut self, date: i32, peaks: BTreeMap<String, f64>) {
        let bin = |s: f64| u16::try_from(floor_index(s / 0.05).min(BINS - 1)).expect("640 bins");
        self.0.insert(date, peaks.into_iter().map(|(m, s)| (m, bin(s))).collect());
        self.0.retain(|d, _| *d > date - DATES);
    }

    /// A manager-day was an incident; true when it was in the set.
    pub(super) fn remove(&mut self, date: i32, manager: &str) -> bool {
        self.0.get_mut(&date).is_some_and(|d| d.remove(manager).is_some())
    }

    /// Thresholds after the close of `last` when the tenant's first date is `first`.
    pub(super) fn thresholds(&self, last: i32, first: i32, budget: f64) -> Thresholds {
        let index = last + 1 - first;
        let mut counts = [0_u64; BINS];
        for day in self.0.iter().filter(|(d, _)| **d > last - DATES.min((index + 1) / 2)).map(|(_, day)| day) {
            for bin in day.values() {
                counts[usize::from(*bin)] += 1;
            }
        }
        [1.0, 5.0, 25.0].map(|q| threshold(&counts, index, budget / q))
    }
}

/// Thresholds of a tenant without closed days.
pub(super) fn young(budget: f64) -> Thresholds {
    [1.0, 5.0, 25.0].map(|q| -ln(budget / q / 100.0))
}

fn threshold(counts: &[u64; BINS], index: i32, budget: f64) -> f64 {
    let n = counts.iter().sum::<u64>();
    if index < 28 || n < 40 {
        return -ln(budget / 100.0);
    }
    let n = number(n);
    // The smallest budget that n days carry; a smaller one is extrapolated along an exponential tail.
    let level = budget.max(2000.0 / n);
    let k = ((n + 1.0) * (1.0 - level / 100.0)).ceil();
    let mut seen = 0;
    for (i, c) in counts.iter().enumerate() {
        seen += c;
        if number(seen) >= k {
            return 0.05 * number(i as u64 + 1) + ln(level / budget);
        }
    }
    -ln(budget / 100.0)
}
