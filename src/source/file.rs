//! Files of raw records: plain, gzip or zstd, by their first bytes; read in blocks of lines with bounded memory.
//!
//! # How a line is named
//! The origin of an event is (source, line, index), and what is not above the highest line seen of a source is a re-delivery.
//! So a source must never name two different contents, or events would be lost; and the same content must keep its source, or
//! they would come twice. A file is therefore cut into blocks at every [`BLOCK_LINES`]th line (sooner after [`BLOCK_BYTES`]),
//! and the source of a block's lines is a digest of **everything from the beginning of the file to the end of that block**:
//!
//! - the same file read or pushed again, from another place, under another name, packed or not, has the same sources;
//! - two files that differ anywhere up to a line never share that line's source;
//! - a file that grows by appending keeps the sources of all its full blocks. Only its last block, which was not full, is named
//!   anew; the few lines in it that were delivered before are recognised by the ids of their events.
//!
//! Standard input has no origin: it is read as it comes.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest, Sha256};

/// Lines of a full block.
pub const BLOCK_LINES: usize = 4096;
/// A block with so many bytes is full, however few lines it has.
pub const BLOCK_BYTES: usize = 4 << 20;
/// Bytes of a file that are read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Where a packed file's ratio begins to matter: short runs of one character pack very well.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// What is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A longer line is left out, and told.
    pub line_bytes: usize,
    /// A packed file that gives more is not read on.
    pub unpacked_bytes: u64,
    /// A packed file that gives more than so many times its own bytes is not read on.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 16 << 20, unpacked_bytes: 1 << 40, ratio: 500 }
    }
}

/// Why a file is not read, or not read on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened.
    #[error("{} cannot be opened", path.display())]
    Open {
        /// As it was named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading failed, or a packed file is damaged or cut off. What stands before has been read.
    #[error("{} cannot be read beyond line {line}", path.display())]
    Read {
        /// As it was named.
        path: PathBuf,
        /// The last line that was read, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// It unpacks to far more than an audit log can.
    #[error("{} is not read beyond line {line}: {packed} bytes unpack to more than {unpacked}, as in a decompression bomb; unpack it by hand if it is none", path.display())]
    Bomb {
        /// As it was named.
        path: PathBuf,
        /// The last line that was read, from 1.
        line: u64,
        /// Bytes read.
        packed: u64,
        /// Bytes they gave.
        unpacked: u64,
    },
    /// It is UTF-16, as some Windows tools write.
    #[error("{} is UTF-16: convert it to UTF-8, for instance with iconv -f UTF-16 -t UTF-8", path.display())]
    Utf16 {
        /// As it was named.
        path: PathBuf,
    },
}

/// Reads one file, block by block.
pub struct Lines {
    path: PathBuf,
    input: BufReader<Box<dyn Read + Send>>,
    limits: Limits,
    /// Bytes of the file as it lies there that were read.
    read: Arc<AtomicU64>,
    total: Option<u64>,
    /// Standard input: lines are given when they come.
    live: bool,
    hash: Sha256,
    /// Number of the next line, from 0.
    number: u64,
    /// Lines and bytes in the block being read, which a stream at its end may have given in part.
    filled: (usize, usize),
    /// What stands behind the block given last.
    failed: Option<Error>,
    done: bool,
}

/// Lines that share one source.
#[derive(Clone, Debug)]
pub struct Block {
    /// Source of their origin; none for standard input.
    pub source: Option<Arc<str>>,
    /// Number of its first line, from 0.
    pub first: u64,
    /// The last line has no line end: somebody may still be writing it.
    pub unfinished: bool,
    text: Vec<u8>,
    /// Where each line ends in `text`, or how long it would have been.
    lines: Vec<Result<usize, TooLong>>,
}

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 0.
    pub number: u64,
    /// Its bytes, without the line end.
    pub text: Result<&'a [u8], TooLong>,
}

/// A line that is longer than allowed, and was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line has {bytes} bytes, more than {limit}")]
pub struct TooLong {
    /// Its length.
    pub bytes: u64,
    /// What is allowed.
    pub limit: usize,
}

impl TooLong {
    /// The code of the reject.
    pub const CODE: &str = "too_long";
}

