//! `filin simulate`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::Usage;
use crate::event::Date;
use crate::simulate::{Error, Options, write};

/// Flags of `filin simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// People
    #[arg(long, value_name = "N", default_value_t = 50)]
    managers: usize,
    /// Days
    #[arg(long, value_name = "N", default_value_t = 90)]
    days: u32,
    /// The same seed makes the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder for events.jsonl users.csv clients.csv orders.csv labels.jsonl meta.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Some people steal; labels.jsonl says who, when and what
    #[arg(long)]
    attacks: bool,
    /// First day
    #[arg(long, value_name = "DATE", default_value = "2026-01-05", value_parser = date)]
    start: Date,
    /// No attack before this day, counted from 0
    #[arg(long, value_name = "DAY", default_value_t = 30)]
    attack_from: u32,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = Options {
        managers: args.managers,
        days: args.days,
        seed: args.seed,
        start: args.start,
        attack_from: args.attacks.then_some(args.attack_from),
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(u64::from(args.days)) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{bar:40} day {pos} of {len}, {eta} left")?);
    let made = write(&options, &args.out, &mut || bar.inc(1)).map_err(|e| match e {
        Error::Asked(text) => anyhow::Error::new(Usage(text)),
        other => other.into(),
    })?;
    bar.finish_and_clear();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&made)?)?;
    } else {
        writeln!(
            out,
            "{}: {} events, {} manager-days, {} attacks, {} unusual but honest spans",
            args.out.display(),
            made.events,
            made.manager_days,
            made.attacks,
            made.benign
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn date(text: &str) -> Result<Date, String> {
    Date::parse(text).ok_or_else(|| "give a date such as 2026-01-05".to_owned())
}
