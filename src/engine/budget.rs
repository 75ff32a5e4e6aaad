//! Threshold = alert budget: split conformal over the day maxima of the last weeks (DETECTION.md §10; Vovk et al. 2005).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::math::{floor_index, ln, number};
use crate::event::{Budget, Date};

/// Dates before a tenant's thresholds rest on its own past.
pub const YOUNG_DATES: i32 = 28;

/// How many manager-days the last closed dates had: what a budget per week is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Week(BTreeMap<Date, u32>);

/// Closed dates in a week's budget.
const WEEK: usize = 7;

impl Week {
    /// A date closed with so many manager-days.
    pub(super) fn close(&mut self, date: Date, days: u32) {
        self.0.insert(date, days);
        while self.0.len() > WEEK {
            self.0.pop_first();
        }
    }

    /// Alerts per 100 manager-days. A week's number is spread over as many manager-days as the last seven closed dates had.
    pub(super) fn rate(&self, budget: Budget) -> f64 {
        match budget {
            Budget::Rate(b) => b,
            Budget::Weekly(_) if self.0.len() < WEEK => 1.0,
            Budget::Weekly(n) => (100.0 * n / self.0.values().map(|d| f64::from(*d)).sum::<f64>().max(1.0)).clamp(0.05, 2.0),
        }
    }
}

/// Bins of 0.05 nat to 32.
const BINS: usize = 640;
const WIDTH: f64 = 0.05;
/// Dates in the calibration set.
pub(super) const DATES: i32 = 35;

/// θ of the budget, a fifth of it, and a twenty-fifth: medium, high, critical.
pub(super) type Thresholds = [f64; 3];

/// Day maxima of behavioural evidence: per date, how many manager-days lie in each bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibration(BTreeMap<Date, BTreeMap<u16, u32>>);

/// The bin of a day maximum.
pub(super) fn bin(peak: f64) -> u16 {
    u16::try_from(floor_index(peak / WIDTH).min(BINS - 1)).expect("640 bins")
}

impl Calibration {
    /// A date closed with these day maxima.
    pub(super) fn close(&mut self, date: Date, peaks: impl IntoIterator<Item = u16>) {
        let day = self.0.entry(date).or_default();
        for peak in peaks {
            *day.entry(peak).or_default() += 1;
        }
        self.0.retain(|d, _| d.0 > date.0 - DATES);
    }

    /// A manager-day was an incident; true when it was in the set.
    pub(super) fn remove(&mut self, date: Date, bin: u16) -> bool {
        let Some(n) = self.0.get_mut(&date).and_then(|day| day.get_mut(&bin)).filter(|n| **n > 0) else { return false };
        *n -= 1;
        true
    }

    /// Thresholds after the close of `last`, for a tenant whose first date is `first`.
    pub(super) fn thresholds(&self, last: Date, first: Date, budget: f64) -> Thresholds {
        let index = last.0 + 1 - first.0;
        let since = last.0 - DATES.min((index + 1) / 2);
        let mut counts = [0_u64; BINS];
        for (bin, n) in self.0.iter().filter(|(date, _)| date.0 > since).flat_map(|(_, day)| day) {
            counts[usize::from(*bin)] += u64::from(*n);
        }
        three(budget, |b| if index < YOUNG_DATES { uncalibrated(b) } else { carried(&counts, b) })
    }
}

/// Thresholds of a tenant without closed days.
pub(super) fn young(budget: f64) -> Thresholds {
    three(budget, uncalibrated)
}

fn three(budget: f64, theta: impl Fn(f64) -> f64) -> Thresholds {
    [1.0, 5.0, 25.0].map(|q| theta(budget / q))
}

/// What S would have to be if it were what it says: minus the log of a probability.
fn uncalibrated(budget: f64) -> f64 {
    -ln(budget / 100.0)
}

fn carried(counts: &[u64; BINS], budget: f64) -> f64 {
    let n = number(counts.iter().sum());
    if n < 40.0 {
        return uncalibrated(budget);
    }
    // The smallest budget that n days carry; a smaller one is extrapolated along an exponential tail.
    let level = budget.max(2000.0 / n);
    let k = ((n + 1.0) * (1.0 - level / 100.0)).ceil();
    let mut seen = 0;
    for (i, c) in (1_u64..).zip(counts) {
        seen += c;
        if number(seen) >= k {
            return WIDTH * number(i) + ln(level / budget);
        }
    }
    uncalibrated(budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 50 days of `n` managers whose maxima are spread evenly over 0...`most` nats.
    fn calibrated(n: u32, most: f64) -> Calibration {
        let mut c = Calibration::default();
        for date in 0..50 {
            c.close(Date(date), (0..n).map(|i| bin(most * f64::from(i) / f64::from(n))));
        }
        c
    }

    #[test]
    fn the_budget_is_the_share_above_the_threshold() {
        let c = calibrated(200, 10.0);
        for budget in [0.5, 1.0, 5.0, 20.0] {
            let theta = c.thresholds(Date(49), Date(0), budget)[0];
            let exact = 10.0 * (1.0 - budget / 100.0);
            assert!((theta - exact).abs() <= 0.1, "{budget}: {theta} for {exact}");
        }
    }

    #[test]
    fn a_small_company_extrapolates_from_what_it_carries() {
        // 25 dates of 4 managers: 100 days carry 20 per 100, so θ(1) lies ln 20 above θ(20).
        let c = calibrated(4, 10.0);
        let (one, twenty) = (c.thresholds(Date(49), Date(0), 1.0)[0], c.thresholds(Date(49), Date(0), 20.0)[0]);
        assert!((one - twenty - ln(20.0)).abs() < 1e-9);
    }

    #[test]
    fn before_four_weeks_the_score_is_taken_at_its_word() {
        let c = calibrated(200, 10.0);
        assert!((c.thresholds(Date(26), Date(0), 1.0)[0] - ln(100.0)).abs() < 1e-12);
        assert!((young(1.0)[2] - ln(2500.0)).abs() < 1e-12);
    }

    #[test]
    fn a_weeks_alerts_are_spread_over_its_manager_days() {
        let (mut week, five) = (Week::default(), Budget::Weekly(5.0));
        for date in 0..7 {
            assert!((week.rate(five) - 1.0).abs() < 1e-12, "before seven dates");
            week.close(Date(date), 100);
        }
        assert!((week.rate(five) - 500.0 / 700.0).abs() < 1e-12);
        assert!((week.rate(Budget::Rate(3.0)) - 3.0).abs() < 1e-12);
        assert!((week.rate(Budget::Weekly(1e4)) - 2.0).abs() < 1e-12 && (week.rate(Budget::Weekly(0.01)) - 0.05).abs() < 1e-12);
        for date in 7..14 {
            week.close(Date(date), 1000);
        }
        assert!((week.rate(five) - 500.0 / 7000.0).abs() < 1e-12, "the last seven");
    }

    #[test]
    fn incidents_leave_the_set_once() {
        let mut c = calibrated(1, 10.0);
        assert!(c.remove(Date(49), 0) && !c.remove(Date(49), 0) && !c.remove(Date(0), 0));
    }
}
