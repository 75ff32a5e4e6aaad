//! Dead letters once more: after a fix their records are read again, and what is good goes into the log.
//!
//! Events get the ids that they would have had. They carry no origin: positions of an origin only grow, and later records of the
//! same origin were taken long ago, so the engine would drop them as deliveries of the past. Instead, events that are stored already
//! are left out here, and the engine knows the newest by their ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt};

use super::{
    ingest::Error,
    intake::{Intake, letter},
};
use crate::{
    adapter::{self, Adapter, Decoder, Normalised, Raw, Reject},
    api::{Again, Left, Refused, Retried, Retry},
    event::{DEFAULT_TENANT, Event, Timestamp},
    ops::config::{Binding, Source},
    store::{
        dead::{self, DeadLetter, Place, RAW_LIMIT},
        persist,
    },
};

/// So many letters are held at once: each may have a record of [`RAW_LIMIT`] bytes.
const CHUNK: usize = 200;

/// Reads dead letters again.
pub struct Letters {
    intake: Arc<Intake>,
    client: clickhouse::Client,
    bindings: Vec<Binding>,
}

/// The letters of one record.
struct Record {
    place: Place,
    letters: Vec<DeadLetter>,
}

/// What a record gives now.
struct Reading {
    record: Record,
    adapter: Adapter,
    events: Vec<(u32, Event)>,
    rejects: Vec<Reject>,
    /// A row has begun that later lines go on with: the letter is settled with them.
    open: bool,
}

/// What is carried from chunk to chunk.
#[derive(Default)]
struct Carried {
    /// Decoders of files, by file and format.
    streams: BTreeMap<(String, String), Decoder>,
    /// Letters of rows that are still open, by file.
    held: BTreeMap<String, Vec<DeadLetter>>,
    /// Places that were looked at.
    seen: BTreeSet<Place>,
}

impl Letters {
    /// Letters of this store, for this intake; `bindings` are the configured ones.
    pub fn new(intake: Arc<Intake>, client: clickhouse::Client, bindings: Vec<Binding>) -> Self {
        Self { intake, client, bindings }
    }

    /// Reads the records of these letters again, in the order of the ids given; other open letters of the same records come along.
    /// Letters that were taken before are none.
    ///
    /// # Errors
    /// When log or store refuse; the same can be asked again.
    pub async fn retry(&self, again: &Again) -> Result<Retried, Fault> {
        let given = match &again.binding {
            Some(value) => Some(self.intake.given(value).map_err(Fault::Binding)?),
            None => None,
        };
        let mut done = Retried::default();
        let mut carried = Carried::default();
        for ids in again.ids.chunks(CHUNK) {
            let letters = persist("dead letters", || dead::records(&self.client, ids)).await.map_err(Error::from)?;
            let mut readings = Vec::new();
            for record in records(letters).into_iter().filter(|r| carried.seen.insert(r.place.clone())) {
                done.letters += record.letters.len() as u64;
                let mut leave = |code: &str, message: &str| {
                    done.left.extend(record.letters.iter().map(|l| Left {
                        id: l.id.clone(),
                        code: code.to_owned(),
                        message: message.to_owned(),
                    }));
                };
                let raw = &record.letters[0].raw;
                if raw.is_empty() {
                    leave(&record.letters[0].code, "nothing of the record was kept");
                } else if raw.len() >= RAW_LIMIT {
                    leave(&record.letters[0].code, "only the beginning of the record was kept");
                } else {
                    match given.clone().map_or_else(|| self.adapter(&record.letters[0]), Ok) {
                        Ok(adapter) => readings.push(read(record, adapter, &mut carried.streams, self.intake.now())),
                        Err(why) => leave("no_binding", &why),
                    }
                }
            }
            let settled = self.submit(readings, &mut carried.held, &mut done).await?;
            if !settled.is_empty() {
                persist("dead letters", || dead::save(&self.client, &settled)).await.map_err(Error::from)?;
            }
        }
        let unended =
            |l: DeadLetter| Left { id: l.id, code: "bad_csv".to_owned(), message: "the row goes on behind the last line".to_owned() };
        done.left.extend(carried.held.into_values().flatten().map(unended));
        Ok(done)
    }

