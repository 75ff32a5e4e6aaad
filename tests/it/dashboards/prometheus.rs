//! A real Prometheus that scrapes a running Filin: every expression of dashboards and rules is answered, and
//! faults that can be made in seconds raise their alerts.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{Dashboard, list, path, word, yaml};
use crate::service::{Service, free_address, request, wait};

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
    /// Scrapes and evaluates every second, so that a test need not wait.
    fn start(folder: &Path, target: &str) -> Self {
        let binary = filin::ops::config::cache_dir().join("prometheus");
        assert!(binary.exists(), "{} is missing: run scripts/parts prometheus", binary.display());
        let host = free_address();
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [path("dashboards/prometheus/rules.yml")],
            "scrape_configs": [{"job_name": "filin", "static_configs": [{"targets": [target]}]}],
        });
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("written");
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.arg(format!("--web.listen-address={host}")).arg("--log.level=error");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("prometheus starts");
        let prometheus = Self { child, host };
        wait("prometheus to listen", || std::net::TcpStream::connect(&prometheus.host).ok());
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
}

#[test]
fn a_real_prometheus_answers_everything() {
    let root = tempfile::tempdir().expect("a folder");
    let service = Service::start(&root.path().join("data"), &[]);
    let push = |name: &str, lines: &[String]| {
        let file = root.path().join(name);
        std::fs::write(&file, lines.concat()).expect("written");
        service.push("canonical", &[&file]);
    };
    push("first.jsonl", &(0..200).map(event).collect::<Vec<_>>());
    service.settle();
    let prometheus = Prometheus::start(root.path(), &service.console);
    let answered = |expression: &str| prometheus.ask(expression).map(|found| !found.is_empty());
    wait("two scrapes", || (answered("rate(filin_log_appended_total[5m])") == Ok(true)).then_some(()));
    wait("a checkpoint with everything", || {
        (answered("filin_engine_managers > 0 and filin_store_disk_free_ratio > 0") == Ok(true)).then_some(())
    });
    wait("the rules", || (answered("filin:alerts_per_manager:increase1d and on () filin:stored:ratio") == Ok(true)).then_some(()));
    let dashboards = Dashboard::all();
    for (name, expression) in dashboards.iter().flat_map(Dashboard::expressions) {
        let expression = expression.replace("$__rate_interval", "5m").replace("$job", "filin");
        assert_eq!(answered(&expression), Ok(true), "{name}: {expression}");
    }
    let rules = yaml("dashboards/prometheus/rules.yml");
    for rule in list(&rules, "groups").flat_map(|g| list(g, "rules")) {
        let answer = answered(word(rule, "expr"));
        assert!(answer.is_ok(), "{rule}: {answer:?}");
    }
    for alert in
        ["FilinDown", "FilinNotReady", "FilinStoreAway", "FilinScoringStalled", "FilinSourceStalled", "FilinRestarts", "FilinLogUnreadable"]
    {
        let rule = list(&rules, "groups").flat_map(|g| list(g, "rules")).find(|r| r["alert"] == alert).expect("it is there");
        assert_eq!(answered(word(rule, "expr")), Ok(false), "{alert} on a healthy instance");
    }
    // Faults: old events of nobody known, and input that cannot be read.
    push("second.jsonl", &(200..300).map(event).chain(std::iter::repeat_n("{\"half\":\n".to_owned(), 20)).collect::<Vec<_>>());
    let rises = |alert: &str| wait(alert, || (answered(&format!("ALERTS{{alertname=\"{alert}\"}}")) == Ok(true)).then_some(()));
    ["FilinDeadLettersFast", "FilinReferenceMissing", "FilinWatermarkBehind"].into_iter().for_each(rises);
    service.kill();
    rises("FilinDown");
}

/// A line of January 2026, ten a day.
fn event(i: u32) -> String {
    let time = format!("2026-01-{:02}T10:{:02}:00Z", 1 + i / 10, i % 10);
    let (actor, object) = (json!({"id": "m1", "kind": "user"}), json!({"type": "client", "id": "c1"}));
    let event = json!({"tenant": "default", "source": "generic", "id": format!("e{i}"), "time": time, "actor": actor, "action": "view", "object": object});
    format!("{event}\n")
}
