//! What arrives, for the coverage and the audit: asked of `events`, `events_raw` and `clients`, and the tables where the answers are kept.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep, unchecked};
use crate::event::{DAY_MS, HOUR_MS, Timestamp};

/// Fields of events, with what tells that one has it. `actor.kind` and `enrich.address` say that an account named itself a program
/// and that an address stood on a list.
const FIELDS: [(&str, &str); 24] = [
    ("actor.kind", "actor_kind = 'integration'"),
    ("auth.mfa", "auth_mfa IS NOT NULL"),
    ("auth.mfa_method", "auth_mfa_method != ''"),
    ("call.client", "call_client != ''"),
    ("change.target", "change_target != ''"),
    ("change.to", "change_to != ''"),
    ("change.what", "change_what != ''"),
    ("channel", "channel != ''"),
    ("client.asn", "client_asn IS NOT NULL"),
    ("client.country", "client_country != ''"),
    ("client.device", "client_device != ''"),
    ("client.ip", "client_ip != ''"),
    ("client.lat", "client_lat IS NOT NULL"),
    ("client.tls", "client_tls != ''"),
    ("client.user_agent", "client_user_agent != ''"),
    ("client.version", "client_version != ''"),
    ("enrich.address", "position(enrich, '\"address\":\"') > 0"),
    ("object.client", "object_client != ''"),
    // An id may be a report's or a user's: what counts is that the event was found to name a client.
    ("object.id", "object_id != '' AND position(enrich, '\"clients\":[') > 0"),
    ("object.ids", "notEmpty(object_ids) AND position(enrich, '\"clients\":[') > 0"),
    ("query.fields", "notEmpty(query_fields)"),
    ("reason", "reason != ''"),
    ("records", "records IS NOT NULL"),
    ("session", "session != ''"),
];
/// The one that only the writer's own table has.
const NUMBER: &str = "call.number";

/// Fields of which it can be told whether they arrive.
pub const KNOWN: &[&str] = &{
    let mut all = [NUMBER; FIELDS.len() + 1];
    let mut i = 0;
    while i < FIELDS.len() {
        all[i] = FIELDS[i].0;
        i += 1;
    }
    all
};

/// Columns of clients that are counted.
const CLIENT_COLUMNS: [(&str, &str); 4] =
    [("decoy", "JSONExtractBool(row, 'decoy')"), ("owner", "JSONHas(row, 'owner')"), ("team", "team != ''"), ("tier", "tier != ''")];

/// What is looked at, counted back from a tenant's newest event.
const LOOK_BACK_D: i64 = 30;

/// Events of one source, team and action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Where they came from.
    pub source: String,
    /// Whose.
    pub team: String,
    /// What was done.
    pub action: String,
    /// In the last 24 hours.
    pub events_24h: u64,
    /// In the last 7 days.
    pub events_7d: u64,
    /// In the last 30 days.
    pub events_30d: u64,
    /// The newest.
    pub last: Timestamp,
    /// [`KNOWN`] fields that at least one of them has.
    pub fields: BTreeSet<&'static str>,
}

#[derive(Row, Deserialize)]
struct Group {
    source: String,
    team: String,
    action: String,
    events_24h: u64,
    events_7d: u64,
    events_30d: u64,
    last: i64,
    has: Vec<u8>,
}

#[derive(Row, Deserialize)]
struct Mark {
    tenant: String,
    newest: i64,
}

#[derive(Row, Deserialize)]
struct Pair {
    name: String,
    n: u64,
}

#[derive(Row, Deserialize)]
struct Clients {
    tenant: String,
    n: u64,
    has: Vec<u8>,
}

fn since(newest: Timestamp, ms: i64) -> String {
    format!("time > fromUnixTimestamp64Milli(toInt64({}))", newest.plus(-ms).millis())
}

