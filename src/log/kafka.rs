//! The log as a Kafka topic.
//!
//! Durable means acknowledged by all in-sync replicas. Order and completeness stand on three things: an idempotent producer, an
//! explicit partition on each record, and no time limit on a record once it is handed to librdkafka. A limit would let a
//! record fail while a later one is stored, and its repetition behind that one would look like an old delivery. So when the
//! brokers are away an append gives up *waiting*, its lines stay in line, and nothing else is let in before they are through.
//!
//! The log's identity is the topic's id, which the brokers choose anew when a topic is deleted and made again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use tokio::{sync::Notify, time::Instant};

use super::{Delivery, Entry, Error, Read};
use crate::ops::{
    config::Kafka,
    kafka::{
        self, ANSWER, Context, Topic,
        consumer::{Consumer, Place, Said, Setup, Start},
        describe, properties,
    },
};

/// How long an append waits for the brokers before it says that they are away.
const APPEND: Duration = Duration::from_secs(15);
/// How long a new topic may take to be there.
const CREATE: Duration = Duration::from_secs(15);
/// What a log line may have beside the record it came from: `enrich` and the like.
const LINE_EXTRA: usize = 1 << 20;
/// What a message has beside key and line.
const MESSAGE_EXTRA: usize = 512;

/// What a log needs to be opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Brokers, group, topic; partitions of a new topic.
    pub kafka: Kafka,
    /// How long a new topic keeps its records.
    pub retention: Duration,
    /// The longest record that sources deliver.
    pub max_line_bytes: usize,
    /// Added to the topic's offsets, so that they go on behind those of a log before it.
    pub base: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Identity of the log: offsets mean something within one only.
    pub log_id: String,
    /// Partitions the topic has; those behind the number in `log_meta` stay unused, fewer are a reason to stop.
    pub partitions: u32,
    /// The longest line that can be appended.
    pub max_line_bytes: usize,
}

/// Opens the log; makes the topic where there is none. The reader joins its group at its first `Reader::next`.
///
/// # Errors
/// [`Error::Away`] within seconds when no broker answers.
pub async fn open(options: Options) -> Result<(Opened, Appender, Reader), Error> {
    let Options { kafka, retention, max_line_bytes, base } = options;
    let max_bytes = max_line_bytes.saturating_add(LINE_EXTRA).min(1_000_000_000);
    let producer = producer(&kafka, max_bytes)?;
    let name = kafka.log_topic.clone();
    let topic = match find(&producer, &name).await? {
        Some(topic) => topic,
        None => create(&kafka, &producer, retention, max_bytes).await?,
    };
    let settings = Settings::read(&kafka, retention).await?;
    let max_line_bytes = settings.max_bytes.map_or(max_bytes, |m| m.min(max_bytes)).saturating_sub(MESSAGE_EXTRA);
    let config = properties(
        &kafka,
        &[("queued.max.messages.kbytes", "4096"), ("fetch.queue.backoff.ms", "20")],
        &[
            ("group.id", &format!("{}.log", kafka.group)),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
        ],
    )?;
    let opened = Opened { log_id: topic.id, partitions: topic.partitions, max_line_bytes };
    let shared = Shared { producer, topic: name.clone(), max_line_bytes, stalled: AtomicBool::new(false) };
    Ok((opened, Appender { shared: Arc::new(shared) }, Reader { state: State::Idle(config), topic: name.into(), base }))
}

/// Makes the topic of a log that is to follow another one; its id. One that was made and never written is taken as it is.
///
/// # Errors
/// When it is there and not empty, or of another size; when the brokers do not answer.
pub async fn make(kafka: &Kafka, retention: Duration, max_line_bytes: usize) -> Result<String, Error> {
    let name = &kafka.log_topic;
    let max_bytes = max_line_bytes.saturating_add(LINE_EXTRA).min(1_000_000_000);
    let producer = producer(kafka, max_bytes)?;
    let Some(found) = find(&producer, name).await? else {
        return Ok(create(kafka, &producer, retention, max_bytes).await?.id);
    };
    let mut used = found.partitions != kafka.partitions;
    let lines = super::kafka_lines::Lines::open(kafka, 0)?;
    for partition in 0..found.partitions {
        used = used || lines.end(partition).await?.is_some();
    }
    if used {
        return Err(Error::Stop(format!("topic {name} is there already, and not empty or of another size: give another name by --topic")));
    }
    Ok(found.id)
}

