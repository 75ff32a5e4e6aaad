//! States carried from one log to the next: the same bytes under another log, other partitions, another offset.

use std::collections::BTreeMap;

use super::{
    Error, Keep,
    integrity::{Chained, Salts, Seal},
    state::{Checkpoint, drop_generation, newest},
};

/// Where a new log begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The new log.
    pub log_id: String,
    /// Its partitions.
    pub partitions: u32,
    /// The offset of its first checkpoints: above all of the log before, below all of its own.
    pub at: u64,
    /// The version that writes them.
    pub engine: String,
    /// When, milliseconds since 1970.
    pub now: i64,
}

/// How much was carried over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Carried {
    /// Organisations.
    pub tenants: u64,
    /// Managers with a state.
    pub managers: u64,
}

/// The greatest offset that anything stored has: those of a new log go on behind it, so that of two rows the later one is the later one.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn greatest(client: &clickhouse::Client) -> Result<u64, Error> {
    let all = ["SELECT max(seq) FROM log", "SELECT max(log_offset) FROM checkpoints", "SELECT max(log_offset) FROM events"];
    let mut greatest = 0;
    for sql in all {
        greatest = greatest.max(client.query(sql).fetch_one::<u64>().await?);
    }
    Ok(greatest)
}

/// The last offset of each partition of the local log.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn ends(client: &clickhouse::Client) -> Result<Vec<(u32, u64)>, Error> {
    Ok(client.query("SELECT partition, max(seq) FROM log GROUP BY partition ORDER BY partition").fetch_all().await?)
}

/// Up to where the partitions of a log are scored and stored: those that have a checkpoint.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn scored(client: &clickhouse::Client, log_id: &str) -> Result<BTreeMap<u32, u64>, Error> {
    let sql = "SELECT partition, max(log_offset) FROM checkpoints WHERE log_id = ? GROUP BY partition";
    Ok(client.query(sql).bind(log_id).fetch_all::<(u32, u64)>().await?.into_iter().collect())
}

/// Copies the states of a log to the beginning of another, and gives each of its partitions a checkpoint and the head of a chain. Doing it
/// again writes the same again.
///
/// # Errors
/// When ClickHouse is away or refuses; the log before is untouched.
pub async fn carry(
    client: &clickhouse::Client,
    log_id: &str,
    to: &Beginning,
    seal: &Seal,
    place: impl Fn(&str) -> u32,
) -> Result<Carried, Error> {
    let mut carried = Carried::default();
    let mut generation = 0;
    let mut sources = Vec::new();
    for partition in scored(client, log_id).await?.into_keys() {
        if let Some(at) = newest(client, log_id, partition).await? {
            generation = generation.max(at.generation);
            sources.push(at);
        }
    }
    let of = "log_id = ? AND partition = ? AND generation = ? AND epoch BETWEEN ? AND ?";
    for at in &sources {
        let tenants = client.query(&format!("SELECT DISTINCT tenant FROM tenant_state WHERE {of} ORDER BY tenant"));
        let tenants = tenants.bind(&at.log_id).bind(at.partition).bind(at.generation).bind(at.base).bind(at.log_offset);
        for tenant in tenants.fetch_all::<String>().await? {
            let shared = format!(
                "INSERT INTO tenant_state SELECT ?, toUInt32(?), toUInt32(?), tenant, toUInt64(?), state FROM tenant_state \
                 WHERE {of} AND tenant = ? ORDER BY epoch DESC LIMIT 1"
            );
            let managers = format!(
                "INSERT INTO manager_state SELECT ?, toUInt32(?), toUInt32(?), tenant, manager, toUInt64(?), state FROM \
                 (SELECT tenant, manager, state FROM manager_state WHERE {of} AND tenant = ? ORDER BY manager, epoch DESC LIMIT 1 BY manager) \
                 WHERE state != ''"
            );
            for sql in [shared, managers] {
                let query = client.query(&sql).bind(&to.log_id).bind(place(&tenant)).bind(generation).bind(to.at);
                let query = query.bind(&at.log_id).bind(at.partition).bind(at.generation).bind(at.base).bind(at.log_offset);
                query.bind(&tenant).execute().await?;
            }
            carried.tenants += 1;
        }
    }
    let count = "SELECT uniqExact(tenant, manager) FROM manager_state WHERE log_id = ?";
    carried.managers = client.query(count).bind(&to.log_id).fetch_one::<u64>().await?;
    let (mut heads, mut checkpoints) = (Vec::new(), Vec::new());
    for partition in 0..to.partitions {
        let (_, head) = Chained::default().close(seal, &Salts::default(), (&to.log_id, partition, to.at), &[], false);
        heads.push(head);
        let (log_id, engine) = (to.log_id.clone(), to.engine.clone());
        checkpoints.push(Checkpoint { log_id, partition, log_offset: to.at, generation, base: to.at, engine, at: to.now });
    }
    Keep::insert(client, "integrity_heads", &heads).await?;
    Keep::insert(client, "checkpoints", &checkpoints).await?;
    Ok(carried)
}

/// Drops the states of a log that is not in force any more, and its lines where it is the table: without the states nothing can be scored
/// from them, and whoever is erased later must not stand there.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn forget(client: &clickhouse::Client, log_id: &str) -> Result<(), Error> {
    if log_id.starts_with("local:") {
        client.query("TRUNCATE TABLE log").execute().await?;
    }
    let sql = "SELECT partition, generation FROM manager_state WHERE log_id = ? UNION DISTINCT \
               SELECT partition, generation FROM tenant_state WHERE log_id = ?";
    for (partition, generation) in client.query(sql).bind(log_id).bind(log_id).fetch_all::<(u32, u32)>().await? {
        drop_generation(client, log_id, partition, generation).await?;
    }
    Ok(())
}