/// The time of each tenant's newest event.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn newest(client: &clickhouse::Client) -> Result<BTreeMap<String, Timestamp>, Error> {
    let sql = "SELECT toString(tenant), toUnixTimestamp64Milli(max(time)) FROM events GROUP BY tenant";
    let rows = unchecked(client).query(sql).fetch_all::<Mark>().await?;
    Ok(rows.into_iter().map(|r| (r.tenant, Timestamp::from_millis(r.newest))).collect())
}

/// What arrived for a tenant in the 30 days before its newest event.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn arrived(client: &clickhouse::Client, tenant: &str, newest: Timestamp) -> Result<Vec<Arrived>, Error> {
    let client = unchecked(client);
    let has: Vec<String> = FIELDS.iter().map(|(_, says)| format!("toUInt8(max({says}))")).collect();
    let sql = format!(
        "SELECT toString(e.source), toString(e.team), toString(e.action), countIf({}), countIf({}), count(), \
         toUnixTimestamp64Milli(max(time)), [{}] FROM events AS e FINAL WHERE e.tenant = ? AND {} GROUP BY e.source, e.team, e.action \
         ORDER BY e.source, e.team, e.action",
        since(newest, 24 * HOUR_MS),
        since(newest, 7 * DAY_MS),
        has.join(", "),
        since(newest, LOOK_BACK_D * DAY_MS)
    );
    let groups = client.query(&sql).bind(tenant).fetch_all::<Group>().await?;
    let sql = format!(
        "SELECT toString(source), count() FROM events_raw WHERE tenant = ? AND call_number != '' AND {} GROUP BY source",
        since(newest, LOOK_BACK_D * DAY_MS)
    );
    let numbers: BTreeMap<String, u64> =
        client.query(&sql).bind(tenant).fetch_all::<Pair>().await?.into_iter().map(|r| (r.name, r.n)).collect();
    let arrived = |g: Group| {
        let mut fields: BTreeSet<&'static str> =
            FIELDS.iter().zip(&g.has).filter(|(_, has)| **has > 0).map(|((field, _), _)| *field).collect();
        if g.action == "call" && numbers.contains_key(&g.source) {
            fields.insert(NUMBER);
        }
        let last = Timestamp::from_millis(g.last);
        let Group { source, team, action, events_24h, events_7d, events_30d, .. } = g;
        Arrived { source, team, action, events_24h, events_7d, events_30d, last, fields }
    };
    Ok(groups.into_iter().map(arrived).collect())
}

/// Per tenant the number of rows of clients, and the columns that at least one of them has.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn clients(client: &clickhouse::Client) -> Result<BTreeMap<String, (u64, BTreeSet<&'static str>)>, Error> {
    let has: Vec<String> = CLIENT_COLUMNS.iter().map(|(_, says)| format!("toUInt8(max({says}))")).collect();
    let sql = format!("SELECT toString(tenant), count(), [{}] FROM clients FINAL GROUP BY tenant", has.join(", "));
    let rows = unchecked(client).query(&sql).fetch_all::<Clients>().await?;
    let columns = |has: &[u8]| CLIENT_COLUMNS.iter().zip(has).filter(|(_, has)| **has > 0).map(|((column, _), _)| *column).collect();
    Ok(rows.into_iter().map(|r| (r.tenant, (r.n, columns(&r.has)))).collect())
}

/// When accounts of a tenant were last closed, by the user whose they are.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn closed(client: &clickhouse::Client, tenant: &str) -> Result<BTreeMap<String, Timestamp>, Error> {
    let sql = "SELECT JSONExtractString(enrich, 'target') AS user, toUnixTimestamp64Milli(max(time)) FROM events \
               WHERE tenant = ? AND action = 'user_deactivate' AND outcome = 'success' GROUP BY user HAVING user != ''";
    let rows = unchecked(client).query(sql).bind(tenant).fetch_all::<Mark>().await?;
    Ok(rows.into_iter().map(|r| (r.tenant, Timestamp::from_millis(r.newest))).collect())
}

