//! Hard rules: a policy is broken, whatever is usual (DETECTION.md §9; CONTROLS.md, kinds H and A).
//!
//! What a rule looks for stands in the file of its control ([`super::control`]); here is what all of them share.

use serde::{Deserialize, Serialize};

use super::{Policy, Severity, explain::Hit, math::number};
use crate::event::{Timestamp, words};

words! {
    /// A hard rule: a control at one severity. Of equal severity the first is the strongest.
    Rule {
        /// Successful activity at or after the first instant without access.
        LeaverActive = "leaver_active",
        /// A client that nobody has a reason to touch.
        Decoy = "decoy",
        /// A success from within a spraying wave.
        Stuffing = "stuffing",
        /// A success after many failures.
        BruteForced = "brute_forced",
        /// One's own rights raised.
        OwnPrivilege = "own_privilege",
        /// The audit trail switched off or deleted.
        AuditOff = "audit_off",
        /// An export from a machine with a finding.
        EndpointExport = "endpoint_export",
        /// One answer of so many records that nobody needs to know what is usual.
        TopExport = "top_export",
        /// So many records changed in an hour.
        TopChange = "top_change",
        /// The user's own, critical.
        SigmaCritical = "sigma_critical",
        /// An address that is not on the list, whatever the outcome.
        AddressDenied = "address_denied",
        /// Many failures on one account.
        BruteForce = "brute_force",
        /// Another program or country within one session.
        SessionHijack = "session_hijack",
        /// Changed and changed back, granted and taken back, a client's number made one's own.
        Tamper = "tamper",
        /// Somebody's rights raised.
        Privilege = "privilege",
        /// The user's own, high.
        SigmaHigh = "sigma_high",
        /// Another's client, where the tenant has said that this is not allowed.
        OutOfBook = "out_of_book",
        /// A key client below the required grade.
        KeyClient = "key_client",
        /// A junior deletes, merges or overwrites.
        JuniorDelete = "junior_delete",
        /// An account wakes after a long sleep.
        Dormant = "dormant",
        /// A log-in without the second factor, or many refused prompts.
        NoMfa = "no_mfa",
        /// Two sessions of one account in two places at once.
        SharedAccount = "shared_account",
        /// A session that others can read.
        InsecureTransport = "insecure_transport",
        /// A mail rule, key or integration by a leaver or for the first time.
        Automation = "automation",
        /// The user's own, medium.
        SigmaMedium = "sigma_medium",
        /// The CRM or the directory reports a bad password.
        WeakPassword = "weak_password",
        /// A program older than the tenant's minimum.
        OutdatedClient = "outdated_client",
        /// A finding of the antivirus.
        EndpointRisk = "endpoint_risk",
        /// The user's own, low.
        SigmaLow = "sigma_low",
        /// Two places faster than a flight: context, never alone.
        ImpossibleTravel = "impossible_travel",
    }
}

/// What further rules of a day add, each.
const FURTHER: f64 = 0.1;

impl Rule {
    /// Its control.
    pub fn id(self) -> &'static str {
        match self {
            Self::BruteForced => "brute_force",
            Self::OwnPrivilege => "privilege",
            Self::AuditOff => "audit_gap",
            Self::EndpointExport => "endpoint_risk",
            Self::TopExport => "bulk_export",
            Self::TopChange => "mass_change",
            Self::SigmaCritical | Self::SigmaHigh | Self::SigmaMedium | Self::SigmaLow => "sigma",
            plain => plain.as_str(),
        }
    }

    /// How severe it is.
    pub fn severity(self) -> Severity {
        match self as u8 {
            n if n <= Self::SigmaCritical as u8 => Severity::Critical,
            n if n <= Self::SigmaHigh as u8 => Severity::High,
            n if n <= Self::SigmaMedium as u8 => Severity::Medium,
            _ => Severity::Low,
        }
    }

    /// Whether it opens an alert by itself.
    fn opens(self) -> bool {
        self != Self::ImpossibleTravel
    }

    /// Fixed evidence by severity.
    pub(super) fn nats(self) -> f64 {
        nats(self.severity())
    }
}

/// Fixed evidence of a rule by its severity.
pub(super) fn nats(severity: Severity) -> f64 {
    match severity {
        Severity::Low => 5.0,
        Severity::Medium => 9.0,
        Severity::High => 14.0,
        Severity::Critical => 20.0,
    }
}

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules(u64);

impl Rules {
    pub(super) const ALL: Self = Self(u64::MAX);

    /// Those whose controls a policy leaves on.
    pub(super) fn enabled(policy: &Policy) -> Self {
        Rule::ALL.iter().filter(|r| policy.enabled(r.id())).fold(Self::default(), |set, r| set.with(*r))
    }

    pub(super) fn with(self, rule: Rule) -> Self {
        Self(self.0 | 1 << rule as u8)
    }

    pub(super) fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u8 & 1 == 1
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The rules that a manager-day broke, each with what is told of it, in the order in which they were broken first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Hits(Vec<Hit>);

impl Hits {
    /// A rule was broken; the greatest `observed` is told, with the texts of the first time.
    pub(super) fn mark(&mut self, rule: Rule, t: Timestamp, [observed, expected]: [f64; 2], texts: &[&str]) {
        match self.0.iter_mut().find(|h| h.is(rule, texts)) {
            Some(hit) => {
                hit.n += 1;
                hit.observed = hit.observed.max(observed);
            }
            None => self.0.push(Hit::new(rule, t, [observed, expected], texts)),
        }
    }

