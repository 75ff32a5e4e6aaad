//! `filin embedded`: the library of the embedded ClickHouse.

use std::{path::PathBuf, process::ExitCode};

/// Flags of `filin embedded`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Get libchdb into the cache: from the npm registry, or from an archive; checked by its sum
    Fetch {
        /// An archive that was fetched before
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

#[cfg(not(feature = "embedded"))]
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Fetch { from } = args.command;
    drop(from);
    anyhow::bail!("this filin was built without the embedded clickhouse: use a server by clickhouse.url")
}

#[cfg(feature = "embedded")]
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    use std::time::Duration;

    use crate::store::embedded::fetch::{self, Step};

    let Command::Fetch { from } = args.command;
    // Hidden by itself when standard error is no terminal.
    let bar = indicatif::ProgressBar::new(0);
    let counted = indicatif::ProgressStyle::with_template("{msg:>10} {wide_bar} {bytes}/{total_bytes} {eta}")?;
    let waiting = indicatif::ProgressStyle::with_template("{msg:>10} {spinner} {elapsed}")?;
    let mut last = None;
    let fetched = fetch::fetch(from.as_deref(), |step| {
        if last.replace(std::mem::discriminant(&step)) != Some(std::mem::discriminant(&step)) {
            bar.set_style(if step == Step::Download { waiting.clone() } else { counted.clone() });
        }
        match step {
            Step::Download => {
                bar.set_message("download");
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            Step::Check(done, all) | Step::Unpack(done, all) => {
                bar.disable_steady_tick();
                bar.set_message(if matches!(step, Step::Check(..)) { "check" } else { "unpack" });
                bar.set_length(all);
                bar.set_position(done);
            }
        }
    });
    bar.finish_and_clear();
    let done = fetched?;
    println!("{}: {}", if done { "fetched" } else { "there already" }, fetch::path().display());
    Ok(ExitCode::SUCCESS)
}
