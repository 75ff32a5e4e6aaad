//! What a notice of an incident says, counted from what is stored. Each figure comes with the query that gave it: a reader may ask it again.

use std::collections::BTreeMap;

use clickhouse::{Row, RowOwned, RowRead};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    Error,
    actions::{self, Standing},
    digest::Told,
    literal, long, quoted,
    rows::AlertRow,
    unchecked,
};
use crate::{
    directory::Zone,
    engine::EPISODE_MS,
    event::{DAY_MS, Date, Timestamp},
};

/// No evidence of an alert is older than this before its opening.
const EVIDENCE_MS: i64 = 10 * DAY_MS;
/// Addresses that are listed.
const ADDRESSES: u32 = 20;
/// Columns that are listed.
const FIELDS: u32 = 200;

/// A figure, and the query that gives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure<T> {
    /// What the query gave.
    pub value: T,
    /// All of it, as it may be asked again.
    pub query: String,
}

impl<T> Figure<T> {
    fn map<U>(self, as_what: impl FnOnce(T) -> U) -> Figure<U> {
        Figure { value: as_what(self.value), query: self.query }
    }
}

/// Which instant counts as that of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A person said so.
    Said,
    /// The event that raised the first alert was stored then.
    Raised,
    /// The clock of its events says so: nothing else is known any more.
    EventTime,
}

/// Somebody whose alerts these are, and the time that is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// Their id. It stays out of what is shown.
    #[serde(skip)]
    pub manager: String,
    /// Their pseudonym.
    pub manager_alias: String,
    /// Their team.
    pub team: String,
    /// Their role.
    pub role: String,
    /// First and last instant of each episode.
    pub spans: Vec<(Timestamp, Timestamp)>,
}

/// What was done, by kind and way.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Deed {
    /// Of the event format.
    pub action: String,
    /// The way it went.
    pub channel: String,
    /// How often.
    pub events: u64,
    /// Records returned, exported, changed or deleted.
    pub records: u64,
}

/// A word and how often it was met.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Counted {
    /// The word.
    pub what: String,
    /// How often.
    pub n: u64,
}

/// Where somebody was.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Address {
    /// IP address.
    pub ip: String,
    /// Country, where it is known.
    pub country: String,
    /// Events from there.
    pub events: u64,
}

/// What an alert said when.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Step {
    /// The alert.
    pub alert_id: String,
    /// Its version.
    pub version: u32,
    /// Time of the event that made it.
    #[serde(serialize_with = "instant")]
    pub time: i64,
    /// How severe.
    pub severity: String,
    /// Control.
    pub kind: String,
}

/// What people did about an alert; neither who nor their words.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Answer {
    /// The alert.
    pub alert_id: String,
    /// When.
    #[serde(serialize_with = "instant")]
    pub at: i64,
    /// Of whoever did it.
    pub role: String,
    /// What.
    pub action: String,
    /// What it was.
    pub verdict: String,
}

/// Whether an account is open, as the directory says.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Account {
    /// Whose.
    pub manager_alias: String,
    /// Enabled, where that is known.
    pub active: Option<bool>,
    /// The first instant without access, where there is one.
    pub terminated_at: String,
}

/// What an administrator did about an account.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Measure {
    /// When.
    #[serde(serialize_with = "instant")]
    pub time: i64,
    /// What.
    pub action: String,
    /// Of what.
    pub what: String,
}

fn instant<S: Serializer>(ms: &i64, s: S) -> Result<S::Ok, S::Error> {
    Timestamp::from_millis(*ms).serialize(s)
}

