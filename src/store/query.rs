//! What pages and the command line ask.

use std::collections::BTreeSet;

use clickhouse::query::Query;

use super::{Error, actions::State, rows::AlertRow};

/// Which rows somebody may read: the one condition that stands in every question about alerts and managers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of this tenant; none: of all.
    pub tenant: Option<String>,
    /// About these people, by id; none: whatever it is about.
    pub people: Option<BTreeSet<String>>,
    /// Never about this person, whatever the tenant.
    pub but: Option<String>,
    /// Never about what this person did in Filin itself.
    pub but_watcher: Option<String>,
}

impl Scope {
    /// What `tenant` and `manager` of a row must hold, with as many places as [`Self::bind`] fills.
    pub fn condition(&self) -> String {
        let mut all = vec!["1"];
        if self.tenant.is_some() {
            all.push("tenant = ?");
        }
        match &self.people {
            None => {}
            // An empty list has no type.
            Some(people) if people.is_empty() => all.push("0"),
            Some(_) => all.push("manager IN ?"),
        }
        if self.but.is_some() {
            all.push("manager != ?");
        }
        if self.but_watcher.is_some() {
            all.push("NOT (tenant = '_audit' AND manager = ?)");
        }
        format!("({})", all.join(" AND "))
    }

    /// Fills the places of [`Self::condition`].
    pub fn bind(&self, mut query: Query) -> Query {
        if let Some(tenant) = &self.tenant {
            query = query.bind(tenant);
        }
        if let Some(people) = self.people.as_ref().filter(|people| !people.is_empty()) {
            // Ids of everybody in a large company are longer than a query usually may be.
            query = query.bind(people).with_setting("max_query_size", "67108864");
        }
        for id in self.but.iter().chain(&self.but_watcher) {
            query = query.bind(id);
        }
        query
    }
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// About this manager (id or alias).
    pub manager: Option<String>,
    /// At least this severity.
    pub severities: Vec<String>,
    /// Newer than this, milliseconds since 1970.
    pub since: Option<i64>,
    /// That are so far.
    pub state: Option<State>,
    /// At most so many.
    pub limit: u32,
}

/// The newest alerts that are in scope, each in its latest version.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn alerts(client: &clickhouse::Client, scope: &Scope, filter: &Filter) -> Result<Vec<AlertRow>, Error> {
    let scoped = scope.condition();
    let mut conditions = vec![scoped.as_str()];
    if filter.tenant.is_some() {
        conditions.push("tenant = ?");
    }
    if filter.manager.is_some() {
        conditions.push("(manager = ? OR manager_alias = ?)");
    }
    if !filter.severities.is_empty() {
        conditions.push("severity IN ?");
    }
    if filter.since.is_some() {
        conditions.push("time >= fromUnixTimestamp64Milli(?)");
    }
    // Whoever was never touched has no row there.
    conditions.extend(filter.state.map(|state| match state {
        State::Open => "alert_id NOT IN (SELECT alert_id FROM alert_states WHERE state != 'open')",
        State::Acknowledged => "alert_id IN (SELECT alert_id FROM alert_states WHERE state = 'acknowledged')",
        State::Closed => "alert_id IN (SELECT alert_id FROM alert_states WHERE state = 'closed')",
    }));
    let sql = format!("SELECT ?fields FROM alerts_latest WHERE {} ORDER BY time DESC, alert_id LIMIT ?", conditions.join(" AND "));
    let client = super::unchecked(client);
    let mut query = scope.bind(client.query(&sql));
    if let Some(tenant) = &filter.tenant {
        query = query.bind(tenant);
    }
    if let Some(manager) = &filter.manager {
        query = query.bind(manager).bind(manager);
    }
    if !filter.severities.is_empty() {
        query = query.bind(&filter.severities);
    }
    if let Some(since) = filter.since {
        query = query.bind(since);
    }
    Ok(query.bind(filter.limit).fetch_all::<AlertRow>().await?)
}

/// All versions of an alert, oldest first; empty when there is none in scope.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn versions(client: &clickhouse::Client, scope: &Scope, alert_id: &str) -> Result<Vec<AlertRow>, Error> {
    let sql = format!("SELECT ?fields FROM alerts FINAL WHERE {} AND alert_id = ? ORDER BY version", scope.condition());
    Ok(scope.bind(super::unchecked(client).query(&sql)).bind(alert_id).fetch_all::<AlertRow>().await?)
}
