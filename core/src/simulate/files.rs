//! The made-up company as files: events, reference data, labels, meta.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::calendar::later;
use super::company::Company;
use super::labels;
use super::people::Layout;
use super::place::midnight;
use super::plan::Plan;
use crate::event::{Date, Event, HOUR_MS, Timestamp};
use crate::model::{Label, Meta};

/// What to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// People.
    pub managers: usize,
    /// Days.
    pub days: u32,
    /// The same seed makes the same bytes.
    pub seed: u64,
    /// First day.
    pub start: Date,
    /// The day (from 0) from which on attacks happen; none: no attacks.
    pub attack_from: Option<u32>,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines of `events.jsonl`.
    pub events: u64,
    /// Days on which a manager did something, summed over managers.
    pub manager_days: u64,
    /// Attacks among the labels.
    pub attacks: usize,
    /// Unusual but honest things among the labels.
    pub benign: usize,
}

/// The files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Too much was asked for.
    #[error("{0}")]
    Asked(String),
}

/// Most managers that client ids leave room for.
const MOST_MANAGERS: usize = 20_000;
/// Most days, about ten years.
const MOST_DAYS: u32 = 3_660;

/// Writes `events.jsonl users.csv clients.csv orders.csv labels.jsonl meta.json` into a folder, made if need be;
/// `progress` is told of each finished day.
///
/// # Errors
/// When a file cannot be written, or more managers or days are asked for than there is room for.
pub fn write(options: &Options, dir: &Path, progress: &mut dyn FnMut()) -> Result<Summary, Error> {
    if !(1..=MOST_MANAGERS).contains(&options.managers) {
        return Err(Error::Asked(format!("give from 1 to {MOST_MANAGERS} managers, not {}", options.managers)));
    }
    if !(1..=MOST_DAYS).contains(&options.days) {
        return Err(Error::Asked(format!("give from 1 to {MOST_DAYS} days, not {}", options.days)));
    }
    std::fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    let plan = Plan::new(options, Layout::Ordinary);
    let company = &plan.company;

    let mut file = Output::create(dir.join("events.jsonl"))?;
    let mut made = Made { active: vec![0; usize::try_from(options.days).unwrap_or(0)], events: 0, labels: labels::Gather::default() };
    let mut waiting: Vec<Event> = Vec::new();
    for n in 0..options.days {
        let date = later(options.start, i32::try_from(n).unwrap_or(0));
        for person in &company.people {
            let events = plan.day(person.idx, date, &mut made.labels);
            made.count_active(company, person.idx, options.start, date, &events);
            waiting.extend(events);
        }
        waiting.extend(company.programs(date));
        waiting.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        // No zone's next day begins earlier.
        let due = later(date, 1).midnight_utc().plus(-15 * HOUR_MS);
        let rest = if n + 1 == options.days { waiting.len() } else { waiting.partition_point(|e| e.time < due) };
        made.events += u64::try_from(rest).unwrap_or(0);
        for event in waiting.drain(..rest) {
            file.line(&event)?;
        }
        progress();
    }
    file.finish()?;

    table(dir.join("users.csv"), &USERS, &company.users())?;
    table(dir.join("clients.csv"), &CLIENTS, &company.client_rows())?;
    table(dir.join("orders.csv"), &ORDERS, &company.order_rows())?;
    let mut labels: Vec<Label> = made.labels.finish(&plan.attacks, company);
    let attacks = labels.len();
    labels.extend(labels::benign(company));
    labels.sort_by(|a, b| (a.from, &a.manager, &a.scenario).cmp(&(b.from, &b.manager, &b.scenario)));
    let mut file = Output::create(dir.join("labels.jsonl"))?;
    for label in &labels {
        file.line(label)?;
    }
    file.finish()?;
    let manager_days = made.active.iter().map(|n| u64::from(*n)).sum();
    let meta = Meta {
        start: options.start,
        days: options.days,
        managers: u32::try_from(options.managers).unwrap_or(u32::MAX),
        seed: options.seed,
        active_managers_by_day: made.active,
    };
    let mut file = Output::create(dir.join("meta.json"))?;
    file.line(&meta)?;
    file.finish()?;
    Ok(Summary { events: made.events, manager_days, attacks, benign: labels.len() - attacks })
}

struct Made {
    active: Vec<u32>,
    events: u64,
    labels: labels::Gather,
}

impl Made {
    /// A manager's day is cut at 05:00 of their own clock.
    fn count_active(&mut self, company: &Company, idx: usize, start: Date, date: Date, events: &[Event]) {
        let cut = |n: i32| midnight(company.zone(idx), later(date, n)).plus(5 * HOUR_MS);
        let (begin, end): (Timestamp, Timestamp) = (cut(0), cut(1));
        let mut mark = |date: Date| {
            if let Some(n) = usize::try_from(date.0 - start.0).ok().and_then(|n| self.active.get_mut(n)) {
                *n += 1;
            }
        };
        if events.iter().any(|e| begin <= e.time && e.time < end) {
            mark(date);
        }
        // A night's work that goes on past 05:00 opens the next day, unless that day's own work does.
        if events.iter().any(|e| e.time >= end) && company.honest_day(idx, later(date, 1)).is_empty() {
            mark(later(date, 1));
        }
    }
}

struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    fn create(path: PathBuf) -> Result<Self, Error> {
        match File::create(&path) {
            Ok(file) => Ok(Self { path, file: BufWriter::with_capacity(1 << 20, file) }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    fn line<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let done = serde_json::to_writer(&mut self.file, value).map_err(std::io::Error::from).and_then(|()| self.file.write_all(b"\n"));
        done.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(|source| Error::Write { path: self.path, source })
    }
}

const USERS: [&str; 22] = [
    "tenant",
    "id",
    "valid_from",
    "name",
    "team",
    "role",
    "grade",
    "supervisor",
    "time_zone",
    "schedule",
    "hired_at",
    "notice_at",
    "terminated_at",
    "absences",
    "substitutes",
    "ip_allow",
    "locale",
    "kind",
    "phones",
    "emails",
    "active",
    "mfa",
];
const CLIENTS: [&str; 11] = ["tenant", "id", "valid_from", "owner", "team", "tier", "region", "phones", "emails", "country", "decoy"];
const ORDERS: [&str; 10] = ["tenant", "id", "valid_from", "client", "manager", "participants", "state", "opened_at", "closed_at", "amount"];

fn table<T: Serialize>(path: PathBuf, columns: &[&str], rows: &[T]) -> Result<(), Error> {
    let wrong = |path: &Path, source: std::io::Error| Error::Write { path: path.to_owned(), source };
    let mut csv = csv::Writer::from_path(&path).map_err(|e| wrong(&path, e.into()))?;
    csv.write_record(columns).map_err(|e| wrong(&path, e.into()))?;
    for row in rows {
        let row = serde_json::to_value(row).map_err(|e| wrong(&path, e.into()))?;
        csv.write_record(columns.iter().map(|c| cell(&row[*c]))).map_err(|e| wrong(&path, e.into()))?;
    }
    csv.flush().map_err(|e| wrong(&path, e))
}

/// A value as a cell: lists by `;`, a span as `from/to`, nothing for unknown.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        Value::Object(span) => ["from", "to"].map(|k| span.get(k).map(cell).unwrap_or_default()).join("/"),
        other => other.to_string(),
    }
}
