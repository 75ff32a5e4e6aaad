//! `filin man`: the manual pages.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

/// Flags of `filin man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "To read it at once: filin man | man -l -\n\
    To install all:    filin man --to /usr/local/share/man/man1")]
pub(super) struct Args {
    /// A folder for filin.1 and a page for each command; it must be there
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let command = super::Cli::command().disable_help_subcommand(true);
    match args.to {
        Some(folder) => {
            clap_mangen::generate_to(command, &folder).with_context(|| format!("cannot write manual pages into {}", folder.display()))?;
        }
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            io::stdout().lock().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
