//! Coverage and audit beside a running service, by the service itself, and without one.

use std::path::Path;

use serde_json::Value;

use crate::service::{Service, ended, filin, wait};

fn json(words: &[&str], data: &Path) -> Value {
    let mut command = filin(words);
    command.args(["--json", "--data", data.to_str().expect("a plain path")]);
    serde_json::from_slice(&ended(command, 0).stdout).expect("JSON")
}

fn event(id: &str, minute: u32, actor: &str, rest: &str) -> String {
    format!(r#"{{"id":"{id}","time":"2026-03-02T10:{minute:02}:00.000Z","source":"generic","actor":{{"id":"{actor}"}},{rest}}}"#)
}

const USERS: &str = "id,name,team,grade,supervisor,permissions,terminated_at,mfa\n\
                     u-1,Anna Petrova,north,senior,u-2,export;read,,true\nu-2,Boris,north,lead,u-2,export;read,,false\n\
                     u-3,Clara,south,middle,u-2,read,2026-03-01,\nu-4,Dmitri,south,junior,u-2,export,,true\n";

/// `finding manager subject` of each finding that is a person's.
fn people(found: &Value) -> Vec<String> {
    let all = found["findings"].as_array().expect("a list").iter();
    let word = |f: &Value, key: &str| f[key].as_str().expect("a text").to_owned();
    all.filter(|f| f["manager"] != "").map(|f| [word(f, "finding"), word(f, "manager"), word(f, "subject")].join(" ")).collect()
}

#[test]
fn what_is_blind_and_what_stands_open_is_told() {
    let root = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a plain path").to_owned()
    };
    let (data, users) = (root.path().join("data"), write("users.csv", USERS));
    let clients = write("clients.csv", "id,owner,team,tier\nc-1,u-1,north,key\nc-2,u-2,north,normal\n");
    let lines = [
        event("e-1", 1, "u-1", r#""action":"view","object":{"type":"client","id":"c-1"}"#),
        event("e-2", 2, "u-1", r#""action":"login","client":{"ip":"10.0.0.1"}"#),
        event("e-3", 3, "u-2", r#""action":"call","call":{"direction":"out","number":"+79990000001"}"#),
        event("e-0", 4, "u-1", r#""action":"view","object":{"type":"report","id":"r-1"}"#).replace("-03-02", "-02-26"),
    ];
    let events = write("events.jsonl", &lines.join("\n"));
    let service = Service::start(&data, &["--users", &users, "--clients", &clients]);
    service.push("canonical", &[Path::new(&events)]);
    service.settle();
    // The service looks by itself, soon after the start, and again a minute later.
    wait("the service's own survey", || (service.count("SELECT count() FROM filin.coverage WHERE action = 'call'") > 0).then_some(()));
    // Its tables are written one after another.
    let open = "SELECT manager FROM filin.audit_findings WHERE finding = 'open_account' AND open";
    wait("the service's own audit", || (!service.ask(open).is_empty()).then_some(()));
    assert_eq!(service.ask(open), "u-3");
    assert_eq!(service.count("SELECT uniqExact(control) FROM filin.coverage_controls"), filin::engine::control::ALL.len() as u64);

    let found = json(&["coverage"], &data);
    let tenant = &found["tenants"][0];
    assert_eq!((&tenant["tenant"], &tenant["newest"]), (&"default".into(), &"2026-03-02T10:03:00.000Z".into()), "{found}");
    let view = tenant["arrivals"].as_array().expect("a list").iter().find(|a| a["action"] == "view").expect("views");
    assert_eq!((&view["team"], &view["source"]), (&"north".into(), &"generic".into()));
    assert_eq!((&view["events_24h"], &view["events_7d"], &view["events_30d"]), (&1.into(), &2.into(), &2.into()), "{view}");
    let check = |control: &str, state: &str, reason: &str| {
        let verdict = tenant["controls"].as_array().expect("a list").iter().find(|v| v["control"] == control).expect("a control");
        let told = verdict["reasons"].to_string();
        assert!(verdict["state"] == state && told.contains(reason), "{control}: {verdict}");
    };
    check("key_client", "sees", "");
    // A number stands in the writer's own table only.
    check("unrelated_call", "sees", "");
    check("spraying", "sees", "");
    check("no_mfa", "blind", "no login event has auth.mfa, auth.mfa_method or reason");
    check("decoy", "blind", "no client is a decoy");
    check("bulk_export", "blind", "no export, print, api_query, report or list events");
    check("out_of_book", "partly", "tenants.default.access is not set");
    let reader = "SELECT arrayStringConcat(reasons_en) FROM filin.coverage_controls WHERE control = 'insecure_transport'";
    assert_eq!(service.ask(reader), "no event has client.tls");

    let open = json(&["audit"], &data);
    let expected = ["open_account u-3 ", "above_grade u-4 export", "no_mfa u-2 "];
    assert_eq!(people(&open), expected, "{open}");
    let alias = open["findings"][0]["manager_alias"].as_str().expect("an alias").to_owned();
    assert_eq!(alias.len(), 10);
    let mut command = filin(&["audit", "--lang", "ru"]);
    command.args(["--data", data.to_str().expect("a plain path")]);
    let text = String::from_utf8(ended(command, 0).stdout).expect("UTF-8");
    assert!(text.contains(&alias) && text.contains("доступ прекращён 2026-03-01"), "{text}");
    assert!(["u-3", "Clara", "Anna"].iter().all(|word| !text.contains(word)), "{text}");

    // The account is closed: the finding is, too, and says since when it was known.
    let closing = event("e-4", 5, "u-2", r#""action":"user_deactivate","change":{"target":"u-3"}"#);
    let closing = write("closing.jsonl", &closing);
    service.push("canonical", &[Path::new(&closing)]);
    service.settle();
    assert_eq!(people(&json(&["audit"], &data)), expected[1..]);
    let closed = "SELECT concat(toString(open), ' ', toString(since < at)) FROM filin.audit_findings WHERE finding = 'open_account'";
    assert_eq!(service.ask(closed), "false 1");
    service.stop();

    // Without a service the same is read from the folder, ...
    assert_eq!(people(&json(&["audit"], &data)), expected[1..]);
    assert_eq!(json(&["coverage", "--tenant", "default"], &data)["tenants"][0]["arrivals"].as_array().map(Vec::len), Some(4));
    ended(
        {
            let mut command = filin(&["coverage", "--tenant", "nobody"]);
            command.args(["--data", data.to_str().expect("a plain path")]);
            command
        },
        2,
    );
    // ... and the file alone needs neither: nothing tells there that the account was closed.
    let config = write("filin.toml", "[tenants.default]\nbackup_targets = ['nas']\n");
    let output = ended(filin(&["audit", "--users", &users, "--config", &config, "--json"]), 0);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(people(&found), expected);
    assert!(found.to_string().contains("names 1 of at least 2 places"), "{found}");
}
