//! What a thief does. How much is relative to what the person honestly does in a month, never to a detector.

use super::calendar::later;
use super::chance::{Chance, count, millis, real, whole};
use super::company::Company;
use super::day::{Pen, fields};
use super::place::{CITIES, Desk, elsewhere};
use crate::event::{Action, Auth, Change, Channel, Date, Direction, Event, Object, ObjectType, Outcome, Query, Timestamp, words};
use crate::model::Strength;

words! {
    /// The kinds of attack.
    Scenario {
        /// Many middling exports in an afternoon.
        ChunkedExport = "chunked_export",
        /// Everything in one file.
        BulkExport = "bulk_export",
        /// Late in the evening from home.
        NightExport = "night_export",
        /// Card after card along the base.
        Scraping = "scraping",
        /// Strangers' cards besides one's own work.
        UnrelatedViews = "unrelated_views",
        /// Strangers' cards in place of one's own work.
        UnrelatedQuiet = "unrelated_quiet",
        /// Calls to strangers' clients.
        UnrelatedCalls = "unrelated_calls",
        /// A little more every day for weeks.
        Drip = "drip",
        /// Cards deleted.
        MassDelete = "mass_delete",
        /// Access or ownership given to an address outside.
        ShareOutside = "share_outside",
        /// A password used by somebody far away.
        StolenLogin = "stolen_login",
        /// A script with the key of somebody who only knows the browser.
        ApiBulk = "api_bulk",
        /// Guessed passwords until one fits.
        BruteForce = "brute_force",
        /// Two people in two cities on one account.
        SharedAccount = "shared_account",
        /// Collecting after giving notice.
        LeaverCollects = "leaver_collects",
        /// Back after the last day.
        LeaverActive = "leaver_active",
        /// From an address that is not allowed.
        AddressDenied = "address_denied",
        /// Behind the noise of the team's campaign.
        CampaignTheft = "campaign_theft",
    }
}

impl Scenario {
    /// Controls that are right to name it.
    pub(super) fn controls(self) -> &'static [&'static str] {
        match self {
            Self::ChunkedExport => &["chunked_export", "bulk_export", "base_share", "first_time", "personal_fields"],
            Self::BulkExport => &["bulk_export", "chunked_export", "personal_fields"],
            Self::NightExport => &["off_hours", "bulk_export", "chunked_export", "new_place"],
            Self::Scraping => &["scraping", "chunked_export", "unrelated", "out_of_book", "base_share", "decoy", "key_client"],
            Self::UnrelatedViews | Self::UnrelatedQuiet => &["unrelated", "out_of_book", "lost_deal_look", "key_client", "chunked_export"],
            Self::UnrelatedCalls => &["unrelated_call", "unrelated", "out_of_book", "key_client"],
            Self::Drip => &["drip", "bulk_export", "chunked_export", "unrelated", "out_of_book", "base_share", "key_client"],
            Self::MassDelete => &["mass_change", "junior_delete"],
            Self::ShareOutside => &["mass_change"],
            Self::StolenLogin => &["new_place", "no_mfa", "off_hours", "bulk_export", "chunked_export", "impossible_travel"],
            Self::ApiBulk => &["new_channel", "first_time", "personal_fields", "bulk_export", "chunked_export"],
            Self::BruteForce => &["brute_force", "new_place", "no_mfa", "bulk_export", "chunked_export"],
            Self::SharedAccount => &["shared_account", "new_place", "impossible_travel", "unrelated", "chunked_export"],
            Self::LeaverCollects => &["leaver_watch", "bulk_export", "chunked_export", "unrelated", "out_of_book", "personal_fields"],
            Self::LeaverActive => &["leaver_active"],
            Self::AddressDenied => &["address_denied", "new_place"],
            Self::CampaignTheft => &["unrelated", "out_of_book", "chunked_export", "bulk_export", "key_client"],
        }
    }

    /// Days that it goes on.
    pub(super) fn days(self, strength: Strength) -> i32 {
        match (self, strength) {
            (Self::Drip, Strength::Weak) => 26,
            (Self::Drip, Strength::Medium) => 20,
            (Self::Drip, Strength::Strong) => 14,
            (Self::LeaverCollects, _) => 5,
            (Self::UnrelatedQuiet | Self::SharedAccount, _) => 3,
            _ => 1,
        }
    }
}

