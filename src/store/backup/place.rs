//! A folder with backups.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{Chunk, Error, FORMAT, Key, Manifest, open, seal};
use crate::{
    ops::{config::Secret, random},
    store::integrity::{hex, keyed},
};

/// What says that a folder is a place of backups.
const MARK: &str = "filin-backup.json";
/// Files that are being written.
const PARTIAL: &str = "partial";
const CHUNKS: &str = "chunks";
const MANIFESTS: &str = "backups";
const LOCK: &str = "lock";

#[derive(Serialize, Deserialize)]
struct Mark {
    filin_backup: u32,
    id: String,
    /// What the right key gives for the id.
    check: String,
}

/// A folder with backups, and the key of it.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    key: Key,
    /// Folders whose entries are not on the disk for sure yet.
    touched: Mutex<BTreeSet<PathBuf>>,
    /// Held by whoever writes.
    _lock: Option<File>,
}

/// A backup, from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was begun, milliseconds since 1970; none: it cannot be read.
    pub at: Option<i64>,
    /// Rows of all tables.
    pub rows: u64,
    /// Chunks that it names.
    pub chunks: usize,
    /// What is wrong with it.
    pub damaged: Vec<String>,
}

/// What an audit of a place came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Backups, oldest first.
    pub backups: Vec<Listed>,
    /// Files that were read.
    pub files: usize,
    /// ... and their bytes.
    pub bytes: u64,
}

impl Place {
    /// A place that is there, to read from it.
    ///
    /// # Errors
    /// When it is not, or its key is another one.
    pub fn read(path: &Path, secret: &Secret) -> Result<Self, Error> {
        let place = Self::at(path, secret)?;
        place.marked()?;
        Ok(place)
    }

