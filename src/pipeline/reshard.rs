//! `filin log reshard`: a new log with another number of partitions, begun where the old one ends.
//!
//! First every instance that still runs is told to stop, then the old log is scored to its end and checkpointed, then its states are
//! copied to the beginning of the new one, then one insert puts the new one in force. Whatever happens before that insert leaves the old log
//! as it was.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    ingest::Ingestor,
    score::{Cadence, Scorer},
    service::{self, Error},
};
use crate::{
    engine::VERSION,
    log, notify,
    ops::{
        clock::{self, Stopwatch},
        config::Config,
        metrics::Metrics,
        random,
    },
    store::{
        Alias,
        integrity::Seal,
        reshard::{self, Beginning, Carried},
        state,
    },
};

/// With nothing scored for so long somebody else holds a part of the log.
const PATIENCE: Duration = Duration::from_secs(120);
/// Until whoever still ran has seen that the log is replaced (3 s), answered what was on its way (10 s) and appended it (15 s).
const QUIET: Duration = Duration::from_secs(30);
/// Between two times that it is said.
const SAID: Duration = Duration::from_secs(60);
/// Between two looks whether the end is reached.
const LOOK: Duration = Duration::from_millis(200);

/// A log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Its identity.
    pub log_id: String,
    /// Its partitions.
    pub partitions: u32,
    /// Its topic, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resharded {
    /// The log that ended.
    pub from: Log,
    /// The log in force.
    pub to: Log,
    /// Its first offset.
    pub first_offset: u64,
    /// What went over.
    #[serde(flatten)]
    pub carried: Carried,
}

/// Puts a new log of so many partitions in force; `topic`: its name, where the log is a topic.
///
/// # Errors
/// When an instance is running, something is away, or the old log cannot be scored to its end. The old log stays in force then.
pub async fn reshard(config: &Config, metrics: Metrics, partitions: u32, topic: Option<String>) -> Result<Resharded, Error> {
    let opened = service::open_store(config).await?;
    let done = on(config, &opened.client, metrics, partitions, topic).await;
    opened.close().await;
    done
}

async fn on(
    config: &Config,
    client: &clickhouse::Client,
    metrics: Metrics,
    partitions: u32,
    topic: Option<String>,
) -> Result<Resharded, Error> {
    if state::meta(client, "log_id").await?.is_none() {
        return Err(Error::Failed(
            "nothing has been logged here yet: the number of partitions is kafka.partitions at the first start".to_owned(),
        ));
    }
    let alias = Alias::new(service::alias_key(config)?);
    let seal = Seal::of(&alias);
    let mut source = Source::open(config, client).await?;
    if topic.is_some() && source.topic().is_none() {
        return Err(Error::Config("--topic: the log is a table here, not a topic".to_owned()));
    }
    source.nobody_else().await?;
    let to = source.create(partitions, topic).await?;
    // The embedded store has one owner, and that is this process.
    let quiet = if source.topic().is_some() { QUIET } else { Duration::ZERO };
    let done = replace(config, client, metrics, (&mut source, to), (&alias, &seal), quiet).await;
    if done.is_err() && !quiet.is_zero() {
        // Otherwise it is forgotten in ten minutes.
        state::set_meta(client, state::LOG_CLOSING, "").await.ok();
    }
    done
}

