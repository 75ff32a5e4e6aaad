//! The daily canaries through the whole service: log, scorer, ClickHouse.

use std::{collections::BTreeSet, path::Path};

use filin::{engine::control, pipeline::canary};

use crate::service::{Service, ended, filin, wait};

/// Cases of a run: a canary and a near-miss each.
fn cases() -> u64 {
    2 * u64::try_from(canary::all().count()).expect("few")
}

/// Tables in which people are, and nothing of a canary may be.
const PEOPLE: [&str; 10] =
    ["events", "events_raw", "signals", "alerts", "manager_hour", "manager_day", "users", "clients", "manager_state", "tenant_state"];

/// A run of all canaries went well and left nothing where people are. `ask`: the store, as the writer.
fn went_well(service: &Service, ask: &dyn Fn(&str) -> String) {
    let number = |sql: &str| ask(sql).parse::<u64>().unwrap_or_else(|e| panic!("{sql}: {e}"));
    wait("all canaries to be heard", || {
        (number("SELECT toString(uniqExact(control, part, expected)) FROM canaries") == cases()).then_some(())
    });
    let wrong = "SELECT arrayStringConcat(groupArray(concat(control, '/', part, ' ', expected)), ', ') FROM canaries FINAL WHERE expected != outcome";
    assert_eq!(ask(wrong), "", "what did not go as expected");
    let fired = "SELECT toString(count()) FROM canaries FINAL WHERE (fired_after > 0) = (expected = 'fire') AND records >= fired_after";
    assert_eq!(number(fired), number("SELECT toString(count()) FROM canaries FINAL"));
    let controls: BTreeSet<String> =
        ask("SELECT arrayStringConcat(groupUniqArray(control), ' ') FROM canaries").split(' ').map(str::to_owned).collect();
    let all: BTreeSet<String> = control::ALL.iter().map(|c| c.id.to_owned()).collect();
    assert_eq!(controls, all);
    for table in PEOPLE {
        assert_eq!(number(&format!("SELECT toString(count()) FROM {table} WHERE tenant = '{}'", canary::TENANT)), 0, "{table}");
    }
    // What on-call watches.
    let metrics = service.http("GET", "/metrics", b"").1;
    let series = |name: &str| -> Vec<(String, f64)> {
        let lines = metrics.lines().filter(|l| l.starts_with(&format!("{name}{{")));
        lines.map(|l| l.rsplit_once(' ').expect("a value")).map(|(k, v)| (k.to_owned(), v.parse().expect("a number"))).collect()
    };
    let (hit, failed) = (series("filin_canary_last_hit_seconds"), series("filin_canary_failed"));
    assert_eq!((hit.len(), failed.len()), (control::ALL.len(), control::ALL.len()), "all are there from the start");
    assert!(failed.iter().all(|(_, v)| *v <= 0.0), "{failed:?}");
    let missing: Vec<&String> = hit.iter().filter(|(_, v)| *v < 1.7e9).map(|(k, _)| k).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(series("filin_engine_alerts_total").iter().all(|(_, v)| *v <= 0.0), "nobody was alerted about");
    assert!(metrics.contains("filin_engine_managers 0\n"), "and nobody is known");
}

fn verified(flags: &[&str], root: &Path) {
    let mut command = filin(&["replay", "--from-log", "--verify"]);
    command.args(flags).arg("--alerts").arg(root.join("from-log.jsonl"));
    ended(command, 0);
}

#[test]
fn the_daily_canaries_go_through_log_and_clickhouse() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, config) = (root.path().join("data"), root.path().join("filin.toml"));
    std::fs::write(&config, "[embedded]\nlisten = \"127.0.0.1:0\"\n[canary]\nfirst = \"1s\"\n").expect("written");
    let flags = ["--config", config.to_str().expect("plain")];
    let service = Service::start(&data, &flags);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ask = |sql: &str| runtime.block_on(service.client().query(sql).fetch_one::<String>()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    went_well(&service, &ask);
    assert_eq!(service.count("SELECT count() FROM filin.canaries FINAL"), cases(), "readers may see them");

    // Nobody outside can speak for the canaries' tenant.
    let event = "{\"id\":\"1\",\"time\":\"2026-03-01T10:00:00.000Z\",\"source\":\"generic\",\"actor\":{\"id\":\"x\"},\"action\":\"view\"";
    assert_eq!(service.http("POST", "/v1/events?tenant=_canary", format!("{event}}}\n").as_bytes()).0, 400);
    let mixed = format!("{event},\"tenant\":\"_canary\"}}\n{event},\"tenant\":\"firm\"}}\n");
    let (status, answer) = service.http("POST", "/v1/events", mixed.as_bytes());
    assert!(status == 200 && answer.contains("\"accepted\":1") && answer.contains("bad_value"), "{status} {answer}");
    wait("the event of the firm", || (service.count("SELECT count() FROM filin.events") == 1).then_some(()));

    // A start goes on where the log was left, sends a new run, and the log still proves what is stored.
    service.kill();
    let service = Service::start(&data, &flags);
    wait("the next run", || (service.count("SELECT uniqExact(run) FROM filin.canaries") >= 2).then_some(()));
    wait("its end", || (service.count("SELECT count() FROM filin.canaries FINAL") >= 2 * cases()).then_some(()));
    assert_eq!(service.count("SELECT count() FROM filin.canaries FINAL WHERE expected != outcome"), 0);
    service.stop();
    verified(&["--data", data.to_str().expect("plain")], root.path());
}

#[cfg(feature = "kafka")]
#[test]
fn the_daily_canaries_go_through_kafka_and_a_server() {
    let root = tempfile::tempdir().expect("a folder");
    let server = crate::pipeline::Server::start(&root.path().join("server"));
    let access = server.access();
    let config = root.path().join("filin.toml");
    let text = format!(
        "[kafka]\nbrokers = [\"{}\"]\ngroup = \"canary\"\nlog_topic = \"canary.log\"\npartitions = 4\n\
         [clickhouse]\nurl = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n\
         [canary]\nfirst = \"1s\"\n\
         [privacy]\nalias_key = \"a key for this test, long enough\"\n",
        crate::kafka::address(),
        access.url,
        access.user,
        access.password,
    );
    std::fs::write(&config, text).expect("written");
    let flags = ["--config", config.to_str().expect("plain")];
    let service = Service::start(&root.path().join("data"), &flags);
    let (client, runtime) = (filin::store::client(&access), tokio::runtime::Runtime::new().expect("a runtime"));
    let ask = |sql: &str| runtime.block_on(client.query(sql).fetch_one::<String>()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    went_well(&service, &ask);
    service.stop();
    verified(&flags, root.path());
}

#[test]
fn the_command_plays_them_all_and_says_what_it_does_not_know() {
    let all: serde_json::Value = serde_json::from_slice(&ended(filin(&["canary", "--json"]), 0).stdout).expect("JSON");
    let lines = all.as_array().expect("a list");
    assert_eq!(lines.len() as u64 * 2, cases());
    assert!(lines.iter().all(|l| l["passed"] == true && l["fire"]["fired_after"].is_u64() && l["still"]["fired_after"].is_null()));
    let two = String::from_utf8(ended(filin(&["canary", "--lang", "ru", "decoy", "drip"]), 0).stdout).expect("text");
    assert!(two.lines().count() == 5 && two.contains("клиент не отмечен как приманка"), "{two}");
    ended(filin(&["canary", "nonsense"]), 2);
}
