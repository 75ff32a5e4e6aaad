//! The made-up company as a whole: people, teams, and whose client is whose on a date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jiff::tz::TimeZone;

use super::calendar::{self, later};
use super::chance::{Chance, count};
use super::people::{self, Exit, Layout, Person, Role, Team};
use super::place::CITIES;
use crate::directory::{Client, Grade, Order, OrderState, Span, User, When};
use crate::event::{ActorKind, DAY_MS, DEFAULT_TENANT, Date, Tier, Timestamp};

/// What a company is made from.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) managers: usize,
    pub(super) seed: u64,
    pub(super) start: Date,
    /// Last date that anything is needed for.
    pub(super) until: Date,
    pub(super) layout: Layout,
    /// People who leave besides those who would anyway.
    pub(super) exits: BTreeMap<usize, Exit>,
}

/// The company. Clients are numbered 256 to a person; see [`Company::client_id`].
pub(super) struct Company {
    pub(super) seed: Chance,
    pub(super) start: Date,
    pub(super) until: Date,
    layout: Layout,
    pub(super) teams: Vec<Team>,
    pub(super) people: Vec<Person>,
    pub(super) moves: Vec<Move>,
    zones: Vec<TimeZone>,
    /// Per person: from when on which clients are theirs.
    books: Vec<Vec<(Date, Vec<usize>)>>,
    /// Per person: the territories they took over, by place in `moves`.
    taken: Vec<Vec<usize>>,
    base: OnceLock<Vec<usize>>,
    /// Later owners of the few clients that change hands.
    owners: BTreeMap<usize, Vec<(Date, usize)>>,
}

/// Clients that change hands.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) date: Date,
    pub(super) to: usize,
    pub(super) clients: Vec<usize>,
    /// A territory was handed over; else somebody came or left.
    pub(super) territory: bool,
}

/// Clients a person may have.
const PER_PERSON: usize = 256;
/// The place of a decoy among a person's clients.
const DECOY: usize = 255;
/// A prime above every client's number, for ids that follow no owner.
const IDS: usize = 9_999_991;

/// A deal of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Deal {
    pub(super) client: usize,
    pub(super) slot: i32,
    pub(super) opened: Timestamp,
    pub(super) closed: Timestamp,
    /// Owner of the client when it opened.
    pub(super) manager: usize,
    /// A team mate who takes part.
    pub(super) mate: Option<usize>,
}

/// Days between two chances of a deal.
const DEAL_DAYS: i32 = 45;

impl Company {
    pub(super) fn new(shape: &Shape) -> Self {
        let seed = Chance::new(shape.seed);
        let teams = people::teams(seed, shape.managers, shape.layout);
        let mut people = Vec::with_capacity(shape.managers);
        for (t, team) in teams.iter().enumerate() {
            for idx in team.first..team.first + team.size {
                let mut p = people::person(seed, idx, t, team, shape.start, shape.layout);
                p.exit = shape.exits.get(&idx).copied().or_else(|| usual_exit(&p, shape));
                people.push(p);
            }
        }
        let zones = CITIES.iter().map(|c| TimeZone::get(c.zone).unwrap_or(TimeZone::UTC)).collect();
        let books: Vec<_> = people.iter().map(|p| vec![(Date(i32::MIN), first_book(p, &teams, &people))]).collect();
        let mut company = Self {
            seed,
            start: shape.start,
            until: shape.until,
            layout: shape.layout,
            teams,
            people,
            moves: Vec::new(),
            zones,
            taken: vec![Vec::new(); books.len()],
            base: OnceLock::new(),
            books,
            owners: BTreeMap::new(),
        };
        company.move_clients();
        company
    }

