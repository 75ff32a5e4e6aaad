//! Orders to a running instance: mutes, a policy read again, and the ticks that it writes by itself.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::service::{Service, ended, filin, wait};

/// An event of now, when a tick can come after it.
fn event(id: &str, decoy: bool) -> String {
    let time = filin::ops::clock::now().to_string();
    let client = if decoy { "c-decoy" } else { "c-1" };
    json!({"id": id, "time": time, "source": "crm", "actor": {"id": "anna"}, "action": "view", "object": {"type": "client", "id": client}})
        .to_string()
}

fn push(service: &Service, root: &Path, lines: &[String]) {
    let file = root.join("events.jsonl");
    fs::write(&file, lines.join("\n")).expect("written");
    service.push("canonical", &[&file]);
    service.settle();
}

fn mute(data: &Path, words: &[&str]) -> Value {
    let mut command = filin(&["mute"]);
    command.args(words).args(["--json", "--data", data.to_str().expect("a plain path")]);
    serde_json::from_slice(&ended(command, 0).stdout).expect("JSON")
}

#[test]
fn a_running_instance_hears_mutes_reads_its_policy_again_and_ticks() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, config) = (root.path().join("data"), root.path().join("filin.toml"));
    fs::write(root.path().join("users.csv"), "id,team,grade\nanna,a,junior\nboris,b,senior\n").expect("written");
    fs::write(root.path().join("clients.csv"), "id,owner,team,decoy\nc-1,boris,b,\nc-decoy,boris,b,true\n").expect("written");
    let written = |more: &str| {
        let users = root.path().join("users.csv");
        let clients = root.path().join("clients.csv");
        let text = format!(
            "[reference]\nusers = {:?}\nclients = {:?}\n[embedded]\nlisten = '127.0.0.1:0'\n{more}",
            users.to_str().expect("plain"),
            clients.to_str().expect("plain")
        );
        fs::write(&config, text).expect("written");
    };
    written("");
    let service = Service::start(&data, &["--config", config.to_str().expect("a plain path")]);
    let alerts = |control: &str| service.count(&format!("SELECT uniqExact(alert_id) FROM filin.alerts WHERE has(controls, '{control}')"));
    let muted = |control: &str| service.count(&format!("SELECT count() FROM filin.signals FINAL WHERE control = '{control}' AND muted"));

    let order = mute(&data, &["add", "--control", "decoy", "--for", "2h", "--reason", "a test", "--by", "vera", "--from", "2026-01-01"]);
    let id = order["mute"]["id"].as_str().expect("an id").to_owned();
    push(&service, root.path(), &[event("e1", true)]);
    assert_eq!((alerts("decoy"), muted("decoy")), (0, 1), "it is quiet, and known");
    let listed = wait("the mute to be stored", || mute(&data, &["list"]).as_array().filter(|l| !l.is_empty()).cloned());
    assert_eq!(
        (listed[0]["id"].as_str(), listed[0]["about"].as_str(), listed[0]["by"].as_str()),
        (Some(&*id), Some("control decoy"), Some("vera"))
    );
    mute(&data, &["lift", &id, "--reason", "over", "--by", "vera"]);
    push(&service, root.path(), &[event("e2", true)]);
    assert_eq!(alerts("decoy"), 1, "what was found today is told as soon as it may be");
    let wrong = {
        let mut command = filin(&["mute", "add", "--control", "nonsense", "--for", "1h", "--reason", "x", "--by", "v"]);
        command.args(["--data", data.to_str().expect("a plain path")]);
        ended(command, 2)
    };
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("filin controls"));

    // Other people's clients are no broken rule until the tenant says so.
    push(&service, root.path(), &[event("e3", false)]);
    assert_eq!(service.count("SELECT count() FROM filin.signals WHERE control = 'out_of_book'"), 0);
    written("[tenants.default]\naccess = 'own'\n");
    let hang_up = || assert!(Command::new("kill").args(["-HUP", &service.pid().to_string()]).status().expect("kill").success());
    hang_up();
    wait("the policy in the log", || {
        let n = service.logged("SELECT count() FROM log WHERE position(record, '\"access\":\"own\"') > 0");
        (n > 0).then_some(())
    });
    push(&service, root.path(), &[event("e4", false)]);
    assert_eq!(service.count("SELECT count() FROM filin.signals FINAL WHERE control = 'out_of_book'"), 1);
    // A file with mistakes changes nothing.
    written("[tenants.default]\naccess = 'nobody'\n");
    hang_up();
    push(&service, root.path(), &[event("e5", false)]);

    let ticks = "SELECT count() FROM log WHERE position(record, '\"tick\":') > 0";
    wait("a tick", || (service.logged(ticks) > 0).then_some(()));
    service.stop();
    let mut command = filin(&["replay", "--from-log", "--verify", "--alerts"]);
    command.arg(root.path().join("again.jsonl")).args(["--data", data.to_str().expect("a plain path")]);
    ended(command, 0);
}

