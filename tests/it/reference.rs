//! The engine against the executable reference of its statistics: streams, traces and alerts to 1e-6.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use filin::{
    directory::{self, Directory, load},
    engine::{AlertVersion, Effect, LogLine, Policy, Record, Tenant, Trace, Verdict, VerdictKind, features::names},
    event::{Date, Enriched, Event, Timestamp},
    log,
};
use serde_json::Value;

const ZONE: &str = "Europe/Moscow";
/// Detectors that the reference does not have.
const BEYOND: [&str; 6] = ["two_places", "clients_1h", "clients_7d", "clients_30d", "c_out", "unrel_share"];

fn root() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference");
    assert!(path.is_dir(), "the reference is missing: put shared/ beside the checkout ({})", path.display());
    path
}

fn lines(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    reader.lines().map(|l| l.expect("text")).filter(|l| !l.trim().is_empty()).collect()
}

fn value(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("{key} in {row}"))
}

/// The records of a stream's log, in order: policy, users, then events with the verdicts between them.
pub(crate) fn records(stream: &str) -> Vec<Record> {
    let folder = root().join("streams").join(stream);
    let (mut directory, mut records) = (Directory::default(), Vec::new());
    records.push(Record::Policy(Policy { zone: ZONE.to_owned(), ..Policy::reference() }));
    let mut users = load::file::<directory::User>(&folder.join("users.csv")).expect("users").rows;
    users.sort_by(|a, b| (&a.id, a.valid_from).cmp(&(&b.id, b.valid_from)));
    for user in users {
        directory.insert_user(user.clone()).expect("a known zone");
        records.push(Record::User(Box::new(user)));
    }
    for client in load::file::<directory::Client>(&folder.join("clients.csv")).expect("clients").rows {
        directory.insert_client(client);
    }
    for order in load::file::<directory::Order>(&folder.join("orders.csv")).expect("orders").rows {
        directory.insert_order(order);
    }
    let mut verdicts: Vec<Value> = lines(&folder.join("verdicts.jsonl")).iter().map(|l| value(l)).collect();
    verdicts.reverse();
    let mut watermark = Timestamp::MIN;
    for line in lines(&folder.join("events.jsonl.gz")) {
        let event: Event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        watermark = watermark.max(event.time);
        while let Some(v) = verdicts.last()
            && Timestamp::parse(text(v, "at")).expect("a time") <= watermark
        {
            records.push(Record::Verdict(Verdict {
                alert_id: String::new(),
                manager: text(v, "manager").to_owned(),
                days: vec![Date::parse(text(v, "day")).expect("a date")],
                verdict: VerdictKind::TruePositive,
                drip: Vec::new(),
                at: watermark,
                by: "reference".to_owned(),
            }));
            verdicts.pop();
        }
        let enrich = directory::enrich(&directory, &event, ZONE, "");
        records.push(Record::Event(Box::new(Enriched { event, enrich, origin: None })));
    }
    records
}

fn run(stream: &str) -> (HashMap<String, Trace>, Vec<AlertVersion>) {
    let (mut tenant, mut effects) = (Tenant::new("default"), Vec::new());
    let (mut traces, mut alerts) = (HashMap::new(), Vec::new());
    for record in records(stream) {
        effects.clear();
        tenant.apply(&record, &mut effects);
        let Record::Event(e) = &record else { continue };
        let scored = effects.iter().any(|e| matches!(e, Effect::Stored { late } if late.as_str() != "unscored"));
        if scored {
            // Of two events with one id, the later one's trace is the one that the reference keeps.
            traces.insert(format!("{} {}", e.event.id, e.enrich.manager), tenant.last_trace().clone());
        }
        alerts.extend(effects.drain(..).filter_map(|e| if let Effect::Alert(a) = e { Some(*a) } else { None }));
    }
    (traces, alerts)
}

fn close(expected: f64, actual: f64) -> bool {
    (expected - actual).abs() <= 1e-6 * 1.0_f64.max(expected.abs()).max(actual.abs())
}

fn check(what: &str, differences: &mut Vec<String>, expected: &Value, actual: &[f64]) {
    let expected: Vec<f64> = match expected {
        Value::Array(list) => list.iter().map(|v| v.as_f64().expect("a number")).collect(),
        one => vec![one.as_f64().expect("a number")],
    };
    if expected.len() != actual.len() {
        differences.push(format!("{what}: expected {} numbers, got {}", expected.len(), actual.len()));
    }
    for (i, (e, a)) in expected.iter().zip(actual).enumerate() {
        if !close(*e, *a) {
            differences.push(format!("{what}[{i}]: expected {e}, got {a}"));
        }
    }
}

