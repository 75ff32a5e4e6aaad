//! How fast each adapter reads its own format, beside what merely parsing the same bytes takes: `serde_json::Value` for JSON,
//! `csv::ByteRecord` for CSV. `cargo bench --bench adapter`; half a minute. Its input is the sample pairs in ../shared/samples.

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use filin::{
    adapter::{Adapter, Binding, Normalised, Raw},
    ops::clock::Stopwatch,
};
use serde_json::Value;

/// No adapter may be slower than this share of the parser.
const GOAL: f64 = 0.4;
/// Parser and adapter take turns; the best of each counts, which other work on the machine disturbs least.
const ROUNDS: usize = 9;
/// A round of each takes about so long.
const ROUND: Duration = Duration::from_millis(80);
/// Rows below the header of a CSV file.
const ROWS: usize = 200;

/// Records of one format and kind of file.
struct Case {
    name: String,
    adapter: Adapter,
    csv: bool,
    records: Vec<(Vec<u8>, BTreeMap<String, String>)>,
}

fn main() -> Result<()> {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples"))?;
    println!("| format | events in a record | parser, MB/s | adapter, MB/s | ratio | events/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut slow = Vec::new();
    for case in &cases {
        let bytes: usize = case.records.iter().map(|(value, _)| value.len()).sum();
        let mut out = Normalised::default();
        adapt(case, &mut out);
        ensure!(out.rejects.is_empty(), "{}: {:?}", case.name, out.rejects);
        let events = out.events.len();
        let (parser, adapter) = turns(|| parse(case), || adapt(case, &mut out));
        let speed = |each: Duration| bytes as f64 / each.as_secs_f64() / 1e6;
        let ratio = parser.as_secs_f64() / adapter.as_secs_f64();
        println!(
            "| {} | {:.1} | {:.0} | {:.0} | {ratio:.2} | {:.0} |",
            case.name,
            events as f64 / case.records.len() as f64,
            speed(parser),
            speed(adapter),
            events as f64 / adapter.as_secs_f64()
        );
        if ratio < GOAL {
            slow.push(case.name.as_str());
        }
    }
    match slow.is_empty() {
        true => println!("\nnone is below {GOAL}"),
        false => println!("\nbelow {GOAL}: {}", slow.join(", ")),
    }
    Ok(())
}

/// Each folder of samples, JSON and CSV apart.
fn cases(samples: &Path) -> Result<Vec<Case>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(samples)
        .with_context(|| format!("{} is missing: this benchmark reads it", samples.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut cases = Vec::new();
    for folder in folders {
        let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
        let adapter = Adapter::open(Binding::read(&config)?)?;
        let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (ending, csv) in [(".raw.json", false), (".raw.csv", true)] {
            let mut records = Vec::new();
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.to_string_lossy().ends_with(ending) {
                    records.push(record(&fs::read(&path)?, csv)?);
                }
            }
            if !records.is_empty() {
                let name = if csv { format!("{folder_name}, CSV") } else { folder_name.clone() };
                cases.push(Case { name, adapter: adapter.clone(), csv, records });
            }
        }
    }
    Ok(cases)
}

/// A record as a transport delivers it: JSON without the blanks that samples have for their readers, CSV with many rows.
fn record(bytes: &[u8], csv: bool) -> Result<(Vec<u8>, BTreeMap<String, String>)> {
    if csv {
        let text = std::str::from_utf8(bytes)?;
        let (header, rows) = text.split_once('\n').context("a header and rows")?;
        return Ok((format!("{header}\n{}", format!("{}\n", rows.trim_end()).repeat(ROWS)).into_bytes(), BTreeMap::new()));
    }
    let value: Value = serde_json::from_slice(bytes)?;
    let Some(inner) = value.get("_value") else { return Ok((value.to_string().into_bytes(), BTreeMap::new())) };
    let headers = value["_kafka"]["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(k, v)| (k.to_lowercase(), v.as_str().unwrap_or_default().to_owned())).collect();
    let value = match inner {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    };
    Ok((value, headers))
}

fn parse(case: &Case) {
    for (value, _) in &case.records {
        if case.csv {
            let mut reader = csv::Reader::from_reader(value.as_slice());
            let mut row = csv::ByteRecord::new();
            while reader.read_byte_record(&mut row).is_ok_and(|more| more) {
                black_box(&row);
            }
        } else {
            black_box(serde_json::from_slice::<Value>(value).ok());
        }
    }
}

fn adapt(case: &Case, out: &mut Normalised) {
    out.clear();
    for (value, headers) in &case.records {
        case.adapter.record(&Raw { value, key: None, headers }, out);
    }
    black_box(out);
}

/// The shortest time that a call of each takes.
fn turns(mut a: impl FnMut(), mut b: impl FnMut()) -> (Duration, Duration) {
    let (mut best_a, mut best_b) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        best_a = best_a.min(each(&mut a));
        best_b = best_b.min(each(&mut b));
    }
    (best_a, best_b)
}

fn each(call: &mut impl FnMut()) -> Duration {
    let begin = Stopwatch::start();
    let mut calls = 0;
    while begin.elapsed() < ROUND {
        call();
        calls += 1;
    }
    begin.elapsed() / calls
}
