//! Dead letters: what could not be taken, with the reason and the raw bytes.

use clickhouse::Row;
use serde::Serialize;
use uuid::Uuid;

use super::Error;
use crate::event::Timestamp;

/// Names of dead letters are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x1c5d_9a1e_74b0_5f0e_9d6a_0f3b_5a51_6d21);

/// A row of `dead_letters`.
#[derive(Clone, Debug, Row, Serialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct DeadLetter {
    pub id: String,
    pub tenant: String,
    pub at: i64,
    pub source: String,
    pub partition: String,
    pub offset: u64,
    pub index: u32,
    pub format: String,
    pub version: &'static str,
    pub code: String,
    pub message: String,
    #[serde(serialize_with = "bytes")]
    pub raw: Vec<u8>,
}

fn bytes<S: serde::Serializer>(raw: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(raw)
}

/// At most so many bytes of a raw record are kept.
pub const RAW_LIMIT: usize = 1 << 20;

/// Where a raw record stood: source (topic, `http`, file digest), partition, offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Topic, file digest or `http`.
    pub source: String,
    /// Partition; of an HTTP line without origin, the hash of its bytes.
    pub partition: String,
    /// Offset or line.
    pub offset: u64,
}

impl DeadLetter {
    /// A dead letter; its id depends on its place alone, so that a repeat is recognised.
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
            version: crate::engine::VERSION,
            code: code.to_owned(),
            message: message.to_owned(),
            raw: raw[..raw.len().min(RAW_LIMIT)].to_vec(),
        }
    }
}

/// Stores dead letters.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, letters: &[DeadLetter]) -> Result<(), Error> {
    let mut insert = client.insert::<DeadLetter>("dead_letters").await?;
    for letter in letters {
        insert.write(letter).await?;
    }
    insert.end().await?;
    Ok(())
}
