//! The brokers, the instances, and what goes wrong with them.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    LOG, MEMBERS, PARTITIONS, RECEIVER, STEPS,
    alone::{Alone, alias},
    memory::{LATER_MS, Life, Memory, Part, Plan, locked},
    raw::Raw,
    table::Table,
    world::{Counts, Lie, World},
};
use crate::{
    engine::testing::GHOSTS_IN_TESTS,
    event::{DAY_MS, Timestamp},
    log::{
        Appender, Delivery, Entry, Reader,
        memory::{self, Order},
        partition_of,
    },
    ops::metrics::{Labels, Metrics},
    pipeline::{
        ingest::Ingestor,
        score::{Cadence, Error, Progress, Scorer},
    },
    store::rows::AlertRow,
};

/// Rounds in which something goes wrong.
const ROUNDS: usize = 250;
/// ... and until all must be done.
const PATIENCE: usize = 5_000;
/// How long a partition waits for whoever is to leave it.
const LEAVE: Duration = Duration::from_secs(20);
/// No notification is too old.
const EVER: Duration = Duration::from_secs(10_000 * 86_400);

thread_local! {
    /// Days that passed; the rest of the time is tokio's.
    static DAYS: Cell<i64> = const { Cell::new(0) };
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The wall clock of the simulation.
fn now() -> Timestamp {
    let since = SINCE.get().map_or(Duration::ZERO, |s| s.elapsed());
    let ms = i64::try_from(since.as_millis()).expect("minutes");
    Timestamp::parse("2026-11-01T12:00:00Z").expect("a time").plus(DAYS.get() * DAY_MS + ms)
}

/// An instance, as the brokers see it.
struct Member {
    life: Arc<Mutex<Life>>,
    deliveries: mpsc::UnboundedSender<Delivery>,
    orders: mpsc::UnboundedReceiver<Order>,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    /// Its partitions: which line comes next, once it has said from where.
    held: BTreeMap<u32, Option<usize>>,
    /// How often it has still to say it: what it says of an earlier assignment does not count.
    owing: BTreeMap<u32, u32>,
    /// Lost while it stood still.
    lost: Vec<u32>,
}

/// A partition on its way from one to the next.
struct Leaving {
    partition: u32,
    from: usize,
    answer: oneshot::Receiver<()>,
    since: Instant,
}

pub(super) struct Simulation {
    world: Arc<Mutex<World>>,
    members: BTreeMap<usize, Member>,
    born: usize,
    leaving: Vec<Leaving>,
    raws: Vec<Raw>,
    notes: mpsc::UnboundedReceiver<Vec<Entry>>,
    ingestor: Ingestor,
    metrics: Metrics,
    cadence: Cadence,
    /// Says what happens.
    loud: bool,
}

impl Simulation {
    pub(super) fn new(seed: u64, lie: Option<Lie>, loud: bool) -> Self {
        DAYS.set(0);
        SINCE.set(Some(Instant::now()));
        // Few accounts that nobody knows, so that some are forgotten.
        GHOSTS_IN_TESTS.set(6);
        let mut world = World::new(seed, lie);
        let raws = [("a", false), ("b", false), ("c", true), ("d", true)].map(|(t, loose)| Raw::new(t, loose, &mut world.rng)).into();
        let metrics = Metrics::new(&prometheus::Registry::new(), &Labels { controls: &[], severities: &[], reasons: &[] });
        let (say, notes) = mpsc::unbounded_channel();
        let ingestor = Ingestor::simulated(Appender::Memory(say), PARTITIONS, metrics.clone());
        let cadence = Cadence {
            checkpoint: Duration::from_secs(3),
            rollup: Duration::from_secs(1),
            flush_rows: [20, 50_000][world.rng.below(2)],
            checkpoint_records: [60, 500_000][world.rng.below(2)],
            ..Cadence::default()
        };
        let world = Arc::new(Mutex::new(world));
        Self { world, members: BTreeMap::new(), born: 0, leaving: Vec::new(), raws, notes, ingestor, metrics, cadence, loud }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    fn chance(&self, n: usize) -> bool {
        self.world().rng.one_in(n)
    }

    fn below(&self, n: usize) -> usize {
        self.world().rng.below(n)
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.loud {
            println!("{:9.3} s  {}", SINCE.get().map_or(0.0, |s| s.elapsed().as_secs_f64()), what());
        }
    }

    fn count(&self, kind: &'static str, step: &'static str) {
        self.world().counts.add(kind, step, 1);
        self.tell(|| format!("{kind} {step}"));
    }

    fn bear(&mut self) {
        let (deliveries, from_brokers) = mpsc::unbounded_channel();
        let (say, orders) = mpsc::unbounded_channel();
        let (id, life) = (self.born, Arc::<Mutex<Life>>::default());
        let store = Memory { id, world: Arc::clone(&self.world), life: Arc::clone(&life) };
        let scorer = Scorer::new(store, alias(), LOG.to_owned(), self.cadence, self.metrics.clone(), self.ingestor.clone());
        let mut scorer = scorer.telling(vec![RECEIVER], EVER);
        scorer.clock = now;
        let (progress, stop) = (scorer.progress(), CancellationToken::new());
        let reader = Reader::Memory(memory::Reader { deliveries: from_brokers, orders: say });
        let task = tokio::spawn(scorer.run(reader, stop.clone()));
        let (held, owing, lost) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        self.members.insert(id, Member { life, deliveries, orders, progress, stop, task, held, owing, lost });
        self.born += 1;
        self.tell(|| format!("instance {id} starts"));
    }

    /// Members that answer.
    fn awake(&self) -> Vec<usize> {
        self.members.iter().filter(|(_, m)| !locked(&m.life).paused).map(|(id, _)| *id).collect()
    }

    fn bury(&mut self, id: usize) {
        let member = self.members.remove(&id).expect("a member");
        member.task.abort();
        let applied = member.progress.borrow().applied;
        self.world().counts.add("done", "records scored", applied);
        self.count("fault", "deaths");
        self.tell(|| format!("instance {id} is dead"));
    }

    /// Whoever waits for nobody's partition gets it.
    fn assign(&mut self) {
        for partition in 0..PARTITIONS {
            let owned = self.members.values().any(|m| m.held.contains_key(&partition));
            if owned || self.leaving.iter().any(|l| l.partition == partition) {
                continue;
            }
            let awake = self.awake();
            let Some(id) = awake.get(self.below(awake.len().max(1))).copied() else { return };
            let member = self.members.get_mut(&id).expect("it is awake");
            member.held.insert(partition, None);
            *member.owing.entry(partition).or_default() += 1;
            member.deliveries.send(Delivery::Assigned(vec![partition])).ok();
            self.world().holders.insert(partition, id);
            self.tell(|| format!("partition {partition} goes to {id}"));
        }
    }

    /// Takes a partition from whoever has it.
    fn revoke(&mut self, partition: u32) {
        let Some((id, member)) = self.members.iter().find(|(_, m)| m.held.contains_key(&partition)) else { return };
        if locked(&member.life).paused || self.leaving.iter().any(|l| l.partition == partition) {
            return;
        }
        let (done, answer) = oneshot::channel();
        member.deliveries.send(Delivery::Revoked(vec![partition], done)).ok();
        self.leaving.push(Leaving { partition, from: *id, answer, since: Instant::now() });
        self.count("fault", "partitions moved");
    }

    /// What the brokers do by themselves.
    fn turn(&mut self) {
        while let Ok(entries) = self.notes.try_recv() {
            for entry in entries {
                self.world().complain(format!("{} was told something that nobody planned", entry.tenant));
            }
        }
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            self.hear(id);
        }
        let members = &mut self.members;
        self.leaving.retain_mut(|l| {
            let waits = matches!(l.answer.try_recv(), Err(oneshot::error::TryRecvError::Empty)) && l.since.elapsed() < LEAVE;
            let Some(member) = members.get_mut(&l.from) else { return false };
            if !waits {
                member.held.remove(&l.partition);
            }
            waits
        });
        self.assign();
    }

    /// What an instance has to say, if it lives.
    fn hear(&mut self, id: usize) {
        let member = self.members.get_mut(&id).expect("a member");
        if locked(&member.life).dead {
            return self.bury(id);
        }
        let mut world = locked(&self.world);
        if member.task.is_finished() {
            return world.complain(format!("instance {id} ended by itself"));
        }
        while let Ok(order) = member.orders.try_recv() {
            match order {
                Order::Resume(partition, after) => {
                    let owing = member.owing.get_mut(&partition).expect("it was assigned");
                    *owing -= 1;
                    if let (0, Some(next)) = (*owing, member.held.get_mut(&partition)) {
                        *next = Some(after.map_or(0, |a| world.log[&partition].partition_point(|l| l.offset <= a)));
                    }
                }
                Order::Commit(partition, offset) => {
                    if world.newest(partition).is_none_or(|c| c.log_offset < offset) {
                        world.complain(format!("{offset} of partition {partition} was committed before its checkpoint"));
                    }
                    if locked(&member.life).ends("committed").is_some() {
                        world.counts.add("behind", "committed", 1);
                        drop(world);
                        return self.bury(id);
                    }
                }
            }
        }
    }

    /// Delivers some lines to those who are awake.
    fn deliver(&mut self) {
        for id in self.awake() {
            let member = self.members.get_mut(&id).expect("it is awake");
            for (partition, next) in &mut member.held {
                let (Some(at), false) = (*next, self.leaving.iter().any(|l| l.partition == *partition)) else { continue };
                let mut world = locked(&self.world);
                let n = (1 + world.rng.below(40)).min(world.log[partition].len() - at);
                if n == 0 || world.rng.one_in(3) {
                    continue;
                }
                let lines = world.log[partition][at..at + n].to_vec();
                let behind = (world.log[partition].len() - at - n) as u64;
                *next = Some(at + n);
                member.deliveries.send(Delivery::Lines { partition: *partition, lines, behind }).ok();
            }
        }
    }

    /// What goes wrong.
    fn trouble(&mut self) {
        if self.chance(14) {
            let away = !self.world().away;
            self.world().away = away;
            self.tell(|| format!("the store is {}", if away { "away" } else { "back" }));
        }
        if self.chance(40) {
            // Clocks are also set back.
            DAYS.set(DAYS.get() + if self.chance(4) { -1 } else { 1 });
            self.count("fault", "clock a day off");
        }
        if self.chance(15) {
            self.revoke(u32::try_from(self.below(PARTITIONS as usize)).expect("few"));
        }
        let ids: Vec<usize> = self.members.keys().copied().collect();
        let Some(id) = ids.get(self.below(ids.len().max(1))).copied() else { return };
        if self.chance(40) {
            self.bury(id);
        } else if self.chance(5) {
            let step = (!self.chance(4)).then(|| STEPS[self.below(STEPS.len())]);
            let left = self.below(if step.is_some() { 2 } else { 20 });
            let plan = Plan { step, left, part: Part::ANY[self.below(4)] };
            self.tell(|| format!("instance {id} is to die: {plan:?}"));
            locked(&self.members[&id].life).plan = Some(plan);
        } else if self.chance(20) {
            self.pause(id);
        } else if self.chance(10) {
            self.wake(id);
        }
    }

    /// It stands still; beyond its session the group goes on without it.
    fn pause(&mut self, id: usize) {
        let member = self.members.get_mut(&id).expect("a member");
        if !std::mem::replace(&mut locked(&member.life).paused, true) {
            member.lost.extend(std::mem::take(&mut member.held).into_keys());
            self.leaving.retain(|l| l.from != id);
            self.count("fault", "zombies");
            self.tell(|| format!("instance {id} stands still"));
        }
    }

    fn wake(&mut self, id: usize) {
        let member = self.members.get_mut(&id).expect("a member");
        if std::mem::take(&mut locked(&member.life).paused) && !member.lost.is_empty() {
            let (done, _) = oneshot::channel();
            member.deliveries.send(Delivery::Revoked(std::mem::take(&mut member.lost), done)).ok();
            self.tell(|| format!("instance {id} goes on"));
        }
    }

    /// The whole run: what happened, and what is wrong.
    pub(super) async fn run(mut self) -> (Counts, Option<String>) {
        for round in 0..PATIENCE {
            let calm = round > ROUNDS;
            if calm {
                self.world().away = false;
                for id in self.members.keys().copied().collect::<Vec<_>>() {
                    self.wake(id);
                    locked(&self.members[&id].life).plan = None;
                }
            } else {
                self.trouble();
            }
            while self.members.len() < MEMBERS {
                self.bear();
            }
            self.turn();
            let raw = self.below(self.raws.len());
            if calm || self.chance(2) {
                self.raws[raw].step(&mut locked(&self.world));
            }
            self.deliver();
            let wait = 1 + self.below(400);
            sleep(Duration::from_millis(wait as u64)).await;
            if self.world().wrong.is_some() || (calm && self.is_done()) {
                break;
            }
        }
        if !self.is_done() {
            self.world().complain("not everything was scored and checkpointed");
        }
        for (id, member) in std::mem::take(&mut self.members) {
            member.stop.cancel();
            let ended = tokio::time::timeout(Duration::from_secs(600), member.task).await;
            let mut world = self.world();
            if !matches!(ended, Ok(Ok(Ok(())))) {
                world.complain(format!("instance {id} did not end well: {ended:?}"));
            }
            world.counts.add("done", "records scored", member.progress.borrow().applied);
        }
        sleep(Duration::from_millis(LATER_MS as u64)).await;
        self.judge()
    }

    fn is_done(&self) -> bool {
        let world = self.world();
        let told = self.raws.iter().all(|r| r.high == r.records.len());
        let checkpointed = |p: u32| world.log[&p].last().map(|l| l.offset) == world.newest(p).map(|c| c.log_offset);
        told && (0..PARTITIONS).all(checkpointed)
    }

    fn judge(&self) -> (Counts, Option<String>) {
        let mut world = self.world();
        let lines: usize = world.log.values().map(Vec::len).sum();
        let again = world.counts.of("done", "records scored").saturating_sub(lines as u64);
        world.counts.add("seen", "records scored again", again);
        world.counts.add("done", "runs", 1);
        let wrong = world.wrong.take();
        let wrong = wrong.or_else(|| match world.last_word() {
            Ok(made) => {
                world.counts.add("done", "alerts", made.alerts.len() as u64);
                world.counts.add("done", "signals", made.signals.len() as u64);
                self.raws.iter().filter(|raw| raw.is_strict()).find_map(|raw| differs_undisturbed(raw, &made.alerts))
            }
            Err(what) => Some(what),
        });
        (world.counts.clone(), wrong)
    }
}

/// But for their places in the log, alerts are those of the raw lines, each told once.
fn differs_undisturbed(raw: &Raw, stored: &Table<AlertRow>) -> Option<String> {
    let mut world = World::new(0, None);
    raw.records.iter().for_each(|r| world.append(&raw.tenant, r));
    let (mut alone, partition) = (Alone::default(), partition_of(&raw.tenant, PARTITIONS));
    if let Err(what) = alone.advance(partition, &world.log[&partition]) {
        return Some(what);
    }
    let placeless = |row: &AlertRow| AlertRow { log_partition: 0, log_offset: 0, ..row.clone() };
    let (mut ours, mut theirs) = (stored.rows().filter(|a| a.tenant == raw.tenant), alone.made.alerts.rows());
    loop {
        let (one, other) = (ours.next().map(placeless), theirs.next().map(placeless));
        if one != other {
            return Some(format!("in a run in which nothing happened:\n{other:?}\ninstead of\n{one:?}"));
        }
        one.as_ref()?;
    }
}
