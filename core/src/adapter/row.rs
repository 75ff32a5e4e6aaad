//! A raw record whose fields are looked up by name: as text or number, present or absent, whatever its source made of them.

use serde_json::{Map, Value};

use super::{Binding, Code, Fault, fields, rules};
use crate::event::Timestamp;

/// Fields of a raw record, or of an object in it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Row<'a> {
    /// A field that says something.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|v| !rules::is_absent(v))
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        rules::text(self.0, name)
    }

    pub(super) fn owned(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The first of these fields that is a text.
    pub(super) fn first(self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.text(name))
    }

    pub(super) fn count(self, name: &str) -> Option<u64> {
        rules::count(self.0, name)
    }

    /// An id, which some sources write as a number.
    pub(super) fn id(self, name: &str) -> Option<String> {
        scalar(self.get(name)?).filter(|id| !id.is_empty())
    }

    /// An id whose zero means nobody.
    pub(super) fn some_id(self, name: &str) -> Option<String> {
        self.id(name).filter(|id| id != "0")
    }

    /// The first of these fields that is an id.
    pub(super) fn first_id(self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.id(name))
    }

    /// True or false, as JSON, digit or word.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(n) => n.as_u64().map(|n| n != 0),
            Value::String(text) => match text.as_str() {
                "1" | "true" | "True" | "TRUE" | "Y" => Some(true),
                "0" | "false" | "False" | "FALSE" | "N" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn object(self, name: &str) -> Option<Row<'a>> {
        self.0.get(name)?.as_object().map(Row)
    }

    pub(super) fn list(self, name: &str) -> &'a [Value] {
        self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// An id that the event cannot do without.
    pub(super) fn required(self, name: &str) -> Result<String, Fault> {
        match self.get(name) {
            None => Err(Fault::missing(name)),
            Some(value) => scalar(value).filter(|id| !id.is_empty()).ok_or_else(|| {
                Fault::new(Code::WrongType, format!("{name}: expected a string or a number, found {}", fields::kind(value)))
            }),
        }
    }

    /// When it happened: an instant, or a time of the source's own clock, which runs in the binding's zone.
    pub(super) fn local_time(self, name: &str, binding: &Binding) -> Result<Timestamp, Fault> {
        let value = self.get(name).ok_or_else(|| Fault::missing(name))?;
        let Some(zone) = &binding.time_zone else {
            let instant = value.as_str().and_then(|text| Timestamp::parse(text).ok());
            return instant.ok_or_else(|| match rules::moment(value, &jiff::tz::TimeZone::UTC) {
                Some(_) => Fault::new(Code::BadTime, format!("{name} has no offset: the binding needs time_zone")),
                None => self.no_time(name),
            });
        };
        rules::moment(value, zone).ok_or_else(|| self.no_time(name))
    }

    /// When it happened, by a clock that runs in UTC.
    pub(super) fn utc_time(self, name: &str) -> Result<Timestamp, Fault> {
        let value = self.get(name).ok_or_else(|| Fault::missing(name))?;
        rules::moment(value, &jiff::tz::TimeZone::UTC).ok_or_else(|| self.no_time(name))
    }

    /// When it happened, counted since 1970.
    pub(super) fn epoch(self, name: &str) -> Option<Timestamp> {
        rules::epoch(self.0.get(name)?)
    }

    /// That a time cannot be read.
    pub(super) fn no_time(self, name: &str) -> Fault {
        let found = self.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        rules::no_time(name, found.as_deref())
    }
}

/// A text or a number as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            // Doubles stand for whole numbers in Avro and JavaScript.
            Some(f) if number.is_f64() && f.fract() == 0.0 && f.abs() < 9e15 => format!("{f:.0}"),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// The parts of a list written as one text: `a, b`, `[a, b]`; at most `limit`.
pub(super) fn listed(text: &str, limit: usize) -> Vec<String> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let parts = bare.split(',').map(|part| part.trim().trim_matches('"').trim()).filter(|part| !part.is_empty());
    parts.take(limit).map(str::to_owned).collect()
}
