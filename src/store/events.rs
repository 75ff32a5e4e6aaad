//! Looking for events: what somebody did, who touched a client.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    query::{Place, Scope},
    unchecked,
};
use crate::event::{Timestamp, client_hash};

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this manager (id or alias).
    pub manager: Option<String>,
    /// That name this client.
    pub client: Option<String>,
    /// Of this kind.
    pub action: Option<&'static str>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Older than this.
    pub until: Option<Timestamp>,
    /// Only these, as alerts name them: `source/id`.
    pub ids: Option<Vec<String>>,
    /// Only those behind this place.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u32,
}

/// An event as it is found; empty: it says nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Row, Deserialize)]
#[expect(missing_docs, reason = "the columns are EVENT.md's paths")]
pub struct Found {
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub team: String,
    pub time: i64,
    pub source: String,
    pub id: String,
    pub action: String,
    pub outcome: String,
    pub channel: String,
    pub object_type: String,
    pub object_id: String,
    /// The client that it names, where it is one.
    pub client: String,
    /// Whose that client was: `self`, `team`, `team_absent`, `other`, `unknown`.
    pub owner: String,
    /// Why the person had to do with that client, as the directory knew then.
    pub related: String,
    pub records: Option<u64>,
    pub query: String,
    pub call_direction: String,
    pub call_duration_s: Option<u64>,
    pub ip: String,
    pub change: String,
    /// Whether it came late.
    pub late: String,
}

impl Found {
    /// As an alert names it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.source, self.id)
    }

    /// Where the page that it ends goes on.
    pub fn place(&self) -> Place {
        Place { key: self.time, id: self.key() }
    }
}

const BEFORE: &str = "toString(tenant), manager, manager_alias, toString(team), toUnixTimestamp64Milli(time), toString(source), id, \
    toString(action), toString(outcome), toString(channel), toString(object_type), object_id";
/// The client, where an event names one alone, and what it was to the person.
const ALONE: &str = "multiIf(call_client != '', call_client, object_type = 'client', object_id, object_client), \
    if(JSONLength(enrich, 'clients') = 1, JSONExtractString(enrich, 'clients', 1, 'owner'), ''), \
    if(JSONLength(enrich, 'clients') = 1, JSONExtractString(enrich, 'clients', 1, 'related'), '')";
/// The client that was asked for, also among others.
const ASKED: &str = "? AS asked_for, JSONExtractString(entry, 'owner'), JSONExtractString(entry, 'related')";
const BEHIND: &str = "records, query_fingerprint, toString(call_direction), call_duration_s, client_ip, change_what, toString(late)";
/// What the directory knew of the client with this hash.
const ENTRY: &str = "arrayFirst(c -> JSONExtractString(c, 'h') = ?, JSONExtractArrayRaw(enrich, 'clients')) AS entry";
const NAMES: &str = "(call_client = ? OR object_client = ? OR (object_type = 'client' AND object_id = ?) OR has(object_ids, ?))";

/// Who looked for a client in Filin itself had to do with Filin: that is told to whoever asks for it by the tenant's name.
const OUTSIDE: &str = "tenant != '_audit'";

/// Somebody who had to do with a client.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Visitor {
    /// The organisation.
    pub tenant: String,
    /// The id at the source.
    #[serde(skip_serializing)]
    pub manager: String,
    /// The pseudonym.
    pub manager_alias: String,
    /// The team, as last known.
    pub team: String,
    /// The first time within the span.
    #[serde(serialize_with = "super::managers::instant")]
    pub first: i64,
    /// The last time.
    #[serde(serialize_with = "super::managers::instant")]
    pub last: i64,
    /// Events that name the client.
    pub events: u64,
    /// Of these calls.
    pub calls: u64,
    /// Of these exports, prints and API queries: the client left with them.
    pub taken: u64,
    /// Of these with a reason that the directory knew then: an order, a hand-over, their own client.
    pub with_reason: u64,
    /// Whose client it was, seen from the person, at the last of them: `self`, `team`, `team_absent`, `other`, `unknown`; empty: not known.
    pub owner: String,
    /// The reasons, each once.
    pub reasons: Vec<String>,
}

