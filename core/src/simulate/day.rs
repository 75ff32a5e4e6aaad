//! One person's one day of honest work, made from its names alone.

use super::calendar::{self, later};
use super::chance::{Chance, count, millis, real, whole};
use super::company::{Company, Deal};
use super::people::{Person, Role, TASKS, Task, ramp};
use super::place::{CITIES, Desk, in_full, midnight, minutes};
use crate::directory::Grade;
use crate::event::{
    Action, Actor, Auth, Call, Change, Channel, DEFAULT_TENANT, Date, Direction, Event, HOUR_MS, Object, ObjectType, Outcome, Place, Query,
    Timestamp,
};

/// The source that the made-up CRM reports as.
pub(super) const SOURCE: &str = "generic";

/// Marketing's program.
pub(super) const MAILER: &str = "svc-mail";

/// A stretch of one session.
struct Block {
    from: Timestamp,
    to: Timestamp,
    desk: Desk,
    login: bool,
    logout: bool,
    /// Events wanted.
    goal: f64,
}

/// Writes the events of one person.
pub(super) struct Pen<'a> {
    pub(super) company: &'a Company,
    pub(super) person: &'a Person,
    pub(super) date: Date,
    pub(super) key: Chance,
    pub(super) out: Vec<Event>,
}

impl Company {
    /// Everything that this person honestly does on this local date, in order of time.
    pub(super) fn honest_day(&self, idx: usize, date: Date) -> Vec<Event> {
        let person = &self.people[idx];
        if !person.employed(date) {
            return Vec::new();
        }
        let mut pen = Pen { company: self, person, date, key: person.chance.of("day").at(date.0), out: Vec::new() };
        for block in pen.blocks() {
            pen.work(&block);
        }
        if let Some(c) = calendar::clean_up(person, date).filter(|_| person.role == Role::Admin && self.works(person, date)) {
            pen.clean_up(c);
        }
        let mut events = pen.out;
        if let Some(exit) = person.exit.filter(|e| later(date, 1) >= e.last) {
            // The last night shift ends when access does.
            let end = midnight(self.zone(idx), exit.last);
            events.retain(|e| e.time < end);
        }
        events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        events
    }

    /// Where somebody is at work on a date, if they are.
    pub(super) fn desk(&self, idx: usize, date: Date) -> Desk {
        let p = &self.people[idx];
        let key = p.chance.of("day").at(date.0);
        let place = match calendar::trip(p, date, CITIES.len()) {
            Some((_, _, city, c)) => p.kit.away(date, city, c),
            None if key.of("at home").hit(p.home) => p.kit.home(date),
            None => p.kit.office(date),
        };
        Desk { place, channel: Channel::Ui, session: key.of("morning").hex() }
    }

    /// Begin and end of a person's working day.
    pub(super) fn hours(&self, idx: usize, date: Date) -> (Timestamp, Timestamp) {
        let p = &self.people[idx];
        let key = p.chance.of("day").at(date.0);
        let shift = self.shift(p, date);
        let base = midnight(self.zone(idx), date);
        let from = f64::from(shift.start) + p.lag + 9.0 * key.of("start").normal();
        let to = f64::from(shift.end) + 0.5 * p.lag + 16.0 * key.of("end").normal();
        let to = if key.of("half day").hit(0.03) { from + 0.5 * (to - from) } else { to };
        (base.plus(minutes(from)), base.plus(minutes(to)))
    }
}

impl<'a> Pen<'a> {
    /// The stretches of a person's day and how much is done in each.
    fn blocks(&self) -> Vec<Block> {
        let (p, key, date) = (self.person, self.key, self.date);
        let mut blocks = Vec::new();
        let home = |name: &str| Desk { place: p.kit.home(date), channel: Channel::Ui, session: key.of(name).hex() };
        let base = midnight(self.company.zone(p.idx), date);
        if self.company.works(p, date) {
            self.full_day(&mut blocks);
            if key.of("evening").hit(p.evening) && p.shift.end <= 20 * 60 {
                let from = base.plus(minutes(key.of("evening from").between(19.5, 22.3) * 60.0));
                let goal = key.of("evening n").between(3.0, 16.0);
                blocks.push(Block {
                    from,
                    to: from.plus(minutes(10.0 + goal * 2.5)),
                    desk: home("evening session"),
                    login: true,
                    logout: false,
                    goal,
                });
            }
        } else if !calendar::ill(p, date) && calendar::leave(p, date).is_none() && key.of("day off").hit(p.weekend) {
            let from = base.plus(minutes(key.of("day off from").between(10.0, 19.0) * 60.0));
            let goal = key.of("day off n").between(3.0, 22.0);
            blocks.push(Block {
                from,
                to: from.plus(minutes(15.0 + goal * 3.0)),
                desk: home("day off session"),
                login: true,
                logout: false,
                goal,
            });
        }
        blocks
    }

