//! The command line: a file per subcommand, each with its `Args` and a `run`.

mod access;
mod adapters;
mod ask;
mod audit;
mod backup;
mod canary;
mod check;
mod clickhouse;
mod columns;
mod completions;
mod controls;
mod coverage;
mod dead_letters;
mod diff;
mod digest;
mod embedded;
mod evaluate;
mod explain;
mod incident;
mod known;
mod lines;
mod log;
mod man;
mod migrate;
mod mute;
mod normalise;
mod notify;
mod place;
mod push;
mod ranker;
mod replay;
mod restore;
mod reveal;
mod run;
mod simulate;
mod state;
mod subject;
mod token;
mod train;
mod verdict;
mod verify;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::ops::config::{Config, Store};

/// Filin watches what each CRM user asks for, exports and whom they call, and tells the right person, with reasons.
#[derive(Debug, Parser)]
#[command(name = "filin", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: sources in, alerts out
    Run(run::Args),
    /// Score a file of events, or the log as it stands, once more
    Replay(replay::Args),
    /// Turn a CRM's own records into canonical events
    Normalise(normalise::Args),
    /// Say which formats there are, what each can see, and what it is blind to
    Adapters(adapters::Args),
    /// List what is detected, how severe it is, and what to rule out first
    Controls(controls::Args),
    /// Play a made-up sequence against every control, and a near-miss that must keep still
    Canary(canary::Args),
    /// Say what arrives, and which controls are blind for want of it
    Coverage(coverage::Args),
    /// List doors that stand open: accounts of those who left, rights above the grade, no second factor
    Audit(audit::Args),
    /// Make up a company: events, reference data and labels
    Simulate(simulate::Args),
    /// Compare alerts with labels: found, missed, false
    Evaluate(evaluate::Args),
    /// Fit a cold-start prior to history
    Train(train::Args),
    /// Say why an alert was raised
    Explain(explain::Args),
    /// Compare two files of alerts
    Diff(diff::Args),
    /// Send files to a running Filin
    Push(push::Args),
    /// List, show and retry what could not be taken
    DeadLetters(dead_letters::Args),
    /// Ask for quiet about a manager, team, client, control or address; list it, take it back
    Mute(mute::Args),
    /// Say what an alert was: work, a mistake, an incident
    Verdict(verdict::Args),
    /// Write a week of each supervisor's people: what they asked for and whom they called
    Digest(digest::Args),
    /// Fill the notices that the law asks for after an incident, from evidence
    Incident(incident::Args),
    /// Say who is behind a pseudonym, with a reason that is kept; list who asked
    Reveal(reveal::Args),
    /// Give all that is held about a person, or erase it
    Subject(subject::Args),
    /// Say what answers taught about the order of alerts, and what could be muted
    Ranker(ranker::Args),
    /// Write all that is stored, encrypted, to places on other disks, and load it once to see that it can be
    Backup(backup::Args),
    /// Load a backup into an empty folder or database
    Restore(restore::Args),
    /// Say whether a stored alert or answer was changed, removed or inserted
    Verify(verify::Args),
    /// Show what is usual for a manager, or let it begin anew
    State(state::Args),
    /// Begin a new log with another number of partitions
    Log(log::Args),
    /// Make a token for somebody who may read alerts
    Token(token::Args),
    /// Give people their log-in to the console by a link, take it away, say who has one
    Access(access::Args),
    /// Say how people are reached: a configuration of Alertmanager with routes and templates
    Notify(notify::Args),
    /// Check the configuration and reference data and print what would run
    Check(check::Args),
    /// Bring the tables up to date without starting the service
    Migrate(migrate::Args),
    /// Run the embedded ClickHouse alone
    Clickhouse(clickhouse::Args),
    /// Manage the embedded ClickHouse library
    Embedded(embedded::Args),
    /// Print what a shell needs to complete these commands and their flags
    Completions(completions::Args),
    /// Print the manual page, or write one for each command
    Man(man::Args),
}

/// Exit code for wrong usage or configuration.
pub const USAGE: u8 = 2;

/// Runs the command line of this process. Exit code: 0 done, 1 failed, 2 wrong usage or configuration.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    let done = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Normalise(args) => normalise::run(args),
        Command::Adapters(args) => adapters::run(args),
        Command::Controls(args) => controls::run(args),
        Command::Canary(args) => canary::run(args),
        Command::Coverage(args) => coverage::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Train(args) => train::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Push(args) => push::run(args),
        Command::DeadLetters(args) => dead_letters::run(args),
        Command::Mute(args) => mute::run(args),
        Command::Verdict(args) => verdict::run(args),
        Command::Digest(args) => digest::run(args),
        Command::Incident(args) => incident::run(args),
        Command::Reveal(args) => reveal::run(args),
        Command::Subject(args) => subject::run(args),
        Command::Ranker(args) => ranker::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Verify(args) => verify::run(args),
        Command::State(args) => state::run(args),
        Command::Log(args) => log::run(args),
        Command::Token(args) => token::run(args),
        Command::Access(args) => access::run(args),
        Command::Notify(args) => notify::run(args),
        Command::Check(args) => check::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Clickhouse(args) => clickhouse::run(args),
        Command::Embedded(args) => embedded::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    match done {
        Ok(code) => code,
        // Whoever reads no further, as `head`, knows it.
        Err(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("filin: {e:#}");
            if e.is::<Usage>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Opening an embedded store would make its folder: one that was mistyped must not become one.
fn needs_data(config: &Config) -> anyhow::Result<()> {
    if matches!(config.store, Store::Embedded(_)) && !config.data.is_dir() {
        anyhow::bail!("there is no folder {}: give the one that `filin run` keeps its data in by --data", config.data.display());
    }
    Ok(())
}

/// A mistake in the command line or the configuration: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
