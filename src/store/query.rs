//! What pages and the command line ask.

use super::{Error, actions::State, rows::AlertRow};

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

/// The newest alerts, each in its latest version.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn alerts(client: &clickhouse::Client, filter: &Filter) -> Result<Vec<AlertRow>, Error> {
    let mut conditions = vec!["1"];
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
    let mut query = client.query(&sql);
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

/// All versions of an alert, oldest first; empty when there is none.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn versions(client: &clickhouse::Client, alert_id: &str) -> Result<Vec<AlertRow>, Error> {
    let sql = "SELECT ?fields FROM alerts FINAL WHERE alert_id = ? ORDER BY version";
    Ok(super::unchecked(client).query(sql).bind(alert_id).fetch_all::<AlertRow>().await?)
}
