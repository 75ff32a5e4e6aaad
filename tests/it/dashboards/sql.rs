//! Every query on a real engine, as the reader, over a made-up company.

use std::{collections::BTreeMap, io::Write as _, path::Path, process::Command};

use serde_json::Value;

use super::{
    Dashboard,
    expand::{Choice, Choices, Range, expand},
    files, list,
    rules::commands,
    text, word,
};
use crate::service::{Service, ended, filin, wait};

/// Tables whose order does not begin with the tenant.
const OTHER_ORDER: [&str; 2] = ["filin.dead_letters", "filin.integrity"];

struct Column {
    name: String,
    kind: String,
}

struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

fn ask(service: &Service, sql: &str) -> Result<Answer, String> {
    let answer: Value = serde_json::from_str(&raw(service, &format!("{sql}\nFORMAT JSONCompact"))?).expect("JSON");
    let column = |c: &Value| Column { name: word(c, "name").to_owned(), kind: plain(word(c, "type")).to_owned() };
    let row = |r: &Value| r.as_array().expect("a row").clone();
    Ok(Answer { columns: list(&answer, "meta").map(column).collect(), rows: list(&answer, "data").map(row).collect() })
}

/// Asks as Grafana does: as the reader, the database beside the query.
fn raw(service: &Service, sql: &str) -> Result<String, String> {
    let (status, text) =
        crate::service::request(service.clickhouse.trim_start_matches("http://"), "POST", "/?database=filin", sql.as_bytes());
    if status == 200 { Ok(text) } else { Err(format!("{text}\n{sql}")) }
}

/// The type without what may be absent or is stored once.
fn plain(kind: &str) -> &str {
    ["Nullable(", "LowCardinality("].iter().find_map(|wrap| kind.strip_prefix(wrap)?.strip_suffix(')')).map_or(kind, plain)
}

fn is_number(kind: &str) -> bool {
    ["UInt", "Int", "Float", "Decimal"].iter().any(|n| kind.starts_with(n))
}

fn is_time(kind: &str) -> bool {
    kind.starts_with("DateTime")
}

/// What is wrong with an answer for its panel.
fn misfit(panel: &Value, answer: &Answer) -> Option<String> {
    let kinds: Vec<&str> = answer.columns.iter().map(|c| c.kind.as_str()).collect();
    let texts = kinds.iter().filter(|k| **k == "String").count();
    let numbers = kinds.iter().filter(|k| is_number(k)).count();
    let wrong = match word(panel, "type") {
        "timeseries" => {
            let (first, values) = kinds.split_first()?;
            let ascending = answer.rows.is_sorted_by(|a, b| a[0].as_str() <= b[0].as_str());
            // Grafana leaves this name out of the legend: a series goes by its label, and overrides by name find it.
            let unnamed = answer.columns.iter().all(|c| !is_number(&c.kind) || c.name == "Value");
            (texts == 1) != unnamed
                || !is_time(first)
                || answer.columns[0].name != "time"
                || numbers == 0
                || texts > 1
                || numbers + texts < values.len()
                || !ascending
        }
        "stat" => answer.rows.len() > 1 || kinds.len() != 1 || numbers != 1,
        "bargauge" => kinds.len() != 2 || kinds[0] != "String" || !is_number(kinds[1]),
        "table" => kinds.iter().any(|k| ["Array", "Tuple", "Map", "Enum"].iter().any(|bad| k.starts_with(bad))),
        other => return Some(format!("{other} is not checked")),
    };
    wrong.then(|| format!("{kinds:?} with {} rows do not fit", answer.rows.len()))
}

/// Names in overrides and links that are no columns.
fn strangers(panel: &Value, answer: &Answer) -> Vec<String> {
    let column = |name: &str| answer.columns.iter().any(|c| c.name == name);
    // Series go by their label; an alert of each severity there need not be.
    let labels = answer.columns.iter().position(|c| panel["type"] == "timeseries" && c.kind == "String");
    let severity = |name: &str| ["critical", "high", "medium", "low"].contains(&name);
    let label = |name: &str| labels.is_some_and(|at| severity(name) || answer.rows.iter().any(|row| row[at] == name));
    let overridden = list(&panel["fieldConfig"], "overrides").map(|o| word(&o["matcher"], "options").to_owned());
    let mut found: Vec<String> = overridden.filter(|name| !label(name) && !column(name)).collect();
    let field = regex::Regex::new(r"\$\{__data\.fields\.(\w+)\}").expect("a pattern");
    let text = panel["fieldConfig"].to_string();
    found.extend(field.captures_iter(&text).map(|c| c[1].to_owned()).filter(|name| !column(name)));
    found
}

