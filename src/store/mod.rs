//! ClickHouse: rows, inserts, queries, migrations. One implementation, over HTTP, whether the server is embedded or not.

pub mod actions;
pub mod alias;
pub mod backup;
pub mod canaries;
pub mod dead;
pub mod digest;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod events;
pub mod incident;
pub mod integrity;
pub mod keep;
pub mod login;
pub mod managers;
pub mod migrate;
pub mod notifications;
pub mod oversight;
mod packed;
pub mod priorities;
pub mod query;
pub mod reference;
pub mod reshard;
pub mod retention;
pub mod reveals;
pub mod rows;
pub mod state;
pub mod subject;
pub mod survey;

use std::{future::Future, time::Duration};

pub use alias::Alias;
pub use keep::Keep;

use crate::ops::{
    happening::{StoreAway, StoreBack},
    metrics::Metrics,
};

/// Something went wrong with ClickHouse.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached or is busy: worth trying again.
    #[error("clickhouse is away: {0}")]
    Away(String),
    /// It refused: trying the same again does not help.
    #[error("clickhouse refused: {0}")]
    Refused(String),
}

/// Codes that say "not now": timeouts, memory, too many parts or queries, cancelled, keeper, disk, read-only.
const BUSY: &[u32] = &[159, 160, 202, 203, 209, 210, 212, 241, 242, 243, 252, 279, 285, 319, 394, 425, 439, 999];

impl From<clickhouse::error::Error> for Error {
    fn from(e: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as E;
        match e {
            // The crate's messages repeat their source, so only the outermost text is kept.
            E::Network(_) | E::TimedOut => Self::Away(e.to_string()),
            E::BadResponse(text) => {
                let code = text.split("Code: ").nth(1).and_then(|t| t.split('.').next()).and_then(|c| c.trim().parse::<u32>().ok());
                let text = text.chars().take(400).collect();
                match code {
                    Some(code) if !BUSY.contains(&code) => Self::Refused(text),
                    _ => Self::Away(text),
                }
            }
            other => Self::Refused(other.to_string()),
        }
    }
}

/// A query as it stands: its `?` are its own, not the crate's placeholders.
fn literal(client: &clickhouse::Client, sql: &str) -> clickhouse::query::Query {
    client.query(&sql.replace('?', "??"))
}

/// Ids of everybody in a large company are longer than a query usually may be.
fn long(query: clickhouse::query::Query) -> clickhouse::query::Query {
    query.with_setting("max_query_size", "67108864")
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Where ClickHouse is and who we are there.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port`.
    pub url: String,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Database.
    pub database: String,
}

/// A client of one database, with the settings that Filin's writes need.
pub fn client(options: &Options) -> clickhouse::Client {
    clickhouse::Client::default()
        .with_url(&options.url)
        .with_user(&options.user)
        .with_password(&options.password)
        .with_database(&options.database)
        // A backfill may touch many months at once.
        .with_setting("max_partitions_per_insert_block", "0")
        // Alerts are packed block by block: those of a restore would take gigabytes at once.
        .with_setting("min_insert_block_size_bytes", "16777216")
}

/// The same client for rows of alerts: the crate cannot read the type of a named tuple, so it must not ask for it. The order of
/// the columns is held by a test instead.
pub fn unchecked(client: &clickhouse::Client) -> clickhouse::Client {
    client.clone().with_validation(false)
}

/// Tries until it works; what is refused is returned at once. Waits 0.1 s at first, 5 s at most.
///
/// # Errors
/// [`Error::Refused`] of the last try.
pub async fn persist<T, F>(what: &str, attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let away = |error: &str, _| tracing::warn!(what, error, "clickhouse is away, trying again");
    retry(attempt, away, || {}).await
}

/// As [`persist`], for what holds up consumption: on-call is told.
///
/// # Errors
/// [`Error::Refused`] of the last try.
pub async fn persist_or_tell<T, F>(what: &str, metrics: &Metrics, attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let away = |error: &str, attempt| StoreAway { what, error: &error, attempt }.emit(metrics);
    retry(attempt, away, || StoreBack.emit(metrics)).await
}

async fn retry<T, F>(mut attempt: impl FnMut() -> F, away: impl Fn(&str, u32), back: impl Fn()) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let (mut wait, mut n) = (Duration::from_millis(100), 1_u32);
    loop {
        match attempt().await {
            Err(Error::Away(e)) => {
                away(&e, n);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
                n = n.saturating_add(1);
            }
            done => {
                if n > 1 {
                    back();
                }
                return done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ops::metrics::Labels;

    #[tokio::test]
    async fn on_call_sees_that_clickhouse_is_away_and_back() {
        let metrics = Metrics::new(&prometheus::Registry::new(), &Labels { controls: &[], severities: &[], reasons: &[] });
        let shows = |line: &str| metrics.text().lines().any(|l| l == line);
        let attempts = Cell::new(0);
        let attempt = || async {
            attempts.set(attempts.get() + 1);
            assert_eq!(shows("filin_store_away 1"), attempts.get() > 1);
            if attempts.get() < 3 { Err(Error::Away("x".to_owned())) } else { Ok(7) }
        };
        assert_eq!(persist_or_tell("rows", &metrics, attempt).await.ok(), Some(7));
        assert!(shows("filin_store_away 0") && shows("filin_store_retries_total 2"));
        let refused = persist_or_tell("rows", &metrics, || async { Err::<(), _>(Error::Refused("x".to_owned())) }).await;
        assert!(matches!(refused, Err(Error::Refused(_))));
    }
}
