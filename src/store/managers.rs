//! One manager, as whoever decides about an alert wants to know them: their days, their hours, and how their peers' days were.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, query::Scope, state, unchecked};
use crate::{
    engine::{Profile, Tenant},
    event::{DAY_MS, Timestamp},
};

/// Fewer others are no peers: each could be told from the rest.
pub const PEERS: u64 = 5;

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Person {
    /// The organisation.
    pub tenant: String,
    /// The id at the source.
    #[serde(skip_serializing)]
    pub manager: String,
    /// The pseudonym.
    pub manager_alias: String,
    /// The team, as last known.
    pub team: String,
    /// The role, as last known.
    pub role: String,
}

/// A day of theirs.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
pub struct Day {
    /// Midnight UTC of the local date.
    #[serde(serialize_with = "instant")]
    pub time: i64,
    /// Events.
    pub events: u64,
    /// Records that left.
    pub records_out: u64,
    /// Records on the screen.
    pub records_screen: u64,
    /// Different clients.
    pub clients: u64,
    /// Of these without a reason, weighed (docs/detection.md).
    pub unrelated: f64,
    /// The most surprising moment, millibits.
    pub peak_bits: u64,
}

/// An hour of theirs, by UTC.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Hour {
    /// When it began.
    #[serde(serialize_with = "instant")]
    pub time: i64,
    /// Events.
    pub events: u64,
    /// Records that left.
    pub records_out: u64,
    /// Records on the screen.
    pub records_screen: u64,
    /// Calls.
    pub calls: u64,
}

/// Days of others in the same role, within the same span: medians of those with activity.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
pub struct Peers {
    /// How many people.
    pub people: u64,
    /// Their days.
    pub days: u64,
    /// Events of a day.
    pub events: f64,
    /// Records that left.
    pub records_out: f64,
    /// Records on the screen.
    pub records_screen: f64,
    /// Different clients.
    pub clients: f64,
    /// Of these without a reason.
    pub unrelated: f64,
}

/// What is known of a manager.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// Who.
    pub manager: Person,
    /// Since when.
    pub since: Timestamp,
    /// Days with activity, the newest first.
    pub days: Vec<Day>,
    /// Hours with activity, the newest first.
    pub hours: Vec<Hour>,
    /// Others in the same role; none where there are fewer than [`PEERS`].
    pub peers: Option<Peers>,
    /// What their days are compared with, as of the last checkpoint; none before there is one.
    pub usual: Option<Profile>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn instant<S: serde::Serializer>(millis: &i64, s: S) -> Result<S::Ok, S::Error> {
    Timestamp::from_millis(*millis).serialize(s)
}

/// Somebody in scope, by id or pseudonym; where several organisations have one of that name, whoever was active last.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn find(client: &clickhouse::Client, scope: &Scope, tenant: Option<&str>, manager: &str) -> Result<Option<Person>, Error> {
    let sql = format!(
        "SELECT toString(tenant), manager, any(manager_alias), toString(argMax(team, time)), toString(argMax(role, time)) FROM manager_day WHERE {} AND (manager = ? OR manager_alias = ?) AND (? = '' OR tenant = ?) \
         GROUP BY tenant, manager ORDER BY max(time) DESC, tenant, manager LIMIT 1",
        scope.condition()
    );
    let tenant = tenant.unwrap_or_default();
    let query = scope.bind(unchecked(client).query(&sql)).bind(manager).bind(manager).bind(tenant).bind(tenant);
    Ok(query.fetch_optional().await?)
}

/// What is known of somebody, of the last `days` days before `now`.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn dossier(client: &clickhouse::Client, person: Person, days: u32, now: Timestamp) -> Result<Dossier, Error> {
    let since = now.plus(-DAY_MS * i64::from(days));
    let client = &unchecked(client);
    let (tenant, manager) = (&person.tenant, &person.manager);
    let theirs = "FINAL WHERE tenant = ? AND manager = ? AND time >= fromUnixTimestamp64Milli(?) ORDER BY time DESC";
    let ask = |sql: &str| client.query(sql).bind(tenant).bind(manager).bind(since.millis());
    let days = format!(
        "SELECT toUnixTimestamp64Milli(time), events, records_out, records_screen, clients, unrelated, peak_bits FROM manager_day {theirs}"
    );
    let hours = format!("SELECT toUnixTimestamp64Milli(time), events, records_out, records_screen, calls FROM manager_hour {theirs}");
    let peers = "SELECT uniqExact(manager), count(), median(events), median(records_out), median(records_screen), median(clients), median(unrelated) \
                 FROM manager_day FINAL WHERE tenant = ? AND manager != ? AND time >= fromUnixTimestamp64Milli(?) AND role = ?";
    let (days, hours, peers, usual) = tokio::try_join!(
        async { ask(&days).fetch_all::<Day>().await.map_err(Error::from) },
        async { ask(&hours).fetch_all::<Hour>().await.map_err(Error::from) },
        async { ask(peers).bind(&person.role).fetch_one::<Peers>().await.map_err(Error::from) },
        usual(client, tenant, manager),
    )?;
    let usual = usual.map(|usual| Profile { manager: person.manager_alias.clone(), ..usual });
    Ok(Dossier { since, days, hours, peers: (peers.people >= PEERS).then_some(peers), usual, manager: person })
}

/// What somebody's days are compared with, as of the last checkpoint; none: nothing is known yet, or no more.
///
/// # Errors
/// When ClickHouse is away or refuses. A state that cannot be read is one that a newer Filin wrote.
pub async fn usual(client: &clickhouse::Client, tenant: &str, manager: &str) -> Result<Option<Profile>, Error> {
    let Some(log_id) = state::meta(client, "log_id").await? else { return Ok(None) };
    let Some(partition) = state::place_of(client, &log_id, tenant, manager).await? else { return Ok(None) };
    let Some(at) = state::newest(client, &log_id, partition).await? else { return Ok(None) };
    let Some(restored) = state::load_one(client, &at, tenant, manager).await? else { return Ok(None) };
    let mut tenant = Tenant::restore(&restored.shared, restored.managers).map_err(|e| Error::Refused(e.to_string()))?;
    Ok(tenant.profile(manager))
}