/// Tables that are read without their primary key although the query says which tenant.
fn scanned(plan: &str) -> Vec<String> {
    let reads = plan.split("ReadFromMergeTree (").skip(1);
    let table = |read: &str| read.split(')').next().unwrap_or_default().to_owned();
    let by_key = |read: &str| {
        read.split("PrimaryKey").nth(1).is_some_and(|rest| rest.split("Condition:").next().is_some_and(|keys| keys.contains("tenant")))
    };
    reads.filter(|read| !by_key(read)).map(table).filter(|t| !OTHER_ORDER.contains(&t.as_str())).collect()
}

/// A company with a leaver, key clients, attacks and some input that cannot be read.
fn company(root: &Path) -> Service {
    let out = root.join("company");
    let file = |name: &str| out.join(name).to_str().expect("a plain path").to_owned();
    let arguments = ["simulate", "--managers", "16", "--days", "40", "--seed", "3", "--attacks", "--attack-from", "20", "--out"];
    ended(filin(&[&arguments[..], &[out.to_str().expect("a plain path")]].concat()), 0);
    let reference = [file("users.csv"), file("clients.csv"), file("orders.csv")];
    let config = root.join("filin.toml");
    std::fs::write(&config, "[canary]\nfirst = \"1s\"\n[alerts]\nbudget = 4\n").expect("written");
    let config = config.to_str().expect("a plain path");
    let flags = ["--config", config, "--users", &reference[0], "--clients", &reference[1], "--orders", &reference[2]];
    let service = Service::start(&root.join("data"), &flags);
    let broken = root.join("broken.jsonl");
    std::fs::File::create(&broken).and_then(|mut f| f.write_all(b"{\"half\":\n{}\n")).expect("written");
    service.push("canonical", &[&broken]);
    service.push("canonical", &[&out.join("events.jsonl")]);
    service.settle();
    let mut mute = filin(&["mute", "add", "--control", "decoy", "--for", "1h", "--reason", "a list is cleaned", "--by", "an analyst"]);
    mute.arg("--data").arg(root.join("data"));
    ended(mute, 0);
    answers(&service);
    // What Filin finds by itself comes a little later.
    for table in ["canaries", "coverage_controls", "audit_findings", "mutes"] {
        wait(table, || (service.count(&format!("SELECT count() FROM filin.{table}")) > 0).then_some(()));
    }
    service
}

/// What people did about the alerts, who was told, what was learned from it, who looked up names: at the time of the alerts.
fn answers(service: &Service) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let write = |sql: &str| runtime.block_on(service.client().query(sql).execute()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    // An eighth of the alerts of each kind, in each team; those of the seventh are passed on and answered then.
    let numbered = "(SELECT *, (row_number() OVER (ORDER BY team, alert_id)) % 8 AS n FROM alerts_latest)";
    let act = |revision: u32, which: &str, action: &str, verdict: &str| {
        write(&format!(
            "INSERT INTO alert_actions (tenant, alert_id, revision, action_id, at, actor, actor_role, action, verdict, reason) \
             SELECT tenant, alert_id, {revision}, concat(alert_id, '-{revision}'), opened_at + INTERVAL {revision} HOUR, 'vera', 'supervisor', \
             '{action}', {verdict}, 'a reason' FROM {numbered} WHERE {which}"
        ));
    };
    act(1, "n < 5", "close", "['true_positive', 'benign_expected', 'false_positive', 'duplicate', 'unknown'][n + 1]");
    act(1, "n = 5", "acknowledge", "''");
    act(1, "n = 6", "escalate", "''");
    act(2, "n = 6", "close", "'true_positive'");
    let tell = |attempt: u32, which: &str, state: &str| {
        write(&format!(
            "INSERT INTO notifications SELECT tenant, alert_id, version, 'webhook', {attempt}, '{state}', if('{state}' = 'sent', '', 'busy'), \
             opened_at + INTERVAL {attempt} MINUTE FROM {numbered} WHERE {which}"
        ));
    };
    tell(0, "n < 7", "due");
    tell(0, "n = 7", "skipped");
    tell(1, "n < 4", "sent");
    tell(1, "n IN (4, 5)", "again");
    tell(2, "n = 5", "failed");
    // Newer than whatever the running instance says of its own.
    write(
        "INSERT INTO alert_priorities SELECT tenant, alert_id, version, score / 2, 'm', toDateTime64('2100-01-01 00:00:00', 3) FROM alerts_latest",
    );
    write(
        "INSERT INTO ranker_reports SELECT tenant, max(time), 210, 100, 52, 0.6, 0.7, true, 'better', 'm', ['control drip', 'bits'], [1.5, -0.5] \
         FROM alerts_latest GROUP BY tenant",
    );
    write(
        "INSERT INTO reveals SELECT tenant, max(time), 'a', 'vera', any(manager_alias), 'reveal', '', 'a case' FROM alerts_latest GROUP BY tenant",
    );
}

