//! The outbox of notifications: what is due, what became of it.
//!
//! A version that somebody is to be told of gets a `due` row for each receiver, in the flush that stores the alert and behind it. It stays
//! due until a row says `sent` or `failed`. Scoring a span again writes the same rows again, and changes nothing.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep, rows::AlertRow, unchecked};
use crate::{
    event::{DAY_MS, Timestamp},
    ops::metrics::{Receiver, Told},
};

/// The state of what is to be sent.
pub const DUE: &str = "due";
/// What is not delivered by then is given up.
pub const GIVE_UP_MS: i64 = 14 * DAY_MS;
/// How far back rows are looked at: what is given up must still be seen.
const LOOK_BACK_MS: i64 = GIVE_UP_MS + DAY_MS;
/// Taken up at once, per receiver.
const AT_ONCE: u32 = 500;

/// A row of `notifications`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration and in docs/notifications.md")]
pub struct Note {
    pub tenant: String,
    pub alert_id: String,
    pub version: u32,
    pub receiver: String,
    pub attempt: u32,
    pub state: String,
    pub reason: String,
    pub at: i64,
}

/// The first rows of an alert version that was just stored: one for each receiver, none where nobody is to be told.
pub fn first<'a>(alert: &'a AlertRow, receivers: &'a [Receiver], max_age_ms: i64, now: Timestamp) -> impl Iterator<Item = Note> + 'a {
    let old = now.millis().saturating_sub(alert.time) > max_age_ms;
    receivers.iter().filter(|_| alert.notify).map(move |receiver| Note {
        tenant: alert.tenant.clone(),
        alert_id: alert.alert_id.clone(),
        version: alert.version,
        receiver: receiver.as_str().to_owned(),
        attempt: 0,
        state: if old { Told::Skipped.as_str() } else { DUE }.to_owned(),
        reason: if old { "the event was older than alerts.notify_max_age when it was stored" } else { "" }.to_owned(),
        at: now.millis(),
    })
}

/// A version that a receiver has to be told of.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Open {
    /// Whose.
    pub tenant: String,
    /// The alert.
    pub alert_id: String,
    /// Its version.
    pub version: u32,
    /// Attempts so far.
    pub attempts: u32,
    /// Since when it is due, milliseconds since 1970.
    pub since: i64,
    /// The last attempt, or since when.
    pub last: i64,
}

/// What a receiver has not taken yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub n: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
    /// The oldest of them, at most a few hundred.
    pub first: Vec<Open>,
}

#[derive(Row, Deserialize)]
struct Sum {
    n: u64,
    oldest: i64,
}

#[derive(Row, Deserialize)]
struct Opener {
    alert_id: String,
    kind: String,
}

fn open(select: &str, end: &str) -> String {
    format!(
        "SELECT {select} FROM (SELECT toString(tenant) AS tenant, alert_id, version, max(attempt) AS attempts, \
         toUnixTimestamp64Milli(minIf(at, state = 'due')) AS since, toUnixTimestamp64Milli(max(at)) AS last \
         FROM notifications WHERE tenant IN ? AND receiver = ? AND at > fromUnixTimestamp64Milli(?) \
         GROUP BY tenant, alert_id, version HAVING countIf(state = 'due') > 0 AND countIf(state IN ('sent', 'failed', 'resolved')) = 0) {end}"
    )
}

/// What a receiver has not taken yet of these tenants' alerts.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn waiting(client: &clickhouse::Client, tenants: &[String], receiver: Receiver, now: Timestamp) -> Result<Waiting, Error> {
    if tenants.is_empty() {
        return Ok(Waiting::default());
    }
    let (client, since) = (unchecked(client), now.plus(-LOOK_BACK_MS).millis());
    let ask = |sql: String| client.query(&sql).bind(tenants).bind(receiver.as_str()).bind(since);
    let Sum { n, oldest } = ask(open("count(), min(since)", "")).fetch_one::<Sum>().await?;
    if n == 0 {
        return Ok(Waiting::default());
    }
    let first = ask(open("*", &format!("ORDER BY since, tenant, alert_id, version LIMIT {AT_ONCE}"))).fetch_all().await?;
    Ok(Waiting { n, oldest: Some(Timestamp::from_millis(oldest)), first })
}

/// Writes down what became of notifications.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, notes: &[Note]) -> Result<(), Error> {
    if notes.is_empty() {
        return Ok(());
    }
    Keep::insert(client, "notifications", notes).await
}

/// A version of each of these alerts, by alert and version.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn versions(client: &clickhouse::Client, of: &[&Open]) -> Result<BTreeMap<(String, u32), AlertRow>, Error> {
    let (tenants, keys) = (names(of.iter().map(|o| o.tenant.as_str())), of.iter().map(|o| (o.alert_id.as_str(), o.version)));
    let keys: Vec<(&str, u32)> = keys.collect();
    let sql = "SELECT ?fields FROM alerts FINAL WHERE tenant IN ? AND (alert_id, version) IN ?";
    let rows = unchecked(client).query(sql).bind(tenants).bind(keys).fetch_all::<AlertRow>().await?;
    Ok(rows.into_iter().map(|row| ((row.alert_id.clone(), row.version), row)).collect())
}

/// An alert as Alertmanager has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Its newest version of each severity it had, oldest first.
    pub severities: Vec<AlertRow>,
    /// The control that opened it.
    pub opened_by: String,
}

