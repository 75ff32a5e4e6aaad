//! Users, clients, orders from compacted topics: everything there is, then each change.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::error::RDKafkaErrorCode;

use super::{Error, Record, Value, consumer, record};
use crate::ops::{
    clock::Stopwatch,
    config::Kafka,
    kafka::consumer::{Consumer, Place, Said, Setup, Start},
};

/// What a reference topic has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Rows of one partition, in order.
    Rows(Vec<Row>),
    /// All rows that were there at the start have been delivered. Comes once.
    Loaded,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its partition.
    pub partition: u32,
    /// Its position there.
    pub offset: u64,
    /// Whose row it is; none where the key is not `tenant|id|valid_from`.
    pub key: Option<Key>,
    /// The JSON of the row; [`Value::Absent`] takes the row of this key back.
    pub value: Value,
}

/// The key of a row: `tenant|id|valid_from`, so that compaction keeps history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The organisation.
    pub tenant: String,
    /// The user, client or order; it may have `|` in it.
    pub id: String,
    /// From when on the row holds, as written.
    pub valid_from: String,
}

impl Key {
    /// Reads a key.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (tenant, rest) = std::str::from_utf8(key).ok()?.split_once('|')?;
        let (id, valid_from) = rest.rsplit_once('|')?;
        let full = !tenant.is_empty() && !id.is_empty() && !valid_from.is_empty();
        full.then(|| Self { tenant: tenant.to_owned(), id: id.to_owned(), valid_from: valid_from.to_owned() })
    }
}

/// How far a reference topic is behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lag {
    /// Rows not delivered yet; none until that is known.
    pub rows: Option<u64>,
    /// For how long there have been such rows.
    pub since: Duration,
}

/// Reads a reference topic, all partitions of it, in every instance.
pub struct Table {
    consumer: Consumer<Record>,
    topic: String,
    /// Partitions whose end was not reached yet; none before they are known.
    loading: Option<BTreeSet<Place>>,
    loaded: bool,
    /// Runs while something is behind.
    late: Option<Stopwatch>,
}

/// Starts to read a reference topic from its beginning. One that is not there yet, and brokers that are away, are waited for.
///
/// # Errors
/// When the properties are wrong.
pub fn start(kafka: &Kafka, topic: &str, max_bytes: usize) -> Result<Table, Error> {
    // Nothing is committed and nobody joins; librdkafka wants the name.
    let config = consumer(kafka, &format!("{}.reference", kafka.group))?;
    let consumer = Consumer::start(Setup {
        config,
        topics: vec![topic.to_owned()],
        shared: false,
        strict: false,
        read: Box::new(move |m| record(m, max_bytes)),
    })?;
    Ok(Table { consumer, topic: topic.to_owned(), loading: None, loaded: false, late: Some(Stopwatch::start()) })
}

impl Table {
    /// The next rows; waits for them. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`Error::Stop`] when the brokers refuse for good; what is merely away is waited for inside.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if !self.loaded && self.loading.as_ref().is_some_and(BTreeSet::is_empty) {
                self.loaded = true;
                return Ok(Change::Loaded);
            }
            match self.consumer.next().await? {
                Said::Assigned(places) => {
                    for place in places {
                        self.loading.get_or_insert_default().insert(place.clone());
                        self.consumer.resume(place, Start::Beginning);
                    }
                }
                Said::Messages { place, messages, behind, .. } => {
                    let partition = u32::try_from(place.partition).unwrap_or_default();
                    if let Some(loading) = self.loading.as_mut().filter(|_| behind == 0) {
                        loading.remove(&place);
                    }
                    if !messages.is_empty() {
                        return Ok(Change::Rows(messages.into_iter().map(|m| row(partition, m)).collect()));
                    }
                }
                Said::Refused(RDKafkaErrorCode::TopicAuthorizationFailed, _) => {
                    return Err(Error::Stop(format!("topic {} may not be read: allow Filin to read and describe it", self.topic)));
                }
                Said::Refused(_, what) => return Err(Error::Stop(format!("topic {} cannot be read: {what}", self.topic))),
                // Nobody shares these partitions.
                Said::Revoked(_, done) => drop(done),
            }
        }
    }

    /// How far it is behind what the brokers have.
    pub fn lag(&mut self) -> Lag {
        let known: Option<Vec<u64>> = self.consumer.lags().into_values().collect();
        let rows = known.filter(|k| !k.is_empty()).map(|k| k.iter().sum::<u64>());
        if rows == Some(0) && self.loaded {
            self.late = None;
        } else {
            self.late.get_or_insert_with(Stopwatch::start);
        }
        Lag { rows, since: self.late.map_or(Duration::ZERO, |l| l.elapsed()) }
    }
}

fn row(partition: u32, record: Record) -> Row {
    Row { partition, offset: record.offset, key: record.key.as_deref().and_then(Key::parse), value: record.value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_tenant_id_and_instant() {
        let check = |key: &str, expected: Option<(&str, &str, &str)>| {
            let found = Key::parse(key.as_bytes());
            assert_eq!(found.as_ref().map(|k| (k.tenant.as_str(), k.id.as_str(), k.valid_from.as_str())), expected, "{key}");
        };
        check("acme|u1|2026-01-01", Some(("acme", "u1", "2026-01-01")));
        check("acme|amo|7|2026-01-01T00:00:00Z", Some(("acme", "amo|7", "2026-01-01T00:00:00Z")));
        for wrong in ["", "acme", "acme|u1", "|u1|2026-01-01", "acme||2026-01-01", "acme|u1|"] {
            check(wrong, None);
        }
        assert_eq!(Key::parse(b"a|\xff|b"), None);
    }
}
