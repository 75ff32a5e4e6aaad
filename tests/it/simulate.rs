//! The made-up company as files, and the commands that judge alerts by its labels.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use filin::directory::{Client, Order, User, When, load};
use filin::event::{Action, ActorKind, Date, Event, Outcome, Timestamp};
use filin::model::{Kind, Label, Meta, Strength};
use filin::simulate::{Options, Scenario, write};
use serde_json::Value;

const FILES: [&str; 6] = ["events.jsonl", "users.csv", "clients.csv", "orders.csv", "labels.jsonl", "meta.json"];

fn options(managers: usize, days: u32) -> Options {
    Options { managers, days, seed: 7, start: Date::parse("2026-02-02").unwrap(), attack_from: Some(20) }
}

fn made(options: &Options) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(options, dir.path(), &mut || ()).unwrap();
    dir
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

fn lines<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Vec<T> {
    text(dir, name).lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

fn filin(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_filin")).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let (a, b) = (made(&options(16, 45)), made(&options(16, 45)));
    let other = made(&Options { seed: 8, ..options(16, 45) });
    for name in FILES {
        assert!(text(a.path(), name) == text(b.path(), name), "{name} differs");
        assert!(text(a.path(), name) != text(other.path(), name), "{name} does not hang on the seed");
    }
}

#[test]
fn more_days_keep_the_earlier_ones() {
    for attack_from in [None, Some(15)] {
        let of = |days| made(&Options { attack_from, ..options(30, days) });
        let (short, long) = (of(35), of(60));
        let (a, b) = (text(short.path(), "events.jsonl"), text(long.path(), "events.jsonl"));
        // The last evening of the west belongs to the last day; what comes before its UTC midnight is whole.
        let end = Timestamp::parse("2026-03-08").unwrap();
        let until = |t: &str| -> Vec<String> {
            t.lines().filter(|l| serde_json::from_str::<Event>(l).unwrap().time < end).map(str::to_owned).collect()
        };
        let (a, b) = (until(&a), until(&b));
        assert!(a.len() > 20_000);
        assert!(a == b, "the first days differ: {:?}", a.iter().zip(&b).find(|(x, y)| x != y));
        let early = |dir: &Path| -> Vec<Label> {
            lines::<Label>(dir, "labels.jsonl").into_iter().filter(|l| l.label == Kind::Attack && l.to < end).collect()
        };
        for label in early(short.path()) {
            // One that goes on beyond the short run is longer in the long one.
            let same =
                lines::<Label>(long.path(), "labels.jsonl").into_iter().find(|l| l.scenario == label.scenario && l.from == label.from);
            assert!(same.is_some_and(|l| l.event_ids.starts_with(&label.event_ids[..1])), "{label:?}");
        }
    }
}

#[test]
fn attacks_leave_the_others_as_they_are() {
    let (with, without) = (made(&options(30, 50)), made(&Options { attack_from: None, ..options(30, 50) }));
    let thieves: BTreeSet<String> =
        lines::<Label>(with.path(), "labels.jsonl").into_iter().filter(|l| l.label == Kind::Attack).map(|l| l.manager).collect();
    assert!(thieves.len() > 3);
    // Those who leave to attack hand their clients on, which is another company from then on.
    let ends = |dir: &Path| -> BTreeSet<Date> {
        let users: load::Loaded<User> = load::file(&dir.join("users.csv")).unwrap();
        let ends = users.rows.into_iter().filter_map(|u| match u.notice_at {
            Some(When::Day(d)) => Some(d),
            _ => None,
        });
        ends.collect()
    };
    let usual = ends(without.path());
    let until = ends(with.path()).into_iter().find(|d| !usual.contains(d)).map_or(Date(i32::MAX), |d| Date(d.0 - 1));
    assert!(until.0 > options(1, 1).start.0 + 20);
    let honest = |dir: &Path| -> BTreeMap<String, Vec<String>> {
        let mut by_person: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for e in lines::<Event>(dir, "events.jsonl") {
            if !thieves.contains(&e.actor.id) && e.actor.kind == ActorKind::User && e.time < until.midnight_utc() {
                by_person.entry(e.actor.id.clone()).or_default().push(serde_json::to_string(&e).unwrap());
            }
        }
        by_person
    };
    assert!(honest(with.path()) == honest(without.path()));
}

#[test]
fn everything_is_well_formed_and_plausible() {
    let options = options(50, 70);
    let dir = made(&options);
    let events: Vec<Event> = lines(dir.path(), "events.jsonl");
    assert!(events.is_sorted_by_key(|e| e.time));
    let ids: BTreeSet<&str> = events.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids.len(), events.len());

    let users: load::Loaded<User> = load::file(&dir.path().join("users.csv")).unwrap();
    let clients: load::Loaded<Client> = load::file(&dir.path().join("clients.csv")).unwrap();
    let orders: load::Loaded<Order> = load::file(&dir.path().join("orders.csv")).unwrap();
    assert!(users.complaints.is_empty(), "{:?}", users.complaints.first());
    assert!(clients.complaints.is_empty(), "{:?}", clients.complaints.first());
    assert!(orders.complaints.is_empty(), "{:?}", orders.complaints.first());
    let known: BTreeSet<&str> = users.rows.iter().map(|u| u.id.as_str()).collect();
    let of_base: BTreeSet<&str> = clients.rows.iter().map(|c| c.id.as_str()).collect();
    let named: BTreeSet<&str> = orders.rows.iter().map(|o| o.id.as_str()).collect();
    assert!(orders.rows.iter().all(|o| of_base.contains(o.client.as_deref().unwrap()) && known.contains(o.manager.as_deref().unwrap())));
    assert!(orders.rows.iter().all(|o| o.closed_at.is_none_or(|c| o.opened_at.unwrap() <= c)));

    let meta: Meta = serde_json::from_str(&text(dir.path(), "meta.json")).unwrap();
    assert_eq!((meta.days, meta.managers, meta.active_managers_by_day.len()), (70, 50, 70));
    let manager_days: u32 = meta.active_managers_by_day.iter().sum();
    let of_people: Vec<&Event> = events.iter().filter(|e| e.actor.kind == ActorKind::User).collect();
    assert!(of_people.iter().all(|e| known.contains(e.actor.id.as_str())));
    let a_day = of_people.len() as f64 / f64::from(manager_days);
    assert!((60.0..=110.0).contains(&a_day), "{a_day} events a person and day");
    for e in &events {
        if let Some(o) = &e.object {
            assert!(o.kind != Some(filin::event::ObjectType::Client) || o.id.as_deref().is_none_or(|id| of_base.contains(id)), "{e:?}");
        }
        assert!(e.order.as_deref().is_none_or(|o| named.contains(o)), "{e:?}");
    }
    // Nobody touches a decoy, nobody works on after the last day, nobody is turned away, unless they attack.
    let stolen: BTreeSet<String> =
        lines::<Label>(dir.path(), "labels.jsonl").into_iter().filter(|l| l.label == Kind::Attack).flat_map(|l| l.event_ids).collect();
    let decoys: BTreeSet<&str> = clients.rows.iter().filter(|c| c.decoy == Some(true)).map(|c| c.id.as_str()).collect();
    assert!(!decoys.is_empty());
    let ends: BTreeMap<&str, Date> = users
        .rows
        .iter()
        .filter_map(|u| match u.terminated_at {
            Some(When::Day(d)) => Some((u.id.as_str(), d)),
            _ => None,
        })
        .collect();
    assert!(!ends.is_empty());
    for e in of_people.iter().filter(|e| !stolen.contains(&e.reference())) {
        assert!(e.object.as_ref().and_then(|o| o.id.as_deref()).is_none_or(|id| !decoys.contains(id)));
        assert!(e.outcome != Outcome::Denied);
        assert!(ends.get(e.actor.id.as_str()).is_none_or(|d| e.time < Date(d.0 + 1).midnight_utc()), "{e:?}");
    }
    // Work differs between people and has heavy tails.
    let mut exports: Vec<u64> =
        of_people.iter().filter(|e| e.action == Action::Export && !stolen.contains(&e.reference())).filter_map(|e| e.records).collect();
    exports.sort_unstable();
    assert!(exports.len() > 300);
    let (middle, far) = (exports[exports.len() / 2], exports[exports.len() * 995 / 1000]);
    assert!(far > 8 * middle, "{middle} in the middle, {far} at 0.995");
    for odd in ["campaign", "quarter_end", "hand_over", "substitute", "trip", "new_report", "clean_up", "mail_out", "clock_change"] {
        let all: Vec<Label> = lines(dir.path(), "labels.jsonl");
        assert!(all.iter().any(|l| l.label == Kind::Benign && l.scenario == odd), "no {odd}");
    }
    let integrations = events.iter().filter(|e| e.actor.kind == ActorKind::Integration).count();
    assert!(integrations > 70 * 10);
}

