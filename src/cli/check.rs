//! `filin check`: the configuration and the reference data, before anything runs on them.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{USAGE, Usage, known};
use crate::{
    directory::{Complaint, Conflict, Directory, Reference},
    engine::sigma::{Book, Refused},
    event::ActorKind,
    notify::{self, Receiver},
    ops::config::{Config, Flags, Place, weaknesses},
    source::prior,
};

/// Flags of `filin check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    #[command(flatten)]
    reference: known::Reference,
    /// List what is left open and could be closed; exit code 1 when there is anything
    #[arg(long)]
    security: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Mistakes in the configuration.
    mistakes: Vec<ConfigMistake>,
    /// The configuration that would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Config>,
    /// Files and topics of reference data.
    sources: Vec<String>,
    /// Why reference data cannot be read.
    unreadable: Vec<String>,
    tenants: Vec<Tenant>,
    complaints: Vec<Complaint>,
    /// The user's own rules that run, and why others do not.
    sigma_rules: usize,
    sigma_refused: Vec<Refused>,
    /// What makes the exit code 2.
    errors: usize,
    warnings: usize,
}

/// A mistake in the configuration.
#[derive(Debug, Serialize)]
struct ConfigMistake {
    path: String,
    message: String,
}

/// One tenant's reference data.
#[derive(Debug, Serialize)]
struct Tenant {
    tenant: String,
    /// Zone of people without one.
    zone: String,
    people: usize,
    integrations: usize,
    teams: usize,
    clients: usize,
    orders: usize,
    rows: usize,
    /// People per zone, by their last row; `""` are those without one.
    zones: BTreeMap<String, usize>,
    conflicts: Vec<Conflict>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.security {
        return security(&args);
    }
    let report = check(args.config.as_deref(), &args.reference.flags());
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        report.print(&mut out)?;
    }
    Ok(if report.errors > 0 { ExitCode::from(USAGE) } else { ExitCode::SUCCESS })
}

