//! A CRM that nobody knows, described in its binding: where each canonical field stands in its records and what its words mean.
//!
//! ```toml
//! [mapping]
//! id = "event.uuid"                                     # a path; parts between points, numbers count in lists
//! time = { path = "at", format = "%d.%m.%Y %H:%M:%S" }  # also "epoch"; without: RFC 3339, or naive in time_zone
//! action = { path = "verb", values = { open = "view", download = "export" }, default = "other" }
//! channel = { value = "ui" }
//! "actor.id" = { path = "user.login", prefix = "crm-" }
//! only = { path = "kind", values = ["audit"] }          # other records are no events
//! ```

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Around, Binding, Error, Fault, Format, Notes, canonical,
    fields::short,
    row::{listed, scalar},
    rules,
};
use crate::event::{Action, ActorKind, Channel, Direction, Event, Net, ObjectType, Outcome, Timestamp};

/// What a canonical field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Count,
    Number,
    Flag,
    Texts,
    Time,
    Word(fn(&str) -> bool),
}

/// Fields that a mapping can fill.
const TARGETS: &[(&str, Holds)] = &[
    ("id", Holds::Text),
    ("time", Holds::Time),
    ("actor.id", Holds::Text),
    ("actor.kind", Holds::Word(|w| ActorKind::from_word(w).is_some())),
    ("actor.name", Holds::Text),
    ("action", Holds::Word(|w| Action::from_word(w).is_some())),
    ("outcome", Holds::Word(|w| Outcome::from_word(w).is_some())),
    ("reason", Holds::Text),
    ("channel", Holds::Word(|w| Channel::from_word(w).is_some())),
    ("session", Holds::Text),
    ("object.type", Holds::Word(|w| ObjectType::from_word(w).is_some())),
    ("object.id", Holds::Text),
    ("object.owner", Holds::Text),
    ("object.ids", Holds::Texts),
    ("object.client", Holds::Text),
    ("records", Holds::Count),
    ("bytes", Holds::Count),
    ("query.text", Holds::Text),
    ("query.fields", Holds::Texts),
    ("query.filter", Holds::Flag),
    ("call.direction", Holds::Word(|w| Direction::from_word(w).is_some())),
    ("call.number", Holds::Text),
    ("call.duration_s", Holds::Count),
    ("call.client", Holds::Text),
    ("order", Holds::Text),
    ("client.ip", Holds::Text),
    ("client.user_agent", Holds::Text),
    ("client.device", Holds::Text),
    ("client.app", Holds::Text),
    ("client.version", Holds::Text),
    ("client.country", Holds::Text),
    ("client.asn", Holds::Count),
    ("client.lat", Holds::Number),
    ("client.lon", Holds::Number),
    ("client.net", Holds::Word(|w| Net::from_word(w).is_some())),
    ("client.tls", Holds::Text),
    ("auth.method", Holds::Text),
    ("auth.mfa", Holds::Flag),
    ("auth.mfa_method", Holds::Text),
    ("change.what", Holds::Text),
    ("change.from", Holds::Text),
    ("change.to", Holds::Text),
    ("change.target", Holds::Text),
];
/// Without these there is no event.
const REQUIRED: &[&str] = &["time", "actor.id", "action"];

/// How one field is found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    path: Option<Path>,
    /// A constant.
    value: Option<Value>,
    /// The source's words, and ours for them.
    #[serde(default)]
    values: BTreeMap<String, Value>,
    /// For words that `values` does not have, and where there is nothing.
    default: Option<Value>,
    /// Of a time.
    format: Option<String>,
    /// Put before a text.
    prefix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Path {
    Dotted(String),
    Parts(Vec<String>),
}

/// Which records are events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    path: Path,
    values: Vec<String>,
}

struct Field {
    target: &'static str,
    holds: Holds,
    path: Vec<String>,
    value: Option<Value>,
    values: BTreeMap<String, Value>,
    default: Option<Value>,
    format: Option<String>,
    prefix: String,
}

struct Mapping {
    fields: Vec<Field>,
    only: Option<(Vec<String>, Vec<String>)>,
}

