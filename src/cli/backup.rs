//! `filin backup`: all that is stored, in other places.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{
    Usage,
    dead_letters::{Where, close, store},
    replay,
};
use crate::{
    ops::config::{Config, Secret},
    pipeline::backup,
    store::backup::Taken,
};

/// Flags of `filin backup`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each place is a folder on a disk of its own, made by hand: an empty one becomes a place of backups. What it has already is\n\
    not written again. A backup is there only when all of it was read back, loaded into a scratch database and found equal; one that was\n\
    broken off leaves the earlier ones as they were. What is in it, what is not, and how to restore: docs/backup.md."
)]
pub(super) struct Args {
    /// Folder on another disk; give two [default: those of `[backup]` in the configuration]
    #[arg(long, value_name = "PLACE")]
    to: Vec<PathBuf>,
    /// File with what they are encrypted with, as from `openssl rand -hex 32` [default: that of `[backup]`]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Backups that each place keeps: the newest [default: 14, or as `[backup]` says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    #[command(flatten)]
    place: Where,
}

/// What came of one place.
#[derive(Serialize)]
struct Done {
    place: PathBuf,
    #[serde(flatten)]
    taken: Option<Taken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The key in a file.
fn read(path: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(path).map_err(|e| Usage(format!("the key {} cannot be read: {e}", path.display())))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() < 16 {
        return Err(
            Usage(format!("the key {} is too short: take at least 16 characters, as from `openssl rand -hex 32`", path.display())).into()
        );
    }
    Ok(Secret::new(text))
}

/// The key of a place: as said, else as configured.
pub(super) fn secret(key: Option<&Path>, config: &Config) -> anyhow::Result<Secret> {
    match (key, &config.backup) {
        (Some(path), _) => read(path),
        (None, Some(planned)) => Ok(planned.key.clone()),
        (None, None) => Err(Usage("say what it is encrypted with: --key FILE".to_owned()).into()),
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.place.config()?;
    let planned = config.backup.clone();
    let to = match (args.to.is_empty(), &planned) {
        (false, _) => args.to,
        (true, Some(planned)) => planned.to.clone(),
        (true, None) => return Err(Usage("say where to, as in --to /mnt/a/filin --to /mnt/b/filin, or in [backup]".to_owned()).into()),
    };
    let key = match (&args.key, &planned) {
        (Some(path), _) => read(path)?,
        (None, Some(planned)) => planned.key.clone(),
        (None, None) => return Err(Usage("say what to encrypt with: --key FILE, as from `openssl rand -hex 32`".to_owned()).into()),
    };
    let keep = args.keep.map(|n| n as usize).or(planned.map(|p| p.keep)).unwrap_or(14);
    super::needs_data(&config)?;
    if to.len() == 1 {
        eprintln!("filin: one place is half a backup: give two, on two disks");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(all(&config, &to, &key, keep))?;
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?;
    } else {
        print(&mut out, &done)?;
    }
    Ok(if done.iter().all(|d| d.error.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One place after the other: what is wrong with one is no reason to go without the other.
async fn all(config: &Config, to: &[PathBuf], key: &Secret, keep: usize) -> anyhow::Result<Vec<Done>> {
    let (client, opened) = store(config).await?;
    let mut done = Vec::new();
    let files = backup::files(config);
    if let Ok(files) = &files {
        for place in to {
            let bar = replay::bar(None, "reading", false);
            let progress = |table: &str, rows: u64| {
                bar.set_message(table.to_owned());
                bar.inc(rows);
            };
            let taken = backup::once(&client, (place, key), files.clone(), keep, true, progress).await;
            bar.finish_and_clear();
            if let Err(e) = &taken {
                eprintln!("filin: no backup to {}: {e}", place.display());
            }
            let error = taken.as_ref().err().map(ToString::to_string);
            done.push(Done { place: place.clone(), taken: taken.ok(), error });
        }
    }
    close(opened).await;
    files?;
    Ok(done)
}

fn print(out: &mut impl Write, done: &[Done]) -> io::Result<()> {
    for Done { place, taken, .. } in done {
        if let Some(Taken { name, tables, rows, bytes, written }) = taken {
            writeln!(
                out,
                "{}: {name}: {rows} rows of {tables} tables, {bytes} bytes, {written} of them new; loaded once and equal",
                place.display()
            )?;
        }
    }
    Ok(())
}
