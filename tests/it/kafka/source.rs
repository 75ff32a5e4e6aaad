//! Raw topics.

use std::{sync::Arc, time::Duration};

use filin::source::kafka::{Batch, Error, Record, Source, Value, start};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::AdminOptions,
    message::{Header, OwnedHeaders},
    producer::FutureRecord,
};

use super::{admin, configured, delete_topic, kafka, make_topic, produce, producer, soon};
use filin::ops::config::Kafka;

fn source(kafka: &Kafka, topic: &str) -> Source {
    start(kafka, vec![topic.to_owned()], 100_000).unwrap()
}

async fn next(source: &mut Source) -> Batch {
    soon("records", source.next()).await.unwrap()
}

/// Reads until so many records are there.
async fn read(source: &mut Source, n: usize) -> Vec<(u32, Record)> {
    let mut all = Vec::new();
    while all.len() < n {
        let batch = next(source).await;
        all.extend(batch.records.into_iter().map(|r| (batch.partition, r)));
    }
    all
}

async fn write(topic: &str, partition: i32, numbers: std::ops::Range<usize>) {
    let producer = producer(&[]);
    let texts: Vec<String> = numbers.map(|n| n.to_string()).collect();
    let sent = texts.iter().map(|t| produce(&producer, FutureRecord::to(topic).partition(partition).payload(t.as_bytes())));
    futures_util::future::join_all(sent).await;
}

