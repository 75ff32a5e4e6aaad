//! `GET /v1/alerts` and `GET /v1/managers`: what was stored, newest first.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, asker::Asker, error::Error};
use crate::{
    engine::{AlertVersion, Severity},
    event::Timestamp,
    store::{
        self,
        actions::{self, ActionRow, Standing},
        query::{Filter, Place, Sort},
    },
};

/// A version of an alert, the pseudonym of its manager, and how far the alert is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// What a page shows in place of the manager's id; empty when there is no manager.
    pub manager_alias: String,
    /// What people did about the alert comes to this.
    #[serde(flatten)]
    pub standing: Standing,
    /// Its place in the queue as answers taught it, on the scale of the score; the score where they taught nothing.
    pub priority: f64,
    /// The version.
    #[serde(flatten)]
    pub version: AlertVersion,
}

/// Some of what was asked for, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page<T> {
    /// In the order that was asked for.
    pub found: Vec<T>,
    /// None: these are the last.
    pub next: Option<Place>,
}

impl<T> Page<T> {
    /// What was found when at most so many were asked for: fewer are the last.
    pub(super) fn of(found: Vec<T>, most: u32, place: impl Fn(&T) -> Place) -> Self {
        let is_full = u32::try_from(found.len()).is_ok_and(|n| n == most);
        Self { next: found.last().filter(|_| is_full).map(place), found }
    }
}

/// A page as programs read it: what was found under its name, and `next`.
pub(super) fn paged(name: &str, found: Value, next: Option<&Place>) -> Value {
    let mut answer = json!({ name: found });
    if let Some(next) = next {
        answer["next"] = next.to_string().into();
    }
    answer
}

/// An alert from its opening on.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// All versions, oldest first; none: there is no such alert.
    pub versions: Vec<Alert>,
    /// What people did about it, oldest first.
    pub actions: Vec<ActionRow>,
}

/// A watched person, by pseudonym.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manager {
    /// The organisation.
    pub tenant: String,
    /// Their pseudonym.
    pub manager_alias: String,
    /// Their team.
    pub team: String,
    /// Their role.
    pub role: String,
    /// Last day with activity.
    pub last_day: Timestamp,
    /// Events of all kept days.
    pub events: u64,
    /// Records that left, of all kept days.
    pub records_out: u64,
    /// Alerts about them.
    pub alerts: u64,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events of managers, of all kept days.
    pub events: u64,
    /// Managers with activity.
    pub managers: u64,
    /// Alerts by severity.
    pub alerts: Vec<(String, u64)>,
    /// Answers taught an order that is in force.
    pub learned: bool,
}

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertParams {
    tenant: Option<String>,
    manager: Option<String>,
    since: Option<Timestamp>,
    severity: Option<Severity>,
    state: Option<actions::State>,
    sort: Option<Sort>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagerParams {
    tenant: Option<String>,
    limit: Option<u32>,
}

pub(super) fn limit(given: Option<u32>) -> Result<u32, Error> {
    match given.unwrap_or(DEFAULT_LIMIT) {
        n @ 1..=MAX_LIMIT => Ok(n),
        n => Err(Error::bad("bad_query", format!("limit {n} is not within 1 and {MAX_LIMIT}"))),
    }
}

/// Where a page begins: as the page before it said.
pub(crate) fn place(text: &str) -> Result<Place, Error> {
    Place::parse(text).ok_or_else(|| Error::bad("bad_query", "after: give what the page before said as `next`"))
}

/// This severity and those above.
pub(crate) fn at_least(severity: Severity) -> Vec<String> {
    Severity::ALL.iter().filter(|&&s| s >= severity).map(|s| s.as_str().to_owned()).collect()
}

pub(super) fn params<T>(given: Result<Query<T>, QueryRejection>) -> Result<T, Error> {
    given.map(|Query(params)| params).map_err(|e| Error::bad("bad_query", e.body_text()))
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Self {
        tracing::warn!(error = %e, "a question to ClickHouse was not answered");
        Self::Unavailable { code: "away", message: "the store does not answer now: ask again".to_owned() }
    }
}

/// What a list is asked for.
pub(super) fn filter(p: AlertParams) -> Result<Filter, Error> {
    Ok(Filter {
        tenant: p.tenant,
        manager: p.manager,
        severities: p.severity.map(at_least).unwrap_or_default(),
        since: p.since.map(Timestamp::millis),
        state: p.state,
        sort: p.sort.unwrap_or_default(),
        after: p.after.as_deref().map(place).transpose()?,
        limit: limit(p.limit)?,
    })
}

pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    query: Result<Query<AlertParams>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let filter = filter(params(query)?)?;
    let Page { found, next } = api.reader(&asker)?.alerts(filter).await?;
    Ok(Json(paged("alerts", json!(found), next.as_ref())))
}

pub(super) async fn one(State(api): State<Api>, asker: Asker, Path(id): Path<String>) -> Result<Json<Value>, Error> {
    let Story { versions, actions } = api.reader(&asker)?.story(id).await?;
    let latest = versions.last();
    let actions: Vec<Value> = actions.iter().map(super::actions::shown).collect();
    Ok(Json(json!({ "alert": latest, "versions": versions, "actions": actions })))
}

pub(super) async fn managers(
    State(api): State<Api>,
    asker: Asker,
    query: Result<Query<ManagerParams>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let p = params(query)?;
    Ok(Json(json!({ "managers": api.reader(&asker)?.managers(p.tenant, limit(p.limit)?).await? })))
}
