//! The whole path: events in, alerts out of a real ClickHouse engine, through crashes and repeats.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use filin::ops::clock::Stopwatch;

use crate::service::{Service, alerts, ended, filin, wait};

/// A small company with attacks, made once per test.
struct Company {
    folder: PathBuf,
}

impl Company {
    fn make(root: &Path, managers: u32, days: u32) -> Self {
        let folder = root.join("company");
        let (managers, days, out) = (managers.to_string(), days.to_string(), folder.to_str().expect("a plain path").to_owned());
        ended(
            filin(&[
                "simulate",
                "--managers",
                &managers,
                "--days",
                &days,
                "--seed",
                "11",
                "--attacks",
                "--attack-from",
                "12",
                "--out",
                &out,
            ]),
            0,
        );
        Self { folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a plain path").to_owned()
    }

    fn reference(&self) -> [String; 6] {
        let flag = |f: &str, name: &str| [f.to_owned(), self.file(name)];
        [flag("--users", "users.csv"), flag("--clients", "clients.csv"), flag("--orders", "orders.csv")]
            .concat()
            .try_into()
            .expect("six words")
    }

    fn start(&self, data: &Path) -> Service {
        let reference = self.reference();
        Service::start(data, &reference.each_ref().map(String::as_str))
    }

    /// What a replay of the same file gives.
    fn replayed(&self, root: &Path) -> PathBuf {
        let out = root.join("replayed.jsonl");
        let mut command = filin(&["replay", "--as-delivered", "--events", &self.file("events.jsonl")]);
        command.args(self.reference()).arg("--alerts").arg(&out);
        ended(command, 0);
        out
    }

    fn ids(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.join("events.jsonl")).expect("events");
        let id = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).expect("an event");
            event["id"].as_str().expect("an id").to_owned()
        };
        text.lines().map(id).collect()
    }
}

/// Stored alerts, by `replay --from-log --stored`, and the proof that they are what the log gives.
fn verified(data: &Path, root: &Path) -> PathBuf {
    let stored = root.join("stored.jsonl");
    let mut command = filin(&["replay", "--from-log", "--verify", "--data", data.to_str().expect("a plain path"), "--stored"]);
    command.arg(&stored).args(["--alerts".as_ref(), root.join("from-log.jsonl").as_os_str()]);
    ended(command, 0);
    assert_eq!(alerts(&stored), alerts(&root.join("from-log.jsonl")));
    ended(filin(&["verify", "--data", data.to_str().expect("a plain path")]), 0);
    stored
}

#[test]
fn pushed_events_give_the_alerts_of_a_replay() {
    let root = tempfile::tempdir().expect("a folder");
    let (company, data) = (Company::make(root.path(), 12, 20), root.path().join("data"));
    let service = company.start(&data);
    service.push("canonical", &[&company.folder.join("events.jsonl")]);
    service.settle();
    let n = company.ids().len() as u64;
    assert_eq!(service.count("SELECT count() FROM filin.events"), n);
    // Beside the live instance the log is read through its listener, up to the newest checkpoint.
    wait("a checkpoint of everything", || (service_saved(&service) == logged(&service)).then_some(()));
    let stored = verified(&data, root.path());
    let replayed = company.replayed(root.path());
    assert!(alerts(&stored).len() > 5, "the company has attacks");
    assert_eq!(alerts(&stored), alerts(&replayed), "all fields");
    let mut diff = filin(&["diff"]);
    diff.args([&stored, &replayed]);
    ended(diff, 0);
    // Everything again: nothing changes.
    let before = service.ask("SELECT count(), sum(cityHash64(*)) FROM filin.alerts");
    service.push("canonical", &[&company.folder.join("events.jsonl")]);
    service.settle();
    assert_eq!(service.ask("SELECT count(), sum(cityHash64(*)) FROM filin.alerts"), before);
    assert_eq!(service.count("SELECT count() FROM filin.events"), n);
    // An alert's evidence can be read.
    let missing = "SELECT count() FROM (SELECT DISTINCT arrayJoin(event_ids) AS e FROM filin.alerts) \
                   WHERE e NOT IN (SELECT concat(source, '/', id) FROM filin.events)";
    assert_eq!(service.count(missing), 0);
    twice(&service);
    service.stop();
    verified(&data, root.path());
}

