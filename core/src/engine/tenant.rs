//! One tenant's log in, effects out.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Effect, Lateness, ManagerDay, ManagerHour, Policy, Record, Signal, Trace, Verdict, VerdictKind,
    accumulate::{Company, Moment, Priors, accumulate, rules},
    alert::{Case, Firm, Found},
    baseline::novelty::Everybody,
    budget::{Week, young},
    calendar::{Calendar, date, manager_day},
    class::{CLASSES, Class},
    control::endpoint_risk,
    day::Day,
    detector::{DRIFTS, FAMILIES, SHARE},
    episode::{self, Claim},
    explain::Family,
    features::DayFeatures,
    manager::{Baseline, Manager},
    mute::{About, Mutes},
    near::{self, Nears},
    people::People,
    repeat::{KEEP_MS, Origins, Seen},
    rollup::Rollups,
    roster::Roster,
    rule::{Rule, Rules},
    score,
    team::Teams,
    terms::Terms,
    watch::Watch,
    windows::Windows,
};
use crate::{
    directory::User,
    event::{Date, Enriched, Timestamp},
};

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
    /// Closed manager-days, where somebody wants them.
    pub(super) features: Option<Vec<DayFeatures>>,
    priors: Priors,
    trace: Trace,
}

/// What a tenant's managers share.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) classes: [Class; CLASSES],
    pub(super) teams: Teams,
    pub(super) everybody: Everybody,
    /// Clients that anybody touched.
    pub(super) windows: Windows,
    /// What is to be quiet.
    pub(super) mutes: Mutes,
    /// What rules remember of all.
    pub(super) watch: Watch,
    pub(super) origins: Origins,
    pub(super) week: Week,
    /// The cold-start prior in force.
    pub(super) prior: Option<String>,
    /// Peer groups fitted where roles do not say them, and as of which date.
    pub(super) groups: BTreeMap<String, Arc<str>>,
    pub(super) fitted: Option<Date>,
    /// Manager-days closed.
    pub(super) learned_days: u64,
    pub(super) first_date: Option<Date>,
    pub(super) last_closed: Option<Date>,
}

impl Tenant {
    /// A tenant of which nothing is known.
    pub fn new(name: &str) -> Self {
        let policy = Policy::default();
        let budget = Week::default().rate(Terms::of(&policy).budget);
        let shared = Shared {
            classes: std::array::from_fn(|c| Class::new(c, budget)),
            teams: Teams::default(),
            everybody: Everybody::default(),
            windows: Windows::default(),
            mutes: Mutes::default(),
            watch: Watch::default(),
            origins: Origins::default(),
            week: Week::default(),
            prior: None,
            groups: BTreeMap::new(),
            fitted: None,
            learned_days: 0,
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
            features: None,
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
            Record::Prior(prior) => self.start_from(prior),
            Record::Fit(fit) => self.regroup(fit),
            Record::User(user) => self.meet(user, effects),
            Record::Mute(mute) => self.shared.mutes.hear(mute),
            Record::Verdict(verdict) => self.hear(verdict),
            Record::Reset(reset) => self.reset(&reset.manager),
            Record::Event(event) => self.event(event, effects),
            Record::Tick(tick) => self.tick(tick.at, effects),
        }
    }

    /// What is usual for a manager begins anew; what is open or was told stays, and so does whom they know.
    fn reset(&mut self, id: &str) {
        let Some(n) = self.roster.find(id) else { return };
        let manager = self.roster.change(n);
        manager.base.reset();
        manager.nears = Nears::default();
        manager.stale();
    }