    /// Goes through the dates once and notes which clients change hands.
    fn move_clients(&mut self) {
        for date in (self.start.0..=self.until.0).map(Date) {
            for t in 0..self.teams.len() {
                let (first, size) = (self.teams[t].first, self.teams[t].size);
                for idx in first..first + size {
                    let p = &self.people[idx];
                    let heir = if idx == first { first + usize::from(size > 1) } else { first };
                    if p.hired == Some(date) {
                        let own = (0..p.n_clients).map(|j| idx * PER_PERSON + j).filter(|c| self.owner(*c, date) == heir).collect();
                        self.hand(date, heir, idx, own, false);
                    } else if p.exit.is_some_and(|e| e.last == date) && heir != idx {
                        self.hand(date, idx, heir, self.book(idx, date).to_vec(), false);
                    }
                }
                let Some((from, to, n)) = calendar::hand_over(self.seed, t, size, date).filter(|_| self.layout == Layout::Ordinary) else {
                    continue;
                };
                let (from, to) = (first + from, first + to);
                if self.people[from].employed(date) && self.people[to].stays(date) && self.people[to].role != Role::Admin {
                    let trusted = self.people[to].trusted();
                    let some = self.book(from, date).iter().copied().filter(|c| trusted || !self.key(*c)).take(n).collect();
                    self.hand(date, from, to, some, true);
                }
            }
        }
    }

    fn hand(&mut self, date: Date, from: usize, to: usize, clients: Vec<usize>, territory: bool) {
        if clients.is_empty() {
            return;
        }
        let moved: BTreeSet<usize> = clients.iter().copied().collect();
        let kept = self.book(from, date).iter().copied().filter(|c| !moved.contains(c)).collect();
        let grown = self.book(to, date).iter().copied().chain(clients.iter().copied()).collect();
        self.books[from].push((date, kept));
        self.books[to].push((date, grown));
        for c in &clients {
            self.owners.entry(*c).or_default().push((date, to));
        }
        if territory {
            self.taken[to].push(self.moves.len());
        }
        self.moves.push(Move { date, to, clients, territory });
    }

    /// The clients of a person on a date.
    pub(super) fn book(&self, idx: usize, date: Date) -> &[usize] {
        let versions = &self.books[idx];
        &versions[versions.partition_point(|(from, _)| *from <= date).saturating_sub(1)].1
    }

    /// Who owns a client on a date.
    pub(super) fn owner(&self, client: usize, date: Date) -> usize {
        let later = self.owners.get(&client).and_then(|o| o.iter().rev().find(|(from, _)| *from <= date));
        later.map_or_else(|| self.first_owner(client), |(_, idx)| *idx)
    }

    fn first_owner(&self, client: usize) -> usize {
        let idx = client / PER_PERSON;
        if self.people[idx].hired.is_some() { self.teams[self.people[idx].team].first } else { idx }
    }

    pub(super) fn key(&self, client: usize) -> bool {
        // By who had it first: a newcomer's clients were never key.
        let p = &self.people[client / PER_PERSON];
        p.trusted() && p.role != Role::Admin && self.seed.of("key").at(client).hit(0.18)
    }

    pub(super) fn client_id(&self, client: usize) -> String {
        let shift = self.seed.of("client ids").below(IDS);
        // 7 368 787 and the prime have no common factor, so no two clients share an id.
        format!("c{:07}", (client * 7_368_787 + shift) % IDS)
    }

    pub(super) fn phone(&self, client: usize) -> String {
        let digits = self.seed.of("phone").at(client).bits() % 10_000_000;
        format!("{}{digits:07}", CITIES[self.teams[self.people[client / PER_PERSON].team].city].prefix)
    }

    /// A territory that this person took over within the last so many days.
    pub(super) fn taken_over(&self, idx: usize, date: Date, days: i32) -> Option<&Move> {
        self.taken[idx].iter().map(|m| &self.moves[*m]).find(|m| (0..days).contains(&(date.0 - m.date.0)))
    }

    /// Every client of the base, decoys included, in the order of their ids.
    pub(super) fn base(&self) -> &[usize] {
        self.base.get_or_init(|| {
            let mut all: Vec<(String, usize)> = self.clients().map(|c| (self.client_id(c), c)).collect();
            all.sort_unstable();
            all.into_iter().map(|(_, c)| c).collect()
        })
    }

