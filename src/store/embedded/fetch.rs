//! Where libchdb is, how it gets there, and whether it is the right one.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::{Error, folder::replace};
use crate::ops::config;

/// The package that is fetched.
const PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
/// Its version; the registry's newest may lack what is used here.
pub const VERSION: &str = "26.7.3-stable.1";
const ARCHIVE_SHA256: &str = "c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad";
/// The library within the archive.
const MEMBER: &[u8] = b"package/libchdb.so";
const LIBRARY_SHA256: &str = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5";
const LIBRARY_BYTES: u64 = 566_330_096;
const LIBRARY: &str = "libchdb.so";
/// Beside the library: what was checked, so that a start need not read half a gigabyte again.
const CHECKED: &str = "libchdb.so.checked";

/// What fetching is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The registry's client is at work.
    Download,
    /// The archive's sum is made: bytes done, of all.
    Check(u64, u64),
    /// The library is unpacked: bytes done, of all.
    Unpack(u64, u64),
}

/// Where the fetched library lies.
pub fn path() -> PathBuf {
    config::cache_dir().join("libchdb").join(VERSION).join(LIBRARY)
}

/// The library to load: `FILIN_LIBCHDB`, or the one that was fetched, checked.
///
/// # Errors
/// When there is none or it is not the one that was fetched.
pub fn library() -> Result<PathBuf, Error> {
    if let Some(path) = config::libchdb() {
        return if path.is_file() { Ok(path) } else { Err(Error::Missing(path)) };
    }
    let path = path();
    check(&path).map(|()| path)
}

/// Checks a library by its size and digest. The digest is made once; a file that was not touched since needs none.
fn check(path: &Path) -> Result<(), Error> {
    let wrong = |why: String| Error::Checksum { path: path.to_owned(), why };
    let metadata = fs::metadata(path).map_err(|_| Error::Missing(path.to_owned()))?;
    if metadata.len() != LIBRARY_BYTES {
        return Err(wrong(format!("{} bytes instead of {LIBRARY_BYTES}", metadata.len())));
    }
    let note = path.with_file_name(CHECKED);
    let expected = seal(&metadata);
    if fs::read_to_string(&note).is_ok_and(|found| found == expected) {
        return Ok(());
    }
    let io = |source| Error::Io { path: path.to_owned(), source };
    let digest = digest(&mut File::open(path).map_err(io)?, |_| ()).map_err(io)?;
    if digest != LIBRARY_SHA256 {
        return Err(wrong(format!("sha256 {digest}")));
    }
    if let Err(e) = replace(&note, expected.as_bytes(), 0o644) {
        tracing::debug!(error = %e, "the check of libchdb cannot be noted and will be repeated");
    }
    Ok(())
}

/// What a checked file looks like from outside.
fn seal(metadata: &fs::Metadata) -> String {
    format!("{LIBRARY_SHA256} {} {}.{:09} {}\n", metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
}

fn digest(from: &mut impl Read, mut progress: impl FnMut(u64)) -> io::Result<String> {
    let (mut hasher, mut buffer, mut done) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(data_encoding::HEXLOWER.encode(&hasher.finalize())),
            n => {
                hasher.update(&buffer[..n]);
                done += n as u64;
                progress(done);
            }
        }
    }
}

/// Gets the library into the cache, from the registry by `npm`, or from an archive that is there already. True when there was
/// something to do.
///
/// # Errors
/// [`Error::Fetch`] when the registry's client is missing or fails, [`Error::Checksum`] when the archive is another one.
pub fn fetch(from: Option<&Path>, mut progress: impl FnMut(Step)) -> Result<bool, Error> {
    let target = path();
    if check(&target).is_ok() {
        return Ok(false);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        let message = "no checked library is known for this platform: name one in FILIN_LIBCHDB, or use a server by clickhouse.url";
        return Err(Error::Fetch(message.to_owned()));
    }
    let folder = target.parent().expect("the path has folders").to_owned();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    // In the same folder, so that the last step is a rename.
    let work = folder.join(format!(".fetch-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(io(&work))?;
    let fetched = (|| {
        let archive = match from {
            Some(archive) => archive.to_owned(),
            None => {
                progress(Step::Download);
                download(&work)?
            }
        };
        let size = fs::metadata(&archive).map_err(io(&archive))?.len();
        let sum =
            digest(&mut File::open(&archive).map_err(io(&archive))?, |done| progress(Step::Check(done, size))).map_err(io(&archive))?;
        if sum != ARCHIVE_SHA256 {
            return Err(Error::Fetch(format!(
                "{} has sha256 {sum} instead of {ARCHIVE_SHA256}: it is not {PACKAGE}@{VERSION}",
                archive.display()
            )));
        }
        let unpacked = work.join(LIBRARY);
        unpack(&archive, &unpacked, |done, all| progress(Step::Unpack(done, all))).map_err(io(&archive))?;
        fs::rename(&unpacked, &target).map_err(io(&target))?;
        check(&target)
    })();
    drop(fs::remove_dir_all(&work));
    fetched.map(|()| true)
}

fn download(work: &Path) -> Result<PathBuf, Error> {
    let package = format!("{PACKAGE}@{VERSION}");
    let by_hand = format!("get the archive of {package} by other means and run `filin embedded fetch --from FILE.tgz`");
    let output = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(work)
        .arg(&package)
        .current_dir(work)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::Fetch(format!("npm is not installed: install Node.js, or {by_hand}")),
            _ => Error::Fetch(format!("npm cannot be started: {e}; {by_hand}")),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).take(5).collect();
        return Err(Error::Fetch(format!("npm pack {package} failed: {}; {by_hand}", said.join("; "))));
    }
    let files = fs::read_dir(work).map_err(|source| Error::Io { path: work.to_owned(), source })?;
    let archive = files.filter_map(Result::ok).map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "tgz"));
    archive.ok_or_else(|| Error::Fetch(format!("npm pack {package} left no archive; {by_hand}")))
}

/// Takes the library out of the archive.
fn unpack(archive: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> io::Result<()> {
    let mut from = flate2::read::MultiGzDecoder::new(io::BufReader::new(File::open(archive)?));
    let mut header = [0; 512];
    loop {
        from.read_exact(&mut header)?;
        if header[0] == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the archive holds no libchdb.so"));
        }
        let name = header[..100].split(|&c| c == 0).next().unwrap_or_default();
        let size = std::str::from_utf8(&header[124..136]).ok().map(|text| text.trim_matches(['\0', ' ']));
        let size = size.and_then(|text| u64::from_str_radix(text, 8).ok());
        let size = size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the archive cannot be read"))?;
        if name == MEMBER {
            let (mut file, mut left, mut buffer) = (File::create(to)?, size, vec![0; 1 << 20]);
            while left > 0 {
                let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                from.read_exact(&mut buffer[..want])?;
                file.write_all(&buffer[..want])?;
                left -= want as u64;
                progress(size - left, size);
            }
            return file.sync_all();
        }
        io::copy(&mut from.by_ref().take(size.next_multiple_of(512)), &mut io::sink())?;
    }
}
