//! `filin verify`: what is stored is altered behind Filin's back, one way after the other, and each is found.

use std::{collections::BTreeSet, fs, path::Path};

use filin::{
    event::Timestamp,
    ops::clock,
    store::{
        self, Alias,
        integrity::{self, Salts, Seal},
    },
};
use serde_json::{Value, json};

use crate::{
    embedded::server::Server,
    service::{Service, ended, filin, wait},
};

/// What is stored, and how it is looked at.
struct Store {
    runtime: tokio::runtime::Runtime,
    client: clickhouse::Client,
    data: String,
}

const TABLES: [&str; 7] = ["alerts", "alert_queue", "alert_actions", "integrity", "integrity_heads", "integrity_salts", "integrity_erased"];

impl Store {
    fn run(&self, sql: &str) {
        let client = self.client.clone().with_setting("mutations_sync", "2");
        self.runtime.block_on(client.query(&sql.replace('?', "??")).execute()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    fn ask<T: clickhouse::RowOwned + clickhouse::RowRead>(&self, sql: &str) -> Vec<T> {
        self.runtime.block_on(self.client.query(sql).fetch_all::<T>()).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    fn keep(&self) {
        for table in TABLES {
            self.run(&format!("CREATE TABLE kept_{table} ENGINE = Memory AS SELECT * FROM {table}"));
        }
    }

    fn bring_back(&self) {
        for table in TABLES {
            self.run(&format!("TRUNCATE TABLE {table}"));
            self.run(&format!("INSERT INTO {table} SELECT * FROM kept_{table}"));
        }
    }

    fn verify(&self, more: &[&str], code: i32) -> Value {
        let mut command = filin(&["verify", "--data", &self.data, "--json"]);
        command.args(more);
        serde_json::from_slice(&ended(command, code).stdout).expect("JSON")
    }

    /// Alters what is stored, and looks for what is said of it; then all is as before.
    fn altered(&self, sql: &[&str], table: &str, id: &str, what: &str) {
        sql.iter().for_each(|sql| self.run(sql));
        let report = self.verify(&[], 1);
        let first = &report["broken"][0];
        let said = first["what"].as_str().unwrap_or_default();
        assert!(
            first["table"] == table && first["id"].as_str().is_some_and(|i| i.starts_with(id)) && said.starts_with(what),
            "{sql:?}: {report}"
        );
        self.bring_back();
    }
}

pub(crate) fn event(id: &str, what: &Value) -> String {
    let mut event = json!({"id": id, "time": clock::now().to_string(), "source": "crm", "actor": {"id": "anna"}});
    for (key, value) in what.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event.to_string()
}

/// A store with alerts of two versions and what people did about them; all of it is in the chain.
pub(crate) fn filled(root: &Path, data: &Path) {
    fs::write(root.join("users.csv"), "id,team,grade\nanna,a,junior\nboris,b,senior\n").expect("written");
    fs::write(root.join("clients.csv"), "id,owner,team,decoy\nc-1,anna,a,\nc-decoy,boris,b,true\n").expect("written");
    let file = |name: &str| root.join(name).to_str().expect("a plain path").to_owned();
    let service = Service::start(data, &["--users", &file("users.csv"), "--clients", &file("clients.csv")]);
    let push = |lines: &[String]| {
        fs::write(root.join("events.jsonl"), lines.join("\n")).expect("written");
        service.push("canonical", &[&root.join("events.jsonl")]);
        service.settle();
    };
    push(&[event("e1", &json!({"action": "view", "object": {"type": "client", "id": "c-decoy"}}))]);
    let id = service.ask("SELECT DISTINCT alert_id FROM filin.alerts");
    let act = |order: Value| {
        let (status, said) = service.json(&format!("/v1/alerts/{id}/actions"), &order);
        assert_eq!(status, 200, "{said}");
    };
    act(json!({"action": "comment", "comment": "asked her", "revision": 0, "by": "boris"}));
    act(json!({"action": "close", "verdict": "benign_expected", "reason": "a drill", "revision": 1, "by": "boris"}));
    push(&[event("e2", &json!({"action": "export", "records": 500}))]);
    assert!(service.count("SELECT uniqExact(alert_id) FROM filin.alerts") > 1);
    wait("both answers to be linked", || {
        (service.logged("SELECT ifNull(sum(length(ids)), 0) FROM integrity FINAL WHERE chain = 'actions'") == 2).then_some(())
    });
    // Beside a live instance nothing is broken either.
    ended(filin(&["verify", "--data", data.to_str().expect("plain")]), 0);
    service.stop();
}

fn open(data: &Path) -> (Server, Store) {
    let server = Server::start(data, &[]);
    let client = store::client(&server.store("filin"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    (server, Store { runtime, client, data: data.to_str().expect("a plain path").to_owned() })
}

#[test]
fn a_changed_removed_or_inserted_row_is_found() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    filled(root.path(), &data);
    // Alone, with nothing running.
    let alone = String::from_utf8(ended(filin(&["verify", "--data", data.to_str().expect("plain")]), 0).stdout).expect("text");
    assert!(alone.starts_with("whole: ") && alone.contains("2 answers"), "{alone}");
    let (_server, store) = open(&data);
    let whole = store.verify(&[], 0);
    let n = store.ask::<u64>("SELECT count() FROM alerts FINAL")[0];
    assert_eq!((&whole["alerts"], &whole["actions"], &whole["waiting"]), (&json!(n), &json!(2), &json!(0)), "{whole}");
    assert!(whole["links"].as_u64() >= Some(3) && whole["adopted"] == 0 && whole["aside"] == 0, "{whole}");
    let anchor = root.path().join("anchor.json");
    fs::write(&anchor, whole.to_string()).expect("written");
    store.keep();

    // Alerts.
    let id = store.ask::<String>("SELECT alert_id FROM alerts ORDER BY log_offset LIMIT 1").remove(0);
    let changed = format!("INSERT INTO alerts SELECT * REPLACE ('low' AS severity) FROM alerts WHERE alert_id = '{id}'");
    store.altered(&[&changed], "alerts", &id, "changed");
    let hidden = format!(
        "INSERT INTO alerts SELECT * REPLACE ('nothing' AS summary_ru, log_offset + 1 AS log_offset) FROM alerts WHERE alert_id = '{id}'"
    );
    store.altered(&[&hidden], "alerts", &id, "changed");
    store.altered(&[&format!("ALTER TABLE alerts DELETE WHERE alert_id = '{id}'")], "alerts", &id, "removed");
    let made_up = "00000000-0000-5000-8000-000000000000";
    let inserted = format!("INSERT INTO alerts SELECT * REPLACE ('{made_up}' AS alert_id, 'boris' AS manager) FROM alerts LIMIT 1");
    store.altered(&[&inserted], "alerts", made_up, "inserted");
    let ahead = format!("INSERT INTO alerts SELECT * REPLACE ('{made_up}' AS alert_id, 1000000 AS log_offset) FROM alerts LIMIT 1");
    store.altered(&[&ahead], "alerts", made_up, "inserted");
    store.altered(&[&format!("ALTER TABLE alerts DELETE WHERE alert_id = '{id}'"), "TRUNCATE TABLE integrity_salts"], "alerts", "", "");

    // The queue that is made of them: what nobody sees is as bad as what is gone.
    store.altered(&[&format!("ALTER TABLE alert_queue DELETE WHERE alert_id = '{id}'")], "alert_queue", &id, "removed");
    let calmed = format!("ALTER TABLE alert_queue UPDATE severity = 'low' WHERE alert_id = '{id}'");
    store.altered(&[&calmed], "alert_queue", &id, "changed");
    let lifted = "INSERT INTO alert_queue SELECT * REPLACE (version + 1 AS version) FROM alert_queue LIMIT 1";
    store.altered(&[lifted], "alert_queue", "", "another version");
    let shown = format!("INSERT INTO alert_queue SELECT * REPLACE ('{made_up}' AS alert_id) FROM alert_queue LIMIT 1");
    store.altered(&[&shown], "alert_queue", made_up, "inserted");

    // Answers.
    let action = store.ask::<String>("SELECT action_id FROM alert_actions WHERE action = 'close'").remove(0);
    let verdict = "INSERT INTO alert_actions SELECT * REPLACE ('true_positive' AS verdict) FROM alert_actions WHERE action = 'close'";
    store.altered(&[verdict], "alert_actions", &action, "changed");
    store.altered(&["ALTER TABLE alert_actions DELETE WHERE action = 'close'"], "alert_actions", &action, "removed");
    let another = "INSERT INTO alert_actions SELECT * REPLACE ('x' AS action_id, 'acknowledge' AS action) FROM alert_actions LIMIT 1";
    store.altered(&[another], "alert_actions", "x", "inserted");
    let unproved = "INSERT INTO alert_actions SELECT * REPLACE ('x' AS action_id, '' AS proof) FROM alert_actions LIMIT 1";
    store.altered(&[unproved], "alert_actions", "x", "inserted");

    // The chain itself.
    let link = store.ask::<String>("SELECT hash FROM integrity WHERE chain = 'alerts' ORDER BY log_offset LIMIT 1").remove(0);
    let rehashed = format!("ALTER TABLE integrity UPDATE hashes = [hex('x')] WHERE hash = '{link}'");
    store.altered(&[&rehashed], "integrity", &link, "changed");
    store.altered(&[&format!("ALTER TABLE integrity DELETE WHERE hash = '{link}'")], "integrity", &link, "removed");
    store.altered(&["TRUNCATE TABLE integrity_heads"], "integrity_heads", "", "removed");
    store.altered(
        &["INSERT INTO integrity_heads SELECT * REPLACE (log_offset + 1 AS log_offset) FROM integrity_heads"],
        "integrity_heads",
        "",
        "changed",
    );
    store.altered(&["TRUNCATE TABLE integrity_salts"], "alerts", &id, "cannot be checked");

    // The end cut off, its alert included: what there was is in the head, and whoever cuts that as well cannot make another.
    let last = "(SELECT max(log_offset) FROM kept_integrity WHERE chain = 'alerts')";
    let cut = [
        &*format!("ALTER TABLE alerts DELETE WHERE log_offset >= {last}"),
        &*format!("ALTER TABLE integrity DELETE WHERE chain = 'alerts' AND log_offset >= {last}"),
    ];
    store.altered(&cut, "integrity", "", "removed");
    // All of it, as if there had never been a chain: an earlier output is what knows better.
    store.run("TRUNCATE TABLE alerts");
    for table in &TABLES[1..5] {
        store.run(&format!("TRUNCATE TABLE {table}"));
    }
    store.run("TRUNCATE TABLE checkpoints");
    assert_eq!(store.verify(&[], 0)["alerts"], 0);
    let report = store.verify(&["--anchor", anchor.to_str().expect("plain")], 1);
    assert!(report["broken"][0]["what"].as_str().is_some_and(|w| w.starts_with("removed since")), "{report}");
    store.bring_back();
    store.verify(&["--anchor", anchor.to_str().expect("plain")], 0);
    erased(&store, &data);
}

/// Who is erased leaves hashes that nobody can connect with them, and a chain that holds.
fn erased(store: &Store, data: &Path) {
    let key: [u8; 32] = fs::read(data.join("alias.key")).expect("the key").try_into().expect("32 bytes");
    let (seal, anna) = (Seal::of(&Alias::new(key)), ("default".to_owned(), "anna".to_owned()));
    let gone = |table: &str| store.run(&format!("ALTER TABLE {table} DELETE WHERE 1"));
    let before = store.ask::<String>("SELECT DISTINCT arrayJoin(tags) FROM integrity");
    // Her rows without her salt: that is a theft.
    gone("alerts");
    gone("alert_actions");
    store.run("ALTER TABLE integrity_salts DELETE WHERE manager = 'anna'");
    let report = store.verify(&[], 1);
    assert_eq!(report["broken"][0]["what"], "removed, with the salt of whom it was about");
    store.bring_back();
    // ... and a salt without her rows is not yet an erasure.
    let now = clock::now();
    assert_eq!(store.runtime.block_on(integrity::erase(&store.client, &seal, &anna, now)).ok(), Some(true));
    assert_eq!(store.runtime.block_on(integrity::erase(&store.client, &seal, &anna, now)).ok(), Some(false), "nothing is left to destroy");
    assert!(store.verify(&[], 1)["broken"][0]["what"].as_str().is_some_and(|w| w.starts_with("cannot be checked")));
    gone("alerts");
    gone("alert_actions");
    let report = store.verify(&[], 1);
    assert_eq!((&report["broken"][0]["table"], report["broken"].as_array().map(Vec::len)), (&json!("alert_queue"), Some(2)), "{report}");
    gone("alert_queue");
    let report = store.verify(&[], 0);
    assert!(report["erased"].as_u64() > Some(2) && report["alerts"] == 0, "{report}");
    assert_eq!(store.ask::<u64>("SELECT count() FROM integrity_salts WHERE manager = 'anna'"), [0]);
    // A tombstone that Filin did not write erases nothing.
    store.run("TRUNCATE TABLE integrity_erased");
    store.run(&format!("INSERT INTO integrity_erased VALUES ('{}', now64(3), 'x')", before[0]));
    store.verify(&[], 1);
}

#[test]
fn two_who_ask_for_a_salt_at_once_get_the_same() {
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start(root.path(), &[]);
    let client = store::client(&server.store("filin"));
    let seal = Seal::of(&Alias::new([7; 32]));
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        store::migrate::migrate(&client, "filin", 30).await.expect("migrated");
        let people: BTreeSet<_> = (0..3).map(|n| ("t".to_owned(), format!("m'{n}"))).collect();
        let at = Timestamp::from_millis(1_767_600_000_000);
        let ask = || async { integrity::salts(&client, &people, at).await.expect("salts") };
        let all: Vec<Salts> = futures_util::future::join_all((0..8).map(|_| ask())).await;
        assert!(all[0].len() == 3 && all.iter().all(|salts| *salts == all[0]));
        let rows = client.query("SELECT count() FROM integrity_salts").fetch_one::<u64>().await.expect("a number");
        assert_eq!(rows, 3, "who came second wrote nothing");
        let who = ("t".to_owned(), "m'1".to_owned());
        assert!(integrity::erase(&client, &seal, &who, at).await.expect("erased"));
        let again = ask().await;
        assert!(again[&who] != all[0][&who] && again.len() == 3, "who is met again is somebody else");
    });
}

#[test]
fn what_was_stored_before_there_was_a_chain_is_taken_as_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    filled(root.path(), &data);
    {
        let (_server, store) = open(&data);
        for table in &TABLES[3..] {
            store.run(&format!("TRUNCATE TABLE {table}"));
        }
        store.run("ALTER TABLE alert_actions UPDATE proof = '' WHERE 1");
        let report = store.verify(&[], 1);
        assert!(report.to_string().contains("and no chain"), "{report}");
        // There was no queue either: what is there fills it.
        for drop in ["DROP TABLE alert_queue_feed", "DROP TABLE alert_queue", "ALTER TABLE log_meta DELETE WHERE key = 'migration/16'"] {
            store.run(drop);
        }
    }
    let service = Service::start(&data, &[]);
    let line = event("e3", &json!({"action": "export", "records": 900}));
    fs::write(root.path().join("events.jsonl"), line).expect("written");
    service.push("canonical", &[&root.path().join("events.jsonl")]);
    service.settle();
    service.kill();
    // Whatever was not checkpointed is scored again, and links again.
    let service = Service::start(&data, &[]);
    service.settle();
    service.stop();
    let (_server, store) = open(&data);
    let report = store.verify(&[], 0);
    assert!(report["adopted"].as_u64() >= Some(2) && report["actions"] == 2 && report["waiting"] == 0, "{report}");
    store.keep();
    store.altered(&["ALTER TABLE alert_actions DELETE WHERE action = 'close'"], "alert_actions", "", "removed");
    store.altered(&["ALTER TABLE alerts DELETE WHERE version = 1"], "alerts", "", "removed");
    // Pages are read from one column of the queue, dashboards from the others.
    store.run("ALTER TABLE alert_queue MODIFY COLUMN packed REMOVE MATERIALIZED");
    store.run("ALTER TABLE alert_queue UPDATE packed = replaceAll(packed, 'anna', 'ivan') WHERE 1");
    let report = store.verify(&[], 1);
    assert_eq!((&report["broken"][0]["table"], &report["broken"][0]["what"]), (&json!("alert_queue"), &json!("changed")), "{report}");
}
