//! Notices of a simulated theft, every figure checked: against the made-up company's own files, and by its query.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use filin::{
    event::{Action, Event, ObjectType, Outcome, Timestamp},
    model::{Kind, Label},
};
use serde_json::{Value, json};

use crate::service::{Service, ended, filin};

fn lines<T: serde::de::DeserializeOwned>(file: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(file).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(file).expect("a table");
    reader.deserialize().collect::<Result<_, _>>().expect("rows")
}

/// The clients that an event names, by EVENT.md.
fn named(event: &Event, phones: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(object) = &event.object {
        let is_client = object.kind == Some(ObjectType::Client);
        found.extend(object.client.clone().or_else(|| object.id.clone().filter(|_| is_client)));
        if is_client {
            found.extend(object.ids.iter().cloned());
        }
    }
    if let Some(call) = &event.call {
        found.extend(call.client.clone().or_else(|| phones.get(call.number.as_ref()?).cloned()));
    }
    found
}

/// What a figure's query gives a reader must be what the notice says.
fn asked_again(service: &Service, at: &str, value: &Value, checked: &mut Vec<String>) {
    let Value::Object(map) = value else {
        if let Value::Array(all) = value {
            all.iter().enumerate().for_each(|(i, v)| asked_again(service, &format!("{at}/{i}"), v, checked));
        }
        return;
    };
    let (Some(said), Some(Value::String(query))) = (map.get("value"), map.get("query")) else {
        map.iter().for_each(|(key, v)| asked_again(service, &format!("{at}/{key}"), v, checked));
        return;
    };
    let cell = |v: &Value| match v {
        Value::String(text) => match Timestamp::parse(text) {
            Ok(_) if text.ends_with('Z') && text.len() == 24 => text.trim_end_matches('Z').replace('T', " "),
            _ => text.clone(),
        },
        Value::Null => "\\N".to_owned(),
        other => other.to_string(),
    };
    let got = service.ask(query);
    match said {
        Value::Array(rows) => {
            let got: Vec<Vec<&str>> = got.lines().map(|line| line.split('\t').collect()).collect();
            assert_eq!(got.len(), rows.len(), "{at}: {query}");
            for (got, row) in got.into_iter().zip(rows) {
                let mut expected: Vec<String> = row.as_object().expect("a row").values().map(cell).collect();
                let mut got: Vec<String> = got.into_iter().map(str::to_owned).collect();
                // The end of a line is cut off with what is empty there.
                expected.retain(|c| !c.is_empty());
                got.retain(|c| !c.is_empty());
                expected.sort();
                got.sort();
                assert_eq!(got, expected, "{at}: {query}");
            }
        }
        Value::Null => assert_eq!(got, "1970-01-01 00:00:00.000", "{at}: {query}"),
        one => assert_eq!(got, cell(one), "{at}: {query}"),
    }
    checked.push(at.to_owned());
}

