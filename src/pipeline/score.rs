//! Scoring: the log in, effects into ClickHouse, checkpoints.
//!
//! One task owns the tenants of its partitions. A checkpoint at an offset is written only when every effect up to it has been
//! acknowledged; after a crash the span behind the last one is scored again and gives the same rows.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    canary::{self, live::Watching},
    fit::Due,
    ingest::Ingestor,
};
use crate::{
    engine::{Effect, Lateness, LogLine, Record, Tenant, VERSION},
    event::{DAY_MS, Date, Timestamp, is_own},
    log::{Delivery, Read, Reader},
    ops::{
        clock, fail,
        happening::{CanaryHeard, CheckpointWritten},
        metrics::{Metrics, Outcome, Receiver, Told},
    },
    store::{
        self, Alias, Keep,
        canaries::CanaryRow,
        integrity::{self, Chained, Seal},
        keep::Stored,
        notifications::{self, Note},
        persist,
        rows::{self, Position},
        state::{self, Checkpoint, ManagerState, TenantState},
    },
};

#[cfg(test)]
mod sim;

/// How long an event must be recognised as a repeat.
const KEEP_MS: i64 = 3 * DAY_MS;
/// So many records are applied between two awaits.
const STRIDE: usize = 64;

/// When effects and checkpoints are written.
#[derive(Clone, Copy, Debug)]
pub struct Cadence {
    /// Events and signals wait no longer than this.
    pub flush: Duration,
    /// ... or until so many rows wait.
    pub flush_rows: usize,
    /// Roll-ups are written no more often than this, and at each checkpoint.
    pub rollup: Duration,
    /// Checkpoints are no further apart than this.
    pub checkpoint: Duration,
    /// ... or so many records.
    pub checkpoint_records: u64,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            flush: Duration::from_millis(500),
            rollup: Duration::from_secs(5),
            flush_rows: 50_000,
            checkpoint: Duration::from_secs(30),
            checkpoint_records: 500_000,
        }
    }
}

/// Why scoring ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] crate::log::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What goes into the log.
    #[error(transparent)]
    Ingest(#[from] super::ingest::Error),
    /// A stored state cannot be read.
    #[error("the state of tenant {tenant} at offset {offset} cannot be restored: {why}")]
    State {
        /// Whose.
        tenant: String,
        /// Where.
        offset: u64,
        /// Why.
        why: String,
    },
}

/// What stands where, for pages and probes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All assigned partitions are restored and the log was read to the end seen at start.
    pub caught_up: bool,
    /// Partitions were assigned and restored.
    pub restored: bool,
    /// Records applied since the start.
    pub applied: u64,
    /// Records of the log that are not scored and stored yet.
    pub behind: u64,
    /// How often alerts were stored that somebody is to be told of.
    pub noted: u64,
    /// Partitions scored here.
    pub partitions: std::collections::BTreeSet<u32>,
    /// Tenants scored here: greatest event time, last applied offset.
    pub tenants: BTreeMap<String, (Option<Timestamp>, Option<u64>)>,
}

impl Progress {
    /// Organisations that are scored here; Filin's own tenants are none.
    pub fn watched(&self) -> impl Iterator<Item = &String> {
        self.tenants.keys().filter(|name| !is_own(name))
    }
}

/// The scoring task.
pub struct Scorer<K = clickhouse::Client> {
    store: K,
    /// The wall clock, which generations come from.
    clock: fn() -> Timestamp,
    alias: Alias,
    /// What makes links of alerts and answers.
    seal: Seal,
    log_id: String,
    cadence: Cadence,
    metrics: Metrics,
    progress: tokio::sync::watch::Sender<Progress>,
    partitions: BTreeMap<u32, Partition>,
    pending: Pending,
    /// When roll-ups were taken last.
    rolled: Instant,
    effects: Vec<Effect>,
    /// Records of the log behind the last applied one.
    behind: u64,
    /// Where results of fits go.
    ingestor: Ingestor,
    /// Per tenant the date of the last fit, which may be on its way through the log.
    fitted: BTreeMap<String, Date>,
    /// Who is told of alerts.
    receivers: Vec<Receiver>,
    /// Of events that are older when they are stored nobody is told, milliseconds.
    notify_max_age_ms: i64,
}

