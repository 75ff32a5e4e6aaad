//! Checkpoints: states of managers and tenants at an offset of the log, and what is known about the log itself.

use std::{collections::BTreeMap, str::FromStr};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep};
use crate::{event::Timestamp, ops::fail};

/// A row of `manager_state`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct ManagerState {
    pub log_id: String,
    pub partition: u32,
    pub generation: u32,
    pub tenant: String,
    pub manager: String,
    pub epoch: u64,
    #[serde(with = "bytes")]
    pub state: Vec<u8>,
}

/// A row of `tenant_state`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct TenantState {
    pub log_id: String,
    pub partition: u32,
    pub generation: u32,
    pub tenant: String,
    pub epoch: u64,
    #[serde(with = "bytes")]
    pub state: Vec<u8>,
}

/// A row of `checkpoints`: everything up to `log_offset` is stored.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct Checkpoint {
    pub log_id: String,
    pub partition: u32,
    pub log_offset: u64,
    pub generation: u32,
    pub base: u64,
    pub engine: String,
    pub at: i64,
}

/// ClickHouse strings are bytes; serde's byte form is what the row format wants.
pub(super) mod bytes {
    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, v: &[u8]) -> Result<Vec<u8>, E> {
                Ok(v.to_vec())
            }
            fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(v)
            }
        }
        d.deserialize_byte_buf(Bytes)
    }
}

/// The states of one tenant as of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What the managers share.
    pub shared: Vec<u8>,
    /// Per manager.
    pub managers: Vec<(String, Vec<u8>)>,
}

/// Inserts the states of a checkpoint and then the checkpoint itself.
///
/// # Errors
/// When the store is away or refuses.
pub async fn save(store: &impl Keep, managers: &[ManagerState], tenants: &[TenantState], checkpoint: &Checkpoint) -> Result<(), Error> {
    if !managers.is_empty() {
        store.insert("manager_state", managers).await?;
    }
    fail::point("manager_state");
    if !tenants.is_empty() {
        store.insert("tenant_state", tenants).await?;
    }
    fail::point("tenant_state");
    store.insert("checkpoints", std::slice::from_ref(checkpoint)).await?;
    fail::point("checkpoints");
    Ok(())
}

/// The two newest generations of a partition that have a checkpoint. Their states are all there; those of an older one may be dropped
/// already, though whoever stood still for days writes a checkpoint on top of them.
const KEPT: &str = "SELECT DISTINCT generation FROM checkpoints WHERE log_id = ? AND partition = ? ORDER BY generation DESC LIMIT 2";

/// The newest checkpoint of a partition, if there is one.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn newest(client: &clickhouse::Client, log_id: &str, partition: u32) -> Result<Option<Checkpoint>, Error> {
    kept(client, log_id, partition, "DESC").await
}

/// The oldest checkpoint of a partition whose states are still kept.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn oldest(client: &clickhouse::Client, log_id: &str, partition: u32) -> Result<Option<Checkpoint>, Error> {
    kept(client, log_id, partition, "ASC").await
}

async fn kept(client: &clickhouse::Client, log_id: &str, partition: u32, order: &str) -> Result<Option<Checkpoint>, Error> {
    let query = format!(
        "SELECT ?fields FROM checkpoints FINAL WHERE log_id = ? AND partition = ? AND generation IN ({KEPT}) ORDER BY log_offset {order} LIMIT 1"
    );
    Ok(client.query(&query).bind(log_id).bind(partition).bind(log_id).bind(partition).fetch_optional::<Checkpoint>().await?)
}

/// The states of a partition's tenants as of a checkpoint.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn load(client: &clickhouse::Client, at: &Checkpoint) -> Result<BTreeMap<String, Restored>, Error> {
    read(client, at, "", &[]).await
}

/// The state of one manager and of what their tenant shares, as of a checkpoint; none: the tenant has none.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn load_one(client: &clickhouse::Client, at: &Checkpoint, tenant: &str, manager: &str) -> Result<Option<Restored>, Error> {
    Ok(read(client, at, "AND tenant = ?", &[tenant, manager]).await?.remove(tenant))
}

/// States as of a checkpoint; `only`: of this tenant, and of its managers of this one.
async fn read(client: &clickhouse::Client, at: &Checkpoint, only: &str, names: &[&str]) -> Result<BTreeMap<String, Restored>, Error> {
    let mut tenants = BTreeMap::<String, Restored>::new();
    let tail = format!("WHERE log_id = ? AND partition = ? AND generation = ? AND epoch BETWEEN ? AND ? {only}");
    let ask = |query: &str, names: &[&str]| {
        let query = client.query(query).bind(&at.log_id).bind(at.partition).bind(at.generation).bind(at.base).bind(at.log_offset);
        names.iter().fold(query, |query, name| query.bind(name))
    };
    let query = format!("SELECT ?fields FROM tenant_state {tail} ORDER BY tenant, epoch DESC LIMIT 1 BY tenant");
    for row in ask(&query, names.get(..1).unwrap_or_default()).fetch_all::<TenantState>().await? {
        tenants.entry(row.tenant).or_default().shared = row.state;
    }
    let and = if only.is_empty() { "" } else { "AND manager = ?" };
    let query = format!("SELECT ?fields FROM manager_state {tail} {and} ORDER BY tenant, manager, epoch DESC LIMIT 1 BY tenant, manager");
    let mut rows = ask(&query, names).fetch::<ManagerState>()?;
    while let Some(row) = rows.next().await? {
        // A manager's state is never written without its tenant's; an empty one is of a manager who was forgotten.
        if let Some(tenant) = tenants.get_mut(&row.tenant).filter(|_| !row.state.is_empty()) {
            tenant.managers.push((row.manager, row.state));
        }
    }
    Ok(tenants)
}

