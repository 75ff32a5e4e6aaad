//! [`Reader`] over ClickHouse.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use clickhouse::Row;
use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::Value;

use super::{
    alerts::{Alert, Counts, Manager, Story},
    gate::{ManagerOf, Reader},
};
use crate::{
    event::Timestamp,
    notify::who,
    ops::clock,
    store::{
        Error,
        actions::{self, ActionRow, Standing},
        events::{self, EventFilter, Found, Visitor},
        managers::{self, Dossier},
        oversight, priorities,
        query::{self, Filter, Place, Scope, Sort},
        reference,
        rows::AlertRow,
    },
};

/// Reads what is in ClickHouse.
#[derive(Clone)]
pub struct Stored(clickhouse::Client);

impl Stored {
    /// Through this client, whose database is Filin's.
    pub const fn new(client: clickhouse::Client) -> Self {
        Self(client)
    }

    pub(super) const fn client(&self) -> &clickhouse::Client {
        &self.0
    }
}

#[derive(Row, Deserialize)]
struct ManagerRow {
    tenant: String,
    manager_alias: String,
    team: String,
    role: String,
    last_day: i64,
    events: u64,
    records_out: u64,
    alerts: u64,
}

/// Rows, with what these actions make of their alerts, and their places. A place that was given to another version is none.
fn with_standing(rows: Vec<AlertRow>, done: &[ActionRow], places: &BTreeMap<String, (u32, f64)>) -> Result<Vec<Alert>, Error> {
    let alert = |row: AlertRow| {
        let standing = Standing::among(done, &row.alert_id);
        let given = places.get(&row.alert_id).filter(|(version, _)| *version == row.version);
        let priority = given.map_or(row.score, |(_, priority)| *priority);
        Ok(Alert { manager_alias: row.manager_alias.clone(), standing, priority, version: row.into_version()? })
    };
    rows.into_iter().map(alert).collect()
}

impl Reader for Stored {
    fn alerts<'a>(&'a self, scope: &'a Scope, filter: Filter) -> BoxFuture<'a, Result<Vec<Alert>, Error>> {
        async move {
            // Each is there once, in its latest version.
            let sort = filter.sort;
            let rows = query::alerts(&self.0, scope, &filter).await?;
            let ids: Vec<String> = rows.iter().map(|row| row.alert_id.clone()).collect();
            let (done, places) = tokio::try_join!(actions::of(&self.0, &ids), priorities::of(&self.0, &ids))?;
            let mut alerts = with_standing(rows, &done, &places)?;
            if sort == Sort::Priority {
                let place = |a: &Alert| Place::of(sort, &a.version, a.priority);
                alerts.sort_by_cached_key(|a| (Reverse(place(a).key), a.version.alert_id.clone()));
            }
            Ok(alerts)
        }
        .boxed()
    }

    fn story<'a>(&'a self, scope: &'a Scope, alert_id: String) -> BoxFuture<'a, Result<Story, Error>> {
        async move {
            let ids = [alert_id];
            // Both at once, so that time does not tell one that is out of scope from one that is not there.
            let all = tokio::try_join!(query::versions(&self.0, scope, &ids[0]), actions::of(&self.0, &ids), priorities::of(&self.0, &ids));
            let (rows, actions, places) = all?;
            let actions = if rows.is_empty() { Vec::new() } else { actions };
            Ok(Story { versions: with_standing(rows, &actions, &places)?, actions })
        }
        .boxed()
    }

    fn events<'a>(&'a self, scope: &'a Scope, filter: EventFilter) -> BoxFuture<'a, Result<Vec<Found>, Error>> {
        async move { events::events(&self.0, scope, &filter).await }.boxed()
    }

    fn managers<'a>(&'a self, scope: &'a Scope, tenant: Option<String>, limit: u32) -> BoxFuture<'a, Result<Vec<Manager>, Error>> {
        async move {
            let tenant = tenant.unwrap_or_default();
            let sql = format!(
                "SELECT tenant, manager_alias, argMax(team, time) AS team, argMax(role, time) AS role,
                    max(toUnixTimestamp64Milli(time)) AS last_day, sum(events) AS events, sum(records_out) AS records_out, any(a.n) AS alerts
                FROM (SELECT tenant, manager, manager_alias, team, role, time, events, records_out FROM manager_day FINAL
                    WHERE {} AND (? = '' OR tenant = ?)) AS d
                LEFT JOIN (SELECT tenant, manager, count() AS n FROM alert_queue FINAL GROUP BY tenant, manager) AS a
                    ON d.tenant = a.tenant AND d.manager = a.manager
                GROUP BY tenant, manager_alias ORDER BY last_day DESC, tenant, manager_alias LIMIT ?",
                scope.condition()
            );
            let rows = scope.bind(self.0.query(&sql)).bind(&tenant).bind(&tenant).bind(limit).fetch_all::<ManagerRow>().await?;
            let manager = |r: ManagerRow| Manager {
                tenant: r.tenant,
                manager_alias: r.manager_alias,
                team: r.team,
                role: r.role,
                last_day: Timestamp::from_millis(r.last_day),
                events: r.events,
                records_out: r.records_out,
                alerts: r.alerts,
            };
            Ok(rows.into_iter().map(manager).collect())
        }
        .boxed()
    }

    fn manager<'a>(&'a self, scope: &'a Scope, of: ManagerOf) -> BoxFuture<'a, Result<Option<Dossier>, Error>> {
        async move {
            let Some(person) = managers::find(&self.0, scope, of.tenant.as_deref(), &of.manager).await? else { return Ok(None) };
            managers::dossier(&self.0, person, of.days, clock::now()).await.map(Some)
        }
        .boxed()
    }

    fn visitors<'a>(&'a self, scope: &'a Scope, filter: EventFilter) -> BoxFuture<'a, Result<Vec<Visitor>, Error>> {
        async move { events::visitors(&self.0, scope, &filter).await }.boxed()
    }

    fn mutes<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, Error>> {
        async move { oversight::mutes(&self.0, scope, tenant.as_deref()).await }.boxed()
    }

    fn policies<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, Error>> {
        async move { oversight::policies(&self.0, scope, tenant.as_deref()).await }.boxed()
    }

    fn coverage<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, Error>> {
        async move { oversight::coverage(&self.0, scope, tenant.as_deref()).await }.boxed()
    }

    fn mark(&self) -> BoxFuture<'_, Result<[u64; 3], Error>> {
        async move { query::mark(&self.0).await }.boxed()
    }

    fn counts<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<Counts, Error>> {
        async move {
            let within = scope.condition();
            let days = format!("SELECT sum(events), uniqExact(tenant, manager) FROM manager_day FINAL WHERE {within}");
            let (events, managers) = scope.bind(self.0.query(&days)).fetch_one::<(u64, u64)>().await?;
            let alerts =
                format!("SELECT toString(severity) AS now, count() FROM alert_queue FINAL WHERE {within} GROUP BY now ORDER BY now");
            let alerts = scope.bind(self.0.query(&alerts)).fetch_all::<(String, u64)>().await?;
            Ok(Counts { events, managers, alerts, learned: priorities::in_force(&self.0, scope.tenant.as_deref()).await? })
        }
        .boxed()
    }

    fn people<'a>(&'a self, tenant: &'a str, supervisor: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, Error>> {
        async move { Ok(who::people(&reference::people_of(&self.0, tenant).await?, supervisor, clock::now())) }.boxed()
    }
}
