//! Recording and alerting rules: promtool has nothing to say, each fires and does not, each has a page.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use filin::engine::control::{self, Kind};
use serde_json::Value;

use super::{Dashboard, list, names, path, series, text, word, yaml};

const RULES: &str = "dashboards/prometheus/rules.yml";

fn promtool(args: &[&str], folder: &Path) -> Output {
    let promtool = filin::ops::config::cache_dir().join("promtool");
    let output = Command::new(&promtool).args(args).current_dir(folder).output();
    output.unwrap_or_else(|e| panic!("{}: {e}: run scripts/parts promtool", promtool.display()))
}

fn passes(args: &[&str], folder: &Path) {
    let out = promtool(args, folder);
    assert!(out.status.success(), "promtool {args:?}\n{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

fn rules() -> Vec<Value> {
    list(&yaml(RULES), "groups").flat_map(|g| list(g, "rules")).cloned().collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| !rule["alert"].is_null()).collect()
}

#[test]
fn promtool_takes_rules_and_configuration() {
    let folder = path("dashboards/prometheus");
    passes(&["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"], &folder);
    passes(&["check", "config", "prometheus.yml"], &folder);
}

#[test]
fn each_rule_fires_and_does_not() {
    let files = ["rules.test.yml", "rules-slow.test.yml"];
    passes(&[&["test", "rules"], &files[..]].concat(), &path("dashboards/prometheus"));
    let tests = files.map(|file| yaml(&format!("dashboards/prometheus/{file}")));
    let cases: Vec<&Value> = tests.iter().flat_map(|t| list(t, "tests")).flat_map(|t| list(t, "alert_rule_test")).collect();
    for alert in alerts() {
        let of = |fires: bool| cases.iter().any(|c| c["alertname"] == alert["alert"] && list(c, "exp_alerts").next().is_some() == fires);
        assert!(of(true) && of(false), "{}: a test where it fires and one where it does not", alert["alert"]);
    }
}

#[test]
fn each_alert_says_how_bad_what_and_where_to_read_on() {
    for alert in alerts() {
        let name = word(&alert, "alert");
        assert!(["critical", "warning"].contains(&word(&alert["labels"], "severity")), "{name}");
        assert!(["summary", "description"].iter().all(|key| !word(&alert["annotations"], key).is_empty()), "{name}");
        let page = format!("docs/runbooks/{name}.md");
        assert!(word(&alert["annotations"], "runbook_url").ends_with(&page), "{name}");
        assert!(path(&page).exists(), "{page} is missing");
    }
}

#[test]
fn every_series_that_is_named_exists() {
    let rules = rules();
    let recorded = rules.iter().map(|rule| word(rule, "record").to_owned());
    let known: BTreeSet<String> = series().into_iter().chain(recorded).collect();
    let check = |what: &str, expression: &str| {
        for name in names(expression) {
            assert!(known.contains(&name), "{what}: there is no series {name}");
        }
    };
    for rule in &rules {
        check(word(rule, "alert"), word(rule, "expr"));
        check(word(rule, "record"), word(rule, "expr"));
    }
    let dashboards = Dashboard::all();
    let expressions: Vec<(String, &str)> = dashboards.iter().flat_map(Dashboard::expressions).collect();
    assert!(!expressions.is_empty());
    for (what, expression) in &expressions {
        check(what, expression);
    }
    assert_eq!(
        names(r#"rate(filin_a_total{x="filin_b"}[5m]) / filin:c:d"#),
        BTreeSet::from(["filin_a_total", "filin:c:d"].map(str::to_owned))
    );
}

/// promtool parses what stands in a rule; so panels' expressions become rules.
#[test]
fn expressions_of_panels_are_promql() {
    let root = tempfile::tempdir().expect("a folder");
    let write = |expressions: &[&str]| {
        let rule = |(i, e): (usize, &&str)| serde_json::json!({"record": format!("panel:{i}"), "expr": e.replace("$__rate_interval", "5m").replace("$job", "filin")});
        let rules: Vec<Value> = expressions.iter().enumerate().map(rule).collect();
        assert!(!rules.iter().any(|r| word(r, "expr").contains('$')), "a variable is left over: {rules:?}");
        let file = serde_json::json!({"groups": [{"name": "panels", "rules": rules}]});
        std::fs::write(root.path().join("panels.yml"), file.to_string()).expect("written");
    };
    let dashboards = Dashboard::all();
    let expressions: Vec<&str> = dashboards.iter().flat_map(Dashboard::expressions).map(|(_, e)| e).collect();
    write(&expressions);
    passes(&["check", "rules", "panels.yml"], root.path());
    write(&["rate(filin_api_ready[)"]);
    assert!(!promtool(&["check", "rules", "panels.yml"], root.path()).status.success(), "promtool reads them");
}

/// The budget is for behaviour; a rule that joins the catalogue must be left out of its count.
#[test]
fn the_budget_leaves_out_the_rules() {
    let rules = rules();
    let rule = rules.iter().find(|r| r["record"] == "filin:alerts_per_manager:increase1d").expect("it is there");
    let outside: Vec<&str> = control::ALL.iter().filter(|c| c.kind != Kind::Behavioural).map(|c| c.id).collect();
    let wanted = format!("control!~\"{}\"", outside.join("|"));
    assert!(word(rule, "expr").contains(&wanted), "{wanted} is not in {}", word(rule, "expr"));
}

/// Each page: what it means, what it costs, what to type first, how to know that it is over.
#[test]
fn each_runbook_has_its_four_parts() {
    let known: BTreeSet<String> = alerts().iter().map(|a| word(a, "alert").to_owned()).collect();
    let pages = super::files("docs/runbooks", ".md");
    let named: BTreeSet<String> = pages.iter().filter(|p| *p != "README.md").map(|p| p.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(named, known, "a page for each alert and none besides");
    let (index, known_series) = (text("docs/runbooks/README.md"), series());
    // Each is said once to have been tried, or not; the first are those that the test beside this file makes.
    let list = |from: &str, to: &str| -> Vec<String> {
        let part = index.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap_or_default();
        let name = regex::Regex::new(r"\bFilin[A-Z]\w+").expect("a pattern");
        name.find_iter(part).map(|m| m.as_str().to_owned()).collect()
    };
    let (tried, untried) = (list("in a real Alertmanager:", "It mends"), list("Not made there", "\n\n"));
    let made = text("tests/it/dashboards/prometheus.rs");
    let made = made.split("rises(&[").skip(1).filter_map(|rest| rest.split("])").next()).collect::<String>();
    assert!(tried.iter().all(|name| made.contains(&format!("\"{name}\""))), "{tried:?} against {made}");
    let mut all = [tried, untried].concat();
    all.sort();
    assert_eq!(all, known.iter().cloned().collect::<Vec<_>>());
    for name in &named {
        assert!(index.contains(&format!("[{name}]({name}.md)")), "the index leaves out {name}");
        let page = text(&format!("docs/runbooks/{name}.md"));
        assert!(page.starts_with(&format!("# {name}\n")), "{name}: its title");
        for part in ["## Meaning", "## Impact", "## First three commands", "## Over when"] {
            let body = page.split(part).nth(1).unwrap_or_else(|| panic!("{name}: no {part}"));
            assert!(body.split("\n## ").next().is_some_and(|b| b.trim().len() > 40), "{name}: {part} says nothing");
        }
        assert_eq!(commands(&page).len(), 3, "{name}: three commands");
        for metric in names(&page) {
            // `_bucket`, `_sum` and `_count` of a histogram go by its name.
            assert!(metric.contains(':') || known_series.iter().any(|s| s.starts_with(&metric)), "{name}: there is no series {metric}");
        }
    }
}

/// Commands of a page's one block, a line each.
pub(super) fn commands(page: &str) -> Vec<String> {
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap_or_default();
    block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}
