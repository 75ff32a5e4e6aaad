//! A week of each supervisor's people, from a real store.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use crate::service::{Service, ended, filin};

fn column(file: &Path, key: &str, value: &str) -> BTreeMap<String, String> {
    let mut reader = csv::Reader::from_path(file).expect("a table");
    let heads = reader.headers().expect("heads").clone();
    let at = |name: &str| heads.iter().position(|h| h == name).expect("a column");
    let (key, value) = (at(key), at(value));
    reader.records().map(|row| row.expect("a row")).map(|row| (row[key].to_owned(), row[value].to_owned())).collect()
}

#[test]
fn everybody_is_in_one_digest_with_what_had_no_reason() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("company");
    let service = Service::of_company(root.path(), ["14", "20", "12", "14"]);
    let data = root.path().join("data");
    let week = service.ask("SELECT toString(toMonday(max(time))) FROM filin.alerts_latest");
    let digest = |args: &[&str], code: i32| {
        let all = [&["digest", "--data", data.to_str().expect("plain"), "--week", &week], args].concat();
        String::from_utf8(ended(filin(&all), code).stdout).expect("text")
    };
    let made: Value = serde_json::from_str(&digest(&["--json"], 0)).expect("JSON");
    let made = made.as_array().expect("a list");
    let people: Vec<(&Value, &Value)> =
        made.iter().flat_map(|m| m["digest"]["people"].as_array().expect("people").iter().map(move |p| (&m["supervisor"], p))).collect();

    // Everybody once, under whoever hears of them, and all that they did.
    let supervisors = column(&out.join("users.csv"), "id", "supervisor");
    let ids: BTreeSet<&str> = people.iter().filter_map(|(_, p)| p["week"]["manager"].as_str()).collect();
    assert_eq!(ids.len(), people.len());
    let inside = format!("toMonday(time) = '{week}'");
    let sum = |column: &str| people.iter().filter_map(|(_, p)| p["week"][column].as_u64()).sum::<u64>();
    assert_eq!(sum("events"), service.count(&format!("SELECT sum(events) FROM filin.manager_day WHERE {inside}")));
    assert_eq!(
        sum("calls"),
        service.count(&format!("SELECT countIf(action = 'call') FROM filin.events WHERE {inside} AND actor_kind = 'user'"))
    );
    for (supervisor, person) in &people {
        let named = supervisors.get(person["week"]["manager"].as_str().expect("an id")).map(String::as_str).unwrap_or_default();
        assert_eq!(supervisor.as_str().unwrap_or_default(), named, "{person}");
    }
    let alerts = people.iter().map(|(_, p)| p["alerts"].as_array().expect("alerts").len() as u64).sum::<u64>();
    assert_eq!(alerts, service.count(&format!("SELECT count() FROM filin.alerts_latest WHERE {inside} AND manager != ''")));
    assert!(alerts > 0, "the week has some");

    // Whom they had no reason to touch: somebody else's, and there is a thief of those.
    let owners = column(&out.join("clients.csv"), "id", "owner");
    let strangers: Vec<(&str, &str)> = people
        .iter()
        .flat_map(|(_, p)| {
            p["strangers"].as_array().expect("strangers").iter().map(|s| (p["week"]["manager"].as_str(), s["client"].as_str()))
        })
        .map(|(m, c)| (m.expect("an id"), c.expect("an id")))
        .collect();
    assert!(!strangers.is_empty());
    for (manager, client) in &strangers {
        assert!(owners.get(*client).is_some_and(|owner| owner != manager), "{client} is {manager}'s own");
    }

    // A page for each, whole in itself, by pseudonym.
    let folder = root.path().join("pages");
    let said = digest(&["--lang", "ru", "--out", folder.to_str().expect("plain")], 0);
    assert_eq!(said.lines().count(), made.len());
    let mut pages = String::new();
    for entry in std::fs::read_dir(&folder).expect("made") {
        pages += &std::fs::read_to_string(entry.expect("a page").path()).expect("text");
    }
    assert!(pages.contains("Неделя ваших людей") && !pages.contains("<script") && !pages.contains("src="));
    for (_, person) in &people {
        let [alias, id] = ["manager_alias", "manager"].map(|key| person["week"][key].as_str().expect("a text"));
        assert!(pages.contains(alias) && !pages.contains(&format!(">{id}<")), "{alias} {id}");
    }
    let one = made.iter().find_map(|m| m["supervisor"].as_str()).expect("a supervisor");
    assert!(digest(&["--supervisor", one], 0).starts_with("<!DOCTYPE html><html lang="));
    digest(&["--supervisor", "nobody"], 1);
    digest(&[], 2);
    ended(filin(&["digest", "--json", "--week", "someday"]), 2);
    service.stop();
}