impl Block {
    /// Its lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        let mut from = 0;
        (self.first..).zip(&self.lines).map(move |(number, line)| {
            let text = line.map(|end| {
                let text = &self.text[from..end];
                from = end;
                text
            });
            Line { number, text }
        })
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none; a block that was read has some.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Lines {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened, or begins like UTF-16.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let open = |source| Error::Open { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Self::over(path, Box::new(io::stdin()), None, true, limits);
        }
        let file = File::open(path).map_err(open)?;
        let about = file.metadata().map_err(open)?;
        if about.is_dir() {
            return Err(open(io::Error::other("it is a folder: name the files in it")));
        }
        let total = about.is_file().then_some(about.len());
        Self::over(path, Box::new(file), total, false, limits)
    }

    fn over(path: &Path, file: Box<dyn Read + Send>, total: Option<u64>, live: bool, limits: Limits) -> Result<Self, Error> {
        let open = |source| Error::Open { path: path.to_owned(), source };
        let read = Arc::new(AtomicU64::new(0));
        let mut file = Counted { inner: file, read: Arc::clone(&read) };
        let mut magic = Vec::with_capacity(4);
        file.by_ref().take(4).read_to_end(&mut magic).map_err(open)?;
        let packing = Packing::of(&magic);
        let file = io::Cursor::new(magic).chain(file);
        let bounded = |inner: Box<dyn Read + Send>| Bounded { inner, read: Arc::clone(&read), unpacked: 0, limits };
        let input: Box<dyn Read + Send> = match packing {
            Packing::None => Box::new(file),
            Packing::Gzip => Box::new(bounded(Box::new(flate2::read::MultiGzDecoder::new(file)))),
            Packing::Zstd => Box::new(bounded(Box::new(zstd::stream::read::Decoder::new(file).map_err(open)?))),
        };
        let mut lines = Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            limits,
            read,
            total,
            live,
            hash: Sha256::new(),
            number: 0,
            filled: (0, 0),
            failed: None,
            done: false,
        };
        lines.skip_mark()?;
        Ok(lines)
    }

    /// Bytes of the file, as it lies there, that were read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file as it lies there; unknown for pipes.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next lines; none at the end of the file. What a file that is being written gets later can be read by asking again.
    ///
    /// # Errors
    /// When the file cannot be read on. All lines before were given.
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        if let Some(e) = self.failed.take() {
            self.done = true;
            return Err(e);
        }
        if self.done {
            return Ok(None);
        }
        let mut block = Block { source: None, first: self.number, unfinished: false, text: Vec::new(), lines: Vec::new() };
        while self.filled.0 < BLOCK_LINES && self.filled.1 < BLOCK_BYTES {
            match self.line(&mut block) {
                Ok(true) if self.live && self.input.buffer().is_empty() => break,
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    let line = self.number;
                    self.failed = Some(error(&self.path, line, e));
                    break;
                }
            }
        }
        if block.is_empty() {
            return match self.failed.take() {
                Some(e) => {
                    self.done = true;
                    Err(e)
                }
                None => Ok(None),
            };
        }
        if self.filled.0 >= BLOCK_LINES || self.filled.1 >= BLOCK_BYTES {
            self.filled = (0, 0);
        }
        if !self.live {
            block.source = Some(data_encoding::HEXLOWER.encode(&self.hash.clone().finalize()[..16]).into());
        }
        Ok(Some(block))
    }

    /// A byte order mark is no part of the first line.
    fn skip_mark(&mut self) -> Result<(), Error> {
        // A buffer holds the first bytes whole, or the file has no more: packed or not, readers give at least what is asked.
        let start = match self.input.fill_buf() {
            Ok(start) => start,
            Err(e) => {
                self.failed = Some(error(&self.path, 0, e));
                return Ok(());
            }
        };
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(Error::Utf16 { path: self.path.clone() });
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            self.input.consume(3);
        }
        Ok(())
    }

    /// Reads one line into a block; false at the end.
    fn line(&mut self, block: &mut Block) -> io::Result<bool> {
        let from = block.text.len();
        let limit = self.limits.line_bytes;
        // One byte more than allowed, and the line end of two bytes, tell a line that is too long.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(3);
        let n = self.input.by_ref().take(most).read_until(b'\n', &mut block.text);
        let n = match n {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(e) => {
                // Half a line is none.
                block.text.truncate(from);
                return Err(e);
            }
        };
        let ended = block.text.ends_with(b"\n");
        let mut end = block.text.len() - usize::from(ended);
        if ended && block.text[from..end].ends_with(b"\r") {
            end -= 1;
        }
        block.text.truncate(end);
        self.hash.update(&block.text[from..]);
        let mut length = end - from;
        if length > limit {
            if !ended {
                length = length.saturating_add(self.skip()?);
            }
            block.text.truncate(from);
            let bytes = u64::try_from(length).unwrap_or(u64::MAX);
            self.hash.update(bytes.to_le_bytes());
            block.lines.push(Err(TooLong { bytes, limit }));
        } else {
            block.unfinished = !ended;
            block.lines.push(Ok(end));
        }
        self.hash.update(b"\n");
        self.number += 1;
        self.filled = (self.filled.0 + 1, self.filled.1 + n);
        Ok(true)
    }

    /// Skips to the end of a line; returns how many bytes, without the line end.
    fn skip(&mut self) -> io::Result<usize> {
        let mut skipped = 0_usize;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok([]) => return Ok(skipped),
                Ok(buffer) => buffer,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let end = buffer.iter().position(|&b| b == b'\n');
            let n = end.unwrap_or(buffer.len());
            self.hash.update(&buffer[..n]);
            skipped = skipped.saturating_add(n);
            self.input.consume(n + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(skipped);
            }
        }
    }
}

