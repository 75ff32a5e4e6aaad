//! A backup is taken: tables are read part by part.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Chunk, Error, FORMAT, Manifest, Part, Place, Table, checked, quoted};
use crate::{event::Timestamp, store::integrity};

/// Bytes of rows in a chunk, as they are in memory.
const CHUNK_BYTES: u64 = 16 << 20;
/// Rows in a chunk at most.
const CHUNK_ROWS: u64 = 500_000;
/// How often a table is looked at again because ClickHouse merged what was being read.
const LOOKS: usize = 50;

/// Read before all others: a checkpoint says that what came before it is stored, so what came before it is read after it.
const FIRST: [&str; 7] = ["checkpoints", "integrity_heads", "integrity", "manager_state", "tenant_state", "notifications", "alert_actions"];
/// Read after all others: salts were there before what they are in, and whatever is stored is of a line of the log.
const LAST: [&str; 3] = ["integrity_salts", "integrity_erased", "log"];

/// What came of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// Tables.
    pub tables: usize,
    /// Rows of all of them.
    pub rows: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes that were not there before.
    pub written: u64,
}

/// A part as ClickHouse lists it.
#[derive(Clone, clickhouse::Row, Deserialize)]
struct Listed {
    name: String,
    hash_of_all_files: String,
    min_block_number: i64,
    rows: u64,
    data_uncompressed_bytes: u64,
}

/// Takes a backup of all tables and of `files` (name and content), and keeps the newest `keep`. It is one only when everything was read
/// back, loaded and found equal.
///
/// # Errors
/// When the store cannot be read, the place cannot be written, or what came back differs. There is no new backup then, and the
/// earlier ones are as they were.
pub async fn take(
    client: &clickhouse::Client,
    place: &Arc<Place>,
    files: Vec<(String, Vec<u8>)>,
    keep: usize,
    at: Timestamp,
    mut progress: impl FnMut(&str, u64),
) -> Result<Taken, Error> {
    let earlier = match place.newest() {
        Ok((_, manifest)) => manifest.tables,
        Err(Error::None(_)) => Vec::new(),
        // It stays for whoever looks into it; everything is read anew.
        Err(e) => {
            tracing::warn!(place = %place.path().display(), error = %e, "the newest backup cannot be read: all is written anew");
            Vec::new()
        }
    };
    let mut manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: at.millis(),
        heads: integrity::ends(client).await?,
        tables: Vec::new(),
        files: Vec::new(),
    };
    let mut written = 0;
    for name in tables(client).await? {
        let known = earlier.iter().find(|t| t.name == name);
        let table = table(client, place, name, known, &mut written, &mut progress).await?;
        manifest.tables.push(table);
    }
    for (name, bytes) in files {
        let (chunk, new) = put(place, bytes).await?;
        manifest.files.push((name, chunk));
        written += new;
    }
    place.settle()?;
    checked(client, place, &manifest).await?;
    let name = place.finish(&manifest)?;
    place.prune(keep)?;
    let bytes = manifest.chunks().map(|c| (&c.id, c.bytes)).collect::<BTreeMap<_, _>>().into_values().sum();
    Ok(Taken { name, tables: manifest.tables.len(), rows: manifest.rows(), bytes, written })
}

async fn put(place: &Arc<Place>, bytes: Vec<u8>) -> Result<(Chunk, u64), Error> {
    let place = Arc::clone(place);
    let put = tokio::task::spawn_blocking(move || place.put(&bytes)).await;
    put.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
}

/// Tables with rows of their own, in the order in which they are read.
async fn tables(client: &clickhouse::Client) -> Result<Vec<String>, Error> {
    // Log-ins that have ended must not come back with a restore; the queue comes back with the alerts.
    let query = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' \
                 AND name NOT IN ('sessions', 'login_claims', 'alert_queue') ORDER BY name";
    let mut names = client.query(query).fetch_all::<String>().await?;
    let rank = |name: &String| {
        let first = FIRST.iter().position(|f| f == name);
        let last = LAST.iter().position(|l| l == name).map(|i| FIRST.len() + 1 + i);
        first.or(last).unwrap_or(FIRST.len())
    };
    names.sort_by_key(rank);
    Ok(names)
}