    fn full_day(&self, blocks: &mut Vec<Block>) {
        let (p, key, date) = (self.person, self.key, self.date);
        let (from, to) = self.company.hours(p.idx, date);
        let length = to.millis() - from.millis();
        let usual = f64::from(p.shift.end - p.shift.start) * 60_000.0;
        #[expect(clippy::cast_precision_loss, reason = "a day of milliseconds")]
        let part = (length as f64 / usual).clamp(0.2, 1.3);
        let team_day = self.company.seed.of("team day").at(p.team).at(date.0).log_normal(1.0, 0.08);
        let firm_day = self.company.seed.of("firm day").at(date.0).log_normal(1.0, 0.05);
        let goal = p.pace
            * part
            * calendar::weekday(date)
            * ramp(p.hired, date)
            * team_day
            * firm_day
            * key.of("busy").log_normal(1.0, p.spread)
            * if p.exit.is_some_and(|e| date >= e.notice) { 0.7 } else { 1.0 };
        let desk = self.company.desk(p.idx, date);
        let lunch = from.plus(millis(real(usize::try_from(length).unwrap_or(0)) * key.of("lunch").between(0.42, 0.53)));
        let back = lunch.plus(minutes(key.of("break").between(25.0, 65.0)));
        let again = key.of("again").hit(0.5);
        let afternoon = Desk { session: if again { key.of("afternoon").hex() } else { desk.session.clone() }, ..desk.clone() };
        blocks.push(Block { from, to: lunch, desk, login: true, logout: again && key.of("out 1").hit(0.3), goal: goal * 0.5 });
        if key.of("visit").hit(p.visits) && length > 5 * HOUR_MS {
            // A visit: an hour or two with the telephone only.
            let city = calendar::trip(p, date, CITIES.len()).map_or(p.kit.city, |t| t.2);
            let leaves = back.plus(minutes(key.of("leaves").between(10.0, 60.0)));
            let returns = leaves.plus(minutes(key.of("returns").between(50.0, 130.0)));
            let phone = Desk { place: p.kit.mobile(date, city), channel: Channel::Mobile, session: key.of("visit session").hex() };
            let share = if returns < to { 0.5 } else { 0.2 };
            blocks.push(Block { from: back, to: leaves, desk: afternoon.clone(), login: again, logout: false, goal: goal * 0.08 });
            blocks.push(Block {
                from: leaves,
                to: returns,
                desk: phone,
                login: key.of("phone login").hit(0.5),
                logout: false,
                goal: goal * 0.1,
            });
            if returns < to {
                blocks.push(Block {
                    from: returns,
                    to,
                    desk: afternoon,
                    login: false,
                    logout: key.of("out 2").hit(0.6),
                    goal: goal * (share - 0.18),
                });
            }
        } else {
            blocks.push(Block { from: back, to, desk: afternoon, login: again, logout: key.of("out 2").hit(0.6), goal: goal * 0.5 });
        }
    }

    fn work(&mut self, block: &Block) {
        let key = self.key.of("block").at(block.from.millis());
        let length = block.to.millis() - block.from.millis();
        if length < 60_000 {
            return;
        }
        if block.login {
            self.log_in(block, key);
        }
        let start = self.out.len();
        let weights = self.weights();
        let campaign = calendar::campaign(self.company.seed, self.person.team, self.date).filter(|_| self.person.role != Role::Admin);
        let handed = self.company.taken_over(self.person.idx, self.date, 4);
        let mut n = 0_usize;
        while real(self.out.len() - start) < block.goal {
            let k = key.of("task").at(n);
            n += 1;
            let t = block.from.plus(millis(k.of("when").unit() * real(usize::try_from(length).unwrap_or(0))));
            let desk = &block.desk;
            match (&campaign, handed) {
                (Some(c), _) if k.of("campaign").hit(0.5) && desk.channel == Channel::Ui => self.campaign_call(*c, k, t, desk),
                (_, Some(m)) if k.of("handed").hit(0.25) => self.client_work(*k.of("which").pick(&m.clients), k, t, desk),
                _ => self.task(TASKS[k.of("kind").weighted(&weights)], k, t, desk),
            }
        }
        if block.logout {
            self.push(block.to.plus(minutes(2.0)), Action::Logout, &block.desk);
        }
    }

