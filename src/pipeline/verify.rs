//! `replay --from-log`: the log as it stands, scored once more, and compared with what is stored.

use std::collections::BTreeMap;

use super::{canary, score};
use crate::{
    engine::{AlertVersion, Effect, LogLine, Record, Signal, Tenant},
    event::Enriched,
    log::Read,
    ops::clock,
    store::{
        self, Alias, retention,
        rows::{self, AlertRow, Position, SignalRow},
        state::{self, Checkpoint},
        subject,
    },
};

/// Lines read from the log at once.
const CHUNK: usize = 20_000;

/// Where lines of the log come from: one partition, in order.
pub trait Lines {
    /// Up to `limit` lines behind `after`; empty at the end.
    fn read(&mut self, partition: u32, after: Option<u64>, limit: usize) -> impl Future<Output = anyhow::Result<Vec<Read>>>;
}

/// The local log, read by its table.
pub struct LocalLines(pub clickhouse::Client);

impl Lines for LocalLines {
    async fn read(&mut self, partition: u32, after: Option<u64>, limit: usize) -> anyhow::Result<Vec<Read>> {
        let query = "SELECT seq, record FROM log WHERE partition = ? AND seq >= ? ORDER BY seq LIMIT 1 BY seq LIMIT ?";
        let from = after.map_or(0, |a| a + 1);
        let found =
            self.0.query(query).bind(partition).bind(from).bind(limit).fetch_all::<(u64, String)>().await.map_err(store::Error::from)?;
        Ok(found.into_iter().map(|(offset, line)| Read { offset, line: line.into_bytes() }).collect())
    }
}

#[cfg(feature = "kafka")]
impl Lines for crate::log::kafka_lines::Lines {
    async fn read(&mut self, partition: u32, after: Option<u64>, limit: usize) -> anyhow::Result<Vec<Read>> {
        Ok(Self::read(self, partition, after, limit).await?)
    }
}

/// What a partition gives when it is scored once more.
#[derive(Default)]
pub struct Scored {
    /// The checkpoint from which it was scored, when the head of the log is gone.
    pub from: Option<Checkpoint>,
    /// The newest checkpoint when it began: what is stored beyond it may still grow.
    pub until: Option<Checkpoint>,
    /// Records read.
    pub records: u64,
    /// Alert versions, in order.
    pub alerts: Vec<(AlertVersion, AlertRow)>,
    /// Signals, in order.
    pub signals: Vec<(Signal, SignalRow)>,
    /// Per event stored by the newest checkpoint, its row's key and digest.
    pub events: BTreeMap<EventKey, u64>,
    /// States at the newest checkpoint: (tenant, manager or none) to bytes.
    pub states: BTreeMap<(String, Option<String>), Vec<u8>>,
    /// Last applied offset.
    pub offset: Option<u64>,
}

/// Tenant, manager, time, source, id.
pub type EventKey = (String, String, i64, String, String);