    fn clients(&self) -> impl Iterator<Item = usize> {
        self.people.iter().flat_map(|p| {
            let decoy = p.idx % 4 == 2;
            (0..p.n_clients).chain(decoy.then_some(DECOY)).map(move |j| p.idx * PER_PERSON + j)
        })
    }

    pub(super) fn zone(&self, idx: usize) -> &TimeZone {
        &self.zones[self.teams[self.people[idx].team].city]
    }

    /// The regular shift or this week's duty.
    pub(super) fn shift(&self, p: &Person, date: Date) -> people::Shift {
        calendar::duty(self.seed, &self.teams[p.team], p, date).unwrap_or(p.shift)
    }

    /// Whether this is a working day of theirs, as far as one could plan.
    pub(super) fn rostered(&self, p: &Person, date: Date) -> bool {
        p.employed(date)
            && self.shift(p, date).on(date)
            && calendar::leave(p, date).is_none()
            && (self.layout == Layout::RoundTheClock || !calendar::holiday(date))
    }

    /// Whether they really come.
    pub(super) fn works(&self, p: &Person, date: Date) -> bool {
        self.rostered(p, date) && !calendar::ill(p, date)
    }

    /// The team mate who stands in for somebody.
    pub(super) fn substitute(&self, p: &Person) -> Option<usize> {
        let team = &self.teams[p.team];
        (team.size > 1).then(|| team.first + (p.idx - team.first + 1) % team.size)
    }

    /// The deal of a client from this slot of time, if there is one.
    pub(super) fn deal(&self, client: usize, slot: i32) -> Option<Deal> {
        let c = self.seed.of("deal").at(client).at(slot);
        c.of("any").hit(0.55).then_some(())?;
        let within = c.of("when").between(0.0, f64::from(DEAL_DAYS));
        let opened = Timestamp::from_millis(i64::from(slot * DEAL_DAYS) * DAY_MS + day_ms(within));
        let closed = opened.plus(day_ms(c.of("long").log_normal(16.0, 0.7).min(2.0 * f64::from(DEAL_DAYS))));
        let date = date_of(opened);
        let manager = self.owner(client, date);
        let team = &self.teams[self.people[manager].team];
        let mate = team.first + c.of("mate").below(team.size);
        let mate = (mate != manager && c.of("shared").hit(0.12) && (self.people[mate].trusted() || !self.key(client))).then_some(mate);
        Some(Deal { client, slot, opened, closed, manager, mate })
    }

    /// A deal of this client that is open at t.
    pub(super) fn open_deal(&self, client: usize, t: Timestamp) -> Option<Deal> {
        let slot = date_of(t).0.div_euclid(DEAL_DAYS);
        (slot - 3..=slot).rev().filter_map(|s| self.deal(client, s)).find(|d| d.opened <= t && t < d.closed)
    }

    // Reference data.

    /// Rows of users from the first day to `until`.
    pub(super) fn users(&self) -> Vec<User> {
        let mut rows = Vec::new();
        for p in &self.people {
            self.user_rows(p, &mut rows);
        }
        for (id, name) in [("svc-sync", "Nightly sync"), ("svc-mail", "Newsletter"), ("svc-bi", "Reporting warehouse")] {
            rows.push(User {
                tenant: DEFAULT_TENANT.into(),
                id: id.into(),
                valid_from: Some(self.start.midnight_utc()),
                name: Some(name.into()),
                role: Some("integration".into()),
                time_zone: Some("UTC".into()),
                kind: Some(ActorKind::Integration),
                active: Some(true),
                ..User::default()
            });
        }
        rows
    }

