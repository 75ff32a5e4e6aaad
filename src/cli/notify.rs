//! `filin notify`: how people are reached.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{Usage, known};
use crate::{
    directory::{Reference, Zone},
    notify::{
        routes::{self, ANALYSTS, Common, Contact},
        who,
    },
    ops::{
        clock,
        config::{Flags, Place},
    },
};

/// Flags of `filin notify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print a configuration of Alertmanager: routes by supervisor and severity, quiet hours, templates
    ///
    /// Supervisors and their e-mail addresses come from the users; contacts go before them and add Telegram, Slack and webhooks. The
    /// contact `analysts` gets what is critical and what is nobody's.
    Config(Config),
}

#[derive(Debug, clap::Args)]
struct Config {
    /// Configuration, for its reference.users
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Users (CSV or JSONL, also .gz, .zst)
    #[arg(long, value_name = "F")]
    users: Option<PathBuf>,
    /// Contacts: CSV with tenant,id,lang,email,telegram,slack,webhook; id is a supervisor's or `analysts`
    #[arg(long, value_name = "F")]
    contacts: Option<PathBuf>,
    /// When low alerts wait for the morning (and on Saturday and Sunday)
    #[arg(long, value_name = "HH:MM-HH:MM", default_value = "20:00-08:00")]
    quiet: String,
    /// Time zone of the quiet hours
    #[arg(long, value_name = "ZONE", default_value = "Europe/Moscow")]
    zone: String,
    /// Mail server
    #[arg(long, value_name = "HOST:PORT", default_value = "smtp.example.com:587")]
    smtp: String,
    /// Sender of mails
    #[arg(long, value_name = "ADDRESS", default_value = "filin@example.com")]
    from: String,
    /// Write alertmanager.yml and filin.tmpl into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Config(args) = args.command;
    let common = Common { quiet: quiet(&args.quiet)?, zone: zone(&args.zone)?, smtp: args.smtp, from: args.from };
    let mut contacts = args.contacts.as_deref().map(read).transpose()?.unwrap_or_default();
    let flags = Flags { users: args.users, ..Flags::default() };
    let config = known::config(args.config.as_deref(), &flags).map_err(|mistakes| Usage(mistakes.to_string()))?;
    if let Some(Place::File(users)) = &config.reference.users {
        add(&mut contacts, users)?;
    }
    let text = routes::yaml(&contacts, &common);
    match args.out {
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
        Some(folder) => {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            for (name, text) in [("alertmanager.yml", text.as_str()), ("filin.tmpl", routes::TEMPLATES)] {
                let path = folder.join(name);
                fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<Contact>> {
    let wrong = |e: csv::Error| Usage(format!("{}: {e}", path.display()));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(wrong)?;
    let contacts: Vec<Contact> = reader.deserialize().collect::<Result<_, _>>().map_err(wrong)?;
    if contacts.iter().any(|c| c.id.is_empty()) {
        return Err(Usage(format!("{}: a contact has no id: a supervisor's, or {ANALYSTS}", path.display())).into());
    }
    Ok(contacts)
}

/// Supervisors of the directory that the contacts do not know, by tenant and id.
fn add(contacts: &mut Vec<Contact>, users: &Path) -> anyhow::Result<()> {
    let (mut reference, now) = (Reference::default(), clock::now());
    for complaint in reference.load_users(users)? {
        eprintln!("filin: {complaint}");
    }
    for (tenant, directory) in reference.tenants() {
        let told: BTreeSet<String> = who::told(directory, now);
        for id in told {
            if contacts.iter().any(|c| c.id == id && (c.tenant.is_empty() || c.tenant == tenant)) {
                continue;
            }
            let user = directory.users().at(&id, now);
            contacts.push(Contact {
                tenant: tenant.to_owned(),
                lang: user.and_then(|u| u.locale.clone()).unwrap_or_default(),
                email: user.map(|u| u.emails.join(";")).unwrap_or_default(),
                id,
                ..Contact::default()
            });
        }
    }
    Ok(())
}

fn quiet(text: &str) -> anyhow::Result<(String, String)> {
    let time = |t: &str| {
        let (h, m) = t.trim().split_once(':')?;
        let (h, m): (u8, u8) = (h.parse().ok()?, m.parse().ok()?);
        (h < 24 && m < 60).then(|| format!("{h:02}:{m:02}"))
    };
    let read = text.split_once('-').and_then(|(from, until)| Some((time(from)?, time(until)?)));
    // An interval from 00:00 to 00:00 is none for Alertmanager.
    match read.filter(|(from, until)| from > until && until != "00:00") {
        Some(quiet) => Ok(quiet),
        None => Err(Usage(format!("--quiet: {text:?} is no night, as in 20:00-08:00")).into()),
    }
}

fn zone(name: &str) -> anyhow::Result<String> {
    Zone::get(name).map_err(|e| Usage(format!("--zone: {e}")))?;
    Ok(name.to_owned())
}
