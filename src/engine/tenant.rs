//! One tenant's log in, effects out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Effect, Lateness, ManagerDay, ManagerHour, Policy, Record, Verdict, VerdictKind,
    baseline::{
        HURDLE, SLOW,
        hours::{self, WEEK},
        hurdle::step,
        novelty::{Everybody, WEIGHT},
        tail::recalibrate,
    },
    class::Class,
    day::{Day, Rule},
    manager::Manager,
    math::{count, ln_1p, number},
    score::{self, DETECTORS, FAMILIES, RULE},
    sketch::Known,
};
use crate::{
    directory::{Table, User, Zone, schedule},
    event::{Action, ActorKind, Address, DAY_MS, Date, Direction, Enriched, Event, HOUR_MS, NamedClient, Owner, Tier, Timestamp},
};

/// A manager-day is cut at 05:00 local.
const CUT_HOUR: u8 = 5;
/// How long a repeat is recognised and a closed day kept.
const KEEP_MS: i64 = 3 * DAY_MS;
/// A client's contact is a reason for so long.
const CONTACT_MS: i64 = 2 * DAY_MS;
/// Origins remembered per tenant.
const ORIGINS: usize = 100_000;

/// The numbers behind the last scored event, for tests and explanations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Local date of the manager-day.
    pub day: Date,
    /// Its date was closed.
    pub late: bool,
    /// Accumulators, k = 1...20.
    pub x: [f64; DETECTORS],
    /// Raw surprise before the discount.
    pub raw: [f64; DETECTORS],
    /// After it.
    pub r: [f64; DETECTORS],
    /// Recalibrated.
    pub s: [f64; DETECTORS],
    /// Per family.
    pub v: [f64; FAMILIES],
    /// Score, nats.
    pub score: f64,
    /// Without rules.
    pub behaviour: f64,
    /// θ of b, b/5, b/25.
    pub theta: [f64; 3],
    /// 0 none ... 4 critical.
    pub level: u8,
}

/// All that is known of a tenant.
#[derive(Debug)]
pub struct Tenant {
    pub(super) shared: Shared,
    pub(super) managers: BTreeMap<String, Manager>,
    /// Event hash → time, behind the watermark.
    seen: HashMap<u64, i64>,
    seen_by_hour: BTreeMap<i64, Vec<u64>>,
    changed: BTreeSet<String>,
    rolled: BTreeSet<(String, i32)>,
    rolled_hours: BTreeSet<(String, i32, i64)>,
    zones: HashMap<String, Zone>,
    priors: HashMap<String, Box<[f64; WEEK]>>,
    ends: HashMap<i32, i64>,
    trace: Trace,
}

/// What a tenant's managers share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Shared {
    pub(super) name: String,
    #[serde(with = "as_json")]
    pub(super) policy: Policy,
    #[serde(with = "as_json")]
    pub(super) users: Table<User>,
    pub(super) classes: [Class; 2],
    /// Managers with an open day, per date.
    open: BTreeMap<i32, BTreeSet<String>>,
    /// Team (by class and name) and date: members with an event, and per detector the sum of min(r, 8).
    teams: BTreeMap<(String, i32), (u32, [f64; DETECTORS])>,
    /// Weight of clients without a reason per (team, date), for sentences.
    unrelated: BTreeMap<(String, i32), f64>,
    team_hours: BTreeMap<String, Vec<f64>>,
    everybody: Everybody,
    pub(super) watermark: Option<i64>,
    first_date: Option<i32>,
    last_closed: Option<i32>,
    /// Per origin the greatest offset and index.
    origins: BTreeMap<String, (u64, u32)>,
}

/// Rows whose absent fields are not written cannot be read back from a format without names.
mod as_json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error, ser::Error as _};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(value).map_err(S::Error::custom)?.serialize(s)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let text = String::deserialize(d)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}

/// What of the user row in force matters to one event.
#[derive(Default)]
struct InForce {
    notice_at: Option<Timestamp>,
    terminated_at: Option<Timestamp>,
    absent: bool,
}

impl Tenant {
    /// A tenant of which nothing is known.
    pub fn new(name: &str) -> Self {
        let policy = Policy::default();
        let classes = [Class::new(policy.budget), Class::new(policy.budget)];
        Self::from_parts(Shared {
            name: name.to_owned(),
            policy,
            users: Table::default(),
            classes,
            open: BTreeMap::new(),
            teams: BTreeMap::new(),
            unrelated: BTreeMap::new(),
            team_hours: BTreeMap::new(),
            everybody: Everybody::default(),
            watermark: None,
            first_date: None,
            last_closed: None,
            origins: BTreeMap::new(),
        })
    }