#[test]
fn attacks_are_there_and_labelled() {
    let options = Options { attack_from: Some(25), ..options(120, 110) };
    let dir = made(&options);
    let labels: Vec<Label> = lines(dir.path(), "labels.jsonl");
    let attacks: Vec<&Label> = labels.iter().filter(|l| l.label == Kind::Attack).collect();
    let by_reference: BTreeMap<String, Event> =
        lines::<Event>(dir.path(), "events.jsonl").into_iter().map(|e| (e.reference(), e)).collect();
    for l in &attacks {
        assert!(l.from >= Date(options.start.0 + 24).midnight_utc(), "too early: {l:?}");
        assert!(!l.controls.is_empty() && !l.event_ids.is_empty() && l.event_ids.len() == l.course.len());
        for (id, (time, _)) in l.event_ids.iter().zip(&l.course) {
            let e = &by_reference[id];
            assert_eq!((&e.actor.id, e.time), (&l.manager, *time));
            assert!(l.from <= e.time && e.time <= l.to);
        }
        assert!(l.course.is_sorted());
        assert!(l.event_ids.len() == 1000 || l.course.last().unwrap().1 == l.exposure);
    }
    let scenarios: BTreeSet<&str> = attacks.iter().map(|l| l.scenario.as_str()).collect();
    assert_eq!(scenarios.len(), Scenario::ALL.len(), "{scenarios:?}");
    for s in Strength::ALL {
        assert!(attacks.iter().filter(|l| l.strength == *s).count() >= 12);
    }
    let mut of_person: BTreeMap<&str, usize> = BTreeMap::new();
    for l in &attacks {
        *of_person.entry(&l.manager).or_default() += 1;
    }
    assert!(of_person.values().all(|n| *n <= 3) && of_person.len() > 30);
    // Stronger ones take more.
    let mean = |strength| {
        let taken: Vec<f64> =
            attacks.iter().filter(|l| l.strength == strength && l.scenario == "chunked_export").map(|l| l.exposure as f64).collect();
        taken.iter().sum::<f64>() / taken.len().max(1) as f64
    };
    assert!(mean(Strength::Strong) > 2.0 * mean(Strength::Weak));
    let check = |scenario: &str, action: Action, outcome: Outcome| {
        for l in attacks.iter().filter(|l| l.scenario == scenario) {
            assert!(l.event_ids.iter().any(|id| (by_reference[id].action, by_reference[id].outcome) == (action, outcome)), "{l:?}");
        }
    };
    check("address_denied", Action::Login, Outcome::Denied);
    check("brute_force", Action::Login, Outcome::Failure);
    check("mass_delete", Action::Delete, Outcome::Success);
    check("stolen_login", Action::Export, Outcome::Success);
    check("leaver_active", Action::View, Outcome::Success);
}

