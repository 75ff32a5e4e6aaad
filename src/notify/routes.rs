//! `alertmanager.yml`: who is told of what, and how. Made once from the directory of users or a list of contacts, then yours to change.

use std::fmt::Write as _;

use serde::Deserialize;

/// The templates that it names.
pub const TEMPLATES: &str = include_str!("filin.tmpl");

/// Who stands for everybody without a supervisor, and for all that is critical.
pub const ANALYSTS: &str = "analysts";

/// How somebody is reached. What is empty is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contact {
    /// The organisation; empty: whichever.
    pub tenant: String,
    /// The supervisor's id, or `analysts`.
    pub id: String,
    /// `ru`, else English.
    pub lang: String,
    /// E-mail addresses, separated by `;`.
    pub email: String,
    /// A chat's number in Telegram.
    pub telegram: Option<i64>,
    /// A channel in Slack.
    pub slack: String,
    /// An address that takes Alertmanager's own JSON.
    pub webhook: String,
}

/// What holds for all.
#[derive(Clone, Debug)]
pub struct Common {
    /// `host:port` of the mail server.
    pub smtp: String,
    /// The sender's address.
    pub from: String,
    /// When low alerts wait: `20:00`, `08:00`.
    pub quiet: (String, String),
    /// IANA zone of these times.
    pub zone: String,
}

/// The configuration. Receivers and routes are in the order of the contacts.
pub fn yaml(contacts: &[Contact], common: &Common) -> String {
    let mut out = String::new();
    // Writing to memory cannot fail.
    write(&mut out, contacts, common).expect("in memory");
    out
}

/// As YAML reads it, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

fn write(out: &mut String, contacts: &[Contact], common: &Common) -> std::fmt::Result {
    let analysts =
        contacts.iter().find(|c| c.id == ANALYSTS).cloned().unwrap_or_else(|| Contact { id: ANALYSTS.to_owned(), ..Contact::default() });
    let supervisors: Vec<&Contact> = contacts.iter().filter(|c| c.id != ANALYSTS).collect();
    let all = || std::iter::once(&analysts).chain(supervisors.iter().copied());
    writeln!(out, "# Where Filin's alerts go. Made by `filin notify config`; check changes by `amtool check-config alertmanager.yml`.")?;
    writeln!(out, "# Secrets are not in it: put them into the files that it names, and the bot's token where it says so.")?;
    writeln!(out, "global:")?;
    if all().any(|c| !c.email.is_empty()) {
        writeln!(out, "  smtp_smarthost: {}\n  smtp_from: {}", quoted(&common.smtp), quoted(&common.from))?;
        writeln!(out, "  smtp_auth_username: {}", quoted(&common.from))?;
        writeln!(out, "  smtp_auth_password_file: /etc/alertmanager/smtp-password")?;
    }
    writeln!(out, "  telegram_api_url: https://api.telegram.org")?;
    if all().any(|c| !c.slack.is_empty()) {
        writeln!(out, "  slack_api_url_file: /etc/alertmanager/slack-url")?;
    }
    writeln!(out, "  # Filin says itself how long an alert holds.\n  resolve_timeout: 1h")?;
    writeln!(out, "templates: [filin.tmpl]")?;
    let (from, until, zone) = (quoted(&common.quiet.0), quoted(&common.quiet.1), quoted(&common.zone));
    writeln!(out, "time_intervals:\n  # Low alerts wait for the morning; nothing else waits.\n  - name: quiet\n    time_intervals:")?;
    writeln!(
        out,
        "      - times:\n          - {{ start_time: {from}, end_time: \"24:00\" }}\n          - {{ start_time: \"00:00\", end_time: {until} }}"
    )?;
    writeln!(out, "        location: {zone}\n      - weekdays: [saturday, sunday]\n        location: {zone}")?;
    writeln!(out, "route:\n  receiver: {ANALYSTS}\n  group_by: [tenant, supervisor, severity]")?;
    writeln!(out, "  group_wait: 30s\n  group_interval: 5m\n  repeat_interval: 24h\n  routes:")?;
    writeln!(out, "    # What is critical goes to the analysts, too, at once and at any hour.")?;
    writeln!(out, "    - matchers: ['alert_id!=\"\"', 'severity=\"critical\"']\n      receiver: {ANALYSTS}")?;
    writeln!(out, "      group_wait: 5s\n      group_interval: 1m\n      repeat_interval: 4h\n      continue: true")?;
    writeln!(out, "    # So does what nobody answered, with whoever is further up.")?;
    writeln!(out, "    - matchers: ['escalated!=\"\"', 'severity!=\"critical\"']\n      receiver: {ANALYSTS}\n      continue: true")?;
    for c in &supervisors {
        let mut whose = vec![format!("supervisor={}", quoted(&c.id))];
        if !c.tenant.is_empty() {
            whose.insert(0, format!("tenant={}", quoted(&c.tenant)));
        }
        let list = |more: &[&str]| {
            let all = whose.iter().cloned().chain(more.iter().map(|m| (*m).to_owned())).map(|m| format!("'{}'", m.replace('\'', "''")));
            all.collect::<Vec<_>>().join(", ")
        };
        let name = quoted(&receiver(c));
        writeln!(out, "    - matchers: [{}]\n      receiver: {name}\n      mute_time_intervals: [quiet]", list(&["severity=\"low\""]))?;
        writeln!(out, "    - matchers: [{}]\n      receiver: {name}\n      group_wait: 5s", list(&["severity=\"critical\""]))?;
        writeln!(out, "    - matchers: [{}]\n      receiver: {name}", list(&[]))?;
    }
    writeln!(out, "    # Nobody's people, or nobody above them.")?;
    writeln!(out, "    - matchers: ['severity=\"low\"']\n      receiver: {ANALYSTS}\n      mute_time_intervals: [quiet]")?;
    writeln!(out, "inhibit_rules:\n  # What is critical about somebody makes the rest about them wait.")?;
    writeln!(out, "  - source_matchers: ['alert_id!=\"\"', 'manager_alias!=\"\"', 'severity=\"critical\"']")?;
    writeln!(
        out,
        "    target_matchers: ['alert_id!=\"\"', 'manager_alias!=\"\"', 'severity!=\"critical\"']\n    equal: [tenant, manager_alias]"
    )?;
    writeln!(out, "receivers:")?;
    all().try_for_each(|c| reached(out, c))
}

