//! What is produced: made-up companies, a raw topic each, in a known order and with known ids.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::RngCore as _};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

use super::parts::{PARTITIONS, filin};

/// How many lines of each tenant go out at once, and how often.
const BATCH: usize = 24;
const PAUSE: Duration = Duration::from_millis(100);

/// A tenant and what was produced of it.
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) topic: String,
    lines: Vec<String>,
    next: usize,
    /// Every event line, in the order of the raw partition.
    pub(crate) sent: Vec<String>,
    pub(crate) ids: BTreeSet<String>,
}

/// What the producer does beside producing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Sends batches twice.
    pub(crate) doubled: bool,
    /// Sends neighbours in another order.
    pub(crate) reordered: bool,
}

/// All tenants, and lines that are no events, by topic and offset.
pub(crate) struct Feed {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) junk: BTreeSet<(String, u64)>,
    pub(crate) manner: Manner,
    rng: Xoshiro256PlusPlus,
    /// Lines sent a second time.
    pub(crate) doubles: usize,
}

/// Makes the companies: one tenant per partition of the log, so that every instance has some.
pub(crate) fn companies(folder: &Path, seed: u64, days: u32) -> Result<Feed> {
    let mut tenants = Vec::new();
    let mut tables = ["users.csv", "clients.csv", "orders.csv"].map(|name| (name, String::new()));
    for partition in 0..PARTITIONS {
        let name = (0..).map(|n| format!("t{n}")).find(|t| filin::log::partition_of(t, PARTITIONS) == partition).context("a name")?;
        let out = folder.join("companies").join(&name);
        let made = filin()
            .args(["simulate", "--managers", "12", "--attacks", "--attack-from", "1", "--start", "2026-06-01"])
            .args(["--days", &days.to_string(), "--seed", &(seed * 10 + u64::from(partition)).to_string(), "--out"])
            .arg(&out)
            .output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (file, all) in &mut tables {
            let text = fs::read_to_string(out.join(*file))?;
            let mut lines = text.lines();
            let head = lines.next().context("a header")?;
            ensure!(head.starts_with("tenant,"), "{file} begins with {head}");
            if all.is_empty() {
                writeln!(all, "{head}")?;
            }
            for line in lines {
                let (_, rest) = line.split_once(',').context("cells")?;
                writeln!(all, "{name},{rest}")?;
            }
        }
        let lines = fs::read_to_string(out.join("events.jsonl"))?.lines().map(|line| of(&name, line)).collect::<Result<_>>()?;
        tenants.push(Tenant { topic: format!("raw.{name}"), name, lines, next: 0, sent: Vec::new(), ids: BTreeSet::new() });
    }
    for (file, all) in tables {
        fs::write(folder.join(file), all)?;
    }
    let rng = rand_xoshiro::rand_core::SeedableRng::seed_from_u64(seed);
    Ok(Feed { tenants, junk: BTreeSet::new(), manner: Manner::default(), rng, doubles: 0 })
}

/// The event as one of this tenant.
fn of(tenant: &str, line: &str) -> Result<String> {
    let mut event: serde_json::Value = serde_json::from_str(line)?;
    event["tenant"] = tenant.into();
    Ok(event.to_string())
}

fn id_of(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(event["id"].as_str()?.to_owned())
}

impl Feed {
    /// Events that are left of the company that has the fewest; tenants that joined have few by intention.
    pub(crate) fn left(&self) -> usize {
        self.tenants.iter().take(PARTITIONS as usize).map(|t| t.lines.len() - t.next).min().unwrap_or_default()
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.rng.next_u64().is_multiple_of(one_in)
    }

    /// A new tenant, whose events are those of another under its name.
    pub(crate) fn join(&mut self, name: &str, topic: &str, n: usize) {
        let first = &self.tenants[0];
        let own = |line: &String| of(name, line).expect("it was read before");
        let lines = first.lines[..n.min(first.lines.len())].iter().map(own).collect();
        self.tenants.push(Tenant {
            name: name.to_owned(),
            topic: topic.to_owned(),
            lines,
            next: 0,
            sent: Vec::new(),
            ids: BTreeSet::new(),
        });
    }

    /// Sends one batch of every tenant and waits until the brokers have them: an idempotent producer keeps their order.
    async fn step(&mut self, producer: &FutureProducer) -> Result<()> {
        for n in 0..self.tenants.len() {
            let tenant = &mut self.tenants[n];
            let until = (tenant.next + BATCH).min(tenant.lines.len());
            let mut batch: Vec<String> = tenant.lines[tenant.next..until].to_vec();
            tenant.next = until;
            if batch.is_empty() {
                continue;
            }
            if self.manner.reordered {
                for i in (1..batch.len()).rev() {
                    let j = usize::try_from(self.rng.next_u64() % (i as u64 + 1))?;
                    batch.swap(i, j);
                }
            }
            if self.manner.doubled && self.chance(3) {
                let tenant = &self.tenants[n];
                let again = tenant.sent[tenant.sent.len().saturating_sub(3 * BATCH)..].to_vec();
                self.doubles += again.len();
                batch.extend(again);
            }
            if self.chance(20) {
                batch.push(format!("{{\"id\":\"broken {}", self.rng.next_u64()));
            }
            let topic = self.tenants[n].topic.clone();
            let mut reports = Vec::new();
            for line in &batch {
                let record = FutureRecord::<(), str>::to(&topic).partition(0).payload(line);
                reports.push(producer.send_result(record).map_err(|(e, _)| e)?);
            }
            for (report, line) in reports.into_iter().zip(batch) {
                let at = report.await?.map_err(|(e, _)| e)?;
                let tenant = &mut self.tenants[n];
                match id_of(&line) {
                    Some(id) => {
                        tenant.ids.insert(id);
                        tenant.sent.push(line);
                    }
                    None => drop(self.junk.insert((topic.clone(), u64::try_from(at.offset)?))),
                }
            }
        }
        Ok(())
    }
}

/// Produces in a thread of its own until it is told to stop.
pub(crate) struct Producing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Producing {
    pub(crate) fn start(feed: &Arc<Mutex<Feed>>, brokers: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("acks", "all").set("message.timeout.ms", "0");
        let producer: FutureProducer = config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg).create()?;
        let (feed, stop) = (Arc::clone(feed), Arc::<AtomicBool>::default());
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            while !told.load(Ordering::Acquire) {
                runtime.block_on(feed.lock().expect("no holder panics").step(&producer))?;
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the producer panicked"))?
    }
}
