//! `filin mute`: quiet about something for a while, through the running instance.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use serde::Serialize;

use super::{
    Usage,
    ask::{Running, who},
    dead_letters::{Where, close, store},
};
use crate::{
    api::MuteOrder,
    engine::{Mute, control},
    event::{DEFAULT_TENANT, Timestamp},
    ops::{
        clock,
        config::{Config, span},
    },
    store::{self, rows::MuteRow},
};

/// Flags of `filin mute`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask for quiet; all that is given must hold
    Add {
        /// The person
        #[arg(long, value_name = "ID")]
        manager: Option<String>,
        /// The team
        #[arg(long, value_name = "TEAM")]
        team: Option<String>,
        /// The client; an event that names others, too, is not muted
        #[arg(long, value_name = "ID")]
        client: Option<String>,
        /// The control
        #[arg(long, value_name = "CONTROL")]
        control: Option<String>,
        /// The address
        #[arg(long, value_name = "IP")]
        address: Option<String>,
        /// For how long from now, as 8h or 14d
        #[arg(long = "for", value_name = "SPAN", conflicts_with = "until", required_unless_present = "until")]
        span: Option<String>,
        /// Until this time
        #[arg(long, value_name = "T")]
        until: Option<String>,
        /// From this event time on [default: now]
        #[arg(long, value_name = "T")]
        from: Option<String>,
        #[command(flatten)]
        said: Said,
    },
    /// List what is quiet, and what was
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Take it back
    Lift {
        /// Its id
        id: String,
        #[command(flatten)]
        said: Said,
    },
}

/// What an order says beside what it is about.
#[derive(Debug, clap::Args)]
struct Said {
    /// Why: it stands in the log
    #[arg(long)]
    reason: String,
    /// Who says so [default: the name of this account]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The organisation
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let now = clock::now();
    match args.command {
        Command::Add { manager, team, client, control, address, span, until, from, said } => {
            let Said { reason, by, tenant, place } = said;
            let time = |t: &str, flag: &str| Timestamp::parse(t).map_err(|e| Usage(format!("{flag}: {e}")));
            let from = from.map_or(Ok(now), |t| time(&t, "--from"))?;
            let until = match (&until, &span) {
                (Some(t), _) => time(t, "--until")?,
                (None, text) => now.plus(millis(text.as_deref().unwrap_or_default())?),
            };
            if until <= from {
                return Err(Usage("it would end before it begins".to_owned()).into());
            }
            if let Some(id) = control.as_deref().filter(|id| control::get(id).is_none()) {
                return Err(Usage(format!("--control: there is no {id:?}: `filin controls` lists them")).into());
            }
            let by = who(by)?;
            let mut mute = Mute { id: String::new(), manager, team, client, control, address, from, until, reason, by };
            if [&mute.manager, &mute.team, &mute.client, &mute.control, &mute.address].into_iter().all(Option::is_none) {
                return Err(Usage("say what is to be quiet: --manager, --team, --client, --control or --address".to_owned()).into());
            }
            // The same order given twice is one mute.
            mute.id = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&serde_json::to_vec(&mute)?));
            order(&runtime, &place, MuteOrder { tenant, mute })
        }
        Command::Lift { id, said } => {
            let Said { reason, by, tenant, place } = said;
            let known = runtime.block_on(listed(&place.config()?))?;
            let Some(row) = known.into_iter().find(|m| m.tenant == tenant && m.id == id) else {
                anyhow::bail!("{tenant} has no mute {id}: `filin mute list` shows them");
            };
            let some = |text: String| Some(text).filter(|t| !t.is_empty());
            let from = Timestamp::from_millis(row.from);
            let (manager, team, control, address) = (some(row.manager), some(row.team), some(row.control), some(row.address));
            // Of a client only the hash is stored; a mute that is lifted needs no more.
            let client = some(row.client_hash);
            let mute = Mute { id, manager, team, client, control, address, from, until: from, reason, by: who(by)? };
            order(&runtime, &place, MuteOrder { tenant, mute })
        }
        Command::List { place } => {
            let rows = runtime.block_on(listed(&place.config()?))?;
            let mut out = io::stdout().lock();
            if place.json {
                writeln!(out, "{}", serde_json::to_string_pretty(&rows.iter().map(Shown::of).collect::<Vec<_>>())?)?;
            } else {
                list(&mut out, &rows, now)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A span of time in milliseconds.
fn millis(text: &str) -> Result<i64, Usage> {
    let span: Duration = span(text).map_err(|e| Usage(format!("--for: {e}")))?;
    i64::try_from(span.as_millis()).map_err(|_| Usage("--for: too long".to_owned()))
}

fn order(runtime: &tokio::runtime::Runtime, place: &Where, order: MuteOrder) -> anyhow::Result<ExitCode> {
    let config = place.config()?;
    let done: MuteOrder = runtime.block_on(async { Running::find(&config, "mutes").await?.post("/v1/mutes", &order).await })?;
    let mut out = io::stdout().lock();
    if place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?;
    } else if done.mute.until <= done.mute.from {
        writeln!(out, "lifted {}", done.mute.id)?;
    } else {
        writeln!(out, "{} is quiet until {}; `filin mute list` shows it in a moment", done.mute.id, done.mute.until)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn listed(config: &Config) -> anyhow::Result<Vec<MuteRow>> {
    let (client, opened) = store(config).await?;
    let rows = client.query("SELECT ?fields FROM mutes FINAL ORDER BY tenant, until DESC, id").fetch_all::<MuteRow>().await;
    close(opened).await;
    Ok(rows.map_err(store::Error::from)?)
}

/// A mute as it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    tenant: &'a str,
    id: &'a str,
    about: String,
    from: Timestamp,
    until: Timestamp,
    lifted: bool,
    reason: &'a str,
    by: &'a str,
}

impl<'a> Shown<'a> {
    fn of(m: &'a MuteRow) -> Self {
        let part = |name: &str, value: &str| (!value.is_empty()).then(|| format!("{name} {value}"));
        let parts = [
            part("manager", &m.manager),
            part("team", &m.team),
            part("client", &m.client_hash),
            part("control", &m.control),
            part("address", &m.address),
        ];
        Self {
            tenant: &m.tenant,
            id: &m.id,
            about: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
            from: Timestamp::from_millis(m.from),
            until: Timestamp::from_millis(m.until),
            lifted: m.until <= m.from,
            reason: &m.reason,
            by: &m.by,
        }
    }
}

fn list(out: &mut impl Write, rows: &[MuteRow], now: Timestamp) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "nothing is muted");
    }
    let shown: Vec<Shown<'_>> = rows.iter().map(Shown::of).collect();
    let width = |of: fn(&Shown<'_>) -> usize| shown.iter().map(of).max().unwrap_or_default();
    let (tenant, about) = (width(|s| s.tenant.chars().count()), width(|s| s.about.chars().count()));
    for s in &shown {
        let state = if s.lifted {
            "lifted".to_owned()
        } else if s.until <= now {
            format!("ended {}", s.until)
        } else {
            format!("until {}", s.until)
        };
        writeln!(out, "{:tenant$}  {:16}  {:about$}  {state:30}  {}: {}", s.tenant, s.id, s.about, s.by, s.reason)?;
    }
    Ok(())
}