/// Ids, names and addresses of people, as the reference data say.
fn people(root: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(root.join("company/users.csv")).expect("users");
    let header = reader.headers().expect("a header").clone();
    let at = |name: &str| header.iter().position(|h| h == name).expect("a column");
    let columns = [at("id"), at("name"), at("emails"), at("phones")];
    let rows = reader.records().map(|r| r.expect("a row"));
    let all = rows.filter(|r| &r[at("kind")] == "user").flat_map(|r| columns.map(|c| r[c].to_owned()));
    all.filter(|text| text.len() >= 4).collect()
}

fn until_now(seconds: i64) -> Range {
    let to = filin::ops::clock::now().millis() / 1000 + 1;
    Range { from: to - seconds, to, interval_s: 60 }
}

#[test]
fn every_query_runs_on_a_real_engine() {
    let root = tempfile::tempdir().expect("a folder");
    let service = company(root.path());
    let to: i64 = service.ask("SELECT toInt64(max(toUnixTimestamp(time))) + 1 FROM filin.events").parse().expect("a number");
    let hour = Range { from: to - 3600, to, interval_s: 60 };
    let days = Range { from: to - 90 * 86_400, to, interval_s: 86_400 };
    let people = people(root.path());
    let alert = service.ask(
        "SELECT alert_id FROM filin.alerts_latest WHERE (kind = 'bulk_export' OR has(controls, 'chunked_export')) \
         AND alert_id IN (SELECT alert_id FROM filin.actions) ORDER BY bits DESC LIMIT 1",
    );
    let known: BTreeMap<&str, String> = BTreeMap::from([
        ("alert", alert.clone()),
        ("manager", service.ask(&format!("SELECT manager_alias FROM filin.alerts_latest WHERE alert_id = '{alert}'"))),
        ("leaver", service.ask("SELECT manager_alias FROM filin.managers WHERE terminated_at != '' LIMIT 1")),
    ]);
    assert!(known.values().all(|v| !v.is_empty() && !v.contains('\n')), "{known:?}");
    let (mut found, mut n) = (Vec::new(), 0);
    for d in Dashboard::all() {
        if d.source() == "prometheus" {
            continue;
        }
        let choices = |choose: &dyn Fn(&Value) -> Choice| -> Choices {
            d.variables().filter(|v| v["type"] != "datasource").map(|v| (word(v, "name").to_owned(), choose(v))).collect()
        };
        // One value: what is known, or the first that the variable itself offers.
        let mut one = Choices::new();
        for v in d.variables().filter(|v| v["type"] != "datasource") {
            let name = word(v, "name");
            let value = match known.get(name) {
                Some(value) => value.clone(),
                None if v["type"] == "custom" => word(v, "query").split(',').next().unwrap_or_default().to_owned(),
                None => {
                    let answer =
                        expand(word(v, "query"), &one, days).and_then(|sql| ask(&service, &sql)).unwrap_or_else(|e| panic!("{name}: {e}"));
                    let first = answer.rows.first().unwrap_or_else(|| panic!("{}: variable {name} offers nothing", d.uid()));
                    first[0].as_str().expect("a text").to_owned()
                }
            };
            one.insert(name.to_owned(), Choice::one(&value));
        }
        let all = choices(&|v| if v["includeAll"] == true { Choice::All } else { one[word(v, "name")].clone() });
        let quote = choices(&|_| Choice::one("O'Hara"));
        for (name, sql, panel) in d.queries() {
            let mut told = |what: String| found.push(format!("{name}: {what}"));
            let mut run = |choices: &Choices, range: Range| {
                let sql = expand(sql, choices, range).map_err(&mut told).ok()?;
                if sql.contains("$__") {
                    told(format!("a macro is left over: {sql}"));
                }
                ask(&service, &sql).map_err(&mut told).ok()
            };
            n += 1;
            // Dead letters carry the time of their refusal, canaries that of their run, which is now.
            let now = ["dead_letter_counts", "canaries"].iter().any(|table| sql.contains(table));
            let [days, hour] = if now { [90 * 86_400, 3600].map(until_now) } else { [days, hour] };
            let full = run(&all, days);
            let narrow = [run(&one, days), run(&quote, days), run(&all, hour), run(&one, hour), run(&quote, hour)];
            for answer in full.iter().chain(narrow.iter().flatten()) {
                if let Some(wrong) = panel.and_then(|p| misfit(p, answer)) {
                    told(wrong);
                }
            }
            let Some(answer) = full else { continue };
            if answer.rows.is_empty() {
                told("no rows although there is data".to_owned());
            }
            let strangers = panel.map(|p| strangers(p, &answer)).unwrap_or_default();
            if !strangers.is_empty() {
                told(format!("{strangers:?} are no columns"));
            }
            let person = answer.rows.iter().flatten().filter_map(Value::as_str).find(|cell| people.iter().any(|p| p == cell));
            if let Some(person) = person {
                told(format!("{person} is a person's: show the alias"));
            }
            if sql.contains("tenant = ${tenant") {
                let sql = expand(sql, &all, days).expect("it ran");
                match raw(&service, &format!("EXPLAIN indexes = 1 {sql}\nFORMAT TSVRaw")) {
                    Ok(plan) => scanned(&plan).into_iter().for_each(|table| told(format!("all of {table} is read"))),
                    Err(e) => told(e),
                }
            }
        }
    }
    assert!(found.is_empty(), "{} of {n} queries:\n{}", found.len(), found.join("\n"));
    assert!(n > 100, "{n} queries are few");
    runbooks(&service);
    // The check itself: a plan without a key is told.
    let plan = raw(&service, "EXPLAIN indexes = 1 SELECT count() FROM events WHERE channel = 'ui'\nFORMAT TSVRaw").expect("a plan");
    assert_eq!(scanned(&plan), ["filin.events"]);
    service.stop();
}

