//! The company of `filin run --demo`: forty people around the globe, sixty days of history, then live events with an
//! attack every two minutes. All of it is a pure function of seed, origin and time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::attack::{Act, Level, Scenario};
use super::calendar::later;
use super::chance::{Chance, count, millis};
use super::company::{Company, Shape, date_of};
use super::labels::attack_label;
use super::people::{Exit, Layout};
use super::place::{Desk, midnight};
use crate::directory::{Client, Order, User};
use crate::event::{
    Action, Actor, ActorKind, Channel, DAY_MS, DEFAULT_TENANT, Date, Event, HOUR_MS, Object, ObjectType, Outcome, Timestamp,
};
use crate::model::{Expect, Label, Strength};

/// People of the demo.
pub const MANAGERS: usize = 40;
/// Days of history before the origin.
pub const HISTORY_DAYS: i32 = 60;
/// For so many days after the origin the reference data is laid out.
const FUTURE_DAYS: i32 = 400;
/// Between the beginnings of two attacks.
const APART_MS: i64 = 120_000;
/// From the origin to the first.
const FIRST_MS: i64 = 12_000;
/// No attack is longer, its log-in included.
const LONGEST_MS: i64 = 60_000;
/// Those who were dismissed before the origin, and how many days.
const DISMISSED: [(usize, i32); 3] = [(2, 6), (18, 15), (27, 24)];
/// These are shown, not measured: nobody should have to wonder whether they are one.
const FORCE: f64 = 3.0;
/// An alert grows for so long before another one opens.
const EPISODE_MS: i64 = 20 * HOUR_MS;

/// Events by date and person.
type Days = BTreeMap<(Date, usize), Arc<Vec<Event>>>;

/// The demo company.
pub struct Demo {
    company: Company,
    origin: Timestamp,
    /// Who attacks in turn.
    turns: Vec<usize>,
    days: Mutex<Days>,
    attacks: Mutex<BTreeMap<i64, Arc<Live>>>,
}

/// An attack as it was played.
struct Live {
    events: Vec<Event>,
    label: Label,
}

impl Demo {
    /// The company whose live part begins at `origin`, the first start.
    pub fn new(seed: u64, origin: Timestamp) -> Self {
        let today = date_of(origin);
        let exits = DISMISSED.map(|(idx, ago)| (idx, Exit { notice: later(today, -ago - 14), last: later(today, -ago), closed: false }));
        let company = Company::new(&Shape {
            managers: MANAGERS,
            seed,
            start: later(today, -HISTORY_DAYS - 1),
            until: later(today, FUTURE_DAYS),
            layout: Layout::RoundTheClock,
            exits: BTreeMap::from(exits),
        });
        let mut turns: Vec<usize> = (0..MANAGERS).collect();
        turns.sort_by_key(|i| company.seed.of("turn").at(*i).bits());
        Self { company, origin, turns, days: Mutex::default(), attacks: Mutex::default() }
    }

    /// Begin of the history.
    pub fn begin(&self) -> Timestamp {
        self.origin.plus(-i64::from(HISTORY_DAYS) * DAY_MS)
    }

    /// Users, clients and orders, laid out more than a year ahead.
    pub fn reference(&self) -> (Vec<User>, Vec<Client>, Vec<Order>) {
        (self.company.users(), self.company.client_rows(), self.company.order_rows())
    }

    /// Everything with `from` ≤ time < `to`, in order of time. Asked piece by piece it is the same as asked at once.
    pub fn events(&self, from: Timestamp, to: Timestamp) -> Vec<Event> {
        let within = |t: Timestamp| from <= t && t < to;
        let mut events = Vec::new();
        for date in (date_of(from).0 - 2..=date_of(to).0 + 1).map(Date) {
            for idx in 0..MANAGERS + 1 {
                let day = self.day(date, idx);
                let first = day.partition_point(|e| e.time < from);
                let past = day.partition_point(|e| e.time < to);
                events.extend(day[first..past.max(first)].iter().cloned());
            }
        }
        for attack in self.attacks_near(from, to) {
            events.extend(attack.events.iter().filter(|e| within(e.time)).cloned());
        }
        self.workflow(from, to, &mut events);
        events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let oldest = later(date_of(from), -3);
        self.days.lock().unwrap_or_else(PoisonError::into_inner).retain(|(date, _), _| *date >= oldest);
        events
    }