/// Every row stored a second time in other blocks: tables and queries stay the same, before and after OPTIMIZE.
fn twice(service: &Service) {
    let tables = ["events", "signals", "alerts", "manager_day", "manager_hour"];
    let look = || -> Vec<String> {
        let mut seen: Vec<String> =
            tables.iter().map(|t| service.ask(&format!("SELECT count(), sum(cityHash64(*)) FROM filin.{t}"))).collect();
        seen.push(service.ask("SELECT count(), sum(cityHash64(*)) FROM filin.alerts_latest"));
        seen.push(service.ask(
            "SELECT manager_alias, sum(records_out) AS n FROM filin.manager_day GROUP BY manager_alias ORDER BY n DESC, manager_alias",
        ));
        seen
    };
    let before = look();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let writer = service.client();
    runtime.block_on(async {
        for (i, table) in tables.into_iter().enumerate() {
            let block = [7, 100, 3, 50, 11][i];
            let sql = format!("INSERT INTO {table} SELECT * FROM {table} SETTINGS max_block_size = {block}, max_insert_block_size = {block}, min_insert_block_size_rows = {block}, min_insert_block_size_bytes = 0");
            writer.query(&sql).execute().await.unwrap_or_else(|e| panic!("{table}: {e}"));
        }
    });
    assert_eq!(look(), before, "stored twice");
    runtime.block_on(async {
        for table in tables {
            writer.query(&format!("OPTIMIZE TABLE {table} FINAL")).execute().await.unwrap_or_else(|e| panic!("{table}: {e}"));
        }
    });
    assert_eq!(look(), before, "and merged");
}

#[test]
fn five_kills_lose_nothing_and_double_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let (company, data) = (Company::make(root.path(), 12, 20), root.path().join("data"));
    let events = company.folder.join("events.jsonl");
    let n = company.ids().len() as u64;
    let mut repeated = 0;
    for round in 1..=5_u64 {
        let service = company.start(&data);
        let to = format!("http://{}", service.console);
        let mut push = filin(&["push", "--to", &to, "--format", "canonical", "--patience", "1"]);
        let mut pushing = push.arg(&events).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("built");
        // Somewhere in the middle, further each time.
        let since = Stopwatch::start();
        let target = n * round / 6;
        wait("events to be taken", || (logged(&service) >= target || since.elapsed() > Duration::from_secs(20)).then_some(()));
        let in_log = logged(&service);
        let saved = service_saved(&service);
        service.kill();
        pushing.kill().ok();
        pushing.wait().expect("ended");
        assert!(in_log > saved, "round {round}: the kill left nothing to repeat ({in_log} in the log, {saved} checkpointed)");
        repeated += in_log - saved;
    }
    assert!(repeated > 0);
    let service = company.start(&data);
    service.push("canonical", &[&events]);
    service.settle();
    assert_eq!(service.count("SELECT uniqExact(id) FROM filin.events"), n, "no id is missing");
    service.stop();
    let stored = verified(&data, root.path());
    assert_eq!(alerts(&stored), alerts(&company.replayed(root.path())), "as if nothing had happened");
}

/// Lines in the log, asked as the writer.
fn logged(service: &Service) -> u64 {
    number(service, "SELECT count() FROM log")
}

/// Lines up to the newest checkpoints.
fn service_saved(service: &Service) -> u64 {
    number(
        service,
        "SELECT count() FROM log AS l INNER JOIN (SELECT partition, max(log_offset) AS o FROM checkpoints GROUP BY partition) AS c ON l.partition = c.partition WHERE l.seq <= c.o",
    )
}

fn number(service: &Service, sql: &str) -> u64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(service.client().query(sql).fetch_one::<u64>()).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

