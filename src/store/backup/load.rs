//! A backup is loaded: into a scratch database, to see that it is one, or into an empty store.

use std::sync::Arc;

use super::{Chunk, Error, Manifest, Part, Place, Table, quoted};
use crate::store::literal;

/// Where backups are tried.
const SCRATCH: &str = "filin_scratch";
/// Bytes of rows in one statement, about: the embedded engine takes no more than a GiB.
const INSERT_BYTES: usize = 128 << 20;
/// Rows that are in the scratch database at once, about.
const SCRATCH_ROWS: u64 = 2_000_000;

/// Loads all that a manifest names into a scratch database, piece by piece, and compares rows and sums.
///
/// # Errors
/// When anything cannot be read back, or is not what was stored.
pub async fn checked(client: &clickhouse::Client, place: &Arc<Place>, manifest: &Manifest) -> Result<(), Error> {
    let plain = client.clone().with_database("");
    let clear = || async { plain.query(&format!("DROP DATABASE IF EXISTS {SCRATCH} SYNC")).execute().await };
    clear().await?;
    plain.query(&format!("CREATE DATABASE {SCRATCH} ENGINE = Atomic")).execute().await?;
    let scratch = client.clone().with_database(SCRATCH);
    let mut done = Ok(());
    for table in &manifest.tables {
        done = tried(&scratch, place, table).await;
        if done.is_err() {
            break;
        }
    }
    clear().await?;
    done?;
    for (_, chunk) in &manifest.files {
        get(place, chunk).await?;
    }
    Ok(())
}

async fn tried(scratch: &clickhouse::Client, place: &Arc<Place>, table: &Table) -> Result<(), Error> {
    let name = quoted(&table.name);
    let columns: Vec<String> = table.columns.iter().map(|(column, kind)| format!("{} {kind}", quoted(column))).collect();
    execute(scratch, &format!("CREATE TABLE {name} ({}) ENGINE = MergeTree ORDER BY tuple()", columns.join(", "))).await?;
    let mut waiting: Vec<&Part> = Vec::new();
    for (i, part) in table.parts.iter().enumerate() {
        insert(scratch, place, table, part).await?;
        waiting.push(part);
        if waiting.iter().map(|p| p.rows).sum::<u64>() >= SCRATCH_ROWS || i + 1 == table.parts.len() {
            compare(scratch, table, &waiting).await?;
            execute(scratch, &format!("TRUNCATE TABLE {name} SYNC")).await?;
            waiting.clear();
        }
    }
    execute(scratch, &format!("DROP TABLE {name} SYNC")).await
}

async fn execute(client: &clickhouse::Client, sql: &str) -> Result<(), Error> {
    Ok(literal(client, sql).execute().await?)
}

async fn get(place: &Arc<Place>, chunk: &Chunk) -> Result<Vec<u8>, Error> {
    let (place, chunk) = (Arc::clone(place), chunk.clone());
    let got = tokio::task::spawn_blocking(move || place.get(&chunk)).await;
    got.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
}

async fn insert(client: &clickhouse::Client, place: &Arc<Place>, table: &Table, part: &Part) -> Result<(), Error> {
    let sql = format!("INSERT INTO {} ({}) FORMAT Native", quoted(&table.name), table.list());
    // Columns that ClickHouse fills by itself come back as they were; equal rows stay as many as they were.
    let client = client
        .clone()
        .with_setting("insert_allow_materialized_columns", "1")
        .with_setting("optimize_on_insert", "0")
        .with_setting("insert_deduplicate", "0")
        // Nothing is merged until all of it is counted: many parts are no reason to wait.
        .with_setting("parts_to_delay_insert", "1000000")
        .with_setting("parts_to_throw_insert", "1000000");
    let mut chunks = part.chunks.iter().peekable();
    while chunks.peek().is_some() {
        let (mut into, mut sent) = (client.insert_formatted_with(sql.clone()), 0);
        while sent < INSERT_BYTES
            && let Some(chunk) = chunks.next()
        {
            let bytes = get(place, chunk).await?;
            sent += bytes.len();
            into.send(bytes.into()).await?;
        }
        into.end().await?;
    }
    Ok(())
}

/// Compares what is in a table with what parts say.
async fn compare(client: &clickhouse::Client, table: &Table, parts: &[&Part]) -> Result<(), Error> {
    let query = format!("SELECT {} FROM {}", table.sum(), quoted(&table.name));
    let (rows, sum) = client.query(&query).fetch_one::<(u64, u64)>().await?;
    let expected_rows = parts.iter().map(|p| p.rows).sum();
    let expected = parts.iter().fold(0_u64, |sum, p| sum.wrapping_add(p.sum));
    if (rows, sum) == (expected_rows, expected) {
        return Ok(());
    }
    Err(Error::Differs { table: table.name.clone(), rows, sum, expected_rows, expected })
}

/// Loads a backup into a store that has its tables and no rows, and compares rows and sums of each table.
///
/// # Errors
/// When the store has rows, does not know a table, anything cannot be read, or what was loaded is not what was stored.
pub async fn restore(
    client: &clickhouse::Client,
    place: &Arc<Place>,
    manifest: &Manifest,
    mut progress: impl FnMut(&str, u64),
) -> Result<(), Error> {
    // The migrations noted themselves down there.
    let query = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' \
                 AND total_rows > 0 AND name != 'log_meta' ORDER BY name LIMIT 1";
    if let Some(table) = client.query(query).fetch_optional::<String>().await? {
        return Err(Error::Occupied(format!("table {table} has rows: a backup is restored into an empty store only")));
    }
    let known = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").fetch_all::<String>().await?;
    if let Some(table) = manifest.tables.iter().find(|t| !known.contains(&t.name)) {
        return Err(Error::Newer(format!("table {}", table.name)));
    }
    for table in &manifest.tables {
        let name = quoted(&table.name);
        // Until they are counted, rows of one key must not become one.
        execute(client, &format!("SYSTEM STOP MERGES {name}")).await?;
        let loaded = loaded(client, place, table, &mut progress).await;
        execute(client, &format!("SYSTEM START MERGES {name}")).await?;
        loaded?;
    }
    Ok(())
}

async fn loaded(client: &clickhouse::Client, place: &Arc<Place>, table: &Table, progress: &mut impl FnMut(&str, u64)) -> Result<(), Error> {
    if table.name == "log_meta" {
        execute(client, "TRUNCATE TABLE log_meta SYNC").await?;
    }
    for part in &table.parts {
        insert(client, place, table, part).await?;
        progress(&table.name, part.rows);
    }
    compare(client, table, &table.parts.iter().collect::<Vec<_>>()).await
}