/// What the configuration leaves open.
fn security(args: &Args) -> anyhow::Result<ExitCode> {
    let config = known::config(args.config.as_deref(), &args.reference.flags()).map_err(|m| Usage(m.to_string()))?;
    let found = weaknesses(&config);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?;
    } else {
        for weak in &found {
            writeln!(out, "open: {}: {}", weak.path, weak.message)?;
        }
        writeln!(out, "{}{} open", if found.is_empty() { "" } else { "\n" }, counted(found.len(), "thing"))?;
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(config: Option<&Path>, flags: &Flags) -> Report {
    let mut report = Report::default();
    // Mistakes in the configuration are no reason to keep quiet about the data.
    let mut paths = [flags.users.clone(), flags.clients.clone(), flags.orders.clone()];
    match known::config(config, flags) {
        Ok(config) => {
            let places = [&config.reference.users, &config.reference.clients, &config.reference.orders];
            for (path, place) in paths.iter_mut().zip(places) {
                match place {
                    Some(Place::File(file)) => *path = Some(file.clone()),
                    Some(Place::Topic(topic)) => report.sources.push(format!("topic {topic} (read at the start)")),
                    None => {}
                }
            }
            if let Err(message) = prior::prior(&config.alerts.prior) {
                report.mistakes.push(ConfigMistake { path: "alerts.prior".to_owned(), message });
            }
            let (book, refused) = Book::read(&config.sigma.texts);
            (report.sigma_rules, report.sigma_refused) = (book.rules().len(), refused);
            report.config = Some(config);
        }
        Err(mistakes) => {
            report.mistakes = mistakes.0.into_iter().map(|m| ConfigMistake { path: m.path, message: m.message }).collect();
        }
    }
    report.sources.extend(paths.iter().flatten().map(|p| p.display().to_string()));
    let [users, clients, orders] = &paths;
    let mut reference = Reference::default();
    // One file at a time, so that one that cannot be read hides no other's faults.
    let read = [
        users.as_deref().map(|p| reference.load_users(p)),
        clients.as_deref().map(|p| reference.load_clients(p)),
        orders.as_deref().map(|p| reference.load_orders(p)),
    ];
    for loaded in read.into_iter().flatten() {
        match loaded {
            Ok(complaints) => report.complaints.extend(complaints),
            Err(e) => report.unreadable.push(format!("{:#}", anyhow::Error::new(e))),
        }
    }
    for (name, directory) in reference.tenants() {
        let zone = report.config.as_ref().and_then(|c| c.tenants.get(name)).and_then(|t| t.time_zone.clone());
        report.tenants.push(tenant(name, zone.unwrap_or_else(|| "UTC".to_owned()), directory));
    }
    let conflicts = || report.tenants.iter().flat_map(|t| &t.conflicts);
    let (lost, odd): (Vec<_>, Vec<_>) = report.complaints.iter().partition(|c| c.lost);
    let errors = report.mistakes.len() + report.unreadable.len() + lost.len() + conflicts().filter(|c| c.is_error()).count();
    let no_effect = report.config.as_ref().map_or(0, |c| c.no_effect.len());
    let warnings = odd.len() + conflicts().filter(|c| !c.is_error()).count() + no_effect + report.sigma_refused.len();
    (report.errors, report.warnings) = (errors, warnings);
    report
}

fn tenant(name: &str, zone: String, directory: &Directory) -> Tenant {
    let (users, mut zones, mut integrations) = (directory.users(), BTreeMap::new(), 0);
    for user in users.ids().filter_map(|id| users.of(id).last()) {
        if user.kind.is_some_and(|k| k != ActorKind::User) {
            integrations += 1;
        } else {
            *zones.entry(user.time_zone.clone().unwrap_or_default()).or_default() += 1;
        }
    }
    let mut teams: Vec<&str> = users.iter().filter_map(|u| u.team.as_deref()).collect();
    teams.sort_unstable();
    teams.dedup();
    Tenant {
        tenant: name.to_owned(),
        zone,
        people: users.len() - integrations,
        integrations,
        teams: teams.len(),
        clients: directory.clients().len(),
        orders: directory.orders().len(),
        rows: users.iter().count() + directory.clients().iter().count() + directory.orders().iter().count(),
        zones,
        conflicts: directory.conflicts(),
    }
}

impl Report {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        for mistake in &self.mistakes {
            writeln!(out, "error: {}: {}", mistake.path, mistake.message)?;
        }
        for text in &self.unreadable {
            writeln!(out, "error: {text}")?;
        }
        for complaint in &self.complaints {
            writeln!(out, "{}: {complaint}", level(complaint.lost))?;
        }
        for tenant in &self.tenants {
            for conflict in &tenant.conflicts {
                writeln!(out, "{}: tenant {}: {conflict}", level(conflict.is_error()), tenant.tenant)?;
            }
        }
        if let Some(config) = &self.config {
            for key in &config.no_effect {
                writeln!(out, "warning: {key} has no effect in this version")?;
            }
            for refused in &self.sigma_refused {
                let folder = config.sigma.rules.as_deref().unwrap_or(Path::new(""));
                writeln!(out, "warning: {}", folder.join(refused.to_string()).display())?;
            }
        }
        if self.errors + self.warnings > 0 {
            writeln!(out)?;
        }
        if !self.sources.is_empty() {
            writeln!(out, "reference data: {}", self.sources.join(", "))?;
        }
        for tenant in &self.tenants {
            tenant.print(out)?;
        }
        if let Some(folder) = self.config.as_ref().and_then(|c| c.sigma.rules.as_ref()) {
            writeln!(out, "{} of {}", counted(self.sigma_rules, "Sigma rule"), folder.display())?;
        }
        if let Some(config) = &self.config {
            print_receivers(config, out)?;
            print_config(config, out)?;
        }
        writeln!(out, "{}, {}", counted(self.errors, "error"), counted(self.warnings, "warning"))
    }
}