/// Every figure from the company's own files: that account's events of the time that is counted, and the theft is among them.
fn counted_by_hand(service: &Service, out: &Path, label: &Label, incident: &Value) {
    use Action::{ApiQuery, Call, Delete, Export, List, Merge, Print, Report, Search, Share, Transfer, Update, View};
    let figure = |key: &str| incident[key]["value"].as_u64().unwrap_or_else(|| panic!("{key}: {incident}"));
    let owner: BTreeMap<String, String> = service
        .ask("SELECT concat(source, '/', id), manager FROM filin.events")
        .lines()
        .filter_map(|l| l.split_once('\t'))
        .map(|(k, m)| (k.to_owned(), m.to_owned()))
        .collect();
    let clients = rows(&out.join("clients.csv"));
    let phones: BTreeMap<String, String> = clients
        .iter()
        .flat_map(|c| c["phones"].split(';').map(|p| (p.to_owned(), c["id"].clone())))
        .filter(|(p, _)| !p.is_empty())
        .collect();
    let span = &incident["suspects"][0]["spans"][0];
    let [from, until] = [0, 1].map(|i| Timestamp::parse(span[i].as_str().expect("a time")).expect("a time"));
    let all: Vec<Event> = lines(&out.join("events.jsonl"));
    let theirs: Vec<&Event> = all
        .iter()
        .filter(|e| owner.get(&format!("{}/{}", e.source, e.id)) == Some(&label.manager) && from <= e.time && e.time <= until)
        .collect();
    let ok: Vec<&Event> = theirs.iter().copied().filter(|e| e.outcome == Outcome::Success).collect();
    let of = |actions: &[Action]| ok.iter().filter(|e| actions.contains(&e.action)).copied().collect::<Vec<_>>();
    let records = |all: &[&Event]| all.iter().map(|e| e.records.unwrap_or(u64::from(e.action == Action::View))).sum::<u64>();
    let (outward, shown) = ([Export, Print, ApiQuery], [List, Report, Search, View]);
    let names: BTreeSet<String> = ok.iter().flat_map(|e| named(e, &phones)).collect();
    let unnamed: u64 =
        of(&[&outward[..], &shown].concat()).iter().map(|e| records(&[*e]).saturating_sub(named(e, &phones).len() as u64)).sum();
    let changed = of(&[Update, Delete, Merge, Transfer, Share]).iter().map(|e| e.records.unwrap_or(1)).sum::<u64>();
    let by_hand = [
        ("events", theirs.len() as u64),
        ("failed", (theirs.len() - ok.len()) as u64),
        ("clients", names.len() as u64),
        ("unnamed", unnamed),
        ("records_out", records(&of(&outward))),
        ("records_screen", records(&of(&shown))),
        ("records_changed", changed),
        ("calls", of(&[Call]).len() as u64),
        ("directory", clients.iter().map(|c| &c["id"]).collect::<BTreeSet<_>>().len() as u64),
    ];
    for (key, expected) in by_hand {
        assert_eq!(figure(key), expected, "{key}");
    }
    assert!(figure("strangers") <= figure("clients") && figure("key_clients") <= figure("clients"));
    // Whose they are, by the directory alone: a stranger is somebody else's.
    let owners: BTreeMap<&str, &str> = clients.iter().map(|c| (c["id"].as_str(), c["owner"].as_str())).collect();
    let others = names.iter().filter(|c| owners.get(c.as_str()).is_some_and(|o| **o != *label.manager)).count() as u64;
    assert!(figure("strangers") <= others, "{} of {others}", figure("strangers"));
    // And all that the label says was taken is in it.
    let ids: BTreeSet<String> = theirs.iter().map(|e| format!("{}/{}", e.source, e.id)).collect();
    assert!(label.event_ids.iter().all(|id| ids.contains(id)), "{label:?}");
    let touched = figure("clients") + figure("unnamed") + figure("records_changed");
    assert!(label.exposure > 0 && touched >= label.exposure, "{touched} {}", label.exposure);
    let timed = |key: &str| incident[key]["value"].as_str().map(|t| Timestamp::parse(t).expect("a time"));
    assert_eq!(timed("first"), theirs.iter().map(|e| e.time).min());
    assert_eq!(timed("last"), theirs.iter().map(|e| e.time).max());
}

