//! What a manager gets away with who knows the controls and the budget: how many clients they take in the last thirty days of sixty
//! without an alert, by what they do. `cargo bench --bench evasion`; ten minutes. Found by halving on a scale of 40 steps from 1 to 7 943,
//! in made-up companies without other thieves, with the controls of DETECTION.md alone and with all of Filin's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use filin::{
    directory::{Client, Order, User, load},
    engine::{Effect, Policy, Tenant},
    event::{Action, DAY_MS, Date, Event, Object, ObjectType, Timestamp},
    model::Label,
    pipeline::{
        ingest::{Policies, Rows},
        replay::{self, Ask},
    },
    simulate::{Options, write},
};
use xxhash_rust::xxh3::xxh3_64;

const ZONE: &str = "Europe/Moscow";
const SEEDS: [u64; 3] = [61, 62, 63];
const MANAGERS: usize = 24;
const DAYS: u32 = 60;
/// Days before the first theft.
const HONEST: i64 = 30;
/// Thieves of a company, one at a time.
const THIEVES: usize = 3;
/// With fewer events a day is no working day.
const BUSY: usize = 15;
/// Steps of the scale, ten of them from 1 to 10.
const STEPS: usize = 41;

/// What somebody does who wants clients and no alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Beside,
    Instead,
    OwnTeam,
    Usual,
    Export,
    Pieces,
    Campaign,
    Colleague,
}

const WAYS: [(Way, &str); 8] = [
    (Way::Beside, "cards of strangers besides one's own work, the same number each day"),
    (Way::Instead, "the same in place of one's own cards, so that no day is larger"),
    (Way::OwnTeam, "cards of the own team's other clients besides one's work"),
    (Way::Usual, "the same, on each day only up to what the role's busiest tenth of days has"),
    (Way::Export, "one's usual export once a day, longer"),
    (Way::Pieces, "one's usual export four times a day"),
    (Way::Campaign, "cards of strangers on the days of one's team's campaigns alone"),
    (Way::Colleague, "cards of strangers, by two of a team, half each"),
];

/// A made-up company, as its files say it is.
struct Company {
    events: Vec<Event>,
    users: Vec<User>,
    clients: Vec<Client>,
    orders: Vec<Order>,
    /// By manager, when their team had a campaign.
    campaigns: BTreeMap<String, Vec<(Timestamp, Timestamp)>>,
    /// The first theft is not before.
    from: Timestamp,
    /// Honest managers who are at work, and are not told anyway.
    thieves: Vec<String>,
}