/// One partition of the log and the tenants that live in it.
#[derive(Default)]
struct Partition {
    tenants: BTreeMap<String, Tenant>,
    /// Last applied offset.
    offset: Option<u64>,
    /// Offset of the last checkpoint.
    saved: Option<u64>,
    /// Generation of the last checkpoint; none: the next one is a full snapshot.
    generation: Option<u32>,
    /// Offset of that full snapshot.
    base: u64,
    /// What proves its alerts and answers.
    chained: Chained,
    /// The canaries, where they live here: heard, never kept.
    canaries: Watching,
    /// Tenants with roll-ups to write.
    touched: std::collections::BTreeSet<String>,
}

/// Rows that wait for the next flush.
#[derive(Default)]
struct Pending {
    events: Vec<rows::Event>,
    raw: Vec<rows::EventRaw>,
    signals: Vec<rows::SignalRow>,
    alerts: Vec<rows::AlertRow>,
    hours: Vec<rows::HourRow>,
    days: Vec<rows::DayRow>,
    canaries: Vec<CanaryRow>,
    mutes: Vec<rows::MuteRow>,
    since: Option<Instant>,
    /// Records since the last checkpoint.
    records: u64,
    /// Records since the last flush.
    unstored: u64,
}

impl<K: Keep> Scorer<K> {
    /// A scorer that has nothing yet.
    pub fn new(store: K, alias: Alias, log_id: String, cadence: Cadence, metrics: Metrics, ingestor: Ingestor) -> Self {
        Self {
            store,
            clock: clock::now,
            seal: Seal::of(&alias),
            alias,
            log_id,
            cadence,
            metrics,
            progress: tokio::sync::watch::Sender::default(),
            partitions: BTreeMap::new(),
            pending: Pending::default(),
            rolled: Instant::now(),
            effects: Vec::new(),
            behind: 0,
            ingestor,
            fitted: BTreeMap::new(),
            receivers: Vec::new(),
            notify_max_age_ms: DAY_MS,
        }
    }

    /// Alerts become due for these receivers, unless their event is older than `max_age` when they are stored.
    #[must_use]
    pub fn telling(mut self, receivers: Vec<Receiver>, max_age: Duration) -> Self {
        self.receivers = receivers;
        self.notify_max_age_ms = clock::millis(max_age);
        self
    }