/// Alerts as one incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// Whose clients.
    pub tenant: String,
    /// The alerts, each in its latest version.
    pub alerts: Vec<Told>,
    /// Who they are about.
    pub suspects: Vec<Suspect>,
    /// When it was discovered.
    pub discovered: Figure<Timestamp>,
    /// How that is known.
    pub basis: Basis,
    /// Time of the first event.
    pub first: Figure<Option<Timestamp>>,
    /// Time of the last event.
    pub last: Figure<Option<Timestamp>>,
    /// Events.
    pub events: Figure<u64>,
    /// Of these failed or denied.
    pub failed: Figure<u64>,
    /// Distinct clients that events name, each once.
    pub clients: Figure<u64>,
    /// Of these clients for whom the directory knew no reason: somebody else's, and no order.
    pub strangers: Figure<u64>,
    /// Of these key clients.
    pub key_clients: Figure<u64>,
    /// Records read whose client no event names: as many clients at most.
    pub unnamed: Figure<u64>,
    /// Clients that the directory knows.
    pub directory: Figure<u64>,
    /// Records that left in files and by programs.
    pub records_out: Figure<u64>,
    /// Records shown on the screen.
    pub records_screen: Figure<u64>,
    /// Records changed, deleted, handed over or shared.
    pub records_changed: Figure<u64>,
    /// Calls.
    pub calls: Figure<u64>,
    /// What was done.
    pub deeds: Figure<Vec<Deed>>,
    /// What was touched.
    pub objects: Figure<Vec<Counted>>,
    /// Which columns were asked for.
    pub fields: Figure<Vec<Counted>>,
    /// Whose clients they were, seen from the person.
    pub owners: Figure<Vec<Counted>>,
    /// From where.
    pub addresses: Figure<Vec<Address>>,
    /// How the alerts grew.
    pub steps: Figure<Vec<Step>>,
    /// When somebody was first told.
    pub told: Figure<Option<Timestamp>>,
    /// What people did.
    pub answers: Figure<Vec<Answer>>,
    /// What is with the accounts.
    pub accounts: Figure<Vec<Account>>,
    /// What administrators did since.
    pub measures: Figure<Vec<Measure>>,
}

/// What a person says beyond the alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// It began then.
    pub from: Option<Timestamp>,
    /// It ended then.
    pub until: Option<Timestamp>,
    /// It was discovered then.
    pub discovered: Option<Timestamp>,
}

