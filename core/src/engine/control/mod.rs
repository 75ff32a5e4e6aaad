//! The catalogue of controls: what each looks for, how severe it is, what to rule out first. A file per control.

mod address_denied;
pub(super) mod audit_gap;
mod automation;
pub(super) mod backup_overdue;
mod base_share;
mod brute_force;
pub(super) mod bulk_export;
mod chunked_export;
mod decoy;
mod dormant;
mod drip;
pub(super) mod endpoint_risk;
mod first_time;
mod impossible_travel;
mod insecure_transport;
mod junior_delete;
mod key_client;
mod leaver_active;
pub(super) mod leaver_not_closed;
mod leaver_watch;
mod lost_deal_look;
pub(super) mod mass_change;
pub mod needs;
mod new_channel;
mod new_place;
mod no_mfa;
mod off_hours;
mod out_of_book;
mod outdated_client;
mod personal_fields;
mod privilege;
mod scraping;
mod service_account;
mod session_hijack;
mod shared_account;
mod sigma;
pub(super) mod spraying;
mod stuffing;
mod tamper;
mod unrelated;
mod unrelated_call;
mod watcher;
mod weak_password;

use serde::Serialize;

use super::{
    Severity, Text,
    accumulate::Moment,
    day::Day,
    explain::{Detector, Facts, Hit},
    manager::Baseline,
    memory::{Memory, Session, short},
    people::People,
    places::Spot,
    relation,
    rule::Hits,
    terms::Terms,
    watch::Watch,
};
use crate::event::{Date, HOUR_MS, words};

/// Something that Filin detects.
#[derive(Debug, Serialize)]
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
    /// When a behavioural finding takes this name instead of its detector's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<Words>,
    /// The sentence of a rule: what was seen, what was expected.
    #[serde(skip)]
    pub said: Option<fn(&Hit, &Facts) -> Text>,
    /// Benign explanations, to be checked first.
    pub benign: &'static [Words],
}

impl PartialEq for Control {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
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
    /// This, and worse in one case.
    Raised {
        /// Else.
        usually: Severity,
        /// In that case.
        at_worst: Severity,
        /// Which.
        when: Words,
    },
    /// As the user's own rule says.
    Own,
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

/// What most hard rules have in common.
const RULE: Control = Control {
    id: "",
    title: words("", ""),
    kind: Kind::Rule,
    about: words("", ""),
    detectors: &[],
    mitre: &[],
    severity: SeverityRule::Fixed(Severity::Medium),
    parameters: &[],
    settings: &[],
    switches: &[],
    said: None,
    named: None,
    benign: &[],
};

/// What controls that are names of behavioural findings have in common.
const NAMED: Control = Control { kind: Kind::Behavioural, severity: SeverityRule::Budget, ..RULE };

/// What a rule is asked about.
pub(super) struct Asked<'a> {
    pub(super) now: &'a Moment<'a>,
    pub(super) terms: &'a Terms,
    pub(super) people: &'a People,
    pub(super) base: &'a Baseline,
    pub(super) date: Date,
}

impl Asked<'_> {
    /// The address, empty when none is known.
    fn ip(&self) -> &str {
        self.now.event.client.as_ref().and_then(|c| c.ip.as_deref()).unwrap_or_default()
    }

    /// The client made contact lately.
    fn in_contact(&self, h: u64) -> bool {
        relation::in_contact(self.base, h, self.now.event.time)
    }
}

/// Asks the rules that one event decides. `records`: of the event.
pub(super) fn ask(asked: &Asked<'_>, records: u64, hits: &mut Hits) {
    leaver_active::check(asked, hits);
    bulk_export::check(asked, records, hits);
    address_denied::check(asked, hits);
    decoy::check(asked, hits);
    key_client::check(asked, hits);
    junior_delete::check(asked, hits);
    out_of_book::check(asked, hits);
    privilege::check(asked, hits);
    audit_gap::check(asked, hits);
    sigma::check(asked, hits);
}

