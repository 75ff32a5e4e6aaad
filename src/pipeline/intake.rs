//! Raw records to events and dead letters, and both into the log: what all sources share.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio_util::sync::CancellationToken;

use super::ingest::{Error, Ingestor};
use crate::{
    adapter::{self, Adapter, Decoder, Normalised, Raw, secrets},
    api::{Batch, Ingest, RawLine, Refused, Rejection, Taken},
    event::{DEFAULT_TENANT, Event, Origin, Timestamp},
    ops::{clock, config},
    source::file::{self, Lines},
    store::dead::{DeadLetter, Place},
};

/// Records normalised at once.
const CHUNK: usize = 5_000;

/// Where "now" comes from: the clock, but for tests.
#[derive(Clone, Copy, Debug)]
pub enum Now {
    /// The wall clock.
    Clock,
    /// Always this.
    Fixed(Timestamp),
}

/// Takes raw records of any source.
pub struct Intake {
    pub(super) ingestor: Ingestor,
    now: Now,
    /// Adapters by what their bindings say.
    adapters: Mutex<BTreeMap<String, Adapter>>,
}

/// A raw record with its place.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// Kafka key.
    pub key: Option<Vec<u8>>,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Where it stands, for dead letters.
    pub place: Place,
    /// Origin source and offset, for events; none: repeats are recognised by id alone.
    pub origin: Option<(Arc<str>, u64)>,
    /// Code and message, when it is a dead letter already.
    pub refused: Option<(String, String)>,
    /// The last line of its stream.
    pub last: bool,
}

/// What became of records.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Events, in order.
    pub events: Vec<(Event, Option<Origin>)>,
    /// Dead letters, each with the number of its record and whether that could be read at all.
    pub dead: Vec<(usize, bool, DeadLetter)>,
    /// Blank lines.
    pub blank: u64,
}

impl Intake {
    /// An intake in front of an ingestor.
    pub fn new(ingestor: Ingestor, now: Now) -> Self {
        Self { ingestor, now, adapters: Mutex::default() }
    }

    pub(super) fn now(&self) -> Timestamp {
        match self.now {
            Now::Clock => clock::now(),
            Now::Fixed(t) => t,
        }
    }

    /// The adapter of a configured binding.
    ///
    /// # Errors
    /// When the format is unknown or the binding says what it cannot use.
    pub fn bound(&self, binding: &config::Binding) -> Result<Adapter, adapter::Error> {
        let value = binding.for_adapter();
        self.adapter(value.to_string(), || adapter::Binding::read(&value))
    }

    /// The adapter of a binding that was given by hand: the keys of `[[bindings]]` that adapters read.
    pub(super) fn given(&self, value: &serde_json::Value) -> Result<Adapter, adapter::Error> {
        self.adapter(value.to_string(), || adapter::Binding::read(value))
    }

    fn adapter(&self, key: String, binding: impl FnOnce() -> Result<adapter::Binding, adapter::Error>) -> Result<Adapter, adapter::Error> {
        let mut adapters = self.adapters.lock().expect("no holder panics");
        if let Some(adapter) = adapters.get(&key) {
            return Ok(adapter.clone());
        }
        let adapter = Adapter::open(binding()?)?;
        // Keys come from the configuration and from pushes on loopback; the latter must not grow without end.
        if adapters.len() < 1000 {
            adapters.insert(key, adapter.clone());
        }
        Ok(adapter)
    }

    /// Normalises records and submits them; durable when it returns.
    ///
    /// # Errors
    /// When log or store refuse; the same can be given again.
    pub async fn take(&self, adapter: &Adapter, records: Vec<Record>) -> Result<(u64, Vec<(usize, bool, DeadLetter)>), Error> {
        self.take_all(adapter, records, None).await
    }

