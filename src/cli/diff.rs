//! `filin diff`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::lines;

/// Flags of `filin diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// alerts.jsonl (`-`: standard input; also .gz, .zst)
    a: PathBuf,
    /// The one to compare it with
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A place where two files part.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    alert_id: String,
    version: u64,
    /// Path of the field; empty where one file has no such version.
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Value>,
}

/// What two files have in common and what not.
#[derive(Debug, PartialEq, Serialize)]
struct Comparison {
    same: usize,
    different: usize,
    only_a: usize,
    only_b: usize,
    /// Of what is different, by field (the number of a list left out).
    fields: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Difference>,
}

/// The order in which alerts were made, then which version of which alert.
type Key = (String, u64);

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.a.as_os_str() == "-" && args.b.as_os_str() == "-" {
        return Err(super::Usage("only one of the two files can be standard input".to_owned()).into());
    }
    let (a, b) = (by_version(lines::parse(&args.a)?, &args.a)?, by_version(lines::parse(&args.b)?, &args.b)?);
    let found = compare(&a, &b);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&found)?)?;
    } else {
        print(&mut out, &found)?;
    }
    Ok(if found.first.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn by_version(values: Vec<Value>, path: &std::path::Path) -> anyhow::Result<BTreeMap<Key, Value>> {
    let mut all = BTreeMap::new();
    for (n, value) in values.into_iter().enumerate() {
        let key = value["alert_id"].as_str().zip(value["version"].as_u64()).map(|(id, version)| (id.to_owned(), version));
        let key = key.ok_or_else(|| anyhow::anyhow!("{}: alert {} has no alert_id and version", path.display(), n + 1))?;
        // A repeat of the same version is no difference; a contradiction within one file is.
        if let Some(earlier) = all.insert(key, value.clone()).filter(|earlier| *earlier != value) {
            anyhow::bail!(
                "{}: version {} of alert {} is there twice, and not the same",
                path.display(),
                earlier["version"],
                earlier["alert_id"]
            );
        }
    }
    Ok(all)
}

fn compare(a: &BTreeMap<Key, Value>, b: &BTreeMap<Key, Value>) -> Comparison {
    let mut found = Comparison { same: 0, different: 0, only_a: 0, only_b: 0, fields: BTreeMap::new(), first: None };
    // The first difference is the one earliest in event time.
    let time = |v: &Value| v["time"].as_str().unwrap_or("").to_owned();
    let mut keys: Vec<(String, &Key)> = a.iter().chain(b).map(|(k, v)| (time(v), k)).collect();
    keys.sort();
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|(_, k)| seen.insert(*k));
    for (_, key) in keys {
        let mut note = |field: String, a: Option<&Value>, b: Option<&Value>| {
            if found.first.is_none() {
                found.first = Some(Difference { alert_id: key.0.clone(), version: key.1, field, a: a.cloned(), b: b.cloned() });
            }
        };
        match (a.get(key), b.get(key)) {
            (Some(x), Some(y)) if x == y => found.same += 1,
            (Some(x), Some(y)) => {
                found.different += 1;
                let mut fields = Vec::new();
                differences("", x, y, &mut fields);
                if let Some((field, x, y)) = fields.first() {
                    note(field.clone(), *x, *y);
                }
                let mut names: Vec<String> = fields.iter().map(|(f, _, _)| f.split('[').next().unwrap_or(f).to_owned()).collect();
                names.dedup();
                for name in names {
                    *found.fields.entry(name).or_insert(0) += 1;
                }
            }
            (Some(_), None) => {
                found.only_a += 1;
                note(String::new(), a.get(key), None);
            }
            (None, _) => {
                found.only_b += 1;
                note(String::new(), None, b.get(key));
            }
        }
    }
    found
}