    /// Labels of the attacks that begin in `from` ≤ time < `to`.
    pub fn labels(&self, from: Timestamp, to: Timestamp) -> Vec<Label> {
        self.attacks_near(from, to).into_iter().map(|a| a.label.clone()).filter(|l| from <= l.from && l.from < to).collect()
    }

    /// A person's day, or the programs' where `idx` is one too many; kept while it is of use.
    fn day(&self, date: Date, idx: usize) -> Arc<Vec<Event>> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || if idx < MANAGERS { self.company.honest_day(idx, date) } else { self.company.programs(date) };
        Arc::clone(days.entry((date, idx)).or_insert_with(|| Arc::new(make())))
    }

    fn attacks_near(&self, from: Timestamp, to: Timestamp) -> Vec<Arc<Live>> {
        let number = |t: Timestamp| (t.millis() - self.origin.millis() - FIRST_MS).div_euclid(APART_MS);
        let (first, last) = (number(from.plus(-LONGEST_MS)).max(0), number(to));
        let mut attacks = self.attacks.lock().unwrap_or_else(PoisonError::into_inner);
        attacks.retain(|k, _| *k >= first);
        (first..=last).map(|k| Arc::clone(attacks.entry(k).or_insert_with(|| Arc::new(self.attack(k))))).collect()
    }

    fn start(&self, k: i64) -> Timestamp {
        let late = self.company.seed.of("live").at(k).of("late").between(0.0, 8_000.0);
        self.origin.plus(FIRST_MS + k * APART_MS + millis(late))
    }

    /// Attack number k.
    fn attack(&self, k: i64) -> Live {
        let turn = usize::try_from(k.rem_euclid(40)).unwrap_or(0);
        let round = usize::try_from(k.div_euclid(40)).unwrap_or(0);
        let idx = self.turns[turn];
        let chance = self.company.seed.of("live").at(k);
        let start = self.start(k);
        let date = self.local_date(idx, start);
        let scenario = self.scenario(idx, round);
        let act = Act {
            scenario,
            strength: Strength::Strong,
            idx,
            date,
            start,
            span_ms: millis(chance.of("span").between(28_000.0, 45_000.0)),
            level: Level::before(&self.company, idx, date),
            chance,
            force: FORCE,
            desk: (!self.at_work(idx, start)).then(|| Desk {
                place: self.company.people[idx].kit.home(date),
                channel: Channel::Ui,
                session: chance.of("at home").hex(),
            }),
        };
        let (mut events, mut steps) = (Vec::new(), Vec::new());
        for (event, leak) in act.play(&self.company) {
            steps.push((event.time, event.reference(), leak));
            events.push(event);
        }
        let manager = &self.company.people[idx].id;
        let mut label = attack_label(scenario.as_str(), scenario.controls(), act.strength, manager, steps)
            .expect("every scenario of the rotation makes events");
        label.expect = Some(self.expect(turn, round));
        Live { events, label }
    }

    /// What it is this time: all that can be seen in a minute, by turns.
    fn scenario(&self, idx: usize, round: usize) -> Scenario {
        use Scenario::{
            AddressDenied, ApiBulk, BruteForce, ChunkedExport, LeaverActive, MassDelete, Scraping, ShareOutside, StolenLogin,
            UnrelatedViews,
        };
        let kit = &self.company.people[idx].kit;
        if DISMISSED.iter().any(|d| d.0 == idx) {
            return LeaverActive;
        }
        if kit.fenced {
            // Theirs is a fence that others are turned away at.
            return [AddressDenied, ChunkedExport, MassDelete, UnrelatedViews, ShareOutside, ApiBulk][(round + idx) % 6];
        }
        [ChunkedExport, MassDelete, ApiBulk, UnrelatedViews, StolenLogin, ShareOutside, BruteForce, Scraping][(round + idx) % 8]
    }

    /// The first of an episode opens an alert, the others raise it.
    fn expect(&self, turn: usize, round: usize) -> Expect {
        let idx = self.turns[turn];
        let mut until = Timestamp::MIN;
        let mut opens = true;
        for r in 0..=round {
            let k = i64::try_from(r * MANAGERS + turn).unwrap_or(i64::MAX);
            let t = self.start(k);
            opens = t >= until;
            if opens {
                until = t.plus(EPISODE_MS).max(self.end_of(self.manager_day(idx, t)));
            }
        }
        if opens { Expect::Open } else { Expect::Raise }
    }

    /// When the last zone's clock passes 05:00 of the next date.
    fn end_of(&self, date: Date) -> Timestamp {
        let next = later(date, 1);
        let ends = self.company.teams.iter().map(|t| midnight(self.company.zone(t.first), next).plus(5 * HOUR_MS));
        ends.max().unwrap_or(next.midnight_utc())
    }

    fn local_date(&self, idx: usize, t: Timestamp) -> Date {
        let near = date_of(t);
        (-1..=1).rev().map(|n| later(near, n)).find(|d| midnight(self.company.zone(idx), *d) <= t).unwrap_or(near)
    }

    fn manager_day(&self, idx: usize, t: Timestamp) -> Date {
        self.local_date(idx, t.plus(-5 * HOUR_MS))
    }

    /// Whether somebody is at work at this instant.
    fn at_work(&self, idx: usize, t: Timestamp) -> bool {
        let date = self.local_date(idx, t);
        let p = &self.company.people[idx];
        let (from, to) = self.company.hours(idx, date);
        self.company.works(p, date) && from <= t && t < to
    }

    /// The CRM's own automation: a little in history, twice a second live. Nobody's baseline holds it.
    fn workflow(&self, from: Timestamp, to: Timestamp, events: &mut Vec<Event>) {
        let mut add = |step_ms: i64, from: Timestamp, to: Timestamp, chance: Chance| {
            for n in from.millis().div_euclid(step_ms)..=to.millis().div_euclid(step_ms) {
                let c = chance.at(n);
                let time = Timestamp::from_millis(n * step_ms).plus(millis(c.of("when").unit() * 0.999 * seconds(step_ms)));
                if from <= time && time < to {
                    events.push(step_of_workflow(c, time));
                }
            }
        };
        let chance = self.company.seed.of("workflow");
        add(600_000, from, to.min(self.origin), chance.of("slow"));
        add(450, from.max(self.origin), to, chance.of("lively"));
    }
}

