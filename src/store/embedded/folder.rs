//! The folder of the engine: whose it is, who uses it, the writer's secret.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::Error;
use crate::ops::{clock::Stopwatch, config::Secret};

/// The engine's files.
const ENGINE: &str = "clickhouse";
/// Held by the process that runs the engine; says its id and address.
const LOCK: &str = "clickhouse.lock";
const SECRET: &str = "clickhouse.secret";
/// In the engine's folder: this folder is ours, and which engine wrote it.
const MARK: &str = "filin";
/// A process that was just killed may not have let go yet.
const PATIENCE: Duration = Duration::from_secs(10);

/// The folder, held by this process.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) engine: PathBuf,
    pub(super) secret: Secret,
    lock: File,
}

impl Folder {
    /// Makes or opens the folder and holds it. Blocks for up to ten seconds when another process does.
    pub(super) fn open(data_dir: &Path) -> Result<Self, Error> {
        let engine = data_dir.join(ENGINE);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(at(data_dir))?;
        let lock = hold(&data_dir.join(LOCK))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&engine).map_err(at(&engine))?;
        let empty = fs::read_dir(&engine).map_err(at(&engine))?.next().is_none();
        if !empty && !engine.join(MARK).is_file() {
            return Err(Error::Foreign { path: engine, why: "it holds files that are not Filin's".to_owned() });
        }
        let path = data_dir.join(SECRET);
        let secret = secret(&path).map_err(at(&path))?;
        Ok(Self { engine, secret, lock })
    }

    /// Refuses data of a newer engine; leaves the mark of this one.
    pub(super) fn mark(&self, version: &str) -> Result<(), Error> {
        let path = self.engine.join(MARK);
        let marked = fs::read_to_string(&path).unwrap_or_default();
        if release(&marked) > release(version) {
            let why = format!(
                "it was written by version {}, this one is {version}: run `filin embedded fetch` of the newer Filin",
                marked.trim()
            );
            return Err(Error::Foreign { path: self.engine.clone(), why });
        }
        replace(&path, version.as_bytes(), 0o600).map_err(|source| Error::Io { path, source })
    }

    /// Removes what the last start left of the database `default`: the engine makes its own each time.
    pub(super) fn forget_default(&self) -> io::Result<()> {
        for name in ["default.sql", "default.sql.tmp"] {
            match fs::remove_file(self.engine.join("metadata").join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells others where the engine listens.
    pub(super) fn announce(&mut self, address: std::net::SocketAddr) -> io::Result<()> {
        self.lock.set_len(0)?;
        io::Seek::rewind(&mut self.lock)?;
        writeln!(self.lock, "{}\n{address}", std::process::id())
    }
}

/// Where a running engine of this folder listens, and the writer's secret; nothing when none runs.
pub(super) fn running(data_dir: &Path) -> Option<(std::net::SocketAddr, Secret)> {
    let mut lock = File::open(data_dir.join(LOCK)).ok()?;
    if lock.try_lock_shared().is_ok() {
        return None;
    }
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    let address = text.lines().nth(1)?.parse().ok()?;
    let secret = fs::read_to_string(data_dir.join(SECRET)).ok()?;
    Some((address, Secret::new(secret.trim())))
}

fn hold(path: &Path) -> Result<File, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io)?;
    let watch = Stopwatch::start();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(e)) => return Err(io(e)),
            Err(TryLockError::WouldBlock) if watch.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(path).ok().and_then(|text| Some(text.lines().next()?.to_owned()));
                return Err(Error::Locked {
                    path: path.parent().unwrap_or(path).to_owned(),
                    by: pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")),
                });
            }
        }
    }
}

/// The writer's secret, made at the first start; nobody else may read it.
fn secret(path: &Path) -> io::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => {
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            return Ok(Secret::new(text.trim()));
        }
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let text = data_encoding::HEXLOWER.encode(&crate::ops::random::bytes::<32>()?);
    replace(path, text.as_bytes(), 0o600)?;
    Ok(Secret::new(text))
}

/// Writes a file in one step.
pub(super) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// `26.7` of `26.7.3`.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.trim().split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_and_keeps_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        folder.mark("26.7.3").unwrap();
        folder.announce(([127, 0, 0, 1], 8123).into()).unwrap();
        let (address, secret) = running(dir.path()).unwrap();
        assert_eq!(address.port(), 8123);
        assert_eq!(secret, folder.secret);
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(SECRET), mode(ENGINE)), (0o600, 0o700));
        drop(folder);
        assert!(running(dir.path()).is_none());
        fs::set_permissions(dir.path().join(SECRET), Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Folder::open(dir.path()).unwrap().secret, secret);
        assert_eq!(mode(SECRET), 0o600);
    }

    #[test]
    fn data_of_others_and_of_newer_engines_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.mark("27.1.0").unwrap();
        let e = folder.mark("26.7.3").unwrap_err().to_string();
        assert!(e.contains("27.1.0"), "{e}");
        drop(folder);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(ENGINE)).unwrap();
        fs::write(dir.path().join(ENGINE).join("photo.jpg"), "").unwrap();
        assert!(matches!(Folder::open(dir.path()), Err(Error::Foreign { .. })));
    }
}