#[test]
fn bad_input_is_answered_and_kept_and_the_rest_goes_on() {
    let root = tempfile::tempdir().expect("a folder");
    let service = Service::start(&root.path().join("data"), &[]);
    let event = |id: &str, time: &str, rest: &str| {
        format!(
            "{{\"id\":\"{id}\",\"time\":\"{time}\",\"source\":\"generic\",\"actor\":{{\"id\":\"somebody\"}},\"action\":\"view\"{rest}}}"
        )
    };
    let good = event("good-1", "2026-03-01T10:00:00.000Z", "");
    let ahead = filin::event::Timestamp::from_millis(millis_now() + 11 * 60_000).to_string();
    let lines: Vec<Vec<u8>> = vec![
        good.clone().into_bytes(),
        br#"{"id":"cut","time":"2026-03-01T10"#.to_vec(),
        br#"{"id":"types","time":5,"source":"generic","actor":{"id":"x"},"action":"view"}"#.to_vec(),
        br#"{"id":"action","time":"2026-03-01T10:00:00.000Z","source":"generic","actor":{"id":"x"},"action":"steal"}"#.to_vec(),
        br#"{"id":"actor","time":"2026-03-01T10:00:00.000Z","source":"generic","action":"view"}"#.to_vec(),
        event("9999", "9999-01-01T00:00:00.000Z", "").into_bytes(),
        event("ahead", &ahead, "").into_bytes(),
        event("old", "1999-12-31T23:59:59.000Z", "").into_bytes(),
        b"{\"id\":\"utf\xff\xfe\"}".to_vec(),
        format!("{{\"id\":\"long\",\"attrs\":\"{}\"}}", "x".repeat(20 << 20)).into_bytes(),
        event("good-2", "2026-03-01T10:00:01.000Z", ",\"records\":3").into_bytes(),
    ];
    let body = lines.join(&b"\n"[..]);
    let (status, answer) = service.http("POST", "/v1/events", &body);
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["accepted"], 2, "{answer}");
    let rejected: Vec<(u64, &str)> = answer["rejected"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| (r["line"].as_u64().expect("a line"), r["code"].as_str().expect("a code")))
        .collect();
    let expected = ["bad_json", "bad_time", "unknown_action", "missing_field", "future", "future", "before_2000", "bad_utf8", "too_long"];
    assert_eq!(rejected.len(), expected.len(), "{rejected:?}");
    for ((line, code), (i, expected)) in rejected.iter().zip(expected.iter().enumerate()) {
        assert_eq!(*line, i as u64 + 2);
        let same = code == expected || *expected == "bad_time" && *code == "wrong_type";
        assert!(same, "line {line}: {code}, expected {expected}");
    }
    assert_eq!(service.http("POST", "/v1/events", b"nothing of use\n").0, 400);
    service.settle();
    assert_eq!(service.count("SELECT count() FROM filin.events"), 2);
    assert_eq!(service.count("SELECT sum(count) FROM filin.dead_letter_counts"), 10);
    service.stop();
}

#[test]
fn rows_without_a_tenant_and_a_log_that_retention_emptied_lose_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, users) = (root.path().join("data"), root.path().join("users.csv"));
    std::fs::write(&users, "id,team,role,terminated_at\nanna,a,sales,2026-01-10\n").expect("written");
    let flags = ["--users", users.to_str().expect("plain")];
    let push = |service: &Service, name: &str, time: &str| {
        let event =
            format!("{{\"id\":\"{name}\",\"time\":\"{time}\",\"source\":\"generic\",\"actor\":{{\"id\":\"anna\"}},\"action\":\"view\"}}\n");
        assert_eq!(service.http("POST", "/v1/events", event.as_bytes()).0, 200);
        service.settle();
    };
    let service = Service::start(&data, &flags);
    push(&service, "before", "2026-01-09T10:00:00.000Z");
    push(&service, "after", "2026-01-12T10:00:00.000Z");
    assert_eq!(service.ask("SELECT kind FROM filin.alerts_latest"), "leaver_active", "the row is the default tenant's");
    service.stop();

    // A quiet time as long as the retention: the table is empty, the states are not.
    let service = Service::start(&data, &flags);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(service.client().query("TRUNCATE TABLE log").execute()).expect("emptied");
    service.stop();
    let service = Service::start(&data, &flags);
    let event =
        "{\"id\":\"later\",\"time\":\"2026-01-13T10:00:00.000Z\",\"source\":\"generic\",\"actor\":{\"id\":\"anna\"},\"action\":\"view\"}\n";
    assert_eq!(service.http("POST", "/v1/events", event.as_bytes()).0, 200);
    wait("the event to be scored", || (service.count("SELECT count() FROM filin.events WHERE id = 'later'") == 1).then_some(()));
    service.stop();
}

