//! [`Reader`] over ClickHouse.

use clickhouse::Row;
use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;

use super::alerts::{Alert, Counts, Manager, Reader, Story};
use crate::{
    event::Timestamp,
    store::{
        Error,
        actions::{self, ActionRow, Standing},
        query::{self, Filter},
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

const MANAGERS: &str = "SELECT tenant, manager_alias, argMax(team, time) AS team, argMax(role, time) AS role,
    max(toUnixTimestamp64Milli(time)) AS last_day, sum(events) AS events, sum(records_out) AS records_out, any(a.n) AS alerts
FROM (SELECT tenant, manager, manager_alias, team, role, time, events, records_out FROM manager_day FINAL WHERE ? = '' OR tenant = ?) AS d
LEFT JOIN (SELECT tenant, manager, count() AS n FROM alerts_latest GROUP BY tenant, manager) AS a
    ON d.tenant = a.tenant AND d.manager = a.manager
GROUP BY tenant, manager_alias ORDER BY last_day DESC, tenant, manager_alias LIMIT ?";

/// Rows, with what these actions make of their alerts.
fn with_standing(rows: Vec<AlertRow>, done: &[ActionRow]) -> Result<Vec<Alert>, Error> {
    let alert = |row: AlertRow| {
        let standing = Standing::of(done.iter().filter(|a| a.alert_id == row.alert_id));
        Ok(Alert { manager_alias: row.manager_alias.clone(), standing, version: row.into_version()? })
    };
    rows.into_iter().map(alert).collect()
}

impl Reader for Stored {
    fn alerts(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<Alert>, Error>> {
        async move {
            // Each is there once, in its latest version.
            let rows = query::alerts(&self.0, &filter).await?;
            let ids: Vec<String> = rows.iter().map(|row| row.alert_id.clone()).collect();
            with_standing(rows, &actions::of(&self.0, &ids).await?)
        }
        .boxed()
    }

    fn story(&self, alert_id: String) -> BoxFuture<'_, Result<Story, Error>> {
        async move {
            let ids = [alert_id];
            let (rows, actions) = tokio::try_join!(query::versions(&self.0, &ids[0]), actions::of(&self.0, &ids))?;
            Ok(Story { versions: with_standing(rows, &actions)?, actions })
        }
        .boxed()
    }

    fn managers(&self, tenant: Option<String>, limit: u32) -> BoxFuture<'_, Result<Vec<Manager>, Error>> {
        async move {
            let tenant = tenant.unwrap_or_default();
            let rows = self.0.query(MANAGERS).bind(&tenant).bind(&tenant).bind(limit).fetch_all::<ManagerRow>().await?;
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

    fn counts(&self) -> BoxFuture<'_, Result<Counts, Error>> {
        async move {
            let days = "SELECT sum(events), uniqExact(tenant, manager) FROM manager_day FINAL";
            let (events, managers) = self.0.query(days).fetch_one::<(u64, u64)>().await?;
            let alerts = "SELECT severity, count() FROM alerts_latest GROUP BY severity ORDER BY severity";
            Ok(Counts { events, managers, alerts: self.0.query(alerts).fetch_all::<(String, u64)>().await? })
        }
        .boxed()
    }
}
