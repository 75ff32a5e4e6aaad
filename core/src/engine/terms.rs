//! What of a policy is asked at every event.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Policy, Severity,
    accumulate::Moment,
    calendar::hour_of_week,
    control::{bulk_export, mass_change},
    detector::{FAMILIES, RULE, Set, control, detector, switch},
    explain::Family,
    rule::Rules,
    sigma,
};
use crate::event::{Access, Budget, DAY_MS, HOUR_MS};

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
    /// From which sizes on an alert is more severe.
    pub(super) floors: AllFloors,
    /// The numbers of hard rules.
    pub(super) limits: Limits,
    /// The user's own rules.
    pub(super) sigma: Arc<sigma::Book>,
    /// Controls that are off.
    pub(super) off: Vec<String>,
    /// Whose clients a manager may touch, where the tenant says so.
    pub(super) access: Option<Access>,
    /// Log-ins need a second factor.
    pub(super) require_mfa: bool,
    /// Oldest allowed version per application.
    pub(super) min_versions: BTreeMap<String, String>,
    /// Where backups must arrive.
    pub(super) backup_targets: Vec<String>,
    /// A theft must not become usual.
    pub(super) guard: bool,
    /// Peer groups are fitted where roles do not say them.
    pub(super) groups: bool,
    /// A drift that an alert named begins again.
    pub(super) drip_restart: bool,
    /// A team's share of clients without a reason begins from that of its day before.
    pub(super) lately: bool,
    /// How many records that an administrator tidied up weigh as one destroyed, 1 and more.
    pub(super) tidied: f64,
    /// Days off by the calendar count as hours at which nobody works.
    pub(super) days_off: bool,
    /// Personal fields asked for the first time are news.
    pub(super) personal_fields: bool,
    /// Controls whose names findings may take.
    pub(super) names: Names,
    /// Accounts without a row that are held at most; events of further ones are stored, not scored.
    pub(super) ghosts: usize,
}

const GHOSTS: usize = 100_000;

#[cfg(any(test, feature = "testing"))]
thread_local! {
    /// As many of them as a test of this thread wants, so that some are forgotten.
    pub static GHOSTS_IN_TESTS: std::cell::Cell<usize> = const { std::cell::Cell::new(GHOSTS) };
}

#[cfg(not(any(test, feature = "testing")))]
const fn ghosts() -> usize {
    GHOSTS
}

#[cfg(any(test, feature = "testing"))]
fn ghosts() -> usize {
    GHOSTS_IN_TESTS.get()
}

/// From which sizes on an alert is at least so severe; the top one is an alert by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Floors {
    pub(super) medium: f64,
    pub(super) high: f64,
    pub(super) top: f64,
}

/// Of one answer, and of what is changed in an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AllFloors {
    pub(super) export: Floors,
    pub(super) change: Floors,
}

/// Which names behavioural findings may take instead of their detector's own.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of names")]
pub(super) struct Names {
    pub(super) lost_deal_look: bool,
    pub(super) out_of_book: bool,
    pub(super) personal_fields: bool,
    pub(super) new_channel: bool,
    pub(super) service_account: bool,
    pub(super) watcher: bool,
}

/// The numbers of hard rules, as the policy sets them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) slip_ms: i64,
    pub(super) dormant_ms: i64,
    pub(super) prompts: f64,
    pub(super) prompts_ms: i64,
    pub(super) failures: f64,
    pub(super) failures_ms: i64,
    pub(super) travel_kmh: f64,
    pub(super) travel_km: f64,
    pub(super) finding_ms: i64,
    pub(super) overlap_ms: i64,
    pub(super) accounts: f64,
    pub(super) spray_ms: i64,
    pub(super) close_ms: i64,
    pub(super) backup_ms: i64,
    pub(super) silent_hours: f64,
    pub(super) silent_weeks: i64,
}

impl Floors {
    pub(super) fn severity(&self, n: u64) -> Option<Severity> {
        let n = super::math::number(n);
        let floors = [(self.top, Severity::Critical), (self.high, Severity::High), (self.medium, Severity::Medium)];
        floors.into_iter().find(|(floor, _)| n >= *floor).map(|(_, severity)| severity)
    }
}