fn error(path: &Path, line: u64, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.get_ref().and_then(|e| e.downcast_ref::<Bomb>()) {
        Some(&Bomb { packed, unpacked }) => Error::Bomb { path, line, packed, unpacked },
        None => Error::Read { path, line, source },
    }
}

enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A frame to be skipped, with which some packers begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Counts what is read of the file as it lies there.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(n)
    }
}

/// Stops a packed file that gives too much.
struct Bounded {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    unpacked: u64,
    limits: Limits,
}

/// A packed file gave too much.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{packed} bytes unpack to {unpacked}")]
struct Bomb {
    packed: u64,
    unpacked: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.unpacked = self.unpacked.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        let packed = self.read.load(Ordering::Relaxed);
        let too_dense = self.unpacked > RATIO_FROM_BYTES && self.unpacked / self.limits.ratio.max(1) > packed;
        if too_dense || self.unpacked > self.limits.unpacked_bytes {
            return Err(io::Error::other(Bomb { packed, unpacked: self.unpacked }));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("writable");
        file
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).expect("in memory");
        packer.finish().expect("in memory")
    }

    /// Lines as text, `None` where one was too long; the sources in order; what stopped it.
    fn read(file: &[u8], limits: Limits) -> (Vec<Option<String>>, Vec<String>, Option<Error>) {
        let file = write(file);
        let mut lines = match Lines::open(file.path(), limits) {
            Ok(lines) => lines,
            Err(e) => return (Vec::new(), Vec::new(), Some(e)),
        };
        let (mut texts, mut sources) = (Vec::new(), Vec::new());
        loop {
            match lines.next_block() {
                Ok(Some(block)) => {
                    assert_eq!(block.first, u64::try_from(texts.len()).unwrap());
                    for line in block.iter() {
                        assert_eq!(line.number, u64::try_from(texts.len()).unwrap());
                        texts.push(line.text.ok().map(|t| String::from_utf8_lossy(t).into_owned()));
                    }
                    sources.push(block.source.expect("a file").to_string());
                }
                Ok(None) => return (texts, sources, None),
                Err(e) => return (texts, sources, Some(e)),
            }
        }
    }

    fn plain(file: &[u8]) -> Vec<String> {
        let (texts, _, stopped) = read(file, Limits::default());
        assert!(stopped.is_none(), "{stopped:?}");
        texts.into_iter().map(|t| t.expect("short")).collect()
    }

    #[test]
    fn reads_plain_and_packed() {
        let text = b"a\nb\r\n\nc";
        let expected = ["a", "b", "", "c"];
        assert_eq!(plain(text), expected);
        assert_eq!(plain(b"\xef\xbb\xbfa\nb\r\n\nc"), expected);
        assert_eq!(plain(&gzip(text)), expected);
        assert_eq!(plain(&[gzip(b"a\nb\r"), gzip(b"\n\nc")].concat()), expected);
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("in memory");
        assert_eq!(plain(&frame(text)), expected);
        let skipped = [&b"\x50\x2a\x4d\x18\x01\x00\x00\x00x"[..], &frame(b"a\n"), &frame(b"b\n\nc")].concat();
        assert_eq!(plain(&skipped), expected);
        assert_eq!(plain(b""), Vec::<String>::new());
        assert_eq!(plain(&gzip(b"")), Vec::<String>::new());
    }

    #[test]
    fn a_line_that_is_too_long_costs_that_line() {
        let limits = Limits { line_bytes: 4, ..Limits::default() };
        let (texts, _, stopped) = read(b"1234\r\n12345\n123456789\n\nab\n1234567", limits);
        assert!(stopped.is_none());
        let kept: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(kept, [Some("1234"), None, None, Some(""), Some("ab"), None]);
        let file = write(b"123456789\n1234567");
        let block = Lines::open(file.path(), limits).unwrap().next_block().unwrap().unwrap();
        let lengths: Vec<u64> = block.iter().map(|l| l.text.unwrap_err().bytes).collect();
        assert_eq!(lengths, [9, 7]);
    }

    #[test]
    fn says_when_the_last_line_is_still_being_written() {
        for (text, unfinished) in [("a\nb", true), ("a\nb\n", false)] {
            let file = write(text.as_bytes());
            let block = Lines::open(file.path(), Limits::default()).unwrap().next_block().unwrap().unwrap();
            assert_eq!(block.unfinished, unfinished);
        }
    }

    #[test]
    fn a_source_names_one_content() {
        let file = |lines: usize, changed: Option<usize>| -> String {
            (0..lines).map(|i| if changed == Some(i) { "changed\n".to_owned() } else { format!("line {i}\n") }).collect()
        };
        let sources = |text: &str| read(text.as_bytes(), Limits::default()).1;
        let (short, long) = (file(3 * BLOCK_LINES + 5, None), file(5 * BLOCK_LINES + 5, None));
        let first = sources(&short);
        assert_eq!(first.len(), 4);
        // The same again, under another name, with Windows line ends, packed.
        assert_eq!(sources(&short), first);
        assert_eq!(sources(&short.replace('\n', "\r\n")), first);
        assert_eq!(read(&gzip(short.as_bytes()), Limits::default()).1, first);
        // Grown: full blocks keep their names, the last one gets a new one.
        let grown = sources(&long);
        assert_eq!(grown[..3], first[..3]);
        assert_ne!(grown[3], first[3]);
        // Another content: from the block of the change on, all names are others.
        let other = sources(&file(3 * BLOCK_LINES + 5, Some(BLOCK_LINES + 7)));
        assert_eq!(other[0], first[0]);
        assert!(other[1..].iter().all(|s| !first.contains(s)));
    }

    #[test]
    fn a_block_is_bounded_by_bytes() {
        let line = "x".repeat(1 << 20);
        let text = format!("{line}\n").repeat(10);
        let (texts, sources, _) = read(text.as_bytes(), Limits::default());
        assert_eq!((texts.len(), sources.len()), (10, 3));
    }

    #[test]
    fn a_growing_file_can_be_read_on() {
        let mut file = write(b"a\nb\n");
        let mut lines = Lines::open(file.path(), Limits::default()).unwrap();
        assert_eq!(lines.next_block().unwrap().unwrap().len(), 2);
        assert!(lines.next_block().unwrap().is_none());
        file.write_all(b"c\n").unwrap();
        let block = lines.next_block().unwrap().unwrap();
        assert_eq!((block.first, block.len()), (2, 1));
        assert_eq!((lines.read(), lines.total()), (6, Some(4)));
    }

    #[test]
    fn stops_at_bombs_and_damage() {
        let bomb = gzip(&vec![b'x'; 70 << 20]);
        let (_, _, stopped) = read(&bomb, Limits { line_bytes: 100, ..Limits::default() });
        assert!(matches!(stopped, Some(Error::Bomb { .. })), "{stopped:?}");
        let lines = "line\n".repeat(100_000);
        let (texts, _, stopped) = read(&gzip(lines.as_bytes()), Limits { unpacked_bytes: 300_000, ..Limits::default() });
        assert!(matches!(stopped, Some(Error::Bomb { .. })), "{stopped:?}");
        assert!(!texts.is_empty());
        let mut cut = gzip(b"a\nb\nc\n");
        cut.truncate(cut.len() - 4);
        let (texts, _, stopped) = read(&cut, Limits::default());
        assert!(matches!(stopped, Some(Error::Read { line: 3, .. })), "{stopped:?}");
        assert_eq!(texts.len(), 3);
        let (_, _, stopped) = read(b"\xff\xfea\0", Limits::default());
        assert!(matches!(stopped, Some(Error::Utf16 { .. })));
        assert!(matches!(Lines::open(Path::new("/nowhere/at/all"), Limits::default()), Err(Error::Open { .. })));
    }
}