    /// What this person does today, by kind.
    fn weights(&self) -> [f64; TASKS.len()] {
        let mut w = self.person.tasks;
        if calendar::quarter_end(self.date) {
            w[5] *= 3.0;
            w[6] *= 3.0;
        }
        if calendar::new_report(self.company.seed, self.person.team, self.date).is_some_and(|(from, _)| self.date.0 - from.0 < 5) {
            w[5] = w[5].max(2.5) * 1.3;
        }
        if self.person.role_on(self.date) != self.person.role {
            // Another role: fewer calls, more care for those who already buy.
            w[0] *= 1.3;
            w[1] *= 0.5;
            w[5] *= 1.5;
            w[6] *= 1.5;
        }
        w
    }

    fn log_in(&mut self, block: &Block, key: Chance) {
        let at = block.from.plus(-minutes(key.of("login").between(0.3, 2.0)));
        let failures = if key.of("mistyped").hit(0.06) { 1 + key.of("twice").below(2) } else { 0 };
        for i in 0..failures {
            let i_ms = i64::try_from(failures - i).unwrap_or(0) * 14_000;
            let e = self.push(at.plus(-i_ms), Action::Login, &block.desk);
            e.outcome = Outcome::Failure;
            e.reason = Some("wrong password".into());
            e.session = None;
            e.auth = Some(Auth { method: Some("password".into()), ..Auth::default() });
        }
        self.signed_in(at, &block.desk);
    }

    /// A log-in that works.
    pub(super) fn signed_in(&mut self, at: Timestamp, desk: &Desk) -> &mut Event {
        let (mfa, place) =
            (self.person.mfa, in_full(&desk.place, self.person.chance.of("tls").of(desk.place.device.as_deref().unwrap_or(""))));
        let e = self.push(at, Action::Login, desk);
        e.client = Some(place);
        e.auth = Some(Auth { method: Some("password".into()), mfa: Some(mfa), mfa_method: mfa.then(|| "totp".into()) });
        e
    }

    fn task(&mut self, task: Task, k: Chance, t: Timestamp, desk: &Desk) {
        match task {
            Task::Client => self.client_work(self.client(k), k, t, desk),
            Task::CallOut => self.call_out(self.client(k), k, t, desk),
            Task::CallIn => self.call_in(k, t, desk),
            Task::Browse => self.browse(k, t, desk),
            Task::Search => {
                let mut t = t;
                for i in 0..1 + k.of("n").below(3) {
                    self.search(k.at(i), t, desk);
                    t = t.plus(self.gap(k.at(i), 14.0));
                }
            }
            Task::Report => self.report(k, t, desk),
            Task::Export => self.export(k, t, desk),
            Task::Lead => {
                let e = self.push(t, Action::Create, desk);
                e.object = Some(Object {
                    kind: Some(ObjectType::Lead),
                    id: Some(format!("l{:010x}", k.of("lead").bits() >> 24)),
                    ..Object::default()
                });
                e.records = Some(1);
                if k.of("called").hit(0.5) {
                    let number = format!("{}{:07}", CITIES[self.person.kit.city].prefix, k.of("number").bits() % 10_000_000);
                    let call = Call { direction: Some(Direction::Out), number: Some(number), duration_s: Some(seconds(k)), client: None };
                    let t = t.plus(self.gap(k, 30.0));
                    let e = self.push(t, Action::Call, desk);
                    (e.channel, e.call) = (Some(Channel::Telephony), Some(call));
                }
            }
            Task::Mail => {
                let client = self.client(k);
                let way = if k.of("way").hit(0.35) { "in" } else { "out" };
                let e = self.touch(t, Action::Email, client, desk);
                e.attrs.insert("direction".into(), way.into());
                if way == "in" {
                    self.touch(t.plus(self.gap(k, 60.0)), Action::View, client, desk);
                }
            }
            Task::Print => {
                let client = self.client(k);
                self.touch(t, Action::View, client, desk);
                let e = self.touch(t.plus(self.gap(k, 20.0)), Action::Print, client, desk);
                e.records = Some(1);
            }
            Task::Tidy => {
                let action = if k.of("merge").hit(0.5) { Action::Merge } else { Action::Delete };
                let e = self.push(t, action, desk);
                e.object = Some(Object {
                    kind: Some(ObjectType::Lead),
                    id: Some(format!("l{:010x}", k.of("lead").bits() >> 24)),
                    ..Object::default()
                });
                e.records = Some(1);
            }
            Task::Share => {
                let team = &self.company.teams[self.person.team];
                let mate = self.company.people[team.first + k.of("with").below(team.size)].id.clone();
                let client = self.client(k);
                let e = self.touch(t, Action::Share, client, desk);
                e.records = Some(1);
                e.change = Some(Change { what: Some("access".into()), target: Some(mate), ..Change::default() });
            }
        }
    }

