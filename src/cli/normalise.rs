//! `filin normalise`.

use std::process::ExitCode;

/// Flags of `filin normalise`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{} is not there yet", "normalise")
}
