//! Answers to alerts: what somebody does becomes a row, and a verdict a record of the tenant's log first.

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;

use super::ingest::Ingestor;
use crate::{
    api::{Act, Acted, Undone},
    engine::{AlertVersion, Record, Verdict, VerdictKind},
    event::{Date, Timestamp},
    ops::clock,
    store::{
        actions::{self, ActionRow, Standing},
        integrity::Seal,
        persist,
    },
};

/// Does what people ask of alerts.
pub struct Answers {
    ingestor: Ingestor,
    client: clickhouse::Client,
    /// What proves that an action was written here.
    seal: Seal,
    /// One action at a time: whoever comes second sees the first. Of two instances the earlier row holds.
    turn: Semaphore,
}

impl Answers {
    /// With what an answer works.
    pub fn new(ingestor: Ingestor, client: clickhouse::Client, seal: Seal) -> Self {
        Self { ingestor, client, seal, turn: Semaphore::new(1) }
    }

    /// The record first: a verdict that is seen is in the log. Written twice after a failure it changes nothing more.
    async fn act(&self, acted: Acted) -> Result<ActionRow, Undone> {
        let away = |e: String| Undone::Away(e);
        let _turn = self.turn.acquire().await.map_err(|e| away(e.to_string()))?;
        let Some(latest) = acted.versions.last() else { return Err(away("an alert without versions".to_owned())) };
        let ids = [latest.alert_id.clone()];
        let known = persist("actions", || actions::of(&self.client, &ids)).await.map_err(|e| away(e.to_string()))?;
        if let Some(done) = known.iter().find(|a| a.action_id == acted.id) {
            return Ok(done.clone());
        }
        let standing = Standing::of(&known);
        acted.order.fits(&standing)?;
        let order = &acted.order;
        let at = clock::now();
        if let Some(verdict) = order.verdict {
            let record = Record::Verdict(self.verdict(&acted.versions, latest, verdict, &acted.actor, at));
            self.ingestor.order(&latest.tenant, record).await.map_err(|e| away(e.to_string()))?;
        }
        let said = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        let who = (latest.tenant.clone(), latest.manager.clone().unwrap_or_default());
        let mut row = ActionRow {
            tenant: latest.tenant.clone(),
            alert_id: latest.alert_id.clone(),
            revision: standing.revision + 1,
            action_id: acted.id.clone(),
            at: at.millis(),
            actor: acted.actor.clone(),
            actor_role: acted.role.to_owned(),
            action: order.action.as_str().to_owned(),
            verdict: order.verdict.map_or("", VerdictKind::as_str).to_owned(),
            reason: said(&order.reason),
            comment: said(&order.comment),
            assignee: said(&order.assignee),
            proof: String::new(),
        };
        // Its proof before it: a row is never without.
        self.seal.sign(&self.client, &mut row, &who).await.map_err(|e| away(e.to_string()))?;
        persist("action", || actions::save(&self.client, &row)).await.map_err(|e| away(e.to_string()))?;
        let held = persist("actions", || actions::of(&self.client, &ids)).await.map_err(|e| away(e.to_string()))?;
        match held.iter().any(|a| a.action_id == row.action_id) {
            true => Ok(row),
            false => Err(Undone::Stale(Standing::of(&held).revision)),
        }
    }

    fn verdict(&self, versions: &[AlertVersion], latest: &AlertVersion, verdict: VerdictKind, by: &str, at: Timestamp) -> Verdict {
        let manager = latest.manager.clone().unwrap_or_default();
        let mut days: Vec<Date> = versions.iter().map(|v| self.ingestor.day(&latest.tenant, &manager, v.time)).collect();
        days.sort_unstable();
        days.dedup();
        let named = latest.contributions.iter().filter(|c| c.family == "drip" && c.sentence.is_some());
        let drip = named.map(|c| c.detector.clone()).collect();
        Verdict { alert_id: latest.alert_id.clone(), manager, days, verdict, drip, at, by: by.to_owned() }
    }
}

impl Act for Answers {
    fn act(&self, acted: Acted) -> BoxFuture<'_, Result<ActionRow, Undone>> {
        Self::act(self, acted).boxed()
    }
}
