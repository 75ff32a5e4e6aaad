//! The open engine and its connections: queries, streams of rows, inserts. A connection runs one statement at a time, which
//! `&mut self` says; several connections run side by side.
#![allow(unsafe_code)]

use std::{
    ffi::{CString, c_char},
    fmt, ptr, slice,
    sync::{Arc, Mutex},
};

use super::library::{Analysis, Handle, Library, Run, text};

/// ClickHouse refused a statement or failed at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    /// ClickHouse's number of the error.
    pub(super) code: u32,
    /// The message, beginning with `Code: `.
    pub(super) text: String,
}

impl Exception {
    pub(super) fn new(code: u32, name: &str, message: impl fmt::Display) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    fn of_engine(text: String) -> Self {
        let text = text.trim_end();
        let code = text.split("Code: ").nth(1).and_then(|rest| rest.split('.').next()).and_then(|code| code.trim().parse().ok());
        let Some(code) = code else { return Self::new(1001, "STD_EXCEPTION", text) };
        // libchdb wraps some errors once more in the same words.
        let prefix = format!("Code: {code}. DB::Exception: ");
        let inner = text.strip_prefix(&prefix).filter(|inner| inner.starts_with(&prefix));
        let inner = inner.map(|inner| inner.rfind(". (").map_or(inner, |end| &inner[..end]));
        Self { code, text: inner.unwrap_or(text).to_owned() }
    }
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) result_rows: u64,
    pub(super) result_bytes: u64,
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
}

impl Stats {
    pub(super) fn add(&mut self, other: &Self) {
        self.result_rows += other.result_rows;
        self.result_bytes += other.result_bytes;
        self.read_rows += other.read_rows;
        self.read_bytes += other.read_bytes;
        self.written_rows += other.written_rows;
        self.written_bytes += other.written_bytes;
    }
}

/// A result, formatted.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) body: Vec<u8>,
    pub(super) stats: Stats,
}

/// Names and values of a statement's parameters.
pub(super) type Parameters = [(String, Vec<u8>)];

/// What a text would do, by the engine's own parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) n_statements: u32,
    pub(super) read_only: bool,
}

/// The engine; open for as long as one connection is.
#[derive(Debug)]
pub(super) struct Engine {
    library: &'static Library,
    arguments: Vec<CString>,
    /// Keeps the engine running between requests; [`Engine::close`] takes it away.
    keeper: Mutex<Option<Connection>>,
}

impl Engine {
    /// Opens the folder that `arguments` name. Nothing when libchdb could not: it has said why on standard error.
    pub(super) fn open(library: &'static Library, arguments: Vec<CString>) -> Option<Arc<Self>> {
        let keeper = connect(library, &arguments)?;
        Some(Arc::new(Self { library, arguments, keeper: Mutex::new(Some(keeper)) }))
    }

    /// A connection of its own: `USE` and `SET` on it are not seen by others.
    pub(super) fn connect(&self) -> Result<Connection, Exception> {
        let open = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some();
        // Connecting to a closed engine would open it again.
        let connection = if open { connect(self.library, &self.arguments) } else { None };
        connection.ok_or_else(|| Exception::new(210, "NETWORK_ERROR", "the engine is closed"))
    }

    /// Lets the engine end with its last connection.
    pub(super) fn close(&self) {
        self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}

fn connect(library: &'static Library, arguments: &[CString]) -> Option<Connection> {
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
    let count = i32::try_from(pointers.len()).ok()?;
    // SAFETY: `count` pointers to texts that end with a zero byte and live longer than the call, which copies them.
    let at = unsafe { (library.connect)(count, pointers.as_mut_ptr()) };
    (!at.is_null()).then_some(Connection { library, at })
}

/// One session of the engine.
#[derive(Debug)]
pub(super) struct Connection {
    library: &'static Library,
    at: *mut Handle,
}

// SAFETY: libchdb lets a connection be used from any thread, one call at a time, which `&mut self` sees to.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: `at` came from `connect` and is closed once.
        unsafe { (self.library.close)(self.at) }
    }
}

impl Connection {
    /// Runs a statement and gives the whole result.
    pub(super) fn query(&mut self, sql: &[u8], format: &str, parameters: &Parameters) -> Result<Output, Exception> {
        let result = self.run(self.library.query, sql, format, parameters);
        // SAFETY: `result` is what the call just returned.
        unsafe { take(self.library, result) }
    }

    /// Runs a statement whose result is one short text.
    pub(super) fn text(&mut self, sql: &str) -> Result<String, Exception> {
        let output = self.query(sql.as_bytes(), "TSVRaw", &[])?;
        Ok(String::from_utf8_lossy(&output.body).trim_end().to_owned())
    }

