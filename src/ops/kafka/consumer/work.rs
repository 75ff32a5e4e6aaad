//! The thread of a consumer.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc as blocking,
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, base_consumer::PartitionQueue},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};
use tokio::sync::{mpsc, oneshot};

use super::{HELD_BYTES, Order, Parcel, Place, Said, Setup, Start, State, lock};
use crate::ops::{
    clock::Stopwatch,
    kafka::{
        ANSWER, Context, code, describe, is_final,
        native::{self, Commits},
    },
};

/// At most so many messages at once.
const BATCH: usize = 10_000;
/// ... of about so many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 96;
/// How long the owner of revoked partitions may take to store what it has.
const LEAVE: Duration = Duration::from_secs(20);
/// How often commits are sent and lags published.
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// How soon a question to the brokers that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked whether topics read as a whole have more partitions.
const RECHECK: Duration = Duration::from_secs(60);

/// Remembers what the group decided, for the thread to act on when it is ready.
#[derive(Default)]
pub(super) struct Rebalances {
    context: Context,
    decided: Mutex<VecDeque<Decision>>,
    closing: AtomicBool,
}

enum Decision {
    Assign(Vec<Place>),
    Revoke(Vec<Place>),
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, places: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Acquire) {
            // While closing librdkafka takes any answer for "all of them".
            drop(consumer.unassign());
            return;
        }
        let mut places: Vec<Place> = places.elements().iter().map(|p| Place::new(p.topic(), p.partition())).collect();
        places.sort();
        lock(&self.decided).push_back(match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Decision::Assign(places),
            _ => Decision::Revoke(places),
        });
    }
}

/// What the thread works on.
pub(super) struct Work<M> {
    consumer: Arc<BaseConsumer<Rebalances>>,
    setup: Setup<M>,
    say: mpsc::UnboundedSender<Parcel<M>>,
    orders: blocking::Receiver<Order>,
    state: Arc<State>,
    partitions: BTreeMap<Place, Partition>,
    leaving: Option<Leaving>,
    commits: Commits,
    /// Ids of topics.
    ids: BTreeMap<String, Arc<str>>,
    /// Topics that were not there when last looked for.
    missing: BTreeSet<String>,
    /// The partition read last: the next one has its turn.
    last: Option<Place>,
    /// Since when, and after how long, topics are to be looked at.
    look: Option<(Stopwatch, Duration)>,
    /// When a question to the brokers failed last.
    failed: Option<Stopwatch>,
    /// What was said last about trouble, and when: the same is not said again and again.
    troubled: Option<(String, Stopwatch)>,
    housekeeping: Stopwatch,
}

struct Leaving {
    places: Vec<Place>,
    done: oneshot::Receiver<()>,
    since: Stopwatch,
}

/// An assigned partition.
#[derive(Default)]
struct Partition {
    /// Reads it; none before it was started.
    queue: Option<PartitionQueue<Rebalances>>,
    /// From where to start it, as soon as that can be done.
    start: Option<From>,
    epoch: u64,
    topic_id: Arc<str>,
    /// What comes next.
    next: i64,
    /// What comes behind the last delivered message.
    delivered: i64,
    /// Everything before it is done with; none where that is not known.
    done: Option<i64>,
    /// To be committed.
    commit: Option<i64>,
    /// Was sent, and may have failed.
    sent: Option<i64>,
    /// The owner knows that the end was reached.
    at_end: bool,
}

#[derive(Clone, Copy)]
enum From {
    Asked(Start),
    /// The brokers do not have the offset that was asked for.
    Lost,
}

impl<M> Work<M> {
    pub(super) fn new(
        consumer: BaseConsumer<Rebalances>,
        setup: Setup<M>,
        say: mpsc::UnboundedSender<Parcel<M>>,
        orders: blocking::Receiver<Order>,
        state: Arc<State>,
    ) -> KafkaResult<Self> {
        let commits = Commits::new(consumer.client())?;
        Ok(Self {
            consumer: Arc::new(consumer),
            setup,
            say,
            orders,
            state,
            partitions: BTreeMap::new(),
            leaving: None,
            commits,
            ids: BTreeMap::new(),
            missing: BTreeSet::new(),
            last: None,
            look: Some((Stopwatch::start(), Duration::ZERO)),
            failed: None,
            troubled: None,
            housekeeping: Stopwatch::start(),
        })
    }

