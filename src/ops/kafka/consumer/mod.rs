//! A consumer on a thread of its own: it keeps answering the brokers while its owner works, and never holds more than a bounded
//! number of bytes.
//!
//! Each partition has its own queue in librdkafka, read only while there is room: a slow owner stops the fetching of data, not
//! the heartbeats. A partition is assigned in librdkafka only when its owner says from where ([`Consumer::resume`]), so there is
//! no seek that could race with data; and a revocation is answered only when the owner is done with what it has.

mod work;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc as blocking,
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio::sync::{mpsc, oneshot};

use super::Error;
use work::{Rebalances, Work};

/// Nothing is read from librdkafka while its owner has more bytes than this to take.
const HELD_BYTES: usize = 32 << 20;
/// How long closing may hold up its owner.
const CLOSE: Duration = Duration::from_secs(5);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl Place {
    /// A partition of a topic.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// From where a partition is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Its first message.
    Beginning,
    /// The message with this offset.
    At(i64),
    /// The first message that its group has not committed.
    Committed,
}

/// What a consumer has to say.
#[derive(Debug)]
pub enum Said<M> {
    /// These are ours; nothing of them comes before [`Consumer::resume`].
    Assigned(Vec<Place>),
    /// These go away when the answer is given or dropped, or after a deadline. What is committed before counts.
    Revoked(Vec<Place>, oneshot::Sender<()>),
    /// Consecutive messages of one partition; none of them when the end was reached without any.
    Messages {
        /// Where they are from.
        place: Place,
        /// Id of the topic, where [`Start::Committed`] was asked for or topics are read as a whole; else empty.
        topic_id: Arc<str>,
        /// In order of offset.
        messages: Vec<M>,
        /// Messages known to be behind the last of these.
        behind: u64,
    },
    /// The brokers refuse, and will again.
    Refused(RDKafkaErrorCode, String),
}

/// What to consume, and how.
pub struct Setup<M> {
    /// Properties, group among them.
    pub config: ClientConfig,
    /// Topics.
    pub topics: Vec<String>,
    /// Whether partitions are shared with the rest of the group; else all of them are ours.
    pub shared: bool,
    /// Whether an offset behind the end of a partition is refused (the topic was cut); else it is read from the beginning.
    pub strict: bool,
    /// Takes what is needed from a message, and says how many bytes that holds.
    pub read: Reading<M>,
}

