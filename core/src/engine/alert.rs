//! Signals and alert versions: what was found, told with its reasons (DETECTION.md §11).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    AlertVersion, Contribution, Severity, Signal, Subject, SubjectKind, Text,
    accumulate::Moment,
    budget::Week,
    calendar::{Calendar, hour_of_week},
    class::INTEGRATIONS,
    control,
    day::Day,
    detector::{self, DETECTORS, FAMILIES, HURDLE, RULE, SHARE, is_drift},
    episode::Claim,
    explain::{self, Attribute, Detector, Facts, Family, Finding, Hit, Usual},
    manager::{Baseline, Episode},
    math::{count, exp, ln, number},
    mute::{About, Mutes},
    near,
    people::Person,
    personal,
    rollup::known,
    rule::{self, Rules},
    score::millibits,
    team::Teams,
    terms::Terms,
    windows::Windows,
};
use crate::event::{Date, Timestamp, Work};

/// Ids of alerts and signals are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x7b0c_3a52_9d4e_5c1b_8f60_2ee1_c0de_f111);
/// The tenant of Filin's own audit events.
const AUDIT: &str = "_audit";
/// A family below this share of the bits is not spoken of.
const SPOKEN: f64 = 0.05;
/// Fewer clients in 90 days are no share of the base worth telling.
const QUARTER: f64 = 20.0;

/// A manager-day in which something was found.
pub(super) struct Found<'a> {
    pub(super) tenant: &'a str,
    pub(super) manager: &'a str,
    pub(super) now: &'a Moment<'a>,
    pub(super) day: &'a Day,
    pub(super) base: &'a Baseline,
    pub(super) terms: &'a Terms,
    /// The cold-start prior in force.
    pub(super) prior: Option<&'a str>,
}

/// What an alert says of the firm around the manager.
pub(super) struct Firm<'a> {
    pub(super) teams: &'a Teams,
    /// Clients that anybody touched.
    pub(super) windows: &'a Windows,
    pub(super) week: &'a Week,
    pub(super) terms: &'a Terms,
}

impl Firm<'_> {
    /// Distinct clients of the last 90 days, the person's and everybody's; none before there are enough to be told, or where that is not
    /// wanted.
    fn quarter(&self, date: Date, base: &Baseline) -> Option<(u64, u64)> {
        let all = self.windows.quarter(date);
        let own = base.windows.quarter(date).min(all);
        (own >= QUARTER && self.terms.enabled("base_share")).then(|| (count(own.round()), count(all.round())))
    }
}

/// What the families have to say.
pub(super) struct Case {
    /// Nats.
    score: f64,
    bits: u64,
    /// Strongest first.
    families: Vec<(usize, u64)>,
}

impl Case {
    pub(super) fn of(day: &Day, score: f64) -> Self {
        let bits = millibits(score);
        let shares = day.shares(bits);
        let mut families: Vec<(usize, u64)> = (0..FAMILIES).map(|f| (f, shares[f])).filter(|(_, bits)| *bits > 0).collect();
        families.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Self { score, bits, families }
    }

    fn is_spoken(&self, bits: u64) -> bool {
        number(bits) >= SPOKEN * number(self.bits)
    }

    /// Whether a family is told of in words.
    pub(super) fn names(&self, family: Family) -> bool {
        self.spoken().any(|f| f == family as usize)
    }

    fn spoken(&self) -> impl Iterator<Item = usize> {
        self.families.iter().filter(|(_, bits)| self.is_spoken(*bits)).map(|(f, _)| *f)
    }
}

