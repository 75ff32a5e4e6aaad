//! A real Prometheus that scrapes a running Filin: every expression of dashboards and rules is answered, faults raise their alerts, these
//! reach a real Alertmanager, and end there when the fault does.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{Dashboard, list, text, word, yaml};
use crate::{
    gate::Gate,
    notify::{Alertmanager, Stub},
    pipeline::Server,
    service::{Service, ended, filin, free_address, request, wait},
};

struct Prometheus {
    child: Child,
    host: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Prometheus {
    /// Scrapes and evaluates every second and is not patient, so that a test need not wait.
    fn start(folder: &Path, target: &str, alertmanager: &str) -> Self {
        let binary = filin::ops::config::cache_dir().join("prometheus");
        assert!(binary.exists(), "{} is missing: run scripts/parts prometheus", binary.display());
        let host = free_address();
        let patience = regex::Regex::new(r"(?m)^( +for:) \w+$").expect("a pattern");
        let rules = folder.join("rules.yml");
        std::fs::write(&rules, patience.replace_all(&text("dashboards/prometheus/rules.yml"), "$1 0s").as_bytes()).expect("written");
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [{"job_name": "filin", "static_configs": [{"targets": [target]}]}],
        });
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("written");
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.arg(format!("--web.listen-address={host}")).arg("--log.level=error");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("prometheus starts");
        let prometheus = Self { child, host };
        wait("prometheus to listen", || TcpStream::connect(&prometheus.host).ok());
        wait("prometheus to be ready", || (request(&prometheus.host, "GET", "/-/ready", b"").0 == 200).then_some(()));
        prometheus
    }

    /// The result of an instant query.
    fn ask(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let (status, text) = request(&self.host, "GET", &format!("/api/v1/query?{query}"), b"");
        let answer: Value = serde_json::from_str(&text).map_err(|e| format!("{status}: {e}: {text}"))?;
        if answer["status"] == "success" { Ok(list(&answer["data"], "result").cloned().collect()) } else { Err(text) }
    }

    fn answered(&self, expression: &str) -> Result<bool, String> {
        self.ask(expression).map(|found| !found.is_empty())
    }

    fn until(&self, what: &str, expression: &str) {
        wait(what, || (self.answered(expression) == Ok(true)).then_some(()));
    }
}

/// Filin with everything that can be away: a ClickHouse behind a gate, receivers of alerts, places of backups.
struct Company {
    root: tempfile::TempDir,
    server: Server,
    gate: Gate,
    service: Option<Service>,
    /// Where Filin looks for its own Alertmanager; nobody is there.
    receiver: String,
    _refusing: Stub,
}

impl Company {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        let server = Server::start(&at("server"));
        let access = server.access();
        let gate = Gate::to(access.url.trim_start_matches("http://"));
        let refusing = Stub::start("127.0.0.1:0", |_, _| 422);
        let receiver = free_address();
        ["a", "b"].iter().for_each(|place| std::fs::create_dir(at(place)).expect("made"));
        std::fs::write(at("key"), "0123456789abcdef0123456789abcdef").expect("written");
        std::fs::write(at("clients.csv"), "id,owner,team,decoy\ntrap,,,true\n").expect("written");
        let config = format!(
            "[clickhouse]\nurl = \"http://{}\"\nuser = \"{}\"\npassword = \"{}\"\n[privacy]\nalias_key = \"a key for this test, long enough\"\n\
             [reference]\nclients = {:?}\n[canary]\nenabled = false\n[backup]\nto = [{:?}, {:?}]\nevery = \"60s\"\nkey_file = {:?}\n\
             [alerts]\nalertmanager = \"http://{receiver}\"\nwebhook = {{ url = \"http://{}/\", secret = \"the secret of this webhook\" }}\n",
            gate.host,
            access.user,
            access.password,
            at("clients.csv"),
            at("a"),
            at("b"),
            at("key"),
            refusing.address
        );
        std::fs::write(at("filin.toml"), config).expect("written");
        let service = Service::start(&at("data"), &["--config", at("filin.toml").to_str().expect("a plain path")]);
        Self { root, server, gate, service: Some(service), receiver, _refusing: refusing }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn service(&self) -> &Service {
        self.service.as_ref().expect("it runs")
    }

    fn push(&self, lines: &[String]) {
        let file = self.at("events.jsonl");
        std::fs::write(&file, lines.concat()).expect("written");
        self.service().push("canonical", &[&file]);
    }

