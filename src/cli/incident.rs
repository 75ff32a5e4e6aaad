//! `filin incident`: notices of an incident, filled from evidence.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::json;

use super::{
    Usage,
    ask::who,
    dead_letters::{Where, close, store},
    explain::{self, Lang},
    reveal,
};
use crate::{
    console::incident::{BLANKS, Frame, Law, Notices, page},
    directory::Zone,
    event::Timestamp,
    ops::{clock, config::Config},
    store::{
        incident::{self, Asked, Incident},
        reveals,
        rows::AlertRow,
    },
};

/// Flags of `filin incident`.
#[derive(Debug, clap::Args)]
#[command(after_help = "152-fz gives the notices of article 21 part 3.1 (24 and 72 hours), gdpr that of article 33 (72 hours).\n\
    Hours count from when the first of the alerts was raised, or from --discovered. What only a person can\n\
    say is marked, or taken from a file of --fill; --blanks prints an empty one.\n\n\
    Example: filin incident 7a0c1a3e --law 152-fz --fill company.toml --out notice.html")]
pub(super) struct Args {
    /// Alerts that are one incident: their ids, or the beginnings of them
    #[arg(value_name = "ALERT", required_unless_present = "blanks")]
    alerts: Vec<String>,
    /// The law whose notices are wanted: 152-fz, gdpr
    #[arg(long, value_name = "LAW", default_value = "152-fz", value_parser = law)]
    law: Law,
    /// Language [default: ru for 152-fz, en for gdpr]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Where the page is written [default: it is printed]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What a person says: a TOML file, as --blanks prints it
    #[arg(long, value_name = "FILE")]
    fill: Option<PathBuf>,
    /// Print an empty file for --fill and do nothing else
    #[arg(long, conflicts_with = "alerts")]
    blanks: bool,
    /// When it was discovered [default: when the first of the alerts was raised]
    #[arg(long, value_name = "TIME")]
    discovered: Option<String>,
    /// It began then, before or after what the alerts say
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// It ended then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Names instead of pseudonyms: who asked and why is kept (`filin reveal --list`)
    #[arg(long, requires = "reason")]
    names: bool,
    /// Why names are wanted
    #[arg(long, value_name = "TEXT", requires = "names")]
    reason: Option<String>,
    /// Who wants them [default: the name of this account]
    #[arg(long, value_name = "NAME", requires = "names")]
    by: Option<String>,
    #[command(flatten)]
    place: Where,
}

fn law(word: &str) -> Result<Law, String> {
    let all: Vec<&str> = Law::ALL.iter().map(|l| l.as_str()).collect();
    Law::from_word(word).ok_or_else(|| format!("one of {} is meant", all.join(", ")))
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if args.blanks {
        return empty(&mut out).map(|()| ExitCode::SUCCESS).map_err(Into::into);
    }
    let time = |text: &Option<String>, flag: &str| -> Result<Option<Timestamp>, Usage> {
        text.as_deref().map(Timestamp::parse).transpose().map_err(|e| Usage(format!("{flag}: {e}, as in 2026-11-26T15:00:00Z")))
    };
    let asked = Asked {
        from: time(&args.from, "--from")?,
        until: time(&args.until, "--until")?,
        discovered: time(&args.discovered, "--discovered")?,
    };
    if asked.from.zip(asked.until).is_some_and(|(from, until)| from > until) {
        return Err(Usage("--from is later than --until".to_owned()).into());
    }
    if args.alerts.iter().any(String::is_empty) {
        return Err(Usage("give the alert's id, or the beginning of it".to_owned()).into());
    }
    let filled = args.fill.as_deref().map(filled).transpose()?.unwrap_or_default();
    let by = if args.names { who(args.by.clone())? } else { String::new() };
    let config = args.place.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (incident, names) = runtime.block_on(async {
        let (client, opened) = store(&config).await?;
        let read = async {
            let incident = read(&client, &config, &args.alerts, &asked).await?;
            let names = if args.names { named(&client, &config, &args, &by, &incident).await? } else { BTreeMap::new() };
            anyhow::Ok((incident, names))
        };
        let read = read.await;
        close(opened).await;
        read
    })?;
    let zone = config.tenants.get(&incident.tenant).and_then(|t| t.time_zone.as_deref()).map_or(Ok(Zone::UTC), Zone::get)?;
    let russian = args.lang.map_or(args.law == Law::Fz152, |lang| lang == Lang::Ru);
    let frame = Frame { russian, law: args.law, names, filled, made: clock::now(), zone };
    let notices = Notices::of(&frame, &incident);
    if args.place.json {
        let all = json!({ "made": frame.made, "incident": incident, "notices": notices, "to_fill": notices.blanks() });
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let html = page(&frame, &incident, &notices);
    match &args.out {
        None => out.write_all(html.as_bytes())?,
        Some(path) => {
            fs::write(path, html).with_context(|| format!("{}: cannot be written", path.display()))?;
            for notice in &notices.notices {
                writeln!(out, "{}: due {}", notice.article, notice.due)?;
            }
            let open = notices.blanks();
            writeln!(out, "{}: {} clients named, up to {} more", path.display(), incident.clients.value, incident.unnamed.value)?;
            if !open.is_empty() {
                writeln!(out, "to be filled in by a person: {}", open.join(", "))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(client: &clickhouse::Client, config: &Config, starts: &[String], asked: &Asked) -> anyhow::Result<Incident> {
    let mut alerts: BTreeMap<String, Vec<AlertRow>> = BTreeMap::new();
    for start in starts {
        let versions = explain::rows(client, start).await?;
        if let Some(id) = versions.first().map(|v| v.alert_id.clone()) {
            alerts.insert(id, versions);
        }
    }
    let tenants: BTreeSet<&str> = alerts.values().flatten().map(|v| v.tenant.as_str()).collect();
    if tenants.len() > 1 {
        let names: Vec<&str> = tenants.into_iter().collect();
        anyhow::bail!("the alerts are of several organisations ({}): each notifies for itself", names.join(", "));
    }
    Ok(incident::read(client, config.store.database(), alerts.into_values().collect(), asked).await?)
}

/// The names of those whom it is about; that they were asked for is written down first.
async fn named(
    client: &clickhouse::Client,
    config: &Config,
    args: &Args,
    by: &str,
    incident: &Incident,
) -> anyhow::Result<BTreeMap<String, String>> {
    let ids: Vec<&str> = incident.alerts.iter().map(|told| told.alert.alert_id.as_str()).collect();
    let about = ids.join(" ");
    let asked = reveal::Question { by, reason: args.reason.as_deref().unwrap_or_default(), place: "incident", about: &about };
    reveal::record(client, config, &asked, &incident.tenant, incident.suspects.iter().map(|s| s.manager_alias.clone())).await?;
    Ok(reveals::names(client, &incident.tenant, incident.suspects.iter().map(|s| s.manager.as_str()), clock::now()).await?)
}

/// What a person says, by key.
fn filled(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let table: BTreeMap<String, String> = toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?;
    if let Some(key) = table.keys().find(|key| !BLANKS.iter().any(|b| b.key == *key)) {
        return Err(wrong(format!("there is no {key}; --blanks lists what can be filled in")).into());
    }
    Ok(table.into_iter().map(|(key, value)| (key, value.trim().to_owned())).filter(|(_, value)| !value.is_empty()).collect())
}

/// An empty file for `--fill`.
fn empty(out: &mut impl Write) -> io::Result<()> {
    BLANKS.iter().try_for_each(|b| writeln!(out, "# {}\n# {}\n{} = \"\"\n", b.en, b.ru, b.key))
}
