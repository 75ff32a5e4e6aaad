//! One table from file, environment and flags, and all that is wrong with it.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::file::File;

/// Something wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The key, as in `pipeline.flush_ms`.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

/// Everything wrong in the configuration, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Whether there is one at this path or below it.
    pub(super) fn within(&self, path: &str) -> bool {
        self.0.iter().any(|m| m.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
    }

    /// Adds one.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Mistake { path: path.into(), message: message.into() });
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake")?,
            n => write!(f, "the configuration has {n} mistakes")?,
        }
        self.0.iter().try_for_each(|m| write!(f, "\n  {}: {}", m.path, m.message))
    }
}

impl std::error::Error for Mistakes {}

/// The table so far, and where its values came from when that was not the file.
#[derive(Default)]
pub(super) struct Layers {
    table: Map<String, Value>,
    /// Path to the variable or flag that set it.
    origins: BTreeMap<Vec<String>, Origin>,
}

struct Origin {
    name: String,
    /// The variable's text, where it could be read as something else than text.
    text: Option<String>,
}

/// Keys whose values are not repeated in messages.
const HIDDEN: [&str; 8] = ["password", "reader_password", "token", "token_sha256", "reader_token", "alias_key", "webhook", "librdkafka"];

impl Layers {
    /// Puts the file under everything else.
    pub(super) fn file(&mut self, text: &str, name: &str, mistakes: &mut Mistakes) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.table = table.into_iter().map(|(key, value)| (key, json(value))).collect(),
            // Not the error's own display: that repeats the line, which may hold a password.
            Err(e) => {
                let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                mistakes.add(format!("{name}:{line}"), format!("no TOML: {}", e.message().lines().next().unwrap_or_default()));
            }
        }
        if let Some(Value::Object(kafka)) = self.table.get_mut("kafka") {
            gather_librdkafka(kafka);
        }
    }

    /// Puts `FILIN_SECTION__KEY` variables over the file. Those without `__` are no keys, but for `FILIN_BINDINGS`
    /// and `FILIN_ACCESS`.
    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>, mistakes: &mut Mistakes) {
        let mut sorted: Vec<_> = variables.into_iter().collect();
        sorted.sort();
        for (name, text) in sorted {
            let Some(key) = name.strip_prefix("FILIN_") else { continue };
            if !key.contains("__") && key != "BINDINGS" && key != "ACCESS" {
                continue;
            }
            let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
            if path.iter().any(String::is_empty) {
                mistakes.add(&name, "not a key: write FILIN_SECTION__KEY");
                continue;
            }
            let parsed = format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
            let origin = Origin { name, text: parsed.is_some().then(|| text.clone()) };
            self.set(path, parsed.map_or(Value::String(text), json), origin, mistakes);
        }
    }

    /// Puts a flag over everything.
    pub(super) fn flag(&mut self, flag: &str, path: &[&str], value: Value, mistakes: &mut Mistakes) {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        self.set(path, value, Origin { name: flag.to_owned(), text: None }, mistakes);
    }

    fn set(&mut self, path: Vec<String>, value: Value, origin: Origin, mistakes: &mut Mistakes) {
        let (last, parents) = path.split_last().expect("a path has parts");
        let mut table = &mut self.table;
        for part in parents {
            match table.entry(part).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(inner) => table = inner,
                _ => return mistakes.add(path.join("."), format!("{} sets a key of something that is no table", origin.name)),
            }
        }
        table.insert(last.clone(), value);
        self.origins.insert(path, origin);
    }

    /// The path as people write it, with the variable or flag that set it.
    pub(super) fn told(&self, path: &str) -> String {
        let origin = self.origins.iter().find(|(parts, _)| parts.join(".") == path);
        origin.map_or_else(|| path.to_owned(), |(_, origin)| format!("{path} (by {})", origin.name))
    }

    /// Reads the table; what cannot be read becomes a mistake and is left out.
    pub(super) fn read(&mut self, mistakes: &mut Mistakes) -> File {
        if let Some(Value::Object(kafka)) = self.table.get_mut("kafka") {
            gather_librdkafka(kafka);
        }
        loop {
            let e = match serde_path_to_error::deserialize(Value::Object(self.table.clone())) {
                Ok(file) => return file,
                Err(e) => e,
            };
            let path: Vec<&Segment> = e.path().iter().collect();
            let Some(removed) = remove(&mut self.table, &path) else {
                mistakes.add("configuration", e.inner().to_string());
                return File::default();
            };
            // A variable may hold a text that looks like a number.
            let as_text = self.origins.get_mut(&removed).and_then(|origin| origin.text.take());
            if let Some(text) = as_text {
                let origin = self.origins.remove(&removed).expect("just seen");
                self.set(removed, Value::String(text), origin, mistakes);
                continue;
            }
            let message = in_words(&e.inner().to_string());
            let hidden = removed.iter().any(|part| HIDDEN.contains(&part.as_str())) && !message.starts_with("unknown key");
            mistakes.add(self.told(&e.path().to_string()), if hidden { "wrong type: give a text".to_owned() } else { message });
        }
    }
}

