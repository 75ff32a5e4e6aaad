//! Canaries: for every control a made-up sequence that must fire it, and a near-miss that must not.
//!
//! Both are told by the same few lines and differ where these ask which of the two is meant: in one attribute, one event, or one
//! count just below a threshold. A case is played through the enrichment and the engine that everything else goes through, here
//! ([`play`]) or by way of the log ([`live`]). Nothing is random and no clock is read: whoever plays says from when on.

mod behaviour;
pub mod live;
mod rules;
mod scene;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    directory::{Client, Directory, Order, User, enrich},
    engine::{Effect, Policy, Record, Severity, Tenant, Tick, control::Words},
    event::{Enriched, Event, HOUR_MS, Timestamp},
};

use scene::Scene;

/// The tenant under which canaries go through the log. No source can name it.
pub const TENANT: &str = "_canary";
/// The tenant that the engine takes them for where Filin's own audit is meant.
const AUDIT: &str = "_audit";
/// No case takes longer, and its events lie behind the instant from which it starts: a run begins so long ago.
pub const SPAN_MS: i64 = 90 * crate::event::DAY_MS;

/// A canary and its near-miss.
pub struct Canary {
    /// The control that must fire.
    pub control: &'static str,
    /// Which part of it, where it has several; else empty.
    pub part: &'static str,
    /// How the near-miss differs.
    pub differs: Words,
    shows: Shows,
    /// The tenant is Filin's own audit.
    audit: bool,
    tell: fn(&mut Scene, bool),
}

/// How a control shows that it fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// A signal or an alert names it.
    Named,
    /// An alert names it and is critical.
    Critical,
    /// It is never named: an alert tells of the share of the base.
    Share,
}

/// All canaries, by control and part.
pub fn all() -> impl Iterator<Item = &'static Canary> {
    let mut all: Vec<&Canary> = rules::ALL.iter().chain(behaviour::ALL).collect();
    all.sort_by_key(|c| (c.control, c.part));
    all.into_iter()
}

/// The canary of a control and part.
fn get(control: &str, part: &str) -> Option<&'static Canary> {
    all().find(|c| c.control == control && c.part == part)
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// The canary: its control fires.
    Fire,
    /// The near-miss: it does not.
    Still,
}

impl Expected {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Fire, Self::Still];

    /// The word in tables and ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::Still => "still",
        }
    }

    /// What it is when a control fired, or did not.
    pub const fn of(fired: bool) -> Self {
        if fired { Self::Fire } else { Self::Still }
    }
}

/// A sequence as it goes to a tenant.
#[derive(Debug, Default)]
pub struct Case {
    policy: Policy,
    ip_allow: Vec<ipnet::IpNet>,
    users: BTreeMap<String, User>,
    clients: BTreeMap<String, Client>,
    orders: BTreeMap<String, Order>,
    steps: Vec<Step>,
    /// So many of the first steps are what is usual.
    baseline: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Event(Box<Event>),
    /// A row of the directory becomes known.
    User(Box<User>),
    Tick(Timestamp),
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Played {
    /// After how many records the control fired, where it did.
    #[serde(rename = "fired_after")]
    pub fired: Option<usize>,
    /// Records in all.
    pub records: usize,
}

impl Canary {
    /// Its name: the control, with its part where it has several.
    pub fn name(&self) -> String {
        if self.part.is_empty() { self.control.to_owned() } else { format!("{}/{}", self.control, self.part) }
    }

    /// The sequence, starting in the week of `start`. `run`: makes the ids of people fresh.
    pub fn case(&self, expected: Expected, run: &str, start: Timestamp) -> Case {
        let mut scene = Scene::new(Key { run, control: self.control, part: self.part, expected }, start);
        (self.tell)(&mut scene, expected == Expected::Fire);
        scene.case
    }

    /// The tenant as which the engine is to take it.
    fn tenant(&self) -> Tenant {
        Tenant::new(if self.audit { AUDIT } else { TENANT })
    }