impl Company {
    fn made(seed: u64) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let start = Date::parse("2026-01-05").context("a date")?;
        write(&Options { managers: MANAGERS, days: DAYS, seed, start, attack_from: None }, dir.path(), &mut || {})?;
        let mut events = lines::<Event>(&dir.path().join("events.jsonl"))?;
        events.sort_by_key(|e| e.time);
        let mut campaigns: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for label in lines::<Label>(&dir.path().join("labels.jsonl"))?.into_iter().filter(|l| l.scenario == "campaign") {
            campaigns.entry(label.manager).or_default().push((label.from, label.to));
        }
        let from = events.first().context("events")?.time.plus(HONEST * DAY_MS);
        let mut company = Self {
            events,
            users: load::file(&dir.path().join("users.csv"))?.rows,
            clients: load::file(&dir.path().join("clients.csv"))?.rows,
            orders: load::file(&dir.path().join("orders.csv"))?.rows,
            campaigns,
            from,
            thieves: Vec::new(),
        };
        let mut told = company.told(company.events.clone(), &Policy::reference());
        told.extend(company.told(company.events.clone(), &Policy::default()));
        let honest = |id: &String| !told.contains_key(id) && company.days(id, company.from).len() >= 15 && company.export(id).is_some();
        let ids: BTreeSet<String> = company.users.iter().filter(|u| u.role.as_deref() != Some("lead")).map(|u| u.id.clone()).collect();
        company.thieves = ids.into_iter().filter(honest).collect();
        ensure!(company.thieves.len() >= THIEVES, "seed {seed}: {} honest managers are told of nothing", company.thieves.len());
        Ok(company)
    }

    /// Working days of somebody from a time on: where their events are.
    fn days(&self, id: &str, from: Timestamp) -> Vec<Vec<usize>> {
        let mut days: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (i, e) in self.events.iter().enumerate().filter(|(_, e)| e.actor.id == id && e.time >= from) {
            days.entry(e.time.millis().div_euclid(DAY_MS)).or_default().push(i);
        }
        days.into_values().filter(|day| day.len() >= BUSY).collect()
    }

    /// Their last export before the first theft: what is usual of them.
    fn export(&self, id: &str) -> Option<&Event> {
        self.events.iter().rev().find(|e| e.actor.id == id && e.action == Action::Export && e.time < self.from)
    }

    fn team(&self, id: &str) -> Option<&str> {
        self.users.iter().find(|u| u.id == id)?.team.as_deref()
    }

    /// Clients of nobody here: of other teams, or of the own team's others.
    fn strangers(&self, id: &str, own_team: bool) -> Vec<&Client> {
        let team = self.team(id);
        self.clients.iter().filter(|c| c.owner.as_deref() != Some(id) && (c.team.as_deref() == team) == own_team).collect()
    }

    /// Different clients on the busiest tenth of days of a role, before the first theft.
    fn usual(&self, id: &str) -> usize {
        let role = |id: &str| self.users.iter().find(|u| u.id == id).and_then(|u| u.role.clone());
        let mine = role(id);
        let mut seen: BTreeMap<(&str, i64), BTreeSet<&str>> = BTreeMap::new();
        let peers: BTreeSet<&str> = self.users.iter().filter(|u| u.role == mine).map(|u| u.id.as_str()).collect();
        for e in self.events.iter().filter(|e| e.time < self.from && peers.contains(e.actor.id.as_str())) {
            if let Some(client) = e.object.as_ref().and_then(client) {
                seen.entry((&e.actor.id, e.time.millis().div_euclid(DAY_MS))).or_default().insert(client);
            }
        }
        let mut sizes: Vec<usize> = seen.into_values().map(|s| s.len()).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() * 9 / 10).copied().unwrap_or(0)
    }

    /// Who is told of from the first theft on, and by which controls.
    fn told(&self, events: Vec<Event>, policy: &Policy) -> BTreeMap<String, BTreeSet<String>> {
        let policies = Policies { other: Policy { zone: ZONE.to_owned(), ..policy.clone() }, ..Policies::default() };
        let rows = Rows { users: self.users.clone(), clients: self.clients.clone(), orders: self.orders.clone() };
        let mut told = Told { from: self.from, told: BTreeMap::new() };
        replay::score(events, rows, &Ask { policies: &policies, actor_prefix: "", features: false, budgets: &[] }, &mut told);
        told.told
    }

    /// The events with `n` clients taken, and how many were: there may be no room for more.
    fn with(&self, id: &str, way: Way, n: usize) -> (Vec<Event>, usize) {
        let mut events = self.events.clone();
        let taken = match way {
            Way::Colleague => {
                let halves = [id, self.colleague(id).unwrap_or(id)].map(|id| self.cards(id, Way::Beside, n / 2, &mut events));
                halves.iter().sum()
            }
            Way::Export | Way::Pieces => self.exports(id, if way == Way::Export { 1 } else { 4 }, n, &mut events),
            _ => self.cards(id, way, n, &mut events),
        };
        events.sort_by_key(|e| e.time);
        (events, taken)
    }

    /// Another thief of the same team.
    fn colleague(&self, id: &str) -> Option<&str> {
        self.thieves.iter().map(String::as_str).find(|other| *other != id && self.team(other) == self.team(id))
    }

    fn cards(&self, id: &str, way: Way, n: usize, events: &mut Vec<Event>) -> usize {
        let mut strangers = self.strangers(id, matches!(way, Way::OwnTeam | Way::Usual));
        strangers.sort_by_cached_key(|c| hash(&[&c.id, id]));
        let mut strangers = strangers.into_iter();
        let mut days = self.days(id, self.from);
        if way == Way::Campaign {
            let spans = self.campaigns.get(id).map_or(&[][..], Vec::as_slice);
            days.retain(|day| spans.iter().any(|(from, to)| (*from..=*to).contains(&self.events[day[0]].time)));
        }
        let usual = if way == Way::Usual { self.usual(id) } else { 0 };
        let (mut taken, all) = (0, days.len());
        for (d, day) in days.into_iter().enumerate() {
            let mut quota = n * (d + 1) / all - n * d / all;
            if way == Way::Usual {
                let own: BTreeSet<&str> = day.iter().filter_map(|i| client(self.events[*i].object.as_ref()?)).collect();
                quota = quota.min(usual.saturating_sub(own.len()));
            }
            let mut views: Vec<usize> = day.iter().copied().filter(|i| self.events[*i].action == Action::View).collect();
            if views.is_empty() {
                continue;
            }
            views.sort_by_cached_key(|i| hash(&[&self.events[*i].id, "theft"]));
            for k in 0..quota {
                let (i, again) = (views[k % views.len()], k >= views.len());
                if way == Way::Instead && again {
                    break;
                }
                let Some(stranger) = strangers.next() else { return taken };
                let kind = Some(ObjectType::Client);
                let object = Some(Object { kind, id: Some(stranger.id.clone()), owner: stranger.owner.clone(), ..Object::default() });
                let of = self.events[i].clone();
                if way == Way::Instead {
                    events[i] = Event { object, order: None, ..of };
                } else {
                    let time = of.time.plus(15_000 + i64::try_from(hash(&[&stranger.id]) % 225_000).unwrap_or(0));
                    events.push(Event { id: format!("theft-{id}-{taken}"), time, object, order: None, records: Some(1), ..of });
                }
                taken += 1;
            }
        }
        taken
    }

    fn exports(&self, id: &str, pieces: usize, n: usize, events: &mut Vec<Event>) -> usize {
        let Some(usual) = self.export(id) else { return 0 };
        let days = self.days(id, self.from);
        let all = days.len() * pieces;
        for (d, day) in days.into_iter().enumerate() {
            for piece in d * pieces..(d + 1) * pieces {
                let quota = n * (piece + 1) / all - n * piece / all;
                let at = &self.events[day[usize::try_from(hash(&[id, &piece.to_string()]) % day.len() as u64).unwrap_or(0)]];
                if quota > 0 {
                    let (session, client) = (at.session.clone(), at.client.clone());
                    let (time, records) = (at.time.plus(20_000), Some(quota as u64));
                    events.push(Event { id: format!("theft-{id}-{piece}"), time, records, bytes: None, session, client, ..usual.clone() });
                }
            }
        }
        n
    }

    /// The most that is taken without an alert, and what tells of the next step.
    fn most(&self, id: &str, way: Way, policy: &Policy) -> (usize, BTreeSet<String>) {
        let (mut quiet, mut loud) = ((0, 0), (STEPS, BTreeSet::new()));
        while loud.0 - quiet.0 > 1 {
            let step = usize::midpoint(quiet.0, loud.0);
            #[expect(clippy::cast_possible_truncation, reason = "1 to 7 943")]
            let n = 10_f64.powf((step - 1) as f64 / 10.0).round() as usize;
            let (events, taken) = self.with(id, way, n);
            let told = self.told(events, policy);
            let by: BTreeSet<String> =
                [Some(id), self.colleague(id)].iter().flatten().filter_map(|id| told.get(*id)).flatten().cloned().collect();
            if by.is_empty() { quiet = (step, taken) } else { loud = (step, by) }
        }
        (quiet.1, loud.1)
    }
}

