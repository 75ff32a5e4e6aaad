//! `POST /v1/dead-letters/retry`: dead letters once more, for admins and whoever may write the store.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Api, Refused, asker::Asker, error::Error, who::Right};
use crate::ops::config::Secret;

/// The most bytes of a request: ids have 36 each.
pub(super) const BODY_BYTES: usize = 16 << 20;

/// Which letters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Their ids.
    pub ids: Vec<String>,
    /// How they are to be read, as the keys of `[[bindings]]`; none: as the configuration now says of their source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<serde_json::Value>,
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Letters looked at.
    pub letters: u64,
    /// Events that are in the log now.
    pub events: u64,
    /// Events that were stored already.
    pub known: u64,
    /// Letters that are none any longer.
    pub settled: u64,
    /// Those that still are, and new ones of the same records.
    pub left: Vec<Left>,
}

/// A letter that still is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its id.
    pub id: String,
    /// Stable.
    pub code: String,
    /// Why.
    pub message: String,
}

/// Reads dead letters again.
pub trait Retry: Send + Sync + 'static {
    /// Reads these letters again. Asked the same again it changes nothing more.
    fn retry(&self, again: Again) -> BoxFuture<'_, Result<Retried, Refused>>;
}

/// Who reads letters again, and the password that must be shown: the store's, as whoever has it could write there anyway.
pub type Retries = Option<(Secret, Arc<dyn Retry>)>;

pub(super) async fn retry(State(api): State<Api>, asker: Asker, again: Result<Json<Again>, JsonRejection>) -> Result<Json<Retried>, Error> {
    let Some((password, retry)) = &api.retry else {
        return Err(Error::NotFound("this instance does not take events: its role is another"));
    };
    api.doer(&asker, Some(password), Right::Operate)?;
    let Json(again) = again.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    Ok(Json(retry.retry(again).await?))
}
