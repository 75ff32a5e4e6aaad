//! Bytes of a CRM's own format in, canonical events and complaints out; a file per source, named after it.
//!
//! An [`Adapter`] is a format together with the [`Binding`] of the source that speaks it. It takes whole records (the value of a
//! Kafka message, an element of a push) with [`Adapter::record`], or the lines of a file through a [`Decoder`], which knows what
//! stands across lines: the header of a CSV file, a JSON document that somebody indented.
//! No bytes make it fail: what cannot be read becomes a [`Reject`], an odd field a [`Complaint`]. It has no clock:
//! [`Normalised::judge`] turns away impossible times with the caller's.

mod amocrm;
mod asterisk;
mod binding;
mod bitrix24;
mod bound;
mod brackets;
mod canonical;
mod codepage;
mod crm_tables;
mod debezium;
mod decoder;
mod document;
mod dynamics365;
mod envelope;
mod espocrm;
mod fields;
mod formats;
mod freeswitch;
mod hubspot;
mod mango;
mod mapping;
mod nginx;
mod o365;
mod odoo;
mod onec;
mod row;
mod rules;
mod salesforce;
mod salesforce_elf;
mod salesforce_rtem;
mod salesforce_setup_audit;
pub mod secrets;
pub mod sight;
mod sink;
mod suitecrm;
mod table;
mod telephony;
#[cfg(test)]
mod tests;
mod web_rules;
mod zoho;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value};

pub use binding::Binding;
pub use decoder::Decoder;
use envelope::{Marks, Op};
use formats::known;
pub use formats::{FORMATS, Known, names};
use sink::Sink;

use crate::event::{Date, Event, Timestamp, words};

/// The source of events whose binding names none.
const GENERIC: &str = "generic";
/// The longest raw record that is read, bytes.
pub const MAX_RECORD_BYTES: usize = 16 << 20;
/// The deepest JSON: a record of the log wraps it some levels deeper and must be readable again.
const MAX_DEPTH: usize = 64;
/// How far ahead of the clock an event's time may lie: clocks differ.
const MAX_AHEAD_MS: i64 = 10 * 60_000;

/// Why a format cannot be read, or a binding not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody reads this format.
    #[error("there is no format {given:?}: give one of {}", known.join(", "))]
    UnknownFormat {
        /// What was asked for.
        given: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// The binding says something that the format cannot use.
    #[error("binding: {0}")]
    Binding(String),
}

/// A format as its source speaks it. Clones share everything.
#[derive(Clone)]
pub struct Adapter(Arc<Inner>);

struct Inner {
    known: &'static Known,
    binding: Binding,
    format: Box<dyn Format>,
}

/// What only a format knows: how one element of a record becomes an event.
trait Format: Send + Sync {
    /// The event of an element; none when the format says that it is none.
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault>;

    /// The elements of one that holds several, as webhooks that put a batch into one object.
    fn split(&self, element: Map<String, Value>) -> Split {
        Split::One(element)
    }

    /// Whether a change of a row, other than that it was inserted, is somebody's doing: not in an audit table, whose rows are
    /// only ever changed by its own housekeeping.
    fn rows_change(&self, _marks: &Marks) -> bool {
        false
    }
}

/// What an element holds.
enum Split {
    One(Map<String, Value>),
    Many(Vec<Map<String, Value>>),
}

/// What stands around an element.
struct Around<'a> {
    binding: &'a Binding,
    /// Headers and key of the record, for the formats that carry something there.
    raw: &'a Raw<'a>,
    /// What the envelopes said.
    marks: &'a Marks,
    /// Place of the element in the record.
    index: u32,
}

impl Around<'_> {
    /// The name of the source where the format leaves it open.
    fn source(&self) -> &str {
        self.binding.source.as_deref().unwrap_or(GENERIC)
    }
}

/// One raw record as its transport delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Its bytes; empty for a tombstone.
    pub value: &'a [u8],
    /// Kafka key.
    pub key: Option<&'a [u8]>,
    /// Headers of the message or request that are UTF-8, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
}

static NO_HEADERS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> From<&'a [u8]> for Raw<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self { value, key: None, headers: &NO_HEADERS }
    }
}

/// What became of raw bytes. Reused from record to record: see [`Normalised::clear`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normalised {
    /// Events with the place of their element in the record (from 0).
    pub events: Vec<(u32, Event)>,
    /// Elements that gave no event.
    pub rejects: Vec<Reject>,
    /// Fields that were left out of events.
    pub complaints: Vec<Complaint>,
    /// Blank lines and empty records.
    pub skipped: u64,
}

/// An element that gave no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Its place in the record (from 0).
    pub index: u32,
    /// Stable.
    pub code: Code,
    /// In words.
    pub reason: String,
}

/// A field that was left out of an event, or taken in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// Place of the event's element in the record (from 0).
    pub index: u32,
    /// Path of the field, as in `client.ip`.
    pub field: String,
    /// What is odd about it.
    pub reason: String,
}

