//! What people did about alerts, and what that makes of each: open, acknowledged, closed.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep};
use crate::{
    engine::VerdictKind,
    event::{Timestamp, words},
};

words! {
    /// What is done about an alert.
    ActionKind {
        /// Somebody looks at it.
        Acknowledge = "acknowledge",
        /// It is somebody's.
        Assign = "assign",
        /// Something is said about it.
        Comment = "comment",
        /// It is answered. A second answer takes the place of the first.
        Close = "close",
        /// The answer is taken back; what was learned from it stays learned.
        Reopen = "reopen",
        /// It goes to somebody higher up.
        Escalate = "escalate",
    }
}

words! {
    /// How far an alert is.
    State {
        /// Nobody has looked at it.
        Open = "open",
        /// Somebody looks at it.
        Acknowledged = "acknowledged",
        /// It is answered.
        Closed = "closed",
    }
}

/// A row of `alert_actions`; empty: nothing was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of an action")]
pub struct ActionRow {
    pub tenant: String,
    pub alert_id: String,
    /// Of the alert, once this was done; the first is 1.
    pub revision: u32,
    pub action_id: String,
    pub at: i64,
    pub actor: String,
    pub actor_role: String,
    pub action: String,
    pub verdict: String,
    pub reason: String,
    pub comment: String,
    pub assignee: String,
    /// That Filin wrote it.
    pub proof: String,
}

/// What the actions make of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// How far it is.
    pub state: State,
    /// What it was, when it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictKind>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Actions so far. Whoever does the next one says how many they have seen.
    pub revision: u32,
}

impl Default for Standing {
    fn default() -> Self {
        Self { state: State::Open, verdict: None, assignee: None, revision: 0 }
    }
}

impl Standing {
    /// Of one alert, among the actions of several.
    pub fn among(actions: &[ActionRow], alert_id: &str) -> Self {
        Self::of(actions.iter().filter(|a| a.alert_id == alert_id))
    }

    /// Of an alert with these actions, oldest first. View `alert_states` says the same.
    pub fn of<'a>(actions: impl IntoIterator<Item = &'a ActionRow>) -> Self {
        let mut standing = Self::default();
        for a in actions {
            standing.revision = a.revision;
            match ActionKind::from_word(&a.action) {
                Some(ActionKind::Acknowledge) => (standing.state, standing.verdict) = (State::Acknowledged, None),
                Some(ActionKind::Close) => (standing.state, standing.verdict) = (State::Closed, VerdictKind::from_word(&a.verdict)),
                Some(ActionKind::Reopen) => (standing.state, standing.verdict) = (State::Open, None),
                Some(ActionKind::Assign) => standing.assignee = Some(a.assignee.clone()).filter(|to| !to.is_empty()),
                Some(ActionKind::Comment | ActionKind::Escalate) | None => {}
            }
        }
        standing
    }
}

/// The actions of these alerts, by alert, oldest first. Of two that claim one revision only the earlier was done.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn of(client: &clickhouse::Client, alert_ids: &[String]) -> Result<Vec<ActionRow>, Error> {
    if alert_ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT ?fields FROM alert_actions FINAL WHERE alert_id IN ?
        ORDER BY tenant, alert_id, revision, at, action_id LIMIT 1 BY tenant, alert_id, revision";
    Ok(client.query(sql).bind(alert_ids).fetch_all::<ActionRow>().await?)
}

/// When these alerts were escalated, by alert, milliseconds since 1970, oldest first.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn escalations(client: &clickhouse::Client, alert_ids: &[String]) -> Result<BTreeMap<String, Vec<i64>>, Error> {
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for action in of(client, alert_ids).await?.into_iter().filter(|a| a.action == ActionKind::Escalate.as_str()) {
        times.entry(action.alert_id).or_default().push(action.at);
    }
    Ok(times)
}

/// How many alerts were escalated at an instant or later.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn escalated_since(client: &clickhouse::Client, tenants: &[String], since: Timestamp) -> Result<u64, Error> {
    if tenants.is_empty() {
        return Ok(0);
    }
    let sql = "SELECT count() FROM alert_actions WHERE tenant IN ? AND action = 'escalate' AND at >= fromUnixTimestamp64Milli(?)";
    Ok(client.query(sql).bind(tenants).bind(since.millis()).fetch_one().await?)
}

/// Writes down an action.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(client: &clickhouse::Client, row: &ActionRow) -> Result<(), Error> {
    Keep::insert(client, "alert_actions", std::slice::from_ref(row)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_holds() {
        let row = |revision, action: ActionKind, verdict: &str, assignee: &str| ActionRow {
            tenant: "t".to_owned(),
            alert_id: "a".to_owned(),
            revision,
            action_id: revision.to_string(),
            at: 0,
            actor: "vera".to_owned(),
            actor_role: "analyst".to_owned(),
            action: action.as_str().to_owned(),
            verdict: verdict.to_owned(),
            reason: String::new(),
            comment: String::new(),
            assignee: assignee.to_owned(),
            proof: String::new(),
        };
        let mut done = Vec::new();
        assert_eq!(Standing::of(&done), Standing::default());
        let mut check = |action, verdict: &str, assignee: &str, state, known: Option<VerdictKind>| {
            done.push(row(u32::try_from(done.len()).unwrap() + 1, action, verdict, assignee));
            let standing = Standing::of(&done);
            assert_eq!((standing.state, standing.verdict, standing.revision as usize), (state, known, done.len()));
            standing.assignee
        };
        assert_eq!(check(ActionKind::Comment, "", "", State::Open, None), None);
        assert_eq!(check(ActionKind::Acknowledge, "", "", State::Acknowledged, None), None);
        assert_eq!(check(ActionKind::Assign, "", "vera", State::Acknowledged, None).as_deref(), Some("vera"));
        check(ActionKind::Close, "benign_expected", "", State::Closed, Some(VerdictKind::BenignExpected));
        check(ActionKind::Close, "true_positive", "", State::Closed, Some(VerdictKind::TruePositive));
        assert_eq!(check(ActionKind::Reopen, "", "", State::Open, None).as_deref(), Some("vera"));
    }
}
