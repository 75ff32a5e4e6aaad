//! `filin access`: who can log in to the console, through the running instance.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use super::{
    Usage,
    ask::{Running, who},
    dead_letters::{Where, close, store},
};
use crate::{
    api::{Invite, InviteOrder, RevokeOrder, Revoked},
    event::Timestamp,
    ops::{
        clock,
        config::{Account, span},
    },
    store::login::{self, Credential},
};

/// What a running instance alone can put into its log.
const ORDERS: &str = "who may log in";

/// Flags of `filin access`.
#[derive(Debug, clap::Args)]
#[command(after_help = "People are the entries of [[access]]; [http.login] enabled = true lets them log in. A link opens once.\n\
    Whoever lost password or phone gets a new one: what they had goes on until it is used.\n\
    Each is an event of the tenant _audit.\n\n\
    Example: filin access invite vera --for 2h --config filin.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print a link by which somebody sets password and second factor, once
    Invite {
        /// Their name in `[[access]]`
        name: String,
        /// How long it opens, as 2h, a minute to 7d [default: 24h]
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<String>,
        #[command(flatten)]
        said: Said,
    },
    /// Take password and second factor away, and end all log-ins
    Revoke {
        /// Their name
        name: String,
        #[command(flatten)]
        said: Said,
    },
    /// Say who can log in
    List {
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, clap::Args)]
struct Said {
    /// Who asks [default: the name of this account]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Invite { name, span: text, said } => {
                let seconds = text.map(|text| span(&text).map_err(|e| Usage(format!("--for: {e}")))).transpose()?.map(|s| s.as_secs());
                let order = InviteOrder { name, seconds, by: who(said.by)? };
                let running = Running::find(&said.place.config()?, ORDERS).await?;
                invited(said.place.json, &running.post("/v1/access/invites", &order).await?)?;
            }
            Command::Revoke { name, said } => {
                let order = RevokeOrder { name, by: who(said.by)? };
                let running = Running::find(&said.place.config()?, ORDERS).await?;
                let done: Revoked = running.post("/v1/access/revocations", &order).await?;
                anyhow::ensure!(done.revoked, "{} never had a log-in: `filin access list` shows who has one", order.name);
                if said.place.json {
                    writeln!(io::stdout().lock(), "{}", json!(done))?;
                } else {
                    writeln!(io::stdout().lock(), "{} can log in no more until invited again; all log-ins have ended", order.name)?;
                }
            }
            Command::List { place } => {
                let config = place.config()?;
                let (client, opened) = store(&config).await?;
                let known = login::credentials(&client).await;
                close(opened).await;
                list(&config.access, &known?, place.json)?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn invited(as_json: bool, invite: &Invite) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(invite)?)?;
    } else {
        writeln!(out, "{}\n\n{} sets password and second factor there, once, until {}", invite.url, invite.name, invite.expires)?;
    }
    Ok(())
}

/// How far somebody is, in a word.
fn standing(account: Option<&Account>, credential: Option<&Credential>, now: Timestamp) -> &'static str {
    let invited = credential.is_some_and(|c| !c.invite_sha256.is_empty() && now.millis() < c.invite_expires);
    match (account, credential) {
        (None, _) => "not in [[access]]",
        (Some(account), _) if !account.is_valid(now) => "expired",
        (_, Some(c)) if !c.password.is_empty() => "can log in",
        _ if invited => "invited",
        _ => "no log-in",
    }
}

fn list(accounts: &[Account], known: &[Credential], as_json: bool) -> anyhow::Result<()> {
    let now = clock::now();
    let mut names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).chain(known.iter().map(|c| c.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &str| {
        let (account, credential) = (accounts.iter().find(|a| a.name == name), known.iter().find(|c| c.name == name));
        json!({ "name": name, "role": account.map(|a| a.role), "log_in": standing(account, credential, now),
                "changed": credential.map(|c| Timestamp::from_millis(c.at)), "by": credential.map(|c| &c.by) })
    };
    let rows: Vec<_> = names.into_iter().map(row).collect();
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    if rows.is_empty() {
        writeln!(out, "[[access]] names nobody")?;
    }
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or("-");
        writeln!(out, "{:<24} {:<11} {:<18} {}", text("name"), text("role"), text("log_in"), text("changed"))?;
    }
    Ok(())
}
