//! The catalogue of controls: what each looks for, how severe it is, what to rule out first. A file per control.

mod address_denied;
mod brute_force;
mod bulk_export;
mod chunked_export;
mod drip;
mod first_time;
mod leaver_active;
mod mass_change;
mod new_place;
mod off_hours;
mod scraping;
mod shared_account;
mod unrelated;
mod unrelated_call;

use serde::Serialize;

use super::{Severity, explain::Detector};
use crate::event::words;

/// Something that Filin detects.
#[derive(Debug, PartialEq, Serialize)]
pub struct Control {
    /// The name in alerts, policies and mutes.
    pub id: &'static str,
    /// The name for people.
    pub title: Words,
    /// How it comes to speak.
    pub kind: Kind,
    /// What it looks for, in a sentence.
    pub about: Words,
    /// The detectors that speak for it; a hard rule speaks for itself.
    pub detectors: &'static [Detector],
    /// ATT&CK Enterprise techniques.
    pub mitre: &'static [&'static str],
    /// How severe it is.
    pub severity: SeverityRule,
    /// The numbers it works with.
    pub parameters: &'static [Parameter],
    /// The numbers that the policy may set, by `controls.ID.NAME = N`.
    pub settings: &'static [Parameter],
    /// What goes beyond the reference of DETECTION.md, each to be switched off by `controls.ID.NAME = false`.
    pub switches: &'static [Switch],
    /// Benign explanations, to be checked first.
    pub benign: &'static [Words],
}

/// The same words in the languages of supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// English.
    pub en: &'static str,
    /// Russian.
    pub ru: &'static str,
}

words! {
    /// How a control comes to speak.
    Kind {
        /// A policy is broken.
        Rule = "rule",
        /// Surprise against own past, peers and orders.
        Behavioural = "behavioural",
        /// One address against many accounts.
        Address = "address",
        /// Something did not happen.
        Absence = "absence",
    }
}

/// How severe a control's alerts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityRule {
    /// Medium where the score passes the threshold of the alert budget, high at a fifth of the budget, critical at a
    /// twenty-fifth.
    Budget,
    /// Always this.
    Fixed(Severity),
}

/// A number that a control works with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it means.
    pub meaning: Words,
}

/// A part of a control that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// Its name.
    pub name: &'static str,
    /// Whether it is on where the policy says nothing.
    pub on: bool,
    /// What it does.
    pub meaning: Words,
}

/// The controls that can fire, by id.
pub const ALL: &[&Control] = &[
    &address_denied::CONTROL,
    &brute_force::CONTROL,
    &bulk_export::CONTROL,
    &chunked_export::CONTROL,
    &drip::CONTROL,
    &first_time::CONTROL,
    &leaver_active::CONTROL,
    &mass_change::CONTROL,
    &new_place::CONTROL,
    &off_hours::CONTROL,
    &scraping::CONTROL,
    &shared_account::CONTROL,
    &unrelated::CONTROL,
    &unrelated_call::CONTROL,
];

/// The control of an id.
pub fn get(id: &str) -> Option<&'static Control> {
    ALL.binary_search_by(|c| c.id.cmp(id)).ok().map(|i| ALL[i])
}

/// The ATT&CK techniques of a control; none for an id that is not in the catalogue.
pub fn mitre(id: &str) -> &'static [&'static str] {
    get(id).map_or(&[], |c| c.mitre)
}

/// The control that a detector speaks for; none for the rules, each of which is its own.
pub fn of(detector: Detector) -> Option<&'static Control> {
    ALL.iter().find(|c| c.detectors.contains(&detector)).copied()
}

const fn words(en: &'static str, ru: &'static str) -> Words {
    Words { en, ru }
}

const fn floor(name: &'static str, value: f64, en: &'static str, ru: &'static str) -> Parameter {
    Parameter { name, value, meaning: words(en, ru) }
}

const fn switch(name: &'static str, on: bool, en: &'static str, ru: &'static str) -> Switch {
    Switch { name, on, meaning: words(en, ru) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_and_whole() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        for control in ALL {
            assert_eq!(get(control.id), Some(*control));
            let texts = [control.title, control.about].into_iter().chain(control.benign.iter().copied());
            for text in texts
                .chain(control.parameters.iter().map(|p| p.meaning))
                .chain(control.switches.iter().map(|s| s.meaning))
                .chain(control.settings.iter().map(|s| s.meaning))
            {
                assert!(text.en.is_ascii() && !text.en.is_empty(), "{}: {}", control.id, text.en);
                assert!(text.ru.chars().any(|c| ('а'..='я').contains(&c)), "{}: {}", control.id, text.ru);
            }
            assert!(control.benign.len() >= 2, "{} has too few benign explanations", control.id);
            assert!(!control.mitre.is_empty() && control.mitre.is_sorted(), "{}", control.id);
            assert_eq!(control.kind == Kind::Rule, control.detectors.is_empty(), "{}", control.id);
        }
        assert_eq!(get("nonsense"), None);
        assert_eq!(mitre("nonsense"), <&[&str]>::default());
    }

    #[test]
    fn each_detector_speaks_for_one_control() {
        for detector in Detector::ALL {
            let n = ALL.iter().filter(|c| c.detectors.contains(detector)).count();
            assert_eq!(n, usize::from(*detector != Detector::Rule), "{}", detector.as_str());
        }
        assert_eq!(of(Detector::NOut).map(|c| c.id), Some("chunked_export"));
        assert_eq!(of(Detector::Rule), None);
    }
}