impl Tenant {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let zone = |(name, n): (&String, &usize)| match name.as_str() {
            "" => format!("{n} without one take {}", self.zone),
            name => format!("{name} {n}"),
        };
        let zones: Vec<String> = self.zones.iter().map(zone).collect();
        writeln!(
            out,
            "tenant {}: {}, {}, {}, {}, {} ({})",
            self.tenant,
            if self.people == 1 { "1 person".to_owned() } else { format!("{} people", self.people) },
            counted(self.integrations, "integration"),
            counted(self.teams, "team"),
            counted(self.clients, "client"),
            counted(self.orders, "order"),
            counted(self.rows, "row"),
        )?;
        if zones.is_empty() { Ok(()) } else { writeln!(out, "  time zones: {}", zones.join(", ")) }
    }
}

/// Who is told of alerts, and how.
fn print_receivers(config: &Config, out: &mut impl Write) -> std::io::Result<()> {
    let receivers: Vec<String> = notify::named(&config.alerts)
        .into_iter()
        .map(|receiver| match receiver {
            Receiver::Alertmanager => format!("Alertmanager {}", config.alerts.alertmanager.join(", ")),
            Receiver::Webhook => {
                let signed = config.alerts.webhook.as_ref().is_some_and(|w| w.secret.is_some());
                format!("the webhook ({})", if signed { "signed" } else { "not signed: give alerts.webhook.secret" })
            }
            Receiver::Topic => format!("topic {}", config.alerts.topic.as_deref().unwrap_or_default()),
        })
        .collect();
    if receivers.is_empty() {
        return writeln!(out, "alerts: nobody is told; set alerts.alertmanager or alerts.webhook");
    }
    let names = if config.privacy.names_in_messages { "with names" } else { "by pseudonym" };
    writeln!(out, "alerts go to {}, {names}", receivers.join(", "))
}

/// The configuration as it would run, key by key; secrets stay hidden.
fn print_config(config: &Config, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "configuration:")?;
    let value = serde_json::to_value(config).map_err(std::io::Error::other)?;
    print_value("", &value, out)
}