/// serde's words in ours.
fn in_words(message: &str) -> String {
    let words =
        [("unknown field", "unknown key"), ("invalid type", "wrong type"), ("invalid value", "wrong value"), ("path string", "a text")];
    let types = [("u32", "a whole number"), ("u64", "a whole number"), ("f64", "a number")];
    let message = words.iter().fold(message.to_owned(), |message, (theirs, ours)| message.replace(theirs, ours));
    types.iter().fold(message, |message, (theirs, ours)| message.replace(&format!("expected {theirs}"), &format!("expected {ours}")))
}

/// Takes out the value that a path leads to; of a list of plain values the whole list. Returns the path of what went.
fn remove(table: &mut Map<String, Value>, path: &[&Segment]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let Segment::Map { key } = first else { return None };
    let inner = match table.get_mut(key)? {
        Value::Object(inner) if !rest.is_empty() => remove(inner, rest),
        Value::Array(all) => match rest.split_first() {
            Some((Segment::Seq { index }, rest)) => match all.get_mut(*index) {
                Some(Value::Object(inner)) if !rest.is_empty() => remove(inner, rest).map(|path| [vec![index.to_string()], path].concat()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    if let Some(inner) = inner {
        return Some([vec![key.clone()], inner].concat());
    }
    table.remove(key)?;
    Some(vec![key.clone()])
}

/// `"librdkafka.a.b" = 1`, `librdkafka.a.b = 1` and `librdkafka = { "a.b" = 1 }` are the same.
fn gather_librdkafka(kafka: &mut Map<String, Value>) {
    let mut flat = Map::new();
    match kafka.remove("librdkafka") {
        Some(Value::Object(tables)) => flatten(String::new(), tables, &mut flat),
        Some(wrong) => return drop(kafka.insert("librdkafka".to_owned(), wrong)),
        None => {}
    }
    let quoted: Vec<String> = kafka.keys().filter(|key| key.starts_with("librdkafka.")).cloned().collect();
    for key in quoted {
        if let (Some(value), Some(name)) = (kafka.remove(&key), key.strip_prefix("librdkafka.")) {
            flat.insert(name.to_owned(), value);
        }
    }
    if !flat.is_empty() {
        kafka.insert("librdkafka".to_owned(), Value::Object(flat));
    }
}

fn flatten(prefix: String, table: Map<String, Value>, flat: &mut Map<String, Value>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => flatten(key, inner, flat),
            value => {
                flat.insert(key, value);
            }
        }
    }
}

/// TOML as JSON; dates become their text.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(n) => Value::from(n),
        // JSON has no NaN; as a text it is refused where a number is wanted.
        toml::Value::Float(x) if !x.is_finite() => Value::String(x.to_string()),
        toml::Value::Float(x) => Value::from(x),
        toml::Value::Boolean(b) => Value::Bool(b),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(all) => all.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect()),
    }
}
