//! What outlives every instance: the log and the store. Whatever is stored is compared with the engine alone.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
};

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::{
    PARTITIONS,
    alone::Alone,
    table::{Line as _, Table, Tables},
};
use crate::{
    engine::Record,
    event::{Timestamp, dedup_hash},
    log::{self, Read},
    store::{
        integrity::{HeadRow, LinkRow},
        notifications::{self, Note},
        rows,
        state::{Checkpoint, ManagerState, Restored, TenantState},
    },
};

/// How a store may lie, so that it is seen that lies are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// An insert of events that was acknowledged is lost.
    Lost,
    /// The newest checkpoint is said before its states are there.
    Early,
    /// States beyond a checkpoint are given back with it.
    Beyond,
    /// What was seen before is forgotten.
    Forgets,
}

pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.0.next_u64() % n as u64).expect("below a usize")
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What happened, how often: kind and step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) BTreeMap<(&'static str, &'static str), u64>);

impl Counts {
    pub(super) fn add(&mut self, kind: &'static str, step: &'static str, n: u64) {
        *self.0.entry((kind, step)).or_default() += n;
    }

    pub(super) fn of(&self, kind: &'static str, step: &'static str) -> u64 {
        self.0.get(&(kind, step)).copied().unwrap_or_default()
    }

    pub(super) fn join(&mut self, other: &Self) {
        other.0.iter().for_each(|((kind, step), n)| self.add(kind, step, *n));
    }
}