    /// A place to write to; an empty folder becomes one when `begin` says so.
    ///
    /// # Errors
    /// When the folder is not there, holds something else, was written with another key, or somebody writes there.
    pub fn write(path: &Path, secret: &Secret, begin: bool) -> Result<Self, Error> {
        let mut place = Self::at(path, secret)?;
        match place.marked() {
            Err(Error::New(_)) if begin => place.begin()?,
            other => other?,
        }
        let lock = place.path.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(Error::io(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Busy(place.path)),
            Err(fs::TryLockError::Error(e)) => return Err(Error::io(&lock)(e)),
        }
        place._lock = Some(file);
        // What was half written when somebody died.
        let partial = place.path.join(PARTIAL);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io(&partial))?;
        }
        for folder in [PARTIAL, CHUNKS, MANIFESTS] {
            let folder = place.path.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        Ok(place)
    }

    fn at(path: &Path, secret: &Secret) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(Error::io(path))?;
        match fs::metadata(&path) {
            Ok(m) if m.is_dir() => Ok(Self { path, key: Key::of(secret), touched: Mutex::default(), _lock: None }),
            Ok(_) => Err(Error::Foreign(path)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(Error::Missing(path)),
            Err(e) => Err(Error::io(path)(e)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn marked(&self) -> Result<(), Error> {
        let path = self.path.join(MARK);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut inside = fs::read_dir(&self.path).map_err(Error::io(&self.path))?;
                // A new file system has that by itself.
                let other = inside.any(|entry| entry.is_ok_and(|e| e.file_name() != "lost+found" && e.file_name() != PARTIAL));
                return Err(if other { Error::Foreign(self.path.clone()) } else { Error::New(self.path.clone()) });
            }
            Err(e) => return Err(Error::io(path)(e)),
        };
        let Ok(mark) = serde_json::from_slice::<Mark>(&text) else { return Err(Error::Damaged { path, why: "it cannot be read" }) };
        if mark.filin_backup > FORMAT {
            return Err(Error::Newer(format!("format {}", mark.filin_backup)));
        }
        if mark.check == self.check(&mark.id) { Ok(()) } else { Err(Error::Key(self.path.clone())) }
    }

    fn check(&self, id: &str) -> String {
        hex(&keyed(&self.key.mark, "place", &[id.as_bytes()]))
    }

    fn begin(&self) -> Result<(), Error> {
        let id = hex(&random::bytes::<16>().map_err(Error::io("/dev/urandom"))?);
        let mark = Mark { filin_backup: FORMAT, check: self.check(&id), id };
        let partial = self.path.join(PARTIAL);
        fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
        self.put_file(&self.path.join(MARK), &serde_json::to_vec(&mark).expect("texts"))?;
        self.settle()
    }

    /// Writes a file so that it is there as a whole or not at all.
    fn put_file(&self, to: &Path, bytes: &[u8]) -> Result<(), Error> {
        let name = hex(&random::bytes::<16>().map_err(Error::io("/dev/urandom"))?);
        let partial = self.path.join(PARTIAL).join(name);
        let write = || {
            let mut file = File::options().write(true).create_new(true).open(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&partial, to)
        };
        write().map_err(|e| {
            // What does not fit must not stay: it may be the last bytes of the disk.
            fs::remove_file(&partial).ok();
            Error::io(&self.path)(e)
        })?;
        if let Some(folder) = to.parent() {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        }
        Ok(())
    }

    /// The names of what was written are on the disk then, too.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        for folder in touched {
            File::open(&folder).and_then(|f| f.sync_all()).map_err(Error::io(&folder))?;
        }
        Ok(())
    }

    fn chunk(&self, id: &str) -> PathBuf {
        self.path.join(CHUNKS).join(id.get(..2).unwrap_or_default()).join(id)
    }

    /// Whether a chunk is there in its whole length.
    pub(super) fn has(&self, chunk: &Chunk) -> bool {
        fs::metadata(self.chunk(&chunk.id)).is_ok_and(|m| m.len() == chunk.bytes)
    }

    /// Keeps bytes; what is there already is not written again. With it the bytes that were written.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<(Chunk, u64), Error> {
        let packed = zstd::encode_all(bytes, 3).map_err(Error::io(&self.path))?;
        let id = hex(&keyed(&self.key.names, "chunk", &[&packed]));
        let sealed = seal(&self.key.chunks, &id, packed);
        let chunk = Chunk { bytes: sealed.len() as u64, id };
        if self.has(&chunk) {
            return Ok((chunk, 0));
        }
        let to = self.chunk(&chunk.id);
        if let Some(folder) = to.parent()
            && !folder.is_dir()
        {
            fs::create_dir_all(folder).map_err(Error::io(&self.path))?;
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path.join(CHUNKS));
        }
        self.put_file(&to, &sealed)?;
        let written = chunk.bytes;
        Ok((chunk, written))
    }

    /// The bytes of a chunk.
    ///
    /// # Errors
    /// When it is not there or not what was written.
    pub fn get(&self, chunk: &Chunk) -> Result<Vec<u8>, Error> {
        unsealed(&self.key.chunks, &chunk.id, &self.chunk(&chunk.id))
    }

    /// Names of backups, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let folder = self.path.join(MANIFESTS);
        let mut names = Vec::new();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(e) => return Err(Error::io(folder)(e)),
        };
        for entry in entries {
            names.push(entry.map_err(Error::io(&folder))?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// A backup.
    ///
    /// # Errors
    /// When it is not there or not what was written.
    pub fn manifest(&self, name: &str) -> Result<Manifest, Error> {
        let path = self.path.join(MANIFESTS).join(name);
        let text = unsealed(&self.key.manifests, name, &path)?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| Error::Damaged { path, why: "it is of another version" })?;
        if manifest.format > FORMAT { Err(Error::Newer(format!("format {}", manifest.format))) } else { Ok(manifest) }
    }

    /// The newest backup that can be read, with its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn newest(&self) -> Result<(String, Manifest), Error> {
        let mut wrong = Error::None(self.path.clone());
        for name in self.names()?.into_iter().rev() {
            match self.manifest(&name) {
                Ok(manifest) => return Ok((name, manifest)),
                Err(e) => wrong = e,
            }
        }
        Err(wrong)
    }

    /// Makes a backup of what its manifest names: the last thing that is written.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<String, Error> {
        self.settle()?;
        let text = serde_json::to_vec(manifest).expect("its keys are texts");
        let packed = zstd::encode_all(text.as_slice(), 9).map_err(Error::io(&self.path))?;
        // A name of its own each time: its key seals one content only.
        let unique = hex(&random::bytes::<8>().map_err(Error::io("/dev/urandom"))?);
        let name = format!("{}-{unique}", crate::event::Timestamp::from_millis(manifest.at).to_string().replace([':', '.'], "-"));
        self.put_file(&self.path.join(MANIFESTS).join(&name), &seal(&self.key.manifests, &name, packed))?;
        self.settle()?;
        Ok(name)
    }

    /// Keeps the newest backups and what they need. Where one of them cannot be read nothing is taken away.
    pub(super) fn prune(&self, keep: usize) -> Result<(), Error> {
        let names = self.names()?;
        let (old, kept) = names.split_at(names.len().saturating_sub(keep.max(1)));
        let mut needed = BTreeSet::new();
        for name in kept {
            needed.extend(self.manifest(name)?.chunks().map(|c| c.id.clone()));
        }
        for name in old {
            let path = self.path.join(MANIFESTS).join(name);
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        for folder in fs::read_dir(self.path.join(CHUNKS)).map_err(Error::io(&self.path))? {
            let folder = folder.map_err(Error::io(&self.path))?.path();
            for file in fs::read_dir(&folder).map_err(Error::io(&folder))? {
                let path = file.map_err(Error::io(&folder))?.path();
                if path.file_name().is_some_and(|n| !needed.contains(&*n.to_string_lossy())) {
                    fs::remove_file(&path).map_err(Error::io(&path))?;
                }
            }
        }
        Ok(())
    }

    /// Reads every file that any backup needs: a byte that is another one is found.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn audit(&self, mut progress: impl FnMut(u64)) -> Result<Audit, Error> {
        let (mut audit, mut read) = (Audit::default(), BTreeMap::<Chunk, Option<String>>::new());
        for name in self.names()? {
            let mut listed = Listed { name: name.clone(), at: None, rows: 0, chunks: 0, damaged: Vec::new() };
            match self.manifest(&name) {
                Err(e) => listed.damaged.push(e.to_string()),
                Ok(manifest) => {
                    (listed.at, listed.rows) = (Some(manifest.at), manifest.rows());
                    for chunk in manifest.chunks() {
                        listed.chunks += 1;
                        let wrong = read.entry(chunk.clone()).or_insert_with(|| {
                            audit.files += 1;
                            audit.bytes += chunk.bytes;
                            progress(audit.bytes);
                            self.get(chunk).err().map(|e| e.to_string())
                        });
                        listed.damaged.extend(wrong.clone());
                    }
                }
            }
            audit.files += 1;
            audit.backups.push(listed);
        }
        Ok(audit)
    }
}

/// What is in a file that was packed and encrypted for this name.
fn unsealed(key: &[u8; 32], name: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let sealed = fs::read(path).map_err(Error::io(path))?;
    let damaged = |why| Error::Damaged { path: path.to_owned(), why };
    let packed = open(key, name, sealed).ok_or_else(|| damaged("its bytes are not those that were written"))?;
    zstd::decode_all(packed.as_slice()).map_err(|_| damaged("it cannot be unpacked"))
}