/// Reads a table. Parts that an earlier backup has are not read again. ClickHouse may merge parts away while others are read: then it
/// is looked at again, and what is new is read; the greatest come first, as they are merged most seldom.
async fn table(
    client: &clickhouse::Client,
    place: &Arc<Place>,
    name: String,
    known: Option<&Table>,
    written: &mut u64,
    progress: &mut impl FnMut(&str, u64),
) -> Result<Table, Error> {
    let query = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = ? \
                 AND default_kind NOT IN ('ALIAS', 'EPHEMERAL') ORDER BY position";
    let columns = client.query(query).bind(&name).fetch_all::<(String, String)>().await?;
    let mut table = Table { name, columns, parts: Vec::new() };
    // Of other columns the rows would be others.
    let known = known.filter(|k| k.columns == table.columns);
    let mut read: BTreeMap<(String, String), Part> = BTreeMap::new();
    for part in known.iter().flat_map(|k| &k.parts).filter(|p| p.chunks.iter().all(|c| place.has(c))) {
        read.insert((part.name.clone(), part.hash.clone()), part.clone());
    }
    for _ in 0..LOOKS {
        let query = "SELECT name, hash_of_all_files, min_block_number, rows, data_uncompressed_bytes FROM system.parts \
                     WHERE database = currentDatabase() AND table = ? AND active AND rows > 0 ORDER BY rows DESC, name";
        let listed = client.query(query).bind(&table.name).fetch_all::<Listed>().await?;
        let mut gone = false;
        for of in &listed {
            let key = (of.name.clone(), of.hash_of_all_files.clone());
            if let Entry::Vacant(place_of) = read.entry(key) {
                progress(&table.name, of.rows);
                match part(client, place, &table, of, written).await? {
                    Some(part) => drop(place_of.insert(part)),
                    None => gone = true,
                }
            }
        }
        if !gone {
            let of = |l: &Listed| read.remove(&(l.name.clone(), l.hash_of_all_files.clone()));
            table.parts = listed.iter().filter_map(of).collect();
            table.parts.sort_by(|a, b| (a.block, &a.name).cmp(&(b.block, &b.name)));
            return Ok(table);
        }
    }
    Err(crate::store::Error::Away(format!("table {} is merged faster than it can be read", table.name)).into())
}

/// Reads a part; none: it was merged away meanwhile.
async fn part(
    client: &clickhouse::Client,
    place: &Arc<Place>,
    table: &Table,
    of: &Listed,
    written: &mut u64,
) -> Result<Option<Part>, Error> {
    let step = (CHUNK_BYTES * of.rows / of.data_uncompressed_bytes.max(1)).clamp(1000, CHUNK_ROWS);
    let (list, name) = (table.list(), quoted(&table.name));
    let query = format!("SELECT {list} FROM {name} WHERE _part = ? AND _part_offset >= ? AND _part_offset < ?");
    let (mut chunks, mut from) = (Vec::new(), 0);
    while from < of.rows {
        let mut cursor = client.query(&query).bind(&of.name).bind(from).bind(from + step).fetch_bytes("Native")?;
        let bytes = cursor.collect().await?.to_vec();
        from += step;
        let (chunk, new) = put(place, bytes).await?;
        *written += new;
        chunks.push(chunk);
    }
    let sum = format!("SELECT {} FROM {name} WHERE _part = ?", table.sum());
    let (rows, sum) = client.query(&sum).bind(&of.name).fetch_one::<(u64, u64)>().await?;
    // A part that is still there now was there all the time; one that is and shows no rows has only such as were deleted.
    if rows == 0 {
        let there = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = ? AND name = ? AND active";
        if client.query(there).bind(&table.name).bind(&of.name).fetch_one::<u64>().await? == 0 {
            return Ok(None);
        }
    }
    let (name, hash) = (of.name.clone(), of.hash_of_all_files.clone());
    Ok(Some(Part { name, hash, block: of.min_block_number, rows, sum, chunks }))
}
