//! Bodies of pushed events: read with a cap, unpacked with a cap, cut into records.

use std::{fmt, io::Read, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{error::Error, ingest::RawLine};
use crate::adapter::Code;

/// What is taken at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body as sent.
    pub body_bytes: usize,
    /// Bytes of a body unpacked.
    pub unpacked_bytes: usize,
    /// Bytes of one line; a longer one is refused alone.
    pub line_bytes: usize,
    /// Lines or elements of a body.
    pub lines: usize,
    /// Bodies being unpacked and taken at the same time.
    pub at_once: usize,
    /// Bytes of all bodies that are arriving or being taken.
    pub arriving_bytes: usize,
    /// Time for a body to arrive.
    pub arrival: Duration,
    /// ... and for a piece of it.
    pub pause: Duration,
    /// Time for a request to be answered.
    pub answer: Duration,
}

impl Limits {
    /// Limits that let lines of this length through.
    pub fn for_lines_of(line_bytes: usize) -> Self {
        let body_bytes = line_bytes.saturating_mul(2).max(64 << 20);
        Self {
            body_bytes,
            unpacked_bytes: body_bytes.saturating_mul(2),
            line_bytes,
            lines: 200_000,
            at_once: 4,
            arriving_bytes: body_bytes.saturating_mul(4),
            arrival: Duration::from_secs(60),
            pause: Duration::from_secs(10),
            answer: Duration::from_secs(120),
        }
    }
}

/// How records lie in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One a line.
    Lines,
    /// A JSON array of them, one JSON document, or one a line.
    Json,
    /// The whole body is one.
    Whole,
}

/// How the body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Layout {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            // CloudEvents' binary mode: attributes in headers, the body is the data.
            _ if headers.contains_key("ce-specversion") => Ok(Self::Whole),
            "application/cloudevents+json" => Ok(Self::Whole),
            "application/json" | "application/cloudevents-batch+json" | "application/octet-stream" => Ok(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" | "text/csv" => Ok(Self::Lines),
            _ => Err(Error::Unsupported(format!(
                "content type {kind:?} is not read: send application/x-ndjson, application/json, application/cloudevents+json, \
                 application/cloudevents-batch+json or text/csv"
            ))),
        }
    }
}

impl Packing {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
        let packing = match all.next().map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(Self::Plain),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some("zstd") => Ok(Self::Zstd),
            Some(other) => Err(Error::Unsupported(format!("content encoding {other:?} is not read: send gzip, zstd or none"))),
        };
        if all.next().is_some() {
            return Err(Error::Unsupported("only one content encoding is read".to_owned()));
        }
        packing
    }
}

/// Room for the bytes of all bodies. Large ones have none of that for small ones.
#[derive(Debug)]
pub(super) struct Room {
    small: Semaphore,
    large: Semaphore,
}

/// Bytes that are given room at once.
const UNIT: usize = 1024;
/// A body that says it has no more is small; a quarter of all room is for these.
const SMALL: usize = 1 << 20;

impl Room {
    pub(super) fn of(limits: &Limits) -> Self {
        let room = |bytes: usize| Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS));
        Self { small: room(limits.arriving_bytes / 4), large: room(limits.arriving_bytes / 4 * 3) }
    }
}

/// Reads a body to its end. Room is taken for what has come, not for what was announced: many that come slowly keep nobody else out.
pub(super) async fn read<'a>(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
    room: &'a Room,
) -> Result<(Bytes, SemaphorePermit<'a>), Error> {
    let too_large = || Error::TooLarge(format!("a body may have {} bytes: send several smaller ones", limits.body_bytes));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|n| n > limits.body_bytes) {
        return Err(too_large());
    }
    let arrived = async {
        let busy = |_| Error::Busy(Duration::from_secs(1));
        let part = if announced.is_some_and(|n| n <= SMALL) { &room.small } else { &room.large };
        let mut held = part.try_acquire().map_err(busy)?;
        let mut read = BytesMut::new();
        while let Some(frame) = tokio::time::timeout(limits.pause, body.frame()).await.map_err(|_| Error::Slow)? {
            let Ok(data) = frame.map_err(|_| Error::bad("cut_off", "the body ended early"))?.into_data() else { continue };
            if read.len() + data.len() > limits.body_bytes {
                return Err(too_large());
            }
            let more = (read.len() + data.len()).div_ceil(UNIT).saturating_sub(held.num_permits());
            held.merge(part.try_acquire_many(u32::try_from(more).unwrap_or(u32::MAX)).map_err(busy)?);
            read.extend_from_slice(&data);
        }
        Ok((read.freeze(), held))
    };
    tokio::time::timeout(limits.arrival, arrived).await.map_err(|_| Error::Slow)?
}