#[test]
fn the_notices_of_a_theft_say_what_happened() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("company");
    let service = Service::of_company(root.path(), ["24", "28", "8", "18"]);
    let data = root.path().join("data");
    let run = |args: &[&str], code: i32| {
        let all = [&["incident", "--data", data.to_str().expect("plain")], args].concat();
        ended(filin(&all), code)
    };
    let text = |args: &[&str]| String::from_utf8(run(args, 0).stdout).expect("text");

    // Each theft that somebody was alerted to; the last of them gave away most.
    let mut labels: Vec<Label> = lines(&out.join("labels.jsonl"));
    labels.retain(|l| l.label == Kind::Attack && l.exposure > 0);
    labels.sort_by_key(|l| l.exposure);
    let mut thefts = Vec::new();
    for label in &labels {
        let sql = format!(
            "SELECT alert_id FROM filin.alerts_latest WHERE manager = '{}' AND time BETWEEN '{}' AND '{}' ORDER BY time LIMIT 1",
            label.manager,
            label.from.to_string().trim_end_matches('Z').replace('T', " "),
            label.to.plus(86_400_000).to_string().trim_end_matches('Z').replace('T', " "),
        );
        let id = service.ask(&sql);
        if !id.is_empty() {
            let made: Value = serde_json::from_str(&text(&[&id, "--json"])).expect("JSON");
            counted_by_hand(&service, &out, label, &made["incident"]);
            thefts.push((label, id, made));
        }
    }
    assert!(thefts.len() >= 2, "{labels:?}");
    let (label, id, made) = thefts.pop().expect("two");
    let incident = &made["incident"];
    let figure = |key: &str| incident[key]["value"].as_u64().unwrap_or_else(|| panic!("{key}: {incident}"));
    let timed = |key: &str| incident[key]["value"].as_str().map(|t| Timestamp::parse(t).expect("a time"));

    // Every query, asked by a reader, gives its figure.
    let mut checked = Vec::new();
    asked_again(&service, "", incident, &mut checked);
    assert!(checked.len() >= 24, "{checked:?}");
    // What is shown is what was counted, and leads to a query.
    let shown: Vec<&Value> = made["notices"]["notices"]
        .as_array()
        .expect("notices")
        .iter()
        .flat_map(|n| n["items"].as_array().expect("items"))
        .flat_map(|i| i["lines"].as_array().expect("lines"))
        .collect();
    let queries = made["notices"]["queries"].as_array().expect("queries");
    for line in shown.iter().filter(|l| l["line"] == "figure" || l["line"] == "table") {
        let n = line["query"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
        let query = queries[n - 1].as_str().expect("a query");
        if let Some(n) = line["value"].as_str().and_then(|v| v.trim_start_matches("до ").replace('\u{202f}', "").parse::<u64>().ok()) {
            assert_eq!(service.count(query), n, "{line}");
        }
    }

    // Deadlines count from when the alert was raised, which was just now; or from what a person says.
    let due = |made: &Value, i: usize| Timestamp::parse(made["notices"]["notices"][i]["due"].as_str().expect("a time")).expect("a time");
    let raised = timed("discovered").expect("known");
    assert_eq!(incident["basis"], "raised");
    let now = filin::ops::clock::now();
    assert!(now.millis() - raised.millis() < 600_000, "{raised}");
    assert_eq!([due(&made, 0), due(&made, 1)], [24, 72].map(|h| raised.plus(h * 3_600_000)));
    let said: Value = serde_json::from_str(&text(&[&id, "--json", "--law", "gdpr", "--discovered", "2026-03-01T10:00:00Z"])).expect("JSON");
    assert_eq!(
        (due(&said, 0), said["notices"]["notices"].as_array().map(Vec::len)),
        (Timestamp::parse("2026-03-04T10:00:00Z").expect("a time"), Some(1))
    );
    let to_fill = |made: &Value| {
        made["to_fill"].as_array().expect("a list").iter().map(|k| k.as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    assert!(to_fill(&said).contains(&"delay".to_owned()), "it is late, and says so");

    // Once for two alerts, whoever they are about: clients are counted once.
    let other = service.ask(&format!("SELECT alert_id FROM filin.alerts_latest WHERE alert_id != '{id}' AND manager != '{}' AND manager != '' ORDER BY score DESC LIMIT 1", label.manager));
    let both: Value = serde_json::from_str(&text(&[&id, &other, "--json"])).expect("JSON");
    let alone: Value = serde_json::from_str(&text(&[&other, "--json"])).expect("JSON");
    let n = |made: &Value, key: &str| made["incident"][key]["value"].as_u64().expect("a number");
    assert_eq!(n(&both, "events"), figure("events") + n(&alone, "events"));
    assert!(
        n(&both, "clients") >= figure("clients").max(n(&alone, "clients"))
            && n(&both, "clients") <= figure("clients") + n(&alone, "clients")
    );
    let twice: Value = serde_json::from_str(&text(&[&id, &id[..13], "--json"])).expect("JSON");
    assert_eq!(twice["incident"]["clients"], incident["clients"]);
    let mut checked = Vec::new();
    asked_again(&service, "", &both["incident"], &mut checked);
    assert!(checked.len() >= 24);

    // An answer is a measure, and its writer's name and words stay out.
    let order = json!({ "action": "close", "verdict": "true_positive", "reason": "seen on camera", "by": "v.petrova", "revision": 0 });
    assert_eq!(service.json(&format!("/v1/alerts/{id}/actions"), &order).0, 200);
    let answered: Value = serde_json::from_str(&text(&[&id, "--json"])).expect("JSON");
    assert_eq!(answered["incident"]["answers"]["value"][0]["verdict"], "true_positive");
    let mut checked = Vec::new();
    asked_again(&service, "", &answered["incident"], &mut checked);

    // Pages: whole in themselves, by pseudonym, in both languages; blanks are marked until somebody fills them.
    let fill = root.path().join("company.toml");
    let blanks = text(&["--blanks"]);
    std::fs::write(&fill, blanks.replace("operator = \"\"", "operator = \"Horns & Hooves <LLC>\"")).expect("written");
    let fill = fill.to_str().expect("plain");
    let alias = incident["suspects"][0]["manager_alias"].as_str().expect("an alias");
    for (args, words, filled) in [
        (&[][..], ["Первичное уведомление", "Уведомление о результатах внутреннего расследования", "подтверждено"], false),
        (&["--lang", "en", "--fill", fill], ["First notice of an incident", "results of the internal investigation", "confirmed"], true),
        (&["--law", "gdpr", "--fill", fill], ["Notification of a personal data breach", "art. 33(3)(c)", "confirmed"], true),
    ] {
        let page = text(&[&[id.as_str()], args].concat());
        assert!(words.iter().all(|w| page.contains(w)), "{words:?}");
        assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script") && !page.contains("src=") && !page.contains("http"));
        assert!(
            page.contains(alias)
                && !page.contains(&format!(">{}<", label.manager))
                && !page.contains("petrova")
                && !page.contains("camera")
        );
        assert_eq!(page.contains("Horns &amp; Hooves &lt;LLC&gt;"), filled);
        assert!(page.contains("<mark"), "something is left to a person");
    }
    let page = root.path().join("notice.html");
    let told = text(&[&id, "--out", page.to_str().expect("plain")]);
    assert!(page.exists() && told.contains("due") && told.contains("operator_inn"), "{told}");

    // Names stand there with a reason, which is kept; whom it was about is said by pseudonym, and no reader of dashboards sees it.
    let users = rows(&out.join("users.csv"));
    let name = &users.iter().find(|u| u["id"] == label.manager).expect("a user")["name"];
    assert!(!text(&[&id]).contains(name.as_str()) && text(&[&id, "--names", "--reason", "case 7", "--by", "dpo"]).contains(name.as_str()));
    let place = ["--data", data.to_str().expect("plain")];
    let reveal = |args: &[&str], code: i32| ended(filin(&[&["reveal"], args, &place].concat()), code);
    let said = String::from_utf8(reveal(&[&alias.to_lowercase(), "--reason", "case 8", "--by", "vera"], 0).stdout).expect("text");
    assert!(said.contains(name.as_str()) && said.contains(&label.manager), "{said}");
    let list: Value = serde_json::from_slice(&reveal(&["--list", "--json"], 0).stdout).expect("JSON");
    let seen: Vec<[&str; 5]> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| ["by", "place", "reason", "about", "manager_alias"].map(|key| r[key].as_str().expect("a text")))
        .collect();
    assert_eq!(seen, [["vera", "reveal", "case 8", "", alias], ["dpo", "incident", "case 7", &id, alias]]);
    assert!(!list.to_string().contains(name.as_str()));
    reveal(&[alias], 2);
    reveal(&[alias, "--reason", " ", "--by", "vera"], 2);
    reveal(&["AAAAAAAAAA", "--reason", "case 9", "--by", "vera"], 1);
    let listed: Value = serde_json::from_slice(&reveal(&["--list", "--json"], 0).stdout).expect("JSON");
    assert_eq!(listed, list, "what was refused showed nothing");
    for table in ["reveals", "erasures"] {
        let (status, text) = service.http_clickhouse(&format!("SELECT * FROM filin.{table}"));
        assert!(status != 200 && text.contains("not for readers"), "{status} {text}");
    }
    let week = service.ask("SELECT toString(toMonday(max(time))) FROM filin.alerts_latest");
    let folder = root.path().join("digest");
    let digest = |more: &[&str], code: i32| {
        let all = ["digest", "--week", &week, "--out", folder.to_str().expect("plain")];
        ended(filin(&[&all[..], &place, more].concat()), code)
    };
    let pages = || {
        let all = std::fs::read_dir(&folder).expect("made");
        all.map(|page| std::fs::read_to_string(page.expect("a page").path()).expect("text")).collect::<String>()
    };
    digest(&[], 0);
    assert!(!pages().contains(name.as_str()));
    digest(&["--names"], 2);
    digest(&["--names", "--reason", "weekly round", "--by", "dpo"], 0);
    assert!(pages().contains(name.as_str()));
    let listed: Value = serde_json::from_slice(&reveal(&["--list", "--json"], 0).stdout).expect("JSON");
    assert!(listed.as_array().expect("a list").iter().any(|r| r["place"] == "digest" && r["manager_alias"] == alias));

    // What is wrong is said.
    let wrong = |args: &[&str], code: i32, says: &str| {
        let error = String::from_utf8(run(args, code).stderr).expect("text");
        assert!(error.contains(says), "{args:?}: {error}");
    };
    wrong(&["nothing"], 1, "no alert in the store has an id that begins with \"nothing\"");
    wrong(&[""], 2, "give the alert's id");
    wrong(&[], 2, "ALERT");
    wrong(&[&id, "--names"], 2, "--reason");
    wrong(&[&id, "--names", "--reason", " ", "--by", "vera"], 2, "--reason: say why");
    wrong(&[&id, "--law", "hipaa"], 2, "152-fz, gdpr");
    wrong(&[&id, "--discovered", "yesterday"], 2, "--discovered");
    wrong(&[&id, "--from", "2026-03-02", "--until", "2026-03-01"], 2, "--from is later");
    let bad = root.path().join("bad.toml");
    std::fs::write(&bad, "owner = \"x\"\n").expect("written");
    wrong(&[&id, "--fill", bad.to_str().expect("plain")], 2, "there is no owner");
    service.stop();
}