fn compare(stream: &str) {
    let (traces, alerts) = run(stream);
    let folder = root().join("expected").join(stream);
    let mut differences = Vec::new();
    let expected = lines(&folder.join("trace.jsonl.gz"));
    assert!(expected.len() > 100, "{stream}: {} traces", expected.len());
    for line in &expected {
        let row = value(line);
        let key = format!("{} {}", text(&row, "id"), text(&row, "manager"));
        let Some(t) = traces.get(&key) else {
            differences.push(format!("{key} was not scored"));
            continue;
        };
        if t.day.to_string() != text(&row, "day") || Value::Bool(t.late) != row["late"] || u64::from(t.level) != row["level"] {
            differences.push(format!(
                "{key}: day {} late {} level {}: expected {} {} {}",
                t.day, t.late, t.level, row["day"], row["late"], row["level"]
            ));
        }
        for (name, actual) in [("x", &t.x), ("raw", &t.raw), ("r", &t.r), ("s", &t.s)] {
            let known: Vec<f64> = names().iter().zip(actual).filter(|(name, _)| !BEYOND.contains(name)).map(|(_, v)| *v).collect();
            check(&format!("{key} {name}"), &mut differences, &row[name], &known);
        }
        for (name, actual) in [("v", &t.v[..]), ("theta", &t.theta)] {
            check(&format!("{key} {name}"), &mut differences, &row[name], actual);
        }
        check(&format!("{key} S"), &mut differences, &row["S"], &[t.score]);
        check(&format!("{key} S0"), &mut differences, &row["S0"], &[t.behaviour]);
    }
    let expected: Vec<Value> = lines(&folder.join("alerts.jsonl")).iter().map(|l| value(l)).collect();
    let mut actual: BTreeMap<(String, String, u64), &AlertVersion> = BTreeMap::new();
    for a in &alerts {
        actual.insert((a.manager.clone().expect("a manager"), a.opened_at.to_string(), u64::from(a.version)), a);
    }
    for row in &expected {
        let key = (text(row, "manager").to_owned(), text(row, "opened_at").to_owned(), row["version"].as_u64().expect("a version"));
        match actual.remove(&key) {
            Some(a) => same_alert(&format!("{key:?}"), &mut differences, row, a),
            None => differences.push(format!("{key:?} is missing")),
        }
    }
    differences.extend(actual.keys().map(|key| format!("{key:?} is one too many")));
    let n = differences.len();
    differences.truncate(20);
    assert!(n == 0, "{stream}: {n} differences\n{}", differences.join("\n"));
}

fn same_alert(key: &str, differences: &mut Vec<String>, row: &Value, a: &AlertVersion) {
    let parts = row["contributions"].as_array().expect("a list");
    let ours = serde_json::json!({
        "tenant": a.tenant, "manager": a.manager, "time": a.time, "opened_at": a.opened_at, "version": a.version, "notify": a.notify,
        "severity": a.severity, "bits": a.bits, "kind": a.kind, "controls": a.controls,
    });
    for (field, value) in ours.as_object().expect("an object") {
        if row[field] != *value {
            differences.push(format!("{key} {field}: expected {}, got {value}", row[field]));
        }
    }
    check(&format!("{key} S"), differences, &row["S"], &[-a.ln_p]);
    check(&format!("{key} records"), differences, &row["records"], &[a.records as f64]);
    check(&format!("{key} clients"), differences, &row["clients"], &[a.clients as f64]);
    let score = (row["score"].as_f64().expect("a number") * 10.0 + 1e-9).floor() / 10.0;
    check(&format!("{key} score"), differences, &score.into(), &[a.score]);
    assert_eq!(a.contributions.iter().map(|c| c.bits).sum::<u64>(), a.bits, "{key}: contributions add up");
    if parts.len() != a.contributions.len() {
        differences.push(format!("{key}: expected {} contributions, got {}", parts.len(), a.contributions.len()));
    }
    for (part, c) in parts.iter().zip(&a.contributions) {
        if part["family"] != c.family || part["detector"] != c.detector || part["bits"] != c.bits {
            differences.push(format!("{key}: expected {part}, got {c:?}"));
        }
        // A drift has no accumulator: the reference gives 0, an alert says how high the drift stands.
        if c.family == "drip" {
            assert!(c.observed > 0.0, "{key}: {c:?}");
        } else {
            check(&format!("{key} observed"), differences, &part["observed"], &[c.observed]);
        }
        if !part["usual"].is_null() {
            check(&format!("{key} usual"), differences, &part["usual"], &[c.expected]);
        }
        let spoken = c.bits as f64 >= 0.05 * a.bits as f64;
        assert_eq!(c.sentence.is_some(), spoken, "{key}: sentences from 5 % on");
    }
}

