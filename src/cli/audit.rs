//! `filin audit`: doors that stand open, as the directory of users and the configuration show them.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{Usage, columns, dead_letters, explain::Lang, known};
use crate::{
    directory::Reference,
    engine::Severity,
    model::audit::{self, Finding, Kind},
    ops::{
        clock,
        config::{Config, Flags},
    },
    pipeline::{service, survey::Survey},
    store::Alias,
};

/// Flags of `filin audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Users (CSV or JSONL, also .gz, .zst) instead of what is stored: no store is opened
    #[arg(long, value_name = "F", conflicts_with = "data")]
    users: Option<PathBuf>,
    /// Folder of the embedded instance
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Language of the findings
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Print JSON, in both languages
    #[arg(long)]
    json: bool,
}

/// How people are named: by alias where there is a key, else by id.
struct Names(Option<Alias>);

impl Names {
    fn of(&self, tenant: &str, id: &str) -> String {
        self.0.as_ref().map_or_else(|| id.to_owned(), |alias| alias.of(tenant, id))
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let flags = Flags { data: args.data.clone(), ..Flags::default() };
    let config = known::config(args.config.as_deref(), &flags).map_err(|m| Usage(m.to_string()))?;
    let (found, names) = match &args.users {
        Some(users) => from_file(users, args.config.is_some(), &config)?,
        None => stored(&config)?,
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&whole(&found, &names)?)?)?;
    } else {
        print(&mut out, &found, &names, args.lang)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Findings of a file, with what a configuration says about its tenants. When accounts were closed is not known here.
fn from_file(users: &std::path::Path, configured: bool, config: &Config) -> anyhow::Result<(Vec<Finding>, Names)> {
    let (mut reference, complaints) = Reference::load(Some(users), None, None)?;
    for complaint in &complaints {
        eprintln!("filin: {complaint}");
    }
    let policies = service::policies(config)?;
    policies.named.keys().for_each(|tenant| {
        reference.tenant_mut(tenant);
    });
    let (now, closed) = (clock::now(), BTreeMap::new());
    let input =
        |tenant, directory| audit::Input { tenant, directory, now, closed: &closed, policy: configured.then(|| policies.of(tenant)) };
    let found = reference.tenants().flat_map(|(tenant, directory)| audit::audit(&input(tenant, directory))).collect();
    // A check of a file makes no key: without one the ids of the file are as good.
    let key = config.privacy.alias_key.is_some() || config.data.join("alias.key").exists();
    let names = Names(if key { Some(Alias::new(service::alias_key(config)?)) } else { None });
    Ok((found, names))
}

/// Findings as of now, kept where dashboards read them.
fn stored(config: &Config) -> anyhow::Result<(Vec<Finding>, Names)> {
    let alias = Alias::new(service::alias_key(config)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let found = runtime.block_on(async {
        let (client, opened) = dead_letters::store(config).await?;
        let found = survey(&client, config, &alias).await;
        dead_letters::close(opened).await;
        found
    })?;
    Ok((found, Names(Some(alias))))
}

async fn survey(client: &clickhouse::Client, config: &Config, alias: &Alias) -> anyhow::Result<Vec<Finding>> {
    let survey = Survey::read(client, service::policies(config)?, clock::now()).await?;
    let mut all = Vec::new();
    for tenant in survey.tenants() {
        let found = survey.audit(client, &tenant).await?;
        survey.keep_audit(client, &tenant, &found, alias).await?;
        all.extend(found);
    }
    Ok(all)
}

/// Findings with aliases beside the ids.
fn whole(found: &[Finding], names: &Names) -> serde_json::Result<Value> {
    let one = |f: &Finding| {
        let mut value = serde_json::to_value(f)?;
        if names.0.is_some() && !f.manager.is_empty() {
            value["manager_alias"] = names.of(&f.tenant, &f.manager).into();
        }
        Ok(value)
    };
    let findings = found.iter().map(one).collect::<serde_json::Result<Vec<Value>>>()?;
    Ok(json!({ "findings": findings }))
}

fn print(out: &mut impl Write, found: &[Finding], names: &Names, lang: Lang) -> io::Result<()> {
    let say = |en: &'static str, ru: &'static str| if lang == Lang::Ru { ru } else { en };
    if found.is_empty() {
        return writeln!(out, "{}", say("no findings", "замечаний нет"));
    }
    let head = [
        say("severity", "важность"),
        say("finding", "замечание"),
        say("tenant", "организация"),
        say("team", "команда"),
        say("who", "кто"),
        say("what", "что"),
    ];
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let mut sorted: Vec<&Finding> = found.iter().collect();
    sorted.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.finding));
    let line = |f: &&Finding| {
        let said = if lang == Lang::Ru { &f.said.ru } else { &f.said.en };
        let who = if f.manager.is_empty() { String::new() } else { names.of(&f.tenant, &f.manager) };
        [
            severity(f.severity, lang).to_owned(),
            f.finding.as_str().to_owned(),
            f.tenant.clone(),
            or_none(f.team.clone()),
            or_none(who),
            said.clone(),
        ]
    };
    let lines: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(sorted.iter().map(line)).collect();
    columns::write(out, &lines)?;
    writeln!(out)?;
    let counts = Kind::ALL.iter().map(|kind| (kind, found.iter().filter(|f| f.finding == *kind).count()));
    let counts: Vec<String> = counts.filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{} {n}", kind.as_str())).collect();
    writeln!(out, "{} {}: {}", found.len(), say("found", "всего"), counts.join(", "))
}