pub(super) struct World {
    pub(super) rng: Random,
    pub(super) log: BTreeMap<u32, Vec<Read>>,
    pub(super) stored: Tables,
    pub(super) notes: Table<Note>,
    /// Of stored events: tenant, and what alerts name them by.
    named: BTreeSet<(String, String)>,
    managers: Vec<ManagerState>,
    tenants: Vec<TenantState>,
    /// Ends of the chains, by partition.
    heads: BTreeMap<u32, HeadRow>,
    /// By partition and offset; of two the later one.
    checkpoints: BTreeMap<(u32, u64), Checkpoint>,
    alone: BTreeMap<u32, Alone>,
    /// Who was given each partition last.
    pub(super) holders: BTreeMap<u32, usize>,
    /// The store cannot be reached.
    pub(super) away: bool,
    pub(super) lie: Option<Lie>,
    /// The first thing that was wrong.
    pub(super) wrong: Option<String>,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, lie: Option<Lie>) -> Self {
        Self {
            rng: Random::new(seed),
            log: (0..PARTITIONS).map(|p| (p, Vec::new())).collect(),
            stored: Tables::default(),
            notes: Table::default(),
            named: BTreeSet::new(),
            managers: Vec::new(),
            tenants: Vec::new(),
            heads: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            alone: BTreeMap::new(),
            holders: BTreeMap::new(),
            away: false,
            lie,
            wrong: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn append(&mut self, tenant: &str, record: &Record) {
        let entry = log::entry(tenant, record.clone(), PARTITIONS);
        let lines = self.log.get_mut(&entry.partition).expect("one of the partitions");
        // Offsets grow, not always by one.
        let offset = lines.last().map_or(0, |l| l.offset + 1 + u64::from(lines.len().is_multiple_of(5)));
        lines.push(Read { offset, line: entry.line });
    }

    pub(super) fn complain(&mut self, what: impl Into<String>) {
        self.wrong.get_or_insert_with(|| what.into());
    }

    /// A row arrives from an instance.
    pub(super) fn take(&mut self, from: usize, table: &str, row: &dyn Any) {
        let mut partition = None;
        let done = if let Some(r) = row.downcast_ref::<rows::Event>() {
            partition = Some(r.log_partition);
            self.named.insert((r.tenant.clone(), format!("{}/{}", r.source, r.id)));
            self.stored.events.put(r)
        } else if let Some(r) = row.downcast_ref::<rows::EventRaw>() {
            self.stored.raw.put(r)
        } else if let Some(r) = row.downcast_ref::<rows::SignalRow>() {
            partition = Some(r.log_partition);
            self.stored.signals.put(r)
        } else if let Some(r) = row.downcast_ref::<rows::AlertRow>() {
            partition = Some(r.log_partition);
            self.take_alert(r)
        } else if let Some(r) = row.downcast_ref::<rows::DayRow>() {
            self.stored.days.put(r)
        } else if let Some(r) = row.downcast_ref::<rows::HourRow>() {
            self.stored.hours.put(r)
        } else if let Some(r) = row.downcast_ref::<rows::MuteRow>() {
            self.stored.mutes.put(r)
        } else if let Some(r) = row.downcast_ref::<LinkRow>() {
            partition = Some(r.partition);
            self.stored.links.put(r)
        } else if let Some(r) = row.downcast_ref::<HeadRow>() {
            partition = Some(r.partition);
            if self.heads.get(&r.partition).is_none_or(|old| old.log_offset <= r.log_offset) {
                self.heads.insert(r.partition, r.clone());
            }
            Ok(())
        } else if let Some(r) = row.downcast_ref::<Note>() {
            let known = self.stored.alerts.rows().any(|a| (&a.tenant, &a.alert_id, a.version) == (&r.tenant, &r.alert_id, r.version));
            if known { self.notes.put(r) } else { Err(format!("alert {} is due before it is stored", r.alert_id)) }
        } else if let Some(r) = row.downcast_ref::<ManagerState>() {
            partition = Some(r.partition);
            self.managers.push(r.clone());
            Ok(())
        } else if let Some(r) = row.downcast_ref::<TenantState>() {
            partition = Some(r.partition);
            self.tenants.push(r.clone());
            Ok(())
        } else if let Some(r) = row.downcast_ref::<Checkpoint>() {
            partition = Some(r.partition);
            let old = self.checkpoints.get(&(r.partition, r.log_offset));
            if old.is_none_or(|old| old.at <= r.at) {
                self.checkpoints.insert((r.partition, r.log_offset), r.clone());
            }
            self.counts.add("seen", "checkpoints", 1);
            self.judge(r)
        } else {
            Err(format!("{table} is not simulated"))
        };
        if partition.is_some_and(|p| self.holders.get(&p) != Some(&from)) {
            self.counts.add("seen", "rows of partitions given away", 1);
        }
        if let Err(what) = done {
            self.complain(what);
        }
    }

    fn take_alert(&mut self, row: &rows::AlertRow) -> Result<(), String> {
        let missing = row.event_ids.iter().find(|id| !self.named.contains(&(row.tenant.clone(), (*id).clone())));
        match missing {
            Some(id) => Err(format!("alert {} was stored before its event {id}", row.alert_id)),
            None => self.stored.alerts.put(row),
        }
    }

    /// The same answers as the queries of `store::state` give.
    pub(super) fn newest(&self, partition: u32) -> Option<Checkpoint> {
        let kept = self.kept(partition);
        self.of(partition).rev().find(|c| kept.contains(&c.generation)).cloned()
    }

    pub(super) fn tips(&self, partition: u32, chain: &str, until: u64) -> Vec<String> {
        let of = |l: &&LinkRow| l.partition == partition && l.chain == chain && l.log_offset <= until;
        let links: Vec<&LinkRow> = self.stored.links.rows().filter(of).collect();
        let followed: BTreeSet<&String> = links.iter().flat_map(|l| &l.previous).collect();
        let tips: BTreeSet<&String> = links.iter().map(|l| &l.hash).filter(|hash| !followed.contains(hash)).collect();
        tips.into_iter().cloned().collect()
    }

    fn of(&self, partition: u32) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.checkpoints.range((partition, 0)..=(partition, u64::MAX)).map(|(_, c)| c)
    }

    fn kept(&self, partition: u32) -> Vec<u32> {
        let known: BTreeSet<u32> = self.of(partition).map(|c| c.generation).collect();
        known.into_iter().rev().take(2).collect()
    }

    pub(super) fn load(&self, at: &Checkpoint) -> BTreeMap<String, Restored> {
        let epochs = at.base..=if self.lie == Some(Lie::Beyond) { u64::MAX } else { at.log_offset };
        let (mut shared, mut managers) = (BTreeMap::new(), BTreeMap::new());
        for r in self.tenants.iter().filter(|r| r.partition == at.partition && r.generation == at.generation && epochs.contains(&r.epoch)) {
            let (epoch, state) = shared.entry(r.tenant.clone()).or_insert((0, &r.state));
            if r.epoch >= *epoch {
                (*epoch, *state) = (r.epoch, &r.state);
            }
        }
        for r in self.managers.iter().filter(|r| r.partition == at.partition && r.generation == at.generation && epochs.contains(&r.epoch))
        {
            let (epoch, state) = managers.entry((r.tenant.clone(), r.manager.clone())).or_insert((0, &r.state));
            if r.epoch >= *epoch {
                (*epoch, *state) = (r.epoch, &r.state);
            }
        }
        let mut found: BTreeMap<String, Restored> =
            shared.into_iter().map(|(t, (_, shared))| (t, Restored { shared: shared.clone(), managers: Vec::new() })).collect();
        for ((tenant, manager), (_, state)) in managers {
            if let Some(t) = found.get_mut(&tenant).filter(|_| !state.is_empty()) {
                t.managers.push((manager, state.clone()));
            }
        }
        found
    }

    pub(super) fn seen(&self, tenant: &str, at: &Checkpoint, since: Timestamp) -> Vec<(u64, Timestamp)> {
        if self.lie == Some(Lie::Forgets) {
            return Vec::new();
        }
        let of = |e: &&rows::Event| {
            e.tenant == tenant && e.log_partition == at.partition && e.log_offset <= at.log_offset && e.time >= since.millis()
        };
        let rows = self.stored.events.rows().filter(of);
        rows.map(|e| (dedup_hash(&e.source, &e.id), Timestamp::from_millis(e.time))).collect()
    }

    /// Drops all but the two newest generations with a checkpoint; half of it: one table of two.
    pub(super) fn drop_old_generations(&mut self, partition: u32, half: bool) {
        let [_, oldest] = self.kept(partition)[..] else { return };
        self.managers.retain(|r| r.partition != partition || r.generation >= oldest);
        if !half {
            self.tenants.retain(|r| r.partition != partition || r.generation >= oldest);
        }
    }

    /// A checkpoint says that everything up to it is stored, and that a restore gives the states there.
    fn judge(&mut self, at: &Checkpoint) -> Result<(), String> {
        let lines = &self.log[&at.partition];
        let n = lines.partition_point(|l| l.offset <= at.log_offset);
        let mut alone = self.alone.remove(&at.partition).unwrap_or_default();
        if alone.n > n {
            // Of whoever was given up and lags behind.
            alone = Alone::default();
        }
        let place = format!("checkpoint {} of partition {}", at.log_offset, at.partition);
        alone.advance(at.partition, &lines[..n])?;
        if let Some(what) = self.stored.lacks(&mut alone.made, at.log_offset).or_else(|| self.untold(&alone.made)) {
            return Err(format!("{place}: {what}"));
        }
        match self.heads.get(&at.partition) {
            Some(head) if head.log_offset == at.log_offset && head.alerts != alone.chained.alerts => {
                return Err(format!("{place}: its chain ends in {:?} instead of {:?}", head.alerts, alone.chained.alerts));
            }
            Some(head) if head.log_offset >= at.log_offset => {}
            other => return Err(format!("{place}: no head says where its chain ends: {other:?}")),
        }
        // Of one that is not the newest nobody will begin.
        let begins = self.newest(at.partition).as_ref() == Some(at);
        if begins && let Some(what) = differs(&self.load(at), &alone.states()) {
            return Err(format!("{place}: {what}"));
        }
        for (tenant, (since, ids)) in alone.seen() {
            let seen: BTreeSet<_> = self.seen(tenant, at, since).into_iter().collect();
            if self.lie.is_none() && seen != ids {
                let odd: Vec<_> = seen.symmetric_difference(&ids).collect();
                return Err(format!("{place}: events of {tenant} that only the store, or only the engine takes for known: {odd:?}"));
            }
        }
        self.alone.insert(at.partition, alone);
        Ok(())
    }

    /// An alert that somebody is to be told of, and will not be.
    fn untold(&self, made: &Tables) -> Option<String> {
        let told = |a: &rows::AlertRow| self.notes.has(&due(a).key());
        made.alerts.rows().find(|a| a.notify && !told(a)).map(|a| format!("alert {} version {} is not due", a.alert_id, a.version))
    }

    /// What is wrong when all is done: the store against the engine alone over the whole log.
    pub(super) fn last_word(&mut self) -> Result<Tables, String> {
        let mut all = Tables::default();
        for partition in 0..PARTITIONS {
            if let Some(newest) = self.newest(partition) {
                self.judge(&newest)?;
            }
            let mut alone = Alone::default();
            alone.advance(partition, &self.log[&partition])?;
            all.extend(alone.made);
        }
        if let Some(what) = self.stored.differ(&all).or_else(|| self.untold(&all)) {
            return Err(format!("at the end: {what}"));
        }
        let due = all.alerts.rows().filter(|a| a.notify).count();
        if self.notes.len() != due {
            return Err(format!("at the end: {} versions are due, {due} should be", self.notes.len()));
        }
        Ok(all)
    }
}

