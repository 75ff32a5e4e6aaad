//! The store as one instance sees it, and what happens to the instance while it waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::world::{Lie, World};
use crate::{
    event::Timestamp,
    store::{
        self, Keep,
        integrity::{Person, Proved, Salts},
        keep::Stored,
        state::{Checkpoint, Restored},
    },
};

/// A request may arrive so much later than whoever sent it stopped waiting, or living.
pub(super) const LATER_MS: usize = 8_000;

/// How much of a request is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    None,
    Half,
    All,
    /// All of it, when nobody waits for it any more.
    Later,
}

impl Part {
    pub(super) const ANY: [Self; 4] = [Self::None, Self::Half, Self::All, Self::Later];

    fn name(self) -> &'static str {
        match self {
            Self::None => "before",
            Self::Half => "amid",
            Self::All => "behind",
            Self::Later => "ahead of",
        }
    }
}

/// How an instance is to die.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// At this step; none: at any.
    pub(super) step: Option<&'static str>,
    /// So many calls later.
    pub(super) left: usize,
    pub(super) part: Part,
}

/// Whether an instance lives.
#[derive(Default)]
pub(super) struct Life {
    pub(super) paused: bool,
    pub(super) dead: bool,
    pub(super) plan: Option<Plan>,
}

/// The store, for one instance.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) id: usize,
    pub(super) world: Arc<Mutex<World>>,
    pub(super) life: Arc<Mutex<Life>>,
}

/// What comes of a call.
enum Fate {
    Answered,
    Unanswered(Part),
    Death(Part),
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Life {
    /// Whether this call is the one at which it dies.
    pub(super) fn ends(&mut self, step: &'static str) -> Option<Part> {
        let plan = self.plan.as_mut().filter(|p| p.step.is_none_or(|s| s == step))?;
        if plan.left > 0 {
            plan.left -= 1;
            return None;
        }
        self.plan.take().map(|p| p.part)
    }
}

/// Everybody has a salt from the beginning: that two who ask at once get one is asked of a real engine.
pub(super) fn salts(who: &BTreeSet<Person>) -> Salts {
    who.iter().map(|(tenant, manager)| ((tenant.clone(), manager.clone()), Sha256::digest(format!("{tenant}/{manager}")).into())).collect()
}

impl Memory {
    async fn stand(&self) {
        while locked(&self.life).paused {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A call takes a while, and much can happen meanwhile.
    async fn fate(&self, step: &'static str) -> Fate {
        self.stand().await;
        let wait = locked(&self.world).rng.below(30);
        sleep(Duration::from_millis(wait as u64)).await;
        self.stand().await;
        let mut world = locked(&self.world);
        if let Some(part) = locked(&self.life).ends(step) {
            world.counts.add(part.name(), step, 1);
            return Fate::Death(part);
        }
        if !world.away {
            return Fate::Answered;
        }
        let part = Part::ANY[world.rng.below(4)];
        world.counts.add("unanswered", if part == Part::None { "and not done" } else { "and done in part, or later" }, 1);
        Fate::Unanswered(part)
    }

    async fn end<R>(&self, fate: Fate, answer: R) -> Result<R, store::Error> {
        match fate {
            Fate::Answered => Ok(answer),
            Fate::Unanswered(_) => Err(store::Error::Away("planned".to_owned())),
            Fate::Death(_) => {
                locked(&self.life).dead = true;
                std::future::pending().await
            }
        }
    }

    async fn ask<R>(&self, step: &'static str, answer: impl FnOnce(&mut World) -> R) -> Result<R, store::Error> {
        let fate = self.fate(step).await;
        let answer = answer(&mut locked(&self.world));
        self.end(fate, answer).await
    }
}

impl Fate {
    fn part(&self) -> Part {
        match self {
            Self::Answered => Part::All,
            Self::Unanswered(part) | Self::Death(part) => *part,
        }
    }
}

impl Keep for Memory {
    async fn insert<T: Stored>(&self, table: &'static str, rows: &[T]) -> Result<(), store::Error> {
        let fate = self.fate(table).await;
        let n = match fate.part() {
            Part::None => 0,
            Part::Half => rows.len() / 2,
            Part::All => rows.len(),
            Part::Later => {
                let (id, rows, world) = (self.id, rows.to_vec(), Arc::clone(&self.world));
                let wait = locked(&world).rng.below(LATER_MS);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(wait as u64)).await;
                    let mut world = locked(&world);
                    rows.iter().for_each(|row| world.take(id, table, row));
                });
                0
            }
        };
        {
            let mut world = locked(&self.world);
            let lost = world.lie == Some(Lie::Lost) && table == "events" && world.rng.one_in(4);
            if !lost {
                rows[..n].iter().for_each(|row| world.take(self.id, table, row));
            }
        }
        self.end(fate, ()).await
    }

    async fn newest(&self, _: &str, partition: u32) -> Result<Option<Checkpoint>, store::Error> {
        let answer = |world: &mut World| {
            let mut newest = world.newest(partition);
            if let (Some(Lie::Early), Some(c)) = (world.lie, &mut newest) {
                c.log_offset = world.log[&partition].last().map_or(c.log_offset, |l| l.offset);
            }
            newest
        };
        self.ask("newest", answer).await
    }

    async fn load(&self, at: &Checkpoint) -> Result<BTreeMap<String, Restored>, store::Error> {
        self.ask("load", |world| world.load(at)).await
    }

    async fn seen(&self, tenant: &str, at: &Checkpoint, since: Timestamp) -> Result<Vec<(u64, Timestamp)>, store::Error> {
        self.ask("seen", |world| world.seen(tenant, at, since)).await
    }

    async fn drop_old_generations(&self, _: &str, partition: u32) -> Result<(), store::Error> {
        let fate = self.fate("generations").await;
        let part = fate.part();
        if part != Part::None && part != Part::Later {
            locked(&self.world).drop_old_generations(partition, part == Part::Half);
        }
        self.end(fate, ()).await
    }

    async fn salts(&self, who: &BTreeSet<Person>, _: Timestamp) -> Result<Salts, store::Error> {
        self.ask("salts", |_| salts(who)).await
    }

    async fn tips(&self, _: &str, partition: u32, chain: &'static str, until: u64) -> Result<Vec<String>, store::Error> {
        self.ask("tips", |world| world.tips(partition, chain, until)).await
    }

    async fn unproved(&self, _: u32) -> Result<Vec<Proved>, store::Error> {
        // Nobody answers alerts here.
        self.ask("unproved", |_| Vec::new()).await
    }

    async fn disk_free(&self) -> Option<f64> {
        None
    }
}
