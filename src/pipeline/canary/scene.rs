//! What canaries are told with: people, clients, what they do and when.

use super::{Case, Expected, Key, Step, TENANT};
use crate::{
    directory::{Client, Order, User},
    engine::{ControlPolicy, Policy},
    event::{
        Action, Actor, Budget, Call, Channel, DAY_MS, Direction, Event, HOUR_MS, Object, ObjectType, Outcome, Place, Query, Timestamp,
    },
};

/// Minutes since the Monday on which a case begins.
pub(super) type Minutes = i64;

/// Day (0: Monday), hour and minute.
pub(super) const fn at(day: i64, hour: i64, minute: i64) -> Minutes {
    (day * 24 + hour) * 60 + minute
}

/// Eight people of one team and role.
pub(super) const TEAM: [&str; 8] = ["anna", "boris", "dina", "egor", "gleb", "ivan", "vera", "zoya"];

/// A case while it is told.
pub(super) struct Scene {
    pub(super) case: Case,
    key: [String; 3],
    expected: Expected,
    monday: Timestamp,
    n: u32,
}

impl Scene {
    /// An empty scene; time starts at the beginning of the week of `start`.
    pub(super) fn new(key: Key<'_>, start: Timestamp) -> Self {
        const WEEK: i64 = 7 * DAY_MS;
        // 1970 began on a Thursday.
        const MONDAY: i64 = 4 * DAY_MS;
        let monday = (start.millis() - MONDAY).div_euclid(WEEK) * WEEK + MONDAY;
        Self {
            case: Case::default(),
            key: [key.run, key.control, key.part].map(str::to_owned),
            expected: key.expected,
            monday: Timestamp::from_millis(monday),
            n: 0,
        }
    }

    pub(super) fn time(&self, minutes: Minutes) -> Timestamp {
        self.monday.plus(minutes * (HOUR_MS / 60))
    }

    /// The id under which somebody acts, fresh in each run.
    pub(super) fn id(&self, who: &str) -> String {
        let [run, control, part] = &self.key;
        Key { run, control, part, expected: self.expected }.id(who)
    }

    pub(super) fn policy(&mut self) -> &mut Policy {
        &mut self.case.policy
    }

    /// Sets a number of a control.
    pub(super) fn setting(&mut self, control: &str, name: &str, value: f64) {
        let settings = [(name.to_owned(), value)].into();
        self.case.policy.controls.insert(control.to_owned(), ControlPolicy { settings, ..ControlPolicy::default() });
    }

    /// Somebody of team `a`, in sales, in UTC, from nine to six.
    pub(super) fn person(&mut self, who: &str) -> &mut User {
        let id = self.id(who);
        self.case.users.entry(who.to_owned()).or_insert_with(|| User {
            tenant: TENANT.to_owned(),
            id,
            team: Some("a".to_owned()),
            role: Some("sales".to_owned()),
            time_zone: Some("UTC".to_owned()),
            schedule: Some("Mo-Fr 09:00-18:00".to_owned()),
            ..User::default()
        })
    }

    /// Olga of team `b`: whose clients are strangers to team `a`.
    pub(super) fn stranger(&mut self) {
        self.person("olga").team = Some("b".to_owned());
    }

    /// A client and who owns it.
    pub(super) fn client(&mut self, id: &str, owner: &str) -> &mut Client {
        let owner = Some(self.id(owner));
        let fresh = || Client { tenant: TENANT.to_owned(), id: id.to_owned(), ..Client::default() };
        let client = self.case.clients.entry(id.to_owned()).or_insert_with(fresh);
        client.owner = owner;
        client
    }

    /// An order of a client, of whom it is.
    pub(super) fn order(&mut self, id: &str, client: &str, manager: &str) -> &mut Order {
        let manager = Some(self.id(manager));
        let fresh = || Order { tenant: TENANT.to_owned(), id: id.to_owned(), client: Some(client.to_owned()), manager, ..Order::default() };
        self.case.orders.entry(id.to_owned()).or_insert_with(fresh)
    }