/// How many members the groups of an installation have: those who score, and those who read sources.
///
/// # Errors
/// When the brokers do not answer.
pub async fn members(kafka: &Kafka) -> Result<usize, Error> {
    let producer = producer(kafka, LINE_EXTRA)?;
    let groups = [kafka.group.clone(), format!("{}.log", kafka.group)];
    let asked = tokio::task::spawn_blocking(move || {
        let mut members = 0;
        for group in &groups {
            let list = producer.client().fetch_group_list(Some(group), ANSWER)?;
            members += list.groups().iter().map(|g| g.members().len()).sum::<usize>();
        }
        Ok::<_, KafkaError>(members)
    });
    let wrong = |e: &KafkaError| kafka::Error::of("the members of the group cannot be looked up", e, None);
    Ok(asked.await.map_err(|e| Error::Stop(e.to_string()))?.map_err(|e| wrong(&e))?)
}

impl From<kafka::Error> for Error {
    fn from(e: kafka::Error) -> Self {
        match e {
            kafka::Error::Away(what) => Self::Away(what),
            kafka::Error::Stop(what) => Self::Stop(what),
        }
    }
}

fn producer(kafka: &Kafka, max_bytes: usize) -> Result<Producer, Error> {
    let defaults = [
        ("compression.codec", "lz4"),
        ("linger.ms", "5"),
        ("message.max.bytes", &max_bytes.to_string()),
        ("queue.buffering.max.kbytes", "65536"),
    ];
    let ours = [("enable.idempotence", "true"), ("acks", "all"), ("message.timeout.ms", "0")];
    let config = properties(kafka, &defaults, &ours)?;
    Ok(config.create_with_context(Reports::default()).map_err(|e| kafka::Error::of("the Kafka producer cannot start", &e, None))?)
}

/// The topic, if it is there.
async fn find(producer: &Producer, name: &str) -> Result<Option<Topic>, Error> {
    let (client, asked) = (producer.clone(), name.to_owned());
    let ask = move || describe(client.client(), &[&asked]);
    let wrong =
        |e: &KafkaError| kafka::Error::of(format_args!("topic {name} cannot be looked up"), e, Some(&producer.context().context)).into();
    let found = tokio::task::spawn_blocking(ask).await.map_err(|e| Error::Stop(e.to_string()))?.map_err(|e| wrong(&e))?;
    match found.into_iter().next() {
        None | Some(Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))) => Ok(None),
        Some(Err((_, code))) => Err(wrong(&KafkaError::AdminOp(code))),
        Some(Ok(topic)) => Ok(Some(topic)),
    }
}