fn severity(severity: Severity, lang: Lang) -> &'static str {
    match (severity, lang) {
        (Severity::Low, Lang::Ru) => "низкая",
        (Severity::Medium, Lang::Ru) => "средняя",
        (Severity::High, Lang::Ru) => "высокая",
        (Severity::Critical, Lang::Ru) => "критическая",
        (severity, Lang::En) => severity.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(users: &str, config: &str, names: Option<Alias>, lang: Lang) -> (String, Value) {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        let config = file("filin.toml", config);
        let flags = Flags::default();
        let config = known::config(Some(&config), &flags).expect("a configuration");
        let (found, _) = from_file(&file("users.csv", users), true, &config).expect("readable");
        let names = Names(names);
        let mut out = Vec::new();
        print(&mut out, &found, &names, lang).expect("in memory");
        (String::from_utf8(out).expect("text"), whole(&found, &names).expect("values"))
    }

    #[test]
    fn the_gravest_stand_first_and_names_nowhere() {
        let users = "id,name,tenant,team,supervisor,schedule,time_zone,terminated_at,mfa\n\
                     u-7,Anna Petrova,acme,north,u-8,Mo-Fr 09:00-18:00,Europe/Moscow,,false\n\
                     u-8,Boris,acme,north,u-8,Mo-Fr 09:00-18:00,Europe/Moscow,2020-01-01,\n";
        let config = "[tenants.acme]\nbackup_targets = ['nas', 'cloud']\n";
        let (text, value) = checked(users, config, None, Lang::En);
        let expected = "severity  finding        tenant  team   who  what\n\
                        high      open_account   acme    north  u-8  access ended on 2020-01-01, nothing says that the account was closed\n\
                        medium    no_mfa         acme    north  u-7  no second factor is enrolled\n\
                        low       no_supervisor  acme    north  u-7  the supervisor has left\n\n\
                        3 found: open_account 1, no_mfa 1, no_supervisor 1\n";
        assert_eq!(text, expected);
        assert_eq!(value["findings"].as_array().map(Vec::len), Some(3));
        assert_eq!((&value["findings"][0]["manager"], &value["findings"][0]["manager_alias"]), (&"u-8".into(), &Value::Null));
        let alias = Alias::new([7; 32]);
        let (text, value) = checked(users, config, Some(alias.clone()), Lang::Ru);
        assert!(text.contains(&alias.of("acme", "u-8")) && !text.contains("u-8") && !text.contains("Anna"), "{text}");
        assert!(text.contains("доступ прекращён 2020-01-01") && text.contains("всего"), "{text}");
        assert_eq!(value["findings"][0]["manager_alias"], alias.of("acme", "u-8"));
    }

    #[test]
    fn an_organisation_without_people_has_findings_of_its_own() {
        let (text, _) = checked("id\n", "[tenants.acme]\n", None, Lang::En);
        assert!(text.contains("tenants.acme.backup_targets names 0 of at least 2 places"), "{text}");
    }
}