/// Where the state of a manager is: partition of a log.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn place_of(client: &clickhouse::Client, log_id: &str, tenant: &str, manager: &str) -> Result<Option<u32>, Error> {
    let query =
        "SELECT partition FROM manager_state WHERE log_id = ? AND tenant = ? AND manager = ? ORDER BY generation DESC, epoch DESC LIMIT 1";
    Ok(client.query(query).bind(log_id).bind(tenant).bind(manager).fetch_optional::<u32>().await?)
}

/// (`source`, `id`, time) of the stored events of a tenant since a time and up to an offset: what must be recognised as a repeat.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn seen(client: &clickhouse::Client, tenant: &str, at: &Checkpoint, since: Timestamp) -> Result<Vec<(u64, Timestamp)>, Error> {
    // A tenant lives in one partition; in a log before this one, where all offsets are lower, it may have been another.
    let query = "SELECT source, id, time FROM events WHERE tenant = ? AND log_offset <= ? AND time >= fromUnixTimestamp64Milli(?)";
    let mut rows = client.query(query).bind(tenant).bind(at.log_offset).bind(since.millis()).fetch::<(String, String, i64)>()?;
    let mut seen = Vec::new();
    while let Some((source, id, time)) = rows.next().await? {
        seen.push((crate::event::dedup_hash(&source, &id), Timestamp::from_millis(time)));
    }
    Ok(seen)
}

/// Drops the states of all generations of a partition but the two newest that have a checkpoint, and those above them. Nothing is
/// dropped before there are two: an older one may still become the second.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn drop_old_generations(client: &clickhouse::Client, log_id: &str, partition: u32) -> Result<(), Error> {
    let query = format!(
        "SELECT DISTINCT generation FROM tenant_state WHERE log_id = ? AND partition = ? AND generation < \
         (SELECT if(count() = 2, min(generation), 0) FROM ({KEPT})) ORDER BY generation LIMIT 1000"
    );
    let old = client.query(&query).bind(log_id).bind(partition).bind(log_id).bind(partition).fetch_all::<u32>().await?;
    for generation in old {
        drop_generation(client, log_id, partition, generation).await?;
    }
    Ok(())
}

/// Drops the states of a generation; the tenants' last, as they say that there is one.
pub(super) async fn drop_generation(client: &clickhouse::Client, log_id: &str, partition: u32, generation: u32) -> Result<(), Error> {
    for table in ["manager_state", "tenant_state"] {
        let sql = format!("ALTER TABLE {table} DROP PARTITION (?, ?, ?)");
        client.query(&sql).bind(log_id).bind(partition).bind(generation).execute().await?;
    }
    Ok(())
}

#[derive(Row, Serialize)]
struct Meta<'a> {
    key: &'a str,
    value: &'a str,
    at: i64,
}

/// A value that is kept about the log.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn meta(client: &clickhouse::Client, key: &str) -> Result<Option<String>, Error> {
    let query = "SELECT value FROM log_meta FINAL WHERE key = ?";
    Ok(client.query(query).bind(key).fetch_optional::<String>().await?)
}

/// The same as a number; none also where it is none.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn number<T: FromStr>(client: &clickhouse::Client, key: &str) -> Result<Option<T>, Error> {
    Ok(meta(client, key).await?.and_then(|value| value.parse().ok()))
}

/// The free part of ClickHouse's fullest disk; none where the account may not ask.
pub async fn disk_free(client: &clickhouse::Client) -> Option<f64> {
    let query = "SELECT min(free_space / total_space) FROM system.disks WHERE total_space > 0";
    client.query(query).fetch_one::<f64>().await.ok().filter(|ratio| ratio.is_finite())
}

/// Keeps a value about the log.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn set_meta(client: &clickhouse::Client, key: &str, value: &str) -> Result<(), Error> {
    set_metas(client, &BTreeMap::from([(key.to_owned(), value.to_owned())])).await
}

/// Keeps values about the log: all of them, or none.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn set_metas(client: &clickhouse::Client, values: &BTreeMap<String, String>) -> Result<(), Error> {
    let at = client.query("SELECT toUnixTimestamp64Milli(now64(3))").fetch_one::<i64>().await?;
    let mut insert = client.insert::<Meta<'_>>("log_meta").await?;
    for (key, value) in values {
        insert.write(&Meta { key, value, at }).await?;
    }
    insert.end().await?;
    Ok(())
}

/// The key of `log_meta` for the topic that is the log, where it is not the configured one.
pub const LOG_TOPIC: &str = "log_topic";
/// ... for what is added to the topic's offsets, so that they go on behind those of the log before.
pub const LOG_BASE: &str = "log_base";
/// ... for when somebody said last that they are about to put another log in force, milliseconds since 1970; empty: nobody is.
pub const LOG_CLOSING: &str = "log_closing";
/// Who did not say it again for so long has died.
const CLOSING_MS: i64 = 600_000;

/// Whether somebody is about to put another log in force.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn is_closing(client: &clickhouse::Client, now: Timestamp) -> Result<bool, Error> {
    Ok(number::<i64>(client, LOG_CLOSING).await?.is_some_and(|said| now.millis() < said + CLOSING_MS))
}

/// ... for the offset behind which a log begins that took over the states of another one.
pub fn begun_key(log_id: &str) -> String {
    format!("begun/{log_id}")
}

/// Whether a log took over states of another one: then nothing can be scored from its first record on without them.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn is_begun(client: &clickhouse::Client, log_id: &str) -> Result<bool, Error> {
    Ok(meta(client, &begun_key(log_id)).await?.is_some())
}
