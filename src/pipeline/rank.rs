//! Answers give the queue an order: learned again about once an hour, sooner when there are new ones, by whoever scores a tenant. What
//! is learned stands in the store beside the alerts; scoring knows nothing of it.

use std::{collections::BTreeMap, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::score::Progress;
use crate::{
    engine::{Severity, VerdictKind},
    event::{DAY_MS, HOUR_MS, Timestamp},
    model::rank::{Answered, Case, Ranker, Report},
    ops::{clock, metrics::Metrics},
    store::{
        self,
        priorities::{self, CaseRow, PriorityRow, ReportRow},
    },
};

/// Between two looks for new answers.
const LOOK: Duration = Duration::from_secs(5);
/// So many are learned from at once ...
const NEWS: u64 = 10;
/// ... and fewer after this time.
const EVERY_MS: i64 = HOUR_MS;
/// New alerts get their place within this time.
const FILL_MS: i64 = 60_000;
/// Answered alerts that count: the newest.
const MOST: u32 = 5000;
/// Alerts opened longer ago keep the order that they have.
const QUEUE_DAYS: i64 = 90;

/// What is known of a tenant.
struct Learned {
    ranker: Ranker,
    model: String,
    in_force: bool,
    /// Answers and takings back that there were then.
    answers: u64,
    at: Timestamp,
    filled: Timestamp,
}

/// Learns from the answers of the tenants that are scored here, until `stop`. What the store refuses now is tried again.
pub async fn run(client: clickhouse::Client, metrics: Metrics, mut progress: watch::Receiver<Progress>, stop: CancellationToken) {
    let learning = async {
        if progress.wait_for(|p| p.restored).await.is_err() {
            return;
        }
        let mut known: BTreeMap<String, Learned> = BTreeMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let tenants: Vec<String> = progress.borrow().watched().cloned().collect();
            // Somebody else says how far those are.
            known.extract_if(.., |name, _| !tenants.contains(name)).for_each(|(name, _)| metrics.unranked(&name));
            let answers = match priorities::answers(&client, &tenants).await {
                Ok(answers) => answers,
                Err(error) => {
                    tracing::warn!(%error, "new answers cannot be counted now, trying again");
                    continue;
                }
            };
            for tenant in &tenants {
                let n = answers.get(tenant).copied().unwrap_or_default();
                if let Err(error) = look(&client, &metrics, tenant, n, &mut known).await {
                    tracing::warn!(tenant, %error, "the order of the queue cannot be learned now, trying again");
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = learning => {}
    }
}

/// Learns where it is time, else gives new alerts their places.
async fn look(
    client: &clickhouse::Client,
    metrics: &Metrics,
    tenant: &str,
    answers: u64,
    known: &mut BTreeMap<String, Learned>,
) -> Result<(), store::Error> {
    let now = clock::now();
    let old = known.get(tenant);
    if old.is_none_or(|k| answers.abs_diff(k.answers) >= NEWS || now.millis() - k.at.millis() >= EVERY_MS) {
        let (ranker, report) = learn(client, tenant, now).await?;
        metrics.ranked(tenant, report.verdicts, report.in_force);
        if old.is_some_and(|k| k.in_force) != report.in_force {
            tracing::info!(tenant, verdicts = report.verdicts, in_force = report.in_force, why = report.why.as_str(), "order of the queue");
        }
        let model = digest(&ranker);
        known.insert(tenant.to_owned(), Learned { ranker, model, in_force: report.in_force, answers, at: now, filled: now });
    } else if let Some(k) = known.get_mut(tenant).filter(|k| k.in_force && now.millis() - k.filled.millis() >= FILL_MS) {
        place(client, tenant, &k.ranker, &k.model, now, true).await?;
        k.filled = now;
    }
    Ok(())
}

/// Learns from what a tenant's people answered, gives its alerts their places and keeps the report.
async fn learn(client: &clickhouse::Client, tenant: &str, now: Timestamp) -> Result<(Ranker, Report), store::Error> {
    let answered = answered(client, tenant).await?;
    let (ranker, report) = tokio::task::spawn_blocking(move || Ranker::train(&answered))
        .await
        .map_err(|e| store::Error::Away(format!("learning ended: {e}")))?;
    if report.in_force {
        place(client, tenant, &ranker, &digest(&ranker), now, false).await?;
    } else {
        priorities::forget(client, tenant, now).await?;
    }
    let row = row(tenant, &ranker, &report, now);
    let last = priorities::reports(client).await?.into_iter().find(|r| r.tenant == tenant);
    if last.as_ref().map_or(row.verdicts > 0, |last| ReportRow { at: last.at, ..row.clone() } != *last) {
        priorities::save_report(client, &row).await?;
    }
    Ok((ranker, report))
}

/// The newest answered alerts of a tenant; taken back answers are none.
///
/// # Errors
/// When the store is away or refuses.
pub async fn answered(client: &clickhouse::Client, tenant: &str) -> Result<Vec<Answered>, store::Error> {
    let verdicts = priorities::verdicts(client, tenant).await?;
    let rows = priorities::answered(client, tenant, MOST).await?;
    let answered = |row: CaseRow| {
        let (verdict, at) = verdicts.get(&row.alert_id)?;
        Some(Answered { verdict: VerdictKind::from_word(verdict)?, at: Timestamp::from_millis(*at), case: case(row)? })
    };
    Ok(rows.into_iter().filter_map(answered).collect())
}

/// None: a later version wrote it.
fn case(row: CaseRow) -> Option<Case> {
    Some(Case {
        severity: Severity::from_word(&row.severity)?,
        alert_id: row.alert_id,
        version: row.version,
        manager: row.manager,
        team: row.team,
        role: row.role,
        opened_at: Timestamp::from_millis(row.opened_at),
        kind: row.kind,
        controls: row.controls,
        bits: row.bits,
        score: row.score,
        parts: row.detectors.into_iter().zip(row.parts).collect(),
    })
}

/// Gives alerts that are not closed their places; writes those that changed. `new`: looks only at those that have none.
async fn place(
    client: &clickhouse::Client,
    tenant: &str,
    ranker: &Ranker,
    model: &str,
    now: Timestamp,
    new: bool,
) -> Result<(), store::Error> {
    let before = if new { BTreeMap::new() } else { priorities::all(client, tenant).await? };
    let mut rows = Vec::new();
    let hear = |row: CaseRow| {
        let Some(case) = case(row) else { return };
        let priority = ranker.priority(&case);
        if before.get(&case.alert_id).is_none_or(|(version, old)| *version != case.version || old.to_bits() != priority.to_bits()) {
            rows.push(PriorityRow {
                tenant: tenant.to_owned(),
                alert_id: case.alert_id,
                version: case.version,
                priority,
                model: model.to_owned(),
                at: now.millis(),
            });
        }
    };
    priorities::each_open(client, tenant, now.plus(-QUEUE_DAYS * DAY_MS), new, hear).await?;
    priorities::save(client, &rows).await
}

fn row(tenant: &str, ranker: &Ranker, report: &Report, at: Timestamp) -> ReportRow {
    let n = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (terms, weights) = ranker.weights().into_iter().map(|(term, weight)| (term.to_owned(), weight)).unzip();
    ReportRow {
        tenant: tenant.to_owned(),
        at: at.millis(),
        verdicts: n(report.verdicts),
        confirmed: n(report.confirmed),
        held_back: n(report.held_back),
        before: report.before,
        after: report.after,
        in_force: report.in_force,
        why: report.why.as_str().to_owned(),
        model: digest(ranker),
        terms,
        weights,
    }
}

/// Names what was learned; empty: nothing was.
fn digest(ranker: &Ranker) -> String {
    let mut text = String::new();
    for (term, weight) in ranker.weights() {
        text.push_str(&format!("{term}\0{}\0", weight.to_bits()));
    }
    if text.is_empty() { text } else { format!("{:016x}", xxh3_64(text.as_bytes())) }
}
