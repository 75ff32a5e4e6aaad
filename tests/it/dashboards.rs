//! Dashboards, rules, runbooks and deployment: everything they name exists, every query runs on a real engine.

mod deploy;
mod expand;
mod lint;
mod prometheus;
mod rules;
mod sql;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use filin::{
    engine::control,
    ops::metrics::{Labels, Metrics},
};
use serde_json::Value;

/// A file or folder of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Names of the files of a folder that end so, sorted.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let names = entries.map(|entry| entry.expect("readable").file_name().into_string().expect("a plain name"));
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} has no {ending}");
    names
}

fn yaml(name: &str) -> Value {
    serde_yaml_ng::from_str(&text(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Members of a list, none where there is no list.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + Clone + use<'a> {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A dashboard as its file says.
struct Dashboard(Value);

impl Dashboard {
    fn all() -> Vec<Self> {
        let read =
            |name: &String| Self(serde_json::from_str(&text(&format!("dashboards/{name}"))).unwrap_or_else(|e| panic!("{name}: {e}")));
        files("dashboards", ".json").iter().map(read).collect()
    }

    fn uid(&self) -> &str {
        word(&self.0, "uid")
    }

    /// All but rows.
    fn panels(&self) -> impl Iterator<Item = &Value> + Clone {
        list(&self.0, "panels").filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> impl Iterator<Item = &Value> + Clone {
        list(&self.0["templating"], "list")
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables().find(|v| v["name"] == name)
    }

    /// What its data source is.
    fn source(&self) -> &str {
        self.variable("datasource").map_or("", |v| word(v, "query"))
    }

    /// What is asked in SQL, each with a name for people and its panel.
    fn queries(&self) -> Vec<(String, &str, Option<&Value>)> {
        let name = |kind: &str, title: &str| format!("{}, {kind} {title:?}", self.uid());
        let mut all = Vec::new();
        if self.source() == "prometheus" {
            return all;
        }
        for panel in self.panels() {
            let targets = list(panel, "targets").map(|t| word(t, "rawSql"));
            all.extend(targets.map(|sql| (name(word(panel, "type"), word(panel, "title")), sql, Some(panel))));
        }
        let variables = self.variables().filter(|v| v["type"] == "query");
        all.extend(variables.map(|v| (name("variable", word(v, "name")), word(v, "query"), None)));
        let annotations = list(&self.0["annotations"], "list").filter(|a| !a["target"].is_null());
        all.extend(annotations.map(|a| (name("annotation", word(a, "name")), word(&a["target"], "rawSql"), None)));
        all
    }

    /// What is asked in PromQL.
    fn expressions(&self) -> Vec<(String, &str)> {
        let of = |panel| list(panel, "targets").map(|t| word(t, "expr")).filter(|e| !e.is_empty());
        self.panels().flat_map(|p| of(p).map(|e| (format!("{}, {:?}", self.uid(), word(p, "title")), e))).collect()
    }
}

/// Names of the series that `/metrics` has.
fn series() -> BTreeSet<String> {
    let controls: Vec<&str> = control::ALL.iter().map(|c| c.id).collect();
    let labels = Labels { controls: &controls, severities: &["low", "medium", "high", "critical"], reasons: &["bad_json"] };
    let metrics = Metrics::new(&::prometheus::Registry::new(), &labels);
    metrics.start_routes(&["/v1/events"]);
    metrics.backups(std::time::Duration::from_secs(1), &[("/mnt/a", None)]);
    metrics.ranked("default", 0, false);
    let lines = metrics.text();
    let samples = lines.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// Words of an expression that look like the name of a series.
fn names(expression: &str) -> BTreeSet<String> {
    let name = regex::Regex::new(r#""[^"]*"|\b(?:filin|process)_[a-z0-9_]+|\bfilin:[a-z0-9_:]+"#).expect("a pattern");
    name.find_iter(expression).map(|m| m.as_str().to_owned()).filter(|m| !m.starts_with('"')).collect()
}