    /// The same where what is observed adds up over the day.
    pub(super) fn count(&mut self, rule: Rule, t: Timestamp, by: f64, texts: &[&str]) {
        let so_far = self.0.iter().find(|h| h.is(rule, texts)).map_or(0.0, |h| h.observed);
        self.mark(rule, t, [so_far + by, 0.0], texts);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those of a set that came after the first `n`.
    pub(super) fn since(&self, n: usize, of: Rules) -> impl Iterator<Item = &Hit> {
        self.0.iter().skip(n).filter(move |h| of.has(h.rule))
    }

    /// As a set.
    pub(super) fn rules(&self, of: Rules) -> Rules {
        self.since(0, of).fold(Rules::default(), |set, h| set.with(h.rule))
    }

    /// Those of a set, the one with most nats first; of equals the one that comes first among [`Rule`]s.
    pub(super) fn strongest_first(&self, of: Rules) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self.since(0, of).cloned().collect();
        hits.sort_by_key(|h| h.rule);
        hits
    }

    /// The greatest that was observed of a rule.
    pub(super) fn greatest(&self, rule: Rule) -> Option<f64> {
        self.0.iter().filter(|h| h.rule == rule).map(|h| h.observed).reduce(f64::max)
    }

    pub(super) fn strongest(&self, of: Rules) -> Option<Rule> {
        self.since(0, of).map(|h| h.rule).min()
    }

    /// The greatest evidence, and a little for each further different rule.
    pub(super) fn nats(&self, of: Rules) -> f64 {
        let Some(strongest) = self.strongest(of) else { return 0.0 };
        let mut different: Vec<(&str, Option<&str>)> = self.since(0, of).map(Hit::key).collect();
        different.sort_unstable();
        different.dedup();
        strongest.nats() + FURTHER * number(different.len() as u64 - 1)
    }

    /// The severity at which they open an alert.
    pub(super) fn severity(&self, of: Rules) -> Option<Severity> {
        self.since(0, of).filter(|h| h.rule.opens()).map(|h| h.rule.severity()).max()
    }
}

impl Hit {
    fn is(&self, rule: Rule, texts: &[&str]) -> bool {
        self.rule == rule && (rule.id() != "sigma" || self.texts.first().map(|t| &**t) == texts.first().copied())
    }

    /// What makes it different from others: the control; of the user's own rules, which.
    fn key(&self) -> (&'static str, Option<&str>) {
        let own = (self.rule.id() == "sigma").then(|| self.texts.first().map(|t| &**t)).flatten();
        (self.rule.id(), own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::control::{self, SeverityRule};

    const ALL: Rules = Rules::ALL;

    fn hits(rules: &[Rule]) -> Hits {
        let mut hits = Hits::default();
        rules.iter().for_each(|r| hits.mark(*r, Timestamp::from_millis(0), [1.0, 0.0], &[]));
        hits
    }

    #[test]
    fn rules_are_in_the_catalogue_with_their_severity() {
        for rule in Rule::ALL {
            let control = control::get(rule.id()).unwrap_or_else(|| panic!("{}", rule.id()));
            let said = match control.severity {
                SeverityRule::Fixed(severity) => severity == rule.severity(),
                SeverityRule::Raised { usually, at_worst, .. } => rule.severity() == usually || rule.severity() == at_worst,
                // The floor of a behavioural control, and the user's own rules, have their own severity.
                SeverityRule::Budget | SeverityRule::Own => true,
            };
            assert!(said, "{}", rule.as_str());
        }
    }

    #[test]
    fn further_rules_add_a_little() {
        assert!(hits(&[]).nats(ALL) <= 0.0 && hits(&[]).strongest(ALL).is_none());
        assert!((hits(&[Rule::AddressDenied, Rule::AddressDenied]).nats(ALL) - 14.0).abs() < 1e-12);
        let both = hits(&[Rule::AddressDenied, Rule::LeaverActive]);
        assert!((both.nats(ALL) - 20.1).abs() < 1e-12);
        assert_eq!((both.strongest(ALL), both.severity(ALL)), (Some(Rule::LeaverActive), Some(Severity::Critical)));
        let one_control = hits(&[Rule::BruteForce, Rule::BruteForced]);
        assert!((one_control.nats(ALL) - 20.0).abs() < 1e-12, "one rule at two severities is not two rules");
        assert_eq!(both.since(1, ALL).map(|h| h.rule).collect::<Vec<_>>(), [Rule::LeaverActive]);
        assert_eq!(both.rules(ALL).without(both.rules(ALL)), Rules::default());
    }

    #[test]
    fn travel_is_context_only() {
        let travel = hits(&[Rule::ImpossibleTravel]);
        assert_eq!(travel.severity(ALL), None);
        assert!((travel.nats(ALL) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_disabled_control_is_not_heard() {
        let policy = Policy {
            controls: [("decoy".to_owned(), crate::engine::ControlPolicy { enabled: false, ..Default::default() })].into(),
            ..Policy::default()
        };
        let on = Rules::enabled(&policy);
        assert!(!on.has(Rule::Decoy) && on.has(Rule::Tamper));
        assert_eq!(hits(&[Rule::Decoy, Rule::Dormant]).severity(on), Some(Severity::Medium));
    }
}