    pub(super) fn from_parts(shared: Shared) -> Self {
        Self {
            shared,
            managers: BTreeMap::new(),
            seen: HashMap::new(),
            seen_by_hour: BTreeMap::new(),
            changed: BTreeSet::new(),
            rolled: BTreeSet::new(),
            rolled_hours: BTreeSet::new(),
            zones: HashMap::new(),
            priors: HashMap::new(),
            ends: HashMap::new(),
            trace: Trace::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The greatest event time so far.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.shared.watermark.map(Timestamp::from_millis)
    }

    /// The numbers behind the last scored event.
    pub fn last_trace(&self) -> &Trace {
        &self.trace
    }

    /// Ids of all managers, sorted.
    pub fn managers(&self) -> Vec<String> {
        self.managers.keys().cloned().collect()
    }

    /// Ids of managers changed since the last [`Tenant::mark_clean`], sorted.
    pub fn changed_managers(&self) -> Vec<String> {
        self.changed.iter().cloned().collect()
    }

    /// All states so far are saved.
    pub fn mark_clean(&mut self) {
        self.changed.clear();
    }

    /// Remembers events that were stored before a restart, so that repeats are recognised.
    pub fn remember(&mut self, seen: impl IntoIterator<Item = (u64, Timestamp)>) {
        for (h, t) in seen {
            self.note_seen(h, t.millis());
        }
    }

    fn note_seen(&mut self, h: u64, t: i64) {
        self.seen.insert(h, t);
        self.seen_by_hour.entry(t.div_euclid(HOUR_MS)).or_default().push(h);
    }

    /// Applies one record of the log. Never fails: what is wrong was turned away before, what is missing is a normal case.
    pub fn apply(&mut self, record: &Record, effects: &mut Vec<Effect>) {
        match record {
            Record::Policy(policy) => self.policy(policy),
            Record::User(user) => {
                self.shared.users.insert((**user).clone());
                self.ends.clear();
            }
            Record::Verdict(verdict) => self.verdict(verdict),
            Record::Event(event) => self.event(event, effects),
            Record::Tick(_) => {}
        }
    }

    fn policy(&mut self, policy: &Policy) {
        if self.shared.policy == *policy {
            return;
        }
        self.shared.policy = policy.clone();
        self.ends.clear();
        self.set_thresholds();
        // What was recalibrated under the old policy is stale.
        for class in &mut self.shared.classes {
            class.generation += 1;
        }
    }

    fn set_thresholds(&mut self) {
        let budget = self.shared.policy.budget;
        let (first, last) = (self.shared.first_date, self.shared.last_closed);
        for class in &mut self.shared.classes {
            class.theta = match (first, last) {
                (Some(first), Some(last)) => class.calibration.thresholds(last, first, budget),
                _ => super::budget::young(budget),
            };
        }
    }

    /// An incident leaves the calibration set; expected work stops its drift.
    fn verdict(&mut self, verdict: &Verdict) {
        match verdict.verdict {
            VerdictKind::TruePositive => {
                let mut known = false;
                for date in &verdict.days {
                    for class in &mut self.shared.classes {
                        known |= class.calibration.remove(date.0, &verdict.manager);
                    }
                    if let Some(day) = self.managers.get_mut(&verdict.manager).and_then(|m| m.days.get_mut(&date.0)) {
                        day.incident = true;
                        self.changed.insert(verdict.manager.clone());
                    }
                }
                if known {
                    self.set_thresholds();
                }
            }
            VerdictKind::BenignExpected => {
                if let Some(m) = self.managers.get_mut(&verdict.manager) {
                    for (j, name) in ["c_rec", "c_unrel", "c_distinct"].iter().enumerate() {
                        if verdict.drip.iter().any(|d| d == name) {
                            m.own.reset_drift(j);
                        }
                    }
                    self.changed.insert(verdict.manager.clone());
                }
            }
            VerdictKind::FalsePositive => {}
        }
    }

    fn event(&mut self, e: &Enriched, effects: &mut Vec<Effect>) {
        if self.repeated(e) {
            effects.push(Effect::Repeated);
            return;
        }
        let t = e.event.time.millis();
        self.note_seen(e.event.dedup_hash(), t);
        self.shared.watermark = Some(self.shared.watermark.map_or(t, |w| w.max(t)));
        self.close_due();
        let id = e.enrich.manager.as_str();
        let row = self.shared.users.at(id, e.event.time);
        let class = match row.and_then(|u| u.kind).unwrap_or(e.event.actor.kind) {
            ActorKind::User => 0_u8,
            ActorKind::Integration => 1,
            ActorKind::System => {
                effects.push(Effect::Stored { late: Lateness::Unscored });
                return;
            }
        };
        let (team, role) = (row.and_then(|u| u.team.clone()), row.and_then(|u| u.role.clone()).unwrap_or_else(|| role_of(row)));
        let schedule = row.and_then(|u| u.schedule.clone()).unwrap_or_default();
        let row = row.cloned();
        let zone = self.zone(row.as_ref());
        let force = in_force(row.as_ref(), &zone, e.event.time);
        let local = zone.local_ms(e.event.time);
        let date = i32::try_from((local - i64::from(CUT_HOUR) * HOUR_MS).div_euclid(DAY_MS)).expect("four-digit years");
        self.shared.first_date.get_or_insert(date);
        let closed = self.is_closed(date);
        let mut m = self.managers.remove(id).unwrap_or_default();
        self.changed.insert(id.to_owned());
        if closed && self.shared.watermark.expect("just set") - t > KEEP_MS {
            effects.push(Effect::Stored { late: Lateness::TooLate });
            self.too_late(&mut m, e, &force, Day::new(team, role, schedule, class, true), date, effects);
        } else {
            effects.push(Effect::Stored { late: if closed { Lateness::Late } else { Lateness::OnTime } });
            if !m.days.contains_key(&date) {
                self.open_day(id, &mut m, date, Day::new(team, role, schedule, class, closed));
            }
            let mut day = m.days.remove(&date).expect("just opened");
            let changed = self.accumulate(id, &mut m, &mut day, date, e, &force, local);
            let before = day.v;
            self.surprise(&mut m, &mut day, date, changed);
            day.v = score::families(&day.s);
            day.remember(|| e.event.reference(), &before);
            self.roll(id, &mut day, date, e);
            self.signals(id, &m, &mut day, e, effects);
            self.finish(id, &mut m, &mut day, date, e, &force, &zone, false, effects);
            m.days.insert(date, day);
        }
        self.managers.insert(id.to_owned(), m);
    }

    /// Only hard rules see an event of long ago; what they find is an alert of its own.
    fn too_late(&mut self, m: &mut Manager, e: &Enriched, force: &InForce, mut day: Day, date: i32, effects: &mut Vec<Effect>) {
        hard_rules(&mut day, e, force);
        if day.rules.is_empty() {
            return;
        }
        day.x[RULE] = day.rule_nats();
        day.s[RULE] = day.x[RULE];
        self.mask_rules(&mut day);
        day.events = 1;
        day.v = score::families(&day.s);
        day.remember(|| e.event.reference(), &[0.0; FAMILIES]);
        let zone = Zone::get(&e.enrich.zone).unwrap_or_default();
        let id = e.enrich.manager.as_str();
        self.signals(id, m, &mut day, e, effects);
        self.finish(id, m, &mut day, date, e, force, &zone, true, effects);
    }

    /// Rules of disabled controls have no evidence.
    fn mask_rules(&self, day: &mut Day) {
        if day.rules.iter().any(|r| !self.shared.policy.enabled(r.what().0)) {
            let mut left = day.clone();
            left.rules.retain(|r| self.shared.policy.enabled(r.what().0));
            day.s[RULE] = left.rule_nats();
        }
    }

    /// A position not above the highest of its origin, or an event seen in the last 72 h.
    fn repeated(&mut self, e: &Enriched) -> bool {
        if let Some(origin) = &e.origin {
            let at = (origin.offset, origin.index);
            let known = self.shared.origins.get(&origin.source);
            if known.is_some_and(|k| at <= *k) {
                return true;
            }
            if known.is_some() || self.shared.origins.len() < ORIGINS {
                self.shared.origins.insert(origin.source.clone(), at);
            }
        }
        let since = self.shared.watermark.map_or(i64::MIN, |w| w - KEEP_MS);
        self.seen.get(&e.event.dedup_hash()).is_some_and(|t| *t >= since)
    }

    fn zone(&mut self, row: Option<&User>) -> Zone {
        let name = row.and_then(|u| u.time_zone.as_deref()).unwrap_or(&self.shared.policy.zone);
        if let Some(zone) = self.zones.get(name) {
            return zone.clone();
        }
        let zone = Zone::get(name).unwrap_or_default();
        self.zones.insert(name.to_owned(), zone.clone());
        zone
    }

    /// The latest end of a date among the zones of the tenant and its users.
    fn end(&mut self, date: i32) -> i64 {
        if let Some(end) = self.ends.get(&date) {
            return *end;
        }
        let names: BTreeSet<&str> =
            self.shared.users.iter().filter_map(|u| u.time_zone.as_deref()).chain([self.shared.policy.zone.as_str()]).collect();
        let next = Date(date + 1);
        let end = names
            .into_iter()
            .map(|n| Zone::get(n).unwrap_or_default().instant(next, CUT_HOUR, 0).millis())
            .max()
            .expect("the tenant's zone");
        self.ends.insert(date, end);
        end
    }

    fn is_closed(&mut self, date: i32) -> bool {
        let end = self.end(date) + self.shared.policy.lateness_ms();
        self.shared.watermark.is_some_and(|w| w >= end)
    }

    fn open_day(&mut self, id: &str, m: &mut Manager, date: i32, day: Day) {
        if !day.closed {
            self.shared.open.entry(date).or_default().insert(id.to_owned());
        }
        if date > m.last_day {
            if m.role.as_ref().is_some_and(|r| *r != day.role) {
                m.own.change_role();
                m.expected = None;
            }
            (m.role, m.class, m.last_day) = (Some(day.role.clone()), day.class, date);
        }
        self.shared.teams.entry((team_key(&day), date)).or_default().0 += 1;
        m.days.insert(date, day);
    }

    /// §3. Returns the detectors that changed, as bits.
    #[expect(clippy::too_many_arguments, reason = "one step of one event, everything at hand")]
    fn accumulate(&mut self, id: &str, m: &mut Manager, day: &mut Day, date: i32, e: &Enriched, force: &InForce, local: i64) -> u32 {
        use Action::{
            ApiQuery, Call, Delete, Email, Export, List, Login, Logout, Merge, Message, Print, Report, Search, Share, Transfer, Update,
            View,
        };
        let event = &e.event;
        let (before, ok) = (day.x, event.ok());
        day.events += 1;
        let rec = number(event.records.unwrap_or(u64::from(event.action == View)));
        let out = matches!(event.action, Export | Print | ApiQuery);
        let screen = matches!(event.action, List | Report | Search | View);
        if ok {
            let x = &mut day.x;
            if out {
                x[0] += rec;
                x[3] += 1.0;
            } else if screen {
                x[1] += rec;
            }
            if matches!(event.action, Search | List | Report) {
                x[4] += 1.0;
            }
            if (out || screen) && rec > 1.0 && event.query.as_ref().and_then(|q| q.filter) == Some(false) {
                x[2] += rec;
            }
            if matches!(event.action, Delete | Merge | Transfer) {
                x[8] += rec.max(1.0);
            } else if event.action == Update {
                x[9] += rec.max(1.0);
            }
            let outside = self.outside(event);
            if event.action == Share || event.action == Transfer && outside {
                x[10] += rec.max(1.0) * if outside { 1.0 } else { 0.1 };
            }
            let incoming = match event.action {
                Call => event.call.as_ref().and_then(|c| c.direction) == Some(Direction::In),
                Email | Message => event.attrs.get("direction").and_then(|d| d.as_str()) == Some("in"),
                _ => false,
            };
            for client in &e.enrich.clients {
                self.touch(m, day, date, event, client, incoming);
            }
        } else if event.action == Login {
            day.x[15] += 1.0;
        }
        let sp = self.hour(m, day, local);
        if event.action != Logout {
            day.x[11] += 0.25 * sp * (1.0 + ln_1p(if ok { rec } else { 0.0 }));
        }
        if out && ok {
            day.x[12] += sp * ln_1p(rec);
        }
        self.news(id, m, day, date, event);
        hard_rules(day, e, force);
        day.x[RULE] = day.rule_nats();
        let mut changed = 0;
        for k in (0..HURDLE).chain([RULE]) {
            #[expect(clippy::float_cmp, reason = "whether it was added to")]
            if day.x[k] != before[k] {
                changed |= 1 << k;
            }
        }
        for (j, of) in [0b11_u32, 0b100_0000, 0b10_0000].into_iter().enumerate() {
            if changed & of != 0 {
                changed |= 1 << (HURDLE + j);
            }
        }
        changed
    }

    /// Given to somebody outside: an address that is no user's id.
    fn outside(&self, event: &Event) -> bool {
        let Some(change) = &event.change else { return false };
        let text = |t: &Option<String>| t.clone().filter(|t| !t.is_empty());
        let target = if event.action == Action::Transfer {
            text(&change.to).or_else(|| text(&change.target))
        } else {
            text(&change.target).or_else(|| text(&change.to))
        };
        target.is_some_and(|t| t.contains('@') && !self.shared.users.contains(&t))
    }

    fn touch(&mut self, m: &mut Manager, day: &mut Day, date: i32, event: &Event, client: &NamedClient, incoming: bool) {
        let t = event.time.millis();
        if incoming {
            m.contact.note(client.h, t);
        }
        let weight = match day.touched.get(client.h) {
            Known::Weight(w) => w,
            Known::Probably => relation(m, day.closed, date, t, client),
            Known::New => {
                let w = relation(m, day.closed, date, t, client);
                day.touched.insert(client.h, w);
                day.x[5] += 1.0;
                day.x[6] += w;
                if w > 0.0 {
                    *self.shared.unrelated.entry((team_key(day), date)).or_default() += w;
                    day.unrelated_key += u64::from(client.tier == Some(Tier::Key));
                    day.substitute |= client.owner == Owner::TeamAbsent;
                } else {
                    day.related += 1;
                }
                w
            }
        };
        if event.action == Action::Call && matches!(day.called.get(client.h), Known::New) {
            day.called.insert(client.h, weight);
            day.x[7] += weight;
        }
    }

    /// Hour surprise, once per (manager-day, hour of week).
    fn hour(&mut self, m: &mut Manager, day: &mut Day, local: i64) -> f64 {
        // 1970-01-01 was a Thursday.
        let b = (local.div_euclid(HOUR_MS) + 72).rem_euclid(168);
        let (key, b) = (u8::try_from(b).expect("an hour of the week"), usize::try_from(b).expect("an hour of the week"));
        if let Some(hour) = day.hours.get(&key) {
            return hour.sp;
        }
        if !self.priors.contains_key(&day.schedule) {
            self.priors.insert(day.schedule.clone(), Box::new(schedule::prior(&day.schedule)));
        }
        let prior = &self.priors[&day.schedule];
        let team = self.shared.team_hours.entry(team_key(day)).or_insert_with(|| vec![0.0; WEEK]);
        let hour = hours::surprise(&m.hours, team, prior, b);
        day.hours.insert(key, hour);
        if !day.closed {
            hours::learn(&mut m.hours, team, b);
        }
        hour.sp
    }

    /// New networks, countries, programs, devices; new kinds of action and query.
    fn news(&mut self, id: &str, m: &mut Manager, day: &mut Day, date: i32, event: &Event) {
        let ok = event.ok();
        let mut values: [Option<String>; 7] = Default::default();
        if let Some(place) = &event.client {
            values[0] = place.ip.as_deref().and_then(network);
            values[1].clone_from(&place.country);
            values[2] = place.asn.map(|a| a.to_string());
            values[3] = place.user_agent.as_deref().map(|a| a.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect());
            values[4].clone_from(&place.device);
        }
        if ok {
            values[5] = Some(format!("{}/{}", event.action.as_str(), event.channel.map_or("", |c| c.as_str())));
            if matches!(event.action, Action::Report | Action::Export | Action::List | Action::ApiQuery) {
                values[6] = event.query.as_ref().and_then(|q| q.fingerprint.clone()).filter(|f| !f.is_empty());
            }
        }
        let class = usize::from(day.class);
        let (me, team) = (crate::event::client_hash(id), crate::event::client_hash(&team_key(day)));
        for (a, text) in values.iter().enumerate() {
            let Some(text) = text else { continue };
            let value = crate::event::client_hash(text);
            day.active |= 1 << a;
            let known = m.novelty[a].knows(value);
            if !known && day.count_value(a, value) {
                let rates = &self.shared.classes[class].rates;
                let u = m.novelty[a].surprise(rates, &self.shared.everybody, a, value, me, team);
                let rate = m.novelty[a].rate(rates, a);
                day.x[if a < 5 { 13 } else { 14 }] += WEIGHT[a] * u;
                day.note_new(a, text, rate);
            }
            if ok && !day.closed {
                if !known {
                    day.fresh |= 1 << a;
                    self.shared.everybody.learn(a, value, me, team, date);
                }
                m.novelty[a].learn(a, value, date);
            }
        }
    }

    /// §4, §5, §6, §7: raw surprise, common-mode discount, running maxima, recalibration. `changed`: detectors as bits.
    fn surprise(&mut self, m: &mut Manager, day: &mut Day, date: i32, changed: u32) {
        let class = &self.shared.classes[usize::from(day.class)];
        if m.expected.as_ref().is_none_or(|(g, role, _)| *g != class.generation || *role != day.role) {
            m.expected = Some((class.generation, day.role.clone(), Box::new(class.expected(&m.own, &day.role))));
        }
        let expected = &m.expected.as_ref().expect("just computed").2;
        let team = self.shared.teams.entry((team_key(day), date)).or_default();
        let drift = if changed & 0b111 << HURDLE != 0 { expected.drift(&slow(&day.x)) } else { [0.0; SLOW] };
        for k in (0..DETECTORS).filter(|k| changed >> k & 1 == 1) {
            if k == RULE {
                (day.raw[k], day.r[k]) = (day.x[k], day.x[k]);
                continue;
            }
            let r = if k < HURDLE { expected.surprise(k, day.x[k]) } else { m.own.drift_surprise(k - HURDLE, drift[k - HURDLE]) };
            let old = day.raw[k];
            day.raw[k] = old.max(r);
            let mut r = day.raw[k];
            if score::common_mode(k) {
                team.1[k] += r.min(8.0) - old.min(8.0);
                if team.0 > 3 {
                    let others = (team.1[k] - r.min(8.0)) / f64::from(team.0 - 1);
                    r = (r - 1.5 * (others - 1.3).max(0.0)).max(0.0);
                }
            }
            day.r[k] = day.r[k].max(r);
        }
        let fresh = day.generation != class.generation;
        // Passing the floor on what was revealed wakes detectors that did not change themselves.
        let woken = day.revealed() >= 10.0;
        for k in 0..RULE {
            if fresh || changed >> k & 1 == 1 || woken && score::needs_revealed(k) {
                day.s[k] = self.recalibrated(m, day, k);
            }
        }
        day.s[RULE] = day.x[RULE];
        self.mask_rules(day);
        day.generation = self.shared.classes[usize::from(day.class)].generation;
    }

    fn recalibrated(&self, m: &Manager, day: &Day, k: usize) -> f64 {
        let below = day.x[k] < score::floor(k) || score::needs_revealed(k) && day.revealed() < 10.0;
        if below || !self.shared.policy.enabled(score::control(k)) {
            return 0.0;
        }
        let tail = self.shared.classes[usize::from(day.class)].tails[k].as_ref();
        let s = recalibrate(tail, day.r[k], k >= HURDLE);
        // What is new to a newcomer is no news.
        if k == 14 { s * (m.own.days() / 5.0).min(1.0) } else { s }
    }

    fn roll(&mut self, id: &str, day: &mut Day, date: i32, e: &Enriched) {
        let hour = e.event.time.millis().div_euclid(HOUR_MS) * HOUR_MS;
        let counts = day.counts.entry(hour).or_default();
        let records = e.event.records.unwrap_or(u64::from(e.event.action == Action::View));
        counts[0] += 1;
        if e.event.ok() {
            match e.event.action {
                Action::Export | Action::Print | Action::ApiQuery => counts[1] += records,
                Action::List | Action::Report | Action::Search | Action::View => counts[2] += records,
                Action::Call => counts[3] += 1,
                _ => {}
            }
        }
        self.rolled.insert((id.to_owned(), date));
        self.rolled_hours.insert((id.to_owned(), date, hour));
    }

    /// Absolute counts of the days and hours that changed since the last call.
    pub fn take_rollups(&mut self) -> (Vec<ManagerDay>, Vec<ManagerHour>) {
        let (mut days, mut hours) = (Vec::new(), Vec::new());
        for (manager, date) in std::mem::take(&mut self.rolled) {
            let Some(day) = self.managers.get(&manager).and_then(|m| m.days.get(&date)) else { continue };
            days.push(ManagerDay {
                date: Date(date),
                team: day.team.clone(),
                role: Some(day.role.clone()),
                events: day.events,
                records_out: count(day.x[0]),
                records_screen: count(day.x[1]),
                clients: count(day.x[5]),
                unrelated: day.x[6],
                peak_bits: score::millibits(day.peak),
                manager,
            });
        }
        for (manager, date, hour) in std::mem::take(&mut self.rolled_hours) {
            let Some(m) = self.managers.get(&manager) else { continue };
            // An hour may lie in two manager-days: at 05:00, or when a zone changed.
            let mut sum = [0; 4];
            for counts in m.days.values().filter_map(|d| d.counts.get(&hour)) {
                for (total, c) in sum.iter_mut().zip(counts) {
                    *total += c;
                }
            }
            let Some(day) = m.days.get(&date) else { continue };
            hours.push(ManagerHour {
                hour: Timestamp::from_millis(hour),
                team: day.team.clone(),
                events: sum[0],
                records_out: sum[1],
                records_screen: sum[2],
                calls: sum[3],
                manager,
            });
        }
        (days, hours)
    }

    /// §8: closes all dates that are due, oldest first.
    fn close_due(&mut self) {
        while let Some(date) = self.shared.open.keys().next().copied() {
            // Ends grow with the date, so the first that is not due ends the search.
            if !self.is_closed(date) {
                break;
            }
            let managers = self.shared.open.remove(&date).expect("just seen");
            self.close(date, &managers);
        }
    }

    fn close(&mut self, date: i32, managers: &BTreeSet<String>) {
        let index = date - self.shared.first_date.expect("there is an open date");
        for class in 0..2_u8 {
            let of: Vec<&String> = managers
                .iter()
                .filter(|id| self.managers.get(*id).and_then(|m| m.days.get(&date)).is_some_and(|d| d.class == class))
                .collect();
            if !of.is_empty() {
                self.close_class(date, index, class, &of);
            }
        }
        let mut sizes: [BTreeMap<String, u32>; 2] = Default::default();
        for m in self.managers.values().filter(|m| m.own.days() > 0.0) {
            if let Some(role) = &m.role {
                *sizes[usize::from(m.class)].entry(role.clone()).or_default() += 1;
            }
        }
        for (class, sizes) in self.shared.classes.iter_mut().zip(sizes) {
            class.role_size = sizes;
        }
        self.forget(date);
    }

    fn close_class(&mut self, date: i32, index: i32, class: u8, of: &[&String]) {
        let c = usize::from(class);
        for h in &mut self.shared.classes[c].histograms {
            h.fade();
        }
        let mut days: Vec<(&String, Manager, Day)> = Vec::with_capacity(of.len());
        for id in of {
            let mut m = self.managers.remove(*id).expect("has an open day");
            let mut day = m.days.remove(&date).expect("has an open day");
            self.surprise(&mut m, &mut day, date, 0);
            days.push((id, m, day));
        }
        let worthy = |m: &Manager, d: &Day| d.events >= 5 || m.own.days() < 3.0;
        let mut common = [0.0; SLOW];
        let mut drifting = 0_u32;
        for (_, m, day) in days.iter().filter(|(_, m, d)| worthy(m, d)) {
            let z = m.expected.as_ref().expect("just computed").2.drift(&slow(&day.x));
            drifting += 1;
            for j in 0..SLOW {
                common[j] += step(z[j]);
            }
        }
        let common = common.map(|sum| if drifting >= 5 { (sum / f64::from(drifting)).max(0.0) } else { 0.0 });
        let (mut learned, mut peaks) = (Vec::new(), BTreeMap::new());
        for (id, m, day) in &mut days {
            let (n, warm) = (m.own.days(), m.own.warm());
            let wd = if day.s[..RULE].iter().any(|s| *s > 9.0) { 0.15 } else { 1.0 };
            let expected = m.expected.take().expect("just computed").2;
            let is_worthy = worthy(m, day);
            if let Some(row) = m.own.learn(&expected, &day.x, slow(&day.x), is_worthy, wd, &common) {
                learned.push((day.role.clone(), row));
            }
            let shared = &mut self.shared.classes[c];
            if n >= 5.0 && day.events >= 3 && index >= 10 {
                for k in 0..if warm { HURDLE + SLOW } else { HURDLE } {
                    shared.histograms[k].add(day.r[k]);
                }
            }
            for a in 0..7 {
                if day.active >> a & 1 == 1 {
                    let new = day.fresh >> a & 1 == 1;
                    if m.novelty[a].close(new) {
                        shared.rates.learn(a, new);
                    }
                }
            }
            if !day.incident {
                peaks.insert((*id).clone(), day.peak);
            }
            day.closed = true;
        }
        let shared = &mut self.shared.classes[c];
        if !learned.is_empty() {
            shared.all.learn(&learned.iter().map(|(_, row)| row).collect::<Vec<_>>());
            let roles: BTreeSet<&String> = learned.iter().map(|(role, _)| role).collect();
            for role in roles {
                let rows: Vec<_> = learned.iter().filter(|(r, _)| r == role).map(|(_, row)| row).collect();
                shared.roles.entry(role.clone()).or_insert_with(|| super::baseline::pool::Pool::new(0.0, 0.0)).learn(&rows);
            }
        }
        shared.calibration.close(date, peaks);
        shared.map();
        shared.generation += 1;
        self.shared.last_closed = Some(date);
        let first = self.shared.first_date.expect("there is an open date");
        let shared = &mut self.shared.classes[c];
        shared.theta = shared.calibration.thresholds(date, first, self.shared.policy.budget);
        for (id, mut m, day) in days {
            m.days.insert(date, day);
            self.changed.insert(id.clone());
            self.managers.insert(id.clone(), m);
        }
    }

    /// What lies more than 72 h behind the watermark, or outside the windows, has no further effect.
    fn forget(&mut self, date: i32) {
        let gone = self.shared.watermark.unwrap_or(i64::MIN).saturating_sub(KEEP_MS);
        let dates: BTreeSet<i32> =
            self.managers.values().flat_map(|m| m.days.keys().copied()).chain(self.shared.teams.keys().map(|k| k.1)).collect();
        let old: BTreeSet<i32> = dates.into_iter().filter(|d| self.end(*d) < gone).collect();
        for (id, m) in &mut self.managers {
            let before = (m.days.len(), m.episodes.len());
            m.days.retain(|d, _| !old.contains(d));
            m.episodes.retain(|q| q.until >= gone);
            m.foreign.forget(i64::from(date) - 30);
            m.contact.forget(gone);
            if before != (m.days.len(), m.episodes.len()) {
                self.changed.insert(id.clone());
            }
        }
        self.shared.teams.retain(|k, _| !old.contains(&k.1));
        self.shared.unrelated.retain(|k, _| !old.contains(&k.1));
        self.shared.everybody.forget();
        while let Some(entry) = self.seen_by_hour.first_entry() {
            if (entry.key() + 1) * HOUR_MS > gone {
                break;
            }
            for h in entry.remove() {
                if self.seen.get(&h).is_some_and(|t| *t < gone) {
                    self.seen.remove(&h);
                }
            }
        }
        self.ends.retain(|d, _| *d > date - 40);
    }

    /// Mean of the weight without a reason over the team's other members today.
    fn team_unrelated(&self, day: &Day, date: i32) -> Option<f64> {
        let key = (team_key(day), date);
        let members = self.shared.teams.get(&key)?.0;
        let sum = self.shared.unrelated.get(&key).copied().unwrap_or(0.0) - day.x[6];
        (members > 3).then(|| sum.max(0.0) / f64::from(members - 1))
    }

    /// §9, §10: score, thresholds, alert.
    #[expect(clippy::too_many_arguments, reason = "one step of one event, everything at hand")]
    fn finish(
        &mut self,
        id: &str,
        m: &mut Manager,
        day: &mut Day,
        date: i32,
        e: &Enriched,
        force: &InForce,
        zone: &Zone,
        too_late: bool,
        effects: &mut Vec<Effect>,
    ) {
        let t = e.event.time;
        let v = day.v;
        let mut quiet = v;
        quiet[FAMILIES - 1] = 0.0;
        let bonus = [force.notice_at, force.terminated_at].into_iter().flatten().any(|at| t >= at);
        let lift = |s: f64| if bonus && s > 0.0 { s + 1.0 } else { s };
        let (total, behaviour) = (lift(score::combine(&v)), lift(score::combine(&quiet)));
        day.peak = day.peak.max(behaviour);
        let theta = self.shared.classes[usize::from(day.class)].theta;
        let mut level = match behaviour {
            b if b >= theta[2].max(theta[0]) => 4,
            b if b >= theta[1].max(theta[0]) => 3,
            b if b >= theta[0] => 2,
            _ => 0,
        };
        for rule in day.rules.iter().filter(|r| self.shared.policy.enabled(r.what().0)) {
            level = level.max(1 + rule.what().1 as u8);
        }
        self.trace = Trace {
            day: Date(date),
            late: day.closed,
            x: day.x,
            raw: day.raw,
            r: day.r,
            s: day.s,
            v,
            score: total,
            behaviour,
            theta,
            level,
        };
        if level == 0 {
            return;
        }
        let end = self.end(date);
        let facts = self.facts(m, day, date, e, force, zone);
        let inputs =
            super::alert::Inputs { tenant: &self.shared.name, manager: id, event: e, date, end, score: total, level, too_late, facts };
        if let Some(alert) = super::alert::version(m, day, inputs) {
            effects.push(Effect::Alert(Box::new(alert)));
        }
    }

    fn facts(&self, m: &Manager, day: &Day, date: i32, e: &Enriched, force: &InForce, zone: &Zone) -> super::explain::Facts {
        let local = zone.local_ms(e.event.time);
        let hour = u8::try_from((local.div_euclid(HOUR_MS) + 72).rem_euclid(168)).expect("an hour of the week");
        let other: Vec<String> = day.rules.iter().filter(|r| Some(**r) != day.strongest()).map(|r| r.what().0.to_owned()).collect();
        super::explain::Facts {
            local: zone.clock(e.event.time),
            zone: zone.clone(),
            hour_share: day.hours.get(&hour).map_or(0.0, |h| h.share),
            records_out: count(day.x[0]),
            records_screen: count(day.x[1]),
            clients: count(day.x[5]),
            clients_related: day.related,
            unrelated_key: day.unrelated_key,
            team_unrelated: self.team_unrelated(day, date),
            new_values: day.news(),
            drift_days: std::array::from_fn(|j| m.own.drift_days(j)),
            drift: std::array::from_fn(|j| m.own.drift(j)),
            baseline_days: m.own.days(),
            budget: self.shared.policy.budget,
            notice_at: force.notice_at.filter(|at| *at <= e.event.time),
            terminated_at: force.terminated_at.filter(|at| *at <= e.event.time),
            absent: force.absent,
            substitute: day.substitute,
            address: day.denied.clone(),
            other_rules: other,
        }
    }

    /// A rule that fires, and every whole nat from the third on that a detector reaches on a day.
    fn signals(&self, id: &str, m: &Manager, day: &mut Day, e: &Enriched, effects: &mut Vec<Effect>) {
        for k in 0..RULE {
            let whole = u8::try_from(count(day.s[k])).unwrap_or(u8::MAX);
            if whole >= 3 && whole > day.signalled[k] {
                day.signalled[k] = whole;
                let signal = super::alert::signal(&self.shared.name, id, m, day, e, k, None);
                effects.push(Effect::Signal(Box::new(signal)));
            }
        }
        let fired = u8::try_from(day.rules.len()).unwrap_or(u8::MAX);
        let known = usize::from(day.signalled[RULE]);
        for rule in day.rules.clone().into_iter().skip(known).filter(|r| self.shared.policy.enabled(r.what().0)) {
            let signal = super::alert::signal(&self.shared.name, id, m, day, e, RULE, Some(rule));
            effects.push(Effect::Signal(Box::new(signal)));
        }
        day.signalled[RULE] = fired;
    }
}

fn role_of(row: Option<&User>) -> String {
    if row.is_some() { String::new() } else { "unknown".to_owned() }
}

/// Those without a team are one team of their class.
fn team_key(day: &Day) -> String {
    format!("{}/{}", if day.class == 0 { "user" } else { "integration" }, day.team.as_deref().unwrap_or(""))
}

fn in_force(row: Option<&User>, zone: &Zone, t: Timestamp) -> InForce {
    let Some(u) = row else { return InForce::default() };
    InForce {
        notice_at: u.notice_at.map(|w| zone.start(w)),
        terminated_at: u.terminated_at.map(|w| zone.start(w)),
        absent: u.absences.iter().any(|a| zone.covers(a, t)),
    }
}

fn hard_rules(day: &mut Day, e: &Enriched, force: &InForce) {
    if e.event.ok() && force.terminated_at.is_some_and(|at| e.event.time >= at) {
        day.fire(Rule::LeaverActive);
    }
    if e.enrich.address == Address::Denied {
        day.fire(Rule::AddressDenied);
        if day.denied.is_none() {
            day.denied = e.event.client.as_ref().and_then(|c| c.ip.clone());
        }
    }
}

/// §3: how little reason this manager has to touch this client; 0 to 1.5.
fn relation(m: &mut Manager, closed: bool, date: i32, t: i64, client: &NamedClient) -> f64 {
    if client.related.is_some() {
        return 0.0;
    }
    let weight = match client.owner {
        Owner::Me | Owner::Unknown => return 0.0,
        Owner::Other => 1.0,
        Owner::Team => 0.5,
        Owner::TeamAbsent => 0.25,
    };
    if m.contact.get(client.h).is_some_and(|at| (0..=CONTACT_MS).contains(&(t - at))) {
        return 0.0;
    }
    let earlier = m.foreign.get(client.h).is_some_and(|day| (1..30).contains(&(i64::from(date) - day)));
    if !closed {
        m.foreign.note(client.h, i64::from(date));
    }
    weight * if earlier { 0.5 } else { 1.0 } * if client.tier == Some(Tier::Key) { 1.5 } else { 1.0 }
}

/// The /24 or /56 of an address.
fn network(ip: &str) -> Option<String> {
    use std::net::IpAddr;
    match ip.parse::<IpAddr>().ok()? {
        IpAddr::V4(a) => {
            let [b, c, d, _] = a.octets();
            Some(format!("{b}.{c}.{d}.0/24"))
        }
        IpAddr::V6(a) => {
            let net = u128::from(a) >> 72 << 72;
            Some(format!("{}/56", std::net::Ipv6Addr::from(net)))
        }
    }
}

/// The slow series: ln(1 + records), ln(1 + unrelated), ln(1 + distinct).
fn slow(x: &[f64; DETECTORS]) -> [f64; SLOW] {
    [ln_1p(x[0] + x[1]), ln_1p(x[6]), ln_1p(x[5])]
}
