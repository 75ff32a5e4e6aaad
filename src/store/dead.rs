//! Dead letters: what could not be taken, with the reason and the raw bytes.

use std::collections::BTreeSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Keep, state::bytes};
use crate::event::Timestamp;

/// Names of dead letters are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x1c5d_9a1e_74b0_5f0e_9d6a_0f3b_5a51_6d21);

/// The state of a letter whose record was taken later.
pub const ACCEPTED: &str = "accepted";

/// A row of `dead_letters`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migrations")]
pub struct DeadLetter {
    pub id: String,
    pub tenant: String,
    pub at: i64,
    pub source: String,
    pub partition: String,
    pub offset: u64,
    pub index: u32,
    pub format: String,
    pub version: String,
    pub code: String,
    pub message: String,
    #[serde(with = "bytes")]
    pub raw: Vec<u8>,
    /// Kafka key.
    #[serde(with = "bytes")]
    pub key: Vec<u8>,
    /// A JSON object; empty: none.
    pub headers: String,
    /// Empty, or [`ACCEPTED`].
    pub state: String,
}

/// At most so many bytes of a raw record are kept.
pub const RAW_LIMIT: usize = 1 << 20;

/// Where a raw record stood: source (topic, `http`, file digest), partition, offset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Topic, file digest or `http`.
    pub source: String,
    /// Partition; of an HTTP line without origin, the hash of its bytes; of a file's line, empty.
    pub partition: String,
    /// Offset or line.
    pub offset: u64,
}

impl DeadLetter {
    /// A dead letter; its id depends on its place alone, so that a repeat is recognised. The caller has taken secrets out.
    #[expect(clippy::too_many_arguments, reason = "a row with eight independent columns")]
    pub fn new(tenant: &str, at: Timestamp, place: &Place, index: u32, format: &str, code: &str, message: &str, raw: &[u8]) -> Self {
        let name = format!("{}\0{}\0{}\0{index}", place.source, place.partition, place.offset);
        Self {
            id: Uuid::new_v5(&SPACE, name.as_bytes()).to_string(),
            tenant: tenant.to_owned(),
            at: at.millis(),
            source: place.source.clone(),
            partition: place.partition.clone(),
            offset: place.offset,
            index,
            format: format.to_owned(),
            version: crate::engine::VERSION.to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            raw: raw[..raw.len().min(RAW_LIMIT)].to_vec(),
            key: Vec::new(),
            headers: String::new(),
            state: String::new(),
        }
    }

    /// Where its record stood.
    pub fn place(&self) -> Place {
        Place { source: self.source.clone(), partition: self.partition.clone(), offset: self.offset }
    }

    /// The same place once its record was taken: nothing raw is kept any longer.
    #[must_use]
    pub fn accepted(&self, at: Timestamp) -> Self {
        let (raw, key, headers) = (Vec::new(), Vec::new(), String::new());
        Self { at: at.millis(), raw, key, headers, state: ACCEPTED.to_owned(), ..self.clone() }
    }
}

/// Stores dead letters; of two with the same place the later one holds.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, letters: &[DeadLetter]) -> Result<(), Error> {
    Keep::insert(client, "dead_letters", letters).await
}

/// Which open letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whose ids begin so; empty: all.
    pub ids: Vec<String>,
    /// With this code.
    pub code: Option<String>,
    /// Of this topic, file digest, or `http`.
    pub source: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// The condition, with its values in order.
    fn conditions(&self) -> (String, Vec<String>) {
        let (mut all, mut values) = (vec!["state = ''".to_owned()], Vec::new());
        if !self.ids.is_empty() {
            all.push(format!("({})", vec!["startsWith(id, ?)"; self.ids.len()].join(" OR ")));
            values.extend(self.ids.iter().cloned());
        }
        for (condition, value) in [("code = ?", &self.code), ("source = ?", &self.source)] {
            if let Some(value) = value {
                all.push(condition.to_owned());
                values.push(value.clone());
            }
        }
        for (sign, time) in [(">=", self.from), ("<", self.until)] {
            all.extend(time.map(|t| format!("at {sign} fromUnixTimestamp64Milli({})", t.millis())));
        }
        (all.join(" AND "), values)
    }

    fn query(&self, client: &clickhouse::Client, sql: &str) -> clickhouse::query::Query {
        let (conditions, values) = self.conditions();
        let query = super::unchecked(client).query(&sql.replace("{where}", &conditions));
        values.iter().fold(query, |query, value| query.bind(value))
    }
}

/// The newest open letters, without their bytes.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn list(client: &clickhouse::Client, filter: &Filter, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let sql = "SELECT id, tenant, at, source, partition, offset, `index`, format, version, code, message, '', '', headers, state \
               FROM dead_letters FINAL WHERE {where} ORDER BY at DESC, source, partition, offset, `index` LIMIT {limit}";
    Ok(filter.query(client, &sql.replace("{limit}", &limit.to_string())).fetch_all().await?)
}

/// Open letters by code, most first.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn counts(client: &clickhouse::Client, filter: &Filter) -> Result<Vec<(String, u64)>, Error> {
    let sql = "SELECT toString(code), count() AS n FROM dead_letters FINAL WHERE {where} GROUP BY code ORDER BY n DESC, code";
    Ok(filter.query(client, sql).fetch_all().await?)
}

/// Ids of open letters in the order of their places.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn ids(client: &clickhouse::Client, filter: &Filter) -> Result<Vec<String>, Error> {
    let sql = "SELECT id FROM dead_letters FINAL WHERE {where} ORDER BY source, partition, offset, `index`";
    Ok(filter.query(client, sql).fetch_all().await?)
}

/// Letters whose ids begin so, whatever became of them; at most so many.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn find(client: &clickhouse::Client, start: &str, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let sql = "SELECT ?fields FROM dead_letters FINAL WHERE startsWith(id, ?) ORDER BY id LIMIT ?";
    Ok(super::unchecked(client).query(sql).bind(start).bind(limit).fetch_all().await?)
}

/// All open letters of the records that these letters are of, in the order of their places.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn records(client: &clickhouse::Client, ids: &[String]) -> Result<Vec<DeadLetter>, Error> {
    let sql = "SELECT ?fields FROM dead_letters FINAL WHERE state = '' AND (source, partition, offset) IN \
               (SELECT source, partition, offset FROM dead_letters WHERE id IN ?) ORDER BY source, partition, offset, `index`";
    Ok(super::unchecked(client).query(sql).bind(ids).fetch_all().await?)
}

/// Which of these events of a tenant are stored: pairs of source and id.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn stored(client: &clickhouse::Client, tenant: &str, ids: &[&str]) -> Result<BTreeSet<(String, String)>, Error> {
    let sql = "SELECT DISTINCT toString(source), id FROM events WHERE tenant = ? AND id IN ?";
    let mut all = BTreeSet::new();
    for chunk in ids.chunks(1000) {
        all.extend(super::unchecked(client).query(sql).bind(tenant).bind(chunk).fetch_all::<(String, String)>().await?);
    }
    Ok(all)
}
