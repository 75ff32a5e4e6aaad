//! Orders to a running instance, and what it tells its logs by itself: mutes, the policy read again, ticks.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    ingest::{self, Ingestor, Policies},
    score::Progress,
};
use crate::{
    api::{MuteOrder, Obey, Refused, Reloaded, ResetOrder, Status},
    engine::{Record, Reset, Tick},
    event::Timestamp,
    ops::clock,
};

const MINUTE_MS: i64 = 60_000;

/// Reads the configuration again: what it says now, or all that is wrong with it.
pub type Reread = Arc<dyn Fn() -> Result<Policies, String> + Send + Sync>;

/// Obeys orders.
#[derive(Clone)]
pub struct Orders {
    ingestor: Ingestor,
    reread: Reread,
}

impl Orders {
    /// With what an order works.
    pub fn new(ingestor: Ingestor, reread: Reread) -> Self {
        Self { ingestor, reread }
    }

    /// Reads the configuration again; tenants whose policy is another now.
    ///
    /// # Errors
    /// When it has mistakes: nothing has changed then. Or when log or store refuse.
    pub async fn reload(&self) -> Result<Vec<String>, String> {
        let policies = (self.reread)()?;
        let changed = self.ingestor.adopt(policies).await.map_err(|e| e.to_string())?;
        tracing::info!(tenants = changed.len(), "the configuration was read again");
        Ok(changed)
    }

    /// The same at each SIGHUP, until `stop`.
    ///
    /// # Errors
    /// When the signal cannot be listened to.
    pub async fn on_hangup(self, stop: CancellationToken) -> std::io::Result<()> {
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = hangup.recv() => if let Err(e) = self.reload().await {
                    tracing::error!(error = %e, "the configuration was read again and is not used: what was in force stays");
                },
            }
        }
    }
}

impl Obey for Orders {
    fn mute(&self, order: MuteOrder) -> BoxFuture<'_, Result<(), Refused>> {
        async move {
            let done = self.ingestor.order(&order.tenant, Record::Mute(order.mute)).await;
            done.map_err(|e: ingest::Error| Refused::Away(e.to_string()))
        }
        .boxed()
    }

    fn reset(&self, order: ResetOrder) -> BoxFuture<'_, Result<(), Refused>> {
        async move {
            let ResetOrder { tenant, manager, reason, by } = order;
            let record = Record::Reset(Reset { manager, at: clock::now(), reason, by });
            self.ingestor.order(&tenant, record).await.map_err(|e: ingest::Error| Refused::Away(e.to_string()))
        }
        .boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Refused>> {
        async move { Self::reload(self).await.map(|changed| Reloaded { changed }).map_err(Refused::Binding) }.boxed()
    }
}

/// Writes a tick a minute into the log of each tenant that is scored here, while no source lags: absence can only be told where
/// presence would have been seen.
///
/// # Errors
/// When the log refuses for good.
pub async fn tick(
    ingestor: Ingestor,
    progress: watch::Receiver<Progress>,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
) -> Result<(), ingest::Error> {
    loop {
        let now = clock::now().millis();
        let wait = Duration::from_millis((MINUTE_MS - now.rem_euclid(MINUTE_MS)).unsigned_abs());
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        let lagging = status.borrow().sources.iter().any(|s| s.behind.is_some_and(|n| n > 0));
        let tenants: Vec<String> = {
            let progress = progress.borrow();
            if lagging || !progress.caught_up || progress.behind > 0 {
                continue;
            }
            progress.watched().cloned().collect()
        };
        let at = Timestamp::from_millis(clock::now().millis().div_euclid(MINUTE_MS) * MINUTE_MS);
        for tenant in tenants {
            ingestor.note(&tenant, Record::Tick(Tick { at })).await?;
        }
    }
}
