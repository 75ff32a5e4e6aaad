//! One whole pipeline per transport: raw records of a source through a Kafka topic, alerts and signals out of
//! ClickHouse.

#![cfg(feature = "kafka")]

use std::{fmt::Write as _, path::Path};

use crate::service::{Service, wait};

/// Starts a service that reads one topic, with its own log and reference data.
fn start(root: &Path, name: &str, binding: &str, users: &str, clients: &str) -> Service {
    let file = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let (users, clients) = (file("users.jsonl", users), file("clients.jsonl", clients));
    let text = format!(
        "[kafka]\nbrokers = [{:?}]\ngroup = \"{name}\"\nlog_topic = \"{name}.log\"\npartitions = 1\n\
         [reference]\nusers = {users:?}\nclients = {clients:?}\n[embedded]\nlisten = \"127.0.0.1:0\"\n\
         [[bindings]]\ntopic = \"{name}.raw\"\ntenant = \"default\"\n{binding}\n",
        crate::kafka::address(),
    );
    let config = file("filin.toml", &text);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(crate::kafka::make(&format!("{name}.raw"), 1));
    Service::start(&root.join("data"), &["--config", config.to_str().expect("a plain path")])
}

fn send(name: &str, records: &[&str], headers: &[(&str, &str)]) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(crate::kafka::send_with(&format!("{name}.raw"), records, headers));
}

/// Waits for an alert of a manager by a control, and for its evidence: the only event.
fn alert(service: &Service, manager: &str, control: &str, event: &str) {
    let sql = format!(
        "SELECT arrayStringConcat(event_ids, ' ') FROM filin.alerts WHERE manager = '{manager}' AND has(controls, '{control}') LIMIT 1"
    );
    let evidence = wait(&format!("an alert of {control}"), || Some(service.ask(&sql)).filter(|ids| !ids.is_empty()));
    assert!(evidence.split(' ').any(|id| id.starts_with(event)), "{evidence}");
    assert_eq!(service.count("SELECT count() FROM filin.events"), 1);
    assert_eq!(service.ask("SELECT sum(count) FROM filin.dead_letter_counts"), "0");
}

#[test]
fn a_salesforce_file_in_a_topic_raises_an_alert() {
    let (root, name) = (tempfile::tempdir().expect("a folder"), "transport.elf");
    let users = r#"{"tenant":"default","id":"anna","aliases":["salesforce:0057Q00000AbXyZQAV"],"terminated_at":"2026-03-01"}"#;
    let service = start(root.path(), name, "format = \"salesforce-elf\"", users, "");
    let file = "\"EVENT_TYPE\",\"TIMESTAMP\",\"REQUEST_ID\",\"USER_ID\",\"REPORT_ID\",\"ROW_COUNT\",\"TIMESTAMP_DERIVED\",\"USER_ID_DERIVED\",\"CLIENT_IP\",\"ORIGIN\"\n\
                \"Report\",\"20260312184511.902\",\"TID:77\",\"0057Q00000AbXyZ\",\"00O7Q000002pRsT\",\"18450\",\"2026-03-12T18:45:11.902Z\",\"0057Q00000AbXyZQAV\",\"203.0.113.24\",\"ReportExported\"\n";
    send(name, &[file], &[]);
    alert(&service, "anna", "leaver_active", "salesforce/Report:TID:77:");
    assert_eq!(service.ask("SELECT action, records FROM filin.events FORMAT CSV"), "\"export\",18450");
    service.stop();
}

#[test]
fn a_change_of_an_audit_table_raises_an_alert() {
    let (root, name) = (tempfile::tempdir().expect("a folder"), "transport.cdc");
    let users = r#"{"tenant":"default","id":"boris","aliases":["espocrm:65f0a1b2c3d4e5f60"],"ip_allow":["10.0.0.0/8"]}"#;
    let binding = "format = \"debezium\"\n[bindings.tables]\n\"espocrm.action_history_record\" = \"espocrm\"";
    let service = start(root.path(), name, binding, users, "");
    let row = r#"{"id":"65f0ff00112233442","number":120456,"target_id":"65bb0011223344556","target_type":"Opportunity","data":null,"action":"update","created_at":1773303069000,"ip_address":"203.0.113.24","user_id":"65f0a1b2c3d4e5f60","auth_token_id":"7","deleted":0}"#;
    let source =
        r#"{"connector":"mysql","name":"espo","ts_ms":1773303069000,"snapshot":"false","db":"espocrm","table":"action_history_record"}"#;
    let change = |before: &str, after: &str, op: &str| {
        format!(
            r#"{{"schema":{{"type":"struct"}},"payload":{{"before":{before},"after":{after},"source":{source},"op":"{op}","ts_ms":1773303069412}}}}"#
        )
    };
    // What the table's own housekeeping removes is nobody's doing.
    send(name, &[&change("null", row, "c"), &change(row, "null", "d")], &[]);
    alert(&service, "boris", "address_denied", "espocrm/action:65f0ff00112233442");
    service.stop();
}