impl Found<'_> {
    /// The claim that goes to the manager's episodes.
    pub(super) fn claim(&self, case: &Case, severity: Severity) -> Claim {
        Claim {
            date: self.day.date,
            time: self.now.event.time.millis(),
            severity,
            bits: case.bits,
            records: count(self.day.records()),
            clients: count(self.day.clients()),
            controls: case.spoken().map(|f| self.control(self.day.leading(f))).collect(),
        }
    }

    /// The id of an alert that this event opens. `late`: it is of long ago.
    pub(super) fn alert_id(&self, late: bool) -> String {
        let reference = self.now.event.reference();
        let mut parts = vec![self.tenant, SubjectKind::Manager.as_str(), self.manager, &reference];
        parts.extend(late.then_some("late"));
        id(&parts)
    }

    /// What a mute asks of this event.
    pub(super) fn about(&self) -> About<'_> {
        About { manager: Some(self.manager), team: &self.day.post.team, now: Some(self.now), address: None, time: self.now.event.time }
    }

    /// Whether all that is told of is muted.
    pub(super) fn is_muted(&self, case: &Case, mutes: &Mutes) -> bool {
        let about = self.about();
        case.spoken().all(|f| mutes.silence(self.control(self.day.leading(f)), &about))
    }

    /// The alert that a nat more would have opened.
    pub(super) fn near(&self, score: f64, severity: Severity, facts: &Facts) -> AlertVersion {
        let case = Case::of(self.day, score);
        let claim = self.claim(&case, severity);
        let reference = self.now.event.reference();
        let episode = Episode {
            date: claim.date,
            from: claim.time,
            until: claim.time,
            alert_id: id(&[self.tenant, SubjectKind::Manager.as_str(), self.manager, &reference, "lookback"]),
            version: 1,
            severity,
            controls: claim
                .controls
                .iter()
                .copied()
                .chain([near::CONTROL])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            bits: claim.bits,
            records: claim.records,
            clients: claim.clients,
            linked: None,
            verdict: None,
        };
        let mut version = self.version(&case, &episode, true, facts);
        version.event_ids.truncate(near::EVENTS);
        AlertVersion { lookback: true, kind: near::CONTROL.to_owned(), ..version }
    }

    /// A version of an alert.
    pub(super) fn version(&self, case: &Case, episode: &Episode, notify: bool, facts: &Facts) -> AlertVersion {
        let (day, event) = (self.day, self.now.event);
        let findings: Vec<Finding> = case.families.iter().map(|(f, bits)| self.finding(*f, *bits)).collect();
        let mut mitre: BTreeSet<&str> = episode.controls.iter().flat_map(|c| control::mitre(c)).copied().collect();
        let own = day.hits.since(0, self.rules()).filter(|h| h.rule.id() == "sigma").filter_map(|h| self.terms.sigma.rule(h.text(0)?));
        mitre.extend(own.flat_map(|rule| rule.techniques.iter().map(String::as_str)));
        AlertVersion {
            alert_id: episode.alert_id.clone(),
            version: episode.version,
            tenant: self.tenant.to_owned(),
            manager: Some(self.manager.to_owned()),
            subject: Subject { kind: SubjectKind::Manager, id: self.manager.to_owned() },
            team: known(&day.post.team),
            role: known(&day.post.role),
            notify,
            linked: episode.linked.iter().cloned().collect(),
            late: day.closed,
            lookback: false,
            time: event.time,
            opened_at: Timestamp::from_millis(episode.from),
            kind: findings.first().map(|f| f.control.clone()).unwrap_or_default(),
            controls: episode.controls.clone(),
            severity: episode.severity,
            bits: case.bits,
            ln_p: -case.score,
            score: shown(case.bits),
            summary: explain::summary(&findings, facts),
            contributions: findings.iter().map(|f| contribution(f, facts, case.is_spoken(f.bits))).collect(),
            event_ids: self.evidence(case),
            events_total: day.events,
            records: count(day.records()),
            clients: count(day.clients()),
            mitre: mitre.into_iter().map(str::to_owned).collect(),
            prior: self.prior.unwrap_or("none").to_owned(),
            engine: super::VERSION.to_owned(),
        }
    }

    /// The events that raised what is spoken of; when a threshold fell below what a day had forgotten, the event itself.
    fn evidence(&self, case: &Case) -> Vec<String> {
        let found = self.day.evidence.references(case.spoken().fold(0, |set, f| set | 1 << f));
        if found.is_empty() { vec![self.now.event.reference()] } else { found }
    }

    /// A detector reached a new whole nat.
    pub(super) fn signal(&self, k: usize) -> Signal {
        let name = detector::detector(k).as_str();
        let expected = self.usual(k).map_or(0.0, |u| u.mid);
        self.signal_of(self.control(k), name, self.day.s[k], self.observed(k), expected, k)
    }

    /// A rule fired.
    pub(super) fn rule_signal(&self, hit: &Hit) -> Signal {
        let control = hit.rule.id();
        // Of the user's own rules each is a detector of its own.
        let detector = if control == "sigma" { hit.text(0).unwrap_or(control) } else { control };
        let signal = self.signal_of(control, detector, hit.rule.nats(), hit.observed, hit.expected, RULE);
        Signal { unit: explain::rule_unit(hit.rule).to_owned(), ..signal }
    }

    fn signal_of(&self, control: &str, detector: &str, nats: f64, observed: f64, expected: f64, k: usize) -> Signal {
        let event_id = self.now.event.reference();
        Signal {
            signal_id: id(&[self.tenant, SubjectKind::Manager.as_str(), self.manager, &event_id, control, detector]),
            tenant: self.tenant.to_owned(),
            manager: self.manager.to_owned(),
            time: self.now.event.time,
            control: control.to_owned(),
            detector: detector.to_owned(),
            bits: millibits(nats),
            observed,
            expected,
            unit: explain::unit(detector::detector(k)).to_owned(),
            event_id,
            muted: false,
        }
    }

    fn finding(&self, family: usize, bits: u64) -> Finding {
        let (day, k) = (self.day, self.day.leading(family));
        Finding {
            detector: detector::detector(k),
            family: detector::family(family),
            control: self.control(k).to_owned(),
            s: day.s[k],
            bits,
            observed: self.observed(k),
            usual: self.usual(k),
            discount: day.raw[k] - day.r[k],
        }
    }

    fn rules(&self) -> Rules {
        self.terms.rules
    }

    /// The name of what a detector found: its control's, or the one of a special case (CONTROLS.md, names of behavioural findings).
    fn control(&self, k: usize) -> &'static str {
        if k == RULE {
            return self.day.hits.strongest(self.rules()).map_or("rule", super::rule::Rule::id);
        }
        let (names, day) = (self.terms.names, self.day);
        if names.watcher && self.tenant == AUDIT {
            return "watcher";
        }
        if names.service_account && day.class == INTEGRATIONS {
            return "service_account";
        }
        let most = |weight: f64| weight > day.x[Detector::Unrel as usize] / 2.0;
        let asked = || day.news.shown().iter().any(|v| v.attribute == Attribute::Fingerprint && personal::kind(&v.value).is_some());
        match detector::detector(k) {
            Detector::Unrel | Detector::UnrelShare if names.lost_deal_look && most(day.former) => "lost_deal_look",
            Detector::Unrel | Detector::UnrelShare if names.out_of_book && most(day.elsewhere) => "out_of_book",
            Detector::NovQ if names.new_channel && day.new_channel => "new_channel",
            Detector::NovQ if names.personal_fields && asked() => "personal_fields",
            plain => detector::control(plain),
        }
    }

    /// Today's value; of a drift, how high it stands with today; of the share, of a usual day's clients at least.
    fn observed(&self, k: usize) -> f64 {
        match k {
            SHARE => self.day.share,
            k if is_drift(k) => self.drift(k - HURDLE),
            k => self.day.x[k],
        }
    }

    /// How high a drift stands with today.
    fn drift(&self, j: usize) -> f64 {
        self.base.drift.level(j).max(self.day.raw[HURDLE + j])
    }

    /// What holds for the whole manager-day, for the sentences.
    pub(super) fn facts(&self, calendar: &Calendar, firm: &Firm<'_>) -> Facts {
        let (now, day, base) = (self.now, self.day, self.base);
        let t = now.event.time;
        let Person { zone, notice_at, terminated_at, .. } = now.person;
        let (zone, leaving) = (calendar.zone_of(*zone), now.person.leaving(t));
        let hour = hour_of_week(now.local_ms);
        let team = firm.teams.known_day(day.date, day.team());
        Facts {
            zone: zone.clone(),
            local: zone.clock(t),
            hour_share: day.hours.iter().find(|(b, _)| usize::from(*b) == hour).map_or(0.0, |(_, h)| f64::from(h.share)),
            records_out: count(day.x[Detector::RecOut as usize]),
            records_screen: count(day.x[Detector::RecScr as usize]),
            tidied: day.tidied,
            tidied_as_one: firm.terms.tidied,
            clients: count(day.clients()),
            clients_related: day.related(),
            reasons: day.reasons.map(u64::from),
            unrelated_key: day.unrelated_key,
            team_unrelated: team.and_then(|team| team.unrelated_of_others(day.x[Detector::Unrel as usize])),
            few_clients: base.expected().is_some_and(|e| e.hurdle.at(Detector::Distinct as usize, 0.0) > day.clients()),
            team_share: team.and_then(|team| team.share_of_others(day.x[SHARE], day.clients(), day.team_before)),
            team_lately: day.team_before.is_some(),
            new_values: day.news.shown(),
            drift_days: base.drift.days(),
            drift: std::array::from_fn(|j| self.drift(j)),
            baseline_days: base.hurdle.days(),
            quarter: firm.quarter(day.date, base),
            budget: firm.week.rate(firm.terms.budget),
            notice_at: notice_at.filter(|at| *at <= t),
            // Once notice is given or access has ended, the end of access is no secret.
            terminated_at: terminated_at.filter(|_| leaving),
            day_off: day.day_off,
            absent: now.enriched.enrich.work == Some(Work::Absent),
            substitute: day.substitute,
            former: day.former,
            elsewhere: day.elsewhere,
            hits: day.hits.strongest_first(self.rules()),
        }
    }

    fn usual(&self, k: usize) -> Option<Usual> {
        self.base.expected()?.usual(k)
    }
}

