//! `POST /v1/events`: raw records in, durable when answered.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    Api, body,
    body::{Layout, Packing},
    error::{Error, problem},
};
use crate::{
    event::{TENANT_RULE, is_tenant},
    ops::config::Binding,
};

/// The format of a push that names none and shows no token.
pub const DEFAULT_FORMAT: &str = "canonical";

/// The digest of the file that a body was cut from.
pub const ORIGIN: &str = "filin-origin";
/// The number (from 0) that the body's first line has in that file.
pub const FIRST_LINE: &str = "filin-first-line";

/// Takes raw records.
pub trait Ingest: Send + Sync + 'static {
    /// Normalises records and appends them to the log. What it answers is durable: good records in the log, bad ones as dead
    /// letters. Given the same again it answers the same.
    fn ingest(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, Refused>>;
}

/// Records of one push, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What the pusher's token is bound to; none where no token is configured.
    pub binding: Option<Arc<Binding>>,
    /// The organisation of every event, where the token or the pusher says one; none: what each event says itself.
    pub tenant: Option<String>,
    /// Format of the records.
    pub format: String,
    /// Attributes of a CloudEvent in binary mode (`ce-id`, `ce-time`, ..., `content-type`), else empty.
    pub headers: BTreeMap<String, String>,
    /// Each of `lines` is a raw record of its own (an element of an array, a document): for [`crate::adapter::Adapter::record`].
    /// Otherwise they are the lines of a stream, which may begin with a CSV header: for [`crate::adapter::Adapter::decoder`].
    pub whole: bool,
    /// The records; never empty but for an empty JSON array.
    pub lines: Vec<RawLine>,
}

/// A raw record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    /// Without its line end.
    pub bytes: Bytes,
    /// Its line in the body, or its place in the JSON array, from 1.
    pub line: u64,
    /// Digest of the file it was cut from, and its line there, from 0.
    pub origin: Option<(Arc<str>, u64)>,
    /// Code and message, when it is a dead letter already.
    pub refused: Option<(&'static str, String)>,
}

impl RawLine {
    pub(super) fn new(bytes: Bytes, line: u64) -> Self {
        Self { bytes, line, origin: None, refused: None }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Events that are durable now. Events seen before count as well.
    pub accepted: u64,
    /// Records, or parts of records, that are dead letters now.
    pub rejected: Vec<Rejection>,
}

/// A record, or a part of one, that is a dead letter now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// As in [`RawLine`].
    pub line: u64,
    /// Stable.
    pub code: String,
    /// What is wrong with it.
    pub message: String,
    /// It could be read at all, and was turned away for what it says.
    #[serde(skip)]
    pub readable: bool,
}

/// Why nothing was taken. The same can be pushed again.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too much is on its way.
    #[error("busy, free in about {0:?}")]
    Busy(Duration),
    /// Nobody reads this format.
    #[error("format {0:?} is not known")]
    UnknownFormat(String),
    /// The binding cannot be used.
    #[error("{0}")]
    Binding(String),
    /// Log or store are away; the text goes to our log, not to the client.
    #[error("{0}")]
    Away(String),
}

impl From<Refused> for Error {
    fn from(e: Refused) -> Self {
        match e {
            Refused::Busy(wait) => Self::Busy(wait),
            Refused::UnknownFormat(format) => {
                Self::bad("unknown_format", format!("format {format:?} is not known: `filin adapters` lists them"))
            }
            Refused::Binding(reason) => Self::bad("bad_binding", reason),
            Refused::Away(reason) => {
                tracing::error!(reason, "pushed events could not be stored");
                Self::Unavailable { code: "away", message: "events cannot be stored now: push them again".to_owned() }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    format: Option<String>,
    tenant: Option<String>,
}

/// How long a body that has come waits for its place.
const WAIT: Duration = Duration::from_secs(5);

pub(super) async fn post(
    State(api): State<Api>,
    params: Result<Query<Params>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let binding = api.access.pusher(&headers)?;
    let Query(params) = params.map_err(|e| Error::bad("bad_query", e.body_text()))?;
    let Some(ingest) = &api.ingest else {
        return Err(Error::NotFound("this instance does not take events: its role is another"));
    };
    let (tenant, format) = addressee(binding.as_deref(), params)?;
    let (layout, packing, origin) = (Layout::of(&headers)?, Packing::of(&headers)?, origin(&headers)?);
    let busy = || Error::Busy(Duration::from_secs(1));
    if api.places.available_permits() == 0 {
        // Before it is sent for nothing.
        return Err(busy());
    }
    let limits = api.limits;
    let (packed, _room) = body::read(&headers, body, &limits, &api.room).await?;
    // It is here: to send it once more would cost more than to wait.
    let Ok(Ok(_place)) = tokio::time::timeout(WAIT, api.places.acquire()).await else { return Err(busy()) };
    // Unpacking a large body takes longer than a task should.
    let cut = tokio::task::spawn_blocking(move || body::cut(&body::unpack(packed, packing, &limits)?, layout, origin, &limits));
    let (whole, lines) = cut.await.map_err(|_| Error::Unavailable { code: "stopping", message: "stopping: push again".to_owned() })??;
    let batch = Batch { binding, tenant, format, headers: cloud_event(&headers), whole, lines };
    let taken = ingest.ingest(batch).await?;
    Ok(answer(taken))
}

/// A token's binding wins.
fn addressee(binding: Option<&Binding>, params: Params) -> Result<(Option<String>, String), Error> {
    let Some(binding) = binding else {
        if params.tenant.as_ref().is_some_and(|t| !is_tenant(t)) {
            return Err(Error::bad("bad_tenant", format!("this is no tenant: {TENANT_RULE}")));
        }
        return Ok((params.tenant, params.format.unwrap_or_else(|| DEFAULT_FORMAT.to_owned())));
    };
    if params.tenant.is_some_and(|tenant| tenant != binding.tenant) {
        return Err(Error::Forbidden { code: "wrong_tenant", message: "this token is bound to another tenant".to_owned() });
    }
    Ok((Some(binding.tenant.clone()), binding.format.clone()))
}

fn origin(headers: &HeaderMap) -> Result<Option<(Arc<str>, u64)>, Error> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim());
    let (Some(digest), Some(first)) = (text(ORIGIN), text(FIRST_LINE)) else {
        return match headers.contains_key(ORIGIN) || headers.contains_key(FIRST_LINE) {
            true => Err(Error::bad("bad_origin", "Filin-Origin and Filin-First-Line go together")),
            false => Ok(None),
        };
    };
    let legal = (16..=128).contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_alphanumeric() || b":._-".contains(&b));
    match first.parse() {
        Ok(first) if legal => Ok(Some((digest.into(), first))),
        _ => Err(Error::bad("bad_origin", "Filin-Origin is a digest of 16 to 128 letters and digits, Filin-First-Line a number from 0")),
    }
}

fn cloud_event(headers: &HeaderMap) -> BTreeMap<String, String> {
    if !headers.contains_key("ce-specversion") {
        return BTreeMap::new();
    }
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-") || *name == "content-type");
    ours.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

/// 400 only when nothing could be read.
fn answer(taken: Taken) -> Response {
    let nothing_read = taken.accepted == 0 && !taken.rejected.is_empty() && taken.rejected.iter().all(|r| !r.readable);
    if !nothing_read {
        return Json(taken).into_response();
    }
    let rejected = serde_json::json!({ "accepted": 0, "rejected": taken.rejected });
    problem(StatusCode::BAD_REQUEST, "nothing_read", "no record of the body could be read", rejected)
}
