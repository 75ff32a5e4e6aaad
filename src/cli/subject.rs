//! `filin subject`: all that is held about a person, and its erasure.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;

use super::{
    Usage, ask,
    dead_letters::{Where, close, store},
    lines, replay,
};
use crate::{
    event::DEFAULT_TENANT,
    log::{DEFAULT_PARTITIONS, partition_of},
    ops::{
        clock,
        config::{Config, Place, Store},
        random,
    },
    pipeline::service::{CONSOLE, alias_key},
    store::{
        Alias, state,
        subject::{self, Held, Kind, Order, Person},
    },
};

/// Flags of `filin subject`.
#[derive(Debug, clap::Args)]
#[command(after_help = "export gives all rows about somebody as JSON, by table. erase deletes what is theirs, puts something\n\
    random in their place where others are spoken of, and cuts the scored part of a local log: without --yes it\n\
    says what it would do. What it does and what it leaves: docs/privacy.md.\n\n\
    Example: filin subject erase c-1001 --reason \"request of 2026-11-20\" --also \"Anna Karenina\" --yes")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All that is held about a person
    Export {
        #[command(flatten)]
        who: Who,
        /// Where it is written [default: it is printed]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Where,
    },
    /// Erase a person; the service must not be running
    Erase {
        #[command(flatten)]
        who: Who,
        /// Why: it is kept in the audit trail. Do not name the person in it
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who orders it [default: the name of this account]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Where,
    },
}

/// Whom.
#[derive(Debug, clap::Args)]
struct Who {
    /// Their id, as in users or clients
    person: String,
    /// The organisation
    #[arg(long, value_name = "T", default_value = DEFAULT_TENANT)]
    tenant: String,
    /// What they are, where an id is of both: manager, client
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// What else tells them, as a name that no directory holds; may be repeated
    #[arg(long, value_name = "TEXT")]
    also: Vec<String>,
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| "manager or client is meant".to_owned())
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match args.command {
        Command::Export { who, out, place } => {
            let config = place.config()?;
            let (held, all) = runtime.block_on(async {
                let (client, opened) = store(&config).await?;
                let found = async {
                    let person = who.person(&client).await?;
                    anyhow::Ok((subject::held(&client, &person).await?, subject::export(&client, &person).await?))
                };
                let found = found.await;
                close(opened).await;
                found
            })?;
            let text = serde_json::to_string_pretty(&json!({ "person": who.person, "tenant": who.tenant, "held": held, "tables": all }))?;
            match &out {
                Some(path) => fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))?,
                None => writeln!(io::stdout().lock(), "{text}")?,
            }
            counts(&mut io::stderr().lock(), &held)?;
        }
        Command::Erase { who, reason, by, yes, place } => {
            if reason.trim().is_empty() {
                return Err(Usage("--reason: say why; it is kept in the audit trail".to_owned()).into());
            }
            let by = ask::who(by)?;
            let config = place.config()?;
            if replay::live(&config).is_some() {
                anyhow::bail!("filin runs here and holds people in memory: stop it, erase, and start it again");
            }
            still_named(&config, &who)?;
            return runtime.block_on(erase(&config, &who, reason, by, yes, place.json));
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Who {
    async fn person(&self, client: &clickhouse::Client) -> anyhow::Result<Person> {
        let kinds = subject::kinds(client, &self.tenant, &self.person).await?;
        let kind = match (self.kind, &kinds[..]) {
            (Some(kind), _) => kind,
            (None, [kind]) => *kind,
            (None, []) => anyhow::bail!(
                "nobody in {} has the id {:?}; where only other texts tell them, give --kind and --also",
                self.tenant,
                self.person
            ),
            (None, _) => return Err(Usage(format!("{:?} is a manager and a client: say which by --kind", self.person)).into()),
        };
        Ok(subject::person(client, &self.tenant, kind, &self.person, &self.also).await?)
    }
}

/// Files that are read at the next start would bring the person back.
fn still_named(config: &Config, who: &Who) -> anyhow::Result<()> {
    for place in [&config.reference.users, &config.reference.clients, &config.reference.orders].into_iter().flatten() {
        if let Place::File(path) = place
            && let Some(n) = named_in(path, &who.person)?
        {
            anyhow::bail!("{} names {:?} in line {n}: take them out first, or the next start brings them back", path.display(), who.person);
        }
    }
    Ok(())
}

/// The first line that names an id, not as a part of a longer one.
fn named_in(path: &Path, id: &str) -> anyhow::Result<Option<usize>> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    for (n, line) in lines::open(path)?.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let alone = |(at, _): (usize, &str)| {
            let (before, after) = (line[..at].chars().next_back(), line[at + id.len()..].chars().next());
            !before.is_some_and(part) && !after.is_some_and(part)
        };
        if line.match_indices(id).any(alone) {
            return Ok(Some(n + 1));
        }
    }
    Ok(None)
}

