//! Findings in words, English and Russian: every number in a sentence is the number used, rounded for display only.

mod english;
mod finding;
mod number;
pub(in crate::engine) mod phrase;
mod russian;
mod shared;
#[cfg(test)]
mod tests;

pub use finding::{Attribute, Detector, Facts, Family, Finding, Hit, NewValue, REASONS, Reason, Usual};

use super::{Text, rule::Rule};

/// Why, from one finding: what was seen, what is usual, how rare that is.
pub fn sentence(finding: &Finding, facts: &Facts) -> Text {
    Text { en: english::sentence(finding, facts), ru: russian::sentence(finding, facts) }
}

/// What an analyst reads first. `findings`: strongest first.
pub fn summary(findings: &[Finding], facts: &Facts) -> Text {
    Text { en: english::summary(findings, facts), ru: russian::summary(findings, facts) }
}

/// What a rule says, with its evidence (nats) behind it.
pub(in crate::engine) fn in_rule_words(what: &Text, nats: f64) -> Text {
    Text { en: english::as_rule(&what.en, &[], nats), ru: russian::as_rule(&what.ru, &[], nats) }
}

/// `02:14`, on a zone's wall clock.
pub(in crate::engine) fn clock(zone: &crate::directory::Zone, t: crate::event::Timestamp) -> String {
    let (hour, minute) = zone.clock(t);
    format!("{hour:02}:{minute:02}")
}

/// A date in both languages.
pub(in crate::engine) fn dates(zone: &crate::directory::Zone, t: crate::event::Timestamp) -> Text {
    Text { en: english::date(zone, t), ru: russian::date(zone, t) }
}

/// What a rule counts.
pub(in crate::engine) fn rule_unit(rule: Rule) -> &'static str {
    match rule {
        Rule::TopExport | Rule::TopChange | Rule::JuniorDelete | Rule::EndpointExport => "records",
        Rule::Decoy | Rule::KeyClient | Rule::OutOfBook => "clients",
        Rule::BruteForce | Rule::BruteForced | Rule::NoMfa => "log-ins",
        Rule::Stuffing => "accounts",
        Rule::Dormant => "days",
        Rule::Tamper => "minutes",
        Rule::ImpossibleTravel => "km",
        Rule::SharedAccount | Rule::SessionHijack => "places",
        _ => "events",
    }
}

/// What a detector's value counts.
pub fn unit(detector: Detector) -> &'static str {
    match detector {
        Detector::RecOut | Detector::RecScr | Detector::RecUnf | Detector::Destr | Detector::NUpd => "records",
        Detector::NOut => "exports",
        Detector::NQuery => "queries",
        Detector::Distinct | Detector::Clients1h | Detector::Clients7d | Detector::Clients30d => "clients",
        Detector::UnrelShare => "share",
        Detector::TwoPlaces => "returns",
        Detector::Unrel | Detector::Ucall | Detector::Ext => "weight",
        Detector::Authfail => "log-ins",
        Detector::CRec | Detector::CUnrel | Detector::CDistinct | Detector::COut => "drift",
        Detector::Offh | Detector::OffOut | Detector::NovCtx | Detector::NovQ | Detector::Rule => "nats",
    }
}
