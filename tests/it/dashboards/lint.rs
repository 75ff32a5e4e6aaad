//! What holds for every dashboard, whatever it shows.

use std::collections::BTreeSet;

use filin::engine::control;
use regex::Regex;
use serde_json::Value;

use super::{Dashboard, files, list, path, text, word};

const MACROS: [&str; 12] = [
    "timeFilter",
    "timeFilter_ms",
    "dateFilter",
    "dateTimeFilter",
    "timeInterval",
    "timeInterval_ms",
    "fromTime",
    "toTime",
    "fromTime_ms",
    "toTime_ms",
    "interval_s",
    "conditionalAll",
];

/// Complaints about one dashboard, the others being known.
fn complaints(d: &Dashboard, others: &[Dashboard]) -> Vec<String> {
    let mut all = Vec::new();
    let mut check = |fine: bool, what: String| {
        if !fine {
            all.push(format!("{}: {what}", d.uid()));
        }
    };
    check(Regex::new("^filin-[a-z]+$").expect("a pattern").is_match(d.uid()), "the uid is none of ours".to_owned());
    check(d.0["editable"] == false, "it can be edited in place".to_owned());
    check(["id", "version"].iter().all(|key| d.0.get(*key).is_none()), "an id or version binds it to one Grafana".to_owned());
    for key in ["title", "description"] {
        check(!word(&d.0, key).is_empty(), format!("it has no {key}"));
    }
    let ids: BTreeSet<u64> = list(&d.0, "panels").filter_map(|p| p["id"].as_u64()).collect();
    check(ids.len() == list(&d.0, "panels").count(), "ids of panels are not unique".to_owned());
    check(["grafana-clickhouse-datasource", "prometheus"].contains(&d.source()), "it has no variable datasource".to_owned());
    for v in d.variables() {
        let name = word(v, "name");
        check(!word(v, "label").is_empty() && !word(v, "description").is_empty(), format!("variable {name} is not explained"));
        check(v["type"] != "textbox", format!("variable {name} takes any text"));
        check(v["type"] != "query" || source_is(v, d), format!("variable {name} has a data source of its own"));
    }
    for panel in d.panels() {
        let title = word(panel, "title");
        let mut check = |fine: bool, what: &str| check(fine, format!("panel {title:?}: {what}"));
        check(!title.is_empty(), "no title");
        let description = word(panel, "description");
        check(description.contains('?') && description.len() > 30, "the description does not say which question it answers");
        check(!word(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "no unit");
        check(list(&panel["fieldConfig"]["defaults"]["thresholds"], "steps").next().is_some(), "no thresholds");
        check(source_is(panel, d), "its data source is not the variable");
        check(list(panel, "targets").next().is_some(), "it asks nothing");
        check(list(panel, "targets").all(|t| source_is(t, d)), "a query's data source is not the variable");
        let grid = &panel["gridPos"];
        let (x, w) = (grid["x"].as_u64().unwrap_or(99), grid["w"].as_u64().unwrap_or(99));
        check(x + w <= 24, "it lies outside of the grid");
        if let Some(page) = description.split_whitespace().find_map(|w| w.strip_prefix("docs/runbooks/")) {
            check(path("docs/runbooks").join(page.trim_end_matches(['.', ','])).exists(), "its runbook is missing");
        }
    }
    for (at, url) in links(&d.0) {
        let mut check = |fine: bool, what: String| check(fine, format!("link {at} {url}: {what}"));
        let Some(target) = url.strip_prefix("/d/").and_then(|rest| rest.split('?').next()) else {
            check(url.is_empty(), "it leads elsewhere".to_owned());
            continue;
        };
        let Some(target) = others.iter().find(|o| o.uid() == target) else {
            check(false, "there is no such dashboard".to_owned());
            continue;
        };
        for name in captures(r"var-(\w+)=", &url) {
            check(target.variable(&name).is_some(), format!("{} has no variable {name}", target.uid()));
        }
        for name in captures(r"\$\{(\w+):queryparam\}", &url) {
            check(d.variable(&name).is_some() && target.variable(&name).is_some(), format!("variable {name} is not on both sides"));
        }
        check(url.ends_with("${__url_time_range}"), "it forgets the time range".to_owned());
    }
    for (name, sql, _) in d.queries() {
        let mut check = |fine: bool, what: &str| check(fine, format!("{name}: {what}"));
        for used in captures(r"\$__(\w+)", sql) {
            check(MACROS.contains(&used.as_str()), &format!("$__{used} is not in all versions of the plugin"));
        }
        for used in captures(r"\$\{?([A-Za-z]\w*)", sql) {
            check(d.variable(&used).is_some(), &format!("there is no variable {used}"));
        }
        check(!sql.contains("--") && !sql.contains("/*"), "macros are expanded in comments too: keep them out");
    }
    let rated = Regex::new(r"(?:rate|increase)\([a-z_]+_(?:total|bucket|sum|count)\b").expect("a pattern");
    let counters = Regex::new(r"(?:filin|process)_[a-z0-9_]+_total\b").expect("a pattern");
    for (name, expression) in d.expressions() {
        check(
            counters.find_iter(expression).count() == rated.find_iter(expression).filter(|m| m.as_str().ends_with("_total")).count(),
            format!("{name}: a counter outside of rate says nothing"),
        );
    }
    all
}

fn source_is(of: &Value, d: &Dashboard) -> bool {
    of["datasource"]["uid"] == "${datasource}" && of["datasource"]["type"] == d.source()
}

fn captures(pattern: &str, text: &str) -> Vec<String> {
    Regex::new(pattern).expect("a pattern").captures_iter(text).map(|c| c[1].to_owned()).collect()
}

/// Every `url` within, with its title.
fn links(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(map) => {
            let own = map.get("url").and_then(Value::as_str).map(|url| (word(value, "title").to_owned(), url.to_owned()));
            own.into_iter().chain(map.values().flat_map(links)).collect()
        }
        Value::Array(all) => all.iter().flat_map(links).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn dashboards_keep_the_rules() {
    let all = Dashboard::all();
    let found: Vec<String> = all.iter().flat_map(|d| complaints(d, &all)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let uids: BTreeSet<&str> = all.iter().map(Dashboard::uid).collect();
    assert_eq!(uids.len(), all.len(), "uids are not unique");
    for name in files("dashboards", ".json") {
        let written = text(&format!("dashboards/{name}"));
        let value: Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(format!("{value:#}\n"), written, "{name} is not formatted: two spaces, sorted keys");
        assert_eq!(format!("{}.json", word(&value, "uid")), name);
    }
}

/// A lint that never complains would pass everything.
#[test]
fn what_breaks_the_rules_is_told() {
    let all = Dashboard::all();
    let spoilt = |spoil: &dyn Fn(&mut Value)| {
        let mut d = Dashboard(all.iter().find(|d| d.uid() == "filin-overview").expect("it is there").0.clone());
        spoil(&mut d.0);
        complaints(&d, &all)
    };
    assert_eq!(spoilt(&|_| {}), Vec::<String>::new());
    let check = |spoil: &dyn Fn(&mut Value), told: &str| {
        let found = spoilt(spoil);
        assert!(found.iter().any(|c| c.contains(told)), "{told:?} is not among {found:?}");
    };
    check(&|d| d["editable"] = true.into(), "can be edited");
    check(&|d| d["panels"][0]["description"] = "A number.".into(), "which question");
    check(&|d| d["panels"][0]["datasource"]["uid"] = "abc".into(), "not the variable");
    check(&|d| d["panels"][0]["fieldConfig"]["defaults"]["unit"] = Value::Null, "no unit");
    check(&|d| d["panels"][0]["targets"][0]["rawSql"] = "SELECT $__timeGroup(t, 5m)".into(), "all versions");
    check(&|d| d["panels"][0]["targets"][0]["rawSql"] = "SELECT ${nobody:singlequote}".into(), "no variable nobody");
    let url = |url: &'static str| move |d: &mut Value| d["panels"][0]["fieldConfig"]["defaults"]["links"][0]["url"] = url.into();
    check(&url("/d/filin-nothing?${__url_time_range}"), "no such dashboard");
    check(&url("/d/filin-alert?var-nobody=1&${__url_time_range}"), "no variable nobody");
    check(&url("/d/filin-alert?var-alert=1"), "time range");
}

/// A control that is built and in no row would be watched by nobody.
#[test]
fn safeguards_and_coverage_know_every_control() {
    let all = Dashboard::all();
    let sql = |uid: &str, title: &str| {
        let d = all.iter().find(|d| d.uid() == uid).expect("it is there");
        let panel = d.panels().find(|p| p["title"] == title).expect("it is there");
        word(&panel["targets"][0], "rawSql").to_owned()
    };
    let safeguards = sql("filin-safeguards", "The ten safeguards");
    let needs = sql("filin-coverage", "What each control needs");
    for control in control::ALL {
        let quoted = format!("'{}'", control.id);
        assert!(
            safeguards.contains(&quoted),
            "{quoted} has no row of safeguards: or it was built and is still in the list of missing ones"
        );
        assert!(needs.contains(&quoted), "{quoted}: what does it need?");
    }
    for named in captures(r"\('([a-z_]+)', '[^']+', (?:countIf)?\(", &needs) {
        assert!(control::get(&named).is_some(), "{named} is no control");
    }
    let rows = captures(r"\('(S\d+)', ", &safeguards);
    assert_eq!(rows, (1..=10).map(|n| format!("S{n}")).collect::<Vec<_>>());
}

/// Five questions, each in three steps at most, over dashboards and panels that are there.
#[test]
fn the_analyst_s_page_leads_somewhere() {
    let page = text("docs/analyst.md");
    let all = Dashboard::all();
    let title = |d: &Dashboard| word(&d.0, "title").trim_start_matches("Filin: ").to_lowercase();
    let known: BTreeSet<String> =
        all.iter().flat_map(|d| d.panels().map(|p| word(p, "title").to_lowercase()).chain([title(d)]).collect::<Vec<_>>()).collect();
    let questions: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert_eq!(questions.len(), 5);
    for question in questions {
        let steps = captures(r"(?m)^(\d)\. ", question);
        assert!((1..=3).contains(&steps.len()), "{question}");
        for name in captures(r"\*\*([^*]+)\*\*", &question.replace('\n', " ").replace("   ", " ")) {
            assert!(known.contains(&name.to_lowercase()), "there is no {name}");
        }
    }
}