    fn user_rows(&self, p: &Person, rows: &mut Vec<User>) {
        let team = &self.teams[p.team];
        let city = &CITIES[team.city];
        let lead = team.first;
        // The directory says it from the evening before, so that it holds in every zone.
        let since = |d: Date| if d <= self.start { self.start.midnight_utc() } else { d.midnight_utc().plus(-DAY_MS / 2) };
        let mut dates: BTreeSet<Date> = BTreeSet::from([p.hired.unwrap_or(self.start)]);
        let mut leaves = Vec::new();
        for block in self.start.0.div_euclid(91) - 1..=self.until.0.div_euclid(91) + 1 {
            leaves.extend(calendar::leave_of(p, block).map(|(from, to)| (later(from, -14), from, to)).filter(|l| l.2 >= self.start));
        }
        dates.extend(leaves.iter().map(|l| l.0));
        for week in (calendar::monday(self.start).0..=self.until.0).step_by(7).map(Date) {
            if calendar::duty(self.seed, team, p, week).is_some() {
                dates.extend([week, later(week, 7)]);
            }
        }
        dates.extend(p.new_role.map(|r| r.0));
        dates.extend(p.exit.iter().flat_map(|e| [e.notice, e.last]));
        let first = p.hired.unwrap_or(self.start).max(self.start);
        let mut dates: Vec<Date> = dates.into_iter().map(|d| d.max(first)).filter(|d| *d <= self.until).collect();
        dates.dedup();
        for date in dates {
            let known: Vec<_> = leaves.iter().filter(|l| l.0 <= date).collect();
            rows.push(User {
                tenant: DEFAULT_TENANT.into(),
                id: p.id.clone(),
                valid_from: Some(since(date)),
                name: Some(p.name.clone()),
                team: Some(team.id.clone()),
                role: Some(p.role_on(date).as_str().into()),
                grade: Some(p.grade),
                supervisor: Some(if p.idx == lead { "m001".into() } else { self.people[lead].id.clone() }).filter(|s| *s != p.id),
                time_zone: Some(city.zone.into()),
                schedule: p.schedule_known.then(|| self.shift(p, date).text()),
                hired_at: Some(When::Day(
                    p.hired.unwrap_or(later(self.start, -200 - i32::try_from(p.chance.of("tenure").below(1500)).unwrap_or(0))),
                )),
                notice_at: p.exit.filter(|e| e.notice <= date).map(|e| When::Day(e.notice)),
                terminated_at: p.exit.filter(|e| e.notice <= date).map(|e| When::Day(e.last)),
                absences: known.iter().map(|l| Span { from: When::Day(l.1), to: When::Day(l.2) }).collect(),
                substitutes: self.substitute(p).filter(|_| !known.is_empty()).map(|s| self.people[s].id.clone()).into_iter().collect(),
                ip_allow: if team.fenced { fence(team.city) } else { Vec::new() },
                locale: Some(city.locale.into()),
                kind: Some(ActorKind::User),
                phones: vec![format!("{}9{:06}", city.prefix, p.idx)],
                emails: vec![format!("{}@company.example", p.id)],
                active: Some(p.exit.is_none_or(|e| date < e.last || !e.closed)),
                mfa: Some(p.mfa),
                ..User::default()
            });
        }
    }

    /// Rows of clients.
    pub(super) fn client_rows(&self) -> Vec<Client> {
        let row = |c: usize, since: Timestamp, owner: usize| {
            let first = &self.teams[self.people[c / PER_PERSON].team];
            let city = &CITIES[first.city];
            let id = self.client_id(c);
            Client {
                tenant: DEFAULT_TENANT.into(),
                valid_from: Some(since),
                owner: Some(self.people[owner].id.clone()),
                team: Some(self.teams[self.people[owner].team].id.clone()),
                tier: Some(if self.key(c) && c % PER_PERSON != DECOY { Tier::Key } else { Tier::Normal }),
                region: Some(city.name.to_lowercase()),
                phones: vec![self.phone(c)],
                emails: vec![format!("office@{id}.example")],
                country: Some(city.country.into()),
                decoy: (c % PER_PERSON == DECOY).then_some(true),
                id,
            }
        };
        let mut rows: Vec<Client> = self.clients().map(|c| row(c, self.start.midnight_utc(), self.first_owner(c))).collect();
        for m in &self.moves {
            rows.extend(m.clients.iter().map(|c| row(*c, m.date.midnight_utc().plus(-DAY_MS / 2), m.to)));
        }
        rows
    }