    pub(super) fn run(mut self) {
        while !self.state.stop.load(Ordering::Acquire) {
            self.obey();
            let mut busy = self.events();
            self.leave();
            self.look();
            self.begin();
            busy |= self.fill();
            if self.housekeeping.elapsed() >= HOUSEKEEPING {
                self.housekeeping = Stopwatch::start();
                self.send_commits();
                self.publish_lags();
            }
            if !busy {
                // The answer to a revocation comes without a call.
                self.state.sleep(Duration::from_millis(if self.leaving.is_some() { 10 } else { 100 }));
            }
        }
        self.obey();
        self.commit_again(&self.partitions.keys().cloned().collect::<Vec<_>>());
        if let Some(leaving) = self.leaving.take() {
            self.give_up(&leaving.places);
        }
        let Self { consumer, partitions, commits, .. } = self;
        consumer.context().closing.store(true, Ordering::Release);
        drop((partitions, commits));
        // The last one: it leaves the group, after outstanding commits.
        drop(consumer);
    }

    fn obey(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Resume(place, from, epoch) => {
                    if let Some(p) = self.partitions.get_mut(&place) {
                        (p.start, p.epoch, p.at_end) = (Some(From::Asked(from)), epoch, false);
                    }
                }
                Order::Commit(place, next) => {
                    // Whoever owns it now is further.
                    let Some(p) = self.partitions.get_mut(&place) else { continue };
                    p.done = p.done.max(Some(next));
                    // Never back: batches of a partition may be done in another order than they are answered.
                    p.commit = Some(next).max(p.commit).max(p.sent);
                }
            }
        }
    }

    /// Takes what librdkafka has to say beside messages.
    fn events(&mut self) -> bool {
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(e)) => self.trouble(None, &e),
            Some(Ok(message)) => {
                // Partitions have queues of their own; should one come here it is read again, in its turn.
                let place = Place::new(message.topic(), message.partition());
                let from = From::Asked(Start::At(message.offset()));
                if let Some(p) = self.partitions.get_mut(&place).filter(|p| p.start.is_none()) {
                    p.start = Some(from);
                }
            }
            None => {}
        }
        let decided = std::mem::take(&mut *lock(&self.consumer.context().decided));
        let busy = !decided.is_empty();
        for decision in decided {
            match decision {
                Decision::Assign(places) => {
                    // Joining goes on at once; each partition is added when its owner says from where.
                    self.call("join", self.consumer.incremental_assign(&TopicPartitionList::new()));
                    self.assigned(places);
                }
                Decision::Revoke(places) => {
                    if self.consumer.assignment_lost() {
                        tracing::warn!(partitions = places.len(), "the group went on without us; our partitions are somebody else's");
                    }
                    let (answer, done) = oneshot::channel();
                    self.say(0, 0, Said::Revoked(places.clone(), answer));
                    self.leaving = Some(Leaving { places, done, since: Stopwatch::start() });
                }
            }
        }
        busy
    }

    fn assigned(&mut self, places: Vec<Place>) {
        if !places.is_empty() {
            self.partitions.extend(places.iter().map(|p| (p.clone(), Partition::default())));
            self.say(0, 0, Said::Assigned(places));
        }
    }

    /// Gives revoked partitions up, once their owner is done with them.
    fn leave(&mut self) {
        let Some(leaving) = &mut self.leaving else { return };
        if matches!(leaving.done.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            if leaving.since.elapsed() < LEAVE {
                return;
            }
            tracing::warn!(partitions = leaving.places.len(), "partitions go away before what was read of them is stored");
        }
        let places = self.leaving.take().map(|l| l.places).unwrap_or_default();
        // Whoever answered may have committed just before.
        self.obey();
        self.commit_again(&places);
        self.give_up(&places);
    }

    fn give_up(&mut self, places: &[Place]) {
        let mut started = TopicPartitionList::new();
        for place in places {
            if self.partitions.remove(place).is_some_and(|p| p.queue.is_some()) {
                started.add_partition(&place.topic, place.partition);
            }
        }
        // What was never started librdkafka never had.
        self.call("give up partitions", self.consumer.incremental_unassign(&started));
    }

    /// Finds topics: their ids, all partitions of those read as a whole, and whether shared ones are there.
    fn look(&mut self) {
        let Some((since, wait)) = &self.look else { return };
        if since.elapsed() < *wait {
            return;
        }
        let again = |wait| Some((Stopwatch::start(), wait));
        let names: Vec<&str> = self.setup.topics.iter().map(String::as_str).collect();
        let found = match describe(self.consumer.client(), &names) {
            Ok(found) => found,
            Err(e) => {
                self.look = again(RETRY);
                return self.trouble(None, &e);
            }
        };
        let is_there = |name: &&str| found.iter().any(|d| d.as_ref().is_ok_and(|t| t.name == **name));
        let missing: BTreeSet<String> = names.iter().filter(|n| !is_there(n)).map(|n| (*n).to_owned()).collect();
        let news = missing.difference(&self.missing).cloned().collect::<Vec<_>>();
        self.look = match (missing.is_empty(), self.setup.shared) {
            (false, _) => again(RETRY),
            (true, true) => None,
            (true, false) => again(RECHECK),
        };
        self.missing = missing;
        let mut new = Vec::new();
        for topic in found {
            match topic {
                Ok(topic) => {
                    if !self.setup.shared {
                        let partitions = 0..i32::try_from(topic.partitions).unwrap_or(i32::MAX);
                        new.extend(partitions.map(|n| Place::new(&topic.name, n)).filter(|p| !self.partitions.contains_key(p)));
                    }
                    self.ids.insert(topic.name, topic.id.into());
                }
                Err((name, _)) if !news.contains(&name) => {}
                Err((name, RDKafkaErrorCode::UnknownTopicOrPartition)) => {
                    tracing::warn!(topic = name, "the topic is not there; waiting for it");
                }
                Err((name, code)) => self.trouble(Some(&Place::new(&name, 0)), &KafkaError::MetadataFetch(code)),
            }
        }
        self.assigned(new);
    }

    /// Starts partitions whose owner has said from where. Not while others are being given up: then librdkafka takes what it
    /// is told for the answer to that.
    fn begin(&mut self) {
        if self.leaving.is_some() || self.failed.as_ref().is_some_and(|f| f.elapsed() < RETRY) {
            return;
        }
        self.failed = None;
        let due: Vec<(Place, From)> = self.partitions.iter().filter_map(|(place, p)| Some((place.clone(), p.start?))).collect();
        let asked: Vec<&Place> = due.iter().filter(|(_, f)| matches!(f, From::Asked(Start::Committed))).map(|(p, _)| p).collect();
        let committed = match self.committed(&asked) {
            Ok(committed) => committed,
            Err(e) => return self.failed(None, &e),
        };
        for (place, from) in due {
            let offset = match from {
                From::Asked(Start::Beginning) => Ok(Some(Offset::Beginning)),
                From::Asked(Start::At(offset)) => Ok(Some(Offset::Offset(offset))),
                From::Asked(Start::Committed) => Ok(committed.get(&place).copied()),
                From::Lost => self.lost(&place),
            };
            let started = offset.and_then(|offset| offset.map_or(Ok(None), |o| self.start(&place, o).map(|()| Some(o))));
            let offset = match started {
                Ok(Some(offset)) => offset,
                Ok(None) => continue,
                Err(e) => {
                    self.failed(Some(&place), &e);
                    continue;
                }
            };
            let Some(p) = self.partitions.get_mut(&place) else { continue };
            p.next = if let Offset::Offset(next) = offset { next } else { 0 };
            (p.start, p.delivered) = (None, p.next);
            // Offsets of a topic made anew start again; what was committed before is not compared with them.
            (p.commit, p.sent) = (p.commit.filter(|c| *c <= p.next), p.sent.filter(|c| *c <= p.next));
            p.done = match from {
                From::Asked(Start::Committed) => Some(p.next),
                _ => p.done.map(|d| d.min(p.next)),
            };
            p.topic_id = self.ids.get(&*place.topic).cloned().unwrap_or_default();
        }
    }

    /// What the group has committed. The ids of the topics are looked up as well, as the numbers mean nothing without them.
    fn committed(&mut self, places: &[&Place]) -> KafkaResult<BTreeMap<Place, Offset>> {
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: BTreeSet<&str> = places.iter().map(|p| &*p.topic).collect();
        self.identify(&names.into_iter().collect::<Vec<_>>())?;
        let mut asked = TopicPartitionList::new();
        for place in places {
            asked.add_partition(&place.topic, place.partition);
        }
        let mut committed = BTreeMap::new();
        for p in self.consumer.committed_offsets(asked, ANSWER)?.elements() {
            let place = Place::new(p.topic(), p.partition());
            match (p.error(), p.offset()) {
                (Err(e), _) => self.failed(Some(&place), &e),
                (Ok(()), offset @ Offset::Offset(_)) => drop(committed.insert(place, offset)),
                (Ok(()), _) => drop(committed.insert(place, Offset::Beginning)),
            }
        }
        Ok(committed)
    }

    fn identify(&mut self, topics: &[&str]) -> KafkaResult<()> {
        let found = describe(self.consumer.client(), topics)?;
        self.ids.extend(found.into_iter().flatten().map(|t| (t.name, t.id.into())));
        Ok(())
    }

    /// Where to go on when the brokers do not have what comes next; nowhere when that would be wrong.
    fn lost(&mut self, place: &Place) -> KafkaResult<Option<Offset>> {
        let (low, high) = self.consumer.fetch_watermarks(&place.topic, place.partition, ANSWER)?;
        self.identify(&[&place.topic])?;
        let Some(p) = self.partitions.get_mut(place) else { return Ok(None) };
        let (topic, partition, next) = (&*place.topic, place.partition, p.next);
        if next < low {
            tracing::error!(topic, partition, next, low, "messages are gone: retention took them before they were read");
        } else if next <= high {
            return Ok(Some(Offset::Offset(next)));
        } else if self.setup.strict {
            p.start = None;
            let what =
                format!("partition {partition} of topic {topic} ends at {high}, but {next} was to come: the topic was cut or made anew");
            self.say(0, 0, Said::Refused(RDKafkaErrorCode::OffsetOutOfRange, what));
            return Ok(None);
        } else {
            tracing::error!(topic, partition, next, high, "the topic was cut or made anew; it is read from its beginning");
        }
        Ok(Some(Offset::Offset(low)))
    }

    /// Starts, or starts again, delivery.
    fn start(&mut self, place: &Place, offset: Offset) -> KafkaResult<()> {
        let Some(p) = self.partitions.get_mut(place) else { return Ok(()) };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&place.topic, place.partition, offset)?;
        if p.queue.take().is_some() {
            self.consumer.incremental_unassign(&list)?;
        }
        // Before the assignment: else the first messages could come to the common queue.
        let queue = self.consumer.split_partition_queue(&place.topic, place.partition);
        let mut queue = queue.ok_or_else(|| KafkaError::Subscription(place.topic.to_string()))?;
        let state = Arc::clone(&self.state);
        queue.set_nonempty_callback(move || state.wake());
        self.consumer.incremental_assign(&list)?;
        p.queue = Some(queue);
        Ok(())
    }

    /// Delivers what is there, as long as there is room. Says whether there was something.
    fn fill(&mut self) -> bool {
        let (mut busy, mut troubles) = (false, Vec::new());
        let last = self.last.take();
        let after = self.partitions.keys().filter(|p| last.as_ref().is_none_or(|l| *p > l));
        let before = self.partitions.keys().filter(|p| last.as_ref().is_some_and(|l| *p <= l));
        for place in after.chain(before).cloned().collect::<Vec<_>>() {
            if self.state.held.load(Ordering::Acquire) >= HELD_BYTES {
                break;
            }
            let Some(p) = self.partitions.get_mut(&place) else { continue };
            let (Some(queue), None) = (&p.queue, p.start) else { continue };
            if self.leaving.as_ref().is_some_and(|l| l.places.contains(&place)) {
                continue;
            }
            let (mut messages, mut bytes, mut end) = (Vec::new(), 0, false);
            while messages.len() < BATCH && bytes < BATCH_BYTES {
                match queue.poll(Duration::ZERO) {
                    Some(Ok(message)) => {
                        let (taken, size) = (self.setup.read)(&message);
                        (p.next, p.delivered, end) = (message.offset() + 1, message.offset() + 1, false);
                        bytes += size + MESSAGE_BYTES;
                        messages.push(taken);
                    }
                    Some(Err(KafkaError::PartitionEOF(_))) => end = true,
                    Some(Err(e)) => {
                        troubles.push((place.clone(), e));
                        break;
                    }
                    None => break,
                }
            }
            let high = native::watermarks(self.consumer.client(), &place.topic, place.partition).map_or(p.next, |(_, high)| high);
            if end {
                // What is left up to there are marks of transactions.
                p.next = p.next.max(high);
            }
            let behind = u64::try_from(high - p.next).unwrap_or_default();
            if messages.is_empty() && (!end || p.at_end) {
                continue;
            }
            busy |= !messages.is_empty();
            p.at_end = behind == 0;
            let (epoch, topic_id) = (p.epoch, Arc::clone(&p.topic_id));
            self.last = Some(place.clone());
            self.say(epoch, bytes, Said::Messages { place, topic_id, messages, behind });
        }
        for (place, e) in troubles {
            self.trouble(Some(&place), &e);
        }
        busy
    }

    fn say(&self, epoch: u64, bytes: usize, said: Said<M>) {
        self.state.held.fetch_add(bytes, Ordering::AcqRel);
        // An owner that is gone has told the thread to stop.
        self.say.send(Parcel { epoch, bytes, said }).ok();
    }

    fn send_commits(&mut self) {
        for (topic, partition, code) in self.commits.failed() {
            // As a rule the group was just dividing the partitions anew.
            tracing::debug!(topic, partition, error = %code, "an offset was not committed");
            if let Some(p) = self.partitions.get_mut(&Place::new(&topic, partition)) {
                p.commit = p.commit.or(p.sent);
            }
        }
        let mut list = TopicPartitionList::new();
        for (place, p) in &mut self.partitions {
            let Some(next) = p.commit.take() else { continue };
            p.sent = Some(next);
            // Offsets are what librdkafka gave.
            list.add_partition_offset(&place.topic, place.partition, Offset::Offset(next)).ok();
        }
        if list.count() > 0 {
            self.call("commit", self.commits.send(self.consumer.client(), &list));
        }
    }

    /// Says again what was said of these: a commit fails while the group divides the partitions anew, and this is the last.
    fn commit_again(&mut self, places: &[Place]) {
        for place in places {
            if let Some(p) = self.partitions.get_mut(place) {
                p.commit = p.commit.or(p.sent);
            }
        }
        self.send_commits();
    }

    fn publish_lags(&self) {
        let lag = |(place, p): (&Place, &Partition)| {
            let marks = native::watermarks(self.consumer.client(), &place.topic, place.partition);
            let started = p.queue.is_some() && p.start.is_none();
            let lag = marks.filter(|_| started).map(|(low, high)| {
                // Nothing is outstanding: marks of transactions behind the last message do not count.
                let done = p.done.filter(|d| *d < p.delivered).unwrap_or(p.next);
                u64::try_from(high - done.max(low)).unwrap_or_default()
            });
            (place.clone(), lag)
        };
        *lock(&self.state.lags) = self.partitions.iter().map(lag).collect();
    }

    fn trouble(&mut self, place: Option<&Place>, error: &KafkaError) {
        let topic = place.map(|p| &*p.topic);
        let what = topic.map_or_else(|| error.to_string(), |t| format!("topic {t}: {error}"));
        let known = self.troubled.as_ref().is_some_and(|(last, since)| *last == what && since.elapsed() < RECHECK);
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        match code(error) {
            Some(code) if fatal || is_final(code) => {
                if !known {
                    self.say(0, 0, Said::Refused(code, what.clone()));
                }
            }
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                if let Some(p) = place.and_then(|p| self.partitions.get_mut(p)) {
                    p.start = p.start.or(Some(From::Lost));
                }
                self.failed = Some(Stopwatch::start());
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                self.look = self.look.take().or_else(|| Some((Stopwatch::start(), Duration::ZERO)));
            }
            _ if known => {}
            _ => tracing::warn!("the Kafka consumer has trouble and tries again: {what}"),
        }
        if !known {
            self.troubled = Some((what, Stopwatch::start()));
        }
    }

    fn failed(&mut self, place: Option<&Place>, error: &KafkaError) {
        self.failed = Some(Stopwatch::start());
        self.trouble(place, error);
    }

    fn call(&self, what: &str, result: KafkaResult<()>) {
        if let Err(e) = result {
            tracing::warn!(error = %e, "librdkafka did not {what}");
        }
    }
}