    /// Follows the progress of this scorer.
    pub fn progress(&self) -> tokio::sync::watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Scores until told to stop; then everything applied is stored and checkpointed.
    ///
    /// # Errors
    /// When the log or the store refuses for good; nothing is lost then, the next start goes on from the last checkpoint.
    pub async fn run(mut self, mut reader: Reader, stop: CancellationToken) -> Result<(), Error> {
        let mut checkpoint_at = Instant::now() + self.cadence.checkpoint;
        loop {
            let flush_at = self.pending.since.map(|s| s + self.cadence.flush);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(checkpoint_at) => {
                    self.checkpoint_all(&mut reader).await?;
                    checkpoint_at = Instant::now() + self.cadence.checkpoint;
                }
                () = tokio::time::sleep_until(flush_at.unwrap_or(checkpoint_at)), if flush_at.is_some() => self.flush().await?,
                delivery = reader.next() => match delivery? {
                    Delivery::Assigned(partitions) => self.assigned(partitions, &mut reader).await?,
                    Delivery::Revoked(partitions, done) => {
                        self.roll_up();
                        self.flush().await?;
                        for p in partitions {
                            self.checkpoint(p, &mut reader).await?;
                            self.partitions.remove(&p);
                        }
                        // Whoever waited may have given up; the checkpoint stands.
                        done.send(()).ok();
                    }
                    Delivery::Lines { partition, lines, behind } => {
                        self.apply(partition, &lines).await;
                        self.behind = behind;
                        self.report(lines.len());
                        if behind == 0 {
                            self.fit().await?;
                        }
                        if !self.pending.alerts.is_empty() || self.pending.rows() >= self.cadence.flush_rows {
                            self.flush().await?;
                        }
                        if self.pending.records >= self.cadence.checkpoint_records {
                            self.checkpoint_all(&mut reader).await?;
                            checkpoint_at = Instant::now() + self.cadence.checkpoint;
                        }
                    }
                },
            }
        }
        self.checkpoint_all(&mut reader).await
    }

    /// Fits peer groups where that is due. The result goes through the log, so that whoever replays it needs no fit.
    async fn fit(&mut self) -> Result<(), Error> {
        let tenants = self.partitions.values().flat_map(|p| &p.tenants);
        let open = |(name, tenant): (&String, &Tenant)| {
            let as_of = tenant.fit_due().filter(|date| self.fitted.get(name) != Some(date))?;
            Some((name.clone(), as_of, Due::of(tenant)?))
        };
        let due: Vec<(String, Date, Due)> = tenants.filter_map(open).collect();
        for (name, as_of, due) in due {
            let Ok(record) = tokio::task::spawn_blocking(|| due.record()).await else { continue };
            self.ingestor.note(&name, record).await?;
            self.fitted.insert(name, as_of);
        }
        Ok(())
    }

    fn report(&self, lines: usize) {
        let behind = self.behind + self.pending.unstored;
        self.metrics.log_lag(behind);
        self.metrics.waiting(self.pending.rows());
        let mut tenants = BTreeMap::new();
        for partition in self.partitions.values() {
            tenants.extend(partition.tenants.iter().map(|(name, t)| (name.clone(), (t.watermark(), partition.offset))));
        }
        if let Some(watermark) = tenants.values().filter_map(|t: &(Option<Timestamp>, _)| t.0).max() {
            self.metrics.watermark(watermark);
        }
        self.progress.send_modify(|p| {
            p.caught_up |= behind == 0;
            p.applied += lines as u64;
            (p.behind, p.tenants) = (behind, tenants);
            p.partitions = self.partitions.keys().copied().collect();
        });
    }

    async fn assigned(&mut self, partitions: Vec<u32>, reader: &mut Reader) -> Result<(), Error> {
        for id in partitions {
            let partition = self.restore(id).await?;
            reader.resume(id, partition.offset).await?;
            self.partitions.insert(id, partition);
        }
        self.report(0);
        self.progress.send_modify(|p| p.restored = true);
        Ok(())
    }

    /// The partition as of its newest checkpoint.
    async fn restore(&self, id: u32) -> Result<Partition, Error> {
        let store = &self.store;
        let Some(at) = persist("restore", || store.newest(&self.log_id, id)).await? else {
            return Ok(Partition::default());
        };
        let tenants = restore(store, &at).await?;
        let tips = |chain, until| persist("tips", move || store.tips(&self.log_id, id, chain, until));
        let chained = Chained::behind(tips(integrity::ALERTS, at.log_offset).await?, tips(integrity::ACTIONS, u64::MAX).await?);
        tracing::info!(partition = id, offset = at.log_offset, tenants = tenants.len(), "restored");
        Ok(Partition {
            tenants,
            offset: Some(at.log_offset),
            saved: Some(at.log_offset),
            generation: Some(at.generation),
            base: at.base,
            chained,
            ..Partition::default()
        })
    }

    async fn apply(&mut self, partition: u32, lines: &[Read]) {
        let watch = clock::Stopwatch::start();
        for chunk in lines.chunks(STRIDE) {
            for line in chunk {
                self.apply_one(partition, line);
            }
            tokio::task::yield_now().await;
        }
        self.metrics.scored(lines.len(), watch.elapsed());
        if !lines.is_empty() {
            self.pending.since.get_or_insert_with(Instant::now);
        }
    }

    fn apply_one(&mut self, id: u32, read: &Read) {
        self.pending.records += 1;
        self.pending.unstored += 1;
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        let position = Position { partition: id, offset: read.offset };
        partition.offset = Some(read.offset);
        let line: LogLine = match serde_json::from_slice(&read.line) {
            Ok(line) => line,
            Err(e) => {
                // Only Filin writes here; whoever else did is told, and replay skips the same line.
                tracing::error!(partition = id, offset = read.offset, error = %e, "a line of the log cannot be read and is skipped");
                self.metrics.unreadable();
                return;
            }
        };
        if line.tenant == canary::TENANT {
            if let Some(verdict) = partition.canaries.hear(&line.record, position) {
                let (control, run, passed) = (verdict.control, verdict.run, verdict.whole);
                CanaryHeard { control, expected: &verdict.row.expected, outcome: &verdict.row.outcome, run, passed }.emit(&self.metrics);
                self.pending.canaries.push(verdict.row);
            }
            return;
        }
        dispatch(&mut partition.tenants, &line, &mut self.effects);
        let event = if let Record::Event(event) = &line.record { Some(&**event) } else { None };
        if let Record::Mute(mute) = &line.record {
            self.pending.mutes.push(rows::mute(&line.tenant, mute, position));
        }
        if event.is_some() && !partition.touched.contains(&line.tenant) {
            partition.touched.insert(line.tenant);
        }
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Stored { late } => {
                    let Some(event) = event else { continue };
                    let (row, raw) = rows::event(event, late, &self.alias, position);
                    self.metrics.event(outcome(late));
                    self.pending.events.push(row);
                    self.pending.raw.extend(raw);
                }
                Effect::Repeated => self.metrics.event(Outcome::Duplicate),
                Effect::Signal(signal) => {
                    self.metrics.signal(&signal.control);
                    self.pending.signals.push(rows::signal(*signal, event, &self.alias, position));
                }
                Effect::Alert(alert) => {
                    self.metrics.alert(&alert.kind, alert.severity.as_str(), alert.version);
                    let row = rows::alert(*alert, &self.alias, position);
                    partition.chained.take(&row, position.offset);
                    self.pending.alerts.push(row);
                }
            }
        }
    }

    /// Takes the roll-ups that changed among the rows that wait.
    fn roll_up(&mut self) {
        self.rolled = Instant::now();
        for partition in self.partitions.values_mut() {
            let offset = partition.offset.unwrap_or_default();
            for name in std::mem::take(&mut partition.touched) {
                let Some(tenant) = partition.tenants.get_mut(&name) else { continue };
                let (days, hours) = tenant.take_rollups();
                self.pending.days.extend(days.into_iter().map(|d| rows::day(&name, d, &self.alias, offset)));
                self.pending.hours.extend(hours.into_iter().map(|h| rows::hour(&name, h, &self.alias, offset)));
            }
        }
    }

    /// Stores all rows that wait: evidence first, so that an alert never points at what is not there.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.rolled.elapsed() >= self.cadence.rollup {
            self.roll_up();
        }
        let (store, p, m) = (&self.store, &self.pending, &self.metrics);
        if p.rows() > 0 {
            let watch = clock::Stopwatch::start();
            tokio::try_join!(
                insert(store, m, "events", &p.events),
                insert(store, m, "events_raw", &p.raw),
                insert(store, m, "signals", &p.signals),
                insert(store, m, "manager_hour", &p.hours),
                insert(store, m, "manager_day", &p.days),
                insert(store, m, "canaries", &p.canaries),
                insert(store, m, "mutes", &p.mutes),
            )?;
            insert(store, m, "alerts", &p.alerts).await?;
            // Behind the alerts: nobody is told of what is not stored. After a crash between the two the span is scored again.
            let now = (self.clock)();
            let notes: Vec<Note> =
                p.alerts.iter().flat_map(|a| notifications::first(a, &self.receivers, self.notify_max_age_ms, now)).collect();
            insert(store, m, "notifications", &notes).await?;
            for receiver in &self.receivers {
                let skipped = notes.iter().filter(|n| n.receiver == receiver.as_str() && n.state != notifications::DUE).count();
                m.notified(*receiver, Told::Skipped, skipped);
            }
            self.progress.send_modify(|progress| progress.noted += u64::from(!notes.is_empty()));
            self.metrics.flushed(p.rows(), watch.elapsed());
        }
        self.pending.clear();
        self.report(0);
        Ok(())
    }

    async fn checkpoint_all(&mut self, reader: &mut Reader) -> Result<(), Error> {
        self.roll_up();
        self.flush().await?;
        for id in self.partitions.keys().copied().collect::<Vec<_>>() {
            self.checkpoint(id, reader).await?;
        }
        self.pending.records = 0;
        self.metrics.managers(self.partitions.values().flat_map(|p| p.tenants.values()).map(|t| t.managers().len()).sum());
        if let Some(ratio) = self.store.disk_free().await {
            self.metrics.disk_free(ratio);
        }
        Ok(())
    }

    /// Writes the states that changed since the last checkpoint (all of them once a day) and then the checkpoint itself.
    async fn checkpoint(&mut self, id: u32, reader: &mut Reader) -> Result<(), Error> {
        let Some(partition) = self.partitions.get_mut(&id) else { return Ok(()) };
        let Some(offset) = partition.offset.filter(|o| partition.saved != Some(*o)) else { return Ok(()) };
        let watch = clock::Stopwatch::start();
        let now = (self.clock)();
        let today = u32::try_from(now.millis() / DAY_MS).unwrap_or_default();
        // A clock that goes back never goes back to an older generation.
        let generation = partition.generation.map_or(today, |g| g.max(today));
        let full = partition.generation != Some(generation);
        // Whatever else this generation holds from before a full snapshot is not looked at.
        let base = if full { offset } else { partition.base };
        let (mut managers, mut tenants) = (Vec::new(), Vec::new());
        for (name, tenant) in &partition.tenants {
            let changed = if full { tenant.managers() } else { tenant.changed_managers() };
            managers.extend(changed.into_iter().map(|manager| ManagerState {
                log_id: self.log_id.clone(),
                partition: id,
                generation,
                tenant: name.clone(),
                epoch: offset,
                state: tenant.manager_snapshot(&manager),
                manager,
            }));
            tenants.push(TenantState {
                log_id: self.log_id.clone(),
                partition: id,
                generation,
                tenant: name.clone(),
                epoch: offset,
                state: tenant.snapshot(),
            });
        }
        let row = Checkpoint {
            log_id: self.log_id.clone(),
            partition: id,
            log_offset: offset,
            generation,
            base,
            engine: VERSION.to_owned(),
            at: now.millis(),
        };
        let (store, metrics) = (&self.store, &self.metrics);
        // What proves the rows stands before the checkpoint that says they are stored: a span that is scored again links them again.
        let actions = store::persist_or_tell("unproved", metrics, || store.unproved(id)).await?;
        let who = partition.chained.people(&actions);
        let salts = store::persist_or_tell("salts", metrics, || store.salts(&who, now)).await?;
        let (links, head) = partition.chained.close(&self.seal, &salts, (&self.log_id, id, offset), &actions, false);
        insert(store, metrics, "integrity", &links).await?;
        insert(store, metrics, "integrity_heads", &[head]).await?;
        store::persist_or_tell("checkpoint", &self.metrics, || state::save(store, &managers, &tenants, &row)).await?;
        for tenant in partition.tenants.values_mut() {
            tenant.mark_clean();
        }
        (partition.saved, partition.generation, partition.base) = (Some(offset), Some(generation), base);
        if full {
            persist("old checkpoints", || store.drop_old_generations(&self.log_id, id)).await?;
            fail::point("generations");
        }
        let bytes = managers.iter().map(|m| m.state.len()).sum::<usize>() + tenants.iter().map(|t| t.state.len()).sum::<usize>();
        CheckpointWritten { partition: id, offset, n_bytes: bytes, at: now, took: watch.elapsed() }.emit(&self.metrics);
        reader.commit(id, offset).await?;
        fail::point("committed");
        Ok(())
    }
}

