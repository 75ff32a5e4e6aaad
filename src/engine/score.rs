//! Nine families of evidence in one score (DETECTION.md §9).

use super::{
    explain::{Detector, Family},
    math::{exp, floor_index, ln, number},
};

/// Number of detectors.
pub(super) const DETECTORS: usize = 20;
/// Number of families.
pub(super) const FAMILIES: usize = 9;
/// Index of the rule detector.
pub(super) const RULE: usize = 19;
/// Millibits in a nat.
const MILLIBITS: f64 = 1000.0 / core::f64::consts::LN_2;

/// Detectors (indices) of each family.
pub(super) const MEMBERS: [&[usize]; FAMILIES] =
    [&[0, 1, 2, 3, 4, 5], &[6, 7], &[8, 9, 10], &[11, 12], &[13], &[14], &[15], &[16, 17, 18], &[RULE]];

/// The control for which a detector speaks; of rules, their own.
pub(super) fn control(k: usize) -> &'static str {
    match Detector::ALL[k] {
        Detector::RecOut | Detector::RecUnf => "bulk_export",
        Detector::RecScr | Detector::NOut | Detector::Distinct => "chunked_export",
        Detector::NQuery => "scraping",
        Detector::Unrel => "unrelated",
        Detector::Ucall => "unrelated_call",
        Detector::Destr | Detector::NUpd | Detector::Ext => "mass_change",
        Detector::Offh | Detector::OffOut => "off_hours",
        Detector::NovCtx => "new_place",
        Detector::NovQ => "first_time",
        Detector::Authfail => "brute_force",
        Detector::CRec | Detector::CUnrel | Detector::CDistinct => "drip",
        Detector::Rule => "rule",
    }
}

/// Below these no surprise counts (DETECTION.md §10).
pub(super) fn floor(k: usize) -> f64 {
    match Detector::ALL[k] {
        Detector::RecOut | Detector::RecScr | Detector::RecUnf => 50.0,
        Detector::NQuery | Detector::Distinct | Detector::Destr | Detector::NUpd => 10.0,
        Detector::NOut | Detector::Authfail => 5.0,
        Detector::Unrel | Detector::Ucall => 3.0,
        Detector::Ext => 1.0,
        _ => 0.0,
    }
}

/// Whether a detector counts only once ten records or clients were revealed.
pub(super) fn needs_revealed(k: usize) -> bool {
    matches!(Detector::ALL[k], Detector::Offh | Detector::OffOut | Detector::NovQ | Detector::CRec | Detector::CUnrel | Detector::CDistinct)
}

/// Whether the team's common rise is taken off (DETECTION.md §6).
pub(super) fn common_mode(k: usize) -> bool {
    k < 13 && Detector::ALL[k] != Detector::Ext || Detector::ALL[k] == Detector::NovQ
}

/// Family maxima.
pub(super) fn families(s: &[f64; DETECTORS]) -> [f64; FAMILIES] {
    MEMBERS.map(|ks| ks.iter().map(|&k| s[k]).fold(0.0, f64::max))
}

/// Minus the log of the harmonic mean p over the families: valid in order under any dependence (Wilson 2019).
pub(super) fn combine(v: &[f64; FAMILIES]) -> f64 {
    ln(v.iter().map(|f| exp(f.min(60.0))).sum::<f64>() / 9.0).max(0.0)
}

/// Nats as integer millibits.
pub(super) fn millibits(nats: f64) -> u64 {
    super::math::count((nats * MILLIBITS + 0.5).floor())
}

/// Splits `bits` over the families by weight exp(v); rounded down, the rest by largest remainder: they add up exactly.
pub(super) fn split(v: &[f64; FAMILIES], bits: u64) -> [u64; FAMILIES] {
    let total: f64 = v.iter().filter(|f| **f > 0.0).map(|f| exp(*f)).sum();
    let share = v.map(|f| if f > 0.0 { exp(f) / total * number(bits) } else { 0.0 });
    let mut whole = share.map(|s| super::math::count(s.floor()));
    let mut order: Vec<usize> = (0..FAMILIES).collect();
    order.sort_by(|&a, &b| (number(whole[a]) - share[a]).total_cmp(&(number(whole[b]) - share[b])).then(a.cmp(&b)));
    let left = bits.saturating_sub(whole.iter().sum());
    for &i in order.iter().take(floor_index(number(left))) {
        whole[i] += 1;
    }
    whole
}

/// The leading detector of a family: of equals the first.
pub(super) fn leading(family: usize, s: &[f64; DETECTORS]) -> usize {
    let mut best = MEMBERS[family][0];
    for &k in MEMBERS[family] {
        if s[k] > s[best] {
            best = k;
        }
    }
    best
}

/// The family at an index.
pub(super) fn family(i: usize) -> Family {
    Family::ALL[i]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contributions_add_up(v in prop::array::uniform9(prop_oneof![Just(0.0), 0.0..40.0]), extra in 0.0..2.0) {
            let bits = millibits(combine(&v) + extra);
            let parts = split(&v, bits);
            if v.iter().any(|f| *f > 0.0) {
                prop_assert_eq!(parts.iter().sum::<u64>(), bits);
            }
            for (part, f) in parts.iter().zip(v) {
                prop_assert!(f > 0.0 || *part == 0);
            }
        }

        #[test]
        fn more_evidence_never_scores_less(v in prop::array::uniform9(0.0..40.0), i in 0_usize..9, more in 0.0..10.0) {
            let mut w = v;
            w[i] += more;
            prop_assert!(combine(&w) >= combine(&v));
        }
    }
}
