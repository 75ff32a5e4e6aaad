//! `POST /v1/alerts/{id}/actions`: what people do about an alert. The same way serves the console's buttons and `filin verdict`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, asker::Asker, error::Error, who::Right};
use crate::{
    engine::{AlertVersion, VerdictKind},
    event::Timestamp,
    store::actions::{self, ActionKind, ActionRow, Standing},
};

/// Ids of actions are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x5b0f_9a1e_64c7_5d2a_9f3b_7e21_ac71_0475);
/// The longest reason, comment and name, letters.
pub(super) const LETTERS: usize = 2000;
const NAME: usize = 200;

/// What is to be done, as it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionOrder {
    /// What.
    pub action: ActionKind,
    /// What the alert was; goes with `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictKind>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whose it is to be; goes with `assign`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Actions that the asker has seen: with another number somebody was faster, and nothing is done.
    pub revision: u32,
    /// Who asks, where the token does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// An order with all that it takes.
#[derive(Clone, Debug)]
pub struct Acted {
    /// The same for the same order on the same alert.
    pub id: String,
    /// The versions of the alert, oldest first; at least one.
    pub versions: Vec<AlertVersion>,
    /// What is to be done.
    pub order: ActionOrder,
    /// Who does it.
    pub actor: String,
    /// As what.
    pub role: &'static str,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// Somebody was faster.
    #[error("the alert has revision {0}")]
    Stale(u32),
    /// It cannot be done to an alert in this state.
    #[error("{0}")]
    Unfit(&'static str),
    /// Log or store are away; the text goes to our log.
    #[error("{0}")]
    Away(String),
}

/// Does what is asked.
pub trait Act: Send + Sync + 'static {
    /// Does it. Durable when it returns; asked the same again it changes nothing more.
    fn act(&self, acted: Acted) -> BoxFuture<'_, Result<ActionRow, Undone>>;
}

impl From<Undone> for Error {
    fn from(e: Undone) -> Self {
        match e {
            Undone::Stale(revision) => Self::Conflict {
                code: "stale_revision",
                message: format!("somebody was faster: the alert has revision {revision} now; read it again, then decide"),
            },
            Undone::Unfit(why) => Self::Conflict { code: "unfit_state", message: why.to_owned() },
            Undone::Away(reason) => {
                tracing::error!(reason, "an action on an alert could not be stored");
                Self::Unavailable { code: "away", message: "this cannot be stored now: ask the same again".to_owned() }
            }
        }
    }
}

impl ActionOrder {
    /// Whether it can be done to an alert that stands like this.
    ///
    /// # Errors
    /// [`Undone::Stale`] when the asker has not seen all, [`Undone::Unfit`] when it makes no sense now.
    pub fn fits(&self, standing: &Standing) -> Result<(), Undone> {
        let closed = standing.state == actions::State::Closed;
        match self.action {
            _ if self.revision != standing.revision => Err(Undone::Stale(standing.revision)),
            ActionKind::Acknowledge | ActionKind::Escalate if closed => Err(Undone::Unfit("the alert is closed: reopen it first")),
            ActionKind::Reopen if !closed => Err(Undone::Unfit("the alert is not closed")),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), String> {
        let said = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.trim().is_empty());
        match self.action {
            ActionKind::Close if self.verdict.is_none() => {
                let all: Vec<&str> = VerdictKind::ALL.iter().map(|v| v.as_str()).collect();
                return Err(format!("close needs a verdict: {}", all.join(", ")));
            }
            ActionKind::Comment if !said(&self.comment) => return Err("comment needs a comment".to_owned()),
            ActionKind::Assign if !said(&self.assignee) => return Err("assign needs an assignee".to_owned()),
            ActionKind::Close => {}
            _ if self.verdict.is_some() => return Err("only close has a verdict".to_owned()),
            _ => {}
        }
        let long = |text: &Option<String>, most: usize| text.as_deref().is_some_and(|t| t.chars().count() > most);
        if long(&self.reason, LETTERS) || long(&self.comment, LETTERS) {
            return Err(format!("a reason or comment has at most {LETTERS} letters"));
        }
        if long(&self.assignee, NAME) || long(&self.by, NAME) {
            return Err(format!("a name has at most {NAME} letters"));
        }
        Ok(())
    }

