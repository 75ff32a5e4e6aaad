//! The log as a table of the ClickHouse in use: one instance only.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Delivery, Entry, Error, Read};
use crate::ops::{
    happening::{StoreAway, StoreBack},
    metrics::Metrics,
};

/// At most so many lines go into one insert.
const BLOCK: usize = 50_000;
/// At most so many lines are read at once.
const CHUNK: usize = 10_000;
/// At most so many appends wait.
const QUEUE: usize = 64;
/// At most so many of the newest lines are kept in memory, and so many bytes of them.
const TAIL: usize = 20_000;
const TAIL_BYTES: usize = 32 << 20;

#[derive(Row, Serialize)]
struct Line<'a> {
    partition: u32,
    seq: u64,
    tenant: &'a str,
    record: &'a str,
}

#[derive(Row, Deserialize)]
struct Stored {
    seq: u64,
    record: String,
}

/// Per partition, the greatest sequence number that is durable.
type Ends = BTreeMap<u32, u64>;

type Job = (Vec<Entry>, oneshot::Sender<Result<(), Error>>);

/// Appends by group commit: whatever waits goes into one insert.
#[derive(Clone)]
pub struct Appender {
    jobs: mpsc::Sender<Job>,
}

/// The newest durable lines: a reader that keeps up needs no query.
struct Tail {
    /// Every line from this sequence number on is here.
    first: u64,
    lines: VecDeque<(u64, Entry)>,
    bytes: usize,
}

/// Reads up to what is durable.
pub struct Reader {
    client: clickhouse::Client,
    ends: watch::Receiver<Ends>,
    tail: Arc<Mutex<Tail>>,
    /// Resumed partitions, with the last delivered sequence number.
    position: BTreeMap<u32, Option<u64>>,
    partitions: u32,
    assigned: bool,
}

/// Opens the log of `partitions` partitions. The returned future is the appender's task; it ends when all appenders are gone.
///
/// # Errors
/// When the table cannot be read.
pub async fn open(
    client: clickhouse::Client,
    partitions: u32,
    metrics: Metrics,
) -> Result<(Appender, Reader, impl Future<Output = ()>), Error> {
    let found = client.query("SELECT partition, max(seq) FROM log GROUP BY partition").fetch_all::<(u32, u64)>().await;
    let ends: Ends = found.map_err(|e| Error::Away(e.to_string()))?.into_iter().collect();
    // Retention may have emptied the table: numbers that were given once are never given again.
    let given = "SELECT max(next) FROM (SELECT if(count() = 0, 0, max(seq) + 1) AS next FROM log \
                 UNION ALL SELECT if(count() = 0, 0, max(log_offset) + 1) AS next FROM checkpoints \
                 UNION ALL SELECT if(count() = 0, 0, max(log_offset) + 1) AS next FROM events)";
    let next = client.query(given).fetch_one::<u64>().await.map_err(|e| Error::Away(e.to_string()))?;
    let (jobs, queue) = mpsc::channel(QUEUE);
    let (publish, watch) = watch::channel(ends);
    let tail = Arc::new(Mutex::new(Tail { first: next, lines: VecDeque::new(), bytes: 0 }));
    let reader =
        Reader { client: client.clone(), ends: watch, tail: Arc::clone(&tail), position: BTreeMap::new(), partitions, assigned: false };
    Ok((Appender { jobs }, reader, write(client, queue, publish, tail, next, metrics)))
}

impl Appender {
    pub(super) async fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let gone = || Error::Stop("the log was closed".to_owned());
        let (done, wait) = oneshot::channel();
        self.jobs.send((entries, done)).await.map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?
    }
}

/// Sequence numbers are given here and nowhere else. A block that failed is tried again with the same numbers and content, so
/// an insert whose answer was lost leaves equal rows, which the reader skips.
async fn write(
    client: clickhouse::Client,
    mut queue: mpsc::Receiver<Job>,
    publish: watch::Sender<Ends>,
    tail: Arc<Mutex<Tail>>,
    mut next: u64,
    metrics: Metrics,
) {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        let Some(first) = queue.recv().await else { return };
        let mut rows = first.0.len();
        jobs.push(first);
        while rows < BLOCK {
            let Ok(job) = queue.try_recv() else { break };
            rows += job.0.len();
            jobs.push(job);
        }
        let (mut wait, mut attempt) = (Duration::from_millis(100), 0);
        while let Err(e) = insert(&client, &jobs, next).await {
            attempt += 1;
            StoreAway { what: "lines of the log", error: &e, attempt }.emit(&metrics);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
            if queue.is_closed() {
                return;
            }
        }
        if attempt > 0 {
            StoreBack.emit(&metrics);
        }
        let (entries, waiting): (Vec<_>, Vec<_>) = jobs.drain(..).unzip();
        publish.send_modify(|ends| {
            let mut tail = tail.lock().expect("no holder panics");
            for entry in entries.into_iter().flatten() {
                ends.insert(entry.partition, next);
                tail.push(next, entry);
                next += 1;
            }
        });
        for done in waiting {
            // Whoever asked may be gone; the lines are stored all the same.
            drop(done.send(Ok(())));
        }
    }
}

