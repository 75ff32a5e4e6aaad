//! Every control has a canary that fires and a near-miss that keeps still.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::engine::control;

/// Events of what is usual.
const BASELINE: usize = 200;

fn start() -> Timestamp {
    Timestamp::parse("2026-03-04T12:34:56Z").expect("a time")
}

#[test]
fn every_control_has_a_canary() {
    let has: BTreeSet<&str> = all().map(|c| c.control).collect();
    let lacks: Vec<&str> = control::ALL.iter().map(|c| c.id).filter(|id| !has.contains(id)).collect();
    assert_eq!(lacks, <&[&str]>::default());
    assert!(has.iter().all(|id| control::get(id).is_some()), "{has:?}");
    let mut names: Vec<String> = all().map(Canary::name).collect();
    let n = names.len();
    names.dedup();
    assert_eq!(n, names.len());
    for canary in all() {
        assert!(canary.differs.en.is_ascii() && canary.differs.ru.chars().any(|c| ('а'..='я').contains(&c)), "{}", canary.name());
    }
}

#[test]
fn every_canary_fires_and_its_near_miss_keeps_still() {
    let went = |c: &Canary| Expected::BOTH.map(|e| play(c, &c.case(e, "r", start())).fired.is_some());
    let wrong: Vec<String> = all().filter(|c| went(c) != [true, false]).map(|c| format!("{}: {:?}", c.name(), went(c))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_control_that_is_off_keeps_still() {
    let off = |c: &Canary| {
        let mut case = c.case(Expected::Fire, "r", start());
        case.policy.controls.entry(c.control.to_owned()).or_default().enabled = false;
        play(c, &case).fired.is_none()
    };
    // The share of the base is told with whatever opens an alert.
    let wrong: Vec<String> = all().filter(|c| c.shows != Shows::Share && !off(c)).map(Canary::name).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_run_is_like_any_other() {
    let of = |run: &str, start: Timestamp| -> Vec<[Played; 2]> {
        all().map(|c| Expected::BOTH.map(|e| play(c, &c.case(e, run, start)))).collect()
    };
    let first = of("r", start());
    assert_eq!(first, of("another run", start().plus(40 * crate::event::DAY_MS)));
}

#[test]
fn what_is_usual_is_compact() {
    for canary in all() {
        for expected in Expected::BOTH {
            let case = canary.case(expected, "r", start());
            let events = |steps: &[Step]| steps.iter().filter(|s| matches!(s, Step::Event(_))).count();
            let n = events(&case.steps[..case.baseline]);
            // A drift is judged by 150 days of people who have been there for ten, each of at least five events.
            assert!(n <= if canary.control == "drip" { 1380 } else { BASELINE }, "{}: {n}", canary.name());
            assert!(case.records().iter().all(|r| !matches!(r, Record::Event(e) if e.event.time.millis() > start().millis() + SPAN_MS)));
        }
    }
}

/// Leaves of a value by their paths, without ids of events.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| leaves(v, &format!("{path}.{key}"), found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(i, v)| leaves(v, &format!("{path}.{i}"), found)),
        leaf => drop(found.insert(format!("{path}={leaf}"))),
    }
}

fn told(canary: &Canary, expected: Expected) -> (BTreeSet<String>, Vec<BTreeSet<String>>) {
    let case = canary.case(expected, "r", start());
    let mut rows = BTreeSet::new();
    let rest = serde_json::json!([case.policy, case.users, case.clients, case.orders]);
    let plain = |v: &Value| serde_json::from_str::<Value>(&v.to_string().replace("/still/", "/fire/")).expect("the same");
    leaves(&plain(&rest), "", &mut rows);
    let steps = case.steps.iter().map(|s| {
        let mut found = BTreeSet::new();
        let value = match s {
            Step::Event(event) => serde_json::to_value(event).expect("an event"),
            Step::User(user) => serde_json::to_value(user).expect("a user"),
            Step::Tick(at) => serde_json::json!({ "tick": at }),
        };
        leaves(&plain(&value), "", &mut found);
        found.retain(|leaf| !leaf.starts_with(".id="));
        found
    });
    (rows, steps.collect())
}

#[test]
fn a_near_miss_differs_in_one_thing() {
    for canary in all() {
        let ((rows, steps), (other_rows, other_steps)) = (told(canary, Expected::Fire), told(canary, Expected::Still));
        let of_rows = rows.difference(&other_rows).count().max(other_rows.difference(&rows).count());
        let of_steps = if steps.len() == other_steps.len() {
            steps.iter().zip(&other_steps).map(|(a, b)| a.difference(b).count().max(b.difference(a).count())).sum()
        } else {
            // One event fewer, and all others as they are.
            let at = steps.iter().zip(&other_steps).position(|(a, b)| a != b).unwrap_or(other_steps.len());
            assert!(steps[at + 1..] == other_steps[at..], "{}", canary.name());
            1
        };
        assert_eq!(of_rows + of_steps, 1, "{}: {of_rows} {of_steps}", canary.name());
    }
}

#[test]
fn ids_say_whose_they_are() {
    let key = Key { run: "2026-03-04T12:34:56Z", control: "no_mfa", part: "", expected: Expected::Still };
    assert_eq!(Key::read(&key.id("anna")), Some(key));
    assert_eq!(Key::read("anna"), None);
}
