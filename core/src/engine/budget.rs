//! Threshold = alert budget: split conformal over the day maxima of the last weeks (DETECTION.md §10; Vovk et al. 2005).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::math::{floor_index, ln, number};
use crate::event::{Budget, Date};

/// Dates before a tenant's thresholds rest on its own past.
pub const YOUNG_DATES: i32 = 28;
/// Dates after which detectors know what is rare: before, a day's evidence is less than it will be.
const AWAKE_DATES: i32 = 21;
/// Dates until nothing of that is left in the calibration set.
const SETTLED_DATES: i32 = 42;

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

    /// Thresholds after the close of `last`, for a tenant whose first date is `first`. From the day on which its detectors know what
    /// is rare, `elsewhere` stands in for a past that is missing, and is a least value while the first weeks, which said less, are
    /// part of it: without it the fourth and fifth week alerted twice as often as they should at 5 per 100.
    pub(super) fn thresholds(&self, last: Date, first: Date, budget: f64, elsewhere: &Curve) -> Thresholds {
        let index = last.0 + 1 - first.0;
        if index < AWAKE_DATES {
            return young(budget);
        }
        if index < YOUNG_DATES {
            return three(budget, |b| elsewhere.at(b).unwrap_or_else(|| uncalibrated(b)));
        }
        let counts = self.counts(last.0 - DATES.min((index + 1) / 2));
        three(budget, |b| {
            let own = carried(&counts, b);
            elsewhere.at(b).filter(|_| index < SETTLED_DATES).map_or(own, |theta| own.max(theta))
        })
    }

    /// What a tenant's fourth to sixth week says to new ones, at the close that ends them: budgets that five manager-days went beyond;
    /// priors of several tenants average them. Later weeks say more than a new tenant's will.
    pub(super) fn early(&self, last: Date, first: Date) -> Option<Curve> {
        (last.0 + 1 - first.0 >= SETTLED_DATES).then(|| self.curve(first.0 + AWAKE_DATES - 1))
    }

    fn curve(&self, since: i32) -> Curve {
        let counts = self.counts(since);
        let n = number(counts.iter().sum());
        Curve(CURVE.into_iter().filter(|b| n * b >= 500.0).filter_map(|b| Some((b, quantile(&counts, n, b)?))).collect())
    }

    /// Manager-days in each bin, of dates after `since`.
    fn counts(&self, since: i32) -> [u64; BINS] {
        let mut counts = [0_u64; BINS];
        for (bin, n) in self.0.iter().filter(|(date, _)| date.0 > since).flat_map(|(_, day)| day) {
            counts[usize::from(*bin)] += u64::from(*n);
        }
        counts
    }
}

/// Budgets that a [`Curve`] is told at.
const CURVE: [f64; 6] = [20.0, 10.0, 5.0, 2.0, 1.0, 0.5];

/// θ by budget, from the largest budget down: what the score of a manager-day turned out to mean elsewhere. It says itself that
/// more than 3 nats come on 5 of 100 manager-days; the mean over families makes it some 10 (Wilson 2019 on the harmonic mean p).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve(Vec<(f64, f64)>);

impl Curve {
    /// From pairs of a budget and its θ; what is not a number or not positive is left out.
    pub(super) fn new(pairs: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut pairs: Vec<(f64, f64)> = pairs.into_iter().filter(|(b, theta)| *b > 0.0 && b.is_finite() && theta.is_finite()).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        Self(pairs)
    }

    /// The pairs, from the largest budget down.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.iter().copied()
    }

    /// θ of a budget: straight in its logarithm between two that are known, along an exponential tail beyond them, never less
    /// than the score takes itself for; none when nothing is known.
    fn at(&self, budget: f64) -> Option<f64> {
        let after = self.0.partition_point(|(b, _)| *b > budget);
        let beyond = |(b, theta): (f64, f64)| theta + ln(b / budget);
        let theta = match (after.checked_sub(1).map(|n| self.0[n]), self.0.get(after)) {
            (None, None) => return None,
            (Some(end), None) => beyond(end),
            (None, Some(end)) => beyond(*end),
            (Some((b0, t0)), Some((b1, t1))) => t0 + (t1 - t0) * ln(b0 / budget) / ln(b0 / b1),
        };
        Some(theta.max(uncalibrated(budget)))
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
    quantile(counts, n, level).map_or_else(|| uncalibrated(budget), |theta| theta + ln(level / budget))
}

