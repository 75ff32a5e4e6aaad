//! Answers: status codes, headers, and bodies that are sent whole or as they come.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Frame, SizeHint},
    header::{self, HeaderValue},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    compress::{Coding, Encoder},
    connection::{Exception, Stats},
};

/// So much is held back, so that most errors still find their status code.
const HOLD: usize = 256 << 10;
/// Pieces on their way to the client.
const PIECES: usize = 4;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole((!bytes.is_empty()).then(|| bytes.into()))
    }
}

/// What is known when the first byte is sent.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) coding: Coding,
    pub(super) stats: Stats,
    pub(super) body: Body,
}

/// Where a statement's result goes: held back at first, then sent piece by piece.
pub(super) struct Sink {
    head: Option<oneshot::Sender<Result<Head, Exception>>>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    receiver: Option<mpsc::Receiver<io::Result<Bytes>>>,
    encoder: Option<Encoder>,
    held: Vec<u8>,
    pub(super) format: String,
    coding: Coding,
    stats: Stats,
    /// Bytes before compression that may still come.
    pub(super) left: u64,
    wait_end: bool,
    idle: Duration,
}

impl Sink {
    pub(super) fn new(head: oneshot::Sender<Result<Head, Exception>>, coding: Coding, wait_end: bool, idle: Duration) -> Self {
        let (pieces, receiver) = mpsc::channel(PIECES);
        Self {
            head: Some(head),
            pieces,
            receiver: Some(receiver),
            encoder: None,
            held: Vec::new(),
            format: String::new(),
            coding,
            stats: Stats::default(),
            left: u64::MAX,
            wait_end,
            idle,
        }
    }

    /// Takes a part of the result.
    pub(super) fn push(&mut self, piece: &[u8], stats: &Stats) -> Result<(), Exception> {
        self.stats.add(stats);
        self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(|| {
            Exception::new(396, "TOO_MANY_ROWS_OR_BYTES", "the result is too large: ask for less, or for a smaller time span")
        })?;
        let coding = self.coding;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(coding)?),
        };
        let ready = encoder.push(piece)?;
        self.held.extend(ready);
        if self.held.len() < HOLD || (self.wait_end && self.head.is_some()) {
            return Ok(());
        }
        self.flow()
    }

    /// Sends what is held.
    fn flow(&mut self) -> Result<(), Exception> {
        if let (Some(head), Some(receiver)) = (self.head.take(), self.receiver.take()) {
            let first = Head { format: self.format.clone(), coding: self.coding, stats: self.stats, body: Body::Pieces(receiver) };
            head.send(Ok(first)).map_err(|_| gone())?;
        }
        let piece = Bytes::from(std::mem::take(&mut self.held));
        self.send(Ok(piece))
    }

    /// A client that does not read must not hold a statement for ever.
    fn send(&self, piece: io::Result<Bytes>) -> Result<(), Exception> {
        let sent = Handle::current().block_on(async { tokio::time::timeout(self.idle, self.pieces.send(piece)).await });
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(gone()) }
    }

    /// The statement ended.
    pub(super) fn end(mut self, done: Result<(), Exception>) {
        let done = done.and_then(|()| {
            if let Some(encoder) = self.encoder.take() {
                self.held.extend(encoder.finish()?);
            }
            Ok(())
        });
        let result = match (done, self.head.take()) {
            (Ok(()), Some(head)) => {
                let body = Body::from(std::mem::take(&mut self.held));
                let coding = if matches!(body, Body::Whole(None)) { Coding::Plain } else { self.coding };
                drop(head.send(Ok(Head { format: std::mem::take(&mut self.format), coding, stats: self.stats, body })));
                Ok(())
            }
            (Err(e), Some(head)) => {
                drop(head.send(Err(e)));
                Ok(())
            }
            (Ok(()), None) if self.held.is_empty() => Ok(()),
            (Ok(()), None) => self.flow(),
            (Err(e), None) => self.tell(e),
        };
        if let Err(e) = result {
            tracing::debug!(code = e.code, "a client went away");
        }
    }
}

