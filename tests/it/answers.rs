//! Answers to alerts, through a running instance: a row, a record in the log, an alert that is linked, and the same again by replay.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::service::{Service, ended, filin, wait};

/// What somebody does now.
fn event(id: &str, what: &Value) -> String {
    let mut event = json!({"id": id, "time": filin::ops::clock::now().to_string(), "source": "crm", "actor": {"id": "anna"}});
    for (key, value) in what.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event.to_string()
}

fn push(service: &Service, root: &Path, line: &str) {
    let file = root.join("events.jsonl");
    fs::write(&file, line).expect("written");
    service.push("canonical", &[&file]);
    service.settle();
}

#[test]
fn an_answer_ends_an_alert_and_the_next_one_is_linked() {
    let root = tempfile::tempdir().expect("a folder");
    let (root, data) = (root.path(), root.path().join("data"));
    fs::write(root.join("users.csv"), "id,team,grade\nanna,a,junior\nboris,b,senior\n").expect("written");
    fs::write(root.join("clients.csv"), "id,owner,team,decoy\nc-1,anna,a,\nc-decoy,boris,b,true\n").expect("written");
    let file = |name: &str| root.join(name).to_str().expect("a plain path").to_owned();
    let service = Service::start(&data, &["--users", &file("users.csv"), "--clients", &file("clients.csv")]);
    let alerts = |query: &str| {
        let (status, text) = service.http("GET", &format!("/v1/alerts{query}"), b"");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).expect("JSON")["alerts"].as_array().expect("a list").clone()
    };
    let verdicts = || service.logged("SELECT count() FROM log WHERE position(record, '\"verdict\":{') > 0");

    push(&service, root, &event("e1", &json!({"action": "view", "object": {"type": "client", "id": "c-decoy"}})));
    let first = alerts("").remove(0);
    let id = first["alert_id"].as_str().expect("an id").to_owned();
    assert_eq!((&first["state"], &first["revision"], &first["linked"]), (&json!("open"), &json!(0), &json!([])));
    let path = format!("/v1/alerts/{id}/actions");
    let act = |order: Value| service.json(&path, &order);
    let (status, said) = act(json!({"action": "comment", "comment": "asked her", "revision": 0, "by": "boris"}));
    assert_eq!((status, &said["action"]["actor"]), (200, &json!("boris")), "{said}");
    // Whoever has not seen the comment decides nothing.
    let close =
        |revision: u32| json!({"action": "close", "verdict": "benign_expected", "reason": "a drill", "revision": revision, "by": "boris"});
    let (status, said) = act(close(0));
    assert_eq!((status, &said["code"]), (409, &json!("stale_revision")), "{said}");
    assert_eq!(verdicts(), 0);
    let (status, done) = act(close(1));
    assert_eq!((status, &done["action"]["revision"]), (200, &json!(2)), "{done}");
    assert_eq!(act(close(1)), (200, done), "asked the same again");
    assert_eq!(verdicts(), 1);
    assert_eq!(service.ask("SELECT state, verdict, revision FROM filin.alert_states"), "closed\tbenign_expected\t2");
    assert_eq!(service.ask("SELECT action FROM filin.actions ORDER BY revision"), "comment\nclose");
    service.settle();

    push(&service, root, &event("e2", &json!({"action": "logout"})));
    assert_eq!(service.count("SELECT uniqExact(alert_id) FROM filin.alerts"), 1, "it was answered");
    push(&service, root, &event("e3", &json!({"action": "export", "records": 500})));
    let next = alerts("").into_iter().find(|a| a["alert_id"] != *id).expect("another alert");
    assert_eq!((&next["linked"], &next["version"], &next["state"]), (&json!([id]), &json!(1), &json!("open")));
    assert_eq!(
        service.count(&format!("SELECT max(version) FROM filin.alerts WHERE alert_id = '{id}'")),
        1,
        "an answered alert does not grow"
    );

    let next = next["alert_id"].as_str().expect("an id").to_owned();
    let verdict = |alert: &str, word: &str, code: i32| {
        let mut command = filin(&["verdict", alert, word, "--reason", "she left with it", "--by", "vera", "--json"]);
        command.args(["--data", data.to_str().expect("a plain path")]);
        ended(command, code)
    };
    let done: Value = serde_json::from_slice(&verdict(&next, "true_positive", 0).stdout).expect("JSON");
    assert_eq!(
        (&done["action"]["actor"], &done["action"]["role"], &done["action"]["revision"]),
        (&json!("vera"), &json!("admin"), &json!(1))
    );
    verdict(&next, "fine", 2);
    verdict("00000000-0000-5000-8000-000000000000", "unknown", 1);
    assert_eq!((alerts("?state=closed").len(), alerts("?state=open").len()), (2, 0));
    let (status, page) = service.http("GET", &format!("/alerts/{id}?lang=ru"), b"");
    assert!(status == 200 && page.contains("это была работа") && page.contains("asked her"), "{page}");
    let (status, text) = service.http("GET", &format!("/v1/alerts/{id}"), b"");
    assert!(status == 200 && text.contains("\"reason\":\"a drill\""), "{text}");

    wait("both verdicts in the log", || (verdicts() == 2).then_some(()));
    service.settle();
    service.stop();
    let mut command = filin(&["replay", "--from-log", "--verify", "--alerts"]);
    command.arg(root.join("again.jsonl")).args(["--data", data.to_str().expect("a plain path")]);
    ended(command, 0);
}