    /// A row of the directory. Whoever is found to leave by it is looked back at.
    fn meet(&mut self, user: &User, effects: &mut Vec<Effect>) {
        let leaves = |people: &People| {
            let p = people.at(&user.id, Timestamp::MAX);
            (p.notice_at, p.terminated_at)
        };
        let before = leaves(&self.people);
        self.people.insert(user, &mut self.calendar);
        let after = leaves(&self.people);
        let leaving = after.0.into_iter().chain(after.1).min();
        let (Some(leaving), Some(n)) =
            (leaving.filter(|_| after != before && self.terms.enabled(near::CONTROL)), self.roster.find(&user.id))
        else {
            return;
        };
        // What came after it was looked at closely then.
        let until = manager_day(self.calendar.local_ms(self.people.at(&user.id, leaving).zone, leaving));
        let since = Date(self.calendar.watermark().map_or(until, |w| date(w.millis()).min(until)).0 - near::DAYS);
        let post = self.people.at(&user.id, leaving).post.clone();
        for alert in self.roster.change(n).nears.take(since, until) {
            let about = About { manager: Some(&user.id), team: &post.team, now: None, address: None, time: alert.time };
            if !self.shared.mutes.silence(near::CONTROL, &about) {
                effects.push(Effect::Alert(Box::new(alert)));
            }
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
        let (class, budget) = (&mut self.shared.classes[c], self.shared.week.rate(self.terms.budget));
        class.theta = match (self.shared.last_closed, self.shared.first_date) {
            (Some(last), Some(first)) => class.calibration.thresholds(last, first, budget, &class.elsewhere),
            _ => young(budget),
        };
    }

    /// An answer ends the alert. An incident leaves the calibration set; expected work stops its drift.
    fn hear(&mut self, verdict: &Verdict) {
        self.shared.watch.waves.answer(&verdict.alert_id, verdict.verdict);
        let Some(n) = self.roster.find(&verdict.manager) else { return };
        // Whoever asks again after a failure may write the same record twice.
        if !episode::answer(&mut self.roster.change(n).episodes, &verdict.alert_id, verdict.verdict) {
            return;
        }
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
            VerdictKind::FalsePositive | VerdictKind::Duplicate | VerdictKind::Unknown => {}
        }
    }

    /// The order of work for one event is that of DETECTION.md §2.
    fn event(&mut self, e: &Enriched, effects: &mut Vec<Effect>) {
        let (t, id) = (e.event.time, e.enrich.manager.as_str());
        let Some(watermark) = self.admit(e) else {
            effects.push(Effect::Repeated);
            return;
        };
        if self.calendar.raise(t) {
            self.close_due();
        }
        let person = self.people.at(id, t).clone();
        let class = Class::of(person.kind.unwrap_or(e.event.actor.kind)).filter(|_| self.has_room(id));
        let Some(class) = class else {
            effects.push(Effect::Stored { late: Lateness::Unscored });
            return;
        };
        let local_ms = self.calendar.local_ms(person.zone, t);
        let date = manager_day(local_ms);
        self.shared.first_date.get_or_insert(date);
        let closed = self.calendar.is_closed(date);
        let too_late = closed && watermark.millis() - t.millis() > KEEP_MS;
        effects.push(Effect::Stored {
            late: match (closed, too_late) {
                (_, true) => Lateness::TooLate,
                (true, _) => Lateness::Late,
                _ => Lateness::OnTime,
            },
        });
        self.shared.watch.note(e);
        let now = Moment { event: &e.event, enriched: e, person: &person, local_ms };
        let mut post = person.post.clone();
        if let Some(group) = self.shared.groups.get(id) {
            post.peers = group.clone();
        }
        let begun = || Day::new(date, class, post.clone(), closed);
        if too_late {
            self.belated(&now, begun(), effects);
            return;
        }
        let n = self.roster.number(id);
        let m = self.roster.change(n);
        self.rollups.note(n, m);
        let at = m.find(date).unwrap_or_else(|| {
            let day = begun();
            self.shared.teams.day(date, day.team()).join();
            if !closed {
                self.open.entry(date).or_default().push(n);
            }
            m.open(day)
        });
        self.score(n, at, &now, effects);
        self.failed(&now, effects);
    }