    /// Submits what is good, then says what becomes of the letters: in this order, so that nothing is lost in between.
    async fn submit(
        &self,
        readings: Vec<Reading>,
        held: &mut BTreeMap<String, Vec<DeadLetter>>,
        done: &mut Retried,
    ) -> Result<Vec<DeadLetter>, Fault> {
        let mut by_tenant: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (_, event) in readings.iter().flat_map(|r| &r.events) {
            by_tenant.entry(&event.tenant).or_default().push(&event.id);
        }
        let mut known = BTreeSet::new();
        for (tenant, ids) in by_tenant {
            let stored = persist("events", || dead::stored(&self.client, tenant, &ids)).await.map_err(Error::from)?;
            known.extend(stored.into_iter().map(|(source, id)| (tenant.to_owned(), source, id)));
        }
        let (now, mut changed) = (self.intake.now(), Vec::new());
        for Reading { record, adapter, events, rejects, open } in readings {
            let n = events.len() as u64;
            let events = events.into_iter().map(|(_, event)| event);
            let new: Vec<_> =
                events.filter(|e| known.insert((e.tenant.clone(), e.source.clone(), e.id.clone()))).map(|e| (e, None)).collect();
            done.events += new.len() as u64;
            done.known += n - new.len() as u64;
            let binding = adapter.binding();
            self.intake.ingestor.submit(new, binding.actor_prefix.as_deref().unwrap_or_default(), &[]).await?;
            let (tenant, first) = (binding.tenant.as_deref().unwrap_or(DEFAULT_TENANT), &record.letters[0]);
            for reject in &rejects {
                let code = reject.code.as_str();
                let mut again = letter(tenant, now, &record.place, reject.index, adapter.name(), code, &reject.reason, &first.raw);
                again.key.clone_from(&first.key);
                again.headers.clone_from(&first.headers);
                done.left.push(Left { id: again.id.clone(), code: again.code.clone(), message: again.message.clone() });
                let says = |l: &DeadLetter| (l.code.clone(), l.message.clone(), l.format.clone(), l.version.clone());
                // One that says what it said stays as it is, its time included.
                if !record.letters.iter().any(|l| l.id == again.id && says(l) == says(&again)) {
                    changed.push(again);
                }
            }
            let taken = record.letters.iter().filter(|l| !rejects.iter().any(|r| r.index == l.index));
            let waiting = held.entry(record.place.source.clone()).or_default();
            waiting.extend(taken.cloned());
            if !open {
                done.settled += waiting.len() as u64;
                changed.extend(waiting.drain(..).map(|l| l.accepted(now)));
            }
        }
        Ok(changed)
    }

    /// What the configuration now says about a letter's source.
    fn adapter(&self, letter: &DeadLetter) -> Result<Adapter, String> {
        let open = |binding: &Binding| self.intake.bound(binding).map_err(|e| e.to_string());
        let topic = |b: &&Binding| matches!(&b.from, Source::Topic(topic) if *topic == letter.source);
        if let Some(binding) = self.bindings.iter().find(topic) {
            return open(binding);
        }
        // Of a pushed or read file only the digest is known: tenant and format tell whose it was.
        let name = |b: &Binding| adapter::FORMATS.iter().find(|f| f.name == b.format || f.alias == Some(&b.format)).map(|f| f.name);
        let candidates: Vec<&Binding> = self
            .bindings
            .iter()
            .filter(|b| !matches!(b.from, Source::Topic(_)) && b.tenant == letter.tenant && name(b) == Some(letter.format.as_str()))
            .collect();
        match candidates.as_slice() {
            [binding] => open(binding),
            [first, rest @ ..] if rest.iter().all(|b| b.for_adapter() == first.for_adapter()) => open(first),
            [] => {
                // Where tokens are asked for, nobody chooses a tenant in an event.
                let tokens = self.bindings.iter().any(|b| matches!(b.from, Source::Token(_)));
                let own = !tokens && letter.tenant == DEFAULT_TENANT;
                let mut value = serde_json::json!({ "format": letter.format });
                if !own {
                    value["tenant"] = letter.tenant.clone().into();
                }
                self.intake.given(&value).map_err(|e| e.to_string())
            }
            _ => Err(format!("{} bindings of {} read {}: say which by --binding", candidates.len(), letter.tenant, letter.format)),
        }
    }
}

/// Why nothing was read again.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The binding that was given.
    #[error(transparent)]
    Binding(#[from] adapter::Error),
    /// Log or store.
    #[error(transparent)]
    Ingest(#[from] Error),
}

impl Retry for Letters {
    fn retry(&self, again: Again) -> BoxFuture<'_, Result<Retried, Refused>> {
        async move {
            Self::retry(self, &again).await.map_err(|e| match e {
                Fault::Binding(adapter::Error::UnknownFormat { given, .. }) => Refused::UnknownFormat(given),
                Fault::Binding(e) => Refused::Binding(e.to_string()),
                Fault::Ingest(e) => Refused::Away(e.to_string()),
            })
        }
        .boxed()
    }
}

/// Letters by record; they come in the order of their places.
fn records(letters: Vec<DeadLetter>) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    for letter in letters {
        let place = letter.place();
        match all.last_mut() {
            Some(last) if last.place == place => last.letters.push(letter),
            _ => all.push(Record { place, letters: vec![letter] }),
        }
    }
    all
}

/// Reads a record. The lines of a file go through one decoder, as they did: rows may stand under a header that is a letter too.
fn read(record: Record, adapter: Adapter, streams: &mut BTreeMap<(String, String), Decoder>, now: Timestamp) -> Reading {
    let (mut out, first, mut open) = (Normalised::default(), &record.letters[0], false);
    if record.place.partition.is_empty() && adapter.reads_csv() {
        let key = (record.place.source.clone(), adapter.name().to_owned());
        let decoder = streams.entry(key).or_insert_with(|| adapter.decoder());
        first.raw.split(|&b| b == b'\n').for_each(|line| decoder.line(line, &mut out));
        open = decoder.is_open();
    } else {
        let headers = serde_json::from_str(&first.headers).unwrap_or_default();
        let key = Some(first.key.as_slice()).filter(|key| !key.is_empty());
        adapter.record(&Raw { value: &first.raw, key, headers: &headers }, &mut out);
    }
    out.judge(now);
    Reading { record, adapter, events: out.events, rejects: out.rejects, open }
}