/// The upper edge of the bin that a share of `level` per 100 of `n` manager-days lies above; none where so few cannot say it.
fn quantile(counts: &[u64; BINS], n: f64, level: f64) -> Option<f64> {
    let k = ((n + 1.0) * (1.0 - level / 100.0)).ceil();
    let mut seen = 0;
    (1_u64..).zip(counts).find_map(|(i, c)| {
        seen += c;
        (number(seen) >= k).then(|| WIDTH * number(i))
    })
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
            let theta = c.thresholds(Date(49), Date(0), budget, &Curve::default())[0];
            let exact = 10.0 * (1.0 - budget / 100.0);
            assert!((theta - exact).abs() <= 0.1, "{budget}: {theta} for {exact}");
        }
    }

    #[test]
    fn a_small_company_extrapolates_from_what_it_carries() {
        // 25 dates of 4 managers: 100 days carry 20 per 100, so θ(1) lies ln 20 above θ(20).
        let c = calibrated(4, 10.0);
        let at = |budget| c.thresholds(Date(49), Date(0), budget, &Curve::default())[0];
        let (one, twenty) = (at(1.0), at(20.0));
        assert!((one - twenty - ln(20.0)).abs() < 1e-9);
    }

    #[test]
    fn before_four_weeks_the_score_is_taken_at_its_word() {
        let c = calibrated(200, 10.0);
        assert!((c.thresholds(Date(26), Date(0), 1.0, &Curve::default())[0] - ln(100.0)).abs() < 1e-12);
        assert!((young(1.0)[2] - ln(2500.0)).abs() < 1e-12);
    }

    #[test]
    fn what_it_means_elsewhere_stands_in_for_a_past() {
        let curve = Curve::new([(1.0, 5.0), (5.0, 4.0), (20.0, 1.0)]);
        let near = |budget: f64, theta: f64| assert!((curve.at(budget).expect("known") - theta).abs() < 1e-9, "{budget}");
        near(5.0, 4.0);
        near(5_f64.sqrt(), 4.5);
        near(0.1, 5.0 + ln(10.0));
        // Never less than the score takes itself for: ln 5 at 20, and ln 2 at 50.
        near(20.0, ln(5.0));
        near(50.0, ln(2.0));
        assert_eq!(Curve::new([(0.0, 1.0), (-1.0, 1.0), (1.0, f64::NAN)]), Curve::default());
        // A past of mild days counts in full only when those of the first weeks have left it.
        let c = calibrated(200, 2.0);
        let at = |date| c.thresholds(Date(date), Date(0), 5.0, &curve)[0];
        assert!((at(19) - ln(20.0)).abs() < 1e-9, "while detectors still learn, the score is taken at its word");
        assert!((at(20) - 4.0).abs() < 1e-9 && (at(27) - 4.0).abs() < 1e-9 && (at(40) - 4.0).abs() < 1e-9);
        assert!((at(41) - 1.9).abs() < 0.1, "{}", at(41));
    }

    #[test]
    fn a_settled_tenant_tells_of_its_fourth_to_sixth_week() {
        let mut c = Calibration::default();
        for date in 0..42 {
            // What the first three weeks were is not told.
            c.close(Date(date), (0..2).map(|i| bin(if date < 21 { 9.0 } else { 5.0 * f64::from(i) })));
            assert_eq!(c.early(Date(date), Date(0)).is_some(), date == 41);
        }
        let told: Vec<(f64, f64)> = c.early(Date(41), Date(0)).expect("settled").pairs().collect();
        // 21 dates of 2 managers: of the budgets 20 alone is gone beyond by five of them.
        assert_eq!(told.iter().map(|p| p.0).collect::<Vec<_>>(), [20.0]);
        assert!(told.iter().all(|(_, theta)| (theta - 5.05).abs() < 1e-9), "the upper edge of the bin of 5 nats: {told:?}");
        assert_eq!(Calibration::default().early(Date(99), Date(0)), Some(Curve::default()));
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
