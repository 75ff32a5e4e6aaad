//! `filin migrate`: the tables brought up to date, without the service.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::dead_letters::{Where, close, store};
use crate::store::retention;

/// Flags of `filin migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "`filin run` does this by itself when it starts. Use this where the account that runs the service must\n\
    not change tables: migrate with one that may, then start. ClickHouse fills `alert_queue` as that account, so it must stay.\n\
    Migrations only go forward; make a backup first.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.place.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(async {
        let (_, opened) = store(&config).await?;
        let ran = opened.as_ref().map(|o| o.migrated.clone());
        if let Some(opened) = &opened {
            retention::keep(&opened.client, &config.retention).await?;
        }
        close(opened).await;
        anyhow::Ok(ran)
    })?;
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::json!({ "ran": ran.unwrap_or_default() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    match ran {
        None => writeln!(out, "the instance that runs here did it when it started")?,
        Some(ran) if ran.is_empty() => writeln!(out, "the tables are up to date")?,
        Some(ran) => writeln!(out, "ran: {}", ran.iter().map(|n| format!("{n:04}")).collect::<Vec<_>>().join(", "))?,
    }
    Ok(ExitCode::SUCCESS)
}
