//! `filin token`: a fresh token for somebody, and what the configuration has to know of it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::Usage;
use crate::ops::{
    config::{Account, Duty},
    random,
};

/// Flags of `filin token`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token is shown this once and kept nowhere: the configuration holds its SHA-256. To rotate one, add the new hash to\n\
    the entry's list, restart, hand the new token over, and take the old hash out.\n\n\
    Example: filin token vera --role supervisor --tenant acme --user u-9"
)]
pub(super) struct Args {
    /// Whose it is: it will stand beside what they do
    name: String,
    /// supervisor, analyst, admin or auditor
    #[arg(long, value_name = "ROLE", default_value = "analyst", value_parser = role)]
    role: Duty,
    /// The only organisation they see; a supervisor needs one
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Their id among the users; a supervisor needs it
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

fn role(word: &str) -> Result<Duty, String> {
    let all: Vec<&str> = Duty::ALL.iter().map(|d| d.as_str()).collect();
    Duty::from_word(word).ok_or_else(|| format!("one of {} is meant", all.join(", ")))
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.name.trim().is_empty() {
        return Err(Usage("NAME: say whose token it is".to_owned()).into());
    }
    if args.role == Duty::Supervisor && (args.tenant.is_none() || args.user.is_none()) {
        return Err(Usage("a supervisor needs --tenant and --user: they see who is under that id".to_owned()).into());
    }
    let token = random::token()?;
    let hash = Account::hash_of(token.as_bytes());
    let mut entry = toml::Table::new();
    let named = [("name", Some(args.name)), ("role", Some(args.role.as_str().to_owned())), ("tenant", args.tenant), ("user", args.user)];
    for (key, value) in named.into_iter().chain([("token_sha256", Some(hash))]) {
        entry.extend(value.map(|value| (key.to_owned(), toml::Value::from(value))));
    }
    let mut out = io::stdout().lock();
    if args.json {
        entry.insert("token".to_owned(), token.into());
        writeln!(out, "{}", serde_json::to_string_pretty(&entry)?)?;
    } else {
        writeln!(out, "token, shown this once: {token}\n\nfor the configuration:\n\n[[access]]")?;
        for key in ["name", "role", "tenant", "user", "token_sha256"] {
            if let Some(value) = entry.get(key) {
                writeln!(out, "{key} = {value}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