impl Tail {
    fn push(&mut self, seq: u64, entry: Entry) {
        self.bytes += entry.line.len();
        self.lines.push_back((seq, entry));
        while self.lines.len() > TAIL || self.bytes > TAIL_BYTES {
            let Some((gone, entry)) = self.lines.pop_front() else { return };
            self.bytes -= entry.line.len();
            self.first = gone + 1;
        }
    }

    /// The next lines of a partition from a sequence number on; none when some of them are no longer here.
    fn read(&self, partition: u32, from: u64, end: u64) -> Option<Vec<Read>> {
        if from < self.first {
            return None;
        }
        let lines = self.lines.range(self.lines.partition_point(|(seq, _)| *seq < from)..);
        let ours = lines.take_while(|(seq, _)| *seq <= end).filter(|(_, e)| e.partition == partition).take(CHUNK);
        Some(ours.map(|(seq, e)| Read { offset: *seq, line: e.line.clone() }).collect())
    }
}

async fn insert(client: &clickhouse::Client, jobs: &[Job], next: u64) -> Result<(), clickhouse::error::Error> {
    let mut insert = client.insert::<Line<'_>>("log").await?;
    for (seq, entry) in (next..).zip(jobs.iter().flat_map(|(entries, _)| entries)) {
        let record = std::str::from_utf8(&entry.line).expect("serde_json writes UTF-8");
        insert.write(&Line { partition: entry.partition, seq, tenant: &entry.tenant, record }).await?;
    }
    insert.end().await
}

impl Reader {
    pub(super) fn resume(&mut self, partition: u32, after: Option<u64>) -> Result<(), Error> {
        self.position.insert(partition, after);
        self.ends.mark_changed();
        Ok(())
    }

    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        if !self.assigned {
            self.assigned = true;
            return Ok(Delivery::Assigned((0..self.partitions).collect()));
        }
        loop {
            let due = {
                let ends = self.ends.borrow_and_update();
                self.position.iter().find_map(|(p, at)| {
                    let end = ends.get(p).copied()?;
                    at.is_none_or(|at| at < end).then_some((*p, *at, end))
                })
            };
            let Some((partition, after, end)) = due else {
                self.ends.changed().await.map_err(|_| Error::Stop("the log was closed".to_owned()))?;
                continue;
            };
            match self.read(partition, after, end).await {
                Ok(lines) => {
                    // An end without lines means that retention took them.
                    let last = lines.last().map_or(end, |l| l.offset);
                    self.position.insert(partition, Some(last));
                    if !lines.is_empty() {
                        return Ok(Delivery::Lines { partition, lines, behind: end - last });
                    }
                }
                Err(e) => {
                    tracing::warn!(error = %e, "the log could not be read, trying again");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn read(&self, partition: u32, after: Option<u64>, end: u64) -> Result<Vec<Read>, clickhouse::error::Error> {
        let query = "SELECT seq, record FROM log WHERE partition = ? AND seq >= ? AND seq <= ? ORDER BY seq LIMIT ?";
        let from = after.map_or(0, |a| a + 1);
        if let Some(lines) = self.tail.lock().expect("no holder panics").read(partition, from, end) {
            return Ok(lines);
        }
        let found = self.client.query(query).bind(partition).bind(from).bind(end).bind(CHUNK).fetch_all::<Stored>().await?;
        let mut lines: Vec<Read> = found.into_iter().map(|s| Read { offset: s.seq, line: s.record.into_bytes() }).collect();
        lines.dedup_by_key(|l| l.offset);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_gives_all_of_a_partition_or_says_that_it_cannot() {
        let mut tail = Tail { first: 7, lines: VecDeque::new(), bytes: 0 };
        let line = |n: u64| Entry { partition: u32::from(n % 2 == 1), tenant: "t".to_owned(), line: n.to_string().into_bytes() };
        let offsets = |tail: &Tail, partition, from, end| -> Option<Vec<u64>> {
            tail.read(partition, from, end).map(|lines| lines.iter().map(|l| l.offset).collect())
        };
        assert_eq!(offsets(&tail, 0, 7, 6), Some(vec![]));
        (7..12).for_each(|n| tail.push(n, line(n)));
        assert_eq!(offsets(&tail, 1, 7, 11), Some(vec![7, 9, 11]));
        assert_eq!(offsets(&tail, 1, 8, 10), Some(vec![9]));
        assert_eq!(offsets(&tail, 0, 6, 11), None, "line 6 was never here");
        (12..7 + TAIL as u64 + 2).for_each(|n| tail.push(n, line(n)));
        assert_eq!((tail.first, tail.lines.len()), (9, TAIL));
        assert_eq!(offsets(&tail, 1, 8, 11), None, "line 8 is gone");
        assert_eq!(offsets(&tail, 1, 9, 11), Some(vec![9, 11]));
        tail.push(90_000, Entry { line: vec![0; TAIL_BYTES], ..line(0) });
        assert_eq!((tail.lines.len(), tail.bytes, tail.first), (1, TAIL_BYTES, 7 + TAIL as u64 + 2));
    }
}