    /// Whose client comes next: mostly one's own with something open, at times a team mate's, seldom a stranger's.
    fn client(&self, k: Chance) -> usize {
        let (company, p) = (self.company, self.person);
        let team = &company.teams[p.team];
        let before = team.first + (p.idx - team.first + team.size - 1) % team.size;
        let stands_in = before != p.idx && calendar::leave(&company.people[before], self.date).is_some() && k.of("stands in").hit(0.2);
        if let Some(c) = Some(before).filter(|_| stands_in).and_then(|who| self.of_another(who, k)) {
            return c;
        }
        let own = company.book(p.idx, self.date);
        let share = k.of("whose").unit();
        if own.is_empty() || share < p.mates {
            // Those with clients of their own help each other; the others help everybody.
            let who = team.first + k.of("mate").below(team.size);
            if let Some(c) = self.of_another(who, k) {
                return c;
            }
        }
        if own.is_empty() || (p.mates..p.mates + p.strangers).contains(&share) {
            for i in 0..4 {
                if let Some(c) = self.of_another(k.of("stranger").at(i).below(company.people.len()), k) {
                    return c;
                }
            }
        }
        if own.is_empty() {
            return company.people.iter().find_map(|q| company.book(q.idx, self.date).first()).copied().unwrap_or(0);
        }
        let week = company.seed.of("focus").at(p.idx).at(self.date.0.div_euclid(7)).below(own.len());
        let mut choice = 0;
        for i in 0..3 {
            let u = k.of("own").at(i).unit();
            choice = own[(whole(real(own.len()) * u * libm::sqrt(u)) + week) % own.len()];
            if k.of("settles").at(i).hit(0.4) || company.open_deal(choice, midday(self.date)).is_some() {
                break;
            }
        }
        choice
    }

    /// A client of somebody else, but none that is above one's grade.
    fn of_another(&self, who: usize, k: Chance) -> Option<usize> {
        let book = self.company.book(who, self.date);
        (0..4)
            .filter(|_| !book.is_empty())
            .map(|i| *k.of("theirs").at(i).pick(book))
            .find(|c| self.person.trusted() || !self.company.key(*c))
    }

    /// Seconds between steps of a task.
    fn gap(&self, k: Chance, median_s: f64) -> i64 {
        millis(1000.0 * k.of("gap").log_normal(median_s, 0.8).min(600.0))
    }

