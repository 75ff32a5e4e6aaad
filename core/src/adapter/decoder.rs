//! From bytes to elements: JSON lines, JSON documents over many lines, CSV with its header.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::{Adapter, Code, Fault, Normalised, Raw, document::Document, sink::Sink, table::Table};

/// What some programs put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Takes the lines of one file or stream, in order. What a line completes is numbered from 0 within that line, so (line, index) is
/// the place of an event whatever its layout; a row or document that spans lines is complete at its last one.
pub struct Decoder {
    adapter: Adapter,
    state: State,
}

enum State {
    /// Nothing but blank lines yet.
    Start,
    /// One JSON value a line.
    Lines,
    /// JSON that somebody indented.
    Document(Document),
    Table(Table),
}

impl Decoder {
    pub(super) fn new(adapter: Adapter) -> Self {
        Self { adapter, state: State::Start }
    }

    /// Takes the next line, without its end. Adds to `out`.
    pub fn line(&mut self, line: &[u8], out: &mut Normalised) {
        let raw = Raw::from(line);
        let mut sink = Sink::new(&self.adapter, &raw, out);
        feed(&self.adapter, &mut self.state, line, &mut sink);
    }

    /// The header under which rows stand now; without it a row alone says nothing.
    pub fn header(&self) -> Option<String> {
        match &self.state {
            State::Table(table) => table.header(),
            _ => None,
        }
    }

    /// Whether a row or document has begun that later lines go on with.
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Table(table) => table.is_open(),
            State::Document(_) => true,
            State::Start | State::Lines => false,
        }
    }

    /// The stream is over: what is still open never ends. Adds to `out`.
    pub fn end(&mut self, out: &mut Normalised) {
        let raw = Raw::from(&b""[..]);
        let mut sink = Sink::new(&self.adapter, &raw, out);
        self.state.end(&mut sink);
    }
}

impl State {
    fn end(&mut self, sink: &mut Sink<'_>) {
        match self {
            Self::Document(document) => document.end(sink),
            Self::Table(table) => table.end(sink),
            Self::Start | Self::Lines => {}
        }
    }
}

/// Takes a record that came whole.
pub(super) fn whole(adapter: &Adapter, bytes: &[u8], sink: &mut Sink<'_>) {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes).trim_ascii();
    if bytes.is_empty() {
        sink.blank();
        return;
    }
    if !Table::is_read_by(adapter) || matches!(bytes[0], b'{' | b'[') {
        let lines = bytes.contains(&b'\n');
        // An object over many lines is one: only what is none is looked at line by line.
        if bytes[0] == b'{'
            && lines
            && let Ok(value) = serde_json::from_slice(bytes)
        {
            sink.value(value, bytes.len());
            return;
        }
        if !lines {
            json(bytes, sink);
            return;
        }
    }
    let mut state = State::Start;
    for line in bytes.split(|&b| b == b'\n') {
        if !sink.open() {
            sink.too_many();
            return;
        }
        feed(adapter, &mut state, line, sink);
    }
    state.end(sink);
}

fn feed(adapter: &Adapter, state: &mut State, line: &[u8], sink: &mut Sink<'_>) {
    // Files put together bring a mark each; lines of Windows end with more than a line's end.
    let line = line.strip_prefix(BOM).unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let State::Start = state {
        let text = line.trim_ascii();
        let Some(&first) = text.first() else {
            sink.blank();
            return;
        };
        let json = matches!(first, b'{' | b'[');
        *state = match Table::is_read_by(adapter) {
            true if !json => State::Table(Table::new(adapter)),
            _ if Document::begins_with(text) => State::Document(Document::default()),
            _ => State::Lines,
        };
    }
    match state {
        State::Table(table) => table.line(line, sink),
        State::Document(document) => {
            if document.line(line, sink) {
                *state = State::Lines;
            }
        }
        State::Start | State::Lines => json(line.trim_ascii(), sink),
    }
}

/// Takes one line of JSON: an object, or an array of them.
pub(super) fn json(line: &[u8], sink: &mut Sink<'_>) {
    match line.first() {
        None => sink.blank(),
        Some(b'[') => array(line, sink),
        Some(_) => match serde_json::from_slice(line) {
            Ok(value) => sink.value(value, line.len()),
            Err(e) => sink.reject(unreadable(line, &e)),
        },
    }
}

/// Why bytes are no JSON. serde_json reports bytes that are no UTF-8 as a fault of JSON; they are another kind of trouble.
fn unreadable(bytes: &[u8], e: &serde_json::Error) -> Fault {
    match std::str::from_utf8(bytes) {
        Err(e) => Fault::new(Code::BadUtf8, format!("no UTF-8 from byte {} on", e.valid_up_to())),
        Ok(_) if e.to_string().starts_with("recursion limit") => {
            Fault::new(Code::TooDeep, format!("JSON is nested more than {} levels deep", super::MAX_DEPTH))
        }
        Ok(_) => Fault::new(Code::BadJson, e.to_string()),
    }
}

/// Elements one by one, so that a large array is never held as a whole; those before a fault pass.
fn array(line: &[u8], sink: &mut Sink<'_>) {
    struct Elements<'s, 'a>(&'s mut Sink<'a>, usize);

    impl<'de> Visitor<'de> for Elements<'_, '_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
            while self.0.open() {
                let Some(value) = all.next_element::<Value>()? else { return Ok(()) };
                self.0.value(value, self.1);
            }
            Err(serde::de::Error::custom(TOO_MANY))
        }
    }

    const TOO_MANY: &str = "too many elements";
    let mut json = serde_json::Deserializer::from_slice(line);
    if let Err(e) = json.deserialize_seq(Elements(sink, line.len())).and_then(|()| json.end()) {
        let text = e.to_string();
        if text.starts_with(TOO_MANY) {
            sink.too_many();
            return;
        }
        let mut fault = unreadable(line, &e);
        if fault.code == Code::BadJson {
            fault.reason = format!("from here on the array cannot be read: {text}");
        }
        sink.reject(fault);
    }
}
