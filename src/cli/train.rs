//! `filin train`: a cold-start prior from history.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use super::replay::{self, Given, Source};
use crate::{
    engine::{Effect, Tenant, prior::Prior},
    event::Event,
    ops::config::{self, Flags},
    pipeline::{
        ingest::{Policies, Rows},
        replay::{Ask, Sink, score},
        service::policies,
    },
    source::prior,
};

/// Flags of `filin train`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events of a history of two months or more, also .gz and .zst; `-` is standard input
    #[arg(long, value_name = "F", num_args = 1.., required_unless_present = "merge", conflicts_with = "merge")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Instead of a history: priors to be put together
    #[arg(long, value_name = "F", num_args = 1..)]
    merge: Vec<PathBuf>,
    /// The prior's name, said in alerts
    #[arg(long, value_name = "NAME", default_value = "own")]
    name: String,
    /// Where the prior goes (JSON)
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

/// Fewer manager-days say little about a role.
const LEAST_DAYS: u64 = 500;

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let priors = if args.merge.is_empty() { fitted(&args)? } else { read(&args.merge)? };
    let prior = match <[Prior; 1]>::try_from(priors) {
        Ok([one]) => Prior { name: args.name, ..one },
        Err(several) => Prior::merged(&args.name, &several),
    };
    if prior.manager_days < LEAST_DAYS {
        eprintln!("filin: only {} manager-days: give a longer history, or more people, before relying on this prior", prior.manager_days);
    }
    let text = serde_json::to_string(&prior)?;
    std::fs::write(&args.out, text + "\n").with_context(|| format!("cannot write {}", args.out.display()))?;
    let roles: Vec<&str> = prior.people.roles.keys().map(String::as_str).collect();
    println!(
        "{} manager-days, roles with peers enough: {}",
        prior.manager_days,
        if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
    );
    Ok(ExitCode::SUCCESS)
}

/// One prior per tenant of the history, fitted from nothing; what the score means is measured as new tenants will meet it, with it in force.
fn fitted(args: &Args) -> anyhow::Result<Vec<Prior>> {
    let config = args.source.config(Flags { prior: Some("none".to_owned()), ..Flags::default() })?;
    let Given { events, rows, prefix } = replay::given(&args.events, &args.source, &config, true)?;
    let policies = policies(&config)?;
    let learned = |events: Vec<Event>, rows: Rows, policies: &Policies| -> Vec<Prior> {
        let bar = replay::bar(Some(events.len() as u64), "learning", false);
        let ask = Ask { policies, actor_prefix: &prefix, features: false, budgets: &[] };
        let tenants = score(events, rows, &ask, &mut Learning(&bar));
        bar.finish_and_clear();
        tenants.values().map(|tenant| tenant.prior(&args.name)).collect()
    };
    let fitted = learned(events.clone(), rows.clone(), &policies);
    let policies = Policies { prior: Some(Prior::merged(&args.name, &fitted)), ..policies };
    let again = learned(events, rows, &policies);
    Ok(fitted.into_iter().zip(again).map(|(prior, with)| prior.with_thresholds_of(with)).collect())
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Prior>> {
    let one = |path: &PathBuf| prior::prior(&config::Prior::File(path.clone())).map_err(anyhow::Error::msg);
    Ok(paths.iter().map(one).collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Only what is learned counts.
struct Learning<'a>(&'a indicatif::ProgressBar);

impl Sink for Learning<'_> {
    fn effect(&mut self, _: &Tenant, _: Effect) {}

    fn progress(&mut self, done: usize) {
        self.0.set_position(done as u64);
    }
}
