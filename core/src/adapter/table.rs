//! CSV (RFC 4180) with a header: rows that may go over several lines, fields addressed by the names in the header.

use serde_json::{Map, Value};

use super::{Adapter, Code, Fault, MAX_RECORD_BYTES, Sink, codepage};

/// The rows of one CSV stream.
pub(super) struct Table {
    /// A row that holds such a cell is a header: the format's own, and titles that the binding names.
    markers: Vec<String>,
    columns: Vec<String>,
    /// Rows may end this early.
    least: usize,
    /// What stands between cells.
    comma: u8,
    /// A row whose quotes are still open.
    pending: Vec<u8>,
}

impl Table {
    /// Whether what does not look like JSON is a table.
    pub(super) fn is_read_by(adapter: &Adapter) -> bool {
        let known = adapter.0.known;
        known.csv_header.is_some() || !known.columns.is_empty() || !adapter.0.binding.csv_columns.is_empty()
    }

    /// Columns are known beforehand, from the binding or by the format, or come with the header.
    pub(super) fn new(adapter: &Adapter) -> Self {
        let (known, given) = (adapter.0.known, &adapter.0.binding.csv_columns);
        let columns = match given.is_empty() {
            true => known.columns.iter().map(|c| (*c).to_owned()).collect(),
            false => given.clone(),
        };
        // The last two columns of an exchange's own order are written only where its configuration says so.
        let least = if given.is_empty() { columns.len().saturating_sub(2) } else { columns.len() };
        let markers = known.csv_header.map(str::to_owned).into_iter().chain(adapter.0.binding.column_names.keys().cloned()).collect();
        Self { markers, columns, least, comma: b',', pending: Vec::new() }
    }

    /// Whether a row's quotes are open.
    pub(super) fn is_open(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The header that came last, as a row.
    pub(super) fn header(&self) -> Option<String> {
        let cell = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let came = self.columns.iter().any(|c| self.markers.contains(c));
        came.then(|| self.columns.iter().map(cell).collect::<Vec<_>>().join(std::str::from_utf8(&[self.comma]).unwrap_or(",")))
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
        if even && line.contains(&b'"') && std::str::from_utf8(line).is_ok_and(|text| cells(text, self.comma).len() == self.columns.len()) {
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
        let decoded;
        let text = match std::str::from_utf8(row) {
            Ok(text) => text,
            Err(e) => match codepage::windows_1251(row) {
                Some(text) => {
                    decoded = text;
                    &decoded
                }
                None => {
                    sink.reject(Fault::new(Code::BadUtf8, format!("no UTF-8 from byte {} on", e.valid_up_to())));
                    return;
                }
            },
        };
        let mut cells = cells(text, self.comma);
        if let Some(header) = header(text, cells.len(), &self.markers) {
            // Files put together bring a header each.
            (self.comma, self.columns) = header;
            self.least = self.columns.len();
            return;
        }
        if self.columns.is_empty() {
            let marker = self.markers.join(" or ");
            sink.reject(Fault::new(Code::BadCsv, format!("no header with a column {marker} came before this row")));
            return;
        }
        if !(self.least..=self.columns.len()).contains(&cells.len()) {
            let reason = format!("the row has {} cells, the header {}", cells.len(), self.columns.len());
            sink.reject(Fault::new(Code::BadCsv, reason));
            return;
        }
        cells.resize(self.columns.len(), String::new());
        let fields = self.columns.iter().cloned().zip(cells.into_iter().map(Value::String));
        let fields = Value::Object(fields.collect::<Map<_, _>>());
        sink.value(fields, row.len());
    }
}

/// What stands between the cells of a header, and these, if a row is one.
fn header(row: &str, by_comma: usize, markers: &[String]) -> Option<(u8, Vec<String>)> {
    // Rows of data are many: only what can be a header is cut again.
    if !markers.iter().any(|marker| row.contains(marker.as_str())) {
        return None;
    }
    // Where the comma is the decimal point, tables are written with semicolons.
    let commas: &[u8] = if by_comma > 1 { b"," } else { b",;\t" };
    commas.iter().find_map(|&comma| {
        let cells: Vec<String> = cells(row, comma).into_iter().map(|cell| cell.trim().to_owned()).collect();
        cells.iter().any(|cell| markers.contains(cell)).then_some((comma, cells))
    })
}

/// Cells of a row whose quotes are even. What stands between a closing quote and the comma is kept.
fn cells(row: &str, comma: u8) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let marks = ['"', char::from(comma)];
    let mut rest = row;
    loop {
        // Both marks are ASCII, so cutting beside them keeps whole characters.
        let Some(at) = rest.find(if quoted { &marks[..1] } else { &marks[..] }) else {
            cell.push_str(rest);
            cells.push(cell);
            return cells;
        };
        cell.push_str(&rest[..at]);
        let is_comma = rest.as_bytes()[at] == comma;
        rest = &rest[at + 1..];
        if is_comma {
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
        let check = |row: &str, expected: &[&str]| assert_eq!(cells(row, b','), expected, "{row}");
        check(r#""a","b","""#, &["a", "b", ""]);
        check(r#""a","","c""#, &["a", "", "c"]);
        check(r#""x ""y"" z","""quoted""","a,b""#, &[r#"x "y" z"#, r#""quoted""#, "a,b"]);
        check("plain,,", &["plain", "", ""]);
        check("\"two\nlines\",ж", &["two\nlines", "ж"]);
        assert_eq!(cells("a,b;\"c;d\"", b';'), ["a,b", "c;d"]);
    }
}