/// The incident that these alerts are; each is given by all of its versions, oldest first. Alerts are of one tenant.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn read(client: &clickhouse::Client, database: &str, alerts: Vec<Vec<AlertRow>>, asked: &Asked) -> Result<Incident, Error> {
    let ask = Ask { client: unchecked(client), database };
    let tenant = alerts.iter().flatten().next().map(|a| a.tenant.clone()).unwrap_or_default();
    let ids: Vec<String> = alerts.iter().filter_map(|versions| Some(versions.first()?.alert_id.clone())).collect();
    let about = format!("tenant = {} AND alert_id IN ({})", quoted(&tenant), list(&ids));
    let done = actions::of(client, &ids).await?;
    let (suspects, loose) = suspects(&ask, &alerts, asked).await?;
    let events = format!("FROM {database}.events FINAL WHERE tenant = {} AND {}", quoted(&tenant), within(&suspects, &loose, asked));
    let ok = format!("{events} AND outcome = 'success'");
    // One line for each client that an event names.
    let named = events.replacen(" WHERE ", " ARRAY JOIN JSONExtractArrayRaw(enrich, 'clients') AS client WHERE ", 1);
    let named = |what: &str| format!("SELECT {what} {named} AND outcome = 'success'");
    let h = "uniqExact(JSONExtractString(client, 'h'))";
    let reason = "max(JSONExtractString(client, 'owner') = 'self' OR JSONExtractString(client, 'related') != '')";
    let sum = |of: &str, more: &str| format!("SELECT {of} {ok}{more}");
    let records = "sum(ifNull(records, toUInt64(action = 'view')))";
    let aliases: Vec<String> = suspects.iter().map(|s| s.manager_alias.clone()).collect();
    let opened = alerts.iter().filter_map(|versions| Some(versions.first()?.opened_at)).min().unwrap_or_default();
    let (discovered, basis) = discovered(&ask, &about, asked).await?;
    let told = alerts.iter().filter_map(|versions| versions.last().cloned()).map(|row| {
        let standing = Standing::among(&done, &row.alert_id);
        Ok(Told { manager_alias: row.manager_alias.clone(), alert: row.into_version()?, standing })
    });
    Ok(Incident {
        alerts: told.collect::<Result<_, Error>>()?,
        discovered,
        basis,
        first: ask.time(format!("SELECT min(time) {events}")).await?,
        last: ask.time(format!("SELECT max(time) {events}")).await?,
        events: ask.one(format!("SELECT count() {events}")).await?,
        failed: ask.one(format!("SELECT count() {events} AND outcome != 'success'")).await?,
        clients: ask.one(named(h)).await?,
        strangers: ask
            .one(format!(
                "SELECT countIf(NOT known) FROM ({} GROUP BY h)",
                named(&format!("JSONExtractString(client, 'h') AS h, {reason} AS known"))
            ))
            .await?,
        key_clients: ask.one(named("uniqExactIf(JSONExtractString(client, 'h'), JSONExtractString(client, 'tier') = 'key')")).await?,
        unnamed: ask.one(sum("sum(JSONExtractUInt(enrich, 'unnamed'))", "")).await?,
        directory: ask
            .one(format!("SELECT toUInt64(sum(count)) FROM {database}.client_totals WHERE tenant = {}", quoted(&tenant)))
            .await?,
        records_out: ask.one(sum(records, " AND action IN ('export', 'print', 'api_query')")).await?,
        records_screen: ask.one(sum(records, " AND action IN ('list', 'report', 'search', 'view')")).await?,
        records_changed: ask
            .one(sum("sum(ifNull(records, 1))", " AND action IN ('update', 'delete', 'merge', 'transfer', 'share')"))
            .await?,
        calls: ask.one(sum("count()", " AND action = 'call'")).await?,
        deeds: ask
            .all(sum(
                &format!("action, channel, count() AS n, {records} AS amount"),
                " GROUP BY action, channel ORDER BY action, channel",
            ))
            .await?,
        objects: ask
            .all(sum(
                "object_type AS what, count() AS n",
                " AND object_type NOT IN ('', 'user', 'setting') GROUP BY what ORDER BY n DESC, what",
            ))
            .await?,
        fields: ask
            .all(sum(
                "arrayJoin(query_fields) AS what, count() AS n",
                &format!(" GROUP BY what ORDER BY n DESC, what LIMIT {FIELDS}"),
            ))
            .await?,
        owners: ask
            .all(named(&format!("JSONExtractString(client, 'owner') AS what, {h} AS n")) + " GROUP BY what ORDER BY n DESC, what")
            .await?,
        addresses: ask
            .all(format!(
                "SELECT client_ip AS ip, client_country AS country, count() AS events {events} AND client_ip != '' \
                 GROUP BY ip, country ORDER BY events DESC, ip, country LIMIT {ADDRESSES}"
            ))
            .await?,
        steps: ask
            .all(format!(
                "SELECT alert_id, version, time, severity, kind FROM {database}.alerts FINAL WHERE {about} ORDER BY time, alert_id, version"
            ))
            .await?,
        told: ask.time(format!("SELECT min(at) FROM {database}.notifications FINAL WHERE {about} AND state = 'sent'")).await?,
        answers: ask
            .all(format!(
                "SELECT alert_id, at, actor_role AS role, action, verdict FROM {database}.actions WHERE {about} ORDER BY at, alert_id, revision"
            ))
            .await?,
        accounts: ask
            .all(format!(
                "SELECT manager_alias, active, terminated_at FROM {database}.managers WHERE tenant = {} AND manager_alias IN ({}) \
                 ORDER BY manager_alias",
                quoted(&tenant),
                list(&aliases)
            ))
            .await?,
        // Whom it is about stands in the enrichment by id; the pseudonym finds it.
        measures: ask
            .all(format!(
                "SELECT time, action, change_what AS what FROM {database}.events FINAL WHERE tenant = {tenant} \
                 AND action IN ('permission_change', 'user_deactivate') AND time >= {} AND JSONExtractString(enrich, 'target') IN \
                 (SELECT manager FROM {database}.events WHERE tenant = {tenant} AND manager_alias IN ({})) ORDER BY time, action, what",
                at(Timestamp::from_millis(opened)),
                list(&aliases),
                tenant = quoted(&tenant),
            ))
            .await?,
        suspects,
        tenant,
    })
}

