//! How long rows are kept: a TTL of each table, as the configuration says. ClickHouse drops them when it merges.

use super::{Error, literal};
use crate::{
    event::DAY_MS,
    ops::config::{Kept, Retention},
};

/// Tables, and the time by which a row of theirs ages.
type Tables = &'static [(&'static str, &'static str)];
const LOG: Tables = &[("log", "appended_at")];
const EVENTS: Tables = &[
    ("events", "stored_at"),
    ("events_raw", "stored_at"),
    ("signals", "stored_at"),
    ("manager_hour", "stored_at"),
    ("manager_day", "stored_at"),
    ("canaries", "toDateTime(run)"),
    ("notifications", "toDateTime(at)"),
    ("alert_priorities", "toDateTime(at)"),
    ("ranker_reports", "toDateTime(at)"),
];
const DEAD_LETTERS: Tables = &[("dead_letters", "toDateTime(at)")];
const ALERTS: Tables =
    &[("alerts", "toDateTime(opened_at)"), ("alert_queue", "toDateTime(opened_at)"), ("alert_actions", "toDateTime(at)")];

/// Sets what is said and is another one; returns those tables.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn keep(client: &clickhouse::Client, said: &Retention) -> Result<Vec<&'static str>, Error> {
    let all = [(LOG, said.log), (EVENTS, said.events), (DEAD_LETTERS, said.dead_letters), (ALERTS, said.alerts)];
    let mut changed = Vec::new();
    for (tables, kept) in all.into_iter().filter_map(|(tables, kept)| Some((tables, kept?))) {
        let days = match kept {
            Kept::Forever => None,
            Kept::For(span) => Some(i64::try_from(span.as_secs() / 86_400).unwrap_or(i64::MAX)),
        };
        for (table, by) in tables {
            if now(client, table).await? == days {
                continue;
            }
            let change = days.map_or("REMOVE TTL".to_owned(), |days| format!("MODIFY TTL {by} + INTERVAL {days} DAY"));
            literal(client, &format!("ALTER TABLE {table} {change}")).execute().await?;
            changed.push(*table);
        }
    }
    Ok(changed)
}

/// The days that a table keeps its rows; none: for good.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn now(client: &clickhouse::Client, table: &str) -> Result<Option<i64>, Error> {
    let sql = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = ?";
    Ok(days(&client.query(sql).bind(table).fetch_one::<String>().await?))
}

/// Whether a table that keeps its rows for so many days still keeps one of then, both in milliseconds since 1970.
pub fn is_kept(days: Option<i64>, then: i64, now: i64) -> bool {
    days.is_none_or(|days| then + days * DAY_MS >= now)
}

/// The days of a table's TTL.
fn days(engine: &str) -> Option<i64> {
    let (_, ttl) = engine.split_once(" TTL ")?;
    let (_, rest) = ttl.split_once("toIntervalDay(")?;
    rest.split(')').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_from_what_clickhouse_says() {
        let engine =
            "ReplacingMergeTree(at) ORDER BY (tenant, at) TTL toDateTime(at) + toIntervalDay(400) SETTINGS index_granularity = 8192";
        assert_eq!((days(engine), days("ReplacingMergeTree ORDER BY at SETTINGS index_granularity = 64")), (Some(400), None));
    }
}
