//! What of a policy is asked at every event.

use super::{
    Policy,
    detector::{FAMILIES, RULE, Set, control, detector, switch},
    explain::Family,
    rule::Rules,
};
use crate::event::{Budget, HOUR_MS};

/// A policy, ready for use. Configuration is checked before it becomes a record; what is beyond all sense all the same is
/// brought back to it here, since the engine cannot fail.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    /// What the tenant is willing to look at when nothing is wrong.
    pub(super) budget: Budget,
    pub(super) lateness_ms: i64,
    /// Detectors and rules whose controls are on.
    pub(super) detectors: Set,
    pub(super) rules: Rules,
    /// What each family weighs in the score: nine in all.
    pub(super) stakes: [f64; FAMILIES],
    /// Days of critical evidence stay out of the calibration set.
    pub(super) robust: bool,
    /// Records in one answer that are an alert by themselves.
    pub(super) top_records: f64,
    /// A theft must not become usual.
    pub(super) guard: bool,
    /// Peer groups are fitted where roles do not say them.
    pub(super) groups: bool,
    /// A drift that an alert named begins again.
    pub(super) drip_restart: bool,
    /// Accounts without a row that are held at most; events of further ones are stored, not scored.
    pub(super) ghosts: usize,
}

const GHOSTS: usize = 100_000;

/// A client base leaves by volume and through clients that are not one's own; hours, places and kinds of question say when and
/// how, and alone they are work far more often than theft. The weights of a harmonic mean of p-values are free as long as they
/// are fixed beforehand (Wilson 2019); rules keep theirs, so that their severities stay what they are.
const STAKES: [f64; FAMILIES] = {
    let mut stakes = [1.0; FAMILIES];
    (stakes[Family::Volume as usize], stakes[Family::Relation as usize]) = (1.75, 1.75);
    (stakes[Family::Time as usize], stakes[Family::Novelty as usize]) = (0.5, 0.5);
    stakes[Family::Content as usize] = 0.5;
    stakes
};

impl Terms {
    pub(super) fn of(policy: &Policy) -> Self {
        let on = |k: &usize| {
            let id = control(detector(*k));
            policy.enabled(id) && switch(detector(*k)).is_none_or(|name| policy.switch(id, name))
        };
        Self {
            budget: policy.budget.sensible(),
            lateness_ms: i64::from(policy.lateness_h.min(48)) * HOUR_MS,
            detectors: (0..RULE).filter(on).fold(Set::default(), Set::with),
            rules: Rules::enabled(policy),
            stakes: if policy.stakes { STAKES } else { [1.0; FAMILIES] },
            robust: policy.robust,
            top_records: policy.setting("bulk_export", "top_records"),
            guard: policy.guard,
            groups: policy.groups,
            drip_restart: policy.switch("drip", "restart"),
            ghosts: GHOSTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ControlPolicy, explain::Detector};

    #[test]
    fn a_disabled_control_silences_its_detectors() {
        let mut policy = Policy::default();
        let usual = Terms::of(&policy).detectors;
        for k in 0..RULE {
            let on = switch(detector(k)).is_none_or(|name| policy.switch(control(detector(k)), name));
            assert_eq!(usual.has(k), on, "{k}");
        }
        let reference = Terms::of(&Policy::reference()).detectors;
        assert_eq!((0..RULE).filter(|k| reference.has(*k)).count(), 19, "those of the reference");
        for id in ["drip", "address_denied"] {
            policy.controls.insert(id.to_owned(), ControlPolicy { enabled: false, ..ControlPolicy::default() });
        }
        let terms = Terms::of(&policy);
        assert!(!terms.detectors.has(Detector::CUnrel as usize) && terms.detectors.has(Detector::Unrel as usize));
        assert_eq!(terms.rules.iter().map(super::super::rule::Rule::id).collect::<Vec<_>>(), ["leaver_active", "bulk_export"]);
    }

    #[test]
    fn nonsense_is_brought_back_to_sense() {
        for budget in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            for budget in [Budget::Rate(budget), Budget::Weekly(budget)] {
                let terms = Terms::of(&Policy { budget, lateness_h: u32::MAX, ..Policy::default() });
                assert!(
                    matches!(terms.budget, Budget::Rate(b) | Budget::Weekly(b) if b > 0.0 && b <= 1e6) && terms.lateness_ms == 48 * HOUR_MS
                );
            }
        }
    }
}