    fn client_work(&mut self, client: usize, k: Chance, t: Timestamp, desk: &Desk) {
        let mut t = t;
        if k.of("search first").hit(0.3) {
            self.search(k, t, desk);
            t = t.plus(self.gap(k.of("1"), 8.0));
        }
        self.touch(t, Action::View, client, desk);
        let deal = self.company.open_deal(client, t).filter(|d| self.takes_part(d));
        if let Some(d) = deal.filter(|_| k.of("deal").hit(0.5)) {
            t = t.plus(self.gap(k.of("2"), 15.0));
            self.deal(t, if k.of("edits deal").hit(0.3) { Action::Update } else { Action::View }, &d, desk);
        }
        if k.of("update").hit(0.45) {
            t = t.plus(self.gap(k.of("3"), 45.0));
            self.touch(t, Action::Update, client, desk).records = Some(1);
        }
        if k.of("task").hit(0.18) {
            t = t.plus(self.gap(k.of("4"), 40.0));
            let e = self.push(t, Action::Create, desk);
            e.object = Some(Object {
                kind: Some(ObjectType::Task),
                id: Some(format!("t{:010x}", k.of("task").bits() >> 24)),
                ..Object::default()
            });
        }
        if k.of("mail").hit(0.18) {
            t = t.plus(self.gap(k.of("5"), 90.0));
            self.touch(t, Action::Email, client, desk).attrs.insert("direction".into(), "out".into());
        }
    }

    fn call_out(&mut self, client: usize, k: Chance, t: Timestamp, desk: &Desk) {
        let mut t = t;
        if k.of("looks").hit(0.7) {
            self.touch(t, Action::View, client, desk);
            t = t.plus(self.gap(k.of("1"), 20.0));
        }
        let talk = seconds(k);
        self.call(t, client, Direction::Out, talk, desk);
        if k.of("notes").hit(0.55) {
            t = t.plus(i64::try_from(talk).unwrap_or(0) * 1000 + self.gap(k.of("2"), 30.0));
            self.touch(t, Action::Update, client, desk).records = Some(1);
        }
    }

    fn call_in(&mut self, k: Chance, t: Timestamp, desk: &Desk) {
        // Anybody's client may ring, most of all at the desk.
        let others = if self.person.role == Role::Support { 0.8 } else { 0.12 };
        let client = if k.of("anybody").hit(others) {
            self.of_another(k.of("caller").below(self.company.people.len()), k).unwrap_or_else(|| self.client(k))
        } else {
            self.client(k)
        };
        let talk = seconds(k);
        self.call(t, client, Direction::In, talk, desk);
        let mut t = t.plus(self.gap(k.of("1"), 9.0));
        self.touch(t, Action::View, client, desk);
        if k.of("notes").hit(0.6) {
            t = t.plus(i64::try_from(talk).unwrap_or(0) * 1000 + self.gap(k.of("2"), 25.0));
            self.touch(t, Action::Update, client, desk).records = Some(1);
        }
    }

    fn campaign_call(&mut self, c: Chance, k: Chance, t: Timestamp, desk: &Desk) {
        // A list of clients from the whole firm, worked off by whoever is free.
        let who = c.of("list").at(k.of("line").below(60)).below(self.company.people.len());
        let client = self.of_another(who, k).unwrap_or_else(|| self.client(k));
        self.call_out(client, k, t, desk);
    }

    fn browse(&mut self, k: Chance, t: Timestamp, desk: &Desk) {
        let saved = k.of("saved").below(1 + self.person.chance.of("saved lists").below(6));
        let n = count(k.of("n").log_normal(self.person.list, 0.6)).clamp(1, 2000);
        let mut query = self.saved("list", saved);
        query.filter = Some(!self.person.chance.of("unfiltered").at(saved).hit(0.15));
        let e = self.push(t, Action::List, desk);
        (e.object, e.records, e.query) = (Some(kind(ObjectType::Client)), Some(n), Some(query));
        let mut t = t;
        for i in 0..k.of("opens").below(5) {
            let k = k.of("open").at(i);
            t = t.plus(self.gap(k, 35.0));
            let client = self.client(k);
            self.touch(t, Action::View, client, desk);
        }
    }

    fn search(&mut self, k: Chance, t: Timestamp, desk: &Desk) {
        let n = if k.of("found").hit(0.85) { 1 + count(k.of("hits").log_normal(2.2, 0.9)) } else { 0 };
        let text: String = (0..2 + k.of("syllables").below(2)).map(|i| *k.of("syllable").at(i).pick(&SYLLABLES)).collect();
        let e = self.push(t, Action::Search, desk);
        e.object = Some(kind(ObjectType::Client));
        e.records = Some(n.min(50));
        e.query = Some(Query { text: Some(text), filter: Some(true), ..Query::default() });
    }

