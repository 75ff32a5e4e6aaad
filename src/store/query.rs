//! What pages and the command line ask.

use std::{collections::BTreeSet, fmt};

use clickhouse::query::Query;

use super::{Error, actions::State, packed, rows::AlertRow};
use crate::{engine::AlertVersion, event::words};

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
            query = super::long(query.bind(people));
        }
        for id in self.but.iter().chain(&self.but_watcher) {
            query = query.bind(id);
        }
        query
    }
}

words! {
    /// In which order alerts are listed.
    #[derive(Default)]
    Sort {
        /// The newest first.
        #[default]
        Time = "time",
        /// The most surprising first.
        Score = "score",
        /// In the order that answers taught: by score where they taught none.
        Priority = "priority",
    }
}

/// More millibits than there are: a tenth of the priority weighs more than all of them.
const TENTH: i64 = 100_000_000_000_000;

/// Where a page ends, and the next one begins behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is sorted by: milliseconds since 1970, millibits, or tenths of the priority with the millibits behind them.
    pub key: i64,
    /// The alert or event.
    pub id: String,
}

impl Place {
    /// The place of an alert of this priority.
    pub fn of(sort: Sort, alert: &AlertVersion, priority: f64) -> Self {
        let key = match sort {
            Sort::Time => alert.time.millis(),
            Sort::Score => i64::try_from(alert.bits).unwrap_or(i64::MAX),
            #[expect(clippy::cast_possible_truncation, reason = "0 to 1000")]
            Sort::Priority => (priority * 10.0).round() as i64 * TENTH + i64::try_from(alert.bits).map_or(TENTH - 1, |b| b.min(TENTH - 1)),
        };
        Self { key, id: alert.alert_id.clone() }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let (key, id) = text.split_once('.')?;
        Some(Self { key: key.parse().ok()?, id: id.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.id)
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
    /// In this order.
    pub sort: Sort,
    /// Only those behind this place.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u32,
}

/// The first alerts that are in scope, each in its latest version.
///
/// Which they are is found in narrow columns; only theirs are read as a whole, each as one value.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn alerts(client: &clickhouse::Client, scope: &Scope, filter: &Filter) -> Result<Vec<AlertRow>, Error> {
    let scoped = scope.condition();
    let mut all = vec![scoped.as_str()];
    if filter.tenant.is_some() {
        all.push("tenant = ?");
    }
    if filter.manager.is_some() {
        all.push("(manager = ? OR manager_alias = ?)");
    }
    // Whoever was never touched has no row there.
    all.extend(filter.state.map(|state| match state {
        State::Open => "alert_id NOT IN (SELECT alert_id FROM alert_states WHERE state != 'open')",
        State::Acknowledged => "alert_id IN (SELECT alert_id FROM alert_states WHERE state = 'acknowledged')",
        State::Closed => "alert_id IN (SELECT alert_id FROM alert_states WHERE state = 'closed')",
    }));
    if !filter.severities.is_empty() {
        all.push("severity IN ?");
    }
    if filter.since.is_some() {
        all.push("toUnixTimestamp64Milli(time) >= ?");
    }
    let (key, whole, places) = match filter.sort {
        Sort::Time => ("toUnixTimestamp64Milli(time)".to_owned(), "time", ""),
        Sort::Score => ("toInt64(bits)".to_owned(), "bits", ""),
        // A place that was given to another version is none.
        Sort::Priority => {
            let place = "toInt64(round(if(given_to = version, priority, score) * 10))";
            let places = " LEFT JOIN (SELECT alert_id, version AS given_to, priority FROM alert_priorities FINAL WHERE version > 0) AS p \
                          USING alert_id";
            (format!("{place} * {TENTH} + toInt64(least(bits, {}))", TENTH - 1), "bits", places)
        }
    };
    let behind = if filter.after.is_some() { "WHERE key < ? OR (key = ? AND alert_id > ?)" } else { "" };
    // Of versions that are still to be merged the newest is found twice where it was stored twice.
    let sql = format!(
        "SELECT packed FROM alert_queue WHERE (tenant, manager, alert_id, newest) IN (\
            SELECT tenant, manager, alert_id, newest FROM (\
                SELECT tenant, manager, alert_id, newest, {key} AS key FROM (\
                    SELECT tenant, manager, alert_id, newest, version, time, bits, score FROM alert_queue FINAL WHERE {}\
                ) AS a{places}\
            ) {behind} ORDER BY key DESC, alert_id LIMIT ?\
        ) ORDER BY {whole} DESC, alert_id LIMIT 1 BY tenant, alert_id",
        all.join(" AND ")
    );
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
    if let Some(Place { key, id }) = &filter.after {
        query = query.bind(key).bind(key).bind(id);
    }
    packed::rows(&query.bind(filter.limit).fetch_bytes("RawBLOB")?.collect().await?)
}

/// Something that is another one once an alert, an action or a place in the queue was stored. It is read from what ClickHouse knows of
/// its parts, not from rows; a merge changes it as well.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn mark(client: &clickhouse::Client) -> Result<[u64; 3], Error> {
    let sql = "SELECT (SELECT count() FROM alert_queue), (SELECT count() FROM alert_actions), (SELECT count() FROM alert_priorities)";
    let (alerts, actions, places) = super::unchecked(client).query(sql).fetch_one::<(u64, u64, u64)>().await?;
    Ok([alerts, actions, places])
}

/// All versions of an alert, oldest first; empty when there is none in scope.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn versions(client: &clickhouse::Client, scope: &Scope, alert_id: &str) -> Result<Vec<AlertRow>, Error> {
    let sql = format!("SELECT ?fields FROM alerts FINAL WHERE {} AND alert_id = ? ORDER BY version", scope.condition());
    Ok(scope.bind(super::unchecked(client).query(&sql)).bind(alert_id).fetch_all::<AlertRow>().await?)
}