fn print_value(path: &str, value: &serde_json::Value, out: &mut impl Write) -> std::io::Result<()> {
    use serde_json::Value;
    match value {
        Value::Null => Ok(()),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            print_value(&path, value, out)
        }),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().try_for_each(|(i, item)| print_value(&format!("{path}[{i}]"), item, out))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            if items.is_empty() { Ok(()) } else { writeln!(out, "  {path} = {}", items.join(", ")) }
        }
        value => writeln!(out, "  {path} = {}", plain(value)),
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn level(error: bool) -> &'static str {
    if error { "error" } else { "warning" }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(report: &Report) -> String {
        let mut out = Vec::new();
        report.print(&mut out).expect("in memory");
        String::from_utf8(out).expect("text")
    }

    /// Writes files into a fresh folder; the flags name those that are given.
    fn checked(config: Option<&str>, users: &str, clients: &str, orders: &str) -> (Report, String) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        let given = |name: &str, text: &str| (!text.is_empty()).then(|| file(name, text));
        let flags = Flags {
            users: given("users.csv", users),
            clients: given("clients.csv", clients),
            orders: given("orders.jsonl", orders),
            ..Flags::default()
        };
        let config = config.map(|text| file("filin.toml", text));
        let report = check(config.as_deref(), &flags);
        let text = printed(&report).replace(&format!("{}/", dir.path().display()), "");
        (report, text)
    }

    #[test]
    fn good_data_is_summed_up() {
        let (report, text) = checked(
            Some("[tenants.default]\ntime_zone = \"Asia/Tokyo\"\n"),
            "id,team,time_zone,kind\na,t1,Europe/Moscow,\nb,t1,,\nsync,,,integration\n",
            "id,owner\nc,a\n",
            "{\"id\": \"o\", \"client\": \"c\", \"manager\": \"b\"}\n",
        );
        assert_eq!((report.errors, report.warnings), (0, 0), "{text}");
        assert!(text.starts_with("reference data: users.csv, clients.csv, orders.jsonl\n"), "{text}");
        assert!(text.contains("tenant default: 2 people, 1 integration, 1 team, 1 client, 1 order (5 rows)\n"), "{text}");
        assert!(text.contains("  time zones: 1 without one take Asia/Tokyo, Europe/Moscow 1\n"), "{text}");
        assert!(text.contains("  tenants.default.time_zone = Asia/Tokyo\n"), "{text}");
        assert!(text.ends_with("0 errors, 0 warnings\n"), "{text}");
    }

    #[test]
    fn receivers_are_told_without_their_secrets() {
        let toml = "[alerts]\nalertmanager = ['http://a:9093']\nwebhook = { url = 'https://h/hook-secret', secret = '0123456789abcdef' }\n";
        let (report, text) = checked(Some(toml), "", "", "");
        assert_eq!((report.errors, report.warnings), (0, 0), "{text}");
        assert!(text.contains("alerts go to Alertmanager http://a:9093, the webhook (signed), by pseudonym\n"), "{text}");
        assert!(!text.contains("hook-secret") && !text.contains("0123456789abcdef"), "{text}");
        assert!(checked(None, "", "", "").1.contains("alerts: nobody is told"));
    }

    #[test]
    fn a_prior_that_cannot_be_read_is_a_mistake() {
        let (report, text) = checked(Some("[alerts]\nprior = 'nowhere.json'\n"), "id\na\n", "id,owner\nc,a\n", "");
        assert!(report.errors == 1 && text.contains("alerts.prior") && text.contains("cannot read the prior nowhere.json"), "{text}");
    }

    #[test]
    fn rules_that_are_refused_are_told_and_stop_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = "title: A\ndetection:\n  a:\n    action: view\n  condition: a\n---\ntitle: B\ndetection:\n  a:\n    acton: view\n  condition: a\n";
        std::fs::write(dir.path().join("own.yml"), text).expect("writable");
        let (report, text) = checked(Some(&format!("[sigma]\nrules = '{}'\n", dir.path().display())), "", "", "");
        assert_eq!((report.errors, report.warnings), (0, 1), "{text}");
        let folder = dir.path().display();
        assert!(text.contains(&format!("warning: {folder}/own.yml:10: there is no field \"acton\"")), "{text}");
        assert!(text.contains(&format!("1 Sigma rule of {folder}\n")), "{text}");
        assert!(text.contains(&format!("  sigma.rules = {folder}\n")), "{text}");
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let (report, text) = checked(
            Some("[alerts]\nbudget = -1\nbuget = 2\n"),
            "id,aliases,time_zone,hat\na,mango:1,,L\nb,mango:1,,\nc,,Mars/Base,\n",
            "name,owner\nx,y\n",
            "{\"id\": \"o\", \"client\": \"c\", \"manager\": \"gone\"}\n",
        );
        for expected in [
            "error: clients.csv: the header has no column \"id\"\n",
            "error: users.csv:4: time_zone: there is no time zone \"Mars/Base\"",
            "warning: users.csv:1: unknown columns were ignored: hat\n",
            "error: tenant default: alias \"mango:1\" is claimed by a, b at one time\n",
            "warning: tenant default: manager or participant \"gone\" of 1 order (o) is no user\n",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert_eq!(report.mistakes.len(), 2, "{text}");
        assert_eq!((report.errors, report.warnings), (5, 2), "{text}");
        assert!(serde_json::to_string(&report).is_ok());
    }

    #[test]
    fn nothing_given_is_no_fault() {
        let (report, text) = checked(None, "", "", "");
        assert_eq!((report.errors, report.warnings), (0, 0), "{text}");
    }
}
