//! Findings in words, English and Russian: every number in a sentence is the number used, rounded for display only.

mod english;
mod finding;
mod number;
mod russian;
mod shared;
#[cfg(test)]
mod tests;

pub use finding::{Attribute, Detector, Facts, Family, Finding, NewValue, Usual};

use super::Text;

/// Why, from one finding: what was seen, what is usual, how rare that is.
pub fn sentence(finding: &Finding, facts: &Facts) -> Text {
    Text { en: english::sentence(finding, facts), ru: russian::sentence(finding, facts) }
}

/// What an analyst reads first. `findings`: strongest first.
pub fn summary(findings: &[Finding], facts: &Facts) -> Text {
    Text { en: english::summary(findings, facts), ru: russian::summary(findings, facts) }
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
        Detector::CRec | Detector::CUnrel | Detector::CDistinct => "drift",
        Detector::Offh | Detector::OffOut | Detector::NovCtx | Detector::NovQ | Detector::Rule => "nats",
    }
}