pub(super) fn open(binding: &Binding) -> Result<Box<dyn Format>, Error> {
    let Some(Value::Object(given)) = &binding.mapping else {
        // A format by itself can be opened, and then says of each record what is missing.
        return match &binding.mapping {
            None => Ok(Box::new(Mapping { fields: Vec::new(), only: None })),
            Some(_) => Err(Error::Binding("mapping: expected a table of canonical fields".to_owned())),
        };
    };
    let (mut fields, mut only) = (Vec::new(), None);
    for (name, value) in given {
        let wrong = |e: String| Error::Binding(format!("mapping.{name}{e}"));
        if name == "only" {
            let read = Only::deserialize(value).map_err(|e| wrong(format!(": {e}")))?;
            only = Some((read.path.parts(), read.values));
            continue;
        }
        let flat = match value {
            // TOML writes `actor.id = ..` as a table within a table.
            Value::Object(inner) if !TARGETS.iter().any(|(t, _)| t == name) => {
                inner.iter().map(|(part, value)| (format!("{name}.{part}"), value)).collect()
            }
            _ => vec![(name.clone(), value)],
        };
        for (target, value) in flat {
            fields.push(Field::read(&target, value).map_err(Error::Binding)?);
        }
    }
    for name in REQUIRED {
        if !fields.iter().any(|f| f.target == *name) {
            return Err(Error::Binding(format!("mapping: {name} is missing: say where it stands")));
        }
    }
    Ok(Box::new(Mapping { fields, only }))
}

impl Path {
    fn parts(self) -> Vec<String> {
        match self {
            Self::Dotted(text) => text.split('.').map(str::to_owned).collect(),
            Self::Parts(parts) => parts,
        }
    }
}

impl Field {
    fn read(target: &str, value: &Value) -> Result<Self, String> {
        let Some((target, holds)) = TARGETS.iter().find(|(name, _)| *name == target) else {
            let near = TARGETS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(target) || target.starts_with(name));
            let near: Vec<&str> = near.take(3).collect();
            let hint = if near.is_empty() { String::new() } else { format!(": is it {}?", near.join(", ")) };
            return Err(format!("mapping.{target}: the event has no such field{hint}"));
        };
        let at = |part: &str, e: &str| format!("mapping.{target}{part}: {e}");
        let given = match value {
            Value::String(path) => Given {
                path: Some(Path::Dotted(path.clone())),
                value: None,
                values: BTreeMap::new(),
                default: None,
                format: None,
                prefix: None,
            },
            other => Given::deserialize(other).map_err(|e| at("", &e.to_string()))?,
        };
        match (&given.path, &given.value) {
            (None, None) => return Err(at("", "give a path or a value")),
            (Some(_), Some(_)) => return Err(at("", "give a path or a value, not both")),
            _ => {}
        }
        if given.format.is_some() && !matches!(holds, Holds::Time) {
            return Err(at(".format", "only a time has a format"));
        }
        if given.format.as_deref().is_some_and(|f| f != "epoch" && !f.contains('%')) {
            return Err(at(".format", "give epoch, or a pattern as in %d.%m.%Y %H:%M:%S"));
        }
        if let Holds::Word(known) = holds {
            let words = given.values.iter().map(|(from, to)| (format!(".values.{from}"), to));
            let words = words.chain(given.default.iter().map(|v| (".default".to_owned(), v)));
            for (part, word) in words.chain(given.value.iter().map(|v| (".value".to_owned(), v))) {
                if !word.as_str().is_some_and(known) {
                    return Err(at(&part, &format!("{word} is no word of {target}")));
                }
            }
        }
        Ok(Self {
            target,
            holds: *holds,
            path: given.path.map(Path::parts).unwrap_or_default(),
            value: given.value,
            values: given.values,
            default: given.default,
            format: given.format,
            prefix: given.prefix.unwrap_or_default(),
        })
    }

    /// The field's value in a record, as the canonical event writes it.
    fn of(&self, record: &Map<String, Value>, binding: &Binding) -> Result<Option<Value>, String> {
        let found = match &self.value {
            Some(constant) => Some(constant),
            None => find(record, &self.path).filter(|v| !rules::is_absent(v)),
        };
        let Some(found) = found else { return Ok(self.default.clone()) };
        if !self.values.is_empty() {
            let word = match found {
                Value::Bool(flag) => Some(flag.to_string()),
                other => scalar(other),
            };
            if let Some(value) = word.as_deref().and_then(|w| self.values.get(w)) {
                return Ok(Some(value.clone()));
            }
            // Lists of words are never complete.
            if let Some(default) = &self.default {
                return Ok(Some(default.clone()));
            }
        }
        let text = || scalar(found).ok_or_else(|| format!("expected a text or a number, found {}", super::fields::kind(found)));
        Ok(Some(match self.holds {
            Holds::Text => Value::String(format!("{}{}", self.prefix, text()?)),
            Holds::Time => {
                Value::String(self.time(found, binding).ok_or_else(|| format!("{} is no time", short(&found.to_string())))?.to_string())
            }
            Holds::Count | Holds::Number => match found {
                Value::String(digits) => {
                    let number: f64 = digits.trim().parse().map_err(|_| format!("{:?} is no number", short(digits)))?;
                    if number.fract() == 0.0 && matches!(self.holds, Holds::Count) {
                        json!(rules::whole(number).ok_or("it is negative")?)
                    } else {
                        json!(number)
                    }
                }
                other => other.clone(),
            },
            Holds::Flag => match scalar(found).as_deref() {
                Some("1" | "true" | "yes") => Value::Bool(true),
                Some("0" | "false" | "no") => Value::Bool(false),
                _ => found.clone(),
            },
            Holds::Texts => match found {
                Value::String(list) => json!(listed(list, 1000)),
                Value::Array(items) => Value::Array(items.iter().filter_map(scalar).map(Value::String).collect()),
                other => other.clone(),
            },
            // Not ours, and nothing says what it means.
            Holds::Word(known) => {
                let word = text()?;
                match (known(&word), self.target) {
                    (true, _) => Value::String(word),
                    (false, "action" | "channel" | "object.type") => json!("other"),
                    (false, _) => return Err(format!("{:?} is not known: values should say what it means", short(&word))),
                }
            }
        }))
    }

    fn time(&self, found: &Value, binding: &Binding) -> Option<Timestamp> {
        let zone = binding.time_zone.as_ref();
        match self.format.as_deref() {
            Some("epoch") => rules::epoch(found),
            Some(pattern) => rules::patterned(&scalar(found)?, pattern, zone),
            None => match (found, zone) {
                (Value::String(text), None) => Timestamp::parse(text).ok(),
                (Value::String(text), Some(zone)) => rules::zoned(text, zone),
                (number, zone) => rules::moment(number, zone.unwrap_or(&TimeZone::UTC)),
            },
        }
    }
}