fn millis_now() -> i64 {
    filin::ops::clock::now().millis()
}

#[test]
fn what_is_not_there_is_said_in_a_line() {
    let root = tempfile::tempdir().expect("a folder");
    let text = |output: std::process::Output| String::from_utf8(output.stderr).expect("text");
    let data = root.path().join("data");
    let service = Service::start(&data, &[]);
    // The port, then the folder.
    let taken = text(ended(
        filin(&[
            "run",
            "--listen",
            &service.console,
            "--clickhouse-listen",
            "127.0.0.1:0",
            "--data",
            root.path().join("b").to_str().expect("plain"),
        ]),
        1,
    ));
    assert!(taken.contains(&service.console), "{taken}");
    let locked = text(ended(
        filin(&["run", "--listen", "127.0.0.1:0", "--clickhouse-listen", "127.0.0.1:0", "--data", data.to_str().expect("plain")]),
        1,
    ));
    assert!(locked.contains("locked"), "{locked}");
    service.stop();
    // A server that is not there, a broker that is not there, a key that is not known: all at once in one line each.
    let config = root.path().join("filin.toml");
    std::fs::write(&config, "[clickhouse]\nurl = \"http://127.0.0.1:9\"\nuser = \"default\"\npassword = \"none\"\n[privacy]\nalias_key = \"a key for this test, long enough\"\n").expect("written");
    let away = text(ended(filin(&["run", "--listen", "127.0.0.1:0", "--config", config.to_str().expect("plain")]), 1));
    assert!(away.contains("127.0.0.1:9"), "{away}");
    std::fs::write(&config, "[alerts]\nbudgett = 2\n[pipeline]\nflush_ms = \"soon\"\n").expect("written");
    let wrong = text(ended(filin(&["run", "--config", config.to_str().expect("plain")]), 2));
    assert!(wrong.contains("alerts.budgett") && wrong.contains("pipeline.flush_ms"), "{wrong}");
    let missing = filin(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--clickhouse-listen",
        "127.0.0.1:0",
        "--users",
        "/nowhere/users.csv",
        "--data",
        root.path().join("c").to_str().expect("plain"),
    ]);
    let missing = text(ended(missing, 1));
    assert!(missing.contains("/nowhere/users.csv"), "{missing}");
}

#[test]
fn the_demo_alerts_on_a_labelled_attack() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("demo");
    let service = Service::start(&data, &["--demo"]);
    let labels = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(data.join("labels.jsonl")).unwrap_or_default();
        text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
    };
    // The first attack begins within 30 s of the start and opens an alert that says what and whom.
    let found = wait("an alert of a labelled attack", || {
        labels().into_iter().filter(|l| l["label"] == "attack" && l["expect"] == "open").find_map(|label| {
            let text = |key: &str| label[key].as_str().unwrap_or_default().to_owned();
            let controls: Vec<&str> = label["controls"].as_array()?.iter().filter_map(|c| c.as_str()).collect();
            let sql = format!(
                "SELECT alert_id FROM filin.alerts WHERE manager = '{}' AND time >= parseDateTime64BestEffort('{}', 3) AND has(['{}'], kind) ORDER BY time LIMIT 1",
                text("manager"),
                text("from"),
                controls.join("','"),
            );
            Some(service.ask(&sql)).filter(|id| !id.is_empty())
        })
    });
    let evidence = format!(
        "SELECT count() FROM filin.events WHERE concat(source, '/', id) IN (SELECT arrayJoin(event_ids) FROM filin.alerts WHERE alert_id = '{found}')"
    );
    assert!(service.count(&evidence) > 0);
    let (status, page) = service.http("GET", "/", b"");
    assert!(status == 200 && page.contains("Filin"));
    // A second start goes on: nothing is made twice.
    let before = service.count("SELECT count() FROM filin.events");
    service.stop();
    let service = Service::start(&data, &["--demo"]);
    wait("the demo to go on", || (service.count("SELECT count() FROM filin.events") > before).then_some(()));
    assert_eq!(service.count("SELECT count() - uniqExact(source, id) FROM filin.events"), 0);
    service.stop();
    verified(&data, root.path());
}

