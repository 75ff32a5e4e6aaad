//! `filin evaluate`.

mod days;
mod svg;
mod text;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{Usage, lines};
use crate::{
    directory::{Reference, Table, User},
    model::{Input, Label, Meta, Question, Version, evaluate},
};

/// Flags of `filin evaluate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// labels.jsonl (`-`: standard input; also .gz, .zst)
    #[arg(long, value_name = "F")]
    labels: PathBuf,
    /// alerts.jsonl, one line per version
    #[arg(long, value_name = "F")]
    alerts: PathBuf,
    /// meta.json
    #[arg(long, value_name = "F")]
    meta: PathBuf,
    /// Manager-days, as `filin replay --features` wrote them beside the alerts: judges the calibration of each detector
    #[arg(long, value_name = "F")]
    features: Option<PathBuf>,
    /// Users (CSV or JSONL, also .gz, .zst): false alerts by role, grade, team, zone, working time and tenure
    #[arg(long, value_name = "F", requires = "features")]
    users: Option<PathBuf>,
    /// Attacks and alerts before this day, counted from 0, do not count
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_day: u32,
    /// Alerts per 100 manager-days that the alerts were made with
    #[arg(long, value_name = "B", default_value_t = 1.0)]
    budget: f64,
    /// Where a picture goes (SVG): what is found at which rate of false alerts, and the calibration
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if !(args.budget > 0.0 && args.budget <= 100.0) {
        return Err(Usage(format!("--budget {}: give a number above 0 and at most 100", args.budget)).into());
    }
    let labels: Vec<Label> = lines::parse(&args.labels)?;
    let versions: Vec<Version> = lines::parse(&args.alerts)?;
    let meta: Meta = lines::whole(&args.meta)?;
    let days = args.features.as_deref().map(days::read).transpose()?;
    let users = args.users.as_deref().zip(days.as_ref()).map(|(path, days)| users(path, &days.tenant)).transpose()?;
    let input = Input { labels: &labels, versions: &versions, meta: &meta, days: days.as_ref(), users: users.as_ref() };
    let answer = evaluate(&input, &Question { from_day: args.from_day, budget: args.budget });
    if let Some(path) = &args.svg {
        std::fs::write(path, svg::picture(&answer)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        text::print(&mut out, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The users of a tenant.
fn users(path: &Path, tenant: &str) -> anyhow::Result<Table<User>> {
    let (reference, complaints) = Reference::load(Some(path), None, None)?;
    if !complaints.is_empty() {
        eprintln!("filin: {} rows or cells of {} were not used (`filin check` lists them)", complaints.len(), path.display());
    }
    let directory = reference.tenant(tenant).with_context(|| format!("{} has no user of the tenant {tenant:?}", path.display()))?;
    Ok(directory.users().clone())
}
