//! `GET /v1/clients/{id}/access`: who looked at this client, and why it was theirs to look at or not.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api,
    alerts::{Page, limit, paged, params, place},
    asker::Asker,
    error::Error,
    events::shown,
};
use crate::{
    event::{DAY_MS, Timestamp},
    ops::clock,
    store::events::EventFilter,
};

/// Looked through where no time is given.
const USUAL_MS: i64 = 30 * DAY_MS;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessParams {
    tenant: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn access(
    State(api): State<Api>,
    asker: Asker,
    Path(id): Path<String>,
    query: Result<Query<AccessParams>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let p = params(query)?;
    let since = p.since.unwrap_or_else(|| p.until.unwrap_or_else(clock::now).plus(-USUAL_MS));
    let filter = EventFilter {
        tenant: p.tenant,
        client: Some(id.clone()),
        since: Some(since),
        until: p.until,
        after: p.after.as_deref().map(place).transpose()?,
        limit: limit(p.limit)?,
        ..EventFilter::default()
    };
    let reading = api.reader(&asker)?;
    let (people, Page { found, next }) = tokio::try_join!(reading.visitors(filter.clone()), reading.events(filter))?;
    let mut answer = paged("events", found.iter().map(shown).collect(), next.as_ref());
    answer["client"] = id.into();
    answer["since"] = json!(since);
    answer["people"] = json!(people);
    Ok(Json(answer))
}