/// Commands of runbooks: pages that answer, queries that run, subcommands that exist.
fn runbooks(service: &Service) {
    for name in files("docs/runbooks", ".md") {
        for command in commands(&text(&format!("docs/runbooks/{name}"))) {
            let words: Vec<&str> = command.split_whitespace().collect();
            if let Some(rest) = command.strip_prefix("curl -sS http://127.0.0.1:8687") {
                let target = rest.split([' ', '\'']).next().unwrap_or_default();
                assert_eq!(service.http("GET", target, b"").0, 200, "{name}: {command}");
            } else if let Some(rest) = command.strip_prefix("curl -sS http://127.0.0.1:8123/ --data-binary \"") {
                let sql = rest.trim_end().strip_suffix('"').unwrap_or_else(|| panic!("{name}: {command}"));
                let (status, answer) =
                    crate::service::request(service.clickhouse.trim_start_matches("http://"), "POST", "/", sql.as_bytes());
                assert_eq!(status, 200, "{name}: {command}: {answer}");
            } else if words[0] == "filin" {
                let mut help = Command::new(env!("CARGO_BIN_EXE_filin"));
                help.args(words[1..].iter().take_while(|w| !w.starts_with('-'))).arg("--help");
                let said = String::from_utf8(ended(help, 0).stdout).expect("text");
                for flag in words.iter().filter(|w| w.starts_with("--")) {
                    assert!(said.contains(flag), "{name}: {command}: there is no {flag}");
                }
            } else {
                assert!(
                    ["journalctl", "systemctl", "df", "du", "ss", "timedatectl"].contains(&words[0]),
                    "{name}: {command} is not checked"
                );
            }
        }
    }
}