/// The stories of alerts, by alert.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn stories(client: &clickhouse::Client, tenants: &[String], alerts: &[String]) -> Result<BTreeMap<String, Story>, Error> {
    if alerts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let client = unchecked(client);
    let sql = "SELECT ?fields FROM alerts FINAL WHERE tenant IN ? AND alert_id IN ? ORDER BY alert_id, version DESC LIMIT 1 BY alert_id, severity";
    let rows = client.query(sql).bind(tenants).bind(alerts).fetch_all::<AlertRow>().await?;
    let sql = "SELECT alert_id, toString(argMin(kind, version)) FROM alerts WHERE tenant IN ? AND alert_id IN ? GROUP BY alert_id";
    let openers = client.query(sql).bind(tenants).bind(alerts).fetch_all::<Opener>().await?;
    let opened: BTreeMap<String, String> = openers.into_iter().map(|o| (o.alert_id, o.kind)).collect();
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    for row in rows.into_iter().rev() {
        let opened_by = || opened.get(&row.alert_id).unwrap_or(&row.kind).clone();
        let story = stories.entry(row.alert_id.clone()).or_insert_with(|| Story { severities: Vec::new(), opened_by: opened_by() });
        story.severities.push(row);
    }
    Ok(stories)
}

/// An alert that a receiver was told of.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Known {
    /// Whose.
    pub tenant: String,
    /// The alert.
    pub alert_id: String,
    /// The newest version it was told of.
    pub version: u32,
    /// Since when it is told, milliseconds since 1970.
    pub since: i64,
    /// When it was told last.
    pub last: i64,
    /// When it was told that the alert is closed; 0: it was not.
    pub resolved: i64,
    /// When somebody closed it; 0: it is open.
    pub closed: i64,
}

/// Alerts that a receiver was told of first within the last 14 days.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn known(client: &clickhouse::Client, tenants: &[String], receiver: Receiver, now: Timestamp) -> Result<Vec<Known>, Error> {
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT n.tenant, n.alert_id, n.version, n.since, n.last, n.resolved, \
               if(s.state = 'closed', toUnixTimestamp64Milli(s.changed_at), toInt64(0)) AS closed FROM \
               (SELECT toString(tenant) AS tenant, alert_id, max(version) AS version, toUnixTimestamp64Milli(minIf(at, state = 'due')) AS since, \
               toUnixTimestamp64Milli(maxIf(at, state = 'sent')) AS last, toUnixTimestamp64Milli(maxIf(at, state = 'resolved')) AS resolved \
               FROM notifications WHERE tenant IN ? AND receiver = ? AND state IN ('due', 'sent', 'resolved') AND at > fromUnixTimestamp64Milli(?) \
               GROUP BY tenant, alert_id HAVING since > ? AND countIf(state = 'sent') > 0) AS n \
               LEFT JOIN (SELECT toString(tenant) AS tenant, alert_id, state, changed_at FROM alert_states) AS s \
               ON n.tenant = s.tenant AND n.alert_id = s.alert_id ORDER BY n.since, n.alert_id";
    let (from, since) = (now.plus(-LOOK_BACK_MS).millis(), now.plus(-GIVE_UP_MS).millis());
    let query = unchecked(client).query(sql).bind(tenants).bind(receiver.as_str()).bind(from).bind(since);
    Ok(query.fetch_all().await?)
}

/// Alerts looked up at once.
pub const CHUNK: usize = 500;

/// An alert that people were told of.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Unanswered {
    /// Whose.
    pub tenant: String,
    /// The alert.
    pub alert_id: String,
    /// Whom it is about; empty: nobody.
    pub manager: String,
    /// When somebody was told of it first, milliseconds since 1970.
    pub told: i64,
}

/// Alerts of these severities that people were told of by `until` and within the last 14 days, and that nobody has taken up.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn unanswered(
    client: &clickhouse::Client,
    tenants: &[String],
    severities: &[String],
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Unanswered>, Error> {
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT n.tenant, n.alert_id, a.manager, n.told FROM \
               (SELECT toString(tenant) AS tenant, alert_id, toUnixTimestamp64Milli(minIf(at, state = 'sent')) AS told FROM notifications \
               WHERE tenant IN ? AND state = 'sent' AND at > fromUnixTimestamp64Milli(?) GROUP BY tenant, alert_id HAVING told <= ?) AS n \
               INNER JOIN (SELECT toString(tenant) AS tenant, alert_id, any(manager) AS manager, argMax(severity, version) AS severity FROM alerts \
               WHERE tenant IN ? GROUP BY tenant, alert_id) AS a ON n.tenant = a.tenant AND n.alert_id = a.alert_id \
               LEFT JOIN (SELECT toString(tenant) AS tenant, alert_id, state FROM alert_states) AS s \
               ON n.tenant = s.tenant AND n.alert_id = s.alert_id \
               WHERE a.severity IN ? AND s.state IN ('', 'open') ORDER BY n.told, n.alert_id";
    let from = now.plus(-GIVE_UP_MS).millis();
    let query = unchecked(client).query(sql).bind(tenants).bind(from).bind(until.millis()).bind(tenants).bind(severities);
    Ok(query.fetch_all().await?)
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = all.collect();
    names.sort_unstable();
    names.dedup();
    names
}
