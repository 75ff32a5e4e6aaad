//! `filin log`: the log in force, replaced by another one.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::{dead_letters::Where, known, needs_data, replay};
use crate::pipeline::reshard::{self, Resharded};

/// The most partitions that a log may have.
const MOST: i64 = 100_000;

/// Flags of `filin log`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Begin a new log with another number of partitions, where the old one ends
    #[command(
        after_help = "Every instance must be stopped, those that only normalise too. What is in the old log is scored to its end first; states\n\
        and offsets of sources go over, so nothing is scored twice and nothing is forgotten. Until the last step the old log stays in force:\n\
        after a failure do it again. Alerts, answers and their chain of integrity stay as they are. A topic that was replaced is not deleted."
    )]
    Reshard {
        /// Partitions of the new log
        #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=MOST))]
        partitions: u32,
        /// Name of the new topic [default: the old one's with a number behind it]
        #[arg(long, value_name = "NAME")]
        topic: Option<String>,
        #[command(flatten)]
        place: Where,
    },
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Reshard { partitions, topic, place } = args.command;
    let config = place.config()?;
    needs_data(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(reshard::reshard(&replay::on_a_free_port(&config), known::metrics(), partitions, topic))?;
    let mut out = io::stdout().lock();
    if place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?;
    } else {
        print(&mut out, &done)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, done: &Resharded) -> io::Result<()> {
    let Resharded { from, to, first_offset, carried } = done;
    writeln!(out, "the log {} of {} partitions ended", from.log_id, from.partitions)?;
    writeln!(out, "the log {} of {} partitions is in force, from offset {first_offset} on", to.log_id, to.partitions)?;
    writeln!(out, "states of {} managers of {} tenants went over: start the instances again", carried.managers, carried.tenants)?;
    if let (Some(old), Some(new)) = (&from.topic, &to.topic) {
        writeln!(out, "its topic is {new}, whatever kafka.log_topic says; {old} is read by nobody any more: delete it")?;
    }
    Ok(())
}
