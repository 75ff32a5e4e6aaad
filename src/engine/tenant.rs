//! One tenant's log in, effects out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Effect, Lateness, ManagerDay, ManagerHour, Policy, Record, Trace, Verdict, VerdictKind,
    accumulate::{Company, Moment, Priors, accumulate, rules},
    alert::{Case, Found, alert_id},
    baseline::novelty::Everybody,
    budget::young,
    calendar::{Calendar, hour_of_week, manager_day},
    class::{CLASSES, Class},
    day::Day,
    detector::{DRIFTS, FAMILIES},
    explain::Facts,
    manager::Manager,
    math::count,
    people::{People, Person},
    repeat::{KEEP_MS, Origins, Seen},
    rollup::Rollups,
    roster::Roster,
    rule::Rules,
    score,
    team::Teams,
    terms::Terms,
};
use crate::event::{Date, Enriched, Timestamp, Work};

/// Dates on which events of long ago broke rules, per manager.
const BELATED: usize = 16;

/// All that is known of a tenant.
#[derive(Debug)]
pub struct Tenant {
    pub(super) name: String,
    pub(super) policy: Policy,
    pub(super) terms: Terms,
    pub(super) people: People,
    pub(super) calendar: Calendar,
    pub(super) shared: Shared,
    pub(super) roster: Roster,
    /// Managers with a day that is not closed.
    pub(super) open: BTreeMap<Date, Vec<usize>>,
    pub(super) seen: Seen,
    pub(super) rollups: Rollups,
    priors: Priors,
    trace: Trace,
}

/// What a tenant's managers share.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) classes: [Class; CLASSES],
    pub(super) teams: Teams,
    pub(super) everybody: Everybody,
    pub(super) origins: Origins,
    pub(super) first_date: Option<Date>,
    pub(super) last_closed: Option<Date>,
}

impl Tenant {
    /// A tenant of which nothing is known.
    pub fn new(name: &str) -> Self {
        let policy = Policy::default();
        let budget = Terms::of(&policy).budget;
        let shared = Shared {
            classes: std::array::from_fn(|c| Class::new(c, budget)),
            teams: Teams::default(),
            everybody: Everybody::default(),
            origins: Origins::default(),
            first_date: None,
            last_closed: None,
        };
        Self::from_parts(name.to_owned(), policy, People::default(), shared)
    }

