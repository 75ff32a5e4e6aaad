//! What must hold after every fault: (i) what is stored is what the log gives, (ii) every produced id is in the log and everything
//! else is a dead letter, (iii) the alerts are those of an undisturbed run over the same lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::BaseConsumer, consumer::Consumer as _};

use super::{
    feed::Feed,
    parts::{PARTITIONS, filin, wait},
};

/// How long everything may take to be scored and checkpointed, once nothing is produced any more.
const SETTLE: Duration = Duration::from_secs(120);
const LOG: &str = "chaos.log";

/// Reads the log along.
pub(crate) struct Logged {
    consumer: BaseConsumer,
    next: BTreeMap<i32, i64>,
    /// (tenant, id) of all events.
    pub(crate) ids: BTreeSet<(String, String)>,
    /// Event lines whose id was there before.
    pub(crate) repeated: usize,
    /// Policies per tenant, and rows of users that came again.
    pub(crate) policies: BTreeMap<String, usize>,
    users: BTreeSet<String>,
    pub(crate) users_again: usize,
}

impl Logged {
    pub(crate) fn new(consumer: BaseConsumer) -> Self {
        let (ids, policies, users) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        Self { consumer, next: BTreeMap::new(), ids, repeated: 0, policies, users, users_again: 0 }
    }

    /// Where each partition ends.
    pub(crate) fn ends(&self) -> Result<BTreeMap<u32, u64>> {
        let mut ends = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let (_, high) = self.consumer.fetch_watermarks(LOG, i32::try_from(partition)?, Duration::from_secs(20))?;
            ends.insert(partition, u64::try_from(high)?);
        }
        Ok(ends)
    }

    /// Reads to the end as it is now.
    pub(crate) fn read(&mut self) -> Result<()> {
        for (partition, end) in self.ends()? {
            let partition = i32::try_from(partition)?;
            let at = self.next.get(&partition).copied().unwrap_or_default();
            if u64::try_from(at)? >= end {
                continue;
            }
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(LOG, partition, Offset::Offset(at))?;
            self.consumer.assign(&list)?;
            let mut next = at;
            while u64::try_from(next)? < end {
                let message = match self.consumer.poll(Duration::from_secs(30)) {
                    Some(Ok(message)) => message,
                    Some(Err(_)) => continue,
                    None => bail!("the log's partition {partition} gives nothing at {next} of {end}"),
                };
                next = message.offset() + 1;
                let line: serde_json::Value = serde_json::from_slice(message.payload().context("a line")?)?;
                let tenant = line["tenant"].as_str().unwrap_or_default().to_owned();
                if let Some(id) = line["event"]["event"]["id"].as_str() {
                    self.repeated += usize::from(!self.ids.insert((tenant, id.to_owned())));
                } else if line.get("policy").is_some() {
                    *self.policies.entry(tenant).or_default() += 1;
                } else if let Some(user) = line.get("user") {
                    self.users_again += usize::from(!self.users.insert(format!("{tenant} {user}")));
                }
            }
            self.next.insert(partition, next);
        }
        Ok(())
    }
}

/// What a moment's store says of the log: per partition, its newest checkpoint and the last offset of which an event is stored.
pub(crate) struct Moment {
    pub(crate) checkpoint: BTreeMap<u32, u64>,
    pub(crate) stored: BTreeMap<u32, u64>,
}

impl Moment {
    pub(crate) async fn now(client: &clickhouse::Client) -> Result<Self> {
        let pairs = async |sql: &str| Ok::<_, clickhouse::error::Error>(client.query(sql).fetch_all::<(u32, u64)>().await?);
        Ok(Self {
            checkpoint: pairs("SELECT partition, max(log_offset) FROM checkpoints GROUP BY partition").await?.into_iter().collect(),
            stored: pairs("SELECT log_partition, max(log_offset) FROM events GROUP BY log_partition").await?.into_iter().collect(),
        })
    }

    /// The oldest and the newest generation of states that each partition has.
    pub(crate) async fn generations(client: &clickhouse::Client) -> Result<BTreeMap<u32, (u32, u32)>> {
        let query = "SELECT partition, min(generation), max(generation) FROM tenant_state GROUP BY partition";
        let rows = client.query(query).fetch_all::<(u32, u32, u32)>().await?;
        Ok(rows.into_iter().map(|(partition, oldest, newest)| (partition, (oldest, newest))).collect())
    }

    /// Records that are stored and not checkpointed: who takes a partition over now scores them again.
    pub(crate) fn beyond(&self) -> u64 {
        self.beyond_in(|_| true)
    }

    /// Those of some partitions.
    pub(crate) fn beyond_in(&self, is_meant: impl Fn(u32) -> bool) -> u64 {
        let checkpoint = |p: &u32| self.checkpoint.get(p).copied();
        let meant = self.stored.iter().filter(|(p, _)| is_meant(**p));
        meant.map(|(p, stored)| checkpoint(p).map_or(stored + 1, |c| stored.saturating_sub(c))).sum()
    }
}