async fn create(kafka: &Kafka, producer: &Producer, retention: Duration, max_bytes: usize) -> Result<Topic, Error> {
    let name = kafka.log_topic.as_str();
    let wrong = |e: &KafkaError| kafka::Error::of(format_args!("topic {name} cannot be made"), e, Some(&producer.context().context));
    let client = producer.clone();
    // All topics: asking for one by name may make it, with the brokers' defaults.
    let ask = move || client.client().fetch_metadata(None, ANSWER).map(|m| m.brokers().len());
    let brokers = tokio::task::spawn_blocking(ask).await.map_err(|e| Error::Stop(e.to_string()))?.map_err(|e| wrong(&e))?;
    let replicas = i32::try_from(brokers.clamp(1, 3)).unwrap_or(1);
    let in_sync = (replicas - 1).max(1).to_string();
    let (retention_ms, max_bytes) = (retention.as_millis().to_string(), max_bytes.to_string());
    let partitions = i32::try_from(kafka.partitions).unwrap_or(i32::MAX);
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas))
        .set("cleanup.policy", "delete")
        .set("max.message.bytes", &max_bytes)
        .set("min.insync.replicas", &in_sync)
        .set("retention.ms", &retention_ms)
        .set("unclean.leader.election.enable", "false");
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    for answer in admin(kafka)?.create_topics([&topic], &options).await.map_err(|e| wrong(&e))? {
        match answer {
            Ok(_) => tracing::info!(topic = name, partitions, replicas, "made the topic of the log"),
            // Another instance was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(wrong(&KafkaError::AdminOp(code)).into()),
        }
    }
    let deadline = Instant::now() + CREATE;
    loop {
        match find(producer, name).await? {
            Some(topic) if topic.partitions > 0 => return Ok(topic),
            _ if Instant::now() > deadline => return Err(Error::Away(format!("topic {name} was made and does not appear"))),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn admin(kafka: &Kafka) -> Result<AdminClient<Context>, Error> {
    let config = properties(kafka, &[], &[])?;
    Ok(config.create_with_context(Context::default()).map_err(|e| kafka::Error::of("the Kafka client cannot start", &e, None))?)
}

/// What matters of the topic's settings.
struct Settings {
    max_bytes: Option<usize>,
}

impl Settings {
    /// Refuses what would lose records, and warns of what is merely not as configured. Clusters that do not show settings are
    /// taken at their word.
    async fn read(kafka: &Kafka, retention: Duration) -> Result<Self, Error> {
        let name = kafka.log_topic.as_str();
        let options = AdminOptions::new().request_timeout(Some(ANSWER));
        let answer = admin(kafka)?.describe_configs([&ResourceSpecifier::Topic(name)], &options).await;
        let answer = answer.and_then(|mut a| a.pop().map_or(Err(RDKafkaErrorCode::NoError), |a| a).map_err(KafkaError::AdminOp));
        let found = match answer {
            Ok(found) => found,
            Err(e) => {
                tracing::warn!(topic = name, error = %e, "the settings of the log's topic cannot be read");
                return Ok(Self { max_bytes: None });
            }
        };
        let values: BTreeMap<&str, &str> = found.entries.iter().filter_map(|e| Some((e.name.as_str(), e.value.as_deref()?))).collect();
        if values.get("cleanup.policy").is_some_and(|p| p.contains("compact")) {
            return Err(Error::Stop(format!(
                "topic {name} is compacted, which eats records of the log: set cleanup.policy=delete or another kafka.log_topic"
            )));
        }
        let kept_ms = values.get("retention.ms").and_then(|v| v.parse::<i64>().ok());
        if kept_ms.is_some_and(|ms| u128::try_from(ms).is_ok_and(|ms| ms < retention.as_millis())) {
            tracing::warn!(topic = name, kept_ms, "the topic keeps records shorter than log.retention says; change retention.ms");
        }
        Ok(Self { max_bytes: values.get("max.message.bytes").and_then(|v| v.parse().ok()) })
    }
}

/// Appends by an idempotent producer. Clones share it.
///
/// Whoever appends what came from one partition of a source waits for each append before the next: then a repeated append keeps
/// its order.
#[derive(Clone)]
pub struct Appender {
    shared: Arc<Shared>,
}

type Producer = ThreadedProducer<Reports>;

struct Shared {
    producer: Producer,
    topic: String,
    max_line_bytes: usize,
    /// An append gave up waiting, and its lines are still on their way.
    stalled: AtomicBool,
}

/// Takes delivery reports.
#[derive(Default)]
struct Reports {
    context: Context,
}

/// The lines of one append.
struct Batch {
    /// Lines without a report, and one for the appending itself.
    left: AtomicUsize,
    failed: Mutex<Option<KafkaError>>,
    done: Notify,
}

impl Batch {
    fn report(&self, failed: Option<KafkaError>) {
        if let Some(e) = failed {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.report(result.as_ref().err().map(|(e, _)| e.clone()));
    }
}

impl Appender {
    pub(super) async fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let shared = &*self.shared;
        if let Some(long) = entries.iter().find(|e| e.line.len() + e.tenant.len() > shared.max_line_bytes) {
            let (is, may) = (long.line.len(), shared.max_line_bytes);
            return Err(Error::Stop(format!("a line of {is} bytes cannot be appended: topic {} takes {may}", shared.topic)));
        }
        let deadline = Instant::now() + APPEND;
        while shared.stalled.load(Ordering::Acquire) {
            if shared.producer.in_flight_count() == 0 {
                shared.stalled.store(false, Ordering::Release);
            } else {
                shared.wait(deadline).await?;
            }
        }
        let batch = Arc::new(Batch { left: AtomicUsize::new(1), failed: Mutex::default(), done: Notify::new() });
        for entry in &entries {
            let mut record = BaseRecord::with_opaque_to(&shared.topic, Arc::clone(&batch))
                .partition(i32::try_from(entry.partition).unwrap_or(i32::MAX))
                .key(entry.tenant.as_str())
                .payload(&entry.line);
            batch.left.fetch_add(1, Ordering::AcqRel);
            while let Err((e, again)) = shared.producer.send(record) {
                if e.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(shared.error(&e));
                }
                record = again;
                shared.wait(deadline).await?;
            }
        }
        batch.report(None);
        if tokio::time::timeout_at(deadline, batch.done.notified()).await.is_err() {
            return Err(shared.away());
        }
        let failed = batch.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), |e| Err(shared.error(&e)))
    }
}