/// Asks, and keeps what was asked.
struct Ask<'a> {
    client: clickhouse::Client,
    database: &'a str,
}

impl Ask<'_> {
    fn query(&self, sql: &str) -> clickhouse::query::Query {
        long(literal(&self.client, sql))
    }

    async fn one<T: RowOwned + RowRead>(&self, sql: String) -> Result<Figure<T>, Error> {
        Ok(Figure { value: self.query(&sql).fetch_one().await?, query: sql })
    }

    async fn all<T: RowOwned + RowRead>(&self, sql: String) -> Result<Figure<Vec<T>>, Error> {
        Ok(Figure { value: self.query(&sql).fetch_all().await?, query: sql })
    }

    /// A time with milliseconds; that of nothing is none.
    async fn time(&self, sql: String) -> Result<Figure<Option<Timestamp>>, Error> {
        let found: Figure<i64> = self.one(sql).await?;
        Ok(found.map(|ms| (ms != 0).then(|| Timestamp::from_millis(ms))))
    }
}

/// The first alert was raised when the event that did it was stored; a tick that did it left no event.
async fn discovered(ask: &Ask<'_>, about: &str, asked: &Asked) -> Result<(Figure<Timestamp>, Basis), Error> {
    let db = ask.database;
    if let Some(said) = asked.discovered {
        return Ok((Figure { value: said, query: format!("SELECT {}", at(said)) }, Basis::Said));
    }
    let raised = format!(
        "SELECT toDateTime64(min(stored_at), 3, 'UTC') FROM {db}.events WHERE (log_partition, log_offset) IN \
         (SELECT log_partition, log_offset FROM {db}.alerts FINAL WHERE {about} AND version = 1)"
    );
    let Figure { value, query } = ask.time(raised).await?;
    if let Some(value) = value {
        return Ok((Figure { value, query }, Basis::Raised));
    }
    let opened = ask.time(format!("SELECT min(opened_at) FROM {db}.alerts FINAL WHERE {about}")).await?;
    Ok((opened.map(Option::unwrap_or_default), Basis::EventTime))
}

/// Whom the alerts are about, each with the spans of their episodes; and the evidence of alerts that are about nobody.
async fn suspects(ask: &Ask<'_>, alerts: &[Vec<AlertRow>], asked: &Asked) -> Result<(Vec<Suspect>, Vec<String>), Error> {
    let (mut people, mut loose) = (BTreeMap::<String, Suspect>::new(), Vec::new());
    for versions in alerts {
        let (Some(first), Some(last)) = (versions.first(), versions.last()) else { continue };
        let evidence: Vec<&String> = versions.iter().flat_map(|v| &v.event_ids).collect();
        if last.manager.is_empty() {
            loose.extend(evidence.into_iter().cloned());
            continue;
        }
        let opened = Timestamp::from_millis(first.opened_at);
        // The day of the first evidence counts from its beginning: what began the theft may have been too little to be evidence.
        let sql = "SELECT min(time), argMin(JSONExtractString(enrich, 'zone'), time) FROM events WHERE tenant = ? AND manager = ? \
                   AND time >= fromUnixTimestamp64Milli(?) AND concat(toString(source), '/', id) IN ?";
        let since = opened.plus(-EVIDENCE_MS).millis();
        let query = ask.client.query(sql).bind(&last.tenant).bind(&last.manager).bind(since).bind(&evidence);
        let (found, zone) = match evidence[..] {
            [] => (0, String::new()),
            _ => long(query).fetch_one::<(i64, String)>().await?,
        };
        let zone = Zone::get(&zone).unwrap_or(Zone::UTC);
        let start = Timestamp::from_millis(if found == 0 { first.opened_at } else { found.min(first.opened_at) });
        let from = zone.instant(zone.date(start), 0, 0);
        let end = zone.instant(Date(zone.date(opened).0 + 1), 0, 0).plus(-1).max(opened.plus(EPISODE_MS));
        let until = versions.iter().map(|v| Timestamp::from_millis(v.time)).fold(end, Timestamp::max);
        let span = (asked.from.unwrap_or(from), asked.until.unwrap_or(until));
        let suspect = people.entry(last.manager.clone()).or_insert_with(|| Suspect {
            manager: last.manager.clone(),
            manager_alias: last.manager_alias.clone(),
            team: last.team.clone(),
            role: last.role.clone(),
            spans: Vec::new(),
        });
        if !suspect.spans.contains(&span) {
            suspect.spans.push(span);
        }
    }
    loose.sort();
    loose.dedup();
    Ok((people.into_values().collect(), loose))
}

