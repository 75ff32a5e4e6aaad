//! `GET /v1/controls`, `/v1/mutes`, `/v1/policy`, `/v1/coverage`: what is looked for, what is quiet, by which rules, and what is blind.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, alerts::params, asker::Asker, error::Error};
use crate::engine::control;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantParams {
    pub(super) tenant: Option<String>,
}

type Asked = Result<Query<TenantParams>, QueryRejection>;

pub(super) async fn controls(State(api): State<Api>, asker: Asker) -> Result<Json<Value>, Error> {
    api.reader(&asker)?;
    Ok(Json(json!({ "controls": control::ALL })))
}

pub(super) async fn mutes(State(api): State<Api>, asker: Asker, query: Asked) -> Result<Json<Value>, Error> {
    let tenant = params(query)?.tenant;
    Ok(Json(json!({ "mutes": api.reader(&asker)?.mutes(tenant).await? })))
}

pub(super) async fn policy(State(api): State<Api>, asker: Asker, query: Asked) -> Result<Json<Value>, Error> {
    let tenant = params(query)?.tenant;
    Ok(Json(json!({ "policies": api.reader(&asker)?.policies(tenant).await? })))
}

pub(super) async fn coverage(State(api): State<Api>, asker: Asker, query: Asked) -> Result<Json<Value>, Error> {
    let tenant = params(query)?.tenant;
    Ok(Json(json!({ "tenants": api.reader(&asker)?.coverage(tenant).await? })))
}