    /// The same order on the same alert has the same id, so that asking again after a failure is harmless.
    fn id(&self, alert_id: &str, actor: &str) -> String {
        let order = serde_json::to_string(self).expect("its keys are texts");
        Uuid::new_v5(&SPACE, [alert_id, actor, &order].join("\0").as_bytes()).to_string()
    }
}

/// An action as answers show it.
pub(crate) fn shown(row: &ActionRow) -> Value {
    let mut value = json!({
        "id": row.action_id, "revision": row.revision, "at": Timestamp::from_millis(row.at), "actor": row.actor, "role": row.actor_role,
        "action": row.action,
    });
    let said = [("verdict", &row.verdict), ("reason", &row.reason), ("comment", &row.comment), ("assignee", &row.assignee)];
    for (key, text) in said.into_iter().filter(|(_, text)| !text.is_empty()) {
        value[key] = text.as_str().into();
    }
    value
}

/// Does what somebody asks of an alert that they may see.
pub(crate) async fn perform(api: &Api, asker: &Asker, alert_id: String, order: ActionOrder) -> Result<ActionRow, Error> {
    let who = api.doer(asker, api.orders.as_ref().map(|(password, _)| password), Right::Answer)?;
    order.check().map_err(|e| Error::bad("bad_action", e))?;
    let (actor, role) = (who.signs(order.by.as_deref())?, who.role.as_str());
    let act: &Arc<dyn Act> = api.act.as_ref().ok_or(NO_READER)?;
    let versions = api.gate.open(who)?.versions(alert_id.clone()).await?;
    Ok(act.act(Acted { id: order.id(&alert_id, &actor), versions, order, actor, role }).await?)
}

const NO_READER: Error = Error::NotFound("this instance does not answer for alerts: its role is another");

pub(super) async fn post(
    State(api): State<Api>,
    asker: Asker,
    Path(id): Path<String>,
    order: Result<Json<ActionOrder>, JsonRejection>,
) -> Result<Json<Value>, Error> {
    let Json(order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    let done = perform(&api, &asker, id, order).await?;
    Ok(Json(json!({ "action": shown(&done) })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::actions::State;

    #[test]
    fn an_order_says_what_it_needs() {
        let check = |text: &str| serde_json::from_str::<ActionOrder>(text).map_err(|e| e.to_string()).and_then(|order| order.check());
        for good in [
            r#"{"action":"acknowledge","revision":0}"#,
            r#"{"action":"close","verdict":"duplicate","revision":3,"reason":"see the other one"}"#,
            r#"{"action":"assign","assignee":"vera","revision":0}"#,
            r#"{"action":"reopen","revision":1}"#,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for wrong in [
            r#"{"action":"acknowledge"}"#,
            r#"{"action":"close","revision":0}"#,
            r#"{"action":"close","verdict":"fine","revision":0}"#,
            r#"{"action":"comment","comment":" ","revision":0}"#,
            r#"{"action":"assign","revision":0}"#,
            r#"{"action":"reopen","verdict":"unknown","revision":0}"#,
            r#"{"action":"reopen","revision":0,"colour":"red"}"#,
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check(&format!(r#"{{"action":"comment","comment":"{}","revision":0}}"#, "x".repeat(LETTERS + 1))).is_err());
    }

    #[test]
    fn what_was_decided_on_an_older_state_is_not_done() {
        let order = |action: &str, revision: u32| serde_json::from_value(json!({"action": action, "revision": revision})).unwrap();
        let fits = |order: &ActionOrder, state, revision| order.fits(&Standing { state, revision, ..Standing::default() });
        let reopen: ActionOrder = order("reopen", 2);
        assert!(matches!(fits(&reopen, State::Closed, 3), Err(Undone::Stale(3))));
        assert!(fits(&reopen, State::Closed, 2).is_ok());
        assert!(matches!(fits(&reopen, State::Open, 2), Err(Undone::Unfit(_))));
        assert!(matches!(fits(&order("acknowledge", 2), State::Closed, 2), Err(Undone::Unfit(_))));
        assert!(fits(&order("comment", 2), State::Closed, 2).is_ok());
    }

    #[test]
    fn the_same_order_has_the_same_id() {
        let order: ActionOrder = serde_json::from_str(r#"{"action":"comment","comment":"x","revision":0}"#).unwrap();
        assert_eq!(order.id("a", "vera"), order.id("a", "vera"));
        assert_ne!(order.id("a", "vera"), order.id("b", "vera"));
        assert_ne!(order.id("a", "vera"), ActionOrder { revision: 1, ..order.clone() }.id("a", "vera"));
    }
}