fn text(record: &Record) -> &str {
    match &record.value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_committed_comes_again() {
    let (kafka, topic) = (kafka("raw-again"), "raw-again");
    make_topic(topic, 2, &[]).await;
    write(topic, 0, 0..10).await;
    write(topic, 1, 0..5).await;

    let mut first = source(&kafka, topic);
    let all = read(&mut first, 15).await;
    assert_eq!(all.iter().filter(|(p, _)| *p == 0).map(|(_, r)| text(r)).collect::<Vec<_>>().join(" "), "0 1 2 3 4 5 6 7 8 9");
    let lags = |s: &Source| s.lags().into_iter().map(|l| l.records).collect::<Vec<_>>();
    soon("lags", async {
        while lags(&first) != [Some(10), Some(5)] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let committer = first.committer();
    let topic_name: Arc<str> = topic.into();
    committer.commit(&topic_name, 0, 3);
    committer.commit(&topic_name, 1, 4);
    drop(first);

    let mut second = source(&kafka, topic);
    let rest = read(&mut second, 6).await;
    assert_eq!(rest.iter().map(|(p, r)| format!("{p}/{}", text(r))).collect::<Vec<_>>().join(" "), "0/4 0/5 0/6 0/7 0/8 0/9");
    second.committer().commit(&topic_name, 0, 9);
    soon("no lag", async {
        while lags(&second) != [Some(0), Some(0)] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // A commit of the first, which is gone, moves nothing.
    committer.commit(&topic_name, 0, 1);
    drop(second);

    let mut third = source(&kafka, topic);
    write(topic, 1, 5..6).await;
    let batch = next(&mut third).await;
    assert_eq!((batch.partition, batch.last(), text(&batch.records[0])), (1, 5, "5"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_comes_with_all_that_belongs_to_it() {
    let (kafka, topic) = (kafka("raw-whole"), "raw-whole");
    make_topic(topic, 1, &[("max.message.bytes", "3000000")]).await;
    let producer = producer(&[("compression.codec", "zstd"), ("message.max.bytes", "3000000")]);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "trace", value: Some("a") })
        .insert(Header { key: "trace", value: Some("b") })
        .insert(Header::<&str> { key: "none", value: None });
    let value = "x".repeat(5000);
    let first = FutureRecord::to(topic).key("k").payload(value.as_bytes()).timestamp(1_767_225_600_123).headers(headers);
    produce(&producer, first).await;
    produce(&producer, FutureRecord::to(topic).payload(vec![b'y'; 2_500_000].as_slice())).await;
    produce(&producer, FutureRecord::to(topic).key("gone")).await;
    produce(&producer, FutureRecord::to(topic).payload(b"last".as_slice())).await;

    let mut source = source(&kafka, topic);
    let records: Vec<Record> = read(&mut source, 4).await.into_iter().map(|(_, r)| r).collect();
    assert_eq!(records.iter().map(|r| r.offset).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let header = |k: &str, v: &str| (k.to_owned(), v.as_bytes().to_vec());
    assert_eq!(records[0].headers, [header("trace", "a"), header("trace", "b"), header("none", "")]);
    assert_eq!(records[0].key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(records[0].time.map(|t| t.millis()), Some(1_767_225_600_123));
    assert_eq!(text(&records[0]), value);
    assert_eq!(records[1].value, Value::TooLong { bytes: 2_500_000 });
    assert_eq!((records[2].key.as_deref(), &records[2].value), (Some(b"gone".as_slice()), &Value::Absent));
    assert_eq!(text(&records[3]), "last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_may_come_later_and_be_made_anew() {
    let (kafka, topic) = (configured("raw-later", &[("topic.metadata.refresh.interval.ms", "500")]), "raw-later");
    make_topic("raw-there", 1, &[]).await;
    write("raw-there", 0, 0..1).await;
    let mut source = start(&kafka, vec!["raw-there".to_owned(), topic.to_owned()], 1000).unwrap();
    let batch = next(&mut source).await;
    assert_eq!(&*batch.topic, "raw-there", "one that is missing does not keep the others waiting");
    make_topic(topic, 1, &[]).await;
    write(topic, 0, 0..2).await;
    let before = next(&mut source).await;
    assert_eq!(&*before.topic, topic);
    source.committer().commit(&before.topic, 0, before.last());
    drop(source);

    delete_topic(topic).await;
    make_topic(topic, 1, &[]).await;
    write(topic, 0, 7..8).await;
    let mut source = start(&kafka, vec![topic.to_owned()], 1000).unwrap();
    let after = next(&mut source).await;
    assert_eq!((after.last(), text(&after.records[0])), (0, "7"), "it is read from its beginning");
    assert_ne!(after.topic_id, before.topic_id, "and its offsets are others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_place_whose_records_are_gone_is_passed() {
    let (kafka, topic) = (kafka("raw-gone"), "raw-gone");
    make_topic(topic, 1, &[]).await;
    write(topic, 0, 0..8).await;
    let mut first = source(&kafka, topic);
    let name = next(&mut first).await.topic;
    first.committer().commit(&name, 0, 1);
    drop(first);
    let mut head = TopicPartitionList::new();
    head.add_partition_offset(topic, 0, Offset::Offset(5)).unwrap();
    admin().delete_records(&head, &AdminOptions::new()).await.unwrap();

    let mut second = source(&kafka, topic);
    assert_eq!(read(&mut second, 3).await.iter().map(|(_, r)| text(r)).collect::<Vec<_>>(), ["5", "6", "7"]);
    let committer = second.committer();
    committer.commit(&name, 0, 7);
    // Behind the last, so it moves nothing.
    committer.commit(&name, 0, 6);
    drop(second);
    let mut third = source(&kafka, topic);
    write(topic, 0, 8..9).await;
    assert_eq!(next(&mut third).await.last(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_goes_when_what_was_delivered_is_committed() {
    let (kafka, topic) = (kafka("raw-share"), "raw-share");
    make_topic(topic, 2, &[]).await;
    write(topic, 0, 0..3).await;
    write(topic, 1, 0..3).await;
    let mut first = source(&kafka, topic);
    let (committer, name) = (first.committer(), Arc::<str>::from(topic));
    assert_eq!(read(&mut first, 6).await.len(), 6);

    let mut second = source(&kafka, topic);
    let (early, _) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(3), second.next()),
        tokio::time::timeout(Duration::from_secs(3), first.next()),
    );
    assert!(early.is_err(), "{early:?} although the first has records in hand");
    committer.commit(&name, 0, 2);
    committer.commit(&name, 1, 2);
    write(topic, 0, 3..4).await;
    write(topic, 1, 3..4).await;
    let (a, b) = tokio::join!(next(&mut first), next(&mut second));
    assert_ne!(a.partition, b.partition);
    assert_eq!((text(&a.records[0]), text(&b.records[0])), ("3", "3"), "nothing twice, nothing lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_owner_gets_everything_and_holds_little() {
    let (kafka, topic) = (kafka("raw-slow"), "raw-slow");
    make_topic(topic, 1, &[]).await;
    let producer = producer(&[("compression.codec", "lz4")]);
    let value = vec![b'z'; 90_000];
    let sent = (0..1500).map(|_| produce(&producer, FutureRecord::to(topic).partition(0).payload(value.as_slice())));
    futures_util::future::join_all(sent).await;

    let mut source = source(&kafka, topic);
    let first = next(&mut source).await;
    // The thread fills its 32 MiB and stops; then all the rest must still come, in order.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut offsets: Vec<u64> = first.records.iter().map(|r| r.offset).collect();
    while offsets.len() < 1500 {
        offsets.extend(next(&mut source).await.records.iter().map(|r| r.offset));
    }
    assert!(offsets.iter().copied().eq(0..1500));
}

#[test]
fn properties_that_are_ours_are_refused() {
    let wrong = start(&configured("raw-wrong", &[("enable.auto.commit", "true")]), vec!["t".to_owned()], 1000).err();
    let expected = "remove kafka.librdkafka.enable.auto.commit: Filin sets it itself";
    assert_eq!(wrong, Some(Error::Stop(expected.to_owned())));
}