/// Who had to do with a client, and why; those without a reason first. Of `filter` the tenant, the client and the span count.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn visitors(client: &clickhouse::Client, scope: &Scope, filter: &EventFilter) -> Result<Vec<Visitor>, Error> {
    let sql = format!(
        "SELECT of, manager, any(alias), argMax(its_team, at), min(at), max(at), count(), countIf(did = 'call'), \
             countIf(did IN ('export', 'print', 'api_query', 'report')) AS taken, countIf(related != '' OR owner = 'self') AS reasoned, \
             argMax(owner, at), arraySort(groupUniqArrayIf(related, related != '')) \
         FROM (SELECT toString(tenant) AS of, manager, manager_alias AS alias, toString(team) AS its_team, toUnixTimestamp64Milli(time) AS at, \
                 toString(action) AS did, {ENTRY}, JSONExtractString(entry, 'owner') AS owner, JSONExtractString(entry, 'related') AS related \
             FROM events WHERE {} AND {NAMES} AND (? = '' OR tenant = ?) AND outcome = 'success' \
                 AND time >= fromUnixTimestamp64Milli(?) AND time < fromUnixTimestamp64Milli(?) AND {} \
             LIMIT 1 BY tenant, manager, time, source, id) \
         GROUP BY of, manager ORDER BY reasoned < count() DESC, taken DESC, count() DESC, of, manager LIMIT ?",
        scope.condition(),
        if filter.tenant.is_some() { "1" } else { OUTSIDE }
    );
    let (tenant, id) = (filter.tenant.clone().unwrap_or_default(), filter.client.clone().unwrap_or_default());
    let (since, until) = (filter.since.map_or(0, Timestamp::millis), filter.until.map_or(LAST_MS, Timestamp::millis));
    let query = scope.bind(unchecked(client).query(&sql).bind(hash(&id)));
    let query = query.bind(&id).bind(&id).bind(&id).bind(&id).bind(&tenant).bind(&tenant);
    Ok(query.bind(since).bind(until).bind(filter.limit).fetch_all().await?)
}

/// Behind every event.
const LAST_MS: i64 = 4_102_444_800_000;

/// As `enrich` names a client.
fn hash(id: &str) -> String {
    format!("{:016x}", client_hash(id))
}

/// The newest events that are in scope, each once.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn events(client: &clickhouse::Client, scope: &Scope, filter: &EventFilter) -> Result<Vec<Found>, Error> {
    let scoped = scope.condition();
    let mut all = vec![scoped.as_str()];
    let mut ask = |given: bool, condition: &'static str| {
        if given {
            all.push(condition);
        }
    };
    ask(filter.tenant.is_some(), "tenant = ?");
    ask(filter.manager.is_some(), "(manager = ? OR manager_alias = ?)");
    ask(filter.client.is_some(), NAMES);
    ask(filter.client.is_some() && filter.tenant.is_none(), OUTSIDE);
    ask(filter.action.is_some(), "action = ?");
    ask(filter.since.is_some(), "time >= fromUnixTimestamp64Milli(?)");
    ask(filter.until.is_some(), "time < fromUnixTimestamp64Milli(?)");
    ask(filter.ids.is_some(), "concat(toString(source), '/', id) IN ?");
    ask(
        filter.after.is_some(),
        "(time < fromUnixTimestamp64Milli(?) OR (time = fromUnixTimestamp64Milli(?) AND concat(toString(source), '/', id) > ?))",
    );
    // Written twice, an event is the same twice.
    let (entry, whose) = if filter.client.is_some() { (format!("WITH {ENTRY} "), ASKED) } else { (String::new(), ALONE) };
    let sql = format!(
        "{entry}SELECT {BEFORE}, {whose}, {BEHIND} FROM events WHERE {} ORDER BY time DESC, concat(toString(source), '/', id) LIMIT 1 BY tenant, source, id LIMIT ?",
        all.join(" AND ")
    );
    let mut query = unchecked(client).query(&sql);
    if let Some(id) = &filter.client {
        query = query.bind(hash(id)).bind(id);
    }
    query = scope.bind(query);
    if let Some(tenant) = &filter.tenant {
        query = query.bind(tenant);
    }
    if let Some(manager) = &filter.manager {
        query = query.bind(manager).bind(manager);
    }
    if let Some(id) = &filter.client {
        query = query.bind(id).bind(id).bind(id).bind(id);
    }
    if let Some(action) = filter.action {
        query = query.bind(action);
    }
    for at in filter.since.iter().chain(&filter.until) {
        query = query.bind(at.millis());
    }
    if let Some(ids) = &filter.ids {
        query = super::long(query.bind(ids));
    }
    if let Some(Place { key, id }) = &filter.after {
        query = query.bind(key).bind(key).bind(id);
    }
    Ok(query.bind(filter.limit).fetch_all().await?)
}