/// The embedded engine as a process of its own: it stands for a ClickHouse server.
pub(crate) struct Server {
    child: std::process::Child,
    folder: PathBuf,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        use std::io::BufRead as _;
        let mut command = filin(&["clickhouse", "--listen", "127.0.0.1:0", "--data", folder.to_str().expect("plain")]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("built");
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert!(line.starts_with("ready:"), "{line}");
        Self { child, folder: folder.to_owned() }
    }

    pub(crate) fn access(&self) -> filin::store::Options {
        filin::store::embedded::access(&self.folder).expect("it runs").store()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(feature = "kafka")]
#[test]
fn through_kafka_and_a_server_the_alerts_are_the_same_after_five_kills() {
    let root = tempfile::tempdir().expect("a folder");
    let company = Company::make(root.path(), 12, 20);
    let server = Server::start(&root.path().join("server"));
    let access = server.access();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = root.path().join("filin.toml");
    let text = format!(
        "[kafka]\nbrokers = [\"{}\"]\ngroup = \"e2e\"\nlog_topic = \"e2e.log\"\npartitions = 4\n\"librdkafka.session.timeout.ms\" = \"6000\"\n\
         [[bindings]]\ntopic = \"e2e.crm\"\ntenant = \"default\"\nformat = \"canonical\"\n\
         [reference]\nusers = {:?}\nclients = {:?}\norders = {:?}\n\
         [clickhouse]\nurl = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n\
         [pipeline]\ncheckpoint_s = 2\n\
         [privacy]\nalias_key = \"a key for this test, long enough\"\n",
        crate::kafka::address(),
        company.file("users.csv"),
        company.file("clients.csv"),
        company.file("orders.csv"),
        access.url,
        access.user,
        access.password,
    );
    std::fs::write(&config, text).expect("written");
    let events = std::fs::read_to_string(company.folder.join("events.jsonl")).expect("events");
    let lines: Vec<&str> = events.lines().collect();
    runtime.block_on(crate::kafka::make("e2e.crm", 1));
    let count = |sql: &str| {
        let client = filin::store::client(&access);
        runtime.block_on(client.query(sql).fetch_one::<u64>()).unwrap_or_else(|e| panic!("{sql}: {e}"))
    };
    let data = root.path().join("data");
    let flags = ["--config", config.to_str().expect("plain")];
    // What is stored beyond the newest checkpoint is scored once more after a kill. A kill that left no such work does not count.
    let beyond = "SELECT count() FROM events AS e LEFT JOIN (SELECT partition, max(log_offset) + 1 AS next FROM checkpoints GROUP BY partition) AS c \
                  ON e.log_partition = c.partition WHERE e.log_offset >= c.next";
    let (mut sent, mut kills) = (0, 0);
    for round in 1..=12 {
        let service = Service::start(&data, &flags);
        let until = lines.len() * round / 13;
        runtime.block_on(crate::kafka::send("e2e.crm", &lines[sent..until]));
        let before = count("SELECT uniqExact(id) FROM events");
        wait("some of it to be stored", || (count("SELECT uniqExact(id) FROM events") > before).then_some(()));
        service.kill();
        sent = until;
        kills += u32::from(count(beyond) > 0);
        if kills == 5 {
            break;
        }
    }
    assert_eq!(kills, 5, "kills that left work to repeat");
    runtime.block_on(crate::kafka::send("e2e.crm", &lines[sent..]));
    let service = Service::start(&data, &flags);
    let n = company.ids().len() as u64;
    wait("all of it to be stored", || (count("SELECT uniqExact(id) FROM events") == n).then_some(()));
    service.stop();
    let stored = root.path().join("stored.jsonl");
    let mut command = filin(&["replay", "--from-log", "--verify", "--config", config.to_str().expect("plain"), "--stored"]);
    command.arg(&stored).args(["--alerts".as_ref(), root.path().join("from-log.jsonl").as_os_str()]);
    ended(command, 0);
    ended(filin(&["verify", "--config", config.to_str().expect("plain")]), 0);
    assert_eq!(alerts(&stored), alerts(&root.path().join("from-log.jsonl")));
    assert_eq!(alerts(&stored), alerts(&company.replayed(root.path())), "the same as from files, all fields");
}
