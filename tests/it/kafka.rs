//! The log and the sources against a real broker.

#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test says by a panic that something is wrong")]

mod broker;
mod log;
mod reference;
mod source;

use std::{collections::BTreeMap, time::Duration};

use broker::broker;
use filin::ops::config::{Kafka, Secret};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

/// A configuration for a test that shares topics and groups with no other.
fn kafka(name: &str) -> Kafka {
    configured(name, &[])
}

fn configured(name: &str, properties: &[(&str, &str)]) -> Kafka {
    Kafka {
        brokers: vec![broker().address.clone()],
        group: name.to_owned(),
        log_topic: format!("{name}.log"),
        partitions: 4,
        librdkafka: properties.iter().map(|(k, v)| ((*k).to_owned(), Secret::new(*v))).collect::<BTreeMap<_, _>>(),
    }
}

/// Waits for what must happen soon.
async fn soon<T>(what: &str, happening: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(90), happening).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &broker().address).create().unwrap()
}

async fn make_topic(name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let topic = settings.iter().fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |t, (k, v)| t.set(k, v));
    let made = admin().create_topics([&topic], &AdminOptions::new()).await.unwrap();
    made.into_iter().next().unwrap().unwrap();
}

async fn delete_topic(name: &str) {
    let gone = admin().delete_topics(&[name], &AdminOptions::new()).await.unwrap();
    gone.into_iter().next().unwrap().unwrap();
}

fn producer(properties: &[(&str, &str)]) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker().address);
    config.extend(properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    config.create().unwrap()
}

async fn produce(producer: &FutureProducer, record: FutureRecord<'_, str, [u8]>) {
    producer.send(record, Duration::from_secs(10)).await.map_err(|(e, _)| e).unwrap();
}

/// Address of the shared broker, for tests of the whole path.
pub(crate) fn address() -> &'static str {
    &broker().address
}

/// Makes a topic.
pub(crate) async fn make(name: &str, partitions: i32) {
    make_topic(name, partitions, &[]).await;
}

/// Sends lines to partition 0 and waits until the broker has them.
pub(crate) async fn send(topic: &str, lines: &[&str]) {
    let producer = producer(&[("acks", "all"), ("enable.idempotence", "true")]);
    let mut reports = Vec::new();
    for line in lines {
        let record = FutureRecord::<(), str>::to(topic).partition(0).payload(line);
        reports.push(producer.send_result(record).unwrap_or_else(|(e, _)| panic!("{e}")));
    }
    for report in reports {
        report.await.unwrap().unwrap();
    }
}

/// The same with headers.
pub(crate) async fn send_with(topic: &str, lines: &[&str], headers: &[(&str, &str)]) {
    let producer = producer(&[("acks", "all"), ("enable.idempotence", "true")]);
    let mut reports = Vec::new();
    for line in lines {
        let headers = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let record = FutureRecord::<(), str>::to(topic).partition(0).payload(line).headers(headers);
        reports.push(producer.send_result(record).unwrap_or_else(|(e, _)| panic!("{e}")));
    }
    for report in reports {
        report.await.unwrap().unwrap();
    }
}