    fn report(&mut self, k: Chance, t: Timestamp, desk: &Desk) {
        let query = self.report_query(k);
        let n = count(heavy(k.of("n"), self.person.report, 0.85)).clamp(1, 30_000);
        let e = self.push(t, Action::Report, desk);
        (e.channel, e.object, e.records, e.query) = (Some(Channel::Report), Some(kind(ObjectType::Report)), Some(n), Some(query.clone()));
        if k.of("takes it").hit(0.08) && desk.channel == Channel::Ui {
            let t = t.plus(self.gap(k, 40.0));
            self.export_of(t, n, query, k, desk);
        }
    }

    fn export(&mut self, k: Chance, t: Timestamp, desk: &Desk) {
        if desk.channel != Channel::Ui {
            return self.browse(k, t, desk);
        }
        let n = count(heavy(k.of("n"), self.person.export, 0.9)).clamp(1, 30_000);
        let query = if k.of("of a list").hit(0.5) { self.saved("list", 0) } else { self.report_query(k) };
        self.export_of(t, n, query, k, desk);
    }

    /// An export by this query.
    pub(super) fn export_of(&mut self, t: Timestamp, n: u64, query: Query, k: Chance, desk: &Desk) -> &mut Event {
        let bytes = count(real(usize::try_from(n).unwrap_or(0)) * k.of("bytes").log_normal(190.0, 0.25));
        let e = self.push(t, Action::Export, desk);
        (e.channel, e.object, e.records, e.query) = (Some(Channel::Report), Some(kind(ObjectType::Report)), Some(n), Some(query));
        e.bytes = Some(bytes);
        e
    }

    /// One of the reports that this person uses; sometimes one tried for the first time.
    fn report_query(&self, k: Chance) -> Query {
        if let Some((_, c)) = calendar::new_report(self.company.seed, self.person.team, self.date).filter(|_| k.of("new").hit(0.3)) {
            return Query { fingerprint: Some(c.of("fingerprint").hex()), filter: Some(true), fields: fields(c), ..Query::default() };
        }
        if k.of("tried").hit(0.015) {
            return Query { fingerprint: Some(k.of("fingerprint").hex()), filter: Some(true), fields: fields(k), ..Query::default() };
        }
        self.saved("report", k.of("which").below(1 + self.person.chance.of("saved reports").below(5)))
    }

    /// A saved list or report of one's own.
    pub(super) fn saved(&self, what: &str, n: usize) -> Query {
        let c = self.person.chance.of(what).at(n);
        Query { fingerprint: Some(c.of("fingerprint").hex()), filter: Some(!c.of("whole").hit(0.1)), fields: fields(c), ..Query::default() }
    }

    fn clean_up(&mut self, c: Chance) {
        let desk = self.company.desk(self.person.idx, self.date);
        let (from, to) = self.company.hours(self.person.idx, self.date);
        let mut t = from.plus((to.millis() - from.millis()) / 3);
        for i in 0..count(c.of("n").log_normal(70.0, 0.5)).min(300) {
            let k = c.of("step").at(i);
            t = t.plus(self.gap(k, 9.0));
            let action = if k.of("merge").hit(0.6) { Action::Merge } else { Action::Delete };
            let e = self.push(t, action, &desk);
            e.object = Some(Object {
                kind: Some(ObjectType::Lead),
                id: Some(format!("l{:010x}", k.of("lead").bits() >> 24)),
                ..Object::default()
            });
            e.records = Some(1);
        }
    }

    fn takes_part(&self, d: &Deal) -> bool {
        d.manager == self.person.idx || d.mate == Some(self.person.idx)
    }

    /// An event about a client: its card opened, changed, written to.
    pub(super) fn touch(&mut self, t: Timestamp, action: Action, client: usize, desk: &Desk) -> &mut Event {
        let company = self.company;
        let owner = company.people[company.owner(client, self.date)].id.clone();
        let order =
            company.open_deal(client, t).filter(|d| self.takes_part(d) && self.key.at(t.millis()).hit(0.4)).map(|d| company.deal_id(&d));
        let e = self.push(t, action, desk);
        e.object =
            Some(Object { kind: Some(ObjectType::Client), id: Some(company.client_id(client)), owner: Some(owner), ..Object::default() });
        e.order = order;
        if action == Action::View {
            e.records = Some(1);
        }
        e
    }

