//! `GET /v1/managers/{manager}`: what is known of one of them.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{Api, alerts::params, asker::Asker, error::Error};
use crate::store::managers::Dossier;

const DEFAULT_DAYS: u32 = 28;
const MAX_DAYS: u32 = 90;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DossierParams {
    tenant: Option<String>,
    days: Option<u32>,
}

pub(super) async fn one(
    State(api): State<Api>,
    asker: Asker,
    Path(manager): Path<String>,
    query: Result<Query<DossierParams>, QueryRejection>,
) -> Result<Json<Dossier>, Error> {
    let p = params(query)?;
    let days = match p.days.unwrap_or(DEFAULT_DAYS) {
        n @ 1..=MAX_DAYS => n,
        n => return Err(Error::bad("bad_query", format!("days {n} is not within 1 and {MAX_DAYS}"))),
    };
    Ok(Json(api.reader(&asker)?.manager(p.tenant, manager, days).await?))
}