    /// Something that somebody does, successfully and at the desk.
    pub(super) fn act(&mut self, who: &str, when: Minutes, action: Action) -> &mut Event {
        self.n += 1;
        let event = Event {
            id: self.id(&self.n.to_string()),
            time: self.time(when),
            tenant: TENANT.to_owned(),
            source: "canary".to_owned(),
            actor: Actor { id: self.id(who), ..Actor::default() },
            action,
            outcome: Outcome::Success,
            reason: None,
            channel: Some(Channel::Ui),
            session: None,
            object: None,
            records: None,
            bytes: None,
            query: None,
            call: None,
            order: None,
            client: Some(desk()),
            auth: None,
            change: None,
            attrs: Default::default(),
        };
        self.case.steps.push(Step::Event(Box::new(event)));
        match self.case.steps.last_mut() {
            Some(Step::Event(event)) => event,
            _ => unreachable!("it was pushed"),
        }
    }

    /// Looks at a client.
    pub(super) fn view(&mut self, who: &str, when: Minutes, client: &str) -> &mut Event {
        let event = self.act(who, when, Action::View);
        event.object = Some(of_client(client));
        event
    }

    /// Calls a client.
    pub(super) fn call(&mut self, who: &str, when: Minutes, client: &str) -> &mut Event {
        let event = self.act(who, when, Action::Call);
        event.channel = Some(Channel::Telephony);
        event.call = Some(Call { direction: Some(Direction::Out), client: Some(client.to_owned()), ..Call::default() });
        event
    }

    /// Asks for records.
    pub(super) fn query(&mut self, who: &str, when: Minutes, action: Action, records: u64, fingerprint: &str) -> &mut Event {
        let event = self.act(who, when, action);
        event.records = Some(records);
        event.query = Some(Query { fingerprint: Some(fingerprint.to_owned()), ..Query::default() });
        event
    }

    /// A row of somebody becomes known.
    pub(super) fn row(&mut self, who: &str, change: impl FnOnce(&mut User)) {
        let mut user = self.person(who).clone();
        change(&mut user);
        self.case.steps.push(Step::User(Box::new(user)));
    }

    /// Lowers the budget of alerts, by a fifth each, until nothing so far opens one: what is most surprising is nearly enough.
    pub(super) fn nearly(&mut self) {
        let mut budget = 20.0;
        while budget > 1e-6 {
            self.case.policy.budget = Budget::Rate(budget);
            if !self.case.alerts() {
                break;
            }
            budget *= 0.8;
        }
    }

    /// A minute passed.
    pub(super) fn tick(&mut self, when: Minutes) {
        self.case.steps.push(Step::Tick(self.time(when)));
    }

    /// Four days of usual work of the whole team, 192 events: own clients, a small report, a small export.
    pub(super) fn usual(&mut self) {
        for who in TEAM {
            self.person(who);
            for i in 1..=12 {
                self.client(&format!("{who}-{i}"), who);
            }
        }
        for day in 0..4 {
            for (n, who) in (0..).zip(TEAM) {
                self.view(who, at(day, 9, n), &format!("{who}-1"));
                self.query(who, at(day, 10, n), Action::Report, 4 + (n + day).unsigned_abs() % 3, "week");
                self.view(who, at(day, 11, n), &format!("{who}-2"));
                self.query(who, at(day, 13, n), Action::Export, 2, "offer");
                self.act(who, at(day, 15, n), Action::Update).object = Some(of_client(&format!("{who}-1")));
                self.act(who, at(day, 17, n), Action::Logout);
            }
        }
        // Their Thursday closes on Friday at eleven, and not before the next event.
        self.usual_until_here();
    }

    /// What was told so far is the baseline.
    pub(super) fn usual_until_here(&mut self) {
        self.case.baseline = self.case.steps.len();
    }
}

/// The desk where everybody sits.
pub(super) fn desk() -> Place {
    Place {
        ip: Some("192.0.2.10".to_owned()),
        user_agent: Some("Mozilla/5.0 Chrome/120".to_owned()),
        device: Some("desk".to_owned()),
        country: Some("RU".to_owned()),
        asn: Some(64500),
        ..Place::default()
    }
}

pub(super) fn of_client(id: &str) -> Object {
    Object { kind: Some(ObjectType::Client), id: Some(id.to_owned()), ..Object::default() }
}