    pub(super) fn from_parts(name: String, policy: Policy, mut people: People, shared: Shared) -> Self {
        let terms = Terms::of(&policy);
        let mut calendar = Calendar::new(&policy.zone, terms.lateness_ms);
        people.settle(&mut calendar);
        Self {
            name,
            policy,
            terms,
            people,
            calendar,
            shared,
            roster: Roster::default(),
            open: BTreeMap::new(),
            seen: Seen::default(),
            rollups: Rollups::default(),
            priors: Priors::default(),
            trace: Trace::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The greatest event time so far.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.calendar.watermark()
    }

    /// The numbers behind the last scored event.
    pub fn last_trace(&self) -> &Trace {
        &self.trace
    }

    /// Ids of all managers, sorted.
    pub fn managers(&self) -> Vec<String> {
        self.roster.ids()
    }

    /// Ids of managers changed since the last [`Tenant::mark_clean`], sorted.
    pub fn changed_managers(&self) -> Vec<String> {
        self.roster.changed()
    }

    /// All states so far are saved.
    pub fn mark_clean(&mut self) {
        self.roster.mark_clean();
    }

    /// Absolute counts of the days and UTC hours that changed since the last call, sorted by manager and time. Events more than
    /// 72 h behind the watermark are in none.
    pub fn take_rollups(&mut self) -> (Vec<ManagerDay>, Vec<ManagerHour>) {
        self.rollups.take(&mut self.roster)
    }

    /// Applies one record of the log. Never fails: what is wrong was turned away before, what is missing is a normal case.
    pub fn apply(&mut self, record: &Record, effects: &mut Vec<Effect>) {
        match record {
            Record::Policy(policy) => self.adopt(policy),
            Record::User(user) => {
                self.people.insert(user, &mut self.calendar);
            }
            Record::Verdict(verdict) => self.hear(verdict),
            Record::Event(event) => self.event(event, effects),
            Record::Tick(_) => {}
        }
    }

    fn adopt(&mut self, policy: &Policy) {
        let terms = Terms::of(policy);
        let policy = Policy { budget: terms.budget, ..policy.clone() };
        if self.policy == policy {
            return;
        }
        self.calendar.reset(&policy.zone, terms.lateness_ms);
        (self.policy, self.terms) = (policy, terms);
        self.people.settle(&mut self.calendar);
        for c in 0..CLASSES {
            self.set_threshold(c);
            self.shared.classes[c].touch();
        }
    }

    fn set_threshold(&mut self, c: usize) {
        let (class, budget) = (&mut self.shared.classes[c], self.terms.budget);
        class.theta = match (self.shared.last_closed, self.shared.first_date) {
            (Some(last), Some(first)) => class.calibration.thresholds(last, first, budget),
            _ => young(budget),
        };
    }

    /// An incident leaves the calibration set; expected work stops its drift.
    fn hear(&mut self, verdict: &Verdict) {
        let Some(n) = self.roster.find(&verdict.manager) else { return };
        match verdict.verdict {
            VerdictKind::TruePositive => {
                for date in &verdict.days {
                    if let Some(c) = self.roster.change(n).exclude(*date, &mut self.shared.classes) {
                        self.set_threshold(c);
                    }
                }
            }
            VerdictKind::BenignExpected => {
                let named = |d: &crate::engine::explain::Detector| verdict.drip.iter().any(|name| name == d.as_str());
                for (j, _) in DRIFTS.iter().enumerate().filter(|(_, d)| named(d)) {
                    self.roster.change(n).base.drift.reset(j);
                }
            }
            VerdictKind::FalsePositive => {}
        }
    }

    /// The order of work for one event is that of DETECTION.md §2.
    fn event(&mut self, e: &Enriched, effects: &mut Vec<Effect>) {
        let t = e.event.time;
        let Some(watermark) = self.admit(e) else {
            effects.push(Effect::Repeated);
            return;
        };
        if self.calendar.raise(t) {
            self.close_due();
        }
        let person = self.people.at(&e.enrich.manager, t);
        let Some(class) = Class::of(person.kind.unwrap_or(e.event.actor.kind)) else {
            effects.push(Effect::Stored { late: Lateness::Unscored });
            return;
        };
        let local_ms = self.calendar.local_ms(person.zone, t);
        let date = manager_day(local_ms);
        self.shared.first_date.get_or_insert(date);
        let closed = self.calendar.is_closed(date);
        let now = Moment { event: &e.event, enriched: e, person, local_ms };
        if closed && watermark.millis() - t.millis() > KEEP_MS {
            effects.push(Effect::Stored { late: Lateness::TooLate });
            let day = Day::new(date, class, person.post.clone(), true);
            belated(&mut self.roster, &mut self.shared, &self.calendar, &self.terms, &self.name, &now, day, &mut self.trace, effects);
            return;
        }
        effects.push(Effect::Stored { late: if closed { Lateness::Late } else { Lateness::OnTime } });
        let n = self.roster.number(&e.enrich.manager);
        let m = self.roster.change(n);
        let at = m.find(date).unwrap_or_else(|| {
            let day = Day::new(date, class, person.post.clone(), closed);
            if !closed {
                self.open.entry(date).or_default().push(n);
            }
            self.shared.teams.day(date, day.team()).join();
            m.open(day)
        });
        self.rollups.note(n, m);
        let Manager { id, base, days, episodes, .. } = m;
        let day = &mut days[at];
        let Shared { classes, teams, everybody, .. } = &mut self.shared;
        let class = &classes[day.class];
        base.expect(class, &day.post.role);
        day.refresh(base, class, &self.terms);
        let (before, revealed, fired) = (day.v, day.revealed(), day.rules);
        let me = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
        let mut company =
            Company { people: &self.people, teams: &mut *teams, everybody, rates: &class.rates, priors: &mut self.priors, me };
        let changed = accumulate(day, base, &now, &mut company);
        day.rise(changed, base, teams.day(date, day.team()), class, &self.terms, revealed);
        let after = day.v;
        day.evidence.note(&before, &after, || e.event.reference());

        let (score, behaviour) = lifted(day.score(), person.leaving(t));
        day.peak = day.peak.max(behaviour);
        let rules = day.rules.and(self.terms.rules);
        let severity = score::severity(behaviour, &class.theta).max(rules.severity());
        self.trace = Trace::of(day, score, behaviour, class.theta, severity);
        let whole_nats = day.whole_nats();
        let found = Found { tenant: &self.name, manager: id, event: e, day, base, rules: self.terms.rules };
        for k in whole_nats.iter() {
            effects.push(Effect::Signal(Box::new(found.signal(k))));
        }
        for rule in rules.without(fired).iter() {
            effects.push(Effect::Signal(Box::new(found.rule_signal(rule))));
        }
        let Some(severity) = severity else { return };
        let case = Case::of(day, score);
        if case.is_empty() {
            return;
        }
        let calendar = &mut self.calendar;
        let filed = found.claim(&case, severity).file(episodes, || calendar.end(date), || alert_id(&self.name, id, &e.event, false));
        if let Some((episode, notify)) = filed {
            let facts = facts(&found, &now, calendar, teams, self.terms.budget);
            effects.push(Effect::Alert(Box::new(found.version(&case, &episode, notify, &facts))));
        }
    }

    /// The watermark with an event that was not delivered before.
    fn admit(&mut self, e: &Enriched) -> Option<Timestamp> {
        let before = self.calendar.watermark();
        let now = before.map_or(e.event.time, |w| w.max(e.event.time));
        if e.origin.as_ref().is_some_and(|o| !self.shared.origins.advance(o, now)) {
            return None;
        }
        let hash = e.event.dedup_hash();
        if self.seen.has(hash, before) {
            return None;
        }
        self.seen.note(hash, e.event.time, before, now);
        Some(now)
    }
}

/// Only hard rules see an event more than 72 h behind the watermark. What they find is an alert of its own, one for each rule
/// and date, so that a delivery of old events does not bury everybody.
#[expect(clippy::too_many_arguments, reason = "parts of a tenant that are borrowed apart")]
fn belated(
    roster: &mut Roster,
    shared: &mut Shared,
    calendar: &Calendar,
    terms: &Terms,
    tenant: &str,
    now: &Moment<'_>,
    mut day: Day,
    trace: &mut Trace,
    effects: &mut Vec<Effect>,
) {
    rules(&mut day, now);
    let broken = day.rules.and(terms.rules);
    let Some(severity) = broken.severity() else { return };
    let n = roster.number(&now.enriched.enrich.manager);
    let Manager { id, base, belated, .. } = roster.change(n);
    if !remember(belated, day.date, broken) {
        return;
    }
    let class = &shared.classes[day.class];
    base.expect(class, &day.post.role);
    day.events = 1;
    day.refresh(base, class, terms);
    let (none, all) = ([0.0; FAMILIES], day.v);
    day.evidence.note(&none, &all, || now.event.reference());
    let (score, behaviour) = lifted(day.score(), now.person.leaving(now.event.time));
    *trace = Trace::of(&day, score, behaviour, class.theta, Some(severity));
    let found = Found { tenant, manager: id, event: now.enriched, day: &day, base, rules: terms.rules };
    for rule in broken.iter() {
        effects.push(Effect::Signal(Box::new(found.rule_signal(rule))));
    }
    let case = Case::of(&day, score);
    let until = now.event.time.millis();
    if let Some((episode, notify)) = found.claim(&case, severity).file(&mut Vec::new(), || until, || alert_id(tenant, id, now.event, true))
    {
        let facts = facts(&found, now, calendar, &shared.teams, terms.budget);
        effects.push(Effect::Alert(Box::new(found.version(&case, &episode, notify, &facts))));
    }
}

/// Remembers rules that were broken on a date; false when all of them were known.
fn remember(belated: &mut Vec<(Date, Rules)>, date: Date, broken: Rules) -> bool {
    if let Some((_, known)) = belated.iter_mut().find(|(d, _)| *d == date) {
        let new = broken.without(*known);
        *known = known.or(broken);
        return !new.is_empty();
    }
    if belated.len() >= BELATED {
        belated.remove(0);
    }
    belated.push((date, broken));
    true
}

/// Who leaves is looked at a nat more closely.
fn lifted((score, behaviour): (f64, f64), leaving: bool) -> (f64, f64) {
    let lift = |s: f64| if leaving && s > 0.0 { s + 1.0 } else { s };
    (lift(score), lift(behaviour))
}

/// What holds for the whole manager-day, for the sentences.
fn facts(found: &Found<'_>, now: &Moment<'_>, calendar: &Calendar, teams: &Teams, budget: f64) -> Facts {
    let (day, base, t) = (found.day, found.base, now.event.time);
    let Person { zone, notice_at, terminated_at, .. } = now.person;
    let zone = calendar.zone_of(*zone);
    let leaving = now.person.leaving(t);
    let rules = day.rules.and(found.rules);
    let hour = hour_of_week(now.local_ms);
    let unrelated = day.x[crate::engine::explain::Detector::Unrel as usize];
    Facts {
        zone: zone.clone(),
        local: zone.clock(t),
        hour_share: day.hours.iter().find(|(b, _)| usize::from(*b) == hour).map_or(0.0, |(_, h)| f64::from(h.share)),
        records_out: count(day.x[0]),
        records_screen: count(day.x[1]),
        clients: count(day.clients()),
        clients_related: day.related,
        unrelated_key: day.unrelated_key,
        team_unrelated: teams.known_day(day.date, day.team()).and_then(|team| team.unrelated_of_others(unrelated)),
        new_values: day.news.shown(),
        drift_days: base.drift.days(),
        drift: std::array::from_fn(|j| found.drift(j)),
        baseline_days: base.hurdle.days(),
        budget,
        notice_at: notice_at.filter(|at| *at <= t),
        // Once notice is given or access has ended, the end of access is no secret.
        terminated_at: terminated_at.filter(|_| leaving),
        absent: now.enriched.enrich.work == Some(Work::Absent),
        substitute: day.substitute,
        address: day.denied.as_deref().map(str::to_owned),
        other_rules: rules.iter().filter(|r| Some(*r) != rules.strongest()).map(|r| r.id().to_owned()).collect(),
    }
}
