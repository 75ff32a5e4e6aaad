//! Is it alive, is it ready, what does it do.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Api, asker::Asker, error::Error};
use crate::{event::Timestamp, ops::metrics};

/// What the service does now. The pipeline keeps it up to date; pages and probes read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// `embedded` or `servers`.
    pub mode: &'static str,
    /// It runs on made-up data.
    pub demo: bool,
    /// When the process was started.
    pub started: Timestamp,
    /// What has to be done before requests are answered (`restore`, `reference`, ...); empty: ready.
    pub missing: Vec<&'static str>,
    /// Where raw records come from.
    pub sources: Vec<SourceStatus>,
    /// Tenants whose logs are scored here.
    pub tenants: Vec<TenantStatus>,
    /// Records of the log that were given to the engine here: events, those seen before among them, and changes of users.
    pub events: u64,
    /// Records appended to the log behind the last scored one.
    pub log_behind: u64,
    /// Address of ClickHouse, for people.
    pub clickhouse: String,
}

/// Where raw records come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    /// Topic, path, or what a token stands for.
    pub name: String,
    /// The kind of source.
    #[serde(serialize_with = "kind")]
    pub kind: metrics::Source,
    /// Format of its records.
    pub format: String,
    /// Records read.
    pub records: u64,
    /// Records known and not yet read.
    pub behind: Option<u64>,
}

/// A tenant whose log is scored here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TenantStatus {
    /// The organisation.
    pub tenant: String,
    /// Greatest event time of its log.
    pub watermark: Option<Timestamp>,
    /// Last scored offset of its partition.
    pub log_offset: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn kind<S: serde::Serializer>(kind: &metrics::Source, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(kind.as_str())
}

impl Status {
    /// Restored and loaded.
    pub fn ready(&self) -> bool {
        self.missing.is_empty()
    }
}

pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

pub(super) async fn readyz(State(api): State<Api>) -> Response {
    let status = api.status.borrow();
    if status.ready() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", status.missing.join(", "))).into_response()
}

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.text()).into_response()
}

pub(super) async fn status(State(api): State<Api>, asker: Asker) -> Result<Json<serde_json::Value>, Error> {
    let who = api.who(&asker)?;
    let mut status = serde_json::to_value(who.sees(&api.status.borrow())).unwrap_or_default();
    status["version"] = env!("CARGO_PKG_VERSION").into();
    Ok(Json(status))
}
