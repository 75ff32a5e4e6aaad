//! CSV (RFC 4180) with a header: rows that may go over several lines, fields addressed by the names in the header.

use serde_json::{Map, Value};

use super::{Code, Fault, MAX_RECORD_BYTES, Sink};

/// The rows of one CSV stream.
pub(super) struct Table {
    /// A row that holds this cell is a header.
    marker: Option<&'static str>,
    columns: Vec<String>,
    /// A row whose quotes are still open.
    pending: Vec<u8>,
}

impl Table {
    /// `columns` are known beforehand, or come with the header.
    pub(super) fn new(marker: Option<&'static str>, columns: Vec<String>) -> Self {
        Self { marker, columns, pending: Vec::new() }
    }

    pub(super) fn line(&mut self, line: &[u8], sink: &mut Sink<'_>) {
        let even = line.iter().filter(|&&b| b == b'"').count() % 2 == 0;
        if self.pending.is_empty() {
            match (line.trim_ascii().is_empty(), even) {
                (true, _) => sink.blank(),
                (false, true) => self.row(line, sink),
                (false, false) => self.pending.extend_from_slice(line),
            }
            return;
        }
        // A quote too many must not swallow the rows behind it: a whole row of the right width begins anew.
        if even && line.contains(&b'"') && std::str::from_utf8(line).is_ok_and(|text| cells(text).len() == self.columns.len()) {
            self.cut_off(sink);
            self.row(line, sink);
            return;
        }
        if self.pending.len() + line.len() >= MAX_RECORD_BYTES {
            self.cut_off(sink);
            return;
        }
        self.pending.push(b'\n');
        self.pending.extend_from_slice(line);
        if !even {
            let row = std::mem::take(&mut self.pending);
            self.row(&row, sink);
        }
    }

    pub(super) fn end(&mut self, sink: &mut Sink<'_>) {
        if !self.pending.is_empty() {
            self.cut_off(sink);
        }
    }

    fn cut_off(&mut self, sink: &mut Sink<'_>) {
        let reason = format!("a quote is never closed: {} bytes are not read", self.pending.len());
        sink.reject(Fault::new(Code::BadCsv, reason));
        self.pending = Vec::new();
    }

    fn row(&mut self, row: &[u8], sink: &mut Sink<'_>) {
        let text = match std::str::from_utf8(row) {
            Ok(text) => text,
            Err(e) => {
                sink.reject(Fault::new(Code::BadUtf8, format!("no UTF-8 from byte {} on", e.valid_up_to())));
                return;
            }
        };
        let cells = cells(text);
        if let Some(marker) = self.marker
            && cells.iter().any(|c| c == marker)
        {
            // Files put together bring a header each.
            self.columns = cells;
            return;
        }
        if self.columns.is_empty() {
            let marker = self.marker.unwrap_or_default();
            sink.reject(Fault::new(Code::BadCsv, format!("no header with a column {marker} came before this row")));
            return;
        }
        if cells.len() != self.columns.len() {
            let reason = format!("the row has {} cells, the header {}", cells.len(), self.columns.len());
            sink.reject(Fault::new(Code::BadCsv, reason));
            return;
        }
        let fields = self.columns.iter().cloned().zip(cells.into_iter().map(Value::String));
        sink.element(fields.collect::<Map<_, _>>(), row.len());
    }
}

/// Cells of a row whose quotes are even. What stands between a closing quote and the comma is kept.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = row;
    loop {
        // Both marks are ASCII, so cutting beside them keeps whole characters.
        let Some(at) = rest.find(if quoted { &['"'][..] } else { &['"', ','][..] }) else {
            cell.push_str(rest);
            cells.push(cell);
            return cells;
        };
        cell.push_str(&rest[..at]);
        let comma = rest.as_bytes()[at] == b',';
        rest = &rest[at + 1..];
        if comma {
            cells.push(std::mem::take(&mut cell));
        } else if quoted && rest.starts_with('"') {
            cell.push('"');
            rest = &rest[1..];
        } else {
            quoted = !quoted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cells;

    #[test]
    fn cuts_rows_into_cells() {
        let check = |row: &str, expected: &[&str]| assert_eq!(cells(row), expected, "{row}");
        check(r#""a","b","""#, &["a", "b", ""]);
        check(r#""a","","c""#, &["a", "", "c"]);
        check(r#""x ""y"" z","""quoted""","a,b""#, &[r#"x "y" z"#, r#""quoted""#, "a,b"]);
        check("plain,,", &["plain", "", ""]);
        check("\"two\nlines\",ж", &["two\nlines", "ж"]);
    }
}
