//! Kafka's raw topics and reference topics into the log.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    ingest::{Ingestor, Rows},
    intake::{Intake, Record},
    service::Error,
};
use crate::{
    adapter::Adapter,
    api::{SourceStatus, Status},
    directory::{Client, Order, User, load},
    event::DEFAULT_TENANT,
    ops::{
        config::{self, Config, Kafka},
        fail,
        metrics::{self, Metrics},
    },
    source::kafka::{
        self, Lag, Value,
        reference::{self, Change},
    },
    store::dead::Place,
};

/// How often it is looked how far the topics are behind.
const LOOK: Duration = Duration::from_secs(1);

/// Starts to read the bound topics. An offset is committed after what it gave is in the log.
///
/// # Errors
/// When a binding or a property is wrong.
pub(super) fn topics(
    kafka: &Kafka,
    config: &Config,
    intake: &Arc<Intake>,
    metrics: &Metrics,
    status: &watch::Sender<Status>,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<Result<(), Error>>>, Error> {
    let mut adapters = BTreeMap::new();
    for binding in &config.bindings {
        if let config::Source::Topic(topic) = &binding.from {
            let adapter = intake.bound(binding).map_err(|e| Error::Config(format!("bindings: topic {topic}: {e}")))?;
            status.send_modify(|s| {
                s.sources.push(SourceStatus {
                    name: topic.clone(),
                    kind: metrics::Source::Kafka,
                    format: binding.format.clone(),
                    records: 0,
                    behind: None,
                });
            });
            adapters.insert(topic.clone(), adapter);
        }
    }
    if adapters.is_empty() {
        return Ok(Vec::new());
    }
    let names = adapters.keys().cloned().collect();
    let source = kafka::start(kafka, names, config.pipeline.max_line_bytes).map_err(|e| Error::Failed(e.to_string()))?;
    let feed = Feed { adapters, intake: Arc::clone(intake), metrics: metrics.clone(), status: status.clone() };
    Ok(vec![tokio::spawn(feed.run(source, stop.clone()))])
}

struct Feed {
    adapters: BTreeMap<String, Adapter>,
    intake: Arc<Intake>,
    metrics: Metrics,
    status: watch::Sender<Status>,
}

impl Feed {
    async fn run(self, mut source: kafka::Source, stop: CancellationToken) -> Result<(), Error> {
        let committer = source.committer();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                // Also when nothing comes: a partition may be done with, or be somebody else's by now.
                _ = look.tick() => {
                    self.tell(&source.lags());
                    continue;
                }
                batch = source.next() => batch.map_err(|e| Error::Failed(e.to_string()))?,
            };
            let Some(adapter) = self.adapters.get(&*batch.topic) else { continue };
            let (last, n) = (batch.last(), batch.records.len() as u64);
            let origin: Arc<str> = format!("kafka/{}/{}/{}", batch.topic, batch.topic_id, batch.partition).into();
            let records = batch.records.into_iter().filter_map(|r| record(r, &batch.topic, batch.partition, &origin)).collect();
            self.intake.take(adapter, records).await?;
            fail::point("appended");
            committer.commit(&batch.topic, batch.partition, last);
            self.status.send_modify(|s| {
                if let Some(source) = s.sources.iter_mut().find(|s| s.name == *batch.topic) {
                    source.records += n;
                }
            });
        }
    }

    fn tell(&self, lags: &[Lag]) {
        let behind = behind(lags);
        self.metrics.source_lag(metrics::Source::Kafka, behind.values().sum());
        self.status.send_modify(|s| {
            for source in s.sources.iter_mut().filter(|s| self.adapters.contains_key(&s.name)) {
                source.behind = Some(behind.get(source.name.as_str()).copied().unwrap_or_default());
            }
        });
    }
}

/// Per topic, how many records of our partitions are not in the log yet. Where that is not known yet it is one at least: ticks
/// wait for it.
fn behind(lags: &[Lag]) -> BTreeMap<&str, u64> {
    let mut behind = BTreeMap::new();
    for lag in lags {
        *behind.entry(&*lag.topic).or_default() += lag.records.unwrap_or(1);
    }
    behind
}

/// A tombstone says nothing and is no mistake.
fn record(r: kafka::Record, topic: &str, partition: u32, origin: &Arc<str>) -> Option<Record> {
    let (bytes, refused) = match r.value {
        Value::Bytes(bytes) => (bytes.into(), None),
        Value::Absent => return None,
        Value::TooLong { bytes } => {
            let message = format!("the record has {bytes} bytes, more than pipeline.max_line_bytes");
            (bytes::Bytes::new(), Some(("too_long".to_owned(), message)))
        }
    };
    let header = |(name, value): (String, Vec<u8>)| Some((name.to_lowercase(), String::from_utf8(value).ok()?));
    Some(Record {
        bytes,
        key: r.key,
        headers: r.headers.into_iter().filter_map(header).collect(),
        place: Place { source: topic.to_owned(), partition: partition.to_string(), offset: r.offset },
        origin: Some((Arc::clone(origin), r.offset)),
        refused,
        last: false,
    })
}

