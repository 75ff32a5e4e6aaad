//! Backups while the service runs: each place gets its own, as often as the configuration says.

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    event::Timestamp,
    ops::{
        clock,
        config::{self, Config, Secret, Store},
        happening::{BackedUp, BackupFailed},
        metrics::Metrics,
    },
    store::backup::{Error, Place, Taken, take},
};

/// After a failure it is tried again so soon, or sooner where backups are made more often.
const AGAIN: Duration = Duration::from_secs(900);

/// What a backup has beside the tables, name and content: the key of the pseudonyms, where Filin made it itself.
///
/// # Errors
/// When it cannot be read.
pub fn files(config: &Config) -> io::Result<Vec<(String, Vec<u8>)>> {
    if config.privacy.alias_key.is_some() || !matches!(config.store, Store::Embedded(_)) {
        return Ok(Vec::new());
    }
    Ok(vec![("alias.key".to_owned(), std::fs::read(config.data.join("alias.key"))?)])
}

/// One backup to one place.
///
/// # Errors
/// As [`take`].
pub async fn once(
    client: &clickhouse::Client,
    to: (&Path, &Secret),
    files: Vec<(String, Vec<u8>)>,
    keep: usize,
    begin: bool,
    progress: impl FnMut(&str, u64),
) -> Result<Taken, Error> {
    let at = clock::now();
    let place = Arc::new(Place::write(to.0, to.1, begin)?);
    take(client, &place, files, keep, at, progress).await
}

/// Makes backups until `stop`. One that is being written then is left: what it has written so far is not written again by the next.
pub async fn run(
    client: clickhouse::Client,
    plan: config::Backup,
    files: Vec<(String, Vec<u8>)>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let working = async {
        let names: Vec<String> = plan.to.iter().map(|path| path.display().to_string()).collect();
        // When each place is due. A folder that is no place of backups is never made one here: its disk may be away.
        let newest: Vec<Option<Timestamp>> = plan.to.iter().map(|path| newest(path, &plan.key)).collect();
        let behind = |at: &Option<Timestamp>| at.map_or(Timestamp::from_millis(0), |at| at.plus(clock::millis(plan.every)));
        let mut due: Vec<Timestamp> = newest.iter().map(behind).collect();
        metrics.backups(plan.every, &names.iter().map(String::as_str).zip(newest).collect::<Vec<_>>());
        loop {
            for (i, place) in names.iter().enumerate() {
                let now = clock::now();
                if due[i] > now {
                    continue;
                }
                let watch = clock::Stopwatch::start();
                let next = match once(&client, (&plan.to[i], &plan.key), files.clone(), plan.keep, false, |_, _| {}).await {
                    Ok(Taken { rows: n_rows, written: n_bytes, .. }) => {
                        BackedUp { place, at: now, n_rows, n_bytes, took: watch.elapsed() }.emit(&metrics);
                        plan.every
                    }
                    Err(error) => {
                        BackupFailed { place, error: &error }.emit(&metrics);
                        plan.every.min(AGAIN)
                    }
                };
                due[i] = now.plus(clock::millis(next));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = working => {}
    }
}

fn newest(path: &Path, key: &Secret) -> Option<Timestamp> {
    let (_, manifest) = Place::read(path, key).and_then(|place| place.newest()).ok()?;
    Some(Timestamp::from_millis(manifest.at))
}
