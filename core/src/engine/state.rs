//! Snapshots: a version byte and postcard behind it, compressed (LZ4: a fifth less). Equal states give equal bytes.
//!
//! The set of event hashes seen is in none: it is as large as the events of three days, which are stored anyway, and is rebuilt
//! from them ([`Tenant::remember`]).

use std::{borrow::Cow, cell::Cell, marker::PhantomData};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Policy,
    class::CLASSES,
    manager::Manager,
    people::People,
    tenant::{Shared, Tenant},
};
use crate::event::{Date, Timestamp};

/// Version of the snapshots.
pub(super) const VERSION: u8 = 10;
/// The oldest that can be read.
pub(super) const OLDEST: u8 = 6;

/// The first that is compressed, and in which alerts kept for looking back leave out what all have in common.
pub(super) const SHORT: u8 = 8;
/// The first that knows the drift of records that left.
pub(super) const GREW: u8 = 9;
/// LZ4 never makes more of a byte: a size beyond that is damage.
const MOST: usize = 255;

/// A snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another version wrote it.
    #[error("the state has version {found}, this engine reads {OLDEST} to {VERSION}: run the engine that wrote it, or replay the log")]
    Version {
        /// Its version byte.
        found: u8,
    },
    /// It is damaged.
    #[error("the state is damaged: {0}; replay the log")]
    Damaged(String),
}

/// What stands first in the snapshot of a tenant.
#[derive(Serialize, Deserialize)]
struct Head {
    name: String,
    watermark: Option<Timestamp>,
    closed: Option<Date>,
    /// In JSON: absent fields are not written.
    policy: String,
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    let bytes = postcard::to_stdvec(value).expect("a vector takes all bytes, and every part of the state has a known length");
    [&[VERSION], &*lz4_flex::compress_prepend_size(&bytes)].concat()
}

thread_local! {
    /// Version of what is being read: fields cannot ask what they are part of.
    static READING: Cell<u8> = const { Cell::new(VERSION) };
}

/// Version of the state that is being read.
pub(super) fn reading() -> u8 {
    READING.get()
}

/// For `#[serde(deserialize_with = "state::since::<7, _, _>")]`: a field that states before this version do not have.
pub(super) fn since<'de, const FIRST: u8, T: Deserialize<'de> + Default, D: serde::Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    if reading() < FIRST { Ok(T::default()) } else { T::deserialize(from) }
}

/// For `#[serde(deserialize_with = "state::grown::<3, _, _, _>")]`: an array that had one element less before [`GREW`]; the new
/// one, of which nothing is known, is that of index `AT`.
pub(super) fn grown<'de, const AT: usize, T, D, const N: usize>(from: D) -> Result<[T; N], D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    let old = reading() < GREW;
    let mut all = from.deserialize_tuple(N - usize::from(old), Elements(PhantomData))?;
    if old {
        all.insert(AT.min(all.len()), T::default());
    }
    all.try_into().map_err(|_| serde::de::Error::custom("an array of another size"))
}

/// The same on the heap.
pub(super) fn grown_box<'de, const AT: usize, T, D, const N: usize>(from: D) -> Result<Box<[T; N]>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    grown::<AT, T, D, N>(from).map(Box::new)
}

/// The elements of an array of any size.
struct Elements<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Elements<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::with_capacity(from.size_hint().unwrap_or(0).min(256));
        while let Some(one) = from.next_element()? {
            all.push(one);
        }
        Ok(all)
    }
}

pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (size, _) = lz4_flex::block::uncompressed_size(bytes).map_err(|e| e.to_string())?;
    if size / MOST > bytes.len() {
        return Err("it says that it is larger than it can be".to_owned());
    }
    lz4_flex::decompress_size_prepended(bytes).map_err(|e| e.to_string())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let Some((&version, rest)) = bytes.split_first() else { return Err(Error::Damaged("it is empty".to_owned())) };
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(Error::Version { found: version });
    }
    READING.set(version);
    let plain = if version < SHORT { Cow::Borrowed(rest) } else { Cow::Owned(decompress(rest).map_err(Error::Damaged)?) };
    match postcard::take_from_bytes(&plain) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(Error::Damaged("it has more bytes than it should".to_owned())),
        Err(e) => Err(Error::Damaged(e.to_string())),
    }
}

impl Tenant {
    /// What the managers share.
    pub fn snapshot(&self) -> Vec<u8> {
        let policy = serde_json::to_string(&self.policy).expect("its keys are texts");
        let head = Head { name: self.name.clone(), watermark: self.calendar.watermark(), closed: self.calendar.closed(), policy };
        write(&(head, &self.people, &self.shared))
    }

    /// One manager; empty when there is no such (any more).
    pub fn manager_snapshot(&self, id: &str) -> Vec<u8> {
        self.roster.find(id).map(|n| write(self.roster.get(n))).unwrap_or_default()
    }

    /// A tenant as it was saved: the shared snapshot and those of its managers (an empty one is of a
    /// manager who was forgotten). Events stored before must be given to
    /// [`Tenant::remember`].
    ///
    /// # Errors
    /// When a snapshot cannot be read.
    pub fn restore(shared: &[u8], managers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        let (head, people, mut shared): (Head, People, Shared) = read(shared)?;
        let policy: Policy = serde_json::from_str(&head.policy).map_err(|e| Error::Damaged(e.to_string()))?;
        shared.classes.iter_mut().for_each(super::class::Class::refresh);
        let mut tenant = Self::from_parts(head.name, policy, people, shared);
        tenant.calendar.resume(head.watermark, head.closed);
        for (id, bytes) in managers.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let mut manager: Manager = read(&bytes)?;
            if manager.class >= CLASSES || manager.days.iter().any(|d| d.class >= CLASSES) {
                return Err(Error::Damaged(format!("manager {id:?} is of a class that does not exist")));
            }
            manager.id = id.into();
            let open: Vec<Date> = manager.days.iter().filter(|d| !d.closed).map(|d| d.date).collect();
            let n = tenant.roster.add(manager);
            for date in open {
                tenant.open.entry(date).or_default().push(n);
            }
        }
        Ok(tenant)
    }

    /// Remembers events that were stored before a restart (hash and time, any order), so that repeats are recognised.
    pub fn remember(&mut self, seen: impl IntoIterator<Item = (u64, Timestamp)>) {
        let Some(watermark) = self.calendar.watermark() else { return };
        for (hash, t) in seen {
            self.seen.note(hash, t, Some(watermark), watermark);
        }
    }
}