/// Whose state is another.
fn differs(loaded: &BTreeMap<String, Restored>, made: &BTreeMap<String, Restored>) -> Option<String> {
    if !loaded.keys().eq(made.keys()) {
        return Some(format!("states of {:?} instead of {:?}", loaded.keys(), made.keys()));
    }
    for (tenant, made) in made {
        let loaded = &loaded[tenant];
        if loaded.shared != made.shared {
            return Some(format!("{tenant} has another state than the log gives"));
        }
        let ids = |r: &Restored| r.managers.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        let odd: Vec<_> = ids(loaded).symmetric_difference(&ids(made)).cloned().collect();
        if !odd.is_empty() {
            return Some(format!("managers of {tenant} that are only in the store, or only should be: {odd:?}"));
        }
        if let Some(((id, _), _)) = made.managers.iter().zip(&loaded.managers).find(|(a, b)| a != b) {
            return Some(format!("{id} of {tenant} has another state than the log gives"));
        }
    }
    None
}

/// The note that an alert has to have.
fn due(a: &rows::AlertRow) -> Note {
    Note {
        tenant: a.tenant.clone(),
        alert_id: a.alert_id.clone(),
        version: a.version,
        receiver: super::RECEIVER.as_str().to_owned(),
        attempt: 0,
        state: notifications::DUE.to_owned(),
        reason: String::new(),
        at: 0,
    }
}