/// The tenants of a partition as of a checkpoint.
///
/// # Errors
/// When the store refuses or a state cannot be read.
pub async fn restore(store: &impl Keep, at: &Checkpoint) -> Result<BTreeMap<String, Tenant>, Error> {
    let mut tenants = BTreeMap::new();
    for (name, stored) in persist("restore", || store.load(at)).await? {
        let wrong = |e: crate::engine::state::Error| Error::State { tenant: name.clone(), offset: at.log_offset, why: e.to_string() };
        let mut tenant = Tenant::restore(&stored.shared, stored.managers).map_err(wrong)?;
        if let Some(watermark) = tenant.watermark() {
            tenant.remember(persist("restore", || store.seen(&name, at, watermark.plus(-KEEP_MS))).await?);
        }
        tenants.insert(name, tenant);
    }
    Ok(tenants)
}

/// Gives a line of a partition's log to its tenant, whoever that is.
pub(super) fn dispatch(tenants: &mut BTreeMap<String, Tenant>, line: &LogLine, effects: &mut Vec<Effect>) {
    tenants.entry(line.tenant.clone()).or_insert_with_key(|name| Tenant::new(name)).apply(&line.record, effects);
}

async fn insert<T: Stored>(store: &impl Keep, metrics: &Metrics, table: &'static str, rows: &[T]) -> Result<(), store::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    store::persist_or_tell(table, metrics, || store.insert(table, rows)).await?;
    fail::point(table);
    Ok(())
}

