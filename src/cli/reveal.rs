//! `filin reveal`: who is behind a pseudonym, and who asked.

use std::{
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
    ops::{clock, config::Config, random},
    store::reveals::{self, Allowed, Asked},
};

/// Flags of `filin reveal`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each reveal is written down before anything is shown: who asked, when, why, whose name. Auditors read\n\
    the list by --list. With privacy.four_eyes somebody else has to agree first (--allow).\n\n\
    Example: filin reveal RMESFX6XH3 --reason \"ticket 4711: exit interview\"")]
pub(super) struct Args {
    /// The pseudonym, ten letters
    #[arg(value_name = "ALIAS", required_unless_present_any = ["list", "allow"])]
    alias: Option<String>,
    /// Why: it is kept
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "allow"])]
    reason: Option<String>,
    /// Who asks [default: the name of this account]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Of this organisation alone
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Say who saw whom and why, the newest first, and what waits
    #[arg(long, conflicts_with_all = ["alias", "reason", "by", "allow"])]
    list: bool,
    /// Agree to what somebody else asked for, where two have to agree
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with_all = ["alias", "reason"])]
    allow: Vec<String>,
    #[command(flatten)]
    place: Where,
}

/// A question for names, as the command line has it.
pub(super) struct Question<'a> {
    /// Who asks.
    pub(super) by: &'a str,
    /// Why.
    pub(super) reason: &'a str,
    /// Where they will stand: `reveal`, `incident`, `digest`.
    pub(super) place: &'a str,
    /// Alerts or week that they are wanted for.
    pub(super) about: &'a str,
}

/// Writes down that somebody sees these people (pseudonym) of a tenant; where two have to agree, nobody is seen before somebody else did.
pub(super) async fn record(
    client: &clickhouse::Client,
    config: &Config,
    asked: &Question<'_>,
    tenant: &str,
    people: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    let Question { by, reason, place, about } = *asked;
    if reason.trim().is_empty() {
        return Err(Usage("--reason: say why; it is kept".to_owned()).into());
    }
    let (id, people) = (random::id()?, people.into_iter().collect::<Vec<_>>());
    let asked = Asked { by, reason, place, about, at: clock::now(), id: &id };
    if !config.privacy.four_eyes {
        return Ok(reveals::save(client, &asked, tenant, people).await?);
    }
    let waiting: Vec<String> =
        reveals::ask(client, &asked, tenant, &people).await?.iter().map(|r| format!("filin reveal --allow {}", r.id)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "two have to agree (privacy.four_eyes): within a day somebody else allows it on the page /reveals or by\n  {}\nthen ask again",
        waiting.join("\n  ")
    )
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let by = if args.list { String::new() } else { who(args.by.clone())? };
    let config = args.place.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, opened) = store(&config).await?;
        let done = if args.list {
            list(&client, &args).await
        } else if args.allow.is_empty() {
            reveal(&client, &config, &args, &by).await
        } else {
            allow(&client, &args, &by).await
        };
        close(opened).await;
        done
    })
}

async fn allow(client: &clickhouse::Client, args: &Args, by: &str) -> anyhow::Result<ExitCode> {
    let mut allowed = Vec::new();
    for id in &args.allow {
        match reveals::allow(client, args.tenant.as_deref(), id, by, &[], clock::now()).await? {
            Allowed::Yes(request) => allowed.push(request),
            Allowed::NotThere => anyhow::bail!("there is no request {id}, or it is older than a day: filin reveal --list says which wait"),
            Allowed::Own => anyhow::bail!("{by} asked for {id}: somebody else has to allow it"),
        }
    }
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&allowed)?)?;
    } else {
        for r in &allowed {
            writeln!(out, "{} may see who {} is until {}", r.by, r.manager_alias, r.until)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn reveal(client: &clickhouse::Client, config: &Config, args: &Args, by: &str) -> anyhow::Result<ExitCode> {
    let alias = args.alias.as_deref().unwrap_or_default().trim().to_uppercase();
    let found = reveals::whose(client, args.tenant.as_deref(), &alias).await?;
    let [(tenant, id)] = &found[..] else {
        match found.len() {
            0 => anyhow::bail!("nobody here has the pseudonym {alias}"),
            _ => return Err(Usage(format!("{alias} is of several organisations: say which by --tenant")).into()),
        }
    };
    let asked = Question { by, reason: args.reason.as_deref().unwrap_or_default(), place: "reveal", about: "" };
    record(client, config, &asked, tenant, [alias.clone()]).await?;
    let name = reveals::names(client, tenant, [id.as_str()], clock::now()).await?.remove(id);
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "tenant": tenant, "alias": alias, "id": id, "name": name }))?)?;
    } else {
        writeln!(out, "{alias} is {id}{} of {tenant}; written down for {by}", name.map(|n| format!(", {n},")).unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &clickhouse::Client, args: &Args) -> anyhow::Result<ExitCode> {
    let rows = reveals::list(client, args.tenant.as_deref()).await?;
    let waiting = reveals::requests(client, args.tenant.as_deref(), clock::now()).await?;
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        for r in &waiting {
            let state =
                r.allowed_by.as_ref().map_or_else(|| format!("waits: filin reveal --allow {}", r.id), |by| format!("allowed by {by}"));
            writeln!(out, "{}  {}  {}  wanted by {}: {}; {state}", r.at, r.tenant, r.manager_alias, r.by, r.reason)?;
        }
        if rows.is_empty() {
            writeln!(out, "nobody saw a name here")?;
        }
        for r in &rows {
            let about = if r.about.is_empty() { String::new() } else { format!(" {}", r.about) };
            writeln!(out, "{}  {}  {}  {} by {}{about}: {}", r.at, r.tenant, r.manager_alias, r.place, r.by, r.reason)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
