//! The order of the queue as answers taught it: what it is learned from, what was learned, and the place of each alert.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep, unchecked};
use crate::event::Timestamp;

/// An alert in its latest version, as far as its place depends on it.
#[derive(Clone, Debug, PartialEq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns are those of `alerts`; detectors and parts are those of its contributions")]
pub struct CaseRow {
    pub alert_id: String,
    pub version: u32,
    pub manager: String,
    pub team: String,
    pub role: String,
    pub opened_at: i64,
    pub kind: String,
    pub controls: Vec<String>,
    pub severity: String,
    pub bits: u64,
    pub score: f64,
    pub detectors: Vec<String>,
    pub parts: Vec<u64>,
}

const CASE: &str = "alert_id, version, manager, toString(team) AS team, toString(role) AS role, toUnixTimestamp64Milli(opened_at) AS opened_at, \
    toString(kind) AS kind, controls, toString(severity) AS severity, bits, score, arrayMap(c -> c.1, contributions) AS detectors, \
    arrayMap(c -> c.3, contributions) AS parts";

/// A row of `alert_priorities`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct PriorityRow {
    pub tenant: String,
    pub alert_id: String,
    pub version: u32,
    pub priority: f64,
    pub model: String,
    pub at: i64,
}

/// A row of `ranker_reports`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct ReportRow {
    pub tenant: String,
    pub at: i64,
    pub verdicts: u32,
    pub confirmed: u32,
    pub held_back: u32,
    pub before: f64,
    pub after: f64,
    pub in_force: bool,
    pub why: String,
    pub model: String,
    pub terms: Vec<String>,
    pub weights: Vec<f64>,
}

/// Answers that stand, by alert: the verdict, and when the alert was touched last, milliseconds since 1970.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn verdicts(client: &clickhouse::Client, tenant: &str) -> Result<BTreeMap<String, (String, i64)>, Error> {
    let sql = "SELECT alert_id, toString(verdict), toUnixTimestamp64Milli(changed_at) FROM alert_states \
               WHERE tenant = ? AND state = 'closed' AND verdict != ''";
    let rows = client.query(sql).bind(tenant).fetch_all::<(String, String, i64)>().await?;
    Ok(rows.into_iter().map(|(alert, verdict, at)| (alert, (verdict, at))).collect())
}

/// The newest answered alerts, at most so many.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn answered(client: &clickhouse::Client, tenant: &str, most: u32) -> Result<Vec<CaseRow>, Error> {
    let sql = format!(
        "SELECT {CASE} FROM (SELECT * FROM alerts AS a WHERE a.tenant = ? AND a.alert_id IN \
             (SELECT s.alert_id FROM alert_states AS s WHERE s.tenant = ? AND s.state = 'closed' AND s.verdict != '') \
             ORDER BY a.alert_id, a.version DESC LIMIT 1 BY a.alert_id) ORDER BY opened_at DESC, alert_id LIMIT ?"
    );
    Ok(unchecked(client).query(&sql).bind(tenant).bind(tenant).bind(most).fetch_all::<CaseRow>().await?)
}

/// Alerts opened since an instant that are not closed, one after the other; `new`: those only whose place is not known.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn each_open(
    client: &clickhouse::Client,
    tenant: &str,
    since: Timestamp,
    new: bool,
    mut hear: impl FnMut(CaseRow),
) -> Result<(), Error> {
    let known = "WHERE (alert_id, version) NOT IN (SELECT p.alert_id, p.version FROM alert_priorities AS p FINAL WHERE p.tenant = ?)";
    let sql = format!(
        "SELECT {CASE} FROM (SELECT * FROM alerts AS a WHERE a.tenant = ? AND a.opened_at >= fromUnixTimestamp64Milli(?) AND a.alert_id NOT IN \
             (SELECT s.alert_id FROM alert_states AS s WHERE s.tenant = ? AND s.state = 'closed') \
             ORDER BY a.alert_id, a.version DESC LIMIT 1 BY a.alert_id) {}",
        if new { known } else { "" }
    );
    let query = unchecked(client).query(&sql).bind(tenant).bind(since.millis()).bind(tenant);
    let mut rows = if new { query.bind(tenant) } else { query }.fetch::<CaseRow>()?;
    while let Some(row) = rows.next().await? {
        hear(row);
    }
    Ok(())
}

/// How often alerts of each tenant were closed or opened again.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn answers(client: &clickhouse::Client, tenants: &[String]) -> Result<BTreeMap<String, u64>, Error> {
    if tenants.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT toString(tenant), count() FROM alert_actions WHERE tenant IN ? AND action IN ('close', 'reopen') GROUP BY tenant";
    Ok(client.query(sql).bind(tenants).fetch_all::<(String, u64)>().await?.into_iter().collect())
}

/// Version and priority of these alerts, where somebody's answers gave one.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn of(client: &clickhouse::Client, alert_ids: &[String]) -> Result<BTreeMap<String, (u32, f64)>, Error> {
    if alert_ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT alert_id, version, priority FROM alert_priorities FINAL WHERE alert_id IN ? AND version > 0";
    Ok(by_alert(client.query(sql).bind(alert_ids).fetch_all().await?))
}

/// The same of a whole tenant.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn all(client: &clickhouse::Client, tenant: &str) -> Result<BTreeMap<String, (u32, f64)>, Error> {
    let sql = "SELECT alert_id, version, priority FROM alert_priorities FINAL WHERE tenant = ? AND version > 0";
    Ok(by_alert(client.query(sql).bind(tenant).fetch_all().await?))
}

fn by_alert(rows: Vec<(String, u32, f64)>) -> BTreeMap<String, (u32, f64)> {
    rows.into_iter().map(|(alert, version, priority)| (alert, (version, priority))).collect()
}

/// Keeps places.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, rows: &[PriorityRow]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    Keep::insert(client, "alert_priorities", rows).await
}

/// No place of a tenant's alerts holds any more.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn forget(client: &clickhouse::Client, tenant: &str, at: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO alert_priorities (tenant, alert_id, version, priority, model, at) \
               SELECT tenant, alert_id, 0, 0, '', fromUnixTimestamp64Milli(?) FROM alert_priorities FINAL WHERE tenant = ? AND version > 0";
    Ok(client.query(sql).bind(at.millis()).bind(tenant).execute().await?)
}

/// The newest report of each tenant, by name.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn reports(client: &clickhouse::Client) -> Result<Vec<ReportRow>, Error> {
    let sql = "SELECT ?fields FROM ranker_reports FINAL ORDER BY tenant, at DESC LIMIT 1 BY tenant";
    Ok(client.query(sql).fetch_all::<ReportRow>().await?)
}

/// Keeps a report.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_report(client: &clickhouse::Client, row: &ReportRow) -> Result<(), Error> {
    Keep::insert(client, "ranker_reports", std::slice::from_ref(row)).await
}

/// Whether what a tenant's answers taught is in force; none: any tenant's.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn in_force(client: &clickhouse::Client, tenant: Option<&str>) -> Result<bool, Error> {
    let sql =
        "SELECT count() FROM (SELECT argMax(in_force, at) AS now FROM ranker_reports WHERE ? = '' OR tenant = ? GROUP BY tenant) WHERE now";
    let tenant = tenant.unwrap_or_default();
    Ok(client.query(sql).bind(tenant).bind(tenant).fetch_one::<u64>().await? > 0)
}
