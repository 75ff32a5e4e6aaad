//! `filin verify`: alerts and answers against the chain that proves them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde::Deserialize;

use super::{
    Usage, backup,
    dead_letters::{Where, close, store},
    replay,
};
use crate::{
    event::Timestamp,
    ops::{clock, config::Config},
    pipeline::service,
    store::{
        Alias,
        backup::Place,
        integrity::{self, Broken, End, Report, Seal},
    },
};

/// What is wrong, as far as it is printed.
const SHOWN: usize = 20;

/// Flags of `filin verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every checkpoint links the keyed hashes of the alerts and answers since the last one. This recomputes them from the\n\
    tables and finds a row that was changed, removed or inserted since. Exit code 1 when one is, with the first broken link.\n\
    Whoever can write everything, the key in the data folder included, could also write a new chain: keep the output of --json\n\
    elsewhere, and give it later by --anchor, or a place of backups by --against. What is checked, and what is not: docs/backup.md."
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
    /// Instead of the tables: read every file of this place of backups, and list them
    #[arg(long, value_name = "PLACE", conflicts_with = "anchor")]
    backup: Option<PathBuf>,
    /// File with what it is encrypted with [default: that of `[backup]` in the configuration]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Output of an earlier `filin verify --json`: what the chains ended in then must still be in them
    #[arg(long, value_name = "F")]
    anchor: Option<PathBuf>,
    /// The same of the newest backup in this place
    #[arg(long, value_name = "PLACE", conflicts_with = "backup")]
    against: Option<PathBuf>,
}

/// What an earlier check printed, as far as it is needed.
#[derive(Deserialize)]
struct Anchor {
    heads: Vec<End>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.place.config()?;
    if let Some(place) = &args.backup {
        return backups(place, args.key.as_deref(), &config, args.place.json);
    }
    let mut anchor = match &args.anchor {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_slice::<Anchor>(&text)
                .map_err(|e| Usage(format!("{} is no output of filin verify --json: {e}", path.display())))?
                .heads
        }
    };
    if let Some(path) = &args.against {
        anchor.extend(Place::read(path, &backup::secret(args.key.as_deref(), &config)?)?.newest()?.1.heads);
    }
    super::needs_data(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(check(&config, &anchor))?;
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&mut out, &report)?;
    }
    Ok(if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads all that is in a place of backups.
fn backups(path: &Path, key: Option<&Path>, config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let place = Place::read(path, &backup::secret(key, config)?)?;
    let bar = replay::bar(None, "reading", false);
    let audit = place.audit(|bytes| bar.set_position(bytes))?;
    bar.finish_and_clear();
    let whole = !audit.backups.is_empty() && audit.backups.iter().all(|b| b.damaged.is_empty());
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&audit)?)?;
    } else {
        for b in &audit.backups {
            let begun = b.at.map_or_else(|| "unreadable".to_owned(), |at| format!("begun at {}", Timestamp::from_millis(at)));
            let state = if b.damaged.is_empty() { "whole".to_owned() } else { format!("{} files are damaged or missing", b.damaged.len()) };
            writeln!(out, "{}: {begun}, {} rows in {} chunks: {state}", b.name, b.rows, b.chunks)?;
            for what in b.damaged.iter().take(SHOWN) {
                writeln!(out, "  {what}")?;
            }
        }
        writeln!(out, "{} backups, {} files, {} bytes read", audit.backups.len(), audit.files, audit.bytes)?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(config: &Config, anchor: &[End]) -> anyhow::Result<Report> {
    let seal = Seal::of(&Alias::new(service::alias_key(config)?));
    let (client, opened) = store(config).await?;
    let checked = async {
        let mut report = integrity::check(&client, &seal, clock::now()).await?;
        report.broken.extend(integrity::anchored(&client, anchor).await?);
        anyhow::Ok(report)
    };
    let report = checked.await;
    close(opened).await;
    report
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for b in report.broken.iter().take(SHOWN) {
        let Broken { log_id, partition, from, to, table, id, what } = b;
        writeln!(out, "broken: {table} {id}: {what} (log {log_id}, partition {partition}, offsets {from} to {to})")?;
    }
    if report.broken.len() > SHOWN {
        writeln!(out, "... and {} more (--json lists them)", report.broken.len() - SHOWN)?;
    }
    let whole = if report.broken.is_empty() { "whole" } else { "as they were written" };
    let Report { links, alerts, actions, .. } = report;
    writeln!(out, "{whole}: {alerts} alert versions and {actions} answers, in {links} links of {} partitions", report.heads.len())?;
    let others = [
        (report.waiting, "newer than the last checkpoint: the next one links them"),
        (report.erased, "gone with the salt of whom they were about"),
        (report.expired, "gone because they were older than their table keeps them"),
        (report.adopted, "older than the chain, and taken as they were when it began"),
        (report.aside, "links beside the chain, of an instance that did not come to its checkpoint"),
    ];
    for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
        writeln!(out, "  {n} {what}")?;
    }
    Ok(())
}
