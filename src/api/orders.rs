//! What a running instance can be ordered to do: mutes into the log, the policy read again.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{
    Api, Refused,
    asker::Asker,
    error::Error,
    who::{Right, Who},
};
use crate::{
    engine::{Mute, control},
    event::{DEFAULT_TENANT, TENANT_RULE, is_tenant},
    ops::config::Secret,
};

/// The longest reason, letters.
const REASON: usize = 500;
/// The longest id of a person, bytes.
const ID: usize = 256;

/// A mute, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuteOrder {
    /// The organisation.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The mute; who asks for it may be left to the token.
    #[serde(deserialize_with = "perhaps_unsigned")]
    pub mute: Mute,
}

fn perhaps_unsigned<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Mute, D::Error> {
    let mut mute = serde_json::Map::deserialize(from)?;
    mute.entry("by").or_insert_with(|| "".into());
    serde_json::from_value(mute.into()).map_err(serde::de::Error::custom)
}

/// Whose usual is to be forgotten, and of which organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetOrder {
    /// The organisation.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The person's id.
    pub manager: String,
    /// Why.
    pub reason: String,
    /// Who asks; may be left to the token.
    #[serde(default)]
    pub by: String,
}

/// What the configuration, read again, changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Tenants whose log has a new policy.
    pub changed: Vec<String>,
}

/// Obeys.
pub trait Obey: Send + Sync + 'static {
    /// Puts a mute into the log of a tenant. Durable when it returns.
    fn mute(&self, order: MuteOrder) -> BoxFuture<'_, Result<(), Refused>>;

    /// Puts into the log of a tenant that somebody's usual begins anew. Durable when it returns.
    fn reset(&self, order: ResetOrder) -> BoxFuture<'_, Result<(), Refused>>;

    /// Reads the configuration again and puts into the logs what changed for the engine.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Refused>>;
}

/// Who obeys, and the password that must be shown: the store's, as whoever has it could write there anyway.
pub type Orders = Option<(Secret, Arc<dyn Obey>)>;

fn default_tenant() -> String {
    DEFAULT_TENANT.to_owned()
}

/// Who obeys, and whom: whoever has the right, or shows the password.
fn obedient<'a>(api: &'a Api, asker: &Asker, right: Right) -> Result<(&'a Arc<dyn Obey>, Who), Error> {
    let Some((password, obey)) = &api.orders else {
        return Err(Error::NotFound("this instance does not take events: its role is another"));
    };
    Ok((obey, api.doer(asker, Some(password), right)?))
}

/// Nobody mutes for another organisation than theirs, nor what is about themselves.
fn within(who: &Who, order: &MuteOrder) -> Result<(), Error> {
    let refuse = |code, message: &str| Err(Error::Forbidden { code, message: message.to_owned() });
    if who.tenant.as_ref().is_some_and(|tenant| *tenant != order.tenant) {
        return refuse("wrong_tenant", "this token is of another tenant");
    }
    if who.user.is_some() && who.user == order.mute.manager {
        return refuse("own", "nobody mutes what is about themselves: ask a colleague");
    }
    Ok(())
}

pub(super) async fn mute(
    State(api): State<Api>,
    asker: Asker,
    order: Result<Json<MuteOrder>, JsonRejection>,
) -> Result<Json<MuteOrder>, Error> {
    let (obey, who) = obedient(&api, &asker, Right::Mute)?;
    let Json(mut order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    within(&who, &order)?;
    if who.name.is_some() {
        order.mute.by = who.signs(Some(&order.mute.by))?;
    }
    check(&order).map_err(|e| Error::bad("bad_mute", e))?;
    obey.mute(order.clone()).await?;
    Ok(Json(order))
}

pub(super) async fn reset(
    State(api): State<Api>,
    asker: Asker,
    order: Result<Json<ResetOrder>, JsonRejection>,
) -> Result<Json<ResetOrder>, Error> {
    let (obey, who) = obedient(&api, &asker, Right::Operate)?;
    let Json(mut order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    if who.user.as_ref() == Some(&order.manager) {
        return Err(Error::Forbidden { code: "own", message: "nobody resets their own: ask a colleague".to_owned() });
    }
    order.by = who.signs(Some(&order.by))?;
    if !is_tenant(&order.tenant) {
        return Err(Error::bad("bad_reset", format!("{:?} is no tenant: {TENANT_RULE}", order.tenant)));
    }
    if order.manager.is_empty() || order.manager.len() > ID {
        return Err(Error::bad("bad_reset", format!("say whose it is by an id of at most {ID} bytes")));
    }
    if order.reason.trim().is_empty() || order.reason.chars().count() > REASON || order.by.len() > 200 {
        return Err(Error::bad("bad_reset", format!("a reason of at most {REASON} letters is wanted: it stands in the log")));
    }
    obey.reset(order.clone()).await?;
    Ok(Json(order))
}

pub(super) async fn reload(State(api): State<Api>, asker: Asker) -> Result<Json<Reloaded>, Error> {
    let (obey, _) = obedient(&api, &asker, Right::Operate)?;
    Ok(Json(obey.reload().await?))
}

fn check(order: &MuteOrder) -> Result<(), String> {
    let m = &order.mute;
    let scope = [&m.manager, &m.team, &m.client, &m.control, &m.address];
    if !is_tenant(&order.tenant) {
        return Err(format!("{:?} is no tenant: {TENANT_RULE}", order.tenant));
    }
    if m.id.is_empty() || m.id.len() > 64 {
        return Err("a mute has an id of at most 64 bytes".to_owned());
    }
    if scope.iter().all(|s| s.is_none()) || scope.iter().any(|s| s.as_deref() == Some("")) {
        return Err("say what is to be quiet: a manager, team, client, control or address".to_owned());
    }
    if let Some(id) = m.control.as_deref().filter(|id| control::get(id).is_none()) {
        return Err(format!("there is no control {id:?}: `filin controls` lists them"));
    }
    if m.reason.trim().is_empty() || m.reason.chars().count() > REASON || m.by.trim().is_empty() || m.by.len() > 200 {
        return Err(format!("a mute has a reason of at most {REASON} letters and says who asked for it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn a_mute_says_what_why_and_who() {
        let good = Mute {
            id: "m".to_owned(),
            control: Some("decoy".to_owned()),
            from: Timestamp::from_millis(0),
            until: Timestamp::from_millis(1),
            reason: "a test".to_owned(),
            by: "vera".to_owned(),
            ..Mute::default()
        };
        let wrong = |change: fn(&mut Mute)| {
            let mut mute = good.clone();
            change(&mut mute);
            check(&MuteOrder { tenant: "t".to_owned(), mute }).is_err()
        };
        assert!(!wrong(|_| {}));
        assert!(wrong(|m| m.control = None), "quiet about everything");
        assert!(wrong(|m| m.control = Some("nonsense".to_owned())));
        assert!(wrong(|m| m.team = Some(String::new())));
        assert!(wrong(|m| m.reason = " ".to_owned()));
        assert!(wrong(|m| m.by = String::new()));
        assert!(wrong(|m| m.id = "x".repeat(65)));
    }
}