fn receiver(c: &Contact) -> String {
    match (c.id.as_str(), c.tenant.as_str()) {
        (ANALYSTS, _) => ANALYSTS.to_owned(),
        (id, "") => format!("supervisor {id}"),
        (id, tenant) => format!("supervisor {tenant}/{id}"),
    }
}

fn reached(out: &mut String, c: &Contact) -> std::fmt::Result {
    let lang = if c.lang.to_ascii_lowercase().starts_with("ru") { "ru" } else { "en" };
    let template = |what: &str| format!("'{{{{ template \"filin.{what}.{lang}\" . }}}}'");
    writeln!(out, "  - name: {}", quoted(&receiver(c)))?;
    let addresses: Vec<&str> = c.email.split(';').map(str::trim).filter(|a| !a.is_empty()).collect();
    if !addresses.is_empty() {
        writeln!(out, "    email_configs:\n      - to: {}\n        send_resolved: true", quoted(&addresses.join(", ")))?;
        writeln!(out, "        headers: {{ Subject: {} }}\n        html: {}", template("subject"), template("html"))?;
        writeln!(out, "        text: {}", template("text"))?;
    }
    if let Some(chat) = c.telegram {
        writeln!(
            out,
            "    telegram_configs:\n      - bot_token: PUT-THE-TOKEN-OF-THE-BOT-HERE\n        chat_id: {chat}\n        send_resolved: true"
        )?;
        writeln!(out, "        # Plain text: what is cut off at 4096 characters must not break a tag.\n        parse_mode: ''")?;
        writeln!(out, "        message: {}", template("text"))?;
    }
    if !c.slack.is_empty() {
        writeln!(out, "    slack_configs:\n      - channel: {}\n        send_resolved: true", quoted(&c.slack))?;
        writeln!(out, "        title: {}\n        text: {}", template("subject"), template("text"))?;
        writeln!(out, "        title_link: '{{{{ (index .Alerts 0).Annotations.link }}}}'")?;
    }
    if !c.webhook.is_empty() {
        writeln!(out, "    webhook_configs:\n      - url: {}\n        send_resolved: true", quoted(&c.webhook))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_ids_stays_within_its_quotes() {
        let odd = Contact { tenant: "a'b".to_owned(), id: "x\": y # z".to_owned(), lang: "RU".to_owned(), ..Contact::default() };
        let common = Common {
            smtp: "h:25".to_owned(),
            from: "f@h".to_owned(),
            quiet: ("20:00".to_owned(), "08:00".to_owned()),
            zone: "UTC".to_owned(),
        };
        let read: serde_json::Value = serde_yaml_ng::from_str(&yaml(&[odd], &common)).expect("YAML");
        let matchers = &read["route"]["routes"][4]["matchers"];
        assert_eq!(matchers[0], "tenant=\"a'b\"");
        assert_eq!(matchers[1], "supervisor=\"x\\\": y # z\"");
        assert_eq!(read["receivers"][1]["name"], "supervisor a'b/x\": y # z");
        assert_eq!(read["receivers"][0]["name"], ANALYSTS);
    }
}
