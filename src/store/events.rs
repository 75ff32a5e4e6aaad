//! Looking for events: what somebody did, who touched a client.

use clickhouse::Row;
use serde::Deserialize;

use super::{
    Error,
    query::{Place, Scope},
    unchecked,
};
use crate::event::Timestamp;

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

const COLUMNS: &str = "toString(tenant), manager, manager_alias, toString(team), toUnixTimestamp64Milli(time), toString(source), id, \
    toString(action), toString(outcome), toString(channel), toString(object_type), object_id, \
    multiIf(call_client != '', call_client, object_type = 'client', object_id, object_client), \
    if(JSONLength(enrich, 'clients') = 1, JSONExtractString(enrich, 'clients', 1, 'owner'), ''), \
    if(JSONLength(enrich, 'clients') = 1, JSONExtractString(enrich, 'clients', 1, 'related'), ''), \
    records, query_fingerprint, toString(call_direction), call_duration_s, client_ip, change_what, toString(late)";

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
    ask(
        filter.client.is_some(),
        "(call_client = ? OR object_client = ? OR (object_type = 'client' AND object_id = ?) OR has(object_ids, ?))",
    );
    ask(filter.action.is_some(), "action = ?");
    ask(filter.since.is_some(), "time >= fromUnixTimestamp64Milli(?)");
    ask(filter.until.is_some(), "time < fromUnixTimestamp64Milli(?)");
    ask(filter.ids.is_some(), "concat(toString(source), '/', id) IN ?");
    ask(
        filter.after.is_some(),
        "(time < fromUnixTimestamp64Milli(?) OR (time = fromUnixTimestamp64Milli(?) AND concat(toString(source), '/', id) > ?))",
    );
    // Written twice, an event is the same twice.
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE {} ORDER BY time DESC, concat(toString(source), '/', id) LIMIT 1 BY tenant, source, id LIMIT ?",
        all.join(" AND ")
    );
    let mut query = scope.bind(unchecked(client).query(&sql));
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
