//! A log is replaced by one with another number of partitions: nothing is scored twice, nothing is forgotten.

use std::{collections::BTreeMap, fs, path::Path};

use filin::{ops::clock, store::state};
use serde_json::{Value, json};

use crate::service::{Service, ended, filin};

/// The digest of each state, as a replay of the log gives it at the newest checkpoint.
fn states(root: &Path, data: &str) -> BTreeMap<(String, String), String> {
    let file = |name: &str| root.join(name).to_str().expect("plain").to_owned();
    let (alerts, states) = (file("again.jsonl"), file("states.jsonl"));
    ended(filin(&["replay", "--from-log", "--verify", "--alerts", &alerts, "--states", &states, "--data", data]), 0);
    let text = fs::read_to_string(states).expect("states");
    let one = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        ((word("tenant"), word("manager")), word("digest"))
    };
    text.lines().map(one).collect()
}

#[test]
fn a_company_goes_on_in_a_log_of_other_partitions() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let place = data.to_str().expect("plain").to_owned();
    let company = root.path().join("company");
    let file = |name: &str| company.join(name).to_str().expect("plain").to_owned();
    let made = ["--managers", "5", "--days", "24", "--seed", "9", "--attacks", "--attack-from", "8", "--out", &file("")];
    ended(filin(&[&["simulate"], &made[..]].concat()), 0);
    let text = fs::read_to_string(file("events.jsonl")).expect("events");
    let lines: Vec<&str> = text.lines().collect();
    let half = lines.len() / 2;
    let part = |name: &str, lines: &[&str]| {
        let path = root.path().join(name);
        fs::write(&path, lines.join("\n")).expect("written");
        path
    };
    let (first, second) = (part("first.jsonl", &lines[..half]), part("second.jsonl", &lines[half..]));
    let [users, clients, orders] = ["users.csv", "clients.csv", "orders.csv"].map(file);
    let start = || Service::start(&data, &["--users", &users, "--clients", &clients, "--orders", &orders]);
    let reshard =
        |partitions: &str, code: i32| ended(filin(&["log", "reshard", "--partitions", partitions, "--json", "--data", &place]), code);

    let nothing = filin(&["log", "reshard", "--partitions", "3", "--data", &file("nowhere")]);
    assert!(String::from_utf8_lossy(&ended(nothing, 1).stderr).contains("there is no folder"));
    let service = start();
    service.push("canonical", &[&first]);
    service.settle();
    let refused = reshard("5", 1);
    assert!(!refused.stderr.is_empty() && refused.stdout.is_empty(), "beside a running instance");
    service.stop();
    reshard("0", 2);

    let before = states(root.path(), &place);
    assert!(before.len() > 5, "{before:?}");
    let done: Value = serde_json::from_slice(&reshard("5", 0).stdout).expect("JSON");
    assert_eq!((&done["from"]["partitions"], &done["to"]["partitions"]), (&json!(32), &json!(5)), "{done}");
    assert!(done["from"]["log_id"] != done["to"]["log_id"] && done["managers"].as_u64() >= Some(5), "{done}");
    assert_eq!(states(root.path(), &place), before, "not a byte of what was learned is another one");

    // What was read before is known; what is new goes on from there.
    let service = start();
    let (events, alerts) =
        ("SELECT uniqExact(source, id) FROM filin.events WHERE tenant = 'default'", "SELECT uniqExact(alert_id) FROM filin.alerts");
    let counted = (service.count(events), service.count(alerts));
    service.push("canonical", &[&first]);
    service.settle();
    assert_eq!((service.count(events), service.count(alerts)), counted, "repeats are repeats");
    let old: Vec<String> =
        service.ask("SELECT DISTINCT alert_id FROM filin.alerts ORDER BY alert_id FORMAT TSV").lines().map(str::to_owned).collect();
    service.push("canonical", &[&second]);
    service.settle();
    assert_eq!(service.count(events), lines.len() as u64);
    assert!(service.count(alerts) > counted.1, "it alerts");
    if let Some(alert) = old.first() {
        let close = json!({"action": "close", "verdict": "benign_expected", "reason": "a test", "revision": 0});
        assert_eq!(service.json(&format!("/v1/alerts/{alert}/actions"), &close).0, 200);
        service.settle();
    }
    service.stop();

    let after = states(root.path(), &place);
    assert!(before.keys().all(|who| after.contains_key(who)) && after != before);
    // Each alert is proved by the chain of the log that made it, the answer by that of the log in force.
    let report: Value = serde_json::from_slice(&ended(filin(&["verify", "--json", "--data", &place]), 0).stdout).expect("JSON");
    assert_eq!((&report["waiting"], &report["actions"]), (&json!(0), &json!(old.len().min(1))), "{report}");
    // Once more, to more than there were.
    reshard("40", 0);
    assert_eq!(states(root.path(), &place), after);
    ended(filin(&["verify", "--data", &place]), 0);
}