    /// Runs a `SELECT` and gives its result block by block, each formatted on its own.
    pub(super) fn stream(&mut self, sql: &[u8], format: &str, parameters: &Parameters) -> Result<Stream<'_>, Exception> {
        let library = self.library;
        let at = self.run(library.stream, sql, format, parameters);
        if at.is_null() {
            return Err(nothing());
        }
        // SAFETY: `at` is a live result; the text is copied before it is destroyed.
        match unsafe { text((library.error)(at)) } {
            None => Ok(Stream { connection: self, at, ended: false }),
            Some(message) => {
                // SAFETY: destroyed once.
                unsafe { (library.destroy_result)(at) };
                Err(Exception::of_engine(message))
            }
        }
    }

    /// Opens an `INSERT`: `sql` is the text before `FORMAT`; the data, in `format`, are appended.
    pub(super) fn insert(&mut self, sql: &[u8], format: &str, parameters: &Parameters) -> Result<Insert<'_>, Exception> {
        let at = self.run(self.library.insert, sql, format, parameters);
        let insert = Insert { connection: self, at };
        if at.is_null() { Err(nothing()) } else { insert.error().map_or(Ok(insert), Err) }
    }

    /// Asks the parser what a text would do; nothing is run.
    pub(super) fn classify(&mut self, sql: &[u8]) -> Class {
        let size = u32::try_from(size_of::<Analysis>()).expect("16 bytes");
        let mut analysis = Analysis { struct_size: size, class: u32::MAX, ..Analysis::default() };
        // SAFETY: `at` is live, the text has the given length, the struct its declared size; no database is named.
        let state = unsafe { (self.library.classify)(*self.at, sql.as_ptr(), sql.len(), ptr::null(), 0, &raw mut analysis) };
        Class { n_statements: if state == 0 { analysis.n_statements } else { 0 }, read_only: state == 0 && analysis.class == 0 }
    }

    fn run(&mut self, call: Run, sql: &[u8], format: &str, parameters: &Parameters) -> Handle {
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_ptr()).collect();
        let name_lengths: Vec<_> = parameters.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<_> = parameters.iter().map(|(_, value)| value.as_ptr()).collect();
        let value_lengths: Vec<_> = parameters.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: `at` is live; every pointer comes with its length and outlives the call, which copies.
        unsafe {
            call(
                *self.at,
                sql.as_ptr(),
                sql.len(),
                format.as_ptr(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

/// A running `SELECT`. Dropped before its end it is cancelled.
#[derive(Debug)]
pub(super) struct Stream<'c> {
    connection: &'c mut Connection,
    at: Handle,
    ended: bool,
}

impl Stream<'_> {
    /// The next block; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Output>, Exception> {
        if self.ended {
            return Ok(None);
        }
        let library = self.connection.library;
        // SAFETY: connection and stream are live and used by this thread alone; the block is taken over.
        let block = unsafe { take(library, (library.stream_fetch)(*self.connection.at, self.at)) };
        self.ended = !matches!(&block, Ok(output) if !output.body.is_empty());
        block.map(|output| (!output.body.is_empty()).then_some(output))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let library = self.connection.library;
        // SAFETY: both are live; the stream is destroyed once.
        unsafe {
            if !self.ended {
                (library.stream_cancel)(*self.connection.at, self.at);
            }
            (library.destroy_result)(self.at);
        }
    }
}

/// A running `INSERT`. Dropped before [`Insert::finish`] it is cancelled.
#[derive(Debug)]
pub(super) struct Insert<'c> {
    connection: &'c mut Connection,
    at: Handle,
}

impl Insert<'_> {
    /// Adds data; a row may continue in the next piece.
    pub(super) fn append(&mut self, data: &[u8]) -> Result<(), Exception> {
        // SAFETY: the stream is live; the data are copied.
        match unsafe { (self.connection.library.insert_append)(self.at, data.as_ptr(), data.len()) } {
            0 => Ok(()),
            _ => Err(self.error().unwrap_or_else(nothing)),
        }
    }

    /// Stores what was appended.
    pub(super) fn finish(self) -> Result<Output, Exception> {
        let library = self.connection.library;
        // SAFETY: the stream is live; the result is taken over.
        unsafe { take(library, (library.insert_done)(self.at)) }
    }

    fn error(&self) -> Option<Exception> {
        // SAFETY: the stream is live; the text is copied.
        unsafe { text((self.connection.library.insert_error)(self.at)) }.map(Exception::of_engine)
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        if !self.at.is_null() {
            // SAFETY: destroyed once; it cancels what is not finished.
            unsafe { (self.connection.library.destroy_insert)(self.at) }
        }
    }
}

/// Copies a result and destroys it.
///
/// # Safety
/// `result` is null or a live result that nobody else uses.
unsafe fn take(library: &Library, result: Handle) -> Result<Output, Exception> {
    if result.is_null() {
        return Err(nothing());
    }
    // SAFETY: the result is live until it is destroyed at the end; buffer and length belong together.
    unsafe {
        let output = match text((library.error)(result)) {
            Some(message) => Err(Exception::of_engine(message)),
            None => {
                let (buffer, length) = ((library.buffer)(result), (library.length)(result));
                let body = if buffer.is_null() { Vec::new() } else { slice::from_raw_parts(buffer, length).to_vec() };
                let stats = Stats {
                    result_rows: (library.result_rows)(result),
                    result_bytes: (library.result_bytes)(result),
                    read_rows: (library.read_rows)(result),
                    read_bytes: (library.read_bytes)(result),
                    written_rows: (library.written_rows)(result),
                    written_bytes: (library.written_bytes)(result),
                };
                Ok(Output { body, stats })
            }
        };
        (library.destroy_result)(result);
        output
    }
}

fn nothing() -> Exception {
    Exception::new(1001, "STD_EXCEPTION", "libchdb gave no result")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_once() {
        let e = Exception::of_engine(
            "Code: 164. DB::Exception: Code: 164. DB::Exception: No. (READONLY) (version 26.7.2.1). (READONLY)\n".to_owned(),
        );
        assert_eq!((e.code, e.text.as_str()), (164, "Code: 164. DB::Exception: No. (READONLY) (version 26.7.2.1)"));
        let e = Exception::of_engine("Code: 60. DB::Exception: a. (b). (UNKNOWN_TABLE)".to_owned());
        assert_eq!((e.code, e.text.as_str()), (60, "Code: 60. DB::Exception: a. (b). (UNKNOWN_TABLE)"));
        assert_eq!(Exception::of_engine("odd".to_owned()).code, 1001);
    }
}
