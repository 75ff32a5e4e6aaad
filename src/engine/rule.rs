//! Hard rules: a policy is broken, whatever is usual (DETECTION.md §9; CONTROLS.md, kind H).

use serde::{Deserialize, Serialize};

use super::{Policy, Severity, math::number};

/// A hard rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Successful activity at or after the first instant without access.
    LeaverActive,
    /// An address that is not on the list, whatever the outcome.
    AddressDenied,
    /// One answer of so many records that nobody needs to know what is usual.
    TopExport,
}

/// What further rules of a day add, each.
const FURTHER: f64 = 0.1;

impl Rule {
    const ALL: [Self; 3] = [Self::LeaverActive, Self::AddressDenied, Self::TopExport];

    /// Its control.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::LeaverActive => "leaver_active",
            Self::AddressDenied => "address_denied",
            Self::TopExport => "bulk_export",
        }
    }

    pub(super) fn severity(self) -> Severity {
        match self {
            Self::LeaverActive | Self::TopExport => Severity::Critical,
            Self::AddressDenied => Severity::High,
        }
    }

    /// Fixed evidence by severity.
    pub(super) fn nats(self) -> f64 {
        match self.severity() {
            Severity::Low => 5.0,
            Severity::Medium => 9.0,
            Severity::High => 14.0,
            Severity::Critical => 20.0,
        }
    }
}

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules(u8);

impl Rules {
    /// Those whose controls a policy leaves on.
    pub(super) fn enabled(policy: &Policy) -> Self {
        let mut set = Self::default();
        Rule::ALL.into_iter().filter(|r| policy.enabled(r.id())).for_each(|r| set.add(r));
        set
    }

    pub(super) fn add(&mut self, rule: Rule) {
        self.0 |= 1 << rule as u8;
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.into_iter().filter(move |r| self.0 >> *r as u8 & 1 == 1)
    }

    /// The one with most nats; of equals the first.
    pub(super) fn strongest(self) -> Option<Rule> {
        self.iter().reduce(|a, b| if b.nats() > a.nats() { b } else { a })
    }

    /// The greatest evidence, and a little for each further rule.
    pub(super) fn nats(self) -> f64 {
        let further = number(u64::from(self.0.count_ones().max(1) - 1));
        self.strongest().map_or(0.0, |r| r.nats() + FURTHER * further)
    }

    pub(super) fn severity(self) -> Option<Severity> {
        self.iter().map(Rule::severity).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::control::{self, SeverityRule};

    #[test]
    fn rules_are_in_the_catalogue_with_their_severity() {
        for rule in Rule::ALL {
            let control = control::get(rule.id()).unwrap_or_else(|| panic!("{}", rule.id()));
            // The floor of a behavioural control has its own severity.
            if control.kind == control::Kind::Rule {
                assert_eq!(control.severity, SeverityRule::Fixed(rule.severity()), "{}", rule.id());
            }
        }
    }

    #[test]
    fn further_rules_add_a_little() {
        let mut rules = Rules::default();
        assert!(rules.nats() <= 0.0 && rules.strongest().is_none());
        rules.add(Rule::AddressDenied);
        assert!((rules.nats() - 14.0).abs() < 1e-12);
        rules.add(Rule::AddressDenied);
        rules.add(Rule::LeaverActive);
        assert!((rules.nats() - 20.1).abs() < 1e-12);
        assert_eq!((rules.strongest(), rules.severity()), (Some(Rule::LeaverActive), Some(Severity::Critical)));
        assert_eq!(rules.without(rules), Rules::default());
    }
}
