//! Shares, rates and middles, with their intervals.

use serde::Serialize;

/// A share with its 95 % interval (Wilson 1927).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// So many.
    pub found: u64,
    /// Of so many.
    pub of: u64,
    /// Their ratio; absent of none.
    pub share: Option<f64>,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Alerts per 100 manager-days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Alerts.
    pub alerts: u64,
    /// Per 100 manager-days; absent without any.
    pub per_100: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Middle and ninth decile of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Middle {
    /// Median.
    pub median: f64,
    /// Ninth decile.
    pub p90: f64,
}

pub(super) fn share(n: usize, of: usize) -> Share {
    let (low, high) = wilson(n, of);
    Share { found: size(n), of: size(of), share: (of > 0).then(|| number(size(n)) / number(size(of))), low, high }
}

pub(super) fn rate(alerts: usize, manager_days: u64) -> Rate {
    // An alert is at most one of a manager-day, or nearly so.
    let of = usize::try_from(manager_days).unwrap_or(usize::MAX);
    let (low, high) = wilson(alerts.min(of), of);
    let per_100 = (manager_days > 0).then(|| 100.0 * number(size(alerts)) / number(manager_days));
    Rate { alerts: size(alerts), per_100, low: 100.0 * low, high: 100.0 * high }
}

/// The 95 % score interval of a share (E. B. Wilson 1927): (0, 1) of none.
pub fn wilson(n: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    const Z2: f64 = 1.959_963_984_540_054 * 1.959_963_984_540_054;
    let (n, of) = (number(size(n)), number(size(of)));
    let p = n / of;
    let middle = p + Z2 / (2.0 * of);
    let half = libm::sqrt(Z2 * (p * (1.0 - p) / of + Z2 / (4.0 * of * of)));
    let scale = 1.0 + Z2 / of;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// P(at least `n` of `of`) when each is one with probability `p`.
pub(super) fn at_least(n: u64, of: u64, p: f64) -> f64 {
    if n == 0 || p >= 1.0 {
        return 1.0;
    }
    let (ln_p, ln_q) = (libm::log(p), libm::log1p(-p));
    let ln_choose = |k: f64| libm::lgamma(number(of) + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(number(of) - k + 1.0);
    let term = |k: f64| libm::exp(ln_choose(k) + k * ln_p + (number(of) - k) * ln_q);
    (n..=of).map(|k| term(number(k))).sum::<f64>().min(1.0)
}

pub(super) fn middle(mut values: Vec<f64>) -> Option<Middle> {
    values.sort_by(f64::total_cmp);
    let at = |q: usize| values.get((values.len().max(1) - 1) * q / 10).copied();
    let median = match values.len() {
        0 => return None,
        n if n % 2 == 0 => f64::midpoint(values[n / 2 - 1], values[n / 2]),
        n => values[n / 2],
    };
    Some(Middle { median, p90: at(9)? })
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / number(size(values.len())))
}

pub(super) fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn number(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }

    #[test]
    fn intervals_are_wilsons() {
        // R: prop.test(7, 15, correct = FALSE)$conf.int, and of 0 in 20.
        let (low, high) = wilson(7, 15);
        close(low, 0.2481);
        close(high, 0.6988);
        let (low, high) = wilson(0, 20);
        close(low, 0.0);
        close(high, 0.1611);
    }

    #[test]
    fn binomial_tails_are_exact() {
        // By hand: 1 − 0.9^10, 10 · 0.9 · 0.1^9 + 0.1^10 (ten coins of 0.1: nine or ten), and the edges.
        close(at_least(1, 10, 0.1), 0.651_321_6);
        close(at_least(3, 4, 0.5), 0.3125);
        assert!((at_least(9, 10, 0.1) - 9.1e-9).abs() < 1e-15);
        for (n, of, p, is) in [(0, 0, 0.5, 1.0), (0, 10, 0.0, 1.0), (1, 10, 0.0, 0.0), (10, 10, 1.0, 1.0)] {
            close(at_least(n, of, p), is);
        }
    }
}