fn contribution(f: &Finding, facts: &Facts, spoken: bool) -> Contribution {
    Contribution {
        detector: f.detector.as_str().to_owned(),
        family: f.family.as_str().to_owned(),
        bits: f.bits,
        observed: f.observed,
        expected: f.usual.map_or(0.0, |u| u.mid),
        unit: explain::unit(f.detector).to_owned(),
        sentence: spoken.then(|| explain::sentence(f, facts)),
    }
}

/// min(100, bits / 600), one decimal, rounded down.
fn shown(bits: u64) -> f64 {
    number((bits / 60).min(1000)) / 10.0
}

/// What a finding about nobody's day is made of: an address against many accounts, something that did not happen.
pub(super) struct Lone<'a> {
    pub(super) tenant: &'a str,
    pub(super) subject: Subject,
    /// The person whom it concerns, when it is about one.
    pub(super) person: Option<(&'a str, &'a Person)>,
    pub(super) control: &'static str,
    pub(super) severity: Severity,
    pub(super) time: Timestamp,
    /// What was seen, what was expected, of what.
    pub(super) observed: f64,
    pub(super) expected: f64,
    pub(super) unit: &'static str,
    pub(super) sentence: Text,
    /// The cold-start prior in force.
    pub(super) prior: Option<&'a str>,
}