/// What a person honestly does on a busy day: the ninth decile of their working days of a month.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    exported: f64,
    clients: f64,
    strangers: f64,
    stranger_calls: f64,
    destroyed: f64,
}

impl Level {
    /// Of the thirty days before a date.
    pub(super) fn before(company: &Company, idx: usize, date: Date) -> Self {
        let me = &company.people[idx].id;
        let mut days: [Vec<f64>; 5] = Default::default();
        for ago in 1..=30 {
            let events = company.honest_day(idx, later(date, -ago));
            if events.len() < 15 {
                continue;
            }
            let (mut exported, mut destroyed) = (0, 0);
            let mut seen = std::collections::BTreeSet::new();
            let (mut strangers, mut stranger_calls) = (0, 0);
            for e in &events {
                match e.action {
                    Action::Export | Action::Print | Action::ApiQuery => exported += e.records.unwrap_or(0),
                    Action::Delete | Action::Merge | Action::Transfer => destroyed += e.records.unwrap_or(1),
                    _ => {}
                }
                let Some(o) = e.object.as_ref().filter(|o| o.kind == Some(ObjectType::Client)) else { continue };
                let Some(id) = o.id.as_deref().filter(|id| seen.insert((*id).to_owned())) else { continue };
                let theirs = o.owner.as_ref().is_some_and(|w| w != me);
                strangers += u64::from(theirs);
                stranger_calls += u64::from(e.action == Action::Call && !id.is_empty() && theirs);
            }
            let values = [exported, u64::try_from(seen.len()).unwrap_or(0), strangers, stranger_calls, destroyed];
            for (of, v) in days.iter_mut().zip(values) {
                of.push(real(usize::try_from(v).unwrap_or(0)));
            }
        }
        let [exported, clients, strangers, stranger_calls, destroyed] = days.map(|mut d| {
            d.sort_by(f64::total_cmp);
            if d.is_empty() { 0.0 } else { d[(d.len() * 9 / 10).min(d.len() - 1)] }
        });
        Self { exported, clients, strangers, stranger_calls, destroyed }
    }
}

/// One stretch of an attack: who, when, how much.
pub(super) struct Act {
    pub(super) scenario: Scenario,
    pub(super) strength: Strength,
    pub(super) idx: usize,
    pub(super) date: Date,
    pub(super) start: Timestamp,
    pub(super) span_ms: i64,
    pub(super) level: Level,
    pub(super) chance: Chance,
    /// Where it is done when its person is not at work.
    pub(super) desk: Option<Desk>,
    /// How much more than its strength says: 1, or more where an attack is to be shown rather than measured.
    pub(super) force: f64,
}

struct Script<'a> {
    act: &'a Act,
    pen: Pen<'a>,
    leaks: Vec<u64>,
}

impl Act {
    /// Its events in order of time, each with the records or clients that it gives away.
    pub(super) fn play(&self, company: &Company) -> Vec<(Event, u64)> {
        let pen = Pen { company, person: &company.people[self.idx], date: self.date, key: self.chance.of("events"), out: Vec::new() };
        let mut script = Script { act: self, pen, leaks: Vec::new() };
        script.play();
        script.leaks.resize(script.pen.out.len(), 0);
        let mut events: Vec<(Event, u64)> = script.pen.out.into_iter().zip(script.leaks).collect();
        events.sort_by(|a, b| (a.0.time, &a.0.id).cmp(&(b.0.time, &b.0.id)));
        events
    }

    fn grade(&self) -> usize {
        match self.strength {
            Strength::Weak => 0,
            Strength::Medium => 1,
            Strength::Strong => 2,
        }
    }

    /// A multiple of the person's own level, at least so much.
    fn goal(&self, level: f64, times: [f64; 3], least: [f64; 3]) -> f64 {
        (level * times[self.grade()]).max(least[self.grade()]) * self.chance.of("goal").between(0.85, 1.25) * self.force
    }

    fn n(&self, level: f64, times: [f64; 3], least: [f64; 3]) -> usize {
        whole(self.goal(level, times, least)).max(1)
    }

    /// The instant of step i of n.
    fn at(&self, i: usize, n: usize) -> Timestamp {
        let u = (real(i) + 0.8 * self.chance.of("step").at(i).unit()) / real(n.max(1));
        self.start.plus(millis(u * real(usize::try_from(self.span_ms).unwrap_or(0))))
    }
}

