//! The log's topic read once, from a position to the end it has at that moment; outside of any group.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Message,
};

use super::{Error, Read};
use crate::ops::{
    clock::Stopwatch,
    config::Kafka,
    kafka::{is_final, properties},
};

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic that is read once.
pub struct Lines {
    consumer: std::sync::Arc<BaseConsumer>,
    topic: String,
    /// Added to the topic's offsets.
    base: u64,
    /// Partition and offset behind which the consumer stands.
    at: Option<(u32, u64)>,
}

impl Lines {
    /// Opens the topic of a log; `base` is added to its offsets.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn open(kafka: &Kafka, base: u64) -> Result<Self, Error> {
        let group = format!("{}.replay", kafka.group);
        let config = properties(kafka, &[], &[("group.id", &group), ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest")])?;
        let consumer: BaseConsumer = config.create().map_err(|e| Error::Stop(format!("the Kafka consumer cannot start: {e}")))?;
        Ok(Self { consumer: consumer.into(), topic: kafka.log_topic.clone(), base, at: None })
    }

    /// Up to `limit` lines of a partition behind `after`; empty at the end.
    ///
    /// # Errors
    /// When the brokers do not answer in time.
    pub async fn read(&mut self, partition: u32, after: Option<u64>, limit: usize) -> Result<Vec<Read>, Error> {
        let (consumer, topic, at) = (std::sync::Arc::clone(&self.consumer), self.topic.clone(), self.at);
        let after = after.and_then(|a| a.checked_sub(self.base));
        let task = tokio::task::spawn_blocking(move || read(&consumer, &topic, partition, after, limit, at));
        let mut lines = task.await.map_err(|e| Error::Stop(format!("reading ended early: {e}")))??;
        self.at = lines.last().map(|l| (partition, l.offset));
        lines.iter_mut().for_each(|l| l.offset += self.base);
        Ok(lines)
    }

    /// The last offset of a partition; none: it is empty.
    ///
    /// # Errors
    /// When the brokers do not answer in time.
    pub async fn end(&self, partition: u32) -> Result<Option<u64>, Error> {
        let (consumer, topic) = (std::sync::Arc::clone(&self.consumer), self.topic.clone());
        let number = i32::try_from(partition).map_err(|_| Error::Stop(format!("there is no partition {partition}")))?;
        let asked = tokio::task::spawn_blocking(move || ends(&consumer, &topic, number));
        let (low, high) = asked.await.map_err(|e| Error::Stop(e.to_string()))?.map_err(|e| Error::Away(e.to_string()))?;
        Ok(u64::try_from(high).ok().filter(|_| low < high).map(|high| high - 1 + self.base))
    }
}

/// Where a partition begins and ends. librdkafka asks for both at once; of an answer that got lost it makes that the partition is empty,
/// which would pass for a log whose head is gone. So that is believed only when it is said twice.
fn ends(consumer: &BaseConsumer, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    let mut said = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
    while said.0 >= said.1 {
        let again = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        if again == said {
            break;
        }
        said = again;
    }
    Ok(said)
}

fn read(
    consumer: &BaseConsumer,
    topic: &str,
    partition: u32,
    after: Option<u64>,
    limit: usize,
    at: Option<(u32, u64)>,
) -> Result<Vec<Read>, Error> {
    let away = |e: KafkaError| Error::Away(e.to_string());
    let number = i32::try_from(partition).map_err(|_| Error::Stop(format!("there is no partition {partition}")))?;
    let (low, high) = ends(consumer, topic, number).map_err(away)?;
    let from = after.map_or(low, |a| i64::try_from(a).unwrap_or(i64::MAX - 1) + 1).max(low);
    if from < high && at.is_none_or(|at| Some(at) != after.map(|a| (partition, a))) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, Offset::Offset(from)).map_err(away)?;
        consumer.assign(&list).map_err(away)?;
    }
    let mut lines = Vec::new();
    let (mut next, mut heard) = (from, Stopwatch::start());
    while next < high && lines.len() < limit {
        let message = match consumer.poll(PATIENCE.saturating_sub(heard.elapsed())) {
            None => return Err(Error::Away(format!("partition {partition} of {topic} gives nothing at offset {next}"))),
            Some(Ok(message)) => message,
            // Connections that broke are made again behind our back; what stays wrong stays wrong until the end of our patience.
            Some(Err(e)) if heard.elapsed() < PATIENCE && !e.rdkafka_error_code().is_some_and(is_final) => continue,
            Some(Err(e)) => return Err(away(e)),
        };
        (next, heard) = (message.offset() + 1, Stopwatch::start());
        let offset = u64::try_from(message.offset()).unwrap_or_default();
        lines.push(Read { offset, line: message.payload().unwrap_or_default().to_vec() });
    }
    Ok(lines)
}
