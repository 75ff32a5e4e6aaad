//! Reference topics.

use std::time::Duration;

use filin::source::kafka::{
    Value,
    reference::{Change, Row, Table, start},
};
use rdkafka::producer::FutureRecord;

use super::{configured, make_topic, produce, producer, soon};

async fn write(topic: &str, partition: i32, key: &str, value: Option<&str>) {
    let record = FutureRecord::to(topic).partition(partition).key(key);
    let record = match value {
        Some(value) => record.payload(value.as_bytes()),
        None => record,
    };
    produce(&producer(&[]), record).await;
}

/// Rows up to the end seen at start.
async fn load(table: &mut Table) -> Vec<Row> {
    let mut rows = Vec::new();
    loop {
        match soon("rows", table.next()).await.unwrap() {
            Change::Rows(more) => rows.extend(more),
            Change::Loaded => return rows,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rows_come_first_and_then_each_change() {
    let (kafka, topic) = (configured("reference-rows", &[]), "reference-users");
    make_topic(topic, 3, &[("cleanup.policy", "compact")]).await;
    write(topic, 0, "acme|u1|2026-01-01", Some("{}")).await;
    write(topic, 1, "acme|u2|2026-01-01", Some("{\"team\":\"a\"}")).await;
    write(topic, 1, "no key of ours", Some("{}")).await;

    let mut table = start(&kafka, topic, 1000).unwrap();
    let mut rows = load(&mut table).await;
    rows.sort_by_key(|r| (r.partition, r.offset));
    let ids: Vec<_> = rows.iter().map(|r| r.key.as_ref().map(|k| k.id.as_str())).collect();
    assert_eq!(ids, [Some("u1"), Some("u2"), None]);
    assert_eq!(rows[1].value, Value::Bytes(b"{\"team\":\"a\"}".to_vec()));
    soon("no lag", async {
        while table.lag().rows != Some(0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(table.lag().since, Duration::ZERO);

    write(topic, 2, "acme|u3|2026-02-01", Some("{}")).await;
    let Change::Rows(rows) = soon("a change", table.next()).await.unwrap() else { panic!("loaded twice") };
    assert_eq!((rows.len(), rows[0].partition, rows[0].key.as_ref().unwrap().valid_from.as_str()), (1, 2, "2026-02-01"));
    write(topic, 0, "acme|u1|2026-01-01", None).await;
    let Change::Rows(rows) = soon("a row taken back", table.next()).await.unwrap() else { panic!("loaded twice") };
    assert_eq!((rows[0].value.clone(), rows[0].key.as_ref().unwrap().id.as_str()), (Value::Absent, "u1"));

    // Everybody reads all of it, and nothing is remembered for the next start.
    let mut second = start(&kafka, topic, 1000).unwrap();
    assert_eq!(load(&mut second).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_topic_is_loaded_and_a_missing_one_is_waited_for() {
    let (kafka, topic) = (configured("reference-later", &[]), "reference-later");
    let mut table = start(&kafka, topic, 1000).unwrap();
    let early = tokio::time::timeout(Duration::from_secs(2), table.next()).await;
    assert!(early.is_err(), "{early:?} of a topic that is not there");
    assert_eq!(table.lag().rows, None);
    make_topic(topic, 2, &[("cleanup.policy", "compact")]).await;
    assert_eq!(load(&mut table).await, []);
}
