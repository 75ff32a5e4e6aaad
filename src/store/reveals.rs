//! Who saw whom by name, and why.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep};

/// A row of `reveals`: one person whose name somebody saw. It says whom by pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct Reveal {
    pub tenant: String,
    pub at: i64,
    pub id: String,
    pub by: String,
    pub manager_alias: String,
    pub place: String,
    pub about: String,
    pub reason: String,
}

/// Writes it down. What is to be shown is shown behind this, never before.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, rows: &[Reveal]) -> Result<(), Error> {
    if rows.is_empty() { Ok(()) } else { Keep::insert(client, "reveals", rows).await }
}

/// The newest first.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn list(client: &clickhouse::Client, tenant: Option<&str>, limit: u32) -> Result<Vec<Reveal>, Error> {
    let sql = "SELECT ?fields FROM reveals FINAL WHERE ? = '' OR tenant = ? ORDER BY at DESC, id, manager_alias LIMIT ?";
    let tenant = tenant.unwrap_or_default();
    Ok(client.query(sql).bind(tenant).bind(tenant).bind(limit).fetch_all().await?)
}

/// The managers with a pseudonym: tenant and id. Users first, then whoever acted without a row of theirs.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn whose(client: &clickhouse::Client, tenant: Option<&str>, alias: &str) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT DISTINCT toString(tenant) AS t, who FROM (\
               SELECT tenant, id AS who FROM users WHERE manager_alias = ? \
               UNION ALL SELECT tenant, manager AS who FROM manager_day WHERE manager_alias = ? \
               UNION ALL SELECT tenant, manager AS who FROM alerts WHERE manager_alias = ?) \
               WHERE (? = '' OR t = ?) ORDER BY t, who";
    let tenant = tenant.unwrap_or_default();
    Ok(client.query(sql).bind(alias).bind(alias).bind(alias).bind(tenant).bind(tenant).fetch_all().await?)
}