    /// Adds an event to a manager's day and tells what is found.
    fn score(&mut self, n: usize, at: usize, now: &Moment<'_>, effects: &mut Vec<Effect>) {
        let Manager { id, base, days, episodes, memory, nears, .. } = self.roster.change(n);
        let Shared { classes, teams, everybody, windows, watch, mutes, week, prior, .. } = &mut self.shared;
        let team = days[at].team();
        let known = if self.terms.lately { teams.before(days[at].date, team) } else { None };
        days[at].team_before = known.and_then(|(date, team_day)| {
            let own = days.iter().find(|d| d.date == date && d.team() == team);
            team_day.share_of_others(own.map_or(0.0, |d| d.x[SHARE]), own.map_or(0.0, Day::clients), None)
        });
        let day = &mut days[at];
        let class = &classes[day.class];
        base.expect(class, &day.post.peers);
        day.refresh(base, class, &self.terms);
        let (before, revealed, broken) = (day.v, day.revealed(), day.hits.len());
        let me = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
        let (people, rates, priors) = (&self.people, &class.rates, &mut self.priors);
        let changed = accumulate(
            day,
            base,
            memory,
            now,
            &mut Company { people, teams: &mut *teams, everybody, windows: &mut *windows, rates, terms: &self.terms, priors, watch, me },
        );
        day.rise(changed, base, teams.day(day.date, team), class, &self.terms, revealed);
        let after = day.v;
        day.evidence.note(&before, &after, || now.event.reference());
        let at_risk = endpoint_risk::is_at_risk(memory, now.event.time.millis(), self.terms.limits.finding_ms);
        let (score, behaviour) = lifted(day.score(), now, at_risk && self.terms.rules.has(Rule::EndpointRisk));
        day.peak = day.peak.max(behaviour);
        let severity = score::severity(behaviour, &class.theta).max(day.hits.severity(self.terms.rules));
        self.trace = Trace::of(day, score, behaviour, class.theta, severity);
        let reached = day.whole_nats();

        let found = Found { tenant: &self.name, manager: id, now, day, base, terms: &self.terms, prior: prior.as_deref() };
        let about = found.about();
        let said = |s: Signal| Effect::Signal(Box::new(Signal { muted: mutes.silence(&s.control, &about), ..s }));
        effects.extend(reached.iter().map(|k| said(found.signal(k))));
        effects.extend(day.hits.since(broken, self.terms.rules).map(|hit| said(found.rule_signal(hit))));
        // What is large in itself makes an alert more severe, and opens none.
        let floor = self.terms.floors.export.severity(day.largest).max(self.terms.floors.change.severity(day.most_changed));
        let opened = || Claim::is_open(episodes, day.date, now.event.time.millis());
        let Some(severity) = severity.or_else(|| floor.filter(|_| opened())).map(|s| Some(s).max(floor).unwrap_or(s)) else {
            // One nat more, as from notice on, would have made an alert of it.
            let known = || Claim::is_known(episodes, day.date, now.event.time.millis());
            let would = score::severity(behaviour + 1.0, &class.theta).filter(|_| behaviour > 0.0 && !day.closed && !known());
            if let Some(severity) = would.filter(|_| nears.wants(day.date, score::millibits(score + 1.0))) {
                let facts = found.facts(&self.calendar, &Firm { teams, windows, week, terms: &self.terms });
                nears.keep(day.date, &found.near(score + 1.0, severity, &facts));
            }
            return;
        };
        let case = Case::of(day, score);
        let calendar = &mut self.calendar;
        let claim = found.claim(&case, severity);
        let muted = found.is_muted(&case, mutes);
        if !muted && let Some((episode, notify)) = claim.file(episodes, || calendar.end(claim.date), || found.alert_id(false)) {
            let facts = found.facts(calendar, &Firm { teams, windows, week, terms: &self.terms });
            effects.push(Effect::Alert(Box::new(found.version(&case, &episode, notify, &facts))));
        }
        // Muted or not: what is learned must not depend on who listens.
        if case.names(Family::Drip) {
            day.told |= day.drifts();
        }
        if case.names(Family::Relation) && day.leading(Family::Relation as usize) == SHARE {
            day.told_share = day.share;
        }
        nears.drop(day.date);
    }