async fn erase(config: &Config, who: &Who, reason: String, by: String, yes: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let (client, opened) = store(config).await?;
    let done = erase_in(&client, config, who, reason, by, yes, as_json).await;
    close(opened).await;
    done
}

async fn erase_in(
    client: &clickhouse::Client,
    config: &Config,
    who: &Who,
    reason: String,
    by: String,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    if matches!(config.store, Store::Server(_))
        && let Some(console) = state::meta(client, CONSOLE).await?
        && answers(&console).await
    {
        anyhow::bail!("a filin answers at {console} and holds people in memory: stop all instances, erase, and start them again");
    }
    let person = who.person(client).await?;
    if person.pattern().is_some_and(|p| regex::Regex::new(&p).is_ok_and(|p| p.is_match(&reason))) {
        return Err(Usage("--reason names the person: it is kept, so say it without".to_owned()).into());
    }
    let held = subject::held(client, &person).await?;
    let log_id = state::meta(client, "log_id").await?.unwrap_or_default();
    let partitions = state::number(client, "partitions").await?.unwrap_or(DEFAULT_PARTITIONS);
    let theirs: BTreeSet<u32> = [who.tenant.as_str(), "_audit"].iter().map(|t| partition_of(t, partitions)).collect();
    let latest = subject::latest(client, &log_id, &theirs).await?;
    let topic = log_id.starts_with("kafka:");
    let behind: u64 = latest.iter().map(|(_, behind)| behind).sum();
    if behind > 0 && !topic {
        anyhow::bail!(
            "{behind} lines of the log are not scored yet: start filin, let it come to the end, stop it in order, and erase then"
        );
    }
    let mut out = io::stdout().lock();
    if !yes {
        if as_json {
            writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "erased": false, "held": held }))?)?;
        } else {
            counts(&mut out, &held)?;
            writeln!(out, "nothing was done: own rows go, mentions are put out of other rows, --yes does it")?;
            if !topic && !latest.is_empty() {
                writeln!(out, "the scored part of the log goes with them: replay --from-log begins at this moment from then on")?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let alias = Alias::new(alias_key(config)?);
    let token = format!("erased-{}", data_encoding::HEXLOWER.encode(&random::bytes::<8>()?));
    let order = Order { by, reason, at: clock::now(), token };
    let at: Vec<_> = latest.into_iter().map(|(at, _)| at).collect();
    let erased = subject::erase(client, &person, &order, &alias, &at).await?;
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "erased": erased.left.is_empty(), "done": erased }))?)?;
    } else {
        writeln!(out, "{} rows deleted, {} rewritten, {} lines of the log gone", erased.deleted, erased.rewritten, erased.log_lines)?;
    }
    if topic {
        eprintln!(
            "filin: the log is a Kafka topic: its lines about the person go when they are older than its retention ({} days), or when the topic is \
             shortened; no replay reads them any more",
            config.log_retention.as_secs() / 86_400
        );
    }
    if erased.left.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    counts(&mut io::stderr().lock(), &erased.left)?;
    eprintln!("filin: this is still there; ask again, and say so where it stays");
    Ok(ExitCode::FAILURE)
}

async fn answers(console: &str) -> bool {
    let connect = tokio::net::TcpStream::connect(console);
    matches!(tokio::time::timeout(Duration::from_secs(2), connect).await, Ok(Ok(_)))
}

fn counts(out: &mut impl Write, held: &[Held]) -> io::Result<()> {
    if held.is_empty() {
        return writeln!(out, "nothing is held");
    }
    writeln!(out, "{:20}  {:>10}  {:>10}", "table", "own rows", "mentions")?;
    held.iter().try_for_each(|h| writeln!(out, "{:20}  {:>10}  {:>10}", h.table, h.own, h.mentions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_a_file_is_not_that_of_somebody_else() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let check = |text: &str, expected: Option<usize>| {
            fs::write(file.path(), text).expect("written");
            assert_eq!(named_in(file.path(), "u-1").expect("read"), expected, "{text}");
        };
        check("id,name\nu-1,Ann\n", Some(2));
        check("id,supervisor\nu-12,\"u-1\"\n", Some(2));
        check("id\nu-12\nau-1\nu-1-b\n", None);
    }
}