    async fn take_all(
        &self,
        adapter: &Adapter,
        records: Vec<Record>,
        mut stream: Option<Decoder>,
    ) -> Result<(u64, Vec<(usize, bool, DeadLetter)>), Error> {
        let (now, prefix) = (self.now(), adapter.binding().actor_prefix.clone().unwrap_or_default());
        let (mut accepted, mut dead, mut base) = (0, Vec::new(), 0);
        let mut rest = records;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(CHUNK));
            let (chunk, adapter) = (std::mem::replace(&mut rest, later), adapter.clone());
            let n = chunk.len();
            let mut decoder = stream.take();
            let outcome = tokio::task::spawn_blocking(move || {
                let outcome = normalise(&adapter, &chunk, decoder.as_mut(), now);
                (outcome, decoder)
            });
            let (mut outcome, decoder) = outcome.await.map_err(|e| crate::log::Error::Stop(format!("normalising ended early: {e}")))?;
            stream = decoder;
            accepted += outcome.events.len() as u64;
            let letters: Vec<DeadLetter> = outcome.dead.iter().map(|(_, _, l)| l.clone()).collect();
            self.ingestor.submit(outcome.events, &prefix, &letters).await?;
            outcome.dead.iter_mut().for_each(|d| d.0 += base);
            dead.append(&mut outcome.dead);
            base += n;
        }
        Ok((accepted, dead))
    }

    /// Reads a file to its end. What the log has already is recognised there by its origin.
    ///
    /// # Errors
    /// When the file cannot be read on, or log or store refuse; what was read before is in the log.
    pub async fn file(
        &self,
        path: &Path,
        binding: &config::Binding,
        max_line_bytes: usize,
        stop: CancellationToken,
    ) -> Result<(), FileError> {
        let adapter = self.bound(binding)?;
        let prefix = adapter.binding().actor_prefix.clone().unwrap_or_default();
        let limits = file::Limits { line_bytes: max_line_bytes, ..file::Limits::default() };
        let mut reading = Reading { lines: Lines::open(path, limits)?, decoder: adapter.decoder(), adapter, number: 0 };
        loop {
            if stop.is_cancelled() {
                return Ok(());
            }
            let now = self.now();
            let (back, block) = tokio::task::spawn_blocking(move || {
                let block = reading.block(now);
                (reading, block)
            })
            .await
            .map_err(|e| Error::Log(crate::log::Error::Stop(format!("reading ended early: {e}"))))?;
            reading = back;
            let Some(block) = block? else { return Ok(()) };
            let letters: Vec<DeadLetter> = block.dead.into_iter().map(|(_, _, l)| l).collect();
            self.ingestor.submit(block.events, &prefix, &letters).await?;
        }
    }
}

/// Why a file is not read, or not read on.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file.
    #[error(transparent)]
    File(#[from] file::Error),
    /// Its binding.
    #[error(transparent)]
    Adapter(#[from] adapter::Error),
    /// Log or store.
    #[error(transparent)]
    Ingest(#[from] Error),
}

/// A file on its way through its adapter.
pub struct Reading {
    lines: Lines,
    decoder: Decoder,
    adapter: Adapter,
    number: u64,
}

impl Reading {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, adapter: Adapter, limits: file::Limits) -> Result<Self, file::Error> {
        Ok(Self { lines: Lines::open(path, limits)?, decoder: adapter.decoder(), adapter, number: 0 })
    }

    /// Bytes read, and bytes there are.
    pub fn position(&self) -> (u64, Option<u64>) {
        (self.lines.read(), self.lines.total())
    }

    /// The events and dead letters of the next block of lines; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn block(&mut self, now: Timestamp) -> Result<Option<Outcome>, file::Error> {
        let (mut outcome, mut out) = (Outcome::default(), Normalised::default());
        let Some(block) = self.lines.next_block()? else {
            // What is still open at the end is told once.
            if self.number == u64::MAX {
                return Ok(None);
            }
            self.decoder.end(&mut out);
            let last = std::mem::replace(&mut self.number, u64::MAX);
            self.settle(&mut out, None, last, b"", now, &mut outcome);
            return Ok(Some(outcome));
        };
        for line in block.iter() {
            self.number = line.number;
            match line.text {
                Ok(text) => {
                    out.clear();
                    self.decoder.line(text, &mut out);
                    self.settle(&mut out, block.source.as_ref(), line.number, text, now, &mut outcome);
                }
                Err(long) => {
                    let place = place(block.source.as_ref(), line.number);
                    let tenant = self.adapter.binding().tenant.as_deref().unwrap_or(DEFAULT_TENANT);
                    let letter = letter(tenant, now, &place, 0, self.adapter.name(), file::TooLong::CODE, &long.to_string(), b"");
                    outcome.dead.push((line_number(line.number), false, letter));
                }
            }
        }
        Ok(Some(outcome))
    }

    fn settle(&self, out: &mut Normalised, source: Option<&Arc<str>>, number: u64, text: &[u8], now: Timestamp, outcome: &mut Outcome) {
        out.judge(now);
        outcome.blank += out.skipped;
        let tenant = self.adapter.binding().tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        // A row is read again with its header only.
        let header = if out.rejects.is_empty() || text.is_empty() { None } else { self.decoder.header() };
        let under = header.map(|header| [header.as_bytes(), b"\n", text].concat());
        for r in &out.rejects {
            let (place, raw) = (place(source, number), under.as_deref().unwrap_or(text));
            let letter = letter(tenant, now, &place, r.index, self.adapter.name(), r.code.as_str(), &r.reason, raw);
            outcome.dead.push((line_number(number), r.code.readable(), letter));
        }
        for (index, event) in out.events.drain(..) {
            let origin = source.map(|source| Origin { source: source.to_string(), offset: number, index });
            outcome.events.push((event, origin));
        }
    }
}

/// A dead letter without secrets.
#[expect(clippy::too_many_arguments, reason = "as many as the row has")]
pub(super) fn letter(
    tenant: &str,
    at: Timestamp,
    place: &Place,
    index: u32,
    format: &str,
    code: &str,
    message: &str,
    raw: &[u8],
) -> DeadLetter {
    let message = secrets::mask(message.as_bytes());
    DeadLetter::new(tenant, at, place, index, format, code, &String::from_utf8_lossy(&message), &secrets::mask(raw))
}