impl Lone<'_> {
    /// `cause`: `source/id` of the event, or the deadline that passed.
    pub(super) fn signal(&self, manager: &str, cause: &str, event_id: &str) -> Signal {
        Signal {
            signal_id: id(&[self.tenant, self.subject.kind.as_str(), &self.subject.id, cause, self.control, self.control]),
            tenant: self.tenant.to_owned(),
            manager: manager.to_owned(),
            time: self.time,
            control: self.control.to_owned(),
            detector: self.control.to_owned(),
            bits: millibits(rule::nats(self.severity)),
            observed: self.observed,
            expected: self.expected,
            unit: self.unit.to_owned(),
            event_id: event_id.to_owned(),
            muted: false,
        }
    }

    /// The id of an alert that something opens: an event (`source/id`), or a deadline, to which its control belongs.
    pub(super) fn alert_id(&self, cause: &[&str]) -> String {
        let mut parts = vec![self.tenant, self.subject.kind.as_str(), &self.subject.id];
        parts.extend(cause);
        id(&parts)
    }

    /// The bits of its alert: a rule among families that say nothing.
    pub(super) fn bits(&self) -> u64 {
        millibits(self.score())
    }

    fn score(&self) -> f64 {
        let others = number(FAMILIES as u64 - 1);
        ln((others + exp(rule::nats(self.severity))) / number(FAMILIES as u64))
    }

    pub(super) fn version(&self, episode: &Episode, notify: bool, late: bool, event_ids: Vec<String>, events_total: u64) -> AlertVersion {
        let sentence = explain::in_rule_words(&self.sentence, rule::nats(self.severity));
        let bits = self.bits();
        AlertVersion {
            alert_id: episode.alert_id.clone(),
            version: episode.version,
            tenant: self.tenant.to_owned(),
            manager: self.person.map(|(id, _)| id.to_owned()),
            subject: self.subject.clone(),
            team: self.person.and_then(|(_, p)| known(&p.post.team)),
            role: self.person.and_then(|(_, p)| known(&p.post.role)),
            notify,
            linked: episode.linked.iter().cloned().collect(),
            late,
            lookback: false,
            time: self.time,
            opened_at: Timestamp::from_millis(episode.from),
            kind: self.control.to_owned(),
            controls: vec![self.control.to_owned()],
            severity: episode.severity,
            bits,
            ln_p: -self.score(),
            score: shown(bits),
            summary: sentence.clone(),
            contributions: vec![Contribution {
                detector: Detector::Rule.as_str().to_owned(),
                family: Family::Rule.as_str().to_owned(),
                bits,
                observed: self.observed,
                expected: self.expected,
                unit: self.unit.to_owned(),
                sentence: Some(sentence),
            }],
            event_ids,
            events_total,
            records: 0,
            clients: 0,
            mitre: control::mitre(self.control).iter().map(|m| (*m).to_owned()).collect(),
            prior: self.prior.unwrap_or("none").to_owned(),
            engine: super::VERSION.to_owned(),
        }
    }
}

fn id(parts: &[&str]) -> String {
    Uuid::new_v5(&SPACE, parts.join("\0").as_bytes()).to_string()
}

const _: () = assert!(DETECTORS == RULE + 1, "rules come last");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_score_is_rounded_down_and_ends_at_a_hundred() {
        for (bits, expected) in [(0, 0.0), (59, 0.0), (60, 0.1), (13_037, 21.7), (59_999, 99.9), (60_000, 100.0), (u64::MAX, 100.0)] {
            assert!((shown(bits) - expected).abs() < 1e-12, "{bits}");
        }
    }

    #[test]
    fn parts_of_an_id_do_not_run_together() {
        assert_ne!(id(&["a", "bc"]), id(&["ab", "c"]));
        assert_eq!(id(&["a"]), id(&["a"]));
    }
}