#[test]
fn one_manager_and_one_day_are_a_company() {
    let dir = made(&Options { attack_from: Some(0), ..options(1, 1) });
    assert!(!text(dir.path(), "events.jsonl").is_empty());
    let too_many = write(&options(0, 10), dir.path(), &mut || ());
    assert!(too_many.is_err());
}

#[test]
fn the_command_writes_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/company");
    let done = filin(&["simulate", "--managers", "6", "--days", "5", "--seed", "3", "--out", out.to_str().unwrap(), "--json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let summary: Value = serde_json::from_str(&said(&done)).unwrap();
    assert_eq!(summary["events"].as_u64().unwrap(), u64::try_from(text(&out, "events.jsonl").lines().count()).unwrap());
    let wrong = filin(&["simulate", "--managers", "0", "--out", out.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = filin(&["simulate", "--start", "tomorrow", "--out", out.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
}

const LABELS: &str = r#"{"label":"attack","scenario":"chunked_export","controls":["chunked_export"],"strength":"strong","manager":"a","from":"2026-01-08T10:00:00.000Z","to":"2026-01-08T12:00:00.000Z","event_ids":["generic/1"],"exposure":100}
{"label":"attack","scenario":"bulk_export","controls":["bulk_export"],"strength":"weak","manager":"b","from":"2026-01-09T10:00:00.000Z","to":"2026-01-09T10:00:00.000Z","event_ids":["generic/2"],"exposure":5}
"#;
const ALERTS: &str = r#"{"alert_id":"1","version":1,"tenant":"default","manager":"a","time":"2026-01-08T10:30:00.000Z","opened_at":"2026-01-08T10:30:00.000Z","kind":"chunked_export","controls":["chunked_export"],"event_ids":["generic/1"],"bits":9000}

{"alert_id":"2","version":1,"tenant":"default","manager":"c","time":"2026-01-08T11:30:00.000Z","opened_at":"2026-01-08T11:30:00.000Z","kind":"off_hours","controls":["off_hours"],"event_ids":[],"bits":9000}
"#;
const META: &str = r#"{"start":"2026-01-05","days":5,"managers":3,"active_managers_by_day":[3,3,3,3,3]}"#;

#[test]
fn evaluate_prints_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let zipped = dir.path().join("alerts.jsonl.zst");
    std::fs::write(&zipped, zstd::encode_all(ALERTS.as_bytes(), 0).unwrap()).unwrap();
    let (labels, meta, alerts) = (path("labels.jsonl", LABELS), path("meta.json", META), zipped.to_str().unwrap().to_owned());
    let done = filin(&["evaluate", "--labels", &labels, "--alerts", &alerts, "--meta", &meta, "--json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let found: Value = serde_json::from_str(&said(&done)).unwrap();
    assert_eq!((&found["attacks"]["found"], &found["attacks"]["of"]), (&1.into(), &2.into()));
    assert_eq!((&found["single_exports"]["found"], &found["without_single_exports"]["share"]), (&0.into(), &1.0.into()));
    assert_eq!(found["delay_hours"]["median"], 0.5);
    assert_eq!((&found["false_behavioural"]["alerts"], &found["false_rule"]["alerts"]), (&1.into(), &0.into()));
    assert_eq!(found["manager_days"], 15);
    let table = said(&filin(&["evaluate", "--labels", &labels, "--alerts", &alerts, "--meta", &meta, "--budget", "5"]));
    for part in ["chunked_export", "1/1", "budget 5.00 false alerts per 100 manager-days, seen 6.67", ": kept"] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    assert_eq!(filin(&["evaluate", "--labels", &labels, "--alerts", &labels, "--meta", &meta]).status.code(), Some(1));
    assert_eq!(filin(&["evaluate", "--labels", &labels, "--alerts", &alerts, "--meta", &meta, "--budget", "0"]).status.code(), Some(2));
}

#[test]
fn evaluate_judges_detectors_and_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Ten people on forty days; all false alerts are about the only one at the desk.
    let days = (0..40).flat_map(|n| (0..10).map(move |m| format!("default,m{m},{},false,4.0\n", Date(20_458 + n))));
    let features = path("features.csv", &format!("tenant,manager,date,integration,s_drip\n{}", days.collect::<String>()));
    let rows = (0..10).map(|m| format!("m{m},{}\n", if m == 0 { "desk" } else { "sales" }));
    let users = path("users.csv", &format!("id,role\n{}", rows.collect::<String>()));
    let version = |n: i32| {
        let time = Date(20_458 + n).midnight_utc().plus(36_000_000);
        format!("{{\"alert_id\":\"{n}\",\"version\":1,\"manager\":\"m0\",\"time\":\"{time}\",\"kind\":\"drip\",\"bits\":9000}}\n")
    };
    let alerts = path("alerts.jsonl", &(0..6).map(version).collect::<String>());
    let (labels, meta, svg) = (path("labels.jsonl", LABELS), path("meta.json", META), dir.path().join("picture.svg"));
    let files = ["evaluate", "--labels", &labels, "--alerts", &alerts, "--meta", &meta];
    let both = [&files[..], &["--users", &users, "--features", &features, "--svg", svg.to_str().unwrap()]].concat();
    let table = said(&filin(&both));
    for part in
        ["* surely more often than it says: drip", "warning: role desk carries 10.0 times its share: 6 false alerts, about 1 of 1 people"]
    {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.contains("Does evidence mean what it says?") && drawn.ends_with("</svg>\n"));
    let found: Value = serde_json::from_str(&said(&filin(&[&both[..], &["--json"]].concat()))).unwrap();
    assert_eq!(found["fairness"]["groups"][0]["warned"], true);
    assert_eq!(found["calibration"]["detectors"][0]["levels"][0]["ratio"], 20.0);
    assert_eq!(filin(&[&files[..], &["--users", &users]].concat()).status.code(), Some(2), "users alone tell no manager-days");
}

#[test]
fn features_hold_every_manager_day_once() {
    let dir = made(&options(10, 16));
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (events, users, clients, orders) = (path("events.jsonl"), path("users.csv"), path("clients.csv"), path("orders.csv"));
    let (alerts, features) = (path("alerts.jsonl"), path("features.csv"));
    let files = ["--events", &events, "--users", &users, "--clients", &clients, "--orders", &orders];
    let done = filin(&[&["replay"], &files[..], &["--alerts", &alerts, "--features", &features]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut rows = csv::Reader::from_path(&features).unwrap();
    let head: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head.len(), 9 + 3 * 26);
    let at = |name: &str| head.iter().position(|h| h == name).unwrap();
    let (mut seen, mut scored, mut out) = (BTreeSet::new(), 0_u64, 0.0);
    for row in rows.records() {
        let row = row.unwrap();
        assert!(seen.insert((row[at("manager")].to_owned(), row[at("date")].to_owned())), "twice: {row:?}");
        scored += row[at("events")].parse::<u64>().unwrap();
        out += row[at("x_rec_out")].parse::<f64>().unwrap();
        assert!(row[at("peak")].parse::<f64>().unwrap() >= 0.0 && row[at("theta")].parse::<f64>().unwrap() > 0.0);
    }
    let all: Vec<Event> = lines(dir.path(), "events.jsonl");
    let people: Vec<&Event> = all.iter().filter(|e| e.actor.kind != ActorKind::System).collect();
    assert_eq!(scored, u64::try_from(people.len()).unwrap());
    let is_out = |e: &&&Event| matches!(e.action, Action::Export | Action::Print | Action::ApiQuery) && e.outcome == Outcome::Success;
    let records: u64 = people.iter().filter(is_out).map(|e| e.records.unwrap_or_default()).sum();
    assert!((out - f64::from(u32::try_from(records).unwrap())).abs() < 1e-6, "{out} of {records}");
}

#[test]
fn diff_tells_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let shuffled: String = ALERTS.lines().rev().map(|l| format!("{l}\n")).collect();
    let (a, b, c) = (path("a", ALERTS), path("b", &shuffled), path("c", &ALERTS.replace("\"kind\":\"off_hours\"", "\"kind\":\"drip\"")));
    assert_eq!(filin(&["diff", &a, &b]).status.code(), Some(0));
    let differ = filin(&["diff", &a, &c]);
    assert_eq!(differ.status.code(), Some(1));
    assert!(said(&differ).contains("alert 2 version 1\n  kind\n    A \"off_hours\"\n    B \"drip\""), "{}", said(&differ));
    let json: Value = serde_json::from_str(&said(&filin(&["diff", &a, &c, "--json"]))).unwrap();
    assert_eq!((&json["same"], &json["different"], &json["first"]["field"]), (&1.into(), &1.into(), &"kind".into()));
    assert_eq!(filin(&["diff", &a, "/nowhere"]).status.code(), Some(1));
}

#[test]
fn a_processor_without_fused_multiplication_gives_the_same_bytes() {
    let dir = made(&options(10, 45));
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (events, users, clients, orders) = (path("events.jsonl"), path("users.csv"), path("clients.csv"), path("orders.csv"));
    let replayed = |name: &str, tunables: &str| {
        let (alerts, features) = (path(&format!("{name}.jsonl")), path(&format!("{name}.csv")));
        let files = ["--events", &events, "--users", &users, "--clients", &clients, "--orders", &orders];
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_filin"))
            .arg("replay")
            .args(files)
            .args(["--budget", "20", "--json", "--alerts", &alerts, "--features", &features])
            .env("GLIBC_TUNABLES", tunables)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        (std::fs::read_to_string(alerts).unwrap(), std::fs::read_to_string(features).unwrap())
    };
    let usual = replayed("usual", "");
    assert!(usual.0.lines().count() > 3, "there is something to compare");
    assert_eq!(usual, replayed("plain", "glibc.cpu.hwcaps=-AVX2,-AVX,-FMA,-FMA4,-AVX512F"));
}
