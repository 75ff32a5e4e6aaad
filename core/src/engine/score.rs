//! Nine families of evidence in one score, and severity by the budget (DETECTION.md §9, §10).

use super::{
    Severity,
    budget::Thresholds,
    detector::FAMILIES,
    math::{count, number},
};

/// Millibits in a nat.
const MILLIBITS: f64 = 1000.0 / core::f64::consts::LN_2;

/// Nats as integer millibits.
pub(super) fn millibits(nats: f64) -> u64 {
    count((nats * MILLIBITS + 0.5).floor())
}

/// Splits `bits` over the families by weight (exp(v) of those with v > 0); rounded down, what is left by largest remainder, of
/// equals the first: they add up exactly.
pub(super) fn split(v: &[f64; FAMILIES], weight: &[f64; FAMILIES], bits: u64) -> [u64; FAMILIES] {
    let speaks = |f: usize| v[f] > 0.0;
    let total: f64 = (0..FAMILIES).filter(|f| speaks(*f)).map(|f| weight[f]).sum();
    let share: [f64; FAMILIES] = std::array::from_fn(|f| if speaks(f) { weight[f] / total * number(bits) } else { 0.0 });
    let mut whole = share.map(|s| count(s.floor()));
    let mut order: [usize; FAMILIES] = std::array::from_fn(|f| f);
    let lost = |f: usize| share[f] - number(count(share[f].floor()));
    order.sort_by(|&a, &b| lost(b).total_cmp(&lost(a)).then(a.cmp(&b)));
    let mut left = bits.saturating_sub(whole.iter().sum());
    for f in order.into_iter().filter(|f| speaks(*f)) {
        let one = left.min(1);
        whole[f] += one;
        left -= one;
    }
    whole
}

/// The severity of behavioural evidence; none below the threshold.
pub(super) fn severity(behaviour: f64, theta: &Thresholds) -> Option<Severity> {
    let [medium, high, critical] = *theta;
    if behaviour < medium {
        None
    } else if behaviour >= critical {
        Some(Severity::Critical)
    } else if behaviour >= high {
        Some(Severity::High)
    } else {
        Some(Severity::Medium)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::math::exp;

    proptest! {
        #[test]
        fn contributions_add_up_to_the_bit(v in prop::array::uniform9(prop_oneof![Just(0.0), 0.0..40.0]), bits in 0..100_000_u64) {
            let parts = split(&v, &v.map(exp), bits);
            if v.iter().any(|f| *f > 0.0) {
                prop_assert_eq!(parts.iter().sum::<u64>(), bits);
            }
            for (part, f) in parts.iter().zip(v) {
                prop_assert!(f > 0.0 || *part == 0);
            }
        }
    }

    #[test]
    fn what_is_left_goes_to_the_largest_remainder_and_of_equals_to_the_first() {
        let mut v = [0.0; FAMILIES];
        (v[2], v[5], v[7]) = (1.0, 1.0, 1.0);
        assert_eq!(split(&v, &v.map(exp), 8), [0, 0, 3, 0, 0, 3, 0, 2, 0]);
    }

    #[test]
    fn severity_by_threshold() {
        let theta = [4.6, 6.2, 7.8];
        for (b, expected) in [(4.5, None), (4.6, Some(Severity::Medium)), (6.2, Some(Severity::High)), (9.0, Some(Severity::Critical))] {
            assert_eq!(severity(b, &theta), expected, "{b}");
        }
    }
}
