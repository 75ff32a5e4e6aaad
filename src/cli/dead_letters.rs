//! `filin dead-letters`: what could not be taken: listed, shown with its bytes, and read again after a fix.

mod again;
mod show;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use super::{Usage, known, replay};
use crate::{
    adapter,
    event::Timestamp,
    ops::config::{Config, Flags},
    pipeline::service,
    store::dead::{self, DeadLetter, Filter},
};

/// Flags of `filin dead-letters`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The newest, and how many there are of each reason
    List {
        #[command(flatten)]
        filter: Which,
        /// At most so many lines
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        place: Where,
    },
    /// All of one: place, reason and the raw bytes, without secrets
    Show {
        /// Its id, or the beginning of it
        id: String,
        #[command(flatten)]
        place: Where,
    },
    /// Read the kept bytes again, as their source's binding now says, and take what is good
    Retry {
        /// Ids, or their beginnings
        #[arg(value_name = "ID", required_unless_present_any = ["reason", "source", "from", "until", "all"])]
        ids: Vec<String>,
        /// All that there are
        #[arg(long, conflicts_with_all = ["ids", "reason", "source", "from", "until"])]
        all: bool,
        #[command(flatten)]
        filter: Which,
        /// Read them in this format instead
        #[arg(long)]
        format: Option<String>,
        /// Read them by this binding instead (TOML, the keys of `[[bindings]]`)
        #[arg(long, value_name = "F")]
        binding: Option<PathBuf>,
        #[command(flatten)]
        place: Where,
    },
}

/// Which letters.
#[derive(Debug, clap::Args)]
struct Which {
    /// With this reason code, as bad_json
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Of this topic, of a file with this digest, or `http`
    #[arg(long, value_name = "S")]
    source: Option<String>,
    /// From this time on
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// ... and before this time
    #[arg(long, value_name = "T")]
    until: Option<String>,
}

/// Where they are.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// Folder of the embedded instance
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Which {
    fn filter(&self, ids: &[String]) -> Result<Filter, Usage> {
        let time =
            |t: &Option<String>, flag: &str| t.as_deref().map(Timestamp::parse).transpose().map_err(|e| Usage(format!("{flag}: {e}")));
        if ids.iter().any(String::is_empty) {
            return Err(Usage("an empty id is the beginning of all: use --all".to_owned()));
        }
        if let Some(code) = self.reason.as_deref().filter(|code| !adapter::Code::ALL.iter().any(|c| c.as_str() == *code)) {
            let known: Vec<&str> = adapter::Code::ALL.iter().map(|c| c.as_str()).collect();
            return Err(Usage(format!("--reason: there is no code {code:?}: give one of {}", known.join(", "))));
        }
        Ok(Filter {
            ids: ids.to_vec(),
            code: self.reason.clone(),
            source: self.source.clone(),
            from: time(&self.from, "--from")?,
            until: time(&self.until, "--until")?,
        })
    }
}

impl Where {
    pub(super) fn config(&self) -> Result<Config, Usage> {
        let flags = Flags { data: self.data.clone(), ..Flags::default() };
        known::config(self.config.as_deref(), &flags).map_err(|m| Usage(m.to_string()))
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut out = io::stdout().lock();
    match args.command {
        Command::List { filter, limit, place } => {
            let (filter, config) = (filter.filter(&[])?, place.config()?);
            let (letters, counts) = runtime.block_on(async {
                let (client, opened) = store(&config).await?;
                let letters = dead::list(&client, &filter, limit).await;
                let counts = dead::counts(&client, &filter).await;
                close(opened).await;
                anyhow::Ok((letters?, counts?))
            })?;
            match place.json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&show::listed(&letters, &counts))?)?,
                false => show::list(&mut out, &letters, &counts, show::width())?,
            }
        }
        Command::Show { id, place } => {
            let config = place.config()?;
            let letters = runtime.block_on(async {
                let (client, opened) = store(&config).await?;
                let found = dead::find(&client, &id, 2).await;
                close(opened).await;
                anyhow::Ok(found?)
            })?;
            let letter = one(letters, &id)?;
            match place.json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&show::whole(&letter))?)?,
                false => show::one(&mut out, &letter)?,
            }
        }
        Command::Retry { ids, all: _, filter, format, binding, place } => {
            let (filter, config) = (filter.filter(&ids)?, place.config()?);
            let binding = again::given(format, binding)?;
            let done = runtime.block_on(again::retry(&config, &filter, binding))?;
            match place.json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?,
                false => show::told(&mut out, &done)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A client of the store: through the live instance's listener, else of one that is opened for this.
pub(super) async fn store(config: &Config) -> anyhow::Result<(clickhouse::Client, Option<service::Opened>)> {
    if let Some(client) = replay::live(config) {
        return Ok((client, None));
    }
    let opened = service::open_store(&replay::on_a_free_port(config)).await?;
    Ok((opened.client.clone(), Some(opened)))
}

/// Ends what was opened for this.
pub(super) async fn close(opened: Option<service::Opened>) {
    if let Some(opened) = opened {
        opened.close().await;
    }
}

fn one(mut letters: Vec<DeadLetter>, start: &str) -> anyhow::Result<DeadLetter> {
    match (letters.len(), letters.pop()) {
        (1, Some(letter)) => Ok(letter),
        (0, _) | (_, None) => anyhow::bail!("no dead letter has an id that begins with {start:?}"),
        (_, Some(_)) => anyhow::bail!("several dead letters have ids that begin with {start:?}"),
    }
}