async fn replace(
    config: &Config,
    client: &clickhouse::Client,
    metrics: Metrics,
    (source, to): (&mut Source, Log),
    (alias, seal): (&Alias, &Seal),
    quiet: Duration,
) -> Result<Resharded, Error> {
    let (log_id, old_partitions, appender, reader, writer) = service::open_log(config, client, &metrics).await?;
    let writer = tokio::spawn(writer);
    let ingestor =
        Ingestor::open(appender, old_partitions, client.clone(), alias.clone(), metrics.clone(), service::policies(config)?).await?;
    let cadence = Cadence { checkpoint: Duration::from_secs(2), ..Cadence::default() };
    let scorer = Scorer::new(client.clone(), alias.clone(), log_id.clone(), cadence, metrics, ingestor);
    let scorer = scorer.telling(notify::named(&config.alerts), config.alerts.notify_max_age);
    let stop = CancellationToken::new();
    let progress = scorer.progress();
    let mut task = tokio::spawn(scorer.run(reader, stop.clone()));
    let closing = Stopwatch::start();
    let (mut applied, mut since, mut said) = (0, Stopwatch::start(), None::<Stopwatch>);
    loop {
        if !quiet.is_zero() && said.as_ref().is_none_or(|said| said.elapsed() > SAID) {
            state::set_meta(client, state::LOG_CLOSING, &clock::now().millis().to_string()).await?;
            said = Some(Stopwatch::start());
        }
        tokio::select! {
            ended = &mut task => {
                ended.map_err(|e| Error::Failed(format!("scoring ended: {e}")))??;
                return Err(Error::Failed("scoring ended".to_owned()));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        if source.unscored(client, &log_id, old_partitions).await?.is_none() && closing.elapsed() >= quiet {
            break;
        }
        let now = progress.borrow().applied;
        if now != applied {
            (applied, since) = (now, Stopwatch::start());
        } else if since.elapsed() > PATIENCE {
            return Err(Error::Failed(
                "the log is not scored to its end: does another instance still run? Stop all of them first".to_owned(),
            ));
        }
    }
    stop.cancel();
    task.await.map_err(|e| Error::Failed(format!("scoring ended: {e}")))??;
    writer.abort();

    let at = reshard::greatest(client).await? + 1;
    let beginning =
        Beginning { log_id: to.log_id.clone(), partitions: to.partitions, at, engine: VERSION.to_owned(), now: clock::now().millis() };
    let carried = reshard::carry(client, &log_id, &beginning, seal, |tenant| log::partition_of(tenant, to.partitions)).await?;
    // Whoever still appends would append to what nobody reads any more.
    if let Some(partition) = source.unscored(client, &log_id, old_partitions).await? {
        return Err(Error::Failed(format!(
            "somebody appended to partition {partition} of the old log meanwhile: stop every instance, then reshard again"
        )));
    }
    let mut values = BTreeMap::from([
        ("log_id".to_owned(), to.log_id.clone()),
        ("partitions".to_owned(), to.partitions.to_string()),
        (state::LOG_BASE.to_owned(), (at + 1).to_string()),
        (state::LOG_CLOSING.to_owned(), String::new()),
        (state::begun_key(&to.log_id), at.to_string()),
    ]);
    values.extend(to.topic.clone().map(|topic| (state::LOG_TOPIC.to_owned(), topic)));
    state::set_metas(client, &values).await?;
    reshard::forget(client, &log_id).await?;
    let from = Log { log_id, partitions: old_partitions, topic: source.topic() };
    Ok(Resharded { from, to, first_offset: at + 1, carried })
}

/// Where the log is.
enum Source {
    Local,
    #[cfg(feature = "kafka")]
    Kafka(Box<(crate::ops::config::Kafka, Config, log::kafka_lines::Lines)>),
}

impl Source {
    async fn open(config: &Config, client: &clickhouse::Client) -> Result<Self, Error> {
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &config.kafka {
            let (kafka, base) = service::in_force(kafka, client).await?;
            let lines = log::kafka_lines::Lines::open(&kafka, base)?;
            return Ok(Self::Kafka(Box::new((kafka, config.clone(), lines))));
        }
        let _ = (config, client);
        Ok(Self::Local)
    }

    fn topic(&self) -> Option<String> {
        match self {
            Self::Local => None,
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => Some(kafka.0.log_topic.clone()),
        }
    }

    /// Refuses while others are members of the groups. The embedded store has one owner by itself.
    async fn nobody_else(&self) -> Result<(), Error> {
        match self {
            Self::Local => Ok(()),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => {
                let members = log::kafka::members(&kafka.0).await?;
                if members == 0 {
                    return Ok(());
                }
                Err(Error::Failed(format!(
                    "{members} members of the group {} still run: stop every instance first (one that was killed is a member for some seconds more)",
                    kafka.0.group
                )))
            }
        }
    }

    /// A partition whose newest checkpoint is not at its end.
    async fn unscored(&mut self, client: &clickhouse::Client, log_id: &str, partitions: u32) -> Result<Option<u32>, Error> {
        let ends = match self {
            Self::Local => reshard::ends(client).await?,
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => {
                let mut ends = Vec::new();
                for partition in 0..partitions {
                    ends.extend(kafka.2.end(partition).await?.map(|end| (partition, end)));
                }
                ends
            }
        };
        let scored = reshard::scored(client, log_id).await?;
        let open = |(partition, end): &(u32, u64)| *partition < partitions && scored.get(partition).is_none_or(|at| at < end);
        Ok(ends.into_iter().find(open).map(|(partition, _)| partition))
    }

    /// Makes the new log.
    async fn create(&self, partitions: u32, topic: Option<String>) -> Result<Log, Error> {
        match self {
            Self::Local => {
                let bytes: [u8; 16] = random::bytes().map_err(|e| Error::Failed(format!("no random numbers: {e}")))?;
                Ok(Log { log_id: format!("local:{}", data_encoding::HEXLOWER.encode(&bytes)), partitions, topic: None })
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => {
                let (old, config, _) = &**kafka;
                let name = topic.unwrap_or_else(|| next_name(&old.log_topic));
                if name == old.log_topic {
                    return Err(Error::Config(format!("--topic: {name} is the log in force: take another name")));
                }
                let new = crate::ops::config::Kafka { log_topic: name.clone(), partitions, ..old.clone() };
                let id = log::kafka::make(&new, config.log_retention, config.pipeline.max_line_bytes).await?;
                Ok(Log { log_id: format!("kafka:{id}"), partitions, topic: Some(name) })
            }
        }
    }
}

/// `filin.log` is followed by `filin.log-2`, that by `filin.log-3`.
#[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "topics are Kafka's"))]
fn next_name(topic: &str) -> String {
    match topic.rsplit_once('-').and_then(|(name, n)| Some((name, n.parse::<u32>().ok()?))) {
        Some((name, n)) => format!("{name}-{}", n.saturating_add(1)),
        None => format!("{topic}-2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_each_other() {
        assert_eq!(["filin.log", "filin.log-2", "my-log", "log-9"].map(next_name), ["filin.log-2", "filin.log-3", "my-log-2", "log-10"]);
    }
}