/// Takes what is needed from a message, and says how many bytes that holds.
pub type Reading<M> = Box<dyn Fn(&BorrowedMessage<'_>) -> (M, usize) + Send>;

/// A handle of the thread; dropping it leaves the group.
pub struct Consumer<M> {
    parcels: mpsc::UnboundedReceiver<Parcel<M>>,
    orders: Orders,
    closed: blocking::Receiver<()>,
    /// The epoch of each resumed partition: what was read for an earlier one is not delivered.
    epochs: BTreeMap<Place, u64>,
    epoch: u64,
}

/// Tells the thread what to do.
#[derive(Clone)]
pub struct Orders {
    queue: blocking::Sender<Order>,
    state: Arc<State>,
}

enum Order {
    Resume(Place, Start, u64),
    Commit(Place, i64),
}

struct Parcel<M> {
    epoch: u64,
    bytes: usize,
    said: Said<M>,
}

/// What thread and handles share.
#[derive(Default)]
struct State {
    /// Bytes said and not yet taken.
    held: AtomicUsize,
    lags: Mutex<BTreeMap<Place, Option<u64>>>,
    stop: AtomicBool,
    awake: Mutex<bool>,
    wake: Condvar,
}

impl State {
    fn wake(&self) {
        *lock(&self.awake) = true;
        self.wake.notify_one();
    }

    fn sleep(&self, at_most: Duration) {
        let awake = lock(&self.awake);
        let (mut awake, _) = self.wake.wait_timeout_while(awake, at_most, |awake| !*awake).unwrap_or_else(PoisonError::into_inner);
        *awake = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Send + 'static> Consumer<M> {
    /// Starts to consume. Brokers that are away are waited for.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub fn start(setup: Setup<M>) -> Result<Self, Error> {
        let wrong = |e: KafkaError| Error::of("the Kafka consumer cannot start", &e, None);
        let state = Arc::<State>::default();
        let mut consumer: BaseConsumer<Rebalances> = setup.config.create_with_context(Rebalances::default()).map_err(wrong)?;
        let wake = Arc::clone(&state);
        consumer.set_nonempty_callback(move || wake.wake());
        if setup.shared {
            consumer.subscribe(&setup.topics.iter().map(String::as_str).collect::<Vec<_>>()).map_err(wrong)?;
        }
        let (say, parcels) = mpsc::unbounded_channel();
        let (queue, orders) = blocking::channel();
        let (close, closed) = blocking::channel();
        let work = Work::new(consumer, setup, say, orders, Arc::clone(&state)).map_err(wrong)?;
        let run = move || {
            work.run();
            // Whoever waited may have given up.
            close.send(()).ok();
        };
        let thread = std::thread::Builder::new().name("kafka".to_owned()).spawn(run);
        thread.map_err(|e| Error::Stop(format!("no thread for Kafka can be started: {e}")))?;
        let orders = Orders { queue, state };
        Ok(Self { parcels, orders, closed, epochs: BTreeMap::new(), epoch: 0 })
    }
}

impl<M> Consumer<M> {
    /// The next thing to know; waits for it. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`Error::Stop`] when the thread is gone.
    pub async fn next(&mut self) -> Result<Said<M>, Error> {
        loop {
            let parcel = self.parcels.recv().await.ok_or_else(|| Error::Stop("the Kafka consumer ended".to_owned()))?;
            match &parcel.said {
                Said::Messages { place, .. } => {
                    if self.orders.state.held.fetch_sub(parcel.bytes, Ordering::AcqRel) >= HELD_BYTES {
                        self.orders.state.wake();
                    }
                    if self.epochs.get(place) != Some(&parcel.epoch) {
                        continue;
                    }
                }
                Said::Revoked(places, _) => self.epochs.retain(|p, _| !places.contains(p)),
                Said::Assigned(_) | Said::Refused(..) => {}
            }
            return Ok(parcel.said);
        }
    }

    /// Starts delivery of an assigned partition; what was read of it before is not delivered any more.
    pub fn resume(&mut self, place: Place, from: Start) {
        self.epoch += 1;
        self.epochs.insert(place.clone(), self.epoch);
        self.orders.give(Order::Resume(place, from, self.epoch));
    }

    /// A handle to commit with.
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Per assigned partition, messages neither delivered nor, where its start was [`Start::Committed`], committed; none where
    /// that is not known yet.
    pub fn lags(&self) -> BTreeMap<Place, Option<u64>> {
        lock(&self.orders.state.lags).clone()
    }
}

impl Orders {
    /// Everything before `next` is done with. Ignored where the partition is not ours any more.
    pub fn commit(&self, place: Place, next: i64) {
        self.give(Order::Commit(place, next));
    }

    fn give(&self, order: Order) {
        // A thread that is gone says so in `Consumer::next`.
        self.queue.send(order).ok();
        self.state.wake();
    }
}

impl<M> Drop for Consumer<M> {
    fn drop(&mut self) {
        self.orders.state.stop.store(true, Ordering::Release);
        self.orders.state.wake();
        // Leaving the group in order saves the others the session timeout; brokers that are away are not waited for.
        self.closed.recv_timeout(CLOSE).ok();
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{
        Message, Offset, TopicPartitionList,
        mocking::MockCluster,
        producer::{FutureProducer, FutureRecord},
        types::{RDKafkaApiKey, RDKafkaRespErr},
    };

    use super::*;
    use crate::ops::config::Kafka;

    /// The group divides its partitions while an offset is committed: the broker refuses, and nobody commits again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_commit_that_was_refused_is_sent_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let kafka = Kafka {
            brokers: vec![cluster.bootstrap_servers()],
            group: "g".to_owned(),
            log_topic: "t".to_owned(),
            partitions: 1,
            librdkafka: BTreeMap::new(),
        };
        let config = crate::ops::kafka::properties(
            &kafka,
            &[],
            &[("group.id", "g"), ("partition.assignment.strategy", "cooperative-sticky"), ("enable.auto.commit", "false")],
        )
        .unwrap();
        let producer: FutureProducer = config.create().unwrap();
        producer.send(FutureRecord::<(), _>::to("t").partition(0).payload("x"), CLOSE).await.map_err(|(e, _)| e).unwrap();
        let read = Box::new(|m: &BorrowedMessage<'_>| (m.payload().unwrap_or_default().to_vec(), 1));
        let setup = Setup { config: config.clone(), topics: vec!["t".to_owned()], shared: true, strict: true, read };
        let mut consumer = Consumer::start(setup).unwrap();
        let place = loop {
            match tokio::time::timeout(Duration::from_secs(20), consumer.next()).await.unwrap().unwrap() {
                Said::Assigned(places) => consumer.resume(places[0].clone(), Start::Beginning),
                Said::Messages { place, messages, .. } => {
                    assert_eq!(messages, [b"x".to_vec()]);
                    break place;
                }
                other => panic!("{other:?}"),
            }
        };
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
        consumer.orders().commit(place, 1);
        let other: BaseConsumer = config.create().unwrap();
        let committed = || {
            let mut list = TopicPartitionList::new();
            list.add_partition("t", 0);
            other.committed_offsets(list, CLOSE).unwrap().elements()[0].offset()
        };
        let since = crate::ops::clock::Stopwatch::start();
        while committed() != Offset::Offset(1) {
            assert!(since.elapsed() < Duration::from_secs(10), "{:?}", committed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
