//! The log as a table of the ClickHouse in use: one instance only.

use std::{collections::BTreeMap, time::Duration};

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Delivery, Entry, Error, Read};

/// At most so many lines go into one insert.
const BLOCK: usize = 50_000;
/// At most so many lines are read at once.
const CHUNK: usize = 10_000;
/// At most so many appends wait.
const QUEUE: usize = 64;

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

/// Reads up to what is durable.
pub struct Reader {
    client: clickhouse::Client,
    ends: watch::Receiver<Ends>,
    /// Resumed partitions, with the last delivered sequence number.
    position: BTreeMap<u32, Option<u64>>,
    partitions: u32,
    assigned: bool,
}

/// Opens the log of `partitions` partitions. The returned future is the appender's task; it ends when all appenders are gone.
///
/// # Errors
/// When the table cannot be read.
pub async fn open(client: clickhouse::Client, partitions: u32) -> Result<(Appender, Reader, impl Future<Output = ()>), Error> {
    let found = client.query("SELECT partition, max(seq) FROM log GROUP BY partition").fetch_all::<(u32, u64)>().await;
    let ends: Ends = found.map_err(|e| Error::Away(e.to_string()))?.into_iter().collect();
    let next = ends.values().max().map_or(0, |m| m + 1);
    let (jobs, queue) = mpsc::channel(QUEUE);
    let (publish, watch) = watch::channel(ends);
    let reader = Reader { client: client.clone(), ends: watch, position: BTreeMap::new(), partitions, assigned: false };
    Ok((Appender { jobs }, reader, write(client, queue, publish, next)))
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
async fn write(client: clickhouse::Client, mut queue: mpsc::Receiver<Job>, publish: watch::Sender<Ends>, mut next: u64) {
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
        let mut wait = Duration::from_millis(100);
        while let Err(e) = insert(&client, &jobs, next).await {
            tracing::warn!(error = %e, "the log could not be written, trying again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
            if queue.is_closed() {
                return;
            }
        }
        publish.send_modify(|ends| {
            for entry in jobs.iter().flat_map(|(entries, _)| entries) {
                ends.insert(entry.partition, next);
                next += 1;
            }
        });
        for (_, done) in jobs.drain(..) {
            // Whoever asked may be gone; the lines are stored all the same.
            drop(done.send(Ok(())));
        }
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
        let found = self.client.query(query).bind(partition).bind(from).bind(end).bind(CHUNK).fetch_all::<Stored>().await?;
        let mut lines: Vec<Read> = found.into_iter().map(|s| Read { offset: s.seq, line: s.record.into_bytes() }).collect();
        lines.dedup_by_key(|l| l.offset);
        Ok(lines)
    }
}