impl Limits {
    fn of(policy: &Policy) -> Self {
        let number = |id: &str, name: &str| policy.setting(id, name).max(0.0);
        // A millennium is never over.
        let span = |id: &str, name: &str, unit: i64| {
            let units = super::math::count(number(id, name).min(1e12));
            i64::try_from(units).unwrap_or(i64::MAX).saturating_mul(unit).min(1000 * 366 * DAY_MS)
        };
        const MINUTE: i64 = HOUR_MS / 60;
        Self {
            slip_ms: span("tamper", "slip_seconds", 1000),
            dormant_ms: span("dormant", "days", DAY_MS).max(1),
            prompts: number("no_mfa", "prompts"),
            prompts_ms: span("no_mfa", "minutes", MINUTE),
            failures: number("brute_force", "failures"),
            failures_ms: span("brute_force", "minutes", MINUTE),
            travel_kmh: number("impossible_travel", "km_per_hour"),
            travel_km: number("impossible_travel", "least_km"),
            finding_ms: span("endpoint_risk", "days", DAY_MS),
            overlap_ms: if policy.switch("shared_account", "sessions") { span("shared_account", "minutes", MINUTE) } else { -1 },
            accounts: number("spraying", "accounts").max(2.0),
            spray_ms: span("spraying", "minutes", MINUTE),
            close_ms: span("leaver_not_closed", "hours", HOUR_MS),
            backup_ms: span("backup_overdue", "hours", HOUR_MS).max(HOUR_MS),
            silent_hours: number("audit_gap", "hours").max(1.0),
            silent_weeks: span("audit_gap", "weeks", 1),
        }
    }
}

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
            floors: AllFloors {
                export: bulk_export::floors(|name| policy.setting("bulk_export", name)),
                change: mass_change::floors(|name| policy.setting("mass_change", name)),
            },
            limits: Limits::of(policy),
            off: policy.controls.iter().filter(|(_, c)| !c.enabled).map(|(id, _)| id.clone()).collect(),
            sigma: Arc::new(sigma::Book::read(&policy.sigma).0),
            access: policy.access,
            require_mfa: policy.require_mfa,
            min_versions: policy.min_versions.clone(),
            backup_targets: policy.backup_targets.clone(),
            guard: policy.guard,
            groups: policy.groups,
            drip_restart: policy.switch("drip", "restart"),
            lately: policy.switch("unrelated", "lately"),
            tidied: if policy.switch("mass_change", "housekeeping") { policy.setting("mass_change", "tidied").max(1.0) } else { 1.0 },
            days_off: policy.switch("off_hours", "calendar"),
            personal_fields: policy.enabled("personal_fields") && policy.switch("personal_fields", "fields"),
            names: Names {
                lost_deal_look: policy.enabled("lost_deal_look"),
                out_of_book: policy.enabled("out_of_book"),
                personal_fields: policy.enabled("personal_fields"),
                new_channel: policy.enabled("new_channel"),
                service_account: policy.enabled("service_account"),
                watcher: policy.enabled("watcher"),
            },
            ghosts: ghosts(),
        }
    }
}

impl Terms {
    /// Whether a control that is asked about a whole tenant may speak.
    pub(super) fn enabled(&self, control: &str) -> bool {
        !self.off.iter().any(|id| id == control)
    }

    /// The user's own rules that an event matches.
    pub(super) fn own_rules(&self, now: &Moment<'_>) -> Vec<&sigma::Rule> {
        if self.sigma.is_empty() {
            return Vec::new();
        }
        let (t, hour) = (now.event.time, hour_of_week(now.local_ms));
        let small = |n: usize| u8::try_from(n).expect("hours and days of a week");
        let facts = sigma::Facts {
            dismissed: now.person.gone(t),
            leaving: now.person.leaving(t),
            hour: small(hour % 24),
            weekday: small(hour / 24) + 1,
        };
        self.sigma.matches(now.enriched, &facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ControlPolicy, explain::Detector, rule::Rule};

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
        assert!(terms.rules.has(Rule::LeaverActive) && !terms.rules.has(Rule::AddressDenied));
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
