//! What librdkafka knows and its Rust wrapper does not tell: a topic's id, the watermarks that came with fetched data, and
//! whether a commit that nobody waits for succeeded.

#![expect(unsafe_code, reason = "calls into librdkafka that rdkafka does not wrap; each block says why it is sound")]

use std::{
    ffi::{CStr, CString},
    ptr::NonNull,
    time::Duration,
};

use rdkafka::{
    TopicPartitionList, bindings as c,
    client::{Client, ClientContext},
    error::{KafkaError, RDKafkaErrorCode},
};

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id: another one when the topic was deleted and made again.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Something of librdkafka that must be given back.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    /// `give_back` must be the destructor that librdkafka names for what `ptr` points to.
    fn new(ptr: *mut T, give_back: unsafe extern "C" fn(*mut T), what: &str) -> Result<Self, KafkaError> {
        NonNull::new(ptr).map(|p| Self(p, give_back)).ok_or_else(|| KafkaError::AdminOpCreation(what.to_owned()))
    }

    fn ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `new` was given the destructor that belongs to this pointer; nobody else destroys it.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// A topic, or the name of one and why it cannot be described.
pub type Described = Result<Topic, (String, RDKafkaErrorCode)>;

/// Describes topics. Never makes one, whatever the brokers are set to. Blocks.
pub(super) fn describe<C: ClientContext>(client: &Client<C>, names: &[&str], wait: Duration) -> Result<Vec<Described>, KafkaError> {
    let names = names.iter().map(|n| CString::new(*n)).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| KafkaError::AdminOp(RDKafkaErrorCode::InvalidTopic))?;
    let mut pointers: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: librdkafka's documented order of calls. The client outlives them; `pointers` holds NUL-terminated texts that
    // librdkafka copies; every object is destroyed by its own destructor, the event after what was read from it.
    unsafe {
        let rk = client.native_ptr();
        let topics = c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let topics = Owned::new(topics, c::rd_kafka_TopicCollection_destroy, "topics")?;
        let options = c::rd_kafka_AdminOptions_new(rk, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        let options = Owned::new(options, c::rd_kafka_AdminOptions_destroy, "options")?;
        let mut text = [0; 256];
        let set = c::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), wait_ms, text.as_mut_ptr(), text.len());
        check(set)?;
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy, "queue")?;
        c::rd_kafka_DescribeTopics(rk, topics.ptr(), options.ptr(), queue.ptr());
        // The request has its own time limit and always answers; the margin is for a busy machine.
        let event = c::rd_kafka_queue_poll(queue.ptr(), wait_ms.saturating_add(5000));
        let Some(event) = NonNull::new(event) else { return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)) };
        let event = Owned(event, c::rd_kafka_event_destroy);
        check(c::rd_kafka_event_error(event.ptr()))?;
        let result = c::rd_kafka_event_DescribeTopics_result(event.ptr());
        if result.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage));
        }
        let mut n = 0;
        let found = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut n);
        let mut described = Vec::with_capacity(n);
        for i in 0..n {
            let topic = *found.add(i);
            let name = CStr::from_ptr(c::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned();
            match RDKafkaErrorCode::from(c::rd_kafka_error_code(c::rd_kafka_TopicDescription_error(topic))) {
                RDKafkaErrorCode::NoError => {}
                code => {
                    described.push(Err((name, code)));
                    continue;
                }
            }
            let mut partitions = 0;
            c::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
            let id = c::rd_kafka_Uuid_base64str(c::rd_kafka_TopicDescription_topic_id(topic));
            let id = CStr::from_ptr(id).to_string_lossy().into_owned();
            described.push(Ok(Topic { name, id, partitions: u32::try_from(partitions).unwrap_or(u32::MAX) }));
        }
        Ok(described)
    }
}

/// The first and the next offset of a partition as the last fetched data said; none before data was fetched. Does not block.
pub(super) fn watermarks<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<(i64, i64)> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client outlives the call, `topic` is NUL-terminated, both results are ours.
    let answer = unsafe { c::rd_kafka_get_watermark_offsets(client.native_ptr(), topic.as_ptr(), partition, &raw mut low, &raw mut high) };
    (check(answer).is_ok() && high >= 0).then_some((low.max(0), high))
}

/// Commits without waiting, and hears how it went.
pub(super) struct Commits(Owned<c::rd_kafka_queue_t>);

// SAFETY: librdkafka's objects may be used from any thread.
unsafe impl Send for Commits {}

impl Commits {
    pub(super) fn new<C: ClientContext>(client: &Client<C>) -> Result<Self, KafkaError> {
        // SAFETY: the client outlives the call; the queue is destroyed by its own destructor.
        let queue = unsafe { c::rd_kafka_queue_new(client.native_ptr()) };
        Owned::new(queue, c::rd_kafka_queue_destroy, "queue").map(Self)
    }

    /// Sends these offsets to the group's coordinator.
    pub(super) fn send<C: ClientContext>(&self, client: &Client<C>, offsets: &TopicPartitionList) -> Result<(), KafkaError> {
        // SAFETY: client, list and queue outlive the call, which copies the list; there is no callback.
        check(unsafe { c::rd_kafka_commit_queue(client.native_ptr(), offsets.ptr(), self.0.ptr(), None, std::ptr::null_mut()) })
    }

    /// Topics and partitions whose commit failed since the last call.
    pub(super) fn failed(&self) -> Vec<(String, i32, RDKafkaErrorCode)> {
        let mut failed = Vec::new();
        // SAFETY: an event owns its list, and the list its elements, until the event is destroyed, which is behind their use.
        unsafe {
            while let Some(event) = NonNull::new(c::rd_kafka_queue_poll(self.0.ptr(), 0)) {
                let event = Owned(event, c::rd_kafka_event_destroy);
                let all = RDKafkaErrorCode::from(c::rd_kafka_event_error(event.ptr()));
                let Some(list) = c::rd_kafka_event_topic_partition_list(event.ptr()).as_ref() else { continue };
                for i in 0..usize::try_from(list.cnt).unwrap_or_default() {
                    let place = &*list.elems.add(i);
                    let code = if all == RDKafkaErrorCode::NoError { place.err.into() } else { all };
                    if code != RDKafkaErrorCode::NoError {
                        failed.push((CStr::from_ptr(place.topic).to_string_lossy().into_owned(), place.partition, code));
                    }
                }
            }
        }
        failed
    }
}

fn check(code: c::rd_kafka_resp_err_t) -> Result<(), KafkaError> {
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(KafkaError::AdminOp(code)),
    }
}