    /// An event about a deal.
    pub(super) fn deal(&mut self, t: Timestamp, action: Action, d: &Deal, desk: &Desk) -> &mut Event {
        let company = self.company;
        let e = self.push(t, action, desk);
        e.object = Some(Object {
            kind: Some(ObjectType::Deal),
            id: Some(company.deal_id(d)),
            owner: Some(company.people[d.manager].id.clone()),
            client: Some(company.client_id(d.client)),
            ..Object::default()
        });
        e.order = Some(company.deal_id(d));
        e.records = Some(1);
        e
    }

    /// A call with a client.
    pub(super) fn call(&mut self, t: Timestamp, client: usize, direction: Direction, talk_s: u64, desk: &Desk) -> &mut Event {
        let company = self.company;
        let (id, number) = (company.client_id(client), company.phone(client));
        let e = self.push(t, Action::Call, desk);
        e.channel = Some(Channel::Telephony);
        e.object = Some(Object { kind: Some(ObjectType::Client), id: Some(id.clone()), ..Object::default() });
        e.call = Some(Call { direction: Some(direction), number: Some(number), duration_s: Some(talk_s), client: Some(id) });
        // The exchange knows the telephone on the desk, not the browser.
        (e.client, e.session) = (None, None);
        e
    }

    /// An event of this person.
    pub(super) fn push(&mut self, time: Timestamp, action: Action, desk: &Desk) -> &mut Event {
        let n = self.out.len();
        self.out.push(Event {
            id: self.key.of("id").at(n).hex(),
            time,
            tenant: DEFAULT_TENANT.to_owned(),
            source: SOURCE.to_owned(),
            actor: Actor { id: self.person.id.clone(), ..Actor::default() },
            action,
            outcome: Outcome::Success,
            reason: None,
            channel: Some(desk.channel),
            session: Some(desk.session.clone()),
            object: None,
            records: None,
            bytes: None,
            query: None,
            call: None,
            order: None,
            client: Some(desk.place.clone()),
            auth: None,
            change: None,
            attrs: std::collections::BTreeMap::new(),
        });
        &mut self.out[n]
    }
}

const SYLLABLES: [&str; 24] = [
    "al", "ber", "cor", "dan", "el", "fin", "gor", "hol", "in", "jur", "kal", "lin", "mar", "nov", "or", "pol", "rus", "sel", "tor", "ul",
    "vol", "wes", "yar", "zen",
];

/// An object of which only the kind is known.
pub(super) fn kind(kind: ObjectType) -> Object {
    Object { kind: Some(kind), ..Object::default() }
}

/// Columns of a list or report.
pub(super) fn fields(c: Chance) -> Vec<String> {
    ["name", "city", "stage", "amount", "next_step", "segment", "source", "phone", "email"]
        .iter()
        .enumerate()
        .filter(|(i, _)| *i == 0 || c.of("field").at(*i).hit(if *i < 7 { 0.5 } else { 0.2 }))
        .map(|(_, f)| (*f).to_owned())
        .collect()
}

/// Seconds of talk.
fn seconds(k: Chance) -> u64 {
    if k.of("answered").hit(0.75) { count(k.of("talk").log_normal(110.0, 0.9)).clamp(3, 3600) } else { 0 }
}

/// A record count: log-normal, and now and then far more (a Pareto tail).
fn heavy(k: Chance, median: f64, sigma: f64) -> f64 {
    let tail = if k.of("far").hit(0.02) { libm::pow(1.0 - k.of("how far").unit(), -1.0 / 1.4).min(40.0) } else { 1.0 };
    k.log_normal(median, sigma) * tail
}

fn midday(date: Date) -> Timestamp {
    date.midnight_utc().plus(12 * HOUR_MS)
}

impl Company {
    /// The newsletter of this UTC date: when, and to how many.
    pub(super) fn newsletter(&self, date: Date) -> Option<(Timestamp, u64)> {
        let day = self.seed.of("programs").at(date.0);
        (matches!(date.weekday(), 1 | 3) && day.of("newsletter").hit(0.7)).then(|| {
            let at = 9 * HOUR_MS + millis(day.of("mail").between(0.0, 3_000_000.0));
            (date.midnight_utc().plus(at), count(day.of("mails").log_normal(25.0 * real(self.people.len()), 0.3)))
        })
    }

