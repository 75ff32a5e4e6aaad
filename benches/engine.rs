//! The engine alone and `replay` as a whole over a company of 50 managers and 60 days, each beside what parsing its input takes;
//! bytes per manager. `cargo bench --bench engine`; the input is made before the clock starts.

use std::{hint::black_box, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use filin::{
    adapter::Adapter,
    directory::{self, Directory, load},
    engine::{Effect, LogLine, Policy, Record, Tenant},
    event::{Date, Enriched, Event, Timestamp},
    pipeline::{
        ingest::{Policies, Rows},
        intake::Reading,
        replay::{self, Ask},
    },
    simulate::{Options, write},
    source::file::Limits,
};

const ZONE: &str = "Europe/Moscow";

/// A company's log: policy, users, events, as the service would write it.
fn records(dir: &Path) -> Vec<Record> {
    let mut directory = Directory::default();
    let mut records = vec![Record::Policy(Policy { zone: ZONE.to_owned(), ..Policy::default() })];
    let mut users = load::file::<directory::User>(&dir.join("users.csv")).expect("users").rows;
    users.sort_by(|a, b| (&a.id, a.valid_from).cmp(&(&b.id, b.valid_from)));
    for user in users {
        directory.insert_user(user.clone()).expect("a known zone");
        records.push(Record::User(Box::new(user)));
    }
    for client in load::file::<directory::Client>(&dir.join("clients.csv")).expect("clients").rows {
        directory.insert_client(client);
    }
    for order in load::file::<directory::Order>(&dir.join("orders.csv")).expect("orders").rows {
        directory.insert_order(order);
    }
    let text = std::fs::read_to_string(dir.join("events.jsonl")).expect("events");
    let mut events: Vec<Event> = text.lines().map(|l| serde_json::from_str(l).expect("an event")).collect();
    events.sort_by_key(|e| e.time);
    records.extend(events.into_iter().map(|event| {
        let enrich = directory::enrich(&directory, &event, ZONE, "");
        Record::Event(Box::new(Enriched { event, enrich, origin: None }))
    }));
    records
}

fn score(records: &[Record]) -> Tenant {
    let (mut tenant, mut effects) = (Tenant::new("default"), Vec::new());
    for record in records {
        effects.clear();
        tenant.apply(black_box(record), &mut effects);
        black_box(&effects);
    }
    tenant
}

fn engine(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let start = Date::parse("2026-01-05").expect("a date");
    let options = Options { managers: 50, days: 60, seed: 1, start, attack_from: Some(30) };
    write(&options, dir.path(), &mut || {}).expect("a company");
    let records = records(dir.path());
    let lines: Vec<String> = records
        .iter()
        .filter(|r| matches!(r, Record::Event(_)))
        .map(|record| serde_json::to_string(&LogLine { v: 1, tenant: "default".to_owned(), record: record.clone() }).expect("JSON"))
        .collect();

    let tenant = score(&records);
    let mut sizes: Vec<usize> = tenant.managers().iter().map(|id| tenant.manager_snapshot(id).len()).collect();
    sizes.sort_unstable();
    let at = |percent: usize| sizes[(sizes.len() - 1) * percent / 100];
    println!(
        "{} events; serialised bytes per manager: p50 {}, p99 {}, most {}; shared {}",
        lines.len(),
        at(50),
        at(99),
        at(100),
        tenant.snapshot().len()
    );

    let mut group = c.benchmark_group("engine");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("score", |b| b.iter_with_large_drop(|| score(&records)));
    // What any consumer of the log pays: the measure for "the engine is not what takes the time".
    group.bench_function("parse the log", |b| {
        b.iter(|| {
            for line in &lines {
                black_box(serde_json::from_str::<LogLine>(line).expect("a line"));
            }
        });
    });
    // The reference for everything that reads events: each line into the typed event, nothing else.
    let text = std::fs::read(dir.path().join("events.jsonl")).expect("events");
    group.bench_function("parse the file", |b| {
        b.iter(|| {
            for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                black_box(serde_json::from_slice::<Event>(line).expect("an event"));
            }
        });
    });
    group.bench_function("replay the file", |b| b.iter(|| replay(dir.path())));
    group.finish();
}

/// What `filin replay` does: read, validate, sort, enrich, score.
fn replay(dir: &Path) -> usize {
    let rows = Rows {
        users: load::file(&dir.join("users.csv")).expect("users").rows,
        clients: load::file(&dir.join("clients.csv")).expect("clients").rows,
        orders: load::file(&dir.join("orders.csv")).expect("orders").rows,
    };
    let adapter = Adapter::of("canonical").expect("a format");
    let mut reading = Reading::open(&dir.join("events.jsonl"), adapter, Limits::default()).expect("readable");
    let mut events = Vec::new();
    while let Some(block) = reading.block(Timestamp::parse("2030-01-01").expect("a date")).expect("readable") {
        events.extend(block.events.into_iter().map(|(e, _)| e));
    }
    events.sort_by_key(|e| e.time);
    let mut effects = Count(0);
    let policies = Policies::default();
    replay::score(events, rows, &Ask { policies: &policies, actor_prefix: "", features: false, budgets: &[] }, &mut effects);
    effects.0
}

/// How many effects there were.
struct Count(usize);

impl replay::Sink for Count {
    fn effect(&mut self, _: &Tenant, _: Effect) {
        self.0 += 1;
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