fn outcome(late: Lateness) -> Outcome {
    match late {
        Lateness::OnTime => Outcome::Accepted,
        Lateness::Late => Outcome::Late,
        Lateness::TooLate => Outcome::TooLate,
        Lateness::Unscored => Outcome::Unscored,
    }
}

impl Pending {
    fn rows(&self) -> usize {
        self.events.len()
            + self.raw.len()
            + self.signals.len()
            + self.alerts.len()
            + self.hours.len()
            + self.days.len()
            + self.canaries.len()
            + self.mutes.len()
    }

    /// Keeps the buffers and the count of records since the last checkpoint.
    fn clear(&mut self) {
        self.events.clear();
        self.raw.clear();
        self.signals.clear();
        self.alerts.clear();
        self.hours.clear();
        self.days.clear();
        self.canaries.clear();
        self.mutes.clear();
        self.since = None;
        self.unstored = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{
        LOG_VERSION,
        testing::{log, seeds},
    };

    /// Per tenant, what came of each of its lines, and its state with those of its managers.
    type Outcomes = BTreeMap<String, (Vec<Vec<Effect>>, Vec<Vec<u8>>)>;

    fn scored(lines: &[LogLine]) -> Outcomes {
        let (mut tenants, mut found) = (BTreeMap::new(), Outcomes::new());
        for line in lines {
            let mut effects = Vec::new();
            dispatch(&mut tenants, line, &mut effects);
            found.entry(line.tenant.clone()).or_default().0.push(effects);
        }
        for (name, tenant) in &tenants {
            let states = &mut found.get_mut(name).expect("it had a line").1;
            states.push(tenant.snapshot());
            states.extend(tenant.managers().iter().map(|id| tenant.manager_snapshot(id)));
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// People, clients and events of both have the same names and ids; only the lines say whose they are.
        #[test]
        fn records_of_another_tenant_change_nothing(
            (a, b) in (seeds(1..250), seeds(1..250)),
            turns in prop::collection::vec(any::<bool>(), 600),
        ) {
            let lines = |tenant: &str, seeds| -> Vec<LogLine> {
                log(seeds).into_iter().map(|record| LogLine { v: LOG_VERSION, tenant: tenant.to_owned(), record }).collect()
            };
            let (a, b) = (lines("t", &a), lines("u", &b));
            let (mut left, mut right, mut mixed) = (a.iter().cloned(), b.iter().cloned(), Vec::new());
            for turn in turns {
                mixed.extend(if turn { left.next() } else { right.next() });
            }
            mixed.extend(left.chain(right));
            prop_assert_eq!(mixed.len(), a.len() + b.len());
            let (both, mut alone) = (scored(&mixed), scored(&a));
            alone.extend(scored(&b));
            prop_assert!(both == alone);
        }
    }
}
