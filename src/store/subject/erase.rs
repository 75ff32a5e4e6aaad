//! Erasing a person. The service stands still meanwhile; each step may be done again, so a break in the middle is mended by asking anew.
//!
//! States come first: from the newest checkpoint a new generation is written without the person, and everything older is dropped. Then the lines of a local
//! log that are scored go, those of everybody in the partition: a replay begins at that checkpoint from then on, so that it neither misses
//! whom it once knew nor brings them back. Then the tables, and last the old parts of all of them on the disk.

use std::{collections::BTreeSet, time::Duration};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Held, Kind, Person, asked, held, sql};
use crate::{
    engine::{Tenant, VERSION},
    event::Timestamp,
    store::{
        Alias, Error, Keep,
        actions::ActionRow,
        integrity::{self, Seal},
        quoted,
        state::{self, Checkpoint, ManagerState, TenantState},
    },
};

/// How long the engine may take to remove old parts.
const PURGE: Duration = Duration::from_secs(120);

/// Who asks for it, and why.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Stands in the person's place in what is about others; random, so that it leads back to nobody.
    pub token: String,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Rows that went.
    pub deleted: u64,
    /// Rows about others that do not mention the person any more.
    pub rewritten: u64,
    /// Lines of the log that went, whoever they were about.
    pub log_lines: u64,
    /// What is still there: nothing, unless something could not be rewritten.
    pub left: Vec<Held>,
}

#[derive(Clone, Row, Serialize, Deserialize)]
struct ErasureRow {
    tenant: String,
    at: i64,
    id: String,
    kind: String,
    person_alias: String,
    by: String,
    reason: String,
    log_id: String,
    log_partition: u32,
    log_offset: u64,
    deleted: u64,
    rewritten: u64,
}

/// Whether somebody was erased from a partition of a log: its beginning is not what was scored then.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn is_erased(client: &clickhouse::Client, log_id: &str, partition: u32) -> Result<bool, Error> {
    let sql = "SELECT count() FROM erasures WHERE log_id = ? AND log_partition = ?";
    Ok(client.query(sql).bind(log_id).bind(partition).fetch_one::<u64>().await? > 0)
}

/// The newest checkpoint of each of these partitions, and how many lines are behind it in a local log: these are not scored yet.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn latest(client: &clickhouse::Client, log_id: &str, partitions: &BTreeSet<u32>) -> Result<Vec<(Checkpoint, u64)>, Error> {
    let mut found = Vec::new();
    for partition in partitions.iter().copied() {
        if let Some(at) = state::newest(client, log_id, partition).await? {
            let sql = "SELECT count() FROM log WHERE partition = ? AND seq > ?";
            let behind = client.query(sql).bind(partition).bind(at.log_offset).fetch_one::<u64>().await?;
            found.push((at, behind));
        }
    }
    Ok(found)
}

/// Erases a person. `at`: as [`latest`] gave it.
///
/// # Errors
/// When ClickHouse is away or refuses, or a state cannot be read.
pub async fn erase(client: &clickhouse::Client, person: &Person, order: &Order, alias: &Alias, at: &[Checkpoint]) -> Result<Erased, Error> {
    let mut erased = Erased { deleted: 0, rewritten: 0, log_lines: 0, left: Vec::new() };
    // The queue merges older versions away, so that a part nobody reads any more may hold what no row does.
    let always = ["alert_queue", "checkpoints", "log", "manager_state", "tenant_state"];
    let mut touched = BTreeSet::from(always.map(str::to_owned));
    for checkpoint in at {
        forget_states(client, person, checkpoint, order.at).await?;
        let behind = format!("partition = {} AND seq <= {}", checkpoint.partition, checkpoint.log_offset);
        erased.log_lines += count(client, "log", &behind).await?;
        delete(client, "log", &behind).await?;
    }
    // The chain of alerts holds on without the rows; who they were about goes with the salt.
    if person.kind == Kind::Manager {
        let about = (person.tenant.clone(), person.id.clone());
        integrity::erase(client, &Seal::of(alias), &about, order.at).await?;
        touched.insert("integrity_salts".to_owned());
    }
    let columns = sql::columns(client).await?;
    let mut tables = sql::tables(person, &columns, &order.token);
    // Others are found by what stands in these.
    tables.sort_by_key(|t| match t.name.as_str() {
        "alerts" => 3,
        "events" => 2,
        "events_raw" | "alert_actions" | "alert_priorities" | "notifications" => 0,
        _ => 1,
    });
    for table in &tables {
        if let Some(condition) = &table.mentions {
            let others = table.deleted().map_or_else(|| condition.clone(), |deleted| format!("({condition}) AND NOT ({deleted})"));
            let n = count(client, &table.name, &others).await?;
            if n > 0 {
                mutate(client, &format!("ALTER TABLE {} UPDATE {} WHERE {others}", table.name, table.instead.join(", "))).await?;
                touched.insert(table.name.clone());
            }
            erased.rewritten += n;
        }
        if let Some(condition) = table.deleted() {
            let n = count(client, &table.name, &condition).await?;
            if n > 0 {
                delete(client, &table.name, &condition).await?;
                touched.insert(table.name.clone());
            }
            erased.deleted += n;
        }
    }
    sign_again(client, &Seal::of(alias), &order.token).await?;
    purge(client, &touched).await?;
    erased.left = held(client, person).await?;
    let rows: Vec<ErasureRow> = at
        .iter()
        .map(|at| ErasureRow {
            tenant: person.tenant.clone(),
            at: order.at.millis(),
            id: order.token.clone(),
            kind: person.kind.as_str().to_owned(),
            person_alias: person.alias(alias),
            by: order.by.clone(),
            reason: order.reason.clone(),
            log_id: at.log_id.clone(),
            log_partition: at.partition,
            log_offset: at.log_offset,
            deleted: erased.deleted,
            rewritten: erased.rewritten,
        })
        .collect();
    Keep::insert(client, "erasures", &rows).await?;
    Ok(erased)
}