/// Policies that are in force, as they were put into the log: tenant and JSON.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn policies(client: &clickhouse::Client) -> Result<Vec<(String, String)>, Error> {
    #[derive(Row, Deserialize)]
    struct Kept {
        tenant: String,
        policy: String,
    }
    let sql = "SELECT substring(key, 8), value FROM log_meta FINAL WHERE startsWith(key, 'policy/') ORDER BY key";
    Ok(unchecked(client).query(sql).fetch_all::<Kept>().await?.into_iter().map(|k| (k.tenant, k.policy)).collect())
}

/// A row of `coverage`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration and in docs/coverage-and-audit.md")]
pub struct ArrivalRow {
    pub tenant: String,
    pub source: String,
    pub team: String,
    pub action: String,
    pub events_24h: u64,
    pub events_7d: u64,
    pub events_30d: u64,
    pub last: i64,
    pub at: i64,
}

/// A row of `coverage_controls`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize)]
#[expect(missing_docs, reason = "the columns are said in the migration and in docs/coverage-and-audit.md")]
pub struct ControlRow {
    pub tenant: String,
    pub control: &'static str,
    pub state: &'static str,
    pub reasons_en: Vec<String>,
    pub reasons_ru: Vec<String>,
    pub at: i64,
}

/// A row of `audit_findings`. Its identity: tenant, finding, team, manager, subject.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration and in docs/coverage-and-audit.md")]
pub struct FindingRow {
    pub tenant: String,
    pub finding: String,
    pub team: String,
    pub manager: String,
    pub manager_alias: String,
    pub subject: String,
    pub severity: String,
    pub others: Vec<String>,
    pub said_en: String,
    pub said_ru: String,
    pub open: bool,
    pub since: i64,
    pub at: i64,
}

/// Keeps what arrives for a tenant. What was known and is not seen any more stays, with its last event and no counts.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_coverage(
    client: &clickhouse::Client,
    tenant: &str,
    mut arrivals: Vec<ArrivalRow>,
    controls: &[ControlRow],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "SELECT ?fields FROM coverage FINAL WHERE tenant = ?";
    for old in unchecked(client).query(sql).bind(tenant).fetch_all::<ArrivalRow>().await? {
        let is = |r: &ArrivalRow| (&r.source, &r.team, &r.action) == (&old.source, &old.team, &old.action);
        if !arrivals.iter().any(is) {
            arrivals.push(ArrivalRow { events_24h: 0, events_7d: 0, events_30d: 0, at: at.millis(), ..old });
        }
    }
    Keep::insert(client, "coverage", &arrivals).await?;
    Keep::insert(client, "coverage_controls", controls).await
}

/// Keeps a tenant's findings. One that was open keeps the time when it was first found; one that is gone is closed.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_findings(client: &clickhouse::Client, tenant: &str, mut rows: Vec<FindingRow>, at: Timestamp) -> Result<(), Error> {
    let sql = "SELECT ?fields FROM audit_findings FINAL WHERE tenant = ? AND open";
    let key = |r: &FindingRow| (r.finding.clone(), r.team.clone(), r.manager.clone(), r.subject.clone());
    let mut before: BTreeMap<_, FindingRow> =
        unchecked(client).query(sql).bind(tenant).fetch_all::<FindingRow>().await?.into_iter().map(|r| (key(&r), r)).collect();
    for row in &mut rows {
        if let Some(old) = before.remove(&key(row)) {
            row.since = old.since;
        }
    }
    rows.extend(before.into_values().map(|old| FindingRow { open: false, at: at.millis(), ..old }));
    Keep::insert(client, "audit_findings", &rows).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::control::needs::NEEDS;

    /// A need that nobody looks for would be told as "not checked" for ever.
    #[test]
    fn every_need_is_looked_for() {
        for needs in NEEDS {
            for field in needs.fields {
                assert!(KNOWN.contains(field), "{}: {field}", needs.control);
            }
            for column in needs.clients {
                assert!(CLIENT_COLUMNS.iter().any(|(name, _)| name == column), "{}: {column}", needs.control);
            }
        }
    }
}