/// Asks the rules that look at what went before, too. `in_hour`: records that the manager changed so far within the event's hour.
pub(super) fn ask_on(asked: &Asked<'_>, spot: Option<&Spot<'_>>, memory: &mut Memory, watch: &mut Watch, day: &mut Day) {
    let event = asked.now.event;
    if mass_change::changes(event.action) && event.ok() {
        let hour = day.hour(event.time.millis().div_euclid(HOUR_MS));
        hour.changed = hour.changed.saturating_add(event.records.unwrap_or(1).max(1));
        let in_hour = hour.changed;
        day.most_changed = day.most_changed.max(in_hour);
        mass_change::check(asked, in_hour, &mut day.hits);
    }
    let hits = &mut day.hits;
    dormant::check(asked, memory, hits);
    brute_force::check(asked, memory, hits);
    no_mfa::check(asked, memory, hits);
    weak_password::check(asked, memory, hits);
    insecure_transport::check(asked, memory, hits);
    outdated_client::check(asked, memory, hits);
    endpoint_risk::check(asked, memory, hits);
    automation::check(asked, memory, hits);
    impossible_travel::check(asked, memory, hits);
    tamper::check(asked, memory, hits);
    tamper::check_grants(asked, &mut watch.grants, hits);
    if let Some(id) = event.session.as_deref().filter(|s| !s.is_empty()) {
        let of = |text: Option<&str>| text.filter(|t| !t.is_empty()).map_or(0, |t| short(t.as_bytes()));
        let agent = of(spot.and_then(|s| s.agent.as_deref()));
        let now = Session {
            id: short(id.as_bytes()),
            agent,
            country: of(event.client.as_ref().and_then(|c| c.country.as_deref())),
            network: spot.and_then(|s| s.network.as_ref()).map_or(0, |n| short(&n.bytes())),
            software: spot.and_then(|s| s.device).map_or(agent, |d| short(d.as_bytes())),
            fixed: shared_account::is_fixed(asked),
            last: event.time.millis(),
        };
        let known = memory.session(now);
        session_hijack::check(asked, known, now, hits);
        shared_account::check(asked, known, now, memory, hits);
    }
    if let Some(accounts) = watch.waves.gave_way(asked, spot) {
        stuffing::check(asked, accounts, hits);
    }
}

/// The controls that can fire, by id.
pub const ALL: &[&Control] = &[
    &address_denied::CONTROL,
    &audit_gap::CONTROL,
    &automation::CONTROL,
    &backup_overdue::CONTROL,
    &base_share::CONTROL,
    &brute_force::CONTROL,
    &bulk_export::CONTROL,
    &chunked_export::CONTROL,
    &decoy::CONTROL,
    &dormant::CONTROL,
    &drip::CONTROL,
    &endpoint_risk::CONTROL,
    &first_time::CONTROL,
    &impossible_travel::CONTROL,
    &insecure_transport::CONTROL,
    &junior_delete::CONTROL,
    &key_client::CONTROL,
    &leaver_active::CONTROL,
    &leaver_not_closed::CONTROL,
    &leaver_watch::CONTROL,
    &lost_deal_look::CONTROL,
    &mass_change::CONTROL,
    &new_channel::CONTROL,
    &new_place::CONTROL,
    &no_mfa::CONTROL,
    &off_hours::CONTROL,
    &out_of_book::CONTROL,
    &outdated_client::CONTROL,
    &personal_fields::CONTROL,
    &privilege::CONTROL,
    &scraping::CONTROL,
    &service_account::CONTROL,
    &session_hijack::CONTROL,
    &shared_account::CONTROL,
    &sigma::CONTROL,
    &spraying::CONTROL,
    &stuffing::CONTROL,
    &tamper::CONTROL,
    &unrelated::CONTROL,
    &unrelated_call::CONTROL,
    &watcher::CONTROL,
    &weak_password::CONTROL,
];

/// The control of an id.
pub fn get(id: &str) -> Option<&'static Control> {
    ALL.binary_search_by(|c| c.id.cmp(id)).ok().map(|i| ALL[i])
}

/// The ATT&CK techniques of a control; none for an id that is not in the catalogue.
pub fn mitre(id: &str) -> &'static [&'static str] {
    get(id).map_or(&[], |c| c.mitre)
}

/// Honest reasons for what these controls found, to be looked at before anybody is blamed.
pub fn benign(ids: &[String]) -> impl Iterator<Item = Words> {
    ids.iter().filter_map(|id| get(id)).flat_map(|c| c.benign).copied()
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
            let own = control.severity == SeverityRule::Own;
            assert!(own == control.mitre.is_empty() && control.mitre.is_sorted(), "{}", control.id);
            let speaks = !control.detectors.is_empty() || control.named.is_some();
            assert!(speaks || control.kind != Kind::Behavioural, "{}", control.id);
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
