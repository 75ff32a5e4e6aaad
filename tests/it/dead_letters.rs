//! Dead letters through the command line: listed, shown, and read again after a fix, once.

use std::path::Path;

use serde_json::Value;

use crate::service::{Service, ended, filin};

/// Runs `filin dead-letters` on a folder; returns what it printed.
fn letters(data: &Path, words: &[&str], code: i32) -> String {
    let mut command = filin(&["dead-letters"]);
    command.args(words).args(["--data", data.to_str().expect("a plain path")]);
    let output = ended(command, code);
    let text = if code == 0 { output.stdout } else { output.stderr };
    String::from_utf8(text).expect("UTF-8")
}

fn json(data: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&letters(data, &[words, &["--json"]].concat(), 0)).expect("JSON")
}

fn event(id: &str, minute: u32, rest: &str) -> String {
    format!(
        r#"{{"id":"{id}","time":"2026-03-02T10:{minute:02}:00.000Z","source":"generic","actor":{{"id":"u-1"}},"action":"view","object":{{"type":"client","id":"c-1"}}{rest}}}"#
    )
}

#[test]
fn what_was_read_wrong_is_read_again_once() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, file) = (root.path().join("data"), root.path().join("events.jsonl"));
    let lines = [
        event("e-1", 1, ""),
        event("e-2", 2, r#","attrs":{"api_key":"k-secret","note":"kept"}"#),
        r#"{"id":"never","password":"p-secret","oops"#.to_owned(),
    ];
    std::fs::write(&file, lines.join("\n")).expect("written");
    let service = Service::start(&data, &[]);
    // Events of our own as if they were HubSpot's.
    service.push("hubspot", &[&file]);
    assert_eq!(letters(&data, &["list"], 0).lines().filter(|l| l.contains("bad_json")).count(), 2, "one, and its count");
    let all = json(&data, &["list"]);
    assert_eq!(all["letters"].as_array().map(Vec::len), Some(3), "{all}");
    let of = |offset: u64| all["letters"].as_array().and_then(|l| l.iter().find(|l| l["offset"] == offset)).expect("a letter");
    assert_eq!((&of(2)["code"], &of(2)["format"]), (&"bad_json".into(), &"hubspot".into()));
    let wrong = of(0)["code"].as_str().expect("a code").to_owned();
    let id = |offset: u64| of(offset)["id"].as_str().expect("an id").to_owned();
    // Secrets were not stored: the store itself is asked.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let kept =
        runtime.block_on(service.client().query("SELECT arrayStringConcat(groupArray(raw)) FROM dead_letters").fetch_one::<String>());
    let kept = kept.expect("a text");
    assert!(!kept.contains("secret") && kept.contains("kept") && kept.contains(r#""password":"***""#), "{kept}");
    let shown = letters(&data, &["show", &id(1)[..12]], 0);
    assert!(shown.contains("format     hubspot") && shown.contains(r#""note":"kept""#), "{shown}");
    // As it was: nothing changes.
    let done = json(&data, &["retry", &id(0)]);
    assert_eq!((&done["events"], &done["settled"], &done["left"][0]["code"]), (&0.into(), &0.into(), &wrong.as_str().into()));
    assert_eq!(json(&data, &["list"]), all);
    // In the format that it is.
    let done = json(&data, &["retry", "--reason", &wrong, "--format", "canonical"]);
    assert_eq!((&done["events"], &done["known"], &done["settled"]), (&2.into(), &0.into(), &2.into()), "{done}");
    service.settle();
    let stored = "SELECT arrayStringConcat(arraySort(groupArray(concat(source, '/', id))), ' ') FROM filin.events";
    assert_eq!(service.ask(stored), "generic/e-1 generic/e-2");
    let left = json(&data, &["list"]);
    assert_eq!((left["letters"].as_array().map(Vec::len), &left["letters"][0]["offset"]), (Some(1), &2.into()), "{left}");
    assert_eq!(service.ask("SELECT sum(count) FROM filin.dead_letter_counts"), "1");
    assert!(letters(&data, &["show", &id(0)], 0).contains("state      accepted"));
    // A second time, and the file itself: every event is there once.
    let again = json(&data, &["retry", &id(0), &id(1), "--format", "canonical"]);
    assert_eq!((&again["letters"], &again["events"]), (&0.into(), &0.into()), "{again}");
    let lines = "SELECT count() FROM log WHERE position(record, 'e-1') > 0";
    let logged = |sql: &str| runtime.block_on(service.client().query(sql).fetch_one::<u64>()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(logged(lines), 1, "one line of the log");
    service.push("canonical", &[&file]);
    service.settle();
    assert_eq!(service.count("SELECT count() FROM filin.events"), 2);
    service.stop();
    // Without a running instance the same commands open the folder.
    let left = json(&data, &["list", "--reason", "bad_json"]);
    assert_eq!(left["letters"].as_array().map(Vec::len), Some(1), "{left}");
    let done = json(&data, &["retry", "--all"]);
    assert_eq!((&done["letters"], &done["left"][0]["code"]), (&1.into(), &"bad_json".into()), "{done}");
    letters(&data, &["show", "ffffffffffff"], 1);
    letters(&data, &["retry"], 2);
    letters(&data, &["list", "--reason", "nosuch"], 2);
}

#[test]
fn rows_keep_their_header_and_are_read_again_by_their_binding() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, file) = (root.path().join("data"), root.path().join("log.csv"));
    let row = |id: &str, minute: u32| format!("Login,2026-03-02T11:{minute:02}:00.000Z,{id},0057Q00000AbXyZQAV,LOGIN_NO_ERROR\n");
    let text =
        format!("EVENT_TYPE,TIMESTAMP_DERIVED,REQUEST_ID,USER_ID_DERIVED,LOGIN_STATUS\n{}{}Login,short\n", row("r1", 1), row("r2", 2));
    std::fs::write(&file, text).expect("written");
    let service = Service::start(&data, &[]);
    // A CSV file is pushed as it is, and a row that does not fit is kept with its header.
    service.push("salesforce-elf", &[&file]);
    service.settle();
    assert_eq!(service.count("SELECT count() FROM filin.events"), 2);
    let left = json(&data, &["list"]);
    assert_eq!((&left["counts"]["bad_csv"], &left["letters"][0]["offset"]), (&1.into(), &3.into()), "{left}");
    let shown = letters(&data, &["show", left["letters"][0]["id"].as_str().expect("an id")], 0);
    assert!(shown.contains("\"EVENT_TYPE\",") && shown.ends_with("Login,short\n"), "{shown}");
    // The same file in a format that has no rows: every line is a letter, the header too, and together they are the file.
    std::fs::write(
        &file,
        format!("EVENT_TYPE,TIMESTAMP_DERIVED,REQUEST_ID,USER_ID_DERIVED,LOGIN_STATUS\n{}{}", row("r3", 3), row("r4", 4)),
    )
    .expect("written");
    service.push("canonical", &[&file]);
    let binding = root.path().join("binding.toml");
    std::fs::write(&binding, "format = \"salesforce-elf\"\nactor_prefix = \"sf-\"\n").expect("written");
    let done = json(&data, &["retry", "--reason", "bad_json", "--binding", binding.to_str().expect("a plain path")]);
    assert_eq!((&done["events"], &done["settled"], &done["left"]), (&2.into(), &3.into(), &serde_json::json!([])), "{done}");
    service.settle();
    let prefixed = "SELECT count() FROM filin.events WHERE manager = 'sf-0057Q00000AbXyZQAV'";
    assert_eq!((service.count("SELECT count() FROM filin.events"), service.count(prefixed)), (4, 2));
    service.stop();
}