fn seconds(step_ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some minutes of milliseconds")]
    let ms = step_ms as f64;
    ms
}

fn step_of_workflow(c: Chance, time: Timestamp) -> Event {
    let (action, kind) = *c.of("what").pick(&[
        (Action::Create, ObjectType::Task),
        (Action::Update, ObjectType::Deal),
        (Action::Message, ObjectType::Task),
        (Action::Email, ObjectType::Deal),
        (Action::Other, ObjectType::Lead),
    ]);
    Event {
        id: c.hex(),
        time,
        tenant: DEFAULT_TENANT.to_owned(),
        source: super::day::SOURCE.to_owned(),
        actor: Actor { id: "workflow".into(), kind: ActorKind::System, name: None },
        action,
        outcome: Outcome::Success,
        reason: None,
        channel: Some(Channel::Other),
        session: None,
        object: Some(Object {
            kind: Some(kind),
            id: Some(format!("w{:09x}", count(c.of("id").between(0.0, 68_719_476_735.0)))),
            ..Object::default()
        }),
        records: None,
        bytes: None,
        query: None,
        call: None,
        order: None,
        client: None,
        auth: None,
        change: None,
        attrs: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Demo {
        Demo::new(1, Timestamp::parse("2026-07-15T13:20:11.250Z").expect("a time"))
    }

    #[test]
    fn about_half_are_at_work_at_every_hour_of_the_week() {
        let demo = demo();
        for hour in 0..7 * 24 {
            let t = demo.origin.plus(-20 * DAY_MS + hour * HOUR_MS);
            let n = (0..MANAGERS).filter(|i| demo.at_work(*i, t)).count();
            assert!((11..=25).contains(&n), "{n} of {MANAGERS} at {t}");
        }
    }

    #[test]
    fn piece_by_piece_is_the_same_as_at_once() {
        let demo = demo();
        for (from, step, n) in [(-HOUR_MS, 611_000, 12), (-2_000, 1_000, 300), (-9 * DAY_MS, DAY_MS / 2, 3)] {
            let from = demo.origin.plus(from);
            let whole = demo.events(from, from.plus(step * n));
            let fresh = Demo::new(1, demo.origin);
            let pieces: Vec<Event> = (0..n).flat_map(|i| fresh.events(from.plus(step * i), from.plus(step * (i + 1)))).collect();
            assert_eq!(whole, pieces);
            let labels: Vec<Label> = (0..n).flat_map(|i| fresh.labels(from.plus(step * i), from.plus(step * (i + 1)))).collect();
            assert_eq!(demo.labels(from, from.plus(step * n)), labels);
            assert!(whole.is_sorted_by_key(|e| e.time));
        }
    }

    #[test]
    fn attacks_come_every_two_minutes_and_are_short() {
        let demo = demo();
        let labels = demo.labels(demo.origin, demo.origin.plus(160 * 60_000));
        assert_eq!(labels.len(), 80);
        assert!(labels[0].from.millis() - demo.origin.millis() < 30_000);
        for l in &labels {
            assert!(l.to.millis() - l.from.millis() < LONGEST_MS, "{l:?}");
        }
        // Everybody once opens; the second round raises.
        let people: std::collections::BTreeSet<_> = labels[..40].iter().map(|l| &l.manager).collect();
        assert_eq!(people.len(), 40);
        assert!(labels[..40].iter().all(|l| l.expect == Some(Expect::Open)));
        assert!(labels[40..].iter().all(|l| l.expect == Some(Expect::Raise)));
        let scenarios: std::collections::BTreeSet<_> = labels.iter().map(|l| &l.scenario).collect();
        assert!(scenarios.len() >= 8, "{scenarios:?}");
        // Two days later a new episode has begun.
        let later = demo.labels(demo.origin.plus(2 * DAY_MS), demo.origin.plus(3 * DAY_MS));
        assert!(later.iter().filter(|l| l.expect == Some(Expect::Open)).count() >= 20);
        assert!(demo.labels(demo.begin(), demo.origin).is_empty());
    }

    #[test]
    fn is_lively_and_its_ids_are_its_own() {
        let demo = demo();
        let events = demo.events(demo.origin, demo.origin.plus(10 * 60_000));
        assert!((1200..=6000).contains(&events.len()), "{}", events.len());
        let ids: std::collections::BTreeSet<_> = events.iter().map(|e| &e.id).collect();
        assert_eq!(ids.len(), events.len());
        let day = demo.events(demo.origin.plus(-DAY_MS), demo.origin);
        let of_people = day.iter().filter(|e| e.actor.kind == ActorKind::User).count();
        assert!((2_500..=9_000).contains(&of_people), "{of_people}");
    }

    #[test]
    fn dismissed_people_do_nothing_but_attack() {
        let demo = demo();
        let day = demo.events(demo.origin.plus(-DAY_MS), demo.origin);
        for (idx, _) in DISMISSED {
            let id = &demo.company.people[idx].id;
            assert!(!day.iter().any(|e| e.actor.id == *id));
            let (users, _, _) = demo.reference();
            assert!(users.iter().any(|u| u.id == *id && u.terminated_at.is_some()));
        }
    }
}
