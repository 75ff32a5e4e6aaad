//! The log.

use std::{collections::BTreeMap, time::Duration};

use filin::log::{
    Appender, Delivery, Entry, Error, Read, Reader,
    kafka::{Opened, Options, open},
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::AdminOptions,
    consumer::{BaseConsumer, Consumer},
};
use tokio::sync::oneshot;

use super::{admin, broker, broker::free_port, configured, delete_topic, kafka, make_topic, soon};
use filin::ops::{clock::Stopwatch, config::Kafka};

async fn log(kafka: &Kafka) -> Result<(Opened, Appender, Reader), Error> {
    let options = Options { kafka: kafka.clone(), retention: Duration::from_secs(86_400), max_line_bytes: 1 << 20, base: 0 };
    let (opened, appender, reader) = open(options).await?;
    Ok((opened, Appender::Kafka(appender), Reader::Kafka(reader)))
}

fn line(partition: u32, number: usize) -> Entry {
    Entry { partition, tenant: format!("t{partition}"), line: format!("{partition}/{number}").into_bytes() }
}

fn text(read: &Read) -> &str {
    std::str::from_utf8(&read.line).unwrap()
}

/// The partitions that come next, when all that comes before is an assignment.
async fn assigned(reader: &mut Reader) -> Vec<u32> {
    match soon("an assignment", reader.next()).await.unwrap() {
        Delivery::Assigned(partitions) => partitions,
        other => panic!("{other:?} instead of an assignment"),
    }
}