/// With a ClickHouse server the command line finds the instance through it.
#[cfg(feature = "kafka")]
#[test]
fn beside_a_server_the_command_line_finds_the_instance_as_well() {
    let root = tempfile::tempdir().expect("a folder");
    let server = crate::pipeline::Server::start(&root.path().join("server"));
    let access = server.access();
    let (config, clients, events) = (root.path().join("filin.toml"), root.path().join("clients.csv"), root.path().join("events.jsonl"));
    fs::write(&clients, "id,owner,team,decoy\nc-decoy,boris,b,true\n").expect("written");
    let text = format!(
        "[reference]\nclients = {clients:?}\n[clickhouse]\nurl = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n\
         [privacy]\nalias_key = \"a key for this test, long enough\"\n[canary]\nenabled = false\n",
        access.url, access.user, access.password
    );
    fs::write(&config, text).expect("written");
    let ask = |words: &[&str], code: i32| {
        let mut command = filin(words);
        command.arg("--config").arg(&config);
        ended(command, code)
    };
    let mute = ["mute", "add", "--manager", "boris", "--for", "1h", "--reason", "a test", "--by", "vera"];
    let said = String::from_utf8(ask(&mute, 1).stderr).expect("text");
    assert!(said.contains("no Filin runs here"), "{said}");
    let service = Service::start(&root.path().join("data"), &["--config", config.to_str().expect("plain")]);
    fs::write(&events, event("e1", true)).expect("written");
    service.push("canonical", &[&events]);
    let id = wait("the alert", || {
        let alerts: Value = serde_json::from_str(&service.http("GET", "/v1/alerts", b"").1).ok()?;
        alerts["alerts"][0]["alert_id"].as_str().map(str::to_owned)
    });
    ask(&mute, 0);
    ask(&["verdict", &id, "benign_expected", "--reason", "a drill", "--by", "vera"], 0);
    assert!(service.http("GET", "/v1/alerts?state=closed", b"").1.contains(&id));
    service.stop();
    let said = String::from_utf8(ask(&mute, 1).stderr).expect("text");
    assert!(said.contains("does not answer"), "{said}");
}

#[test]
fn what_is_usual_is_shown_and_begins_anew() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let state = |words: &[&str], code: i32| {
        let mut command = filin(&["state"]);
        command.args(words).args(["--data", data.to_str().expect("a plain path")]);
        ended(command, code)
    };
    let shown = || -> Value { serde_json::from_slice(&state(&["show", "anna", "--json"], 0).stdout).expect("JSON") };
    let said = |words: &[&str], code| String::from_utf8(state(words, code).stderr).expect("text");
    let service = Service::start(&data, &[]);
    let now = filin::ops::clock::now();
    let hours = |n: i64| now.plus(-n * 3_600_000).to_string();
    let event = |n: i64| json!({"id": n.to_string(), "time": hours(n), "source": "crm", "actor": {"id": "anna"}, "action": "report", "records": 300});
    // Ten days of six reports, oldest first.
    let lines: Vec<String> = (0..10).rev().flat_map(|day| (0..6).rev().map(move |i| day * 24 + i)).map(|n| event(n).to_string()).collect();
    push(&service, root.path(), &lines);
    let learned = |p: &Value| p["learned_days"].as_f64().expect("a number");
    let before = wait("a checkpoint", || {
        // A state counts once the checkpoint behind it is there.
        let hers = "FROM manager_state WHERE manager = 'anna'";
        let stored = service.logged(&format!(
            "SELECT count() FROM checkpoints WHERE partition IN (SELECT partition {hers}) AND log_offset >= (SELECT min(epoch) {hers})"
        ));
        (stored > 0).then(shown).filter(|p| learned(p) > 3.0)
    });
    let screen = before["usual"].as_array().expect("a list").iter().find(|u| u["detector"] == "rec_scr").expect("it is counted");
    assert!((1000.0..2500.0).contains(&screen["mid"].as_f64().expect("a number")), "{screen}");
    let text = String::from_utf8(state(&["show", "anna"], 0).stdout).expect("text");
    assert!(text.contains("rec_scr") && text.contains("Mon") && text.contains("days learned"), "{text}");

    assert!(said(&["show", "nobody"], 1).contains("nothing is known of \"nobody\""));
    let reset = |who: &str, code| said(&["reset", who, "--reason", "the account went to boris", "--by", "root"], code);
    assert!(reset("nobody", 1).contains("nothing is known"));
    reset("anna", 0);
    let of_log =
        "SELECT count() FROM log WHERE position(record, '\"reset\":{\"manager\":\"anna\"') > 0 AND position(record, 'went to boris') > 0";
    assert_eq!(service.logged(of_log), 1);
    // A state is written when something changed.
    push(&service, root.path(), &[event(-1).to_string().replace(&hours(-1), &now.to_string())]);
    wait("what was learned to be forgotten", || Some(learned(&shown())).filter(|n| *n <= 0.0));
    service.stop();
    assert!(learned(&shown()) <= 0.0, "nothing needs to run");
    let mut migrate = filin(&["migrate"]);
    migrate.args(["--data", data.to_str().expect("a plain path")]);
    assert_eq!(String::from_utf8(ended(migrate, 0).stdout).expect("text"), "the tables are up to date\n");
}