/// RFC 9659: a zstd body of HTTP needs no more than 8 MiB of window.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Unpacks a body; all members or frames of it.
pub(super) fn unpack(packed: Bytes, packing: Packing, limits: &Limits) -> Result<Bytes, Error> {
    let broken = |what: &str| Error::bad("bad_encoding", format!("the body is no whole {what} stream"));
    let capped = |reader: &mut dyn Read, what: &str| {
        let mut unpacked = Vec::new();
        let cap = u64::try_from(limits.unpacked_bytes).unwrap_or(u64::MAX);
        reader.take(cap.saturating_add(1)).read_to_end(&mut unpacked).map_err(|_| broken(what))?;
        if unpacked.len() > limits.unpacked_bytes {
            return Err(Error::TooLarge(format!(
                "a body may have {} bytes when unpacked: send several smaller ones",
                limits.unpacked_bytes
            )));
        }
        Ok(Bytes::from(unpacked))
    };
    match packing {
        Packing::Plain => Ok(packed),
        Packing::Gzip => capped(&mut flate2::read::MultiGzDecoder::new(&packed[..]), "gzip"),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&packed[..]).map_err(|_| broken("zstd"))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| broken("zstd"))?;
            capped(&mut decoder, "zstd")
        }
    }
}

/// Cuts a body into records, or lines, and says whether they are whole records. `origin` is the file's digest and the number of
/// the body's first line in it.
pub(super) fn cut(body: &Bytes, layout: Layout, origin: Option<(Arc<str>, u64)>, limits: &Limits) -> Result<(bool, Vec<RawLine>), Error> {
    let body = if body.starts_with(b"\xef\xbb\xbf") { body.slice(3..) } else { body.clone() };
    let records = match (layout, body.iter().find(|b| !b.is_ascii_whitespace())) {
        (_, None) => return Err(Error::bad("empty_body", "the body is empty")),
        (Layout::Whole, _) => Some(vec![RawLine::new(body.clone(), 1)]),
        (Layout::Json, Some(b'[')) => elements(&body, limits.lines),
        // A document may go over many lines.
        (Layout::Json, Some(b'{')) if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => Some(vec![RawLine::new(body.clone(), 1)]),
        _ => None,
    };
    let whole = records.is_some();
    let mut lines = records.unwrap_or_else(|| by_line(&body, limits.lines));
    if lines.len() > limits.lines {
        return Err(Error::TooLarge(format!("a body may have {} records: send several smaller ones", limits.lines)));
    }
    for line in &mut lines {
        if line.bytes.len() > limits.line_bytes {
            line.refused = Some((Code::TooLong.as_str(), format!("the line has more than {} bytes", limits.line_bytes)));
        }
        line.origin = origin.as_ref().map(|(digest, first)| (Arc::clone(digest), first.saturating_add(line.line - 1)));
    }
    Ok((whole, lines))
}

/// One more than `limit` is enough to refuse.
fn by_line(body: &Bytes, limit: usize) -> Vec<RawLine> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(body.split(|&b| b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            lines.push(RawLine::new(body.slice_ref(line), number));
        }
        if lines.len() > limit {
            break;
        }
    }
    lines
}

/// The elements of a JSON array; what cannot be read of it is one refused record. None when the body is not one array.
fn elements(body: &Bytes, limit: usize) -> Option<Vec<RawLine>> {
    struct Elements<'b> {
        body: &'b Bytes,
        limit: usize,
        lines: Vec<RawLine>,
        end: usize,
    }

    impl<'de> Visitor<'de> for &mut Elements<'de> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
            while let Some(element) = all.next_element::<&'de RawValue>()? {
                if self.lines.len() > self.limit {
                    return Ok(());
                }
                let text = element.get().as_bytes();
                self.end = text.as_ptr().addr() - self.body.as_ptr().addr() + text.len();
                self.lines.push(RawLine::new(self.body.slice_ref(text), u64::try_from(self.lines.len()).unwrap_or(u64::MAX) + 1));
            }
            Ok(())
        }
    }

    let mut found = Elements { body, limit, lines: Vec::new(), end: 0 };
    let mut json = serde_json::Deserializer::from_slice(body);
    match json.deserialize_seq(&mut found) {
        _ if found.lines.len() > limit => Some(found.lines),
        // Behind the array there is more: lines that are arrays.
        Ok(()) if json.end().is_err() => None,
        Ok(()) => Some(found.lines),
        Err(e) => {
            let number = u64::try_from(found.lines.len()).unwrap_or(u64::MAX) + 1;
            let mut rest = RawLine::new(body.slice(found.end..), number);
            rest.refused = Some((Code::BadJson.as_str(), format!("the array cannot be read from here on: {e}")));
            found.lines.push(rest);
            Some(found.lines)
        }
    }
}