impl Sink {
    /// An error after the status was sent: clients look for its text at the end, and the missing end of the body tells the others.
    fn tell(&mut self, exception: Exception) -> Result<(), Exception> {
        if let Some(mut encoder) = self.encoder.take() {
            self.held.extend(encoder.push(format!("\n{}\n", exception.text).as_bytes())?);
            self.held.extend(encoder.finish()?);
        }
        self.flow()?;
        // The connection is closed at once when a body fails; what was given to it before must have left by then.
        std::thread::sleep(Duration::from_millis(100));
        self.send(Err(io::Error::other(exception)))
    }
}

fn gone() -> Exception {
    Exception::new(210, "NETWORK_ERROR", "the client went away")
}

/// An answer in plain text.
pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into().into_bytes()));
    *response.status_mut() = status;
    put(&mut response, header::CONTENT_TYPE.as_str(), "text/plain; charset=UTF-8");
    put(&mut response, "X-ClickHouse-Server-Display-Name", "filin");
    response
}

/// The answer to a failed statement.
pub(super) fn failed(exception: &Exception, version: &Arc<str>) -> Response<Body> {
    let text = exception.text.trim_end();
    let version = if text.ends_with(')') && text.contains(" (version ") { String::new() } else { format!(" (version {version})") };
    let mut response = plain(status(exception.code), format!("{text}{version}\n"));
    response.headers_mut().insert("X-ClickHouse-Exception-Code", exception.code.into());
    response
}

/// The answer to a statement that works.
pub(super) fn works(head: Head, elapsed: Duration) -> Response<Body> {
    let stats = head.stats;
    let summary = serde_json::json!({
        "read_rows": stats.read_rows.to_string(),
        "read_bytes": stats.read_bytes.to_string(),
        "written_rows": stats.written_rows.to_string(),
        "written_bytes": stats.written_bytes.to_string(),
        "total_rows_to_read": "0",
        "result_rows": stats.result_rows.max(stats.written_rows).to_string(),
        "result_bytes": stats.result_bytes.max(stats.written_bytes).to_string(),
        "elapsed_ns": elapsed.as_nanos().to_string(),
    });
    let mut response = plain(StatusCode::OK, "");
    *response.body_mut() = head.body;
    put(&mut response, header::CONTENT_TYPE.as_str(), content_type(&head.format));
    put(&mut response, "X-ClickHouse-Summary", &summary.to_string());
    put(&mut response, "X-ClickHouse-Format", &head.format);
    put(&mut response, "X-ClickHouse-Timezone", "UTC");
    if let Some(coding) = head.coding.header() {
        put(&mut response, header::CONTENT_ENCODING.as_str(), coding);
    }
    response
}

/// Sets a header; nothing for an empty value or one that no header can hold.
pub(super) fn put(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Some(value) = HeaderValue::from_str(value).ok().filter(|_| !value.is_empty()) {
        response.headers_mut().insert(name, value);
    }
}

fn content_type(format: &str) -> &'static str {
    match format {
        "" => "text/plain; charset=UTF-8",
        f if f.starts_with("JSON") && f.contains("EachRow") => "application/x-ndjson; charset=UTF-8",
        f if f.starts_with("JSON") => "application/json; charset=UTF-8",
        f if f.starts_with("CSV") => "text/csv; charset=UTF-8",
        f if f.starts_with("TabSeparated") || f.starts_with("TSV") => "text/tab-separated-values; charset=UTF-8",
        f if f.starts_with("Pretty") || f.starts_with("Vertical") => "text/plain; charset=UTF-8",
        _ => "application/octet-stream",
    }
}

/// What a ClickHouse server would answer to an error of this number, where it matters to a client.
fn status(code: u32) -> StatusCode {
    match code {
        6 | 26 | 27 | 33 | 34 | 35 | 36 | 38 | 40 | 41 | 42 | 43 | 53 | 62 | 72 | 89 | 115 | 117 | 130 | 190 | 271 | 321 | 372 | 373
        | 452 | 456 | 457 | 471 => StatusCode::BAD_REQUEST,
        164 | 192 | 193 | 291 | 497 | 516 => StatusCode::FORBIDDEN,
        16 | 46 | 47 | 60 | 81 => StatusCode::NOT_FOUND,
        159 => StatusCode::REQUEST_TIMEOUT,
        307 => StatusCode::PAYLOAD_TOO_LARGE,
        48 => StatusCode::NOT_IMPLEMENTED,
        202 | 210 | 243 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