#[test]
fn a_cloud_event_in_binary_mode_raises_an_alert() {
    let (root, name) = (tempfile::tempdir().expect("a folder"), "transport.ce");
    let users = r#"{"tenant":"default","id":"vera","aliases":["generic:u-17"],"terminated_at":"2026-03-01"}"#;
    let service = start(root.path(), name, "format = \"cloudevents\"\nsource = \"generic\"", users, "");
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "ce-0001"),
        ("ce_source", "/crm/kontora"),
        ("ce_type", "com.example.crm.export"),
        ("ce_time", "2026-03-12T12:00:00+03:00"),
        ("content-type", "application/json"),
    ];
    send(name, &[r#"{"actor":{"id":"u-17"},"action":"export","object":{"type":"client"},"records":900}"#], &headers);
    alert(&service, "vera", "leaver_active", "generic/ce-0001");
    assert_eq!(service.ask("SELECT toString(time) FROM filin.events"), "2026-03-12 09:00:00.000");
    service.stop();
}

#[test]
fn calls_to_clients_of_another_manager_are_signals_of_unrelated_calls() {
    let (root, name) = (tempfile::tempdir().expect("a folder"), "transport.cdr");
    let users = "{\"tenant\":\"default\",\"id\":\"anna\",\"aliases\":[\"asterisk:u-17\"],\"team\":\"north\"}\n{\"tenant\":\"default\",\"id\":\"boris\",\"team\":\"south\"}";
    let phone = |owner: &str, i: u32| format!("+79{}5550{i:03}", if owner == "anna" { "16" } else { "26" });
    let mut clients = String::new();
    for (owner, i) in (0..40).map(|i| ("anna", i)).chain((0..40).map(|i| ("boris", i))) {
        let phone = phone(owner, i);
        writeln!(clients, r#"{{"tenant":"default","id":"{owner}-{i}","owner":"{owner}","phones":["{phone}"]}}"#).expect("memory");
    }
    let binding = "format = \"asterisk\"\ntime_zone = \"Europe/Moscow\"\ncountry = \"RU\"\n[bindings.extensions]\n101 = \"u-17\"";
    let service = start(root.path(), name, binding, users, &clients);
    let call = |day: u32, n: u32, number: &str| {
        // 8 for +7: as it is dialled.
        let (dialled, time) =
            (number.replacen("+7", "8", 1), format!("2026-{:02}-{:02} {:02}:{:02}", 1 + day / 28, 1 + day % 28, 10 + n / 6, n % 6 * 10));
        format!(
            "\"\",\"101\",\"{dialled}\",\"from-internal\",\"\"\"A\"\" <101>\",\"PJSIP/101-{n:08x}\",\"PJSIP/trunk-{n:08x}\",\"Dial\",\"PJSIP/{dialled}@trunk,60\",\
             \"{time}:00\",\"{time}:09\",\"{time}:40\",40,31,\"ANSWERED\",\"DOCUMENTATION\",\"{}.{n}\",\"\"",
            1_770_000_000 + day
        )
    };
    // Eight weeks with own clients, then a day with twenty of a colleague of another team.
    let mut lines: Vec<String> = Vec::new();
    for day in 0..56 {
        lines.extend((0..6 + day % 3).map(|n| call(day, n, &phone("anna", (day * 5 + n) % 40))));
    }
    let usual = lines.len() as u64;
    lines.extend((0..20).map(|n| call(56, n, &phone("boris", n))));
    send(name, &lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    // One manager's eight weeks, without peers, are evidence for a signal and not for an alert within the budget.
    let sql = "SELECT count() FROM filin.signals WHERE manager = 'anna' AND control = 'unrelated_call' AND time >= '2026-03-01 00:00:00'";
    wait("a signal of unrelated calls", || (service.count(sql) > 0).then_some(()));
    wait("all calls", || (service.count("SELECT count() FROM filin.events WHERE action = 'call'") == usual + 20).then_some(()));
    // The number was all that told whose client it is.
    let seen = "SELECT countIf(position(enrich, '\"h\":') > 0), countIf(position(enrich, '\"owner\":\"other\"') > 0 AND position(enrich, '\"related\"') = 0) \
                FROM filin.events FORMAT CSV";
    assert_eq!(service.ask(seen), format!("{},20", usual + 20));
    assert_eq!(service.count("SELECT count() FROM filin.signals WHERE control = 'unrelated_call' AND time < '2026-02-28 00:00:00'"), 0);
    service.stop();
}
