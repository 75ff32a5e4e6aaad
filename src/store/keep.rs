//! What scoring needs of the store, in one place. ClickHouse has it; in tests so has a memory in which crashes can be planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use super::{
    Error,
    integrity::{self, Person, Proved, Salts},
    state::{self, Checkpoint, Restored},
    unchecked,
};
use crate::event::Timestamp;

/// A row that can be stored.
pub trait Stored: clickhouse::RowOwned + clickhouse::RowWrite + Clone + Send + Sync + 'static {}

impl<T: clickhouse::RowOwned + clickhouse::RowWrite + Clone + Send + Sync + 'static> Stored for T {}

/// Takes effects and states, and gives states back. Every call is one try; its caller tries again.
pub trait Keep: Clone + Send + Sync + 'static {
    /// Inserts rows into a table. Rows of effects replace equal ones.
    ///
    /// # Errors
    /// When the store is away (some rows may be there nevertheless) or refuses.
    fn insert<T: Stored>(&self, table: &'static str, rows: &[T]) -> impl Future<Output = Result<(), Error>> + Send;

    /// The newest checkpoint of a partition, if there is one.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn newest(&self, log_id: &str, partition: u32) -> impl Future<Output = Result<Option<Checkpoint>, Error>> + Send;

    /// The states of a partition's tenants as of a checkpoint.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn load(&self, at: &Checkpoint) -> impl Future<Output = Result<BTreeMap<String, Restored>, Error>> + Send;

    /// Hash and time of a tenant's stored events since a time and up to a checkpoint.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn seen(&self, tenant: &str, at: &Checkpoint, since: Timestamp) -> impl Future<Output = Result<Vec<(u64, Timestamp)>, Error>> + Send;

    /// Drops the states of generations that no restore needs any more.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn drop_old_generations(&self, log_id: &str, partition: u32) -> impl Future<Output = Result<(), Error>> + Send;

    /// The salts of these people; who has none gets one, the same whoever asks.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn salts(&self, who: &BTreeSet<Person>, at: Timestamp) -> impl Future<Output = Result<Salts, Error>> + Send;

    /// The last links of a partition's chain up to an offset.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn tips(
        &self,
        log_id: &str,
        partition: u32,
        chain: &'static str,
        until: u64,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// What people did about a partition's alerts and is in no link yet.
    ///
    /// # Errors
    /// When the store is away or refuses.
    fn unproved(&self, partition: u32) -> impl Future<Output = Result<Vec<Proved>, Error>> + Send;

    /// The free part of its fullest disk; none where that is not known.
    fn disk_free(&self) -> impl Future<Output = Option<f64>> + Send;
}

impl Keep for clickhouse::Client {
    async fn insert<T: Stored>(&self, table: &'static str, rows: &[T]) -> Result<(), Error> {
        let client = if table == "alerts" { &unchecked(self) } else { self };
        let mut insert = client.insert::<T>(table).await?;
        for row in rows {
            insert.write(row).await?;
        }
        Ok(insert.end().await?)
    }

    async fn newest(&self, log_id: &str, partition: u32) -> Result<Option<Checkpoint>, Error> {
        state::newest(self, log_id, partition).await
    }

    async fn load(&self, at: &Checkpoint) -> Result<BTreeMap<String, Restored>, Error> {
        state::load(self, at).await
    }

    async fn seen(&self, tenant: &str, at: &Checkpoint, since: Timestamp) -> Result<Vec<(u64, Timestamp)>, Error> {
        state::seen(self, tenant, at, since).await
    }

    async fn drop_old_generations(&self, log_id: &str, partition: u32) -> Result<(), Error> {
        state::drop_old_generations(self, log_id, partition).await
    }

    async fn salts(&self, who: &BTreeSet<Person>, at: Timestamp) -> Result<Salts, Error> {
        integrity::salts(self, who, at).await
    }

    async fn tips(&self, log_id: &str, partition: u32, chain: &'static str, until: u64) -> Result<Vec<String>, Error> {
        integrity::tips(self, log_id, partition, chain, until).await
    }

    async fn unproved(&self, partition: u32) -> Result<Vec<Proved>, Error> {
        integrity::unproved(self, partition).await
    }

    async fn disk_free(&self) -> Option<f64> {
        state::disk_free(self).await
    }
}