    /// What programs do on this UTC date: the nightly sync, the newsletter, the warehouse's pull, the backup.
    pub(super) fn programs(&self, date: Date) -> Vec<Event> {
        let day = self.seed.of("programs").at(date.0);
        let mut out = Vec::new();
        let mut add = |who: &str, kind, action, channel, ms: i64, ip: &str| -> usize {
            let n = out.len();
            let machine = ip.starts_with("10.");
            out.push(Event {
                id: day.of(who).at(n).hex(),
                time: date.midnight_utc().plus(ms),
                tenant: DEFAULT_TENANT.to_owned(),
                source: SOURCE.to_owned(),
                actor: Actor { id: who.to_owned(), kind, name: None },
                action,
                outcome: Outcome::Success,
                reason: None,
                channel: Some(channel),
                session: None,
                object: None,
                records: None,
                bytes: None,
                query: None,
                call: None,
                order: None,
                client: (!machine).then(|| Place {
                    ip: Some(ip.to_owned()),
                    user_agent: Some(format!("{who}/2.4")),
                    asn: Some(64_580),
                    ..Place::default()
                }),
                auth: None,
                change: None,
                attrs: std::collections::BTreeMap::new(),
            });
            n
        };
        use crate::event::ActorKind::{Integration, System};
        let mut filled = Vec::new();
        for i in 0..12 + day.of("pages").below(8) {
            let c = day.of("page").at(i);
            let at = HOUR_MS + millis(600_000.0 * real(i) + c.of("ms").between(0.0, 60_000.0));
            filled.push((
                add("svc-sync", Integration, Action::ApiQuery, Channel::Api, at, "198.18.240.5"),
                60 + count(c.of("n").log_normal(90.0, 0.4)),
                "sync",
            ));
        }
        if let Some((at, n)) = self.newsletter(date) {
            let at = at.millis() - date.midnight_utc().millis();
            filled.push((add(MAILER, Integration, Action::Email, Channel::Api, at, "198.18.240.6"), n, "newsletter"));
        }
        let at = 3 * HOUR_MS + millis(day.of("bi").between(0.0, 600_000.0));
        filled.push((
            add("svc-bi", Integration, Action::Export, Channel::BulkApi, at, "198.18.240.7"),
            count(day.of("rows").log_normal(60.0 * real(self.people.len()), 0.1)),
            "warehouse",
        ));
        let mut backups = Vec::new();
        for (i, target) in ["primary", "offsite"].into_iter().enumerate() {
            let at = 2 * HOUR_MS + millis(day.of(target).between(0.0, 900_000.0) + 1_800_000.0 * real(i));
            backups.push((add("backup", System, Action::Backup, Channel::Other, at, "10.0.0.1"), target));
        }
        for (i, n, what) in filled {
            out[i].records = Some(n);
            out[i].object = Some(kind(ObjectType::Client));
            out[i].query = Some(Query { fingerprint: Some(what.to_owned()), filter: Some(true), ..Query::default() });
            if what == "newsletter" {
                out[i].attrs.insert("direction".into(), "out".into());
            }
        }
        for (i, target) in backups {
            out[i].change = Some(Change { what: Some("backup".into()), target: Some(target.to_owned()), ..Change::default() });
        }
        // An account is closed on the morning of the first day without access.
        for p in self.people.iter().filter(|p| p.exit.is_some_and(|e| e.closed && e.last == date)) {
            if let Some(admin) = self.people.iter().find(|a| a.grade == Grade::Admin && a.employed(later(date, 1))) {
                let at = midnight(self.zone(p.idx), date).plus(20 * 60_000);
                let mut pen = Pen { company: self, person: admin, date, key: p.chance.of("closed"), out: Vec::new() };
                let desk = self.desk(admin.idx, date);
                let e = pen.push(at, Action::UserDeactivate, &desk);
                e.actor = Actor { id: "provisioning".into(), kind: System, name: None };
                (e.client, e.session, e.channel) = (None, None, Some(Channel::Api));
                e.object = Some(Object { kind: Some(ObjectType::User), id: Some(p.id.clone()), ..Object::default() });
                e.change = Some(Change { what: Some("account".into()), target: Some(p.id.clone()), ..Change::default() });
                out.append(&mut pen.out);
            }
        }
        out.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        out
    }
}
