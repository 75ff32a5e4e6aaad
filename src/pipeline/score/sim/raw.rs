//! What comes from outside: raw lines of a tenant, and two who put them into the log, one of whom may have been given up.

use std::{collections::BTreeMap, sync::LazyLock};

use super::world::{Random, World};
use crate::{
    directory::Row as _,
    engine::{Mute, Record, Tick, Verdict, VerdictKind},
    event::{DAY_MS, Date, HOUR_MS, Origin, Timestamp},
    pipeline::canary::{self, Expected},
};

const START: &str = "2026-01-05T00:00:00Z";

/// Sequences that fire controls, small enough to be told often.
static CASES: LazyLock<Vec<(usize, Expected)>> = LazyLock::new(|| {
    let small = |(n, e): &(usize, Expected)| (3..120).contains(&case(*n, *e, start()).len());
    (0..canary::all().count()).flat_map(|n| Expected::BOTH.map(|e| (n, e))).filter(small).collect()
});

fn start() -> Timestamp {
    Timestamp::parse(START).expect("a time")
}

fn case(n: usize, expected: Expected, from: Timestamp) -> Vec<Record> {
    canary::all().nth(n).expect("one of them").case(expected, &from.to_string(), from).records()
}

fn time_of(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Event(e) => Some(e.event.time),
        Record::Tick(t) => Some(t.at),
        _ => None,
    }
}

pub(super) struct Raw {
    pub(super) tenant: String,
    pub(super) records: Vec<Record>,
    /// Ticks, mutes and verdicts come between them, whenever somebody has time: its alerts are those of its log, of no other run.
    loose: bool,
    /// How many lines there are before the first event.
    head: usize,
    at: [usize; 2],
    active: usize,
    committed: usize,
    /// Lines that were told.
    pub(super) high: usize,
    /// The greatest time among them.
    now: Timestamp,
}

impl Raw {
    /// Some sequences one after another; events are told twice, late, and of people whom nobody knows.
    pub(super) fn new(tenant: &str, loose: bool, rng: &mut Random) -> Self {
        let (mut records, mut from) = (Vec::new(), start());
        for _ in 0..4 {
            let (n, expected) = CASES[rng.below(CASES.len())];
            let told = case(n, expected, from);
            from = told.iter().filter_map(time_of).max().unwrap_or(from).max(from).plus(8 * DAY_MS);
            let first = records.len();
            for record in told {
                if let (Record::Event(e), true) = (&record, rng.one_in(6)) {
                    let mut e = e.clone();
                    let ghost = format!("ghost-{}", rng.below(40));
                    (e.event.id, e.event.actor.id) = (format!("{}-{ghost}", e.event.id), ghost.clone());
                    (e.enrich.manager, e.enrich.team, e.enrich.role) = (ghost, None, None);
                    records.push(Record::Event(e));
                }
                records.push(record);
                if rng.one_in(10) {
                    let back = rng.below(5).min(records.len() - 1 - first);
                    let again = records[records.len() - 1 - back].clone();
                    if matches!(again, Record::Event(_)) {
                        records.push(again);
                    }
                }
                if rng.one_in(12) {
                    let back = rng.below(8).min(records.len() - 1 - first);
                    let late = records.len() - 1 - back;
                    if matches!(records[late], Record::Event(_)) {
                        let late = records.remove(late);
                        records.push(late);
                    }
                }
            }
        }
        for (offset, record) in (0..).zip(&mut records) {
            match record {
                Record::Event(e) => {
                    e.event.actor.name = (offset % 3 == 0).then(|| "Anna".to_owned());
                    tenant.clone_into(&mut e.event.tenant);
                    e.origin = Some(Origin { source: format!("raw/{tenant}"), offset, index: 0 });
                }
                // A fit follows from when its scorer has time.
                Record::Policy(policy) => policy.groups = false,
                Record::User(user) => tenant.clone_into(&mut user.tenant),
                _ => {}
            }
        }
        let head = records.iter().position(|r| matches!(r, Record::Event(_))).expect("an event");
        let (at, active, committed, high, now) = ([0; 2], 0, 0, 0, start());
        Self { tenant: tenant.to_owned(), records, loose, head, at, active, committed, high, now }
    }

