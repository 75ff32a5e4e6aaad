//! What a real instance answers: as described in `schemas/openapi.json`, and nothing about who people are on its page.

use std::{io::Write as _, process::Stdio};

use serde_json::Value;

use crate::service::Service;

#[test]
fn a_real_instance_answers_as_described() {
    let root = tempfile::tempdir().expect("a folder");
    let service = Service::of_company(root.path(), ["12", "20", "11", "12"]);

    let document: Value = serde_json::from_str(&service.http("GET", "/openapi.json", b"").1).expect("JSON");
    let get = |path: &str, schema: &str| {
        let (status, text) = service.http("GET", path, b"");
        assert_eq!(status, 200, "{path}: {text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let schema = serde_json::json!({"$ref": format!("#/components/schemas/{schema}"), "components": document["components"]});
        let problems: Vec<String> = jsonschema::validator_for(&schema)
            .expect("a schema")
            .iter_errors(&answer)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{path}: {problems:?}");
        answer
    };
    let list = |answer: &Value, key: &str| answer[key].as_array().expect("a list").clone();

    let alerts = list(&get("/v1/alerts?limit=1000", "Alerts"), "alerts");
    assert_eq!(alerts.len() as u64, service.count("SELECT count() FROM filin.alerts_latest"));
    assert!(alerts.iter().is_sorted_by(|a, b| a["time"].as_str() >= b["time"].as_str()), "newest first");
    let first = &alerts[0];
    let one = get(&format!("/v1/alerts/{}", first["alert_id"].as_str().expect("an id")), "AlertWithVersions");
    assert_eq!((&one["alert"], one["versions"].as_array().map(|all| all.len() as u64)), (first, first["version"].as_u64()));
    let alias = first["manager_alias"].as_str().expect("an alias");
    let theirs = list(&get(&format!("/v1/alerts?manager={alias}"), "Alerts"), "alerts");
    assert!(!theirs.is_empty() && theirs.iter().all(|a| a["manager"] == first["manager"]));
    let since = first["time"].as_str().expect("a time");
    assert!(list(&get(&format!("/v1/alerts?since={since}"), "Alerts"), "alerts").contains(first));
    let urgent = |a: &&Value| matches!(a["severity"].as_str(), Some("high" | "critical"));
    assert_eq!(list(&get("/v1/alerts?severity=high&limit=1000", "Alerts"), "alerts").len(), alerts.iter().filter(urgent).count());

    // Page by page it is the same list, in any order.
    for sort in ["time", "score", "priority"] {
        let (mut paged, mut path) = (Vec::new(), format!("/v1/alerts?limit=2&sort={sort}"));
        loop {
            let page = get(&path, "Alerts");
            paged.extend(list(&page, "alerts"));
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/alerts?limit=2&sort={sort}&after={next}"),
                None => break,
            }
        }
        let mut expected = alerts.clone();
        if sort != "time" {
            // Nobody answered: a priority is a score.
            expected.sort_by_key(|a| (std::cmp::Reverse(a["bits"].as_u64()), a["alert_id"].as_str().map(str::to_owned)));
        }
        assert_eq!(paged, expected, "{sort}");
    }
    let managers = list(&get("/v1/managers?tenant=default", "Managers"), "managers");
    let sum = |key: &str| managers.iter().filter_map(|m| m[key].as_u64()).sum::<u64>();
    assert_eq!(sum("events"), service.count("SELECT sum(events) FROM filin.manager_day"));
    assert_eq!(sum("alerts"), alerts.iter().filter(|a| a["manager"].is_string()).count() as u64);
    assert!(list(&get("/v1/managers?tenant=nobody", "Managers"), "managers").is_empty());
    get("/v1/status", "Status");

    let (status, page) = service.http("GET", "/?lang=en", b"");
    assert_eq!(status, 200);
    for text in [alias, first["severity"].as_str().expect("a word")] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    for id in alerts.iter().filter_map(|a| a["manager"].as_str()) {
        assert!(!page.contains(&format!(">{id}<")) && !page.contains(&format!("={id}\"")), "{id} is on the page");
    }

    let metrics = service.http("GET", "/metrics", b"").1;
    let value = |name: &str| metrics.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok());
    assert!(value("filin_directory_rows{kind=\"users\"}").is_some_and(|n| n > 0.0));
    assert_eq!(value("filin_source_rejected_total{reason=\"bad_json\"}"), Some(0.0));
    assert!(value("filin_engine_watermark_timestamp_seconds").is_some_and(|t| t > 1e9));
    let promtool = filin::ops::config::cache_dir().join("promtool");
    let mut child = std::process::Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}: run scripts/parts promtool", promtool.display()));
    child.stdin.take().expect("piped").write_all(metrics.as_bytes()).expect("promtool reads");
    let checked = child.wait_with_output().expect("promtool ends");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    service.stop();
}