/// Reads reference topics to the end seen at the start, then follows them.
///
/// # Errors
/// When a property is wrong, or the brokers refuse for good.
pub(super) async fn reference(
    kafka: &Kafka,
    topics: Vec<(&'static str, String)>,
    config: &Config,
    ingestor: &Ingestor,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<Result<(), Error>>>, Error> {
    let mut tasks = Vec::new();
    for (kind, topic) in topics {
        let mut table = reference::start(kafka, &topic, config.pipeline.max_line_bytes).map_err(|e| Error::Failed(e.to_string()))?;
        let failed = |e: crate::source::kafka::Error| Error::Failed(e.to_string());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(tasks),
                change = table.next() => match change.map_err(failed)? {
                    Change::Loaded => break,
                    Change::Rows(rows) => ingestor.learn(parse(kind, rows)).await?,
                }
            }
        }
        tracing::info!(kind, topic, "reference data loaded");
        let (ingestor, stop) = (ingestor.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let change = tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    change = table.next() => change.map_err(failed)?,
                };
                if let Change::Rows(rows) = change {
                    ingestor.learn(parse(kind, rows)).await?;
                }
            }
        }));
    }
    Ok(tasks)
}

/// Rows that cannot be read cost themselves; a row taken back stays as it was known, history is not undone.
fn parse(kind: &str, rows: Vec<reference::Row>) -> Rows {
    let mut found = Rows::default();
    for row in rows {
        let Value::Bytes(bytes) = row.value else { continue };
        let tenant = row.key.map(|k| k.tenant);
        let tenant = tenant.as_deref();
        let taken = match kind {
            "users" => take(&bytes, tenant, |u: &mut User| &mut u.tenant).map(|u| found.users.push(u)),
            "clients" => take(&bytes, tenant, |c: &mut Client| &mut c.tenant).map(|c| found.clients.push(c)),
            _ => take(&bytes, tenant, |o: &mut Order| &mut o.tenant).map(|o| found.orders.push(o)),
        };
        if let Err(reason) = taken {
            tracing::warn!(
                kind,
                partition = row.partition,
                offset = row.offset,
                reason,
                "a row of a reference topic cannot be taken and is skipped"
            );
        }
    }
    found
}

/// A row of a tenant: its own word, else its key's.
fn take<T: DeserializeOwned>(bytes: &[u8], key: Option<&str>, tenant: impl Fn(&mut T) -> &mut String) -> Result<T, String> {
    let mut row: T = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let name = tenant(&mut row);
    if name.is_empty() {
        key.unwrap_or(DEFAULT_TENANT).clone_into(name);
    }
    match load::own_tenant(name) {
        Some(reason) => Err(reason),
        None => Ok(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_topics_are_of_a_tenant_and_of_none_of_filins_own() {
        let row = |key: Option<&str>, json: &str| reference::Row {
            partition: 0,
            offset: 0,
            key: key.and_then(|k| reference::Key::parse(k.as_bytes())),
            value: Value::Bytes(json.as_bytes().to_vec()),
        };
        let found = parse(
            "users",
            vec![
                row(Some("north|anna|2026-01-01"), r#"{"id":"anna"}"#),
                row(None, r#"{"id":"boris"}"#),
                row(Some("_canary|vera|2026-01-01"), r#"{"id":"vera"}"#),
                row(None, r#"{"id":"egor","tenant":"_audit"}"#),
                row(None, "nonsense"),
            ],
        );
        let named: Vec<(&str, &str)> = found.users.iter().map(|u| (u.tenant.as_str(), u.id.as_str())).collect();
        assert_eq!(named, [("north", "anna"), ("default", "boris")]);
        assert!(parse("orders", vec![row(None, r#"{"id":"o","tenant":"_canary"}"#)]).orders.is_empty());
    }

    #[test]
    fn a_topic_is_behind_by_all_its_partitions_and_by_none_that_went_away() {
        let lag = |topic: &str, partition, records| Lag { topic: topic.into(), partition, records };
        let lags = [lag("a", 0, Some(7)), lag("a", 1, Some(0)), lag("b", 0, None), lag("b", 1, Some(2)), lag("c", 0, Some(0))];
        assert_eq!(behind(&lags), BTreeMap::from([("a", 7), ("b", 3), ("c", 0)]));
        assert_eq!(behind(&lags[4..]), BTreeMap::from([("c", 0)]), "what is not ours is nothing that we wait for");
    }
}