/// Chance that is the same each time.
fn hash(of: &[&str]) -> u64 {
    xxh3_64(of.join("\0").as_bytes())
}

fn client(object: &Object) -> Option<&str> {
    if object.kind == Some(ObjectType::Client) { object.id.as_deref() } else { object.client.as_deref() }
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

struct Told {
    from: Timestamp,
    told: BTreeMap<String, BTreeSet<String>>,
}

impl replay::Sink for Told {
    fn effect(&mut self, _: &Tenant, effect: Effect) {
        if let Effect::Alert(alert) = effect
            && let (Some(manager), true) = (alert.manager, alert.time >= self.from)
        {
            self.told.entry(manager).or_default().extend(alert.controls);
        }
    }
}

/// What one thief comes to, before and after.
struct Found {
    way: Way,
    most: [usize; 2],
    by: BTreeSet<String>,
}

fn main() -> Result<()> {
    let companies = SEEDS.iter().map(|seed| Company::made(*seed)).collect::<Result<Vec<_>>>()?;
    let mut work = Vec::new();
    for company in &companies {
        // Far apart, so that they are of several teams.
        let step = company.thieves.len() / THIEVES;
        for id in company.thieves.iter().step_by(step).take(THIEVES) {
            let there = |way: Way| match way {
                Way::Campaign => company.campaigns.get(id).is_some_and(|spans| spans.iter().any(|(from, _)| *from >= company.from)),
                Way::Colleague => company.colleague(id).is_some(),
                _ => true,
            };
            work.extend(WAYS.iter().filter(|(way, _)| there(*way)).map(|(way, _)| (company, id, *way)));
        }
    }
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((company, id, way)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (before, _) = company.most(id, *way, &Policy::reference());
                    let (after, by) = company.most(id, *way, &Policy::default());
                    let mut found = found.lock().expect("no worker panics");
                    found.push(Found { way: *way, most: [before, after], by });
                    eprint!("\r{} of {}", found.len(), work.len());
                }
            });
        }
    });
    eprintln!();
    let found = found.into_inner().expect("no worker panics");
    println!(
        "{} companies of {MANAGERS} managers; the most clients that were taken without an alert in {} days, and what told of the next step.\n",
        SEEDS.len(),
        i64::from(DAYS) - HONEST
    );
    println!("| what they do | thieves | DETECTION.md alone: the middle one of them (least to most) | all of Filin | told by |");
    println!("| --- | --- | --- | --- | --- |");
    for (way, name) in WAYS {
        let of: Vec<&Found> = found.iter().filter(|f| f.way == way).collect();
        let cell = |i: usize| {
            let mut most: Vec<usize> = of.iter().map(|f| f.most[i]).collect();
            most.sort_unstable();
            most.get(most.len() / 2).map_or(String::new(), |middle| format!("{middle} ({} to {})", most[0], most[most.len() - 1]))
        };
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        of.iter().flat_map(|f| &f.by).for_each(|c| *by.entry(c).or_default() += 1);
        let mut by: Vec<(usize, &str)> = by.into_iter().map(|(c, n)| (n, c)).collect();
        by.sort_by(|a, b| b.cmp(a));
        let by: Vec<String> = by.iter().take(4).map(|(n, c)| format!("`{c}` {n}")).collect();
        println!("| {name} | {} | {} | {} | {} |", of.len(), cell(0), cell(1), by.join(", "));
    }
    Ok(())
}
