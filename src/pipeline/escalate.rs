//! An alert that people were told of and nobody answers goes one level up, after a time that the configuration says.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::score::Progress;
use crate::{
    api::at_least,
    engine::Severity,
    ops::{clock, config::Escalation},
    store::{
        self,
        actions::{self, ActionKind, ActionRow, Standing, State},
        integrity::Seal,
        notifications::{self, Unanswered},
    },
};

/// It goes up no more often; by then it is with the analysts in any case.
const LEVELS: usize = 3;
/// Between two looks.
const EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Under this name an action stands.
pub const ACTOR: &str = "filin";
/// The space of the ids of these actions.
const SPACE: Uuid = Uuid::from_u128(0x6d1e_57ac_0f43_5d1b_9c3a_2b7f_94d0_11e8);

/// Escalates the alerts of the tenants that are scored here, until `stop`. What the store refuses now is tried again.
pub async fn run(
    client: clickhouse::Client,
    seal: Seal,
    plan: Escalation,
    mut progress: watch::Receiver<Progress>,
    stop: CancellationToken,
) {
    let watching = async {
        if progress.wait_for(|p| p.restored).await.is_err() {
            return;
        }
        loop {
            tokio::time::sleep((plan.after / 4).clamp(EVERY.0, EVERY.1)).await;
            let tenants: Vec<String> = progress.borrow().watched().cloned().collect();
            if let Err(error) = look(&client, &seal, &plan, &tenants).await {
                tracing::warn!(%error, "what nobody answered cannot be looked up, trying again");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
    }
}

async fn look(client: &clickhouse::Client, seal: &Seal, plan: &Escalation, tenants: &[String]) -> Result<(), store::Error> {
    let (now, severe) = (clock::now(), Severity::from_word(&plan.from).map(at_least).unwrap_or_default());
    let after_ms = clock::millis(plan.after);
    for some in notifications::unanswered(client, tenants, &severe, now.plus(-after_ms), now).await?.chunks(notifications::CHUNK) {
        let ids: Vec<String> = some.iter().map(|a| a.alert_id.clone()).collect();
        let done = actions::of(client, &ids).await?;
        for alert in some {
            let of: Vec<&ActionRow> = done.iter().filter(|a| a.alert_id == alert.alert_id).collect();
            if let Some(mut row) = escalated(alert, &of, plan.after, now.millis()) {
                let who = (alert.tenant.clone(), alert.manager.clone());
                seal.sign(client, &mut row, &who).await?;
                actions::save(client, &row).await?;
                tracing::info!(alert_id = row.alert_id, tenant = row.tenant, "nobody answered: escalated");
            }
        }
    }
    Ok(())
}

/// What is written down, when it is time. Whatever somebody does about an open alert gives them the same time again.
fn escalated(alert: &Unanswered, done: &[&ActionRow], after: Duration, now: i64) -> Option<ActionRow> {
    let standing = Standing::of(done.iter().copied());
    let since = done.iter().map(|a| a.at).fold(alert.told, i64::max);
    let times = done.iter().filter(|a| a.action == ActionKind::Escalate.as_str()).count();
    let after_ms = clock::millis(after);
    if standing.state != State::Open || times >= LEVELS || now - since < after_ms {
        return None;
    }
    let revision = standing.revision + 1;
    Some(ActionRow {
        tenant: alert.tenant.clone(),
        alert_id: alert.alert_id.clone(),
        revision,
        // Two instances that look at once write the same.
        action_id: Uuid::new_v5(&SPACE, format!("{}\0{revision}", alert.alert_id).as_bytes()).to_string(),
        at: now,
        actor: ACTOR.to_owned(),
        actor_role: "service".to_owned(),
        action: ActionKind::Escalate.as_str().to_owned(),
        verdict: String::new(),
        reason: format!("nobody answered for {}", crate::ops::config::span_text(after)),
        comment: String::new(),
        assignee: String::new(),
        proof: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn action(revision: u32, at: i64, action: ActionKind) -> ActionRow {
        ActionRow {
            tenant: "t".to_owned(),
            alert_id: "a".to_owned(),
            revision,
            action_id: revision.to_string(),
            at,
            actor: "vera".to_owned(),
            actor_role: "supervisor".to_owned(),
            action: action.as_str().to_owned(),
            verdict: String::new(),
            reason: String::new(),
            comment: String::new(),
            assignee: String::new(),
            proof: String::new(),
        }
    }

    #[test]
    fn it_goes_up_when_nobody_did_anything_for_so_long() {
        let alert = Unanswered { tenant: "t".to_owned(), alert_id: "a".to_owned(), manager: String::new(), told: HOUR };
        let check = |done: &[(i64, ActionKind)], now: i64, expected: Option<u32>| {
            let rows: Vec<ActionRow> = (1..).zip(done).map(|(n, (at, kind))| action(n, *at, *kind)).collect();
            let found = escalated(&alert, &rows.iter().collect::<Vec<_>>(), Duration::from_secs(8 * 3600), now);
            assert_eq!(found.as_ref().map(|row| row.revision), expected, "{done:?} at {now}");
            found.into_iter().for_each(|row| assert_eq!((row.reason.as_str(), row.at), ("nobody answered for 8h", now)));
        };
        use ActionKind::{Acknowledge, Close, Comment, Escalate, Reopen};
        check(&[], 9 * HOUR - 1, None);
        check(&[], 9 * HOUR, Some(1));
        check(&[(2 * HOUR, Acknowledge)], 99 * HOUR, None);
        check(&[(2 * HOUR, Close)], 99 * HOUR, None);
        check(&[(2 * HOUR, Close), (3 * HOUR, Reopen)], 11 * HOUR, Some(3));
        check(&[(2 * HOUR, Comment)], 9 * HOUR, None);
        check(&[(9 * HOUR, Escalate)], 16 * HOUR, None);
        check(&[(9 * HOUR, Escalate)], 17 * HOUR, Some(2));
        check(&[(9 * HOUR, Escalate), (17 * HOUR, Escalate), (25 * HOUR, Escalate)], 99 * HOUR, None);
    }
}