/// The value at a path.
fn find<'a>(record: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = record.get(first)?;
    for part in rest {
        value = match value {
            Value::Object(fields) => fields.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

impl Format for Mapping {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        if let Some((path, words)) = &self.only {
            let word = find(&element, path).and_then(scalar);
            if !word.is_some_and(|w| words.contains(&w)) {
                return Ok(None);
            }
        }
        let mut event = Map::new();
        for field in &self.fields {
            match field.of(&element, around.binding) {
                Ok(Some(value)) => put(&mut event, field.target, value),
                Ok(None) => {}
                Err(e) if REQUIRED.contains(&field.target) || field.target == "id" => {
                    let code = if field.target == "time" { super::Code::BadTime } else { super::Code::BadValue };
                    return Err(Fault::new(code, format!("{}, from {}: {e}", field.target, field.path.join("."))));
                }
                Err(e) => notes.odd(field.target, format!("from {}: {e}: left out", field.path.join("."))),
            }
        }
        if let Some(field) = self.fields.iter().find(|f| REQUIRED.contains(&f.target) && !holds(&event, f.target)) {
            return Err(Fault::missing(&format!("{}, from {},", field.target, field.path.join("."))));
        }
        if !event.contains_key("id") {
            event.insert("id".to_owned(), rules::row_hash(&element).into());
        }
        event.insert("source".to_owned(), around.source().into());
        event.insert("attrs".to_owned(), json!(rules::attrs(element)));
        let mut event = canonical::event(event, around.binding, notes)?;
        rules::finish(&mut event);
        Ok(Some(event))
    }
}

fn put(event: &mut Map<String, Value>, target: &str, value: Value) {
    match target.split_once('.') {
        None => drop(event.insert(target.to_owned(), value)),
        Some((object, field)) => {
            let object = event.entry(object.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(object) = object.as_object_mut() {
                object.insert(field.to_owned(), value);
            }
        }
    }
}

fn holds(event: &Map<String, Value>, target: &str) -> bool {
    let path: Vec<String> = target.split('.').map(str::to_owned).collect();
    find(event, &path).is_some()
}