    /// Whether an effect says that the control fired.
    fn is_shown_by(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Signal(signal) => self.shows == Shows::Named && signal.control == self.control,
            Effect::Alert(alert) => {
                let named = alert.kind == self.control || alert.controls.iter().any(|c| c == self.control);
                match self.shows {
                    Shows::Named => named,
                    Shows::Critical => named && alert.severity == Severity::Critical,
                    Shows::Share => alert.summary.en.contains("In 90 days about") && alert.summary.ru.contains("За 90 дней"),
                }
            }
            Effect::Stored { .. } | Effect::Repeated => false,
        }
    }
}

/// Plays a case through an engine of its own.
pub fn play(canary: &Canary, case: &Case) -> Played {
    let (mut tenant, mut effects) = (canary.tenant(), Vec::new());
    let records = case.records();
    let mut fired = None;
    for (n, record) in records.iter().enumerate() {
        tenant.apply(record, &mut effects);
        let shown = effects.drain(..).any(|e| canary.is_shown_by(&e));
        fired = fired.or(shown.then_some(n + 1));
    }
    Played { fired, records: records.len() }
}

impl Case {
    /// Whether anything of it opens an alert.
    fn alerts(&self) -> bool {
        let (mut tenant, mut effects) = (Tenant::new(TENANT), Vec::new());
        self.records().iter().for_each(|record| tenant.apply(record, &mut effects));
        effects.iter().any(|e| matches!(e, Effect::Alert(_)))
    }

    /// Its records, in the order of a log: policy, users, then events enriched as of their own time. One tick per hour of event
    /// time stands for the minutes that a live owner would write, as in a replay.
    pub fn records(&self) -> Vec<Record> {
        let mut directory = Directory::default();
        directory.set_ip_allow(self.ip_allow.clone());
        let mut records = vec![Record::Policy(self.policy.clone())];
        for user in self.users.values() {
            directory.insert_user(user.clone()).expect("canaries know their zones");
            records.push(Record::User(Box::new(user.clone())));
        }
        for client in self.clients.values() {
            directory.insert_client(client.clone());
        }
        for order in self.orders.values() {
            directory.insert_order(order.clone());
        }
        let mut hour: Option<Timestamp> = None;
        for step in &self.steps {
            match step {
                Step::Event(event) => {
                    let this = Timestamp::from_millis(event.time.millis().div_euclid(HOUR_MS) * HOUR_MS);
                    if hour.is_some_and(|h| h < this) {
                        records.push(Record::Tick(Tick { at: this }));
                    }
                    hour = hour.max(Some(this));
                    let enrich = enrich(&directory, event, &self.policy.zone, "");
                    records.push(Record::Event(Box::new(Enriched { event: (**event).clone(), enrich, origin: None })));
                }
                Step::User(user) => {
                    directory.insert_user((**user).clone()).expect("canaries know their zones");
                    records.push(Record::User(user.clone()));
                }
                Step::Tick(at) => records.push(Record::Tick(Tick { at: *at })),
            }
        }
        records
    }
}

/// What a case is known by: part of the ids of its people, so that whoever reads them in a log knows whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key<'a> {
    run: &'a str,
    control: &'a str,
    part: &'a str,
    expected: Expected,
}

impl<'a> Key<'a> {
    fn id(&self, who: &str) -> String {
        format!("{}/{}/{}/{}/{who}", self.run, self.control, self.part, self.expected.as_str())
    }

    /// The key in an id that [`Key::id`] made.
    fn read(id: &'a str) -> Option<Self> {
        let mut parts = id.splitn(5, '/');
        let (run, control, part, word) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let expected = Expected::BOTH.into_iter().find(|e| e.as_str() == word)?;
        parts.next().map(|_| Self { run, control, part, expected })
    }
}

#[cfg(test)]
mod clauses;
#[cfg(test)]
mod tests;