impl Shared {
    async fn wait(&self, deadline: Instant) -> Result<(), Error> {
        if Instant::now() >= deadline {
            return Err(self.away());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    }

    fn away(&self) -> Error {
        self.stalled.store(true, Ordering::Release);
        self.error(&KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut))
    }

    fn error(&self, e: &KafkaError) -> Error {
        kafka::Error::of(format_args!("topic {} does not take lines", self.topic), e, Some(&self.producer.context().context)).into()
    }
}

/// Reads as a member of the group `<kafka.group>.log`.
pub struct Reader {
    state: State,
    topic: Arc<str>,
    base: u64,
}

enum State {
    /// Not a member yet: a process without the role `score` never becomes one.
    Idle(ClientConfig),
    Member(Consumer<Read>),
}

impl Reader {
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        let numbers = |places: Vec<Place>| places.iter().filter_map(|p| u32::try_from(p.partition).ok()).collect();
        match self.member()?.next().await? {
            Said::Assigned(places) => Ok(Delivery::Assigned(numbers(places))),
            Said::Revoked(places, done) => Ok(Delivery::Revoked(numbers(places), done)),
            Said::Messages { place, messages, behind, .. } => {
                let partition = u32::try_from(place.partition).unwrap_or_default();
                Ok(Delivery::Lines { partition, lines: messages, behind })
            }
            Said::Refused(_, what) => Err(Error::Stop(format!("the log cannot be read: {what}"))),
        }
    }

    pub(super) async fn resume(&mut self, partition: u32, after: Option<u64>) -> Result<(), Error> {
        let place = self.place(partition);
        let after = after.and_then(|a| a.checked_sub(self.base));
        let next = after.and_then(|a| i64::try_from(a).ok()).map_or(Start::Beginning, |a| Start::At(a + 1));
        self.member()?.resume(place, next);
        Ok(())
    }

    pub(super) async fn commit(&mut self, partition: u32, offset: u64) -> Result<(), Error> {
        let place = self.place(partition);
        if let Some(offset) = offset.checked_sub(self.base) {
            self.member()?.orders().commit(place, i64::try_from(offset).unwrap_or(i64::MAX - 1) + 1);
        }
        Ok(())
    }

    fn place(&self, partition: u32) -> Place {
        Place { topic: Arc::clone(&self.topic), partition: i32::try_from(partition).unwrap_or(i32::MAX) }
    }

    fn member(&mut self) -> Result<&mut Consumer<Read>, Error> {
        if let State::Idle(config) = &self.state {
            let base = self.base;
            let consumer = Consumer::start(Setup {
                config: config.clone(),
                topics: vec![self.topic.to_string()],
                shared: true,
                strict: true,
                read: Box::new(move |message| {
                    let line = message.payload().unwrap_or_default().to_vec();
                    let bytes = line.len();
                    (Read { offset: base + u64::try_from(message.offset()).unwrap_or_default(), line }, bytes)
                }),
            })?;
            self.state = State::Member(consumer);
        }
        let State::Member(consumer) = &mut self.state else { unreachable!("it was just made a member") };
        Ok(consumer)
    }
}