words! {
    /// Why something gave no event.
    Code {
        /// It is no JSON.
        BadJson = "bad_json",
        /// It is no CSV, or not of its header.
        BadCsv = "bad_csv",
        /// It is no UTF-8.
        BadUtf8 = "bad_utf8",
        /// A required field, or the element itself, is of another type.
        WrongType = "wrong_type",
        /// A required field is missing.
        MissingField = "missing_field",
        /// A required field says what cannot be.
        BadValue = "bad_value",
        /// The action is none of ours.
        UnknownAction = "unknown_action",
        /// The event's time cannot be read.
        BadTime = "bad_time",
        /// The event's time lies ahead of the clock.
        Future = "future",
        /// The event's time lies before 2000.
        Before2000 = "before_2000",
        /// The event names another tenant than its binding.
        WrongTenant = "wrong_tenant",
        /// A record or a required field is too long.
        TooLong = "too_long",
        /// JSON is nested too deep.
        TooDeep = "too_deep",
        /// The record has too many elements.
        TooMany = "too_many",
    }
}

impl Code {
    /// Whether the bytes could be read at all, and were turned away for what they say.
    pub fn readable(self) -> bool {
        !matches!(self, Self::BadJson | Self::BadCsv | Self::BadUtf8 | Self::TooLong | Self::TooDeep)
    }
}

/// Why an element gives no event, before anyone knows its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    code: Code,
    reason: String,
}

impl Fault {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn missing(field: &str) -> Self {
        Self::new(Code::MissingField, format!("{field} is missing"))
    }
}

/// Collects complaints about one element.
struct Notes<'a> {
    index: u32,
    complaints: &'a mut Vec<Complaint>,
}

impl Notes<'_> {
    fn odd(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.complaints.push(Complaint { index: self.index, field: field.into(), reason: reason.into() });
    }
}

/// Whether an event's time can be: at most ten minutes ahead of `now`, not before 2000.
///
/// # Errors
/// Code and reason of the reject.
pub fn possible(time: Timestamp, now: Timestamp) -> Result<(), (Code, String)> {
    let ahead_ms = time.millis().saturating_sub(now.millis());
    if ahead_ms > MAX_AHEAD_MS {
        return Err((Code::Future, format!("time {time} lies more than 10 minutes ahead of the clock")));
    }
    let from = Date::from_ymd(2000, 1, 1).expect("a date").midnight_utc();
    if time < from {
        return Err((Code::Before2000, format!("time {time} lies before 2000")));
    }
    Ok(())
}

impl Normalised {
    /// Empties it for the next record.
    pub fn clear(&mut self) {
        self.events.clear();
        self.rejects.clear();
        self.complaints.clear();
        self.skipped = 0;
    }

    /// Turns away events whose time cannot be, by the caller's clock.
    pub fn judge(&mut self, now: Timestamp) {
        let (rejects, complaints) = (&mut self.rejects, &mut self.complaints);
        self.events.retain(|(index, event)| match possible(event.time, now) {
            Ok(()) => true,
            Err((code, reason)) => {
                complaints.retain(|c| c.index != *index);
                rejects.push(Reject { index: *index, code, reason });
                false
            }
        });
    }
}

impl Adapter {
    /// The adapter that a binding asks for.
    ///
    /// # Errors
    /// When nobody reads the format, or the binding says what the format cannot use.
    pub fn open(binding: Binding) -> Result<Self, Error> {
        let known = known(&binding.format)?;
        let format = (known.open)(&binding)?;
        Ok(Self(Arc::new(Inner { known, binding, format })))
    }

    /// An adapter for a format that needs nothing said about its source.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn of(format: &str) -> Result<Self, Error> {
        Self::open(Binding { format: format.to_owned(), ..Binding::default() })
    }

    /// Name of the format.
    pub fn name(&self) -> &'static str {
        self.0.known.name
    }

    /// Whether its records may be rows of CSV.
    pub fn reads_csv(&self) -> bool {
        table::Table::is_read_by(self)
    }

    /// The binding.
    pub fn binding(&self) -> &Binding {
        &self.0.binding
    }

    /// Takes one raw record, whole: JSON (an object, an array, one a line) or CSV with its header. Adds to `out`.
    pub fn record(&self, raw: &Raw<'_>, out: &mut Normalised) {
        let mut sink = Sink::new(self, raw, out);
        match Marks::of(raw) {
            Ok(marks) => sink.marks = marks,
            // Headers can say that nothing here can be read.
            Err(fault) => return sink.reject(fault),
        }
        if raw.value.len() > MAX_RECORD_BYTES {
            let reason = format!("the record has {} bytes, more than {MAX_RECORD_BYTES}", raw.value.len());
            sink.reject(Fault::new(Code::TooLong, reason));
            return;
        }
        decoder::whole(self, raw.value, &mut sink);
    }

    /// Takes the lines of one file or stream.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.clone())
    }
}

/// Whether JSON is not nested too deep to be kept.
fn shallow(value: &Value) -> Result<(), Fault> {
    match deeper_than(value, MAX_DEPTH) {
        true => Err(Fault::new(Code::TooDeep, format!("JSON is nested more than {MAX_DEPTH} levels deep"))),
        false => Ok(()),
    }
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match (value, levels.checked_sub(1)) {
        (Value::Array(_) | Value::Object(_), None) => true,
        (Value::Array(items), Some(levels)) => items.iter().any(|v| deeper_than(v, levels)),
        (Value::Object(fields), Some(levels)) => fields.values().any(|v| deeper_than(v, levels)),
        _ => false,
    }
}
