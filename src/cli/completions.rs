//! `filin completions`: what a shell needs to complete commands and flags.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;
use clap_complete::Shell;

/// Flags of `filin completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "bash: filin completions bash > ~/.local/share/bash-completion/completions/filin\n\
    zsh:  filin completions zsh > DIR/_filin, with DIR in $fpath before compinit\n\
    fish: filin completions fish > ~/.config/fish/completions/filin.fish")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Into memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "filin", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