/// Waits until every produced line is in the log or a dead letter, and the log is checkpointed to its end.
pub(crate) fn settle(
    runtime: &tokio::runtime::Runtime,
    client: &clickhouse::Client,
    logged: &mut Logged,
    feed: &Feed,
) -> Result<Result<(), String>> {
    let mut missing = String::new();
    let settled = wait("", SETTLE, || {
        missing = match outstanding(runtime, client, logged, feed) {
            Ok(None) => return Some(()),
            Ok(Some(what)) => what,
            Err(e) => e.to_string(),
        };
        std::thread::sleep(Duration::from_millis(300));
        None
    });
    Ok(settled.map_err(|_| format!("after {} s: {missing}", SETTLE.as_secs())))
}

fn outstanding(runtime: &tokio::runtime::Runtime, client: &clickhouse::Client, logged: &mut Logged, feed: &Feed) -> Result<Option<String>> {
    logged.read()?;
    for tenant in &feed.tenants {
        let absent = |id: &&String| !logged.ids.contains(&(tenant.name.clone(), (*id).clone()));
        if let Some(id) = tenant.ids.iter().find(absent) {
            return Ok(Some(format!("event {id} of {} was produced and is not in the log", tenant.name)));
        }
    }
    let letters = "SELECT DISTINCT source, offset FROM dead_letters WHERE code != ''";
    let letters: BTreeSet<(String, u64)> = runtime.block_on(client.query(letters).fetch_all())?.into_iter().collect();
    if let Some((topic, offset)) = feed.junk.difference(&letters).next() {
        return Ok(Some(format!("line {offset} of {topic} is no event, and no dead letter names it")));
    }
    let ends = logged.ends()?;
    let moment = runtime.block_on(Moment::now(client))?;
    for (partition, end) in ends {
        let at = moment.checkpoint.get(&partition).copied();
        if end > 0 && at != Some(end - 1) {
            return Ok(Some(format!("partition {partition} ends at {end} and is checkpointed at {at:?}")));
        }
    }
    Ok(None)
}

/// The first difference, if there is one; asked beside the running instances.
pub(crate) fn differs(folder: &Path, feed: &Feed) -> Result<Option<String>> {
    let config = folder.join("filin.toml");
    let (stored, from_log) = (folder.join("stored.jsonl"), folder.join("from-log.jsonl"));
    let out = filin()
        .args(["replay", "--from-log", "--verify", "--config"])
        .arg(&config)
        .args(["--stored".as_ref(), stored.as_os_str(), "--alerts".as_ref(), from_log.as_os_str()])
        .env("FILIN_LOG", "warn")
        .output()?;
    if !out.status.success() {
        return Ok(Some(format!("(i) {}", String::from_utf8_lossy(&out.stderr).trim())));
    }
    let stored = by_tenant(&stored)?;
    for tenant in &feed.tenants {
        if tenant.sent.is_empty() {
            continue;
        }
        let of = |what: &str| -> PathBuf { folder.join(format!("{}.{what}", tenant.name)) };
        fs::write(of("sent.jsonl"), tenant.sent.join("\n") + "\n")?;
        fs::write(of("toml"), format!("tenant = \"{}\"\n", tenant.name))?;
        let out = filin()
            .args(["replay", "--as-delivered", "--json", "--config"])
            .arg(&config)
            .arg("--binding")
            .arg(of("toml"))
            .arg("--events")
            .arg(of("sent.jsonl"))
            .arg("--alerts")
            .arg(of("alerts.jsonl"))
            .env("FILIN_LOG", "warn")
            .output()?;
        if !out.status.success() {
            bail!("replay of {}: {}", tenant.name, String::from_utf8_lossy(&out.stderr));
        }
        let undisturbed = by_tenant(&of("alerts.jsonl"))?.remove(&tenant.name).unwrap_or_default();
        let stored = stored.get(&tenant.name).cloned().unwrap_or_default();
        if let Some(line) = undisturbed.symmetric_difference(&stored).next() {
            let whose = if stored.contains(line) { "stored, the undisturbed run does not give it" } else { "the undisturbed run gives it" };
            let (a, b) = (undisturbed.len(), stored.len());
            return Ok(Some(format!("(iii) {whose} ({a} versions undisturbed, {b} stored): {}", &line[..line.len().min(400)])));
        }
    }
    Ok(None)
}

/// Lines of alerts as they are, by tenant.
fn by_tenant(path: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for line in fs::read_to_string(path)?.lines() {
        let alert: serde_json::Value = serde_json::from_str(line)?;
        all.entry(alert["tenant"].as_str().unwrap_or_default().to_owned()).or_default().insert(line.to_owned());
    }
    Ok(all)
}