/// The condition of the incident's events.
fn within(suspects: &[Suspect], loose: &[String], asked: &Asked) -> String {
    let mut all: Vec<String> = suspects
        .iter()
        .flat_map(|s| s.spans.iter().map(|(from, until)| (&s.manager_alias, *from, *until)))
        .map(|(alias, from, until)| format!("manager_alias = {} AND time BETWEEN {} AND {}", quoted(alias), at(from), at(until)))
        .collect();
    if !loose.is_empty() {
        let mut evidence = format!("concat(source, '/', id) IN ({})", list(loose));
        for (sign, limit) in [(">=", asked.from), ("<=", asked.until)] {
            if let Some(limit) = limit {
                evidence += &format!(" AND time {sign} {}", at(limit));
            }
        }
        all.push(evidence);
    }
    match &all[..] {
        [] => "0".to_owned(),
        [one] => one.clone(),
        all => format!("(({}))", all.join(") OR (")),
    }
}

/// `toDateTime64('2026-11-26 15:17:53.432', 3, 'UTC')`.
fn at(time: Timestamp) -> String {
    let text = time.to_string();
    format!("toDateTime64('{}', 3, 'UTC')", text.trim_end_matches('Z').replace('T', " "))
}

/// A list of texts in SQL; an empty one has no type.
fn list(texts: &[String]) -> String {
    if texts.is_empty() { "''".to_owned() } else { texts.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    #[test]
    fn texts_stay_texts() {
        assert_eq!(quoted(r"a'b\c"), r"'a\'b\\c'");
        assert_eq!(list(&[]), "''");
        assert_eq!(at(time("2026-11-26T15:17:53.432Z")), "toDateTime64('2026-11-26 15:17:53.432', 3, 'UTC')");
    }

    #[test]
    fn one_condition_for_people_and_for_evidence_of_nobody() {
        let (from, until) = (time("2026-11-26"), time("2026-11-27"));
        let of = |alias: &str, spans: usize| Suspect {
            manager: String::new(),
            manager_alias: alias.to_owned(),
            team: String::new(),
            role: String::new(),
            spans: vec![(from, until); spans],
        };
        let asked = Asked { until: Some(until), ..Asked::default() };
        assert_eq!(within(&[], &[], &asked), "0");
        let one = format!("manager_alias = 'A' AND time BETWEEN {} AND {}", at(from), at(until));
        assert_eq!(within(&[of("A", 1)], &[], &asked), one);
        let both = within(&[of("A", 1)], &["crm/e'1".to_owned()], &asked);
        assert_eq!(both, format!(r"(({one}) OR (concat(source, '/', id) IN ('crm/e\'1') AND time <= {}))", at(until)));
    }
}