    /// Whether its alerts have to be those of a run in which nothing happened.
    pub(super) fn is_strict(&self) -> bool {
        !self.loose
    }

    /// Appends a few lines, of whoever it is from where that one stands.
    fn run(&mut self, who: usize, n: usize, world: &mut World) {
        for _ in 0..n {
            let Some(record) = self.records.get(self.at[who]) else { return };
            let first = self.at[who] >= self.high;
            // What Filin itself tells is told once, where it belongs.
            if first || matches!(record, Record::Event(_)) {
                world.counts.add("log", "lines repeated", u64::from(!first));
                world.append(&self.tenant, record);
            }
            self.now = self.now.max(time_of(record).unwrap_or(self.now));
            self.at[who] += 1;
            self.high = self.high.max(self.at[who]);
        }
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if world.rng.one_in(12) {
            // It starts again, or is given up: the next one goes on from what was committed.
            if world.rng.one_in(2) {
                self.active = 1 - self.active;
            }
            self.at[self.active] = self.committed;
            if world.rng.one_in(2) && self.high > self.head {
                self.tell_again(world);
            }
        }
        let n = 1 + world.rng.below(12);
        self.run(self.active, n, world);
        if world.rng.one_in(2) {
            self.committed = self.committed.max(self.at[self.active]);
        }
        if world.rng.one_in(8) {
            let n = world.rng.below(6);
            self.run(1 - self.active, n, world);
        }
        if self.loose && self.high > self.head && self.high < self.records.len() {
            self.come_between(world);
        }
    }

    /// It died between the log and its own notes: policy and users are told again.
    fn tell_again(&self, world: &mut World) {
        let told = &self.records[..self.high];
        let policy = told.iter().rev().find(|r| matches!(r, Record::Policy(_)));
        let user = |r: &Record| if let Record::User(u) = r { Some(format!("{} {:?}", u.id, u.since())) } else { None };
        let users: BTreeMap<_, &Record> = told.iter().filter_map(|r| user(r).map(|u| (u, r))).collect();
        for record in policy.into_iter().chain(users.into_values()) {
            world.append(&self.tenant, record);
        }
    }

    fn come_between(&mut self, world: &mut World) {
        if world.rng.one_in(6) {
            let at = self.now.plus(world.rng.below(48) as i64 * HOUR_MS / 4 - 2 * HOUR_MS);
            world.counts.add("log", "ticks at any time", 1);
            world.append(&self.tenant, &Record::Tick(Tick { at }));
        }
        if world.rng.one_in(4) {
            let id = format!("mute-{}", world.rng.below(3));
            let hours = world.rng.below(72) as i64;
            let until = self.now.plus(hours * HOUR_MS);
            let (from, by, reason) = (self.now, "lead".to_owned(), "known".to_owned());
            world.counts.add("log", "mutes", 1);
            let mute = Mute { id, team: Some("a".to_owned()), from, until, reason, by, ..Mute::default() };
            world.append(&self.tenant, &Record::Mute(mute));
        }
        let open = world.stored.alerts.rows().filter(|a| a.tenant == self.tenant).count();
        if open > 0 && world.rng.one_in(10) {
            let n = world.rng.below(open);
            let alert = world.stored.alerts.rows().filter(|a| a.tenant == self.tenant).nth(n).expect("one of them").clone();
            let day = Date(i32::try_from(alert.time.div_euclid(DAY_MS)).expect("a date"));
            let verdict = [VerdictKind::TruePositive, VerdictKind::FalsePositive, VerdictKind::Duplicate][world.rng.below(3)];
            let (alert_id, manager, at, by) = (alert.alert_id, alert.manager, self.now, "lead".to_owned());
            world.counts.add("log", "verdicts", 1);
            world.append(&self.tenant, &Record::Verdict(Verdict { alert_id, manager, days: vec![day], verdict, drip: Vec::new(), at, by }));
        }
    }
}
