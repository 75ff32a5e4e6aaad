//! The live demo company: sixty days of history in a burst, then events as their time comes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::ingest::{Error, Ingestor, Rows};
use crate::{
    event::{DAY_MS, Timestamp},
    ops::clock,
    simulate::demo::Demo,
    store::state,
};

/// How often live events are delivered.
const BEAT: Duration = Duration::from_millis(500);
/// So much of the past is delivered at once.
const STRIDE_MS: i64 = DAY_MS;
/// Behind by less than this is caught up.
const CAUGHT_UP_MS: i64 = 5_000;
/// Until when events were delivered.
const UNTIL: &str = "demo/until";

/// What the demo keeps in its folder.
#[derive(Serialize, Deserialize)]
struct Anchor {
    seed: u64,
    origin: Timestamp,
}

/// A demo that was started once and goes on ever after.
pub struct Runner {
    demo: Demo,
    labels: PathBuf,
}

impl Runner {
    /// Opens the demo in a folder; the first start sets its origin to now.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join("demo.json");
        let anchor = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let anchor = Anchor { seed: 1, origin: clock::now() };
                fs::write(&path, serde_json::to_vec(&anchor)?)?;
                anchor
            }
            Err(e) => return Err(e),
        };
        Ok(Self { demo: Demo::new(anchor.seed, anchor.origin), labels: folder.join("labels.jsonl") })
    }

    /// Catches up and then delivers events as their time comes, until told to stop.
    ///
    /// # Errors
    /// When log or store refuse.
    pub async fn run(&self, ingestor: &Ingestor, client: &clickhouse::Client, stop: CancellationToken) -> Result<(), Error> {
        let from = self.catch_up(ingestor, client, &stop).await?;
        self.live(ingestor, client, from, stop).await
    }

    /// Delivers reference data and everything up to now; returns until when.
    ///
    /// # Errors
    /// When log or store refuse.
    async fn catch_up(&self, ingestor: &Ingestor, client: &clickhouse::Client, stop: &CancellationToken) -> Result<Timestamp, Error> {
        let (users, clients, orders) = self.demo.reference();
        ingestor.learn(Rows { users, clients, orders }).await?;
        let kept = state::meta(client, UNTIL).await.map_err(Error::Store)?.and_then(|t| Timestamp::parse(&t).ok());
        let mut at = kept.unwrap_or_else(|| self.demo.begin());
        loop {
            let now = clock::now();
            // Delivering takes time, too: what is left by then is for the beats.
            if now.millis() - at.millis() < CAUGHT_UP_MS || stop.is_cancelled() {
                return Ok(at);
            }
            let to = at.plus(STRIDE_MS).min(now);
            self.deliver(ingestor, at, to).await?;
            at = to;
            state::set_meta(client, UNTIL, &at.to_string()).await.map_err(Error::Store)?;
        }
    }

    /// Delivers events as their time comes, until told to stop.
    ///
    /// # Errors
    /// When log or store refuse.
    async fn live(&self, ingestor: &Ingestor, client: &clickhouse::Client, from: Timestamp, stop: CancellationToken) -> Result<(), Error> {
        let (mut at, mut kept) = (from, from);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(BEAT) => {}
            }
            // A clock that jumps ahead is followed day by day.
            let now = clock::now().min(at.plus(STRIDE_MS));
            if now <= at {
                continue;
            }
            self.deliver(ingestor, at, now).await?;
            at = now;
            if at.millis() - kept.millis() > 5_000 {
                state::set_meta(client, UNTIL, &at.to_string()).await.map_err(Error::Store)?;
                kept = at;
            }
        }
        state::set_meta(client, UNTIL, &at.to_string()).await.map_err(Error::Store)
    }

    async fn deliver(&self, ingestor: &Ingestor, from: Timestamp, to: Timestamp) -> Result<(), Error> {
        let labels = self.demo.labels(from, to);
        if !labels.is_empty() {
            let lines: String = labels.iter().map(|l| serde_json::to_string(l).expect("a label has string keys only") + "\n").collect();
            let written =
                fs::OpenOptions::new().create(true).append(true).open(&self.labels).and_then(|mut f| f.write_all(lines.as_bytes()));
            if let Err(e) = written {
                tracing::warn!(error = %e, "labels of the demo cannot be written");
            }
        }
        let events = self.demo.events(from, to).into_iter().map(|e| (e, None)).collect();
        ingestor.submit(events, "", &[]).await
    }
}