/// Scores a partition from its beginning, or from the oldest kept checkpoint when retention took the head.
///
/// # Errors
/// When log or store cannot be read.
pub async fn partition(
    client: &clickhouse::Client,
    alias: &Alias,
    lines: &mut impl Lines,
    log_id: &str,
    id: u32,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Scored> {
    let newest = state::newest(client, log_id, id).await?;
    let mut scored = Scored::default();
    let mut tenants: BTreeMap<String, Tenant> = BTreeMap::new();
    let mut after = None;
    // What was scored before somebody was erased is not what the log would give now.
    let whole = !subject::is_erased(client, log_id, id).await? && !state::is_begun(client, log_id).await? && is_whole(lines, id).await?;
    if !whole && let Some(oldest) = state::oldest(client, log_id, id).await? {
        tenants = score::restore(client, &oldest).await?;
        after = Some(oldest.log_offset);
        scored.from = Some(oldest);
    }
    let until = newest.as_ref().map(|n| n.log_offset);
    scored.until = newest;
    if until == after {
        scored.states = states(&tenants);
    }
    let mut effects = Vec::new();
    loop {
        let chunk = lines.read(id, after, CHUNK).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(last.offset);
        for read in &chunk {
            scored.records += 1;
            scored.offset = Some(read.offset);
            if let Some(line) = serde_json::from_slice::<LogLine>(&read.line).ok().filter(is_of_a_tenant) {
                score::dispatch(&mut tenants, &line, &mut effects);
                let event = if let Record::Event(event) = &line.record { Some(&**event) } else { None };
                collect(&mut scored, event, &mut effects, alias, Position { partition: id, offset: read.offset }, until);
            }
            if until == Some(read.offset) {
                scored.states = states(&tenants);
            }
        }
        progress(scored.records);
    }
    Ok(scored)
}

/// What canaries do is stored nowhere, so nothing of it can differ.
fn is_of_a_tenant(line: &LogLine) -> bool {
    line.tenant != canary::TENANT
}

/// Whether a partition has its head: a log begins with a tenant's policy; behind a head that is gone stands anything. Canaries
/// bring a policy each, wherever they are: where nothing else is left, whatever was there is gone.
async fn is_whole(lines: &mut impl Lines, id: u32) -> anyhow::Result<bool> {
    let (mut after, mut limit) = (None, 1);
    loop {
        let chunk = lines.read(id, after, limit).await?;
        let Some(last) = chunk.last() else { return Ok(after.is_none()) };
        (after, limit) = (Some(last.offset), CHUNK);
        for read in &chunk {
            match serde_json::from_slice::<LogLine>(&read.line) {
                Ok(line) if !is_of_a_tenant(&line) => {}
                line => return Ok(line.is_ok_and(|l| matches!(l.record, Record::Policy(_)))),
            }
        }
    }
}

fn collect(scored: &mut Scored, event: Option<&Enriched>, effects: &mut Vec<Effect>, alias: &Alias, at: Position, until: Option<u64>) {
    for effect in effects.drain(..) {
        match effect {
            Effect::Stored { late } => {
                if let Some(event) = event.filter(|_| until.is_some_and(|u| at.offset <= u)) {
                    let (row, _) = rows::event(event, late, alias, at);
                    let (key, digest) = digest(&row);
                    // A repeat beyond 72 h does not take the place of the first.
                    scored.events.entry(key).or_insert(digest);
                }
            }
            Effect::Repeated => {}
            Effect::Signal(s) => scored.signals.push(((*s).clone(), rows::signal(*s, event, alias, at))),
            Effect::Alert(a) => scored.alerts.push(((*a).clone(), rows::alert(*a, alias, at))),
        }
    }
}

fn digest(row: &rows::Event) -> (EventKey, u64) {
    let key = (row.tenant.clone(), row.manager.clone(), row.time, row.source.to_string(), row.id.clone());
    let text = serde_json::to_vec(row).expect("a row has string keys only");
    (key, xxhash_rust::xxh3::xxh3_64(&text))
}

fn states(tenants: &BTreeMap<String, Tenant>) -> BTreeMap<(String, Option<String>), Vec<u8>> {
    let mut found = BTreeMap::new();
    for (name, tenant) in tenants {
        found.insert((name.clone(), None), tenant.snapshot());
        for manager in tenant.managers() {
            let state = tenant.manager_snapshot(&manager);
            found.insert((name.clone(), Some(manager)), state);
        }
    }
    found
}

/// What differs first, in words; none: all is equal.
///
/// # Errors
/// When the store cannot be read.
pub async fn compare(client: &clickhouse::Client, id: u32, scored: &Scored) -> anyhow::Result<Option<String>> {
    let Some(newest) = &scored.until else {
        let some = scored.alerts.len() + scored.events.len();
        return Ok((some > 0).then(|| format!("partition {id}: nothing is checkpointed, the log gives {some} rows")));
    };
    let (from, to) = (scored.from.as_ref().map_or(0, |c| c.log_offset + 1), newest.log_offset);
    let range = "log_partition = ? AND log_offset >= ? AND log_offset <= ?";
    let query = format!("SELECT ?fields FROM events FINAL WHERE {range}");
    let mut cursor = client.query(&query).bind(id).bind(from).bind(to).fetch::<rows::Event>().map_err(store::Error::from)?;
    let mut stored = BTreeMap::new();
    while let Some(row) = cursor.next().await.map_err(store::Error::from)? {
        let (key, digest) = digest(&row);
        stored.insert(key, digest);
    }
    if let Some(text) = first_difference("event", &scored.events, &stored, |key| format!("{}/{} of {} ", key.3, key.4, key.0)) {
        return Ok(Some(text));
    }
    // What its table does not keep any more is not missed.
    let (kept, now) = (retention::now(client, "alerts").await?, clock::now().millis());
    let is_kept = |r: &AlertRow| retention::is_kept(kept, r.opened_at, now);
    let expected = scored.alerts.iter().filter(|(_, r)| r.log_offset <= to && is_kept(r));
    let expected: BTreeMap<_, _> = expected.map(|(_, r)| ((r.alert_id.clone(), r.version), r.clone())).collect();
    let query = format!("SELECT ?fields FROM alerts FINAL WHERE {range}");
    let found =
        store::unchecked(client).query(&query).bind(id).bind(from).bind(to).fetch_all::<AlertRow>().await.map_err(store::Error::from)?;
    let stored = found.into_iter().filter(is_kept).map(|r| ((r.alert_id.clone(), r.version), r)).collect();
    if let Some(text) = first_difference("alert", &expected, &stored, |key| format!("{} version {}", key.0, key.1)) {
        return Ok(Some(text));
    }
    let key = |r: &SignalRow| (r.signal_id.clone(), r.event_id.clone());
    let expected: BTreeMap<_, _> = scored.signals.iter().filter(|(_, r)| r.log_offset <= to).map(|(_, r)| (key(r), r.clone())).collect();
    let query = format!("SELECT ?fields FROM signals FINAL WHERE {range}");
    let found = client.query(&query).bind(id).bind(from).bind(to).fetch_all::<SignalRow>().await.map_err(store::Error::from)?;
    let stored = found.into_iter().map(|r| (key(&r), r)).collect();
    if let Some(text) = first_difference("signal", &expected, &stored, |key| format!("{} of {}", key.0, key.1)) {
        return Ok(Some(text));
    }
    let mut stored = BTreeMap::new();
    for (tenant, restored) in state::load(client, newest).await? {
        stored.insert((tenant.clone(), None), restored.shared);
        stored.extend(restored.managers.into_iter().map(|(m, bytes)| ((tenant.clone(), Some(m)), bytes)));
    }
    let name = |key: &(String, Option<String>)| format!("{} {}", key.0, key.1.as_deref().unwrap_or("(shared)"));
    Ok(first_difference("state", &scored.states, &stored, name))
}

fn first_difference<K: Ord, V: PartialEq>(
    what: &str,
    expected: &BTreeMap<K, V>,
    stored: &BTreeMap<K, V>,
    name: impl Fn(&K) -> String,
) -> Option<String> {
    for (key, value) in expected {
        match stored.get(key) {
            None => return Some(format!("{what} {}: the log gives it, it is not stored", name(key))),
            Some(other) if other != value => return Some(format!("{what} {}: stored differently than the log gives it", name(key))),
            Some(_) => {}
        }
    }
    let extra = stored.keys().find(|k| !expected.contains_key(k))?;
    Some(format!("{what} {}: stored, but the log does not give it", name(extra)))
}
