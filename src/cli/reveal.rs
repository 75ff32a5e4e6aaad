//! `filin reveal`: who is behind a pseudonym, and who asked.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use super::{
    Usage,
    ask::who,
    dead_letters::{Where, close, store},
};
use crate::{
    event::Timestamp,
    ops::{clock, random},
    store::{
        reference,
        reveals::{self, Reveal},
    },
};

/// Rows that are listed.
const LISTED: u32 = 1000;

/// Flags of `filin reveal`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each reveal is written down before anything is shown: who asked, when, why, whose name. Auditors read\n\
    the list by --list.\n\n\
    Example: filin reveal RMESFX6XH3 --reason \"ticket 4711: exit interview\"")]
pub(super) struct Args {
    /// The pseudonym, ten letters
    #[arg(value_name = "ALIAS", required_unless_present = "list")]
    alias: Option<String>,
    /// Why: it is kept
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,
    /// Who asks [default: the name of this account]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Of this organisation alone
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Say who saw whom and why, the newest first
    #[arg(long, conflicts_with_all = ["alias", "reason", "by"])]
    list: bool,
    #[command(flatten)]
    place: Where,
}

/// A question for names.
pub(super) struct Asked<'a> {
    /// Who asks.
    pub(super) by: &'a str,
    /// Why.
    pub(super) reason: &'a str,
    /// Where they will stand: `reveal`, `incident`, `digest`.
    pub(super) place: &'a str,
    /// Alerts or week that they are wanted for.
    pub(super) about: &'a str,
}

/// Writes down that somebody sees these people (pseudonym) of a tenant.
pub(super) async fn record(
    client: &clickhouse::Client,
    asked: &Asked<'_>,
    tenant: &str,
    people: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    if asked.reason.trim().is_empty() {
        return Err(Usage("--reason: say why; it is kept".to_owned()).into());
    }
    let (at, id) = (clock::now().millis(), data_encoding::HEXLOWER.encode(&random::bytes::<8>()?));
    let of = |manager_alias| Reveal {
        tenant: tenant.to_owned(),
        at,
        id: id.clone(),
        by: asked.by.to_owned(),
        manager_alias,
        place: asked.place.to_owned(),
        about: asked.about.to_owned(),
        reason: asked.reason.to_owned(),
    };
    let rows: Vec<Reveal> = people.into_iter().map(of).collect();
    Ok(reveals::save(client, &rows).await?)
}

/// Names by id, as the directory says now.
pub(super) async fn names<'a>(
    client: &clickhouse::Client,
    tenant: &str,
    ids: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let (people, now) = (reference::people_of(client, tenant).await?, clock::now());
    let named = |id: &str| Some((id.to_owned(), people.users().at(id, now)?.name.clone()?));
    Ok(ids.into_iter().filter_map(named).collect())
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let by = if args.list { String::new() } else { who(args.by.clone())? };
    let config = args.place.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, opened) = store(&config).await?;
        let done = if args.list { list(&client, &args).await } else { reveal(&client, &args, &by).await };
        close(opened).await;
        done
    })
}

async fn reveal(client: &clickhouse::Client, args: &Args, by: &str) -> anyhow::Result<ExitCode> {
    let alias = args.alias.as_deref().unwrap_or_default().trim().to_uppercase();
    let found = reveals::whose(client, args.tenant.as_deref(), &alias).await?;
    let [(tenant, id)] = &found[..] else {
        match found.len() {
            0 => anyhow::bail!("nobody here has the pseudonym {alias}"),
            _ => return Err(Usage(format!("{alias} is of several organisations: say which by --tenant")).into()),
        }
    };
    let asked = Asked { by, reason: args.reason.as_deref().unwrap_or_default(), place: "reveal", about: "" };
    record(client, &asked, tenant, [alias.clone()]).await?;
    let name = names(client, tenant, [id.as_str()]).await?.remove(id);
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "tenant": tenant, "alias": alias, "id": id, "name": name }))?)?;
    } else {
        writeln!(out, "{alias} is {id}{} of {tenant}; written down for {by}", name.map(|n| format!(", {n},")).unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &clickhouse::Client, args: &Args) -> anyhow::Result<ExitCode> {
    let rows = reveals::list(client, args.tenant.as_deref(), LISTED).await?;
    let mut out = io::stdout().lock();
    if args.place.json {
        let shown = |r: &Reveal| {
            json!({ "tenant": r.tenant, "at": Timestamp::from_millis(r.at), "by": r.by, "manager_alias": r.manager_alias,
                    "place": r.place, "about": r.about, "reason": r.reason })
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&rows.iter().map(shown).collect::<Vec<_>>())?)?;
    } else {
        if rows.is_empty() {
            writeln!(out, "nobody saw a name here")?;
        }
        for r in &rows {
            let about = if r.about.is_empty() { String::new() } else { format!(" {}", r.about) };
            writeln!(
                out,
                "{}  {}  {}  {} by {}{about}: {}",
                Timestamp::from_millis(r.at),
                r.tenant,
                r.manager_alias,
                r.place,
                r.by,
                r.reason
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
