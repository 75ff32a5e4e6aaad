//! Takes the fields of a canonical JSON object one by one: the right type, an absence, or a complaint.

use serde_json::{Map, Value};

use super::{
    Code, Fault, Notes,
    bound::{MAX_ID, MAX_TEXT},
};

/// What a JSON value is, in a word.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The beginning of a text, for messages.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A count that JSON may also write as `2.0`.
pub(super) fn whole(value: &Value) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number in range")]
    value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..=EXACT).contains(f)).map(|f| f as u64))
}

/// The object's fields that nobody has taken yet.
pub(super) struct Fields<'n, 'c> {
    /// `""`, or where it stands, as in `client.`
    prefix: &'static str,
    left: Map<String, Value>,
    notes: &'n mut Notes<'c>,
}

impl<'n, 'c> Fields<'n, 'c> {
    pub(super) fn new(prefix: &'static str, object: Map<String, Value>, notes: &'n mut Notes<'c>) -> Self {
        Self { prefix, left: object, notes }
    }

    /// What nobody has taken, under its path; absences are gone.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Value)> {
        let prefix = self.prefix;
        self.left
            .into_iter()
            .filter(|(_, v)| !is_absent(v))
            .map(move |(k, v)| (if prefix.is_empty() { k } else { format!("{prefix}{k}") }, v))
    }

    pub(super) fn odd(&mut self, key: &str, reason: impl Into<String>) {
        self.notes.odd(format!("{}{key}", self.prefix), reason);
    }

    /// Puts a value back: it stays in `attrs`.
    pub(super) fn leave(&mut self, key: &str, value: Value) {
        self.left.insert(key.to_owned(), value);
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|v| !is_absent(v))
    }

    fn wrong(&mut self, key: &str, expected: &str, found: &Value) {
        self.odd(key, format!("expected {expected}, found {}: left out", kind(found)));
    }

    /// A text that the event cannot do without, of at most `limit` bytes.
    pub(super) fn required(&mut self, key: &str, limit: usize) -> Result<String, Fault> {
        match self.take(key) {
            None => Err(Fault::missing(&format!("{}{key}", self.prefix))),
            Some(Value::String(text)) if text.len() <= limit => Ok(text),
            Some(Value::String(text)) => {
                Err(Fault::new(Code::TooLong, format!("{}{key} has {} bytes, more than {limit}", self.prefix, text.len())))
            }
            Some(other) => Err(Fault::new(Code::WrongType, format!("{}{key}: expected a string, found {}", self.prefix, kind(&other)))),
        }
    }

    /// An object that the event cannot do without.
    pub(super) fn required_object(&mut self, key: &str) -> Result<Map<String, Value>, Fault> {
        match self.take(key) {
            None => Err(Fault::missing(&format!("{}{key}", self.prefix))),
            Some(Value::Object(object)) => Ok(object),
            Some(other) => Err(Fault::new(Code::WrongType, format!("{}{key}: expected an object, found {}", self.prefix, kind(&other)))),
        }
    }

    pub(super) fn object(&mut self, key: &str) -> Option<Map<String, Value>> {
        match self.take(key)? {
            Value::Object(object) => Some(object),
            other => {
                self.wrong(key, "an object", &other);
                None
            }
        }
    }

    pub(super) fn string(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.wrong(key, "a string", &other);
                None
            }
        }
    }

    /// The id of something.
    pub(super) fn id(&mut self, key: &str) -> Option<String> {
        let text = self.string(key)?;
        if text.len() > MAX_ID {
            self.odd(key, format!("{} bytes are no id: left out", text.len()));
            return None;
        }
        Some(text)
    }

    /// Free text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let mut text = self.string(key)?;
        if text.len() > MAX_TEXT {
            self.odd(key, format!("{} bytes: cut to {MAX_TEXT}", text.len()));
            text.truncate(text.floor_char_boundary(MAX_TEXT));
        }
        Some(text)
    }

    pub(super) fn count(&mut self, key: &str) -> Option<u64> {
        let value = self.take(key)?;
        let count = whole(&value);
        if count.is_none() {
            match value {
                Value::Number(_) => self.odd(key, "expected a whole number that is not negative: left out"),
                other => self.wrong(key, "a whole number", &other),
            }
        }
        count
    }

    /// A number within limits.
    pub(super) fn number(&mut self, key: &str, limit: f64) -> Option<f64> {
        let value = self.take(key)?;
        match value.as_f64() {
            Some(n) if n.abs() <= limit => Some(n),
            Some(_) => {
                self.odd(key, format!("expected a number from -{limit} to {limit}: left out"));
                None
            }
            None => {
                self.wrong(key, "a number", &value);
                None
            }
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(key, "true or false", &value);
        }
        flag
    }

    /// One of some words; what an unknown word means, if anything, is `other`.
    pub(super) fn word<T>(&mut self, key: &str, read: fn(&str) -> Option<T>, other: Option<T>) -> Option<T> {
        let text = self.string(key)?;
        let word = read(&text);
        if word.is_none() {
            let taken = if other.is_some() { "taken as other" } else { "left out" };
            self.odd(key, format!("{:?} is not known: {taken}", short(&text)));
        }
        word.or(other)
    }

    /// At most `limit` texts; what is no text, or too many, is left out.
    pub(super) fn texts(&mut self, key: &str, limit: usize) -> Vec<String> {
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong(key, "an array of strings", &other);
                return Vec::new();
            }
        };
        let (mut texts, mut odd) = (Vec::with_capacity(items.len().min(limit)), 0_usize);
        let given = items.iter().filter(|v| !is_absent(v)).count();
        for item in items {
            match item {
                Value::String(text) if text.is_empty() => {}
                Value::Null => {}
                Value::String(text) if text.len() <= MAX_ID => {
                    if texts.len() < limit {
                        texts.push(text);
                    }
                }
                _ => odd += 1,
            }
        }
        if odd > 0 {
            self.odd(key, format!("{odd} of {given} are no strings of at most {MAX_ID} bytes: left out"));
        }
        if given - odd > limit {
            self.odd(key, format!("{} are given, the first {limit} are kept", given - odd));
        }
        texts
    }
}

/// `""` and `null`.
pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