/// Reads until so many lines of each partition are there.
async fn read(reader: &mut Reader, wanted: &BTreeMap<u32, usize>) -> BTreeMap<u32, Vec<Read>> {
    let mut all: BTreeMap<u32, Vec<Read>> = BTreeMap::new();
    while wanted.iter().any(|(p, n)| all.get(p).map_or(0, Vec::len) < *n) {
        match soon("lines", reader.next()).await.unwrap() {
            Delivery::Lines { partition, lines, .. } => all.entry(partition).or_default().extend(lines),
            other => panic!("{other:?} instead of lines"),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_come_back_in_order_from_where_they_are_asked() {
    let kafka = kafka("log-order");
    let (opened, appender, mut reader) = log(&kafka).await.unwrap();
    assert_eq!(opened.partitions, 4);
    assert_eq!(opened.log_id.len(), 22, "a topic id in base 64: {}", opened.log_id);
    let again = log(&kafka).await.unwrap().0;
    assert_eq!(again, opened, "an existing topic is taken as it is");

    const LINES: usize = 12_000;
    appender.append((0..LINES).map(|n| line(1, n)).chain((0..10).map(|n| line(3, n))).collect()).await.unwrap();
    appender.append(Vec::new()).await.unwrap();

    assert_eq!(assigned(&mut reader).await, [0, 1, 2, 3]);
    let early = tokio::time::timeout(Duration::from_secs(1), reader.next()).await;
    assert!(early.is_err(), "{early:?} before any resume");
    reader.resume(1, None).await.unwrap();
    reader.resume(3, Some(4)).await.unwrap();
    let all = read(&mut reader, &BTreeMap::from([(1, LINES), (3, 5)])).await;
    assert!(all[&1].iter().enumerate().all(|(n, r)| text(r) == format!("1/{n}") && r.offset == n as u64));
    assert_eq!(all[&3].iter().map(text).collect::<Vec<_>>(), ["3/5", "3/6", "3/7", "3/8", "3/9"]);

    // What was read after a second resume is what was asked for last, whatever was on its way.
    appender.append(vec![line(1, LINES)]).await.unwrap();
    reader.resume(1, Some(LINES as u64 - 1)).await.unwrap();
    reader.resume(0, None).await.unwrap();
    let mut ends = Vec::new();
    while ends.len() < 2 {
        if let Delivery::Lines { partition, lines, behind } = soon("the ends", reader.next()).await.unwrap() {
            assert!(partition != 1 || lines.iter().all(|l| l.offset >= LINES as u64), "{partition} {lines:?}");
            if behind == 0 && !ends.contains(&partition) {
                ends.push(partition);
                assert_eq!(lines.len(), usize::from(partition == 1), "an empty partition says that it is at its end");
            }
        }
    }

    reader.commit(1, 41).await.unwrap();
    drop(reader);
    assert_eq!(committed(&kafka, 1), Offset::Offset(42));

    // The next one starts where its owner says, not where something was committed.
    let (_, _, mut reader) = log(&kafka).await.unwrap();
    let since = Stopwatch::start();
    assert_eq!(assigned(&mut reader).await, [0, 1, 2, 3]);
    assert!(since.elapsed() < Duration::from_secs(5), "the first reader left the group in order");
    reader.resume(1, Some(LINES as u64 - 3)).await.unwrap();
    let rest = read(&mut reader, &BTreeMap::from([(1, 3)])).await;
    assert_eq!(rest[&1].iter().map(|r| r.offset).collect::<Vec<_>>(), [11_998, 11_999, 12_000]);
    drop(reader);

    delete_topic(&kafka.log_topic).await;
    let made_anew = log(&kafka).await.unwrap().0;
    assert_ne!(made_anew.log_id, opened.log_id, "the same name is another log");
}

fn committed(kafka: &Kafka, partition: i32) -> Offset {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers.join(",")).set("group.id", format!("{}.log", kafka.group));
    let client: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(&kafka.log_topic, partition);
    client.committed_offsets(list, Duration::from_secs(10)).unwrap().elements()[0].offset()
}

/// A reader as scoring drives it: resumes behind what its partition had, keeps what it reads, and holds a revocation open until
/// told otherwise.
struct Scorer {
    stop: oneshot::Sender<()>,
    revoked: tokio::sync::mpsc::UnboundedReceiver<(Vec<u32>, oneshot::Sender<()>)>,
    assigned: tokio::sync::mpsc::UnboundedReceiver<Vec<u32>>,
    task: tokio::task::JoinHandle<()>,
}

type Store = std::sync::Arc<std::sync::Mutex<BTreeMap<u32, Vec<Read>>>>;

fn score(mut reader: Reader, store: Store) -> Scorer {
    let (stop, mut stopped) = oneshot::channel();
    let (say_revoked, revoked) = tokio::sync::mpsc::unbounded_channel();
    let (say_assigned, assigned) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            // Dropping `next` each time a timer fires must lose nothing.
            let delivery = tokio::select! {
                _ = &mut stopped => return,
                () = tokio::time::sleep(Duration::from_millis(3)) => continue,
                delivery = reader.next() => delivery.unwrap(),
            };
            match delivery {
                Delivery::Assigned(partitions) => {
                    for p in &partitions {
                        let after = store.lock().unwrap().get(p).and_then(|lines| lines.last().map(|l| l.offset));
                        reader.resume(*p, after).await.unwrap();
                    }
                    say_assigned.send(partitions).unwrap();
                }
                Delivery::Revoked(partitions, done) => say_revoked.send((partitions, done)).unwrap(),
                Delivery::Lines { partition, lines, .. } => store.lock().unwrap().entry(partition).or_default().extend(lines),
            }
        }
    });
    Scorer { stop, revoked, assigned, task }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_share_partitions_and_a_partition_goes_when_its_owner_is_done() {
    let kafka = kafka("log-share");
    let (_, appender, first) = log(&kafka).await.unwrap();
    let store = Store::default();
    let mut first = score(first, store.clone());
    assert_eq!(soon("all partitions", first.assigned.recv()).await.unwrap(), [0, 1, 2, 3]);

    let writing = {
        let appender = appender.clone();
        tokio::spawn(async move {
            for n in 0..200 {
                appender.append((0..4).map(|p| line(p, n)).collect()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };

    let (_, _, second) = log(&kafka).await.unwrap();
    let mut second = score(second, store.clone());
    let (gone, done) = soon("a revocation", first.revoked.recv()).await.unwrap();
    assert_eq!(gone.len(), 2, "{gone:?}");
    let early = tokio::time::timeout(Duration::from_secs(2), second.assigned.recv()).await;
    assert!(early.is_err(), "{early:?} before its owner was done");
    done.send(()).unwrap();
    assert_eq!(soon("the rest of an assignment", second.assigned.recv()).await.unwrap(), gone);

    // The second leaves: its partitions come back, and go on behind what it had read.
    soon("writing", writing).await.unwrap();
    second.stop.send(()).unwrap();
    second.task.await.unwrap();
    assert_eq!(soon("what the second had", first.assigned.recv()).await.unwrap(), gone);
    appender.append((0..4).map(|p| line(p, 200)).collect()).await.unwrap();
    soon("all lines", async {
        while store.lock().unwrap().values().map(Vec::len).sum::<usize>() < 4 * 201 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    first.stop.send(()).unwrap();
    first.task.await.unwrap();
    for (p, lines) in &*store.lock().unwrap() {
        let expected: Vec<String> = (0..=200).map(|n| format!("{p}/{n}")).collect();
        assert_eq!(lines.iter().map(text).collect::<Vec<_>>(), expected, "each line once and in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_are_said_to_be_and_come_back() {
    let mut nowhere = kafka("log-nowhere");
    nowhere.brokers = vec![format!("127.0.0.1:{}", free_port())];
    let since = Stopwatch::start();
    let refused = log(&nowhere).await.err();
    assert!(matches!(&refused, Some(Error::Away(why)) if why.contains("Connection refused")), "{refused:?}");
    assert!(since.elapsed() < Duration::from_secs(12), "{:?}", since.elapsed());

    let gate = &broker().gate;
    let mut kafka = kafka("log-away");
    kafka.brokers = vec![gate.host.clone()];
    gate.set(false);
    assert!(matches!(log(&kafka).await, Err(Error::Away(_))));
    gate.set(true);
    let (_, appender, mut reader) = log(&kafka).await.unwrap();
    appender.append(vec![line(2, 0)]).await.unwrap();
    assert_eq!(assigned(&mut reader).await, [0, 1, 2, 3]);
    reader.resume(2, None).await.unwrap();
    assert_eq!(read(&mut reader, &BTreeMap::from([(2, 1)])).await[&2].len(), 1);

    // An append gives up waiting; its lines keep their place, so its repetition comes behind them.
    gate.set(false);
    let gone = appender.append((1..=3).map(|n| line(2, n)).collect()).await;
    assert!(matches!(gone, Err(Error::Away(_))), "{gone:?}");
    gate.set(true);
    soon("an append", async { while appender.append((1..=3).map(|n| line(2, n)).collect()).await.is_err() {} }).await;
    appender.append(vec![line(2, 4)]).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    while seen.last().is_none_or(|l| l != "2/4") {
        if let Delivery::Lines { lines, .. } = soon("lines after the outage", reader.next()).await.unwrap() {
            seen.extend(lines.iter().map(|l| text(l).to_owned()));
        }
    }
    assert_eq!(seen[..3], ["2/1", "2/2", "2/3"], "{seen:?}");
    assert!(seen.len() == 4 || seen[3..] == ["2/1", "2/2", "2/3", "2/4"], "no gap, no other order: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_succeed_says_what_to_do() {
    let check = async |kafka: Kafka, expected: &str| match log(&kafka).await {
        Err(Error::Stop(why)) => assert!(why.contains(expected), "{why}"),
        other => panic!("{:?} instead of: {expected}", other.map(|(o, ..)| o)),
    };
    check(configured("log-wrong", &[("acks", "1")]), "remove kafka.librdkafka.acks").await;
    check(configured("log-wrong", &[("no.such", "1")]), "no.such").await;
    let compacted = kafka("log-compacted");
    make_topic(&compacted.log_topic, 1, &[("cleanup.policy", "compact")]).await;
    check(compacted, "set cleanup.policy=delete").await;
    let mut named = kafka("log-named");
    named.log_topic = "no/such/name".to_owned();
    check(named, "no/such/name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_too_long_is_refused_before_it_is_sent() {
    let kafka = kafka("log-long");
    make_topic(&kafka.log_topic, 1, &[("max.message.bytes", "100000")]).await;
    let (opened, appender, mut reader) = log(&kafka).await.unwrap();
    assert!((99_000..100_000).contains(&opened.max_line_bytes), "{}", opened.max_line_bytes);
    let long = |bytes: usize| vec![Entry { partition: 0, tenant: "t".to_owned(), line: vec![b'x'; bytes] }];
    let refused = appender.append(long(opened.max_line_bytes)).await;
    assert!(matches!(&refused, Err(Error::Stop(why)) if why.contains("bytes cannot be appended")), "{refused:?}");
    appender.append(long(opened.max_line_bytes - 1)).await.unwrap();
    assert_eq!(assigned(&mut reader).await, [0]);
    reader.resume(0, None).await.unwrap();
    assert_eq!(read(&mut reader, &BTreeMap::from([(0, 1)])).await[&0][0].line.len(), opened.max_line_bytes - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_head_is_gone_goes_on_and_one_that_was_cut_stops() {
    let kafka = kafka("log-cut");
    let (_, appender, mut reader) = log(&kafka).await.unwrap();
    appender.append((0..10).map(|n| line(0, n)).collect()).await.unwrap();
    let mut head = TopicPartitionList::new();
    head.add_partition_offset(&kafka.log_topic, 0, Offset::Offset(6)).unwrap();
    admin().delete_records(&head, &AdminOptions::new()).await.unwrap();

    assert_eq!(assigned(&mut reader).await, [0, 1, 2, 3]);
    reader.resume(0, Some(1)).await.unwrap();
    let left = read(&mut reader, &BTreeMap::from([(0, 4)])).await;
    assert_eq!(left[&0].iter().map(text).collect::<Vec<_>>(), ["0/6", "0/7", "0/8", "0/9"]);
    drop(reader);

    let (_, _, mut reader) = log(&kafka).await.unwrap();
    assert_eq!(assigned(&mut reader).await, [0, 1, 2, 3]);
    reader.resume(0, Some(17)).await.unwrap();
    let stopped = soon("a refusal", async {
        loop {
            if let Err(e) = reader.next().await {
                return e;
            }
        }
    })
    .await;
    assert!(matches!(&stopped, Error::Stop(why) if why.contains("ends at 10, but 18 was to come")), "{stopped}");
}
