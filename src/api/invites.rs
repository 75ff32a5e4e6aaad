//! `POST /v1/access/invites` and `/v1/access/revocations`: how `filin access` gives people their log-in and takes it away.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    asker::Asker,
    error::Error,
    login::{INVITE, Invite, Login, Shut},
    who::Right,
};
use crate::ops::clock;

/// The longest that a link may open, seconds.
const LONGEST_S: u64 = 7 * 86_400;

/// For whom a link is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InviteOrder {
    /// Name of an entry of `[[access]]`.
    pub name: String,
    /// For how many seconds it opens; a day where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Who asks.
    pub by: String,
}

/// From whom password and second factor are to be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeOrder {
    /// Their name.
    pub name: String,
    /// Who asks.
    pub by: String,
}

/// Whether there was anything to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Password and second factor are gone, and all log-ins have ended.
    pub revoked: bool,
}

/// Whoever shows the password of the store's account that writes; and where people log in.
fn vouching<'a>(api: &'a Api, asker: &Asker) -> Result<&'a Arc<Login>, Error> {
    let password = api.login.as_ref().map(|login| &login.password).or(api.orders.as_ref().map(|(password, _)| password));
    api.doer(asker, password, Right::Vouch)?;
    api.login.as_ref().ok_or(Error::NotFound("nobody logs in here: set http.login.enabled, or ask an instance with the role web"))
}

fn away(e: &Shut) -> Error {
    tracing::error!(error = %e, "what log-in needs could not be stored");
    Error::Unavailable { code: "away", message: "this cannot be stored now: ask the same again".to_owned() }
}

pub(super) async fn invite(
    State(api): State<Api>,
    asker: Asker,
    order: Result<Json<InviteOrder>, JsonRejection>,
) -> Result<Json<Invite>, Error> {
    let login = vouching(&api, &asker)?;
    let Json(order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    if order.seconds.is_some_and(|s| !(60..=LONGEST_S).contains(&s)) {
        return Err(Error::bad("bad_invite", "a link opens for a minute at least and seven days at most"));
    }
    let span = order.seconds.map_or(INVITE, Duration::from_secs);
    let made = login.invite(&order.name, &order.by, span, clock::now()).await.map_err(|e| away(&e))?;
    made.map(Json).ok_or_else(|| Error::bad("bad_invite", "[[access]] has no entry of this name, or it has expired"))
}

pub(super) async fn revoke(
    State(api): State<Api>,
    asker: Asker,
    order: Result<Json<RevokeOrder>, JsonRejection>,
) -> Result<Json<Revoked>, Error> {
    let login = vouching(&api, &asker)?;
    let Json(order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    let revoked = login.revoke(&order.name, &order.by, clock::now()).await.map_err(|e| away(&e))?;
    Ok(Json(Revoked { revoked }))
}