/// Writes the states of a checkpoint as a new generation, without the person, and drops all others.
async fn forget_states(client: &clickhouse::Client, person: &Person, at: &Checkpoint, now: Timestamp) -> Result<(), Error> {
    let generation = at.generation + 1;
    let (mut managers, mut tenants) = (Vec::new(), Vec::new());
    for (name, restored) in state::load(client, at).await? {
        let theirs = person.kind == Kind::Manager && name == person.tenant;
        let mut shared = restored.shared;
        if theirs {
            let wrong = |e: crate::engine::state::Error| Error::Refused(format!("the state of {name}: {e}"));
            let mut tenant = Tenant::restore(&shared, []).map_err(wrong)?;
            tenant.erase(&person.id);
            shared = tenant.snapshot();
        }
        let (log_id, partition, epoch) = (at.log_id.clone(), at.partition, at.log_offset);
        managers.extend(restored.managers.into_iter().filter(|(id, _)| !(theirs && *id == person.id)).map(|(manager, state)| {
            ManagerState { log_id: log_id.clone(), partition, generation, tenant: name.clone(), manager, epoch, state }
        }));
        tenants.push(TenantState { log_id, partition, generation, tenant: name, epoch, state: shared });
    }
    let row = Checkpoint { generation, base: at.log_offset, engine: VERSION.to_owned(), at: now.millis(), ..at.clone() };
    state::save(client, &managers, &tenants, &row).await?;
    let here = format!("log_id = {} AND partition = {}", quoted(&at.log_id), at.partition);
    for table in ["manager_state", "tenant_state", "checkpoints"] {
        delete(client, table, &format!("{here} AND generation != {generation}")).await?;
    }
    Ok(())
}

/// Answers that were written anew are as much Filin's as before.
async fn sign_again(client: &clickhouse::Client, seal: &Seal, token: &str) -> Result<(), Error> {
    let sql = "SELECT ?fields FROM alert_actions FINAL WHERE position(toString(tuple(actor, assignee, reason, comment)), ?) > 0";
    let mut rows = client.query(sql).bind(token).fetch_all::<ActionRow>().await?;
    for row in &mut rows {
        let whose = "SELECT any(manager) FROM alerts WHERE tenant = ? AND alert_id = ?";
        let manager = client.query(whose).bind(&row.tenant).bind(&row.alert_id).fetch_one::<String>().await?;
        seal.sign(client, row, &(row.tenant.clone(), manager)).await?;
    }
    if rows.is_empty() { Ok(()) } else { Keep::insert(client, "alert_actions", &rows).await }
}

async fn count(client: &clickhouse::Client, table: &str, condition: &str) -> Result<u64, Error> {
    Ok(asked(client, &format!("SELECT count() FROM {table} WHERE {condition}")).fetch_one().await?)
}

async fn delete(client: &clickhouse::Client, table: &str, condition: &str) -> Result<(), Error> {
    mutate(client, &format!("ALTER TABLE {table} DELETE WHERE {condition}")).await
}

/// Waits until every part is written anew.
async fn mutate(client: &clickhouse::Client, sql: &str) -> Result<(), Error> {
    Ok(asked(client, sql).with_setting("mutations_sync", "2").execute().await?)
}

/// What a table keeps of its past for a while must go now: parts that were written anew, and the text of the mutations, which names the
/// person. One mutation is always kept, so a last one says nothing.
const AT_ONCE: [(&str, u32); 3] =
    [("old_parts_lifetime", 0), ("merge_tree_clear_old_parts_interval_seconds", 1), ("finished_mutations_to_keep", 1)];

async fn purge(client: &clickhouse::Client, tables: &BTreeSet<String>) -> Result<(), Error> {
    let set = AT_ONCE.map(|(name, value)| format!("{name} = {value}")).join(", ");
    for table in tables {
        mutate(client, &format!("ALTER TABLE {table} DELETE WHERE 0 = 1")).await?;
        asked(client, &format!("ALTER TABLE {table} MODIFY SETTING {set}")).execute().await?;
    }
    let since = crate::ops::clock::Stopwatch::start();
    let sql = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND NOT active AND rows > 0 AND table IN ? UNION ALL \
               SELECT toUInt64(count() - uniqExact(table)) FROM system.mutations WHERE database = currentDatabase() AND table IN ?";
    let names: Vec<&String> = tables.iter().collect();
    let left = loop {
        let left: u64 = client.query(sql).bind(&names).bind(&names).fetch_all::<u64>().await?.iter().sum();
        if left == 0 || since.elapsed() > PURGE {
            break left;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    let reset = AT_ONCE.map(|(name, _)| name).join(", ");
    for table in tables {
        asked(client, &format!("ALTER TABLE {table} RESET SETTING {reset}")).execute().await?;
    }
    if left > 0 {
        return Err(Error::Away(format!("{left} old parts or mutations are still on the disk after {PURGE:?}: ask again")));
    }
    Ok(())
}