impl Script<'_> {
    /// The last event gave away so much.
    fn leaked(&mut self, n: u64) {
        let len = self.pen.out.len();
        self.leaks.resize(len, 0);
        if let Some(last) = self.leaks.last_mut() {
            *last = n;
        }
    }

    fn play(&mut self) {
        let act = self.act;
        let own = act.desk.clone().unwrap_or_else(|| self.pen.company.desk(act.idx, act.date));
        let from_far =
            matches!(act.scenario, Scenario::StolenLogin | Scenario::BruteForce | Scenario::AddressDenied | Scenario::LeaverActive);
        if act.desk.is_some() && !from_far {
            self.pen.signed_in(act.start.plus(-700), &own);
        }
        // At least one's own clients and some more; a team's; half the base of a middling firm.
        let goal = act.goal(act.level.exported, [1.5, 4.0, 12.0], [100.0, 400.0, 1500.0]);
        // There is no more to take than some tables of the whole base.
        let goal = goal.min(20.0 * real(self.pen.company.people.iter().map(|p| p.n_clients).sum::<usize>()).max(100.0));
        match act.scenario {
            Scenario::ChunkedExport => self.chunks(goal, [8, 15, 34][act.grade()], 0.0, 1.0, &own),
            Scenario::BulkExport => self.chunks(goal, 1, 0.0, 1.0, &own),
            Scenario::NightExport => {
                let home = self.at_home("night");
                self.pen.signed_in(act.start.plus(-600), &home);
                self.lists(2, 0.0, 0.3, &home);
                self.chunks(goal * 0.7, [3, 5, 9][act.grade()], 0.2, 1.0, &home);
            }
            Scenario::Scraping => self.walk(act.n(act.level.clients, [0.8, 2.0, 5.0], [40.0, 100.0, 240.0]), &own),
            Scenario::UnrelatedViews | Scenario::UnrelatedQuiet => {
                self.strangers(act.n(act.level.strangers, [2.0, 4.0, 8.0], [8.0, 20.0, 50.0]), 0.0, 1.0, &own);
            }
            Scenario::UnrelatedCalls => self.calls(act.n(act.level.stranger_calls, [2.0, 4.0, 8.0], [5.0, 12.0, 28.0]), &own),
            Scenario::Drip => {
                let a_day = act.goal(act.level.exported, [0.4, 0.9, 2.0], [30.0, 80.0, 220.0]);
                self.chunks(a_day, 1 + act.chance.of("pieces").below(3), 0.1, 0.9, &own);
                self.strangers([3, 7, 15][act.grade()], 0.0, 1.0, &own);
            }
            Scenario::MassDelete => self.deletes(act.n(act.level.destroyed, [1.5, 4.0, 12.0], [12.0, 50.0, 200.0]), &own),
            Scenario::ShareOutside => self.shares([3, 12, 40][act.grade()], &own),
            Scenario::StolenLogin => {
                let far = self.far("thief");
                self.strange_login(act.start.plus(-800), &far);
                self.lists(3, 0.0, 0.4, &far);
                self.chunks(goal * 0.8, [2, 4, 9][act.grade()], 0.2, 1.0, &far);
            }
            Scenario::ApiBulk => self.api(goal * 1.2, &own),
            Scenario::BruteForce => {
                let far = self.far("guesser");
                let n: i64 = [12, 25, 55][act.grade()];
                for i in 0..n {
                    let t = act.start.plus(act.span_ms * 2 / 5 * i / n);
                    let e = self.pen.push(t, Action::Login, &far);
                    (e.outcome, e.reason, e.session) = (Outcome::Failure, Some("wrong password".into()), None);
                    e.auth = Some(Auth { method: Some("password".into()), ..Auth::default() });
                }
                self.strange_login(act.start.plus(act.span_ms * 21 / 50), &far);
                self.chunks(goal * 0.6, [2, 3, 6][act.grade()], 0.45, 1.0, &far);
            }
            Scenario::SharedAccount => self.second_user(),
            Scenario::LeaverCollects => {
                let a_day = act.goal(act.level.exported, [0.9, 2.0, 5.0], [60.0, 160.0, 500.0]);
                self.chunks(a_day, [2, 4, 8][act.grade()], 0.0, 1.0, &own);
                self.own_cards([8, 20, 40][act.grade()], 0.0, 1.0, &own);
            }
            Scenario::LeaverActive => {
                let home = self.at_home("again");
                self.pen.signed_in(act.start.plus(-500), &home);
                self.own_cards([3, 12, 40][act.grade()], 0.0, 0.7, &home);
                if act.strength == Strength::Strong {
                    self.chunks(goal * 0.4, 3, 0.7, 1.0, &home);
                }
            }
            Scenario::AddressDenied => {
                let far = self.far("outside");
                let n = [1, 4, 12][act.grade()];
                for i in 0..n {
                    let e = self.pen.push(act.at(i, n), Action::Login, &far);
                    (e.outcome, e.reason, e.session) = (Outcome::Denied, Some("address not allowed".into()), None);
                    e.auth = Some(Auth { method: Some("password".into()), ..Auth::default() });
                }
            }
            Scenario::CampaignTheft => {
                self.strangers(act.n(act.level.strangers, [2.0, 4.0, 8.0], [10.0, 24.0, 60.0]), 0.0, 1.0, &own);
                self.chunks(goal * 0.7, [2, 4, 8][act.grade()], 0.3, 0.9, &own);
            }
        }
    }

    fn at_home(&self, name: &str) -> Desk {
        Desk { place: self.pen.person.kit.home(self.act.date), channel: Channel::Ui, session: self.act.chance.of(name).hex() }
    }

    fn far(&self, name: &str) -> Desk {
        let c = self.act.chance.of(name);
        Desk { place: elsewhere(c), channel: Channel::Ui, session: c.hex() }
    }

    /// A log-in with the password alone.
    fn strange_login(&mut self, at: Timestamp, desk: &Desk) {
        let e = self.pen.signed_in(at, desk);
        e.auth = Some(Auth { method: Some("password".into()), mfa: Some(false), mfa_method: None });
    }

    /// The goal in so many exports, in this part of the time.
    fn chunks(&mut self, goal: f64, n: usize, from: f64, to: f64, desk: &Desk) {
        let act = self.act;
        for i in 0..n {
            let k = act.chance.of("chunk").at(i);
            let records = count(goal / real(n) * k.of("size").between(0.7, 1.3)).max(1);
            let mut query = self.pen.saved("list", 0);
            if n == 1 || k.of("other").hit(0.4) {
                // The whole, or another slice of it, with what one needs to call.
                query = Query { fingerprint: Some(k.of("slice").hex()), filter: Some(n > 1), fields: fields(k), ..Query::default() };
                query.fields.extend(["phone".to_owned(), "email".to_owned()]);
                query.fields.dedup();
            }
            let t = self.within(i, n, from, to);
            self.pen.export_of(t, records, query, k, desk);
            self.leaked(records);
        }
    }

    fn within(&self, i: usize, n: usize, from: f64, to: f64) -> Timestamp {
        let whole = real(usize::try_from(self.act.span_ms).unwrap_or(0));
        let u = (real(i) + 0.8 * self.act.chance.of("moment").at(i).at(n).unit()) / real(n.max(1));
        self.act.start.plus(millis(whole * (from + (to - from) * u)))
    }

    fn lists(&mut self, n: usize, from: f64, to: f64, desk: &Desk) {
        for i in 0..n {
            let k = self.act.chance.of("list").at(i);
            let t = self.within(i, n, from, to);
            let e = self.pen.push(t, Action::List, desk);
            let records = 40 + count(k.of("n").between(0.0, 160.0));
            (e.object, e.records) = (Some(super::day::kind(ObjectType::Client)), Some(records));
            e.query = Some(Query { fingerprint: Some(k.of("query").hex()), filter: Some(false), ..Query::default() });
            self.leaked(records);
        }
    }

    /// Another team's client.
    fn stranger(&self, k: Chance) -> usize {
        let (company, me) = (self.pen.company, self.pen.person);
        for i in 0..12 {
            let who = k.of("whose").at(i).below(company.people.len());
            let book = company.book(who, self.act.date);
            let other = company.people[who].team != me.team || company.teams.len() == 1 && who != me.idx;
            if other && !book.is_empty() {
                return *k.of("which").pick(book);
            }
        }
        0
    }

    fn strangers(&mut self, n: usize, from: f64, to: f64, desk: &Desk) {
        for i in 0..n {
            let k = self.act.chance.of("stranger").at(i);
            let client = self.stranger(k);
            let t = self.within(i, n, from, to);
            match self.pen.company.open_deal(client, t).filter(|_| k.of("by deal").hit(0.3)) {
                Some(d) => self.pen.deal(t, Action::View, &d, desk),
                None => self.pen.touch(t, Action::View, client, desk),
            };
            self.leaked(1);
        }
    }

    fn calls(&mut self, n: usize, desk: &Desk) {
        for i in 0..n {
            let k = self.act.chance.of("call").at(i);
            let client = self.stranger(k);
            let t = self.act.at(i, n);
            if k.of("looks").hit(0.5) {
                self.pen.touch(t.plus(-(self.act.span_ms / 400).min(40_000)), Action::View, client, desk);
            }
            self.pen.call(t, client, Direction::Out, count(k.of("talk").log_normal(90.0, 0.7)), desk);
            self.leaked(1);
        }
    }

    /// Along the base in the order of its ids, with a search by letters now and then.
    fn walk(&mut self, n: usize, desk: &Desk) {
        let base = self.pen.company.base();
        let first = self.act.chance.of("first").below(base.len());
        for i in 0..n {
            let t = self.act.at(i, n);
            if i % 12 == 0 {
                let text: String = [i / 12 / 26, i / 12 % 26]
                    .iter()
                    .filter_map(|x| char::from_digit(10 + u32::try_from(x % 26).unwrap_or(0), 36))
                    .collect();
                let e = self.pen.push(t.plus(-(self.act.span_ms / 1000).min(2000)), Action::Search, desk);
                (e.object, e.records) = (Some(super::day::kind(ObjectType::Client)), Some(20));
                e.query = Some(Query { text: Some(text), filter: Some(true), ..Query::default() });
            }
            self.pen.touch(t, Action::View, base[(first + i) % base.len()], desk);
            self.leaked(1);
        }
    }

    fn own_cards(&mut self, n: usize, from: f64, to: f64, desk: &Desk) {
        let company = self.pen.company;
        // Those who have left look for what was theirs.
        let last = company.people[self.act.idx].exit.map_or(self.act.date, |e| later(e.last, -1).min(self.act.date));
        let book = company.book(self.act.idx, last);
        for i in 0..n {
            let k = self.act.chance.of("card").at(i);
            let client =
                if book.is_empty() { self.stranger(k) } else { book[(i * 7 + self.act.chance.of("from").below(book.len())) % book.len()] };
            let t = self.within(i, n, from, to);
            self.pen.touch(t, Action::View, client, desk);
            self.leaked(1);
        }
    }

    fn deletes(&mut self, n: usize, desk: &Desk) {
        let company = self.pen.company;
        let book = company.book(self.act.idx, self.act.date);
        for i in 0..n {
            let k = self.act.chance.of("delete").at(i);
            let client = if book.is_empty() { self.stranger(k) } else { book[i % book.len()] };
            let t = self.act.at(i, n);
            let e = self.pen.touch(t, Action::Delete, client, desk);
            e.records = Some(1);
            if i >= book.len() && !book.is_empty() {
                // Nothing is left of one's own clients: their contacts and tasks follow.
                let whose = company.client_id(client);
                let object = Object {
                    kind: Some(ObjectType::Contact),
                    id: Some(format!("n{:010x}", k.bits() >> 24)),
                    client: Some(whose),
                    ..Object::default()
                };
                e.object = Some(object);
            }
            self.leaked(1);
        }
    }

    fn shares(&mut self, n: usize, desk: &Desk) {
        let company = self.pen.company;
        let book = company.book(self.act.idx, self.act.date);
        let me = self.pen.person.id.clone();
        let to = format!("{}@mail.example", self.act.chance.of("box").pick(&["a.reader", "sales.home", "old.friend", "office77"]));
        let transfer = self.act.chance.of("transfer").hit(0.3);
        for i in 0..n {
            let k = self.act.chance.of("share").at(i);
            let client = if book.is_empty() { self.stranger(k) } else { *k.pick(book) };
            let t = self.act.at(i, n);
            let e = self.pen.touch(t, if transfer { Action::Transfer } else { Action::Share }, client, desk);
            e.records = Some(1);
            e.change = Some(if transfer {
                Change { what: Some("owner".into()), from: Some(me.clone()), to: Some(to.clone()), target: None }
            } else {
                Change { what: Some("access".into()), target: Some(to.clone()), ..Change::default() }
            });
            self.leaked(1);
        }
    }

    fn api(&mut self, goal: f64, own: &Desk) {
        let act = self.act;
        let mut desk = own.clone();
        let bulk = act.chance.of("bulk").hit(0.4);
        desk.channel = if bulk { Channel::BulkApi } else { Channel::Api };
        desk.session = act.chance.of("key").hex();
        desk.place.user_agent = Some("python-requests/2.32.3".into());
        desk.place.device = None;
        let n = if bulk { 1 + act.grade() } else { whole(goal / 200.0).clamp(3, 60) };
        for i in 0..n {
            let records = count(goal / real(n)).max(1);
            let t = act.at(i, n);
            let e = self.pen.push(t, if bulk { Action::Export } else { Action::ApiQuery }, &desk);
            (e.object, e.records) = (Some(super::day::kind(ObjectType::Client)), Some(records));
            e.bytes = Some(records * 400);
            e.query = Some(Query {
                fingerprint: Some(act.chance.of("script").hex()),
                filter: Some(false),
                fields: ["id", "name", "phone", "email", "amount"].map(str::to_owned).to_vec(),
                ..Query::default()
            });
            self.leaked(records);
        }
    }

    /// Somebody else works with the same account, elsewhere and at the same time.
    fn second_user(&mut self) {
        let act = self.act;
        let c = act.chance.of("second");
        let city = (self.pen.person.kit.city + 1 + self.pen.company.seed.of("pair").at(act.idx).below(4)) % CITIES.len();
        // The other's own machine, the same on each of the days.
        let other = super::place::Kit {
            city,
            person: 250,
            fenced: false,
            firefox: true,
            chance: self.pen.company.seed.of("pair").at(act.idx).of("kit"),
        };
        let desk = Desk { place: other.home(act.date), channel: Channel::Ui, session: c.hex() };
        self.strange_login(act.start.plus(-1000), &desk);
        let n = [12, 35, 80][act.grade()];
        let book = self.pen.company.book(act.idx, act.date);
        for i in 0..n {
            let k = c.of("step").at(i);
            let t = act.at(i, n);
            if k.of("lists").hit(0.12) {
                let records = 10 + count(k.of("n").between(0.0, 50.0));
                let query = self.pen.saved("list", 0);
                let e = self.pen.push(t, Action::List, &desk);
                (e.object, e.records, e.query) = (Some(super::day::kind(ObjectType::Client)), Some(records), Some(query));
                self.leaked(records);
            } else {
                let client = if book.is_empty() || k.of("theirs").hit(0.35) { self.stranger(k) } else { *k.of("own").pick(book) };
                self.pen.touch(t, Action::View, client, &desk);
                self.leaked(1);
            }
        }
    }
}

/// The honest day with strangers' cards in place of some of one's own: no more volume, and no order behind it.
/// Gives the events changed.
pub(super) fn replace_quietly(company: &Company, act: &Act, events: &mut [Event]) -> Vec<(Timestamp, String, u64)> {
    let pen = Pen { company, person: &company.people[act.idx], date: act.date, key: act.chance, out: Vec::new() };
    let mut script = Script { act, pen, leaks: Vec::new() };
    let share = [0.2, 0.45, 0.9][act.grade()];
    let mut changed = Vec::new();
    for (i, e) in events.iter_mut().enumerate() {
        let k = act.chance.of("quiet").at(i);
        let card = e.object.as_ref().is_some_and(|o| o.kind == Some(ObjectType::Client) && o.id.is_some());
        if e.action != Action::View || !card || !k.of("this").hit(share) {
            continue;
        }
        let client = script.stranger(k);
        let like = script.pen.touch(
            e.time,
            Action::View,
            client,
            &Desk { place: crate::event::Place::default(), channel: Channel::Ui, session: String::new() },
        );
        e.object = like.object.take();
        e.order = None;
        changed.push((e.time, e.reference(), 1));
    }
    changed
}
