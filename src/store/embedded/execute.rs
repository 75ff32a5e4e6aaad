//! Runs one statement on a connection of its own: reads it, settles what it may, and sends its result.

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use super::{
    Shared,
    answer::Sink,
    auth::Account,
    compress::{Blocks, Capped, decode},
    connection::{Connection, Exception, Stats},
    limits::{Settings, set},
    native, reader,
    request::Request,
    statement::{Data, Statement, Verb},
};

/// Data are handed to the engine in pieces of this size.
const PIECE: usize = 1 << 20;
/// Formats whose blocks can be sent one after the other, each formatted on its own.
const STREAMED: &[&str] = &[
    "CSV",
    "JSONCompactEachRow",
    "JSONCompactStringsEachRow",
    "JSONEachRow",
    "JSONLines",
    "JSONStringsEachRow",
    "LineAsString",
    "NDJSON",
    "Native",
    "RowBinary",
    "RowBinaryWithNames",
    "RowBinaryWithNamesAndTypes",
    "TSV",
    "TSVRaw",
    "TabSeparated",
    "TabSeparatedRaw",
];

/// Runs the request; its result and its errors go to `sink`.
pub(super) fn run(shared: &Arc<Shared>, request: Request, body: impl Read, mut sink: Sink) {
    let done = read_and_run(shared, request, body, &mut sink);
    sink.end(done);
}

fn read_and_run(shared: &Arc<Shared>, mut request: Request, body: impl Read, sink: &mut Sink) -> Result<(), Exception> {
    let limits = &shared.limits;
    let body = Capped { from: body, left: limits.request_bytes, what: "as it was sent" };
    let body = decode(&request.content_encoding, body)?;
    let body: Box<dyn Read> = if request.blocks { Box::new(Blocks::new(body)) } else { body };
    let mut body: Box<dyn Read> = Box::new(Capped { from: body, left: limits.decompressed_bytes, what: "when decompressed" });
    if let Some(boundary) = request.boundary.take() {
        let mut form = Vec::new();
        Capped { from: body, left: limits.statement_bytes as u64, what: "for a form" }.read_to_end(&mut form)?;
        request.take_form(&boundary, &form)?;
        body = Box::new(std::io::empty());
    }
    let query = std::mem::take(&mut request.query).into_bytes();
    let (head, rest) = read_head(query, request.default_format.is_some(), body, limits.statement_bytes)?;
    let statement = Statement::read(&head);
    tracing::debug!(query_id = request.id, account = ?request.account, statement = statement.shape(), "query");
    match request.session.clone().filter(|_| request.account == Account::Writer) {
        // Nothing that a reader may run leaves anything in a session.
        None => {
            let mut connection = shared.engine.connect()?;
            Run { shared, request: &request, statement: &statement, head: &head, sink }.on(&mut connection, rest).map(|_| ())
        }
        Some(session) => shared.sessions.with(&shared.engine, &session, |connection| {
            let run = Run { shared, request: &request, statement: &statement, head: &head, sink };
            let done = run.on(connection, rest);
            let undo: Vec<_> = request.settings.iter().map(|(name, _)| format!("{name} = DEFAULT")).collect();
            if !undo.is_empty()
                && let Err(e) = connection.text(&format!("SET {}", undo.join(", ")))
            {
                tracing::debug!(error = %e, "settings of a session stay as they were set");
            }
            done
        }),
    }
}

/// The text that holds the statement and, of an `INSERT`, the beginning of its data; the rest of the data.
fn read_head(
    query: Vec<u8>,
    has_format: bool,
    mut body: Box<dyn Read + '_>,
    most: usize,
) -> Result<(Vec<u8>, Box<dyn Read + '_>), Exception> {
    let too_long = || Exception::new(62, "SYNTAX_ERROR", format!("the statement is longer than {most} bytes"));
    if query.len() > most {
        return Err(too_long());
    }
    // Data of an INSERT whose text is in the URL begin with the first byte of the body; an INSERT that names no format, there or
    // beside it, goes on in the body.
    let mut head = query;
    let in_url = Statement::read(&head);
    let complete = in_url.format.is_some() || has_format;
    if in_url.data.is_some_and(|data| complete && head.get(data.at..).is_some_and(<[u8]>::is_empty)) {
        return Ok((head, body));
    }
    let query = head.len();
    if query > 0 {
        head.push(b'\n');
    }
    let mut piece = Vec::new();
    body.by_ref().take((most - query) as u64 + 1).read_to_end(&mut piece)?;
    if piece.is_empty() {
        head.truncate(query);
    }
    head.append(&mut piece);
    if head.len() <= most {
        return Ok((head, Box::new(std::io::empty())));
    }
    // Longer than any statement may be: only data may.
    match Statement::read(&head).data {
        Some(data) if data.at < head.len() => Ok((head, body)),
        _ => Err(too_long()),
    }
}

