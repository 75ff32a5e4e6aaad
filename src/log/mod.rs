//! The tenants' ordered log: a Kafka topic where brokers are configured, else a table of the ClickHouse in use.
//!
//! A tenant lives in one partition; its records are scored in the order of their offsets. Both implementations speak the
//! same small language: [`Appender::append`] is durable when it returns, [`Reader::next`] says what was given, taken and read.

#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kafka")]
pub mod kafka_lines;
pub mod local;
#[cfg(test)]
pub(crate) mod memory;

use tokio::sync::oneshot;

use crate::engine::{LOG_VERSION, LogLine, Record};

/// Number of partitions of a new log.
pub const DEFAULT_PARTITIONS: u32 = 32;

/// A line on its way into the log: already serialised, its partition known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub partition: u32,
    /// Whose it is.
    pub tenant: String,
    /// The JSON of a [`LogLine`].
    pub line: Vec<u8>,
}

/// A line as read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its position in its partition; positions grow, not always by one.
    pub offset: u64,
    /// The JSON of a [`LogLine`].
    pub line: Vec<u8>,
}

/// What a reader has to say.
#[derive(Debug)]
pub enum Delivery {
    /// These partitions are ours now. Nothing of them is delivered before [`Reader::resume`] says from where.
    Assigned(Vec<u32>),
    /// These partitions go to somebody else; answer when their effects and checkpoints are stored.
    Revoked(Vec<u32>, oneshot::Sender<()>),
    /// Consecutive lines of one partition.
    Lines {
        /// The partition.
        partition: u32,
        /// In order of offset; none of them when the end was reached without any.
        lines: Vec<Read>,
        /// Lines known to be behind the last of these, for the lag metric.
        behind: u64,
    },
}

/// Something went wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Worth trying again: the server is away or busy.
    #[error("the log cannot be reached: {0}")]
    Away(String),
    /// Trying again does not help: on-call must act.
    #[error("{0}")]
    Stop(String),
}

/// Writes to the log. Clones share one writer.
#[derive(Clone)]
pub enum Appender {
    /// Table `log`.
    Local(local::Appender),
    /// Topic `filin.log`.
    #[cfg(feature = "kafka")]
    Kafka(kafka::Appender),
    /// Of a simulation.
    #[cfg(test)]
    Memory(memory::Appender),
}

/// Reads the log.
pub enum Reader {
    /// Table `log`.
    Local(Box<local::Reader>),
    /// Topic `filin.log`.
    #[cfg(feature = "kafka")]
    Kafka(kafka::Reader),
    /// Of a simulation.
    #[cfg(test)]
    Memory(memory::Reader),
}

impl Appender {
    /// Appends lines; each tenant's keep their order. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Away`] when nothing or only a part was stored: append all of them again (a repeat is recognised).
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        match self {
            Self::Local(a) => a.append(entries).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(a) => a.append(entries).await,
            #[cfg(test)]
            Self::Memory(a) => a.send(entries).map_err(|_| Error::Stop("the simulation ended".to_owned())),
        }
    }
}

impl Reader {
    /// The next thing to know; waits for it. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// [`Error::Stop`] when the log cannot be read any more; what is merely away is waited for inside.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        match self {
            Self::Local(r) => r.next().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(r) => r.next().await,
            #[cfg(test)]
            Self::Memory(r) => r.next().await,
        }
    }

    /// Starts delivery of an assigned partition behind `after` (none: at its beginning).
    pub async fn resume(&mut self, partition: u32, after: Option<u64>) -> Result<(), Error> {
        match self {
            Self::Local(r) => r.resume(partition, after),
            #[cfg(feature = "kafka")]
            Self::Kafka(r) => r.resume(partition, after).await,
            #[cfg(test)]
            Self::Memory(r) => {
                r.order(memory::Order::Resume(partition, after));
                Ok(())
            }
        }
    }

    /// Tells the log that everything up to `offset` is stored and checkpointed (for lag shown by others; restores do not use it).
    pub async fn commit(&mut self, partition: u32, offset: u64) -> Result<(), Error> {
        match self {
            Self::Local(_) => Ok(()),
            #[cfg(feature = "kafka")]
            Self::Kafka(r) => r.commit(partition, offset).await,
            #[cfg(test)]
            Self::Memory(r) => {
                r.order(memory::Order::Commit(partition, offset));
                Ok(())
            }
        }
    }
}

/// The partition of a tenant: xxh3 of its name modulo the number of partitions.
pub fn partition_of(tenant: &str, partitions: u32) -> u32 {
    let h = xxhash_rust::xxh3::xxh3_64(tenant.as_bytes()) % u64::from(partitions.max(1));
    u32::try_from(h).expect("smaller than a u32")
}

/// The entry of a record.
pub fn entry(tenant: &str, record: Record, partitions: u32) -> Entry {
    let line = LogLine { v: LOG_VERSION, tenant: tenant.to_owned(), record };
    let line = serde_json::to_vec(&line).expect("a log line has string keys only");
    Entry { partition: partition_of(tenant, partitions), tenant: tenant.to_owned(), line }
}