    /// As somebody who administers ClickHouse.
    fn write(&self, sql: &str) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let client = filin::store::client(&self.server.access());
        runtime.block_on(client.query(sql).execute()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

#[test]
fn a_real_prometheus_answers_everything_and_faults_reach_alertmanager() {
    let mut company = Company::start();
    // One place of backups is begun by hand, the other one is not.
    let mut backup = filin(&["backup", "--to"]);
    backup.arg(company.at("a")).arg("--key").arg(company.at("key")).arg("--config").arg(company.at("filin.toml"));
    company.push(&(0..200).map(event).collect::<Vec<_>>());
    ended(backup, 0);
    std::fs::write(company.at("alertmanager.yml"), text("dashboards/alertmanager/alertmanager.yml")).expect("written");
    let alertmanager = Alertmanager::start(company.root.path());
    let prometheus = Prometheus::start(company.root.path(), &company.service().console, &alertmanager.host);
    prometheus.until("two scrapes", "rate(filin_log_appended_total[5m])");
    prometheus.until("a checkpoint with everything", "filin_engine_managers > 0 and filin_store_disk_free_ratio > 0");
    prometheus.until("the rules", "filin:alerts_per_manager:increase1d and on () filin:stored:ratio");
    let rules = yaml("dashboards/prometheus/rules.yml");
    let rules: Vec<&Value> = list(&rules, "groups").flat_map(|g| list(g, "rules")).collect();
    let expression = |alert: &str| word(rules.iter().find(|r| r["alert"] == alert).expect("it is there"), "expr");
    for rule in &rules {
        let answer = prometheus.answered(word(rule, "expr"));
        assert!(answer.is_ok(), "{rule}: {answer:?}");
    }
    for alert in [
        "FilinDown",
        "FilinNotReady",
        "FilinStoreAway",
        "FilinStoreRetries",
        "FilinScoringStalled",
        "FilinSourceStalled",
        "FilinRestarts",
        "FilinLogUnreadable",
        "FilinDescriptorsLow",
        "FilinFreshnessBurnFast",
        "FilinApiErrorsFast",
        "FilinDeadLettersFast",
        "FilinTooLate",
        "FilinNotificationsStuck",
        "FilinNotificationsRefused",
    ] {
        assert_eq!(prometheus.answered(expression(alert)), Ok(false), "{alert} on a healthy instance");
    }
    let open = |alert: &str, of: &str| alertmanager.alerts(&format!("alertname=\"{alert}\"")).iter().any(|a| a.to_string().contains(of));
    let rises = |alerts: &[&str]| alerts.iter().for_each(|alert| wait(alert, || open(alert, "").then_some(())));
    let ends = |alert: &str| wait(&format!("{alert} to end"), || (!open(alert, "")).then_some(()));

    // No backup was ever made to either place, as far as the service knows.
    rises(&["FilinBackupOverdue"]);
    // Old events of nobody known, some more than 72 h behind the others, and input that cannot be read.
    let late = (0..5).map(|i| event(i).replace("\"e", "\"late-e"));
    company.push(&(200..300).map(event).chain(late).chain(std::iter::repeat_n("{\"half\":\n".to_owned(), 20)).collect::<Vec<_>>());
    rises(&["FilinDeadLettersFast", "FilinDeadLettersSlow", "FilinTooLate", "FilinReferenceMissing", "FilinWatermarkBehind"]);

    // Somebody opens connections and leaves them.
    let files = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let pid = company.service().pid();
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&company.service().console).expect("it listens")).collect();
    wait("the connections to be open", || (files(pid) > 100).then_some(()));
    let limit = (files(pid) * 100 / 85).to_string();
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &pid.to_string(), &format!("--nofile={limit}")]);
    ended(prlimit, 0);
    rises(&["FilinDescriptorsLow"]);
    drop(idle);
    ends("FilinDescriptorsLow");

    // An alert, while one receiver refuses it and the other one is away, for twenty minutes as far as its outbox knows.
    let now = filin::ops::clock::now();
    company.push(&[json!({"source": "generic", "id": "trap", "time": now, "actor": {"id": "m1"}, "action": "view", "object": {"type": "client", "id": "trap"}}).to_string()]);
    rises(&["FilinNotificationsRefused"]);
    company.write("DELETE FROM notifications WHERE receiver = 'alertmanager'");
    company.write(
        "INSERT INTO notifications SELECT tenant, alert_id, version, 'alertmanager', 0, 'due', '', now64(3) - INTERVAL 20 MINUTE \
         FROM alerts WHERE notify AND has(controls, 'decoy')",
    );
    rises(&["FilinNotificationsStuck"]);
    let _back = Stub::start(&company.receiver, |_, _| 200);
    ends("FilinNotificationsStuck");

    // A minute after the start one place got its next backup, and the other one is still none.
    let place = |name: &str| company.at(name).display().to_string();
    wait("the backup", || (!open("FilinBackupOverdue", &place("a"))).then_some(()));
    assert!(open("FilinBackupOverdue", &place("b")));
    rises(&["FilinBackupFailed"]);
    for (name, expression) in Dashboard::all().iter().flat_map(Dashboard::expressions) {
        let expression = expression.replace("$__rate_interval", "5m").replace("$job", "filin");
        assert_eq!(prometheus.answered(&expression), Ok(true), "{name}: {expression}");
    }

    // ClickHouse is away while somebody pushes and somebody reads.
    company.gate.set(false);
    let console = company.service().console.clone();
    let pushing = std::thread::spawn(move || request(&console, "POST", "/v1/events", event(301).as_bytes()).0);
    for _ in 0..20 {
        assert_eq!(company.service().http("GET", "/v1/alerts", b"").0, 503);
    }
    rises(&[
        "FilinStoreAway",
        "FilinStoreRetries",
        "FilinFreshnessBurnFast",
        "FilinFreshnessBurnSlow",
        "FilinApiErrorsFast",
        "FilinApiErrorsSlow",
    ]);
    company.gate.set(true);
    ends("FilinStoreAway");
    assert_eq!(pushing.join().expect("it was answered"), 200, "what waited is taken");

    company.service.take().expect("it runs").kill();
    rises(&["FilinDown"]);
}

/// A line of January 2026, ten a day.
fn event(i: u32) -> String {
    let time = format!("2026-01-{:02}T10:{:02}:00Z", 1 + i / 10, i % 10);
    let (actor, object) = (json!({"id": "m1", "kind": "user"}), json!({"type": "client", "id": "c1"}));
    let event = json!({"tenant": "default", "source": "generic", "id": format!("e{i}"), "time": time, "actor": actor, "action": "view", "object": object});
    format!("{event}\n")
}