#[cfg(feature = "kafka")]
#[test]
fn a_topic_is_followed_by_another() {
    use crate::service::wait;

    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let users = root.path().join("users.jsonl");
    let left = |id: &str| json!({"tenant": "default", "id": id, "terminated_at": "2026-03-01"}).to_string();
    fs::write(&users, [left("anna"), left("boris")].join("\n")).expect("written");
    let text = format!(
        "[kafka]\nbrokers = [{:?}]\ngroup = \"reshard\"\nlog_topic = \"reshard.log\"\npartitions = 2\n[reference]\nusers = {users:?}\n\
         [embedded]\nlisten = \"127.0.0.1:0\"\ndata = {data:?}\n[[bindings]]\ntopic = \"reshard.raw\"\ntenant = \"default\"\nformat = \"canonical\"\n",
        crate::kafka::address(),
    );
    let config = root.path().join("filin.toml");
    fs::write(&config, text).expect("written");
    let config = config.to_str().expect("plain");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(crate::kafka::make("reshard.raw", 1));
    let event = |id: &str, who: &str| {
        json!({"id": id, "time": "2026-03-12T09:00:00Z", "source": "crm", "actor": {"id": who}, "action": "export",
            "object": {"type": "client"}, "records": 900})
        .to_string()
    };
    let send = |events: &[String]| {
        runtime.block_on(crate::kafka::send("reshard.raw", &events.iter().map(String::as_str).collect::<Vec<_>>()));
    };
    let start = || Service::start(&data, &["--config", config]);
    let about =
        |service: &Service, who: &str| service.count(&format!("SELECT uniqExact(alert_id) FROM filin.alerts WHERE manager = '{who}'"));
    let service = start();
    send(&[event("1", "anna")]);
    wait("an alert", || (about(&service, "anna") == 1).then_some(()));
    service.stop();

    let reshard = || filin(&["log", "reshard", "--partitions", "3", "--config", config]).output().expect("it runs");
    // A member that left is one for a moment more.
    let done = wait("the new log", || Some(reshard()).filter(|o| o.status.success()));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("of 3 partitions is in force") && said.contains("its topic is reshard.log-2"), "{said}");

    let service = start();
    send(&[event("1", "anna"), event("2", "boris")]);
    wait("another alert", || (about(&service, "boris") == 1).then_some(()));
    assert_eq!((about(&service, "anna"), service.count("SELECT count() FROM filin.events FINAL WHERE tenant = 'default'")), (1, 2));
    let offsets = service.ask("SELECT min(log_offset), max(log_offset) FROM filin.events WHERE tenant = 'default' FORMAT TSV");
    let (old, new) = offsets.split_once('\t').expect("two");
    assert!(old.parse::<u64>().expect("one") < new.parse::<u64>().expect("one"), "offsets go on: {offsets}");
    service.stop();
    let alerts = root.path().join("again.jsonl");
    ended(filin(&["replay", "--from-log", "--verify", "--config", config, "--alerts", alerts.to_str().expect("plain")]), 0);
    ended(filin(&["verify", "--config", config]), 0);
}

#[cfg(feature = "kafka")]
#[test]
fn whoever_only_takes_events_in_stops_before_a_log_ends() {
    let root = tempfile::tempdir().expect("a folder");
    let server = crate::pipeline::Server::start(&root.path().join("server"));
    let access = server.access();
    let text = format!(
        "[kafka]\nbrokers = [{:?}]\ngroup = \"closing\"\nlog_topic = \"closing.log\"\npartitions = 2\n\
         [clickhouse]\nurl = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n[privacy]\nalias_key = \"a key for this test, long enough\"\n",
        crate::kafka::address(),
        access.url,
        access.user,
        access.password
    );
    let config = root.path().join("filin.toml");
    fs::write(&config, text).expect("written");
    let config = config.to_str().expect("plain");
    // It is a member of no group: nobody sees it but by what it does.
    let service = Service::start(&root.path().join("data"), &["--config", config, "--role", "normalise"]);
    let events = root.path().join("events.jsonl");
    fs::write(&events, crate::integrity::event("e1", &json!({"action": "export", "records": 500}))).expect("written");
    service.push("canonical", &[&events]);
    ended(filin(&["log", "reshard", "--partitions", "3", "--config", config]), 0);
    assert_eq!(service.end(), Some(1), "it was told that the log is replaced");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let scored = filin::store::client(&access);
    let scored = scored.query("SELECT count() FROM events WHERE tenant = 'default'");
    assert_eq!(runtime.block_on(scored.fetch_one::<u64>()).expect("a number"), 1, "what it took in is scored");
    // A supervisor starts it again at once: not before the command is done.
    let client = filin::store::client(&access);
    let say = |mark: &str| runtime.block_on(state::set_meta(&client, state::LOG_CLOSING, mark)).expect("said");
    say(&clock::now().millis().to_string());
    let data = root.path().join("again");
    let again = filin(&["run", "--listen", "127.0.0.1:0", "--config", config, "--data", data.to_str().expect("plain")]);
    let error = String::from_utf8(ended(again, 1).stderr).expect("text");
    assert!(error.contains("is replacing the log"), "{error}");
    // Whoever gave it has died.
    say(&clock::now().plus(-660_000).millis().to_string());
    Service::start(&data, &["--config", config]).stop();
}