    /// Only hard rules see an event more than 72 h behind the watermark. What they find is an alert of its own, one for each rule
    /// and date, so that a delivery of old events does not bury everybody.
    fn belated(&mut self, now: &Moment<'_>, mut day: Day, effects: &mut Vec<Effect>) {
        // Contacts of so long ago are forgotten: who is not known has none.
        let stranger = Baseline::default();
        let known = self.roster.find(&now.enriched.enrich.manager).map_or(&stranger, |n| &self.roster.get(n).base);
        rules(&mut day, known, now, &self.people, &self.terms);
        let broken = day.hits.rules(self.terms.rules);
        let Some(severity) = day.hits.severity(self.terms.rules) else { return };
        let n = self.roster.number(&now.enriched.enrich.manager);
        let Manager { id, base, belated, .. } = self.roster.change(n);
        if !remember(belated, day.date, broken) {
            return;
        }
        let class = &self.shared.classes[day.class];
        base.expect(class, &day.post.peers);
        day.events = 1;
        day.refresh(base, class, &self.terms);
        let (nothing, all) = ([0.0; FAMILIES], day.v);
        day.evidence.note(&nothing, &all, || now.event.reference());
        let (score, behaviour) = lifted(day.score(), now, false);
        self.trace = Trace::of(&day, score, behaviour, class.theta, Some(severity));

        let found =
            Found { tenant: &self.name, manager: id, now, day: &day, base, terms: &self.terms, prior: self.shared.prior.as_deref() };
        let (about, mutes) = (found.about(), &self.shared.mutes);
        let said = |s: Signal| Effect::Signal(Box::new(Signal { muted: mutes.silence(&s.control, &about), ..s }));
        effects.extend(day.hits.since(0, self.terms.rules).map(|hit| said(found.rule_signal(hit))));
        let case = Case::of(&day, score);
        let claim = found.claim(&case, severity);
        if found.is_muted(&case, mutes) {
            return;
        }
        if let Some((episode, notify)) = claim.file(&mut Vec::new(), || claim.time, || found.alert_id(true)) {
            let Shared { teams, windows, week, .. } = &self.shared;
            let facts = found.facts(&self.calendar, &Firm { teams, windows, week, terms: &self.terms });
            effects.push(Effect::Alert(Box::new(found.version(&case, &episode, notify, &facts))));
        }
    }

    /// Whether a manager is known or can be taken on: accounts without a row are many only when somebody invents them.
    fn has_room(&self, id: &str) -> bool {
        self.roster.len() < self.terms.ghosts
            || self.roster.find(id).is_some()
            || self.people.contains(id)
            || self.roster.len() < self.terms.ghosts + self.people.len()
    }

    /// The watermark with an event that was not delivered before.
    fn admit(&mut self, e: &Enriched) -> Option<Timestamp> {
        let before = self.calendar.watermark();
        let now = before.map_or(e.event.time, |w| w.max(e.event.time));
        // Within the memory of ids they decide: what was rejected at the first delivery may be right at the second.
        let passed = e.origin.as_ref().is_some_and(|o| !self.shared.origins.advance(o, now));
        if passed && now.millis() - e.event.time.millis() > KEEP_MS {
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

/// Who leaves, or works on a machine with a finding, is looked at a nat more closely.
fn lifted((score, behaviour): (f64, f64), now: &Moment<'_>, at_risk: bool) -> (f64, f64) {
    let closely = at_risk || now.person.leaving(now.event.time);
    let lift = |s: f64| if closely && s > 0.0 { s + 1.0 } else { s };
    (lift(score), lift(behaviour))
}