#[test]
fn minimal() {
    compare("minimal");
}

#[test]
fn company() {
    compare("company");
}

#[test]
fn drip() {
    compare("drip");
}

/// A store of checkpoints that writes only what is called changed.
#[derive(Default)]
struct Saved {
    managers: BTreeMap<String, Vec<u8>>,
    seen: Vec<(u64, Timestamp)>,
}

impl Saved {
    fn save(&mut self, tenant: &mut Tenant) -> Vec<u8> {
        for id in tenant.changed_managers() {
            let bytes = tenant.manager_snapshot(&id);
            self.managers.insert(id, bytes);
        }
        tenant.mark_clean();
        tenant.snapshot()
    }
}

/// A stream's effects and its tenant at the end, with a restart before every `every`th record.
fn restarted(records: &[Record], every: usize) -> (Vec<Effect>, Tenant, Saved) {
    let (mut tenant, mut effects, mut saved) = (Tenant::new("default"), Vec::new(), Saved::default());
    for (i, record) in records.iter().enumerate() {
        if i % every == every - 1 {
            let shared = saved.save(&mut tenant);
            tenant = Tenant::restore(&shared, saved.managers.clone()).expect("its own snapshot");
            tenant.remember(saved.seen.iter().copied());
        }
        let from = effects.len();
        tenant.apply(record, &mut effects);
        if let (Record::Event(e), Some(Effect::Stored { .. })) = (record, effects.get(from)) {
            saved.seen.push((e.event.dedup_hash(), e.event.time));
        }
    }
    (effects, tenant, saved)
}

#[test]
fn restarts_change_nothing() {
    for (stream, every) in [("minimal", 7), ("company", 61), ("company", 397), ("drip", 211)] {
        let records = records(stream);
        let (effects, mut tenant, mut saved) = restarted(&records, usize::MAX);
        let (effects_cut, mut cut, mut saved_cut) = restarted(&records, every);
        let first = effects.iter().zip(&effects_cut).find(|(a, b)| a != b);
        assert!(first.is_none() && effects.len() == effects_cut.len(), "{stream}, a restart every {every} records: {first:?}");
        assert_eq!(saved.save(&mut tenant), saved_cut.save(&mut cut), "{stream}: what managers share");
        assert_eq!(saved.managers, saved_cut.managers, "{stream}: managers");
    }
}

/// DETECTION.md §12: p50 6 KiB, p99 16 KiB.
#[test]
fn states_are_small() {
    let mut sizes = Vec::new();
    for stream in ["company", "drip"] {
        let (_, tenant, _) = restarted(&records(stream), usize::MAX);
        sizes.extend(tenant.managers().iter().map(|id| tenant.manager_snapshot(id).len()));
    }
    sizes.sort_unstable();
    let (middle, most) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    assert!(middle <= 6 * 1024 && most <= 16 * 1024, "{middle} and {most} bytes: {sizes:?}");
}

/// Alerts and signals of three tenants whose log lies in so many partitions, each scored by itself, in an order of its own.
fn partitioned(partitions: u32) -> Vec<String> {
    let mut lines: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for stream in ["minimal", "company", "drip"] {
        for record in records(stream) {
            let entry = log::entry(stream, record, partitions);
            lines.entry(entry.partition).or_default().push(entry.line);
        }
    }
    let mut found = Vec::new();
    for lines in lines.into_values() {
        let (mut tenants, mut effects) = (BTreeMap::<String, Tenant>::new(), Vec::new());
        for line in lines {
            let line: LogLine = serde_json::from_slice(&line).expect("its own line");
            tenants.entry(line.tenant.clone()).or_insert_with_key(|name| Tenant::new(name)).apply(&line.record, &mut effects);
        }
        found.extend(effects.iter().filter_map(|e| match e {
            Effect::Alert(a) => serde_json::to_string(a).ok(),
            Effect::Signal(s) => serde_json::to_string(s).ok(),
            Effect::Stored { .. } | Effect::Repeated => None,
        }));
    }
    found.sort();
    found
}

#[test]
fn the_number_of_partitions_changes_nothing() {
    let one = partitioned(1);
    assert!(one.len() > 10 && one.iter().any(|line| line.contains("alert_id")), "{} lines", one.len());
    for n in [2, 4, 32] {
        assert_eq!(partitioned(n), one, "{n} partitions");
    }
}
