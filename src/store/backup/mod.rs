//! Backups: all tables and the keys of the data folder, encrypted, in folders on other disks.
//!
//! A place holds chunks and manifests. A chunk is some rows of one part of a table as ClickHouse writes them (Native), compressed and
//! encrypted, in a file that is named by the keyed hash of its content: what is there is not written again. A manifest says which
//! chunks make a backup; it is written last, and only after everything it names was read back, loaded into a scratch database and
//! found equal. So a file that is half written, a process that dies, a disk that is full leave what nobody takes for a backup.

mod load;
mod place;
mod take;

use std::{io, path::PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use load::{checked, restore};
pub use place::{Audit, Listed, Place};
pub use take::{Taken, take};

use super::integrity::{End, keyed};
use crate::ops::config::Secret;

/// Version of what is written.
const FORMAT: u32 = 1;

/// Why there is no backup, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is not there.
    #[error(
        "there is no folder {0}: is its disk mounted? Make it once by hand, so that nothing is ever written beside a disk that is away"
    )]
    Missing(PathBuf),
    /// It is empty, and whoever asks may not begin.
    #[error("{0} is no place of backups yet: run `filin backup` once by hand, or is its disk not mounted?")]
    New(PathBuf),
    /// It holds something else.
    #[error("{0} holds files that are no backup: take an empty folder")]
    Foreign(PathBuf),
    /// It was made with another key.
    #[error("{0} was written with another key")]
    Key(PathBuf),
    /// Somebody else writes there.
    #[error("another backup is being written to {0}")]
    Busy(PathBuf),
    /// Nothing more goes in.
    #[error("{path} is full: {source}")]
    Full {
        /// What was written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no backup.
    #[error("there is no backup in {0}")]
    None(PathBuf),
    /// What was loaded is not what was stored.
    #[error("table {table} came back as {rows} rows with sum {sum:016x} instead of {expected_rows} with {expected:016x}")]
    Differs {
        /// The table.
        table: String,
        /// Rows that came back.
        rows: u64,
        /// Their sum.
        sum: u64,
        /// Rows that were stored.
        expected_rows: u64,
        /// Their sum.
        expected: u64,
    },
    /// A restore would mix two stores.
    #[error("{0}")]
    Occupied(String),
    /// The backup is of a newer Filin.
    #[error("the backup has what this version does not know ({0}): take the Filin that wrote it, or a newer one")]
    Newer(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] super::Error),
}

impl From<clickhouse::error::Error> for Error {
    fn from(e: clickhouse::error::Error) -> Self {
        Self::Store(e.into())
    }
}

impl Error {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full { path, source },
            _ => Self::Io { path, source },
        }
    }
}

/// The keys of a place, from one secret that a program made.
#[derive(Clone)]
pub struct Key {
    names: [u8; 32],
    chunks: [u8; 32],
    manifests: [u8; 32],
    mark: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// From a secret that a program made: nothing here makes a password harder to guess.
    pub fn of(secret: &Secret) -> Self {
        let root: [u8; 32] = Sha256::digest(secret.expose().as_bytes()).into();
        let of = |what| keyed(&root, what, &[]);
        Self { names: of("backup names"), chunks: of("backup chunks"), manifests: of("backup manifests"), mark: of("backup place") }
    }
}

/// Encrypts for a name. Each name has a key of its own and is given to one content only, so the nonce never meets a key twice.
fn seal(key: &[u8; 32], name: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    let sealed = cipher(key, name).seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(name), &mut bytes);
    sealed.expect("far less than 64 GiB");
    bytes
}

/// What was encrypted for this name; none: it is something else, or was changed.
fn open(key: &[u8; 32], name: &str, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let n = cipher(key, name).open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(name), &mut bytes).ok()?.len();
    bytes.truncate(n);
    Some(bytes)
}

fn cipher(key: &[u8; 32], name: &str) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &keyed(key, "name", &[name.as_bytes()])).expect("a key of 32 bytes"))
}

/// What makes a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of what is written.
    pub format: u32,
    /// Of the Filin that wrote it.
    pub version: String,
    /// When it was begun, milliseconds since 1970.
    pub at: i64,
    /// Where the chains of integrity ended.
    pub heads: Vec<End>,
    /// Tables, in the order in which they were read.
    pub tables: Vec<Table>,
    /// Files of the data folder.
    pub files: Vec<(String, Chunk)>,
}

impl Manifest {
    /// All chunks that it names.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let rows = self.tables.iter().flat_map(|t| &t.parts).flat_map(|p| &p.chunks);
        rows.chain(self.files.iter().map(|(_, chunk)| chunk))
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(Table::rows).sum()
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Columns with their types.
    pub columns: Vec<(String, String)>,
    /// Parts, in the order in which their rows were inserted.
    pub parts: Vec<Part>,
}

impl Table {
    /// Its rows.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|p| p.rows).sum()
    }

    /// Names of its columns, as a list in a statement.
    fn list(&self) -> String {
        self.columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// Rows and the sum of their hashes, which does not depend on their order.
    fn sum(&self) -> String {
        let of = |(name, kind): &(String, String)| match kind.contains("Nullable(") && !kind.starts_with("Array(") {
            true => format!("isNull({0}), assumeNotNull({0})", quoted(name)),
            false => quoted(name),
        };
        format!("count(), sum(cityHash64({}))", self.columns.iter().map(of).collect::<Vec<_>>().join(", "))
    }
}

/// A part of a table: rows that ClickHouse never changes in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// ClickHouse's own hash of its files.
    pub hash: String,
    /// Its place among the others.
    pub block: i64,
    /// Rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub sum: u64,
    /// Where they are.
    pub chunks: Vec<Chunk>,
}

/// A file of a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Chunk {
    /// Keyed hash of what is in it, which is its name.
    pub id: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A name as a statement takes it. Ours have no back-ticks.
fn quoted(name: &str) -> String {
    format!("`{name}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_or_is_of_another_name_or_key_does_not_open() {
        let (key, other) = ([7; 32], [8; 32]);
        let sealed = seal(&key, "a", b"secret".to_vec());
        assert_eq!(open(&key, "a", sealed.clone()).as_deref(), Some(&b"secret"[..]));
        assert!(!sealed.windows(6).any(|w| w == b"secret"));
        assert_eq!((open(&key, "b", sealed.clone()), open(&other, "a", sealed.clone())), (None, None));
        for i in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[i] ^= 1;
            assert_eq!(open(&key, "a", flipped), None, "{i}");
        }
        assert_eq!(open(&key, "a", Vec::new()), None);
    }

    #[test]
    fn a_full_disk_is_said_to_be_full() {
        for code in [28, 122, 27] {
            let error = Error::io("/mnt/a")(io::Error::from_raw_os_error(code));
            assert!(error.to_string().starts_with("/mnt/a is full: "), "{error}");
        }
        assert!(!Error::io("/mnt/a")(io::Error::from_raw_os_error(5)).to_string().contains("full"));
    }
}