/// The leaves in which two values differ.
fn differences<'a>(path: &str, a: &'a Value, b: &'a Value, out: &mut Vec<(String, Option<&'a Value>, Option<&'a Value>)>) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let names = x.keys().chain(y.keys().filter(|k| !x.contains_key(*k)));
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (x.get(name), y.get(name)) {
                    (Some(x), Some(y)) => differences(&path, x, y, out),
                    (x, y) => out.push((path, x, y)),
                }
            }
        }
        (Value::Array(x), Value::Array(y)) => {
            for i in 0..x.len().max(y.len()) {
                let path = format!("{path}[{i}]");
                match (x.get(i), y.get(i)) {
                    (Some(x), Some(y)) => differences(&path, x, y, out),
                    (x, y) => out.push((path, x, y)),
                }
            }
        }
        _ if a == b => {}
        _ => out.push((path.to_owned(), Some(a), Some(b))),
    }
}

fn print(out: &mut impl Write, c: &Comparison) -> io::Result<()> {
    let versions = |n: usize| format!("{n} version{}", if n == 1 { "" } else { "s" });
    if let Some(d) = &c.first {
        let side = |v: &Option<Value>| v.as_ref().map_or_else(|| "nothing".to_owned(), |v| brief(&v.to_string()));
        writeln!(out, "first difference: alert {} version {}", d.alert_id, d.version)?;
        if d.field.is_empty() {
            writeln!(out, "  only in {}", if d.a.is_some() { "A" } else { "B" })?;
        } else {
            writeln!(out, "  {}\n    A {}\n    B {}", d.field, side(&d.a), side(&d.b))?;
        }
    }
    writeln!(out, "{} the same, {} different, {} only in A, {} only in B", versions(c.same), c.different, c.only_a, c.only_b)?;
    if !c.fields.is_empty() {
        let mut fields: Vec<_> = c.fields.iter().collect();
        fields.sort_by(|x, y| y.1.cmp(x.1).then(x.0.cmp(y.0)));
        writeln!(out, "fields: {}", fields.iter().map(|(f, n)| format!("{f} {n}")).collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// At most a line of a terminal.
fn brief(text: &str) -> String {
    if text.chars().count() > 160 { text.chars().take(157).chain("...".chars()).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alerts(values: &[Value]) -> BTreeMap<Key, Value> {
        by_version(values.to_vec(), "x".as_ref()).expect("well-formed")
    }

    #[test]
    fn the_order_of_lines_and_of_fields_is_no_difference() {
        let (x, y) = (json!({"alert_id": "1", "version": 1, "time": "t"}), json!({"alert_id": "1", "version": 2, "time": "u", "bits": 5}));
        let c = compare(&alerts(&[x.clone(), y.clone()]), &alerts(&[y.clone(), x, y]));
        assert_eq!((c.same, c.first), (2, None));
    }

    #[test]
    fn finds_the_first_in_time_and_counts() {
        let a = alerts(&[
            json!({"alert_id": "1", "version": 1, "time": "2026-01-03", "contributions": [{"bits": 5}, {"bits": 1}]}),
            json!({"alert_id": "2", "version": 1, "time": "2026-01-02", "contributions": [{"bits": 5}, {"bits": 1}], "bits": 6}),
            json!({"alert_id": "3", "version": 1, "time": "2026-01-09"}),
        ]);
        let b = alerts(&[
            json!({"alert_id": "1", "version": 1, "time": "2026-01-03", "contributions": [{"bits": 4}, {"bits": 2}]}),
            json!({"alert_id": "2", "version": 1, "time": "2026-01-02", "contributions": [{"bits": 5}], "bits": 6}),
            json!({"alert_id": "4", "version": 1, "time": "2026-01-09"}),
        ]);
        let c = compare(&a, &b);
        assert_eq!((c.same, c.different, c.only_a, c.only_b), (0, 2, 1, 1));
        let first = c.first.expect("they differ");
        assert_eq!(
            (first.alert_id.as_str(), first.field.as_str(), first.a, first.b),
            ("2", "contributions[1]", Some(json!({"bits": 1})), None)
        );
        assert_eq!(c.fields, BTreeMap::from([("contributions".to_owned(), 2)]));
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        let wrong =
            by_version(vec![json!({"alert_id": "1", "version": 1, "a": 1}), json!({"alert_id": "1", "version": 1, "a": 2})], "x".as_ref());
        assert!(wrong.is_err());
        assert!(by_version(vec![json!({"alert_id": "1"})], "x".as_ref()).is_err());
    }
}