/// Headers as they are kept with a dead letter.
fn kept(headers: &BTreeMap<String, String>) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let text = |name: &str, value: &str| match secrets::is_secret(name) {
        true => "***".to_owned(),
        false => String::from_utf8_lossy(&secrets::mask(value.as_bytes())).into_owned(),
    };
    let kept: BTreeMap<&str, String> = headers.iter().map(|(name, value)| (name.as_str(), text(name, value))).collect();
    serde_json::to_string(&kept).expect("keys are strings")
}

fn line_number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn place(source: Option<&Arc<str>>, number: u64) -> Place {
    Place { source: source.map_or_else(|| "stdin".to_owned(), |s| s.to_string()), partition: String::new(), offset: number }
}

/// Normalises records with the caller's clock. Those that are the lines of one stream go through its decoder.
pub fn normalise(adapter: &Adapter, records: &[Record], mut stream: Option<&mut Decoder>, now: Timestamp) -> Outcome {
    let (mut outcome, mut out) = (Outcome::default(), Normalised::default());
    for (i, record) in records.iter().enumerate() {
        let header = stream.as_deref().and_then(Decoder::header);
        let mut reject = |index: u32, code: &str, message: &str, readable: bool| {
            let tenant = adapter.binding().tenant.as_deref().unwrap_or(DEFAULT_TENANT);
            // A row is read again with its header only.
            let under = header.as_deref().map(|header| [header.as_bytes(), b"\n", &record.bytes].concat());
            let raw = under.as_deref().unwrap_or(&record.bytes);
            let mut l = letter(tenant, now, &record.place, index, adapter.name(), code, message, raw);
            l.key = record.key.as_deref().map(|key| secrets::mask(key).into_owned()).unwrap_or_default();
            l.headers = kept(&record.headers);
            outcome.dead.push((i, readable, l));
        };
        if let Some((code, message)) = &record.refused {
            reject(0, code, message, false);
            continue;
        }
        out.clear();
        match stream.as_deref_mut() {
            Some(decoder) => {
                decoder.line(&record.bytes, &mut out);
                if record.last {
                    decoder.end(&mut out);
                }
            }
            None => adapter.record(&Raw { value: &record.bytes, key: record.key.as_deref(), headers: &record.headers }, &mut out),
        }
        out.judge(now);
        for r in &out.rejects {
            reject(r.index, r.code.as_str(), &r.reason, r.code.readable());
        }
        for (index, event) in out.events.drain(..) {
            let origin = record.origin.as_ref().map(|(source, offset)| Origin { source: source.to_string(), offset: *offset, index });
            outcome.events.push((event, origin));
        }
    }
    outcome
}

impl Ingest for Intake {
    fn ingest(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, Refused>> {
        async move {
            let adapter = match &batch.binding {
                Some(binding) => self.bound(binding),
                None => {
                    let (format, tenant) = (batch.format.clone(), batch.tenant.clone());
                    self.adapter(format!("{format}\0{}", tenant.as_deref().unwrap_or_default()), || {
                        Ok(adapter::Binding { format, tenant, ..adapter::Binding::default() })
                    })
                }
            };
            let adapter = adapter.map_err(|e| match e {
                adapter::Error::UnknownFormat { given, .. } => Refused::UnknownFormat(given),
                adapter::Error::Binding(why) => Refused::Away(why),
            })?;
            let lines: Vec<u64> = batch.lines.iter().map(|l| l.line).collect();
            let mut records: Vec<Record> = batch.lines.into_iter().map(|l| pushed(l, &batch.headers)).collect();
            if let Some(last) = records.last_mut() {
                last.last = true;
            }
            // Rows are read under their header; a line of JSON, as an event of binary CloudEvents, has its request's headers around it.
            let stream = (!batch.whole && adapter.reads_csv()).then(|| adapter.decoder());
            let (accepted, dead) = self.take_all(&adapter, records, stream).await.map_err(|e| Refused::Away(e.to_string()))?;
            let rejected =
                dead.into_iter().map(|(i, readable, l)| Rejection { line: lines[i], code: l.code, message: l.message, readable }).collect();
            Ok(Taken { accepted, rejected })
        }
        .boxed()
    }
}

/// A pushed line; without an origin its place is the hash of its bytes, so that a repeat is the same dead letter.
fn pushed(line: RawLine, headers: &BTreeMap<String, String>) -> Record {
    let place = match &line.origin {
        Some((digest, n)) => Place { source: digest.to_string(), partition: String::new(), offset: *n },
        None => {
            let hash = xxhash_rust::xxh3::xxh3_128(&line.bytes);
            Place { source: "http".to_owned(), partition: format!("{hash:032x}"), offset: 0 }
        }
    };
    Record {
        bytes: line.bytes,
        key: None,
        headers: headers.clone(),
        place,
        origin: line.origin,
        refused: line.refused.map(|(code, message)| (code.to_owned(), message)),
        last: false,
    }
}
