//! Raw records from Kafka topics, at least once: a record counts as taken when its batch is committed, which the owner does when
//! the log has it.

pub mod reference;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientConfig, Message,
    error::RDKafkaErrorCode,
    message::{BorrowedMessage, Headers},
};
use tokio::sync::oneshot;

pub use crate::ops::kafka::Error;
use crate::{
    event::Timestamp,
    ops::{
        config::Kafka,
        kafka::{
            consumer::{Consumer, Orders, Place, Said, Setup, Start},
            properties,
        },
    },
};

/// A raw record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position in its partition.
    pub offset: u64,
    /// When it was written, as its producer or the broker says.
    pub time: Option<Timestamp>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order; one without a value is empty.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What it says.
    pub value: Value,
}

/// What a raw record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing: a tombstone.
    Absent,
    /// More than may be read; it was not kept.
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

/// Records of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The topic.
    pub topic: Arc<str>,
    /// Its id: offsets of a topic that was deleted and made anew start again, so this belongs into the records' origin.
    pub topic_id: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// In order of offset, at least one.
    pub records: Vec<Record>,
    /// Records known to be behind the last of these.
    pub behind: u64,
}

impl Batch {
    /// The offset to commit when all of it is in the log.
    pub fn last(&self) -> u64 {
        self.records.last().map_or(0, |r| r.offset)
    }
}

/// How far a partition is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// Records not committed yet; none until that is known.
    pub records: Option<u64>,
}

/// Reads raw topics as a member of the group `kafka.group`.
pub struct Source {
    consumer: Consumer<Record>,
    ledger: Arc<Mutex<Ledger>>,
}

/// Commits what a [`Source`] delivered. Clones share it.
#[derive(Clone)]
pub struct Committer {
    orders: Orders,
    ledger: Arc<Mutex<Ledger>>,
}

/// What was delivered and is not committed. A partition is given up only when nothing of it is left here.
#[derive(Default)]
struct Ledger {
    /// Offset of the last delivered record.
    open: BTreeMap<Place, u64>,
    leaving: Vec<(Vec<Place>, oneshot::Sender<()>)>,
}

impl Ledger {
    /// Answers revocations whose records are all committed.
    fn settle(&mut self) {
        for (places, done) in std::mem::take(&mut self.leaving) {
            if places.iter().any(|p| self.open.contains_key(p)) {
                self.leaving.push((places, done));
            } else {
                // The consumer may have stopped waiting.
                done.send(()).ok();
            }
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to read these topics, each partition behind what the group has committed, else from its beginning. Topics that are not
/// there yet and brokers that are away are waited for.
///
/// # Errors
/// When the properties are wrong.
pub fn start(kafka: &Kafka, topics: Vec<String>, max_bytes: usize) -> Result<Source, Error> {
    let config = consumer(kafka, &kafka.group)?;
    let read = Box::new(move |m: &BorrowedMessage<'_>| record(m, max_bytes));
    let consumer = Consumer::start(Setup { config, topics, shared: true, strict: false, read })?;
    Ok(Source { consumer, ledger: Arc::default() })
}

fn consumer(kafka: &Kafka, group: &str) -> Result<ClientConfig, Error> {
    properties(
        kafka,
        &[
            ("queued.max.messages.kbytes", "4096"),
            ("fetch.queue.backoff.ms", "20"),
            // So soon a topic made after the start is found.
            ("topic.metadata.refresh.interval.ms", "10000"),
        ],
        &[
            ("group.id", group),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
        ],
    )
}

fn record(message: &BorrowedMessage<'_>, max_bytes: usize) -> (Record, usize) {
    let keep = |bytes: &[u8]| bytes.get(..max_bytes).unwrap_or(bytes).to_vec();
    let value = match message.payload() {
        None => Value::Absent,
        Some(bytes) if bytes.len() > max_bytes => Value::TooLong { bytes: bytes.len() },
        Some(bytes) => Value::Bytes(bytes.to_vec()),
    };
    let record = Record {
        offset: u64::try_from(message.offset()).unwrap_or_default(),
        time: message.timestamp().to_millis().map(Timestamp::from_millis),
        key: message.key().map(keep),
        headers: message
            .headers()
            .map_or_else(Vec::new, |headers| headers.iter().map(|h| (h.key.to_owned(), h.value.map(keep).unwrap_or_default())).collect()),
        value,
    };
    let held = match &record.value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Absent | Value::TooLong { .. } => 0,
    };
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let held = held + headers + record.key.as_ref().map_or(0, Vec::len);
    (record, held)
}

impl Source {
    /// The next records; waits for them. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`Error::Stop`] when the brokers refuse for good; what is merely away is waited for inside.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            match self.consumer.next().await? {
                Said::Assigned(places) => {
                    for place in places {
                        lock(&self.ledger).open.remove(&place);
                        tracing::info!(topic = &*place.topic, partition = place.partition, "reading a partition");
                        self.consumer.resume(place, Start::Committed);
                    }
                }
                Said::Revoked(places, done) => {
                    tracing::info!(partitions = places.len(), "giving up partitions");
                    let mut ledger = lock(&self.ledger);
                    ledger.leaving.push((places, done));
                    ledger.settle();
                }
                Said::Messages { place, topic_id, messages, behind } => {
                    let Some(last) = messages.last().map(|m| m.offset) else { continue };
                    lock(&self.ledger).open.insert(place.clone(), last);
                    let partition = u32::try_from(place.partition).unwrap_or_default();
                    return Ok(Batch { topic: place.topic, topic_id, partition, records: messages, behind });
                }
                Said::Refused(RDKafkaErrorCode::TopicAuthorizationFailed, what) => {
                    tracing::error!("{what}: allow Filin to read and describe it; the other topics go on");
                }
                Said::Refused(_, what) => return Err(Error::Stop(format!("raw topics cannot be read: {what}"))),
            }
        }
    }

    /// A handle to commit with.
    pub fn committer(&self) -> Committer {
        Committer { orders: self.consumer.orders(), ledger: Arc::clone(&self.ledger) }
    }

    /// How far the assigned partitions are behind.
    pub fn lags(&self) -> Vec<Lag> {
        let lag = |(place, records): (Place, _)| {
            let partition = u32::try_from(place.partition).unwrap_or_default();
            Lag { topic: place.topic, partition, records }
        };
        self.consumer.lags().into_iter().map(lag).collect()
    }
}

impl Committer {
    /// Everything of this partition up to `offset` is in the log.
    pub fn commit(&self, topic: &Arc<str>, partition: u32, offset: u64) {
        let place = Place { topic: Arc::clone(topic), partition: i32::try_from(partition).unwrap_or(i32::MAX) };
        self.orders.commit(place.clone(), i64::try_from(offset).unwrap_or(i64::MAX - 1) + 1);
        let mut ledger = lock(&self.ledger);
        if ledger.open.get(&place).is_some_and(|last| *last <= offset) {
            ledger.open.remove(&place);
        }
        ledger.settle();
    }
}