    /// Rows of deals that are open at some time from the first day to `until`: one as it opens, one as it ends.
    pub(super) fn order_rows(&self) -> Vec<Order> {
        let (start, end) = (self.start.midnight_utc(), later(self.until, 1).midnight_utc());
        let (first, last) = (self.start.0.div_euclid(DEAL_DAYS) - 3, self.until.0.div_euclid(DEAL_DAYS));
        let mut rows = Vec::new();
        for client in self.clients().filter(|c| c % PER_PERSON != DECOY) {
            for d in (first..=last).filter_map(|slot| self.deal(client, slot)) {
                // Some weeks of the past are known, so that "was closed lately" means something on the first day.
                if d.closed < start.plus(-20 * DAY_MS) || d.opened >= end {
                    continue;
                }
                let c = self.seed.of("deal").at(client).at(d.slot);
                let opened = Order {
                    tenant: DEFAULT_TENANT.into(),
                    id: self.deal_id(&d),
                    valid_from: Some(d.opened),
                    client: Some(self.client_id(client)),
                    manager: Some(self.people[d.manager].id.clone()),
                    participants: d.mate.map(|m| self.people[m].id.clone()).into_iter().collect(),
                    state: Some(OrderState::Open),
                    opened_at: Some(d.opened),
                    amount: Some(format!("{}.00", count(c.of("amount").log_normal(90_000.0, 1.1)))),
                    ..Order::default()
                };
                if d.closed < end {
                    let state = if c.of("won").hit(0.4) { OrderState::Won } else { OrderState::Lost };
                    let closed = Order { valid_from: Some(d.closed), closed_at: Some(d.closed), state: Some(state), ..opened.clone() };
                    rows.push(opened);
                    rows.push(closed);
                } else {
                    rows.push(opened);
                }
            }
        }
        rows
    }

    pub(super) fn deal_id(&self, d: &Deal) -> String {
        format!("d{:010x}", self.seed.of("deal").at(d.client).at(d.slot).bits() >> 24)
    }
}

/// Addresses from which a fenced team may come: its office and the company's VPN.
fn fence(city: usize) -> Vec<ipnet::IpNet> {
    [format!("198.18.{city}.0/24"), "198.18.250.0/24".to_owned()].iter().filter_map(|n| n.parse().ok()).collect()
}

/// People leave: about two of a hundred a month.
fn usual_exit(p: &Person, shape: &Shape) -> Option<Exit> {
    let leaves = shape.layout == Layout::Ordinary && !matches!(p.grade, Grade::Lead | Grade::Admin) && p.hired.is_none();
    leaves.then_some(())?;
    // However far the company is made: who leaves when does not hang on that.
    (0..130).find_map(|m| {
        let c = p.chance.of("exit").at(m);
        let day = i32::try_from(c.of("day").below(30)).unwrap_or(0);
        let notice = later(shape.start, 30 * m + day);
        c.of("any").hit(0.02).then(|| Exit { notice, last: later(notice, 14), closed: true })
    })
}

fn first_book(p: &Person, teams: &[Team], people: &[Person]) -> Vec<usize> {
    let own = |idx: usize, n: usize| (0..n).map(move |j| idx * PER_PERSON + j);
    let team = &teams[p.team];
    let mut book: Vec<usize> = if p.hired.is_some() { Vec::new() } else { own(p.idx, p.n_clients).collect() };
    if p.idx == team.first {
        // The lead keeps what newcomers will get.
        for q in people[team.first..team.first + team.size].iter().filter(|q| q.hired.is_some()) {
            book.extend(own(q.idx, q.n_clients));
        }
    }
    book
}

/// The UTC date of an instant.
pub(super) fn date_of(t: Timestamp) -> Date {
    Date(i32::try_from(t.millis().div_euclid(DAY_MS)).unwrap_or(0))
}

fn day_ms(days: f64) -> i64 {
    super::chance::millis(days * 86_400_000.0)
}
