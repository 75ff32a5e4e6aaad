//! Migrations: `schemas/clickhouse/NNNN_what.sql`, forward only, each run once and recorded in `log_meta`.

use super::Error;

/// Number and text, in order.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("../../schemas/clickhouse/0001_first.sql")),
    (2, include_str!("../../schemas/clickhouse/0002_dead_letters.sql")),
    (3, include_str!("../../schemas/clickhouse/0003_canaries.sql")),
    (4, include_str!("../../schemas/clickhouse/0004_coverage.sql")),
    (5, include_str!("../../schemas/clickhouse/0005_mutes.sql")),
    (6, include_str!("../../schemas/clickhouse/0006_related.sql")),
    (7, include_str!("../../schemas/clickhouse/0007_actions.sql")),
    (8, include_str!("../../schemas/clickhouse/0008_notifications.sql")),
    (9, include_str!("../../schemas/clickhouse/0009_checkpoint_base.sql")),
    (10, include_str!("../../schemas/clickhouse/0010_priorities.sql")),
    (11, include_str!("../../schemas/clickhouse/0011_integrity.sql")),
    (13, include_str!("../../schemas/clickhouse/0013_privacy.sql")),
    (14, include_str!("../../schemas/clickhouse/0014_login.sql")),
    (15, include_str!("../../schemas/clickhouse/0015_reveal_counts.sql")),
    (16, include_str!("../../schemas/clickhouse/0016_queue.sql")),
    (17, include_str!("../../schemas/clickhouse/0017_codecs.sql")),
    (18, include_str!("../../schemas/clickhouse/0018_reveal_requests.sql")),
];

/// Days that events and what was found in them are kept.
const EVENTS_RETENTION_D: u32 = 400;

/// Brings a database up to date; returns the numbers of the migrations that ran.
///
/// # Errors
/// When ClickHouse is away, or refuses a statement.
pub async fn migrate(client: &clickhouse::Client, database: &str, log_retention_d: u32) -> Result<Vec<u32>, Error> {
    let plain = client.clone().with_database("");
    plain.query(&format!("CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")).execute().await?;
    let known = plain.query("SELECT count() FROM system.tables WHERE database = ? AND name = 'log_meta'").bind(database);
    let done = if known.fetch_one::<u64>().await? > 0 {
        let keys = "SELECT toUInt32(substring(key, 11)) FROM log_meta WHERE startsWith(key, 'migration/')";
        client.query(keys).fetch_all::<u32>().await?
    } else {
        Vec::new()
    };
    let mut ran = Vec::new();
    for (number, text) in MIGRATIONS.iter().filter(|(n, _)| !done.contains(n)) {
        for statement in statements(text) {
            let sql = statement
                .replace("{db}", database)
                .replace("{log_retention_d}", &log_retention_d.to_string())
                .replace("{events_retention_d}", &EVENTS_RETENTION_D.to_string());
            super::literal(&plain, &sql).execute().await?;
        }
        super::state::set_meta(client, &format!("migration/{number}"), "done").await?;
        ran.push(*number);
    }
    Ok(ran)
}

/// Statements end with a semicolon at the end of a line; comment lines go.
fn statements(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("--")).collect();
    let joined = lines.join("\n");
    joined.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned()).filter(|s| !s.is_empty()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_creates_something_once() {
        let all: Vec<String> = MIGRATIONS.iter().flat_map(|(_, text)| statements(text)).collect();
        assert!(all.len() > 15, "{}", all.len());
        for s in all {
            let creates =
                ["CREATE TABLE IF NOT EXISTS {db}.", "CREATE OR REPLACE VIEW {db}.", "CREATE MATERIALIZED VIEW IF NOT EXISTS {db}."];
            let creates = creates.iter().any(|begin| s.starts_with(begin));
            // Rows that are there twice become one again.
            let creates = creates || s == "INSERT INTO {db}.alert_queue\nSELECT * FROM {db}.alerts";
            let adds = s.contains(" ADD COLUMN IF NOT EXISTS ");
            let packs = s.lines().skip(1).all(|line| line.contains(" MODIFY COLUMN ") && line.contains(" CODEC("));
            assert!(creates || s.starts_with("ALTER TABLE {db}.") && (adds || packs), "{s}");
        }
    }
}
