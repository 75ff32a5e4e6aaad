//! `filin verdict`: what an alert was, through the running instance.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::Value;

use super::{Usage, ask::Running, dead_letters::Where};
use crate::{
    api::ActionOrder,
    engine::VerdictKind,
    store::actions::{self, ActionKind, Standing},
};

/// Flags of `filin verdict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The alert is closed, the answer stands in the log, and the engine learns from it: a\n\
    true_positive leaves the calibration, expected work sets its drift back. What is found later\n\
    opens another alert, linked to this one.\n\n\
    Example: filin verdict 7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01 benign_expected --reason \"ticket 4711\"")]
pub(super) struct Args {
    /// Its id, as in `filin explain` or on its page
    alert: String,
    /// What it was: true_positive, benign_expected (that was work), false_positive, duplicate, unknown
    #[arg(value_name = "VERDICT", value_parser = kind)]
    verdict: VerdictKind,
    /// Why: it is kept with the alert
    #[arg(long)]
    reason: String,
    /// Who says so [default: the name of this account]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    place: Where,
}

fn kind(word: &str) -> Result<VerdictKind, String> {
    let all: Vec<&str> = VerdictKind::ALL.iter().map(|v| v.as_str()).collect();
    VerdictKind::from_word(word).ok_or_else(|| format!("one of {} is meant", all.join(", ")))
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let Args { alert, verdict, reason, by, place } = args;
    let by = by
        .or_else(crate::ops::config::account)
        .ok_or_else(|| Usage("--by: USER is not set, so say whose answer it is, as in --by anna".to_owned()))?;
    if uuid::Uuid::parse_str(&alert).is_err() {
        return Err(Usage(format!("{alert:?} is no alert's id: it has 36 letters, as in /v1/alerts")).into());
    }
    let config = place.config()?;
    let done: Value = runtime.block_on(async {
        let running = Running::find(&config, "answers").await?;
        let known = actions::of(&running.client, std::slice::from_ref(&alert)).await?;
        let order = ActionOrder {
            action: ActionKind::Close,
            verdict: Some(verdict),
            reason: Some(reason),
            comment: None,
            assignee: None,
            revision: Standing::of(&known).revision,
            by: Some(by),
        };
        running.post(&format!("/v1/alerts/{alert}/actions"), &order).await
    })?;
    let mut out = io::stdout().lock();
    if place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?;
    } else {
        writeln!(out, "{alert} is closed: {}", verdict.as_str())?;
    }
    Ok(ExitCode::SUCCESS)
}
