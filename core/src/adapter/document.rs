//! JSON that goes over many lines: an indented object, or an array with an element a line.

use serde_json::Value;

use super::{Code, Fault, MAX_RECORD_BYTES, Sink, decoder::json};

/// Cuts a stream of lines into the objects of a document by counting brackets outside strings, each byte once.
#[derive(Default)]
pub(super) struct Document {
    /// Brackets open, the array's own among them.
    depth: usize,
    /// The document is an array: what stands in it are the elements.
    array: bool,
    string: bool,
    escaped: bool,
    item: Vec<u8>,
    /// Bytes of an element that is too long and not kept.
    dropped: usize,
}

impl Document {
    /// Whether the first line of a stream begins a document that goes on below, and is no JSON value of its own.
    pub(super) fn begins_with(line: &[u8]) -> bool {
        match (line.first(), line.last()) {
            (Some(b'['), Some(last)) => *last != b']',
            (Some(b'{'), Some(last)) => matches!(last, b'{' | b'[' | b','),
            _ => false,
        }
    }

    /// Takes the next line; true when the stream turned out to be JSON lines, one of which was broken.
    pub(super) fn line(&mut self, line: &[u8], sink: &mut Sink<'_>) -> bool {
        // Inside an element no line that is not indented can be an object of its own: an earlier line was cut off.
        let within = self.depth > usize::from(self.array) || self.string;
        if within
            && line.first() == Some(&b'{')
            && matches!(serde_json::from_slice(line.strip_suffix(b",").unwrap_or(line)), Ok(Value::Object(_)))
        {
            self.broken("a line is cut off", sink);
            let array = self.array;
            *self = Self { array, depth: usize::from(array), ..Self::default() };
            if !array {
                json(line, sink);
                return true;
            }
        }
        for &byte in line {
            self.byte(byte, sink);
        }
        // A line's end is white space for JSON, and keeps words apart.
        self.byte(b'\n', sink);
        false
    }

    pub(super) fn end(&mut self, sink: &mut Sink<'_>) {
        if self.depth > 0 || self.string || !self.item.is_empty() {
            self.broken("it ends in the middle", sink);
        }
        *self = Self::default();
    }

    fn byte(&mut self, byte: u8, sink: &mut Sink<'_>) {
        if self.string {
            self.keep(byte);
            self.string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        let base = usize::from(self.array);
        match byte {
            b'"' => {
                self.string = true;
                self.keep(byte);
            }
            b'[' if self.depth == 0 && self.is_empty() => (self.array, self.depth) = (true, 1),
            b'{' | b'[' => {
                self.depth += 1;
                self.keep(byte);
            }
            b']' if self.array && self.depth == 1 => {
                self.flush(sink);
                (self.array, self.depth) = (false, 0);
            }
            b'}' | b']' if self.depth > base => {
                self.depth -= 1;
                self.keep(byte);
                if self.depth == base {
                    self.flush(sink);
                }
            }
            b',' if self.array && self.depth == base => self.flush(sink),
            _ if byte.is_ascii_whitespace() && self.is_empty() => {}
            _ => self.keep(byte),
        }
    }

    fn is_empty(&self) -> bool {
        self.item.is_empty() && self.dropped == 0
    }

    fn keep(&mut self, byte: u8) {
        if self.dropped == 0 && self.item.len() < MAX_RECORD_BYTES {
            self.item.push(byte);
        } else {
            self.dropped += 1;
        }
    }

    fn flush(&mut self, sink: &mut Sink<'_>) {
        if self.dropped > 0 {
            self.broken("", sink);
        } else if !self.item.is_empty() {
            json(self.item.trim_ascii(), sink);
        }
        self.item.clear();
        self.dropped = 0;
    }

    fn broken(&mut self, why: &str, sink: &mut Sink<'_>) {
        let bytes = self.item.len() + self.dropped;
        if self.dropped > 0 {
            sink.reject(Fault::new(Code::TooLong, format!("the element has {bytes} bytes or more, the limit is {MAX_RECORD_BYTES}")));
        } else {
            sink.reject(Fault::new(Code::BadJson, format!("the document is broken: {why}")));
        }
    }
}