struct Run<'r> {
    shared: &'r Arc<Shared>,
    request: &'r Request,
    statement: &'r Statement<'r>,
    head: &'r [u8],
    sink: &'r mut Sink,
}

impl Run<'_> {
    fn on(self, connection: &mut Connection, rest: Box<dyn Read + '_>) -> Result<(), Exception> {
        if self.statement.tokens.is_empty() && self.statement.data.is_none() {
            return Err(Exception::new(62, "SYNTAX_ERROR", "Syntax error: Empty query"));
        }
        self.refuse()?;
        let format = self.statement.format.clone().or_else(|| self.request.default_format.clone());
        let format = format.unwrap_or_else(|| "TabSeparated".to_owned());
        let streamed = self.streamed(&format);
        // What listeners call the default database is Filin's own; the engine's is taken away at the start.
        let database = self.request.database.as_deref().filter(|name| *name != "default").unwrap_or(super::DATABASE);
        let enter = format!("USE `{}`", database.replace('\\', "\\\\").replace('`', "\\`"));
        connection.text(&enter)?;
        connection.text(&set(&self.settings(&self.request.settings, !streamed).list()?))?;
        if let Some(data) = &self.statement.data {
            if self.request.account == Account::Reader || self.request.read_only {
                return Err(read_only());
            }
            return self.insert(connection, data, rest);
        }
        self.classify(connection)?;
        if self.request.account == Account::Reader {
            self.check_reader(&format, &enter)?;
        }
        self.sink.format.clone_from(&format);
        if self.request.account == Account::Reader || !streamed {
            self.sink.left = self.shared.limits.result_bytes;
        }
        if streamed { self.stream(connection, &format) } else { self.query(connection, &format) }
    }

    fn settings<'s>(&'s self, given: &'s [(String, String)], held: bool) -> Settings<'s> {
        Settings {
            account: self.request.account,
            given,
            limits: &self.shared.limits,
            ceilings: &self.shared.ceilings,
            memory_bytes: self.shared.memory_bytes,
            held,
            comment: &self.request.ticket,
        }
    }

    /// Looks at a reader's statement on a connection of its own: bounds that the client chose must not bend the look.
    fn check_reader(&self, format: &str, enter: &str) -> Result<(), Exception> {
        let mut connection = self.shared.engine.connect()?;
        connection.text(enter)?;
        connection.text(&set(&self.settings(&[], true).list()?))?;
        reader::check(&mut connection, self.statement, format, &self.request.parameters, &self.shared.known)
    }

    /// What nobody may do.
    fn refuse(&self) -> Result<(), Exception> {
        let statement = self.statement;
        let refused = |message: &str| Err(Exception::new(164, "READONLY", message));
        if statement.has("INFILE") {
            return refused("INFILE reads files of the server: send the data instead");
        }
        if statement.has("OUTFILE") {
            return refused("OUTFILE writes files of the server: take the result instead");
        }
        if statement.verb == Verb::Kill && statement.has("SYNC") {
            return refused("KILL … SYNC can wait for ever here: use ASYNC");
        }
        if matches!(statement.verb, Verb::Insert | Verb::Optimize) && !self.shared.disk.has_room(&self.shared.engine) {
            return Err(Exception::new(243, "NOT_ENOUGH_SPACE", "the disk is almost full: nothing is stored until there is room"));
        }
        Ok(())
    }

    /// Exactly one statement that the parser knows. A text of which only the first part can be read must not run in part.
    fn classify(&self, connection: &mut Connection) -> Result<(), Exception> {
        let class = connection.classify(self.head);
        match class.n_statements {
            1 if class.read_only || (self.request.account == Account::Writer && !self.request.read_only) => Ok(()),
            1 => Err(read_only()),
            0 => {
                let parameters = [("q".to_owned(), escaped(&self.statement.without_format()))];
                connection.query(b"SELECT formatQuery({q:String})", "Null", &parameters).map_err(|mut e| {
                    // Where the parser was asked is not the client's business.
                    let end = e.text.rfind(": In scope SELECT formatQuery(").filter(|_| e.code == 62);
                    end.into_iter().for_each(|at| e.text.replace_range(at.., " (SYNTAX_ERROR)"));
                    e
                })?;
                Err(Exception::new(62, "SYNTAX_ERROR", "Syntax error"))
            }
            _ => Err(Exception::new(164, "READONLY", "Multi-statements are not allowed")),
        }
    }

    /// Whether the result can be sent as it comes.
    fn streamed(&self, format: &str) -> bool {
        let statement = self.statement;
        statement.verb == Verb::Select
            && STREAMED.contains(&format)
            && !statement.has("TOTALS")
            // These change what stands around the rows.
            && !statement.has("extremes")
            && !statement.has("output_format_json_array_of_rows")
            && !self.request.settings.iter().any(|(name, _)| name == "extremes" || name.starts_with("output_format_"))
    }

    fn upgrade(&self, format: &str, blocks: Vec<u8>) -> Result<Vec<u8>, Exception> {
        match self.request.revision {
            revision if revision > 0 && format == "Native" => native::upgrade(&blocks, revision),
            _ => Ok(blocks),
        }
    }

    fn query(self, connection: &mut Connection, format: &str) -> Result<(), Exception> {
        let output = connection.query(self.head, format, &self.request.parameters)?;
        let body = self.upgrade(format, output.body)?;
        self.sink.push(&body, &output.stats)
    }

    fn stream(self, connection: &mut Connection, format: &str) -> Result<(), Exception> {
        let mut stream = connection.stream(self.head, format, &self.request.parameters)?;
        let mut header: Option<Vec<u8>> = None;
        while let Some(output) = stream.next()? {
            let body = self.upgrade(format, output.body)?;
            // Every block repeats names and types; the client wants them once.
            let skip = match &header {
                None => {
                    header = Some(body.get(..header_length(format, &body)).unwrap_or_default().to_vec());
                    0
                }
                Some(header) => {
                    if body.starts_with(header) {
                        header.len()
                    } else {
                        0
                    }
                }
            };
            self.sink.push(body.get(skip..).unwrap_or_default(), &output.stats)?;
        }
        Ok(())
    }

    fn insert(self, connection: &mut Connection, data: &Data, mut rest: Box<dyn Read + '_>) -> Result<(), Exception> {
        let sql = self.head.get(..data.sql_end).unwrap_or_default();
        let first = self.head.get(data.at..).unwrap_or_default();
        let format = self.statement.format.as_deref().or(self.request.default_format.as_deref()).unwrap_or("Values");
        let mut insert = connection.insert(sql, format, &self.request.parameters)?;
        let mut any = false;
        let mut from = Cursor::new(first).chain(&mut rest);
        let mut piece = Vec::with_capacity(PIECE.min(first.len() + (64 << 10)));
        loop {
            piece.clear();
            from.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            any = true;
            insert.append(&piece)?;
        }
        // Nothing to insert is nothing to do; some formats would miss their header.
        let stats = if any { insert.finish()?.stats } else { Stats::default() };
        self.sink.push(&[], &stats)
    }
}

fn read_only() -> Exception {
    Exception::new(164, "READONLY", "Cannot execute query in readonly mode")
}

/// The bytes at the beginning of a block that say names and types.
fn header_length(format: &str, block: &[u8]) -> usize {
    let texts_per_column = match format {
        "RowBinaryWithNames" => 1,
        "RowBinaryWithNamesAndTypes" => 2,
        _ => return 0,
    };
    let mut at = 0;
    let columns = number(block, &mut at);
    for _ in 0..columns.saturating_mul(texts_per_column).min(block.len()) {
        let length = number(block, &mut at);
        at = at.saturating_add(length);
    }
    at.min(block.len())
}

/// A number of variable length.
fn number(block: &[u8], at: &mut usize) -> usize {
    let (mut number, mut shift) = (0_usize, 0);
    while let Some(&byte) = block.get(*at).filter(|_| shift < 56) {
        *at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    number
}

/// A parameter's text as the engine unescapes it.
fn escaped(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|&c| match c {
            b'\\' => b"\\\\".to_vec(),
            b'\t' => b"\\t".to_vec(),
            b'\n' => b"\\n".to_vec(),
            c => vec![c],
        })
        .collect()
}
