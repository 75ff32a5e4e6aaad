//! Compression both ways: what HTTP knows (gzip, deflate, zstd, lz4 frames; several members or frames in a row are one text) and
//! ClickHouse's own blocks (`compress=1`, `decompress=1`).

use std::io::{self, BufRead, BufReader, Read, Write};

use super::connection::Exception;

/// The largest block that is taken or made.
const MAX_BLOCK: usize = 64 << 20;
const BLOCK: usize = 1 << 20;
const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
const NONE: u8 = 0x02;

impl std::error::Error for Exception {}

impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Exception> for io::Error {
    fn from(exception: Exception) -> Self {
        Self::other(exception)
    }
}

impl From<io::Error> for Exception {
    fn from(e: io::Error) -> Self {
        match e.downcast::<Self>() {
            Ok(exception) => exception,
            Err(e) => corrupt(e),
        }
    }
}

fn corrupt(what: impl std::fmt::Display) -> Exception {
    Exception::new(271, "CANNOT_DECOMPRESS", format!("the body cannot be decompressed: {what}"))
}

/// Undoes a `Content-Encoding`.
pub(super) fn decode<'r>(encoding: &str, from: impl Read + 'r) -> Result<Box<dyn Read + 'r>, Exception> {
    Ok(match encoding {
        "" | "identity" => Box::new(from),
        "gzip" | "x-gzip" => Box::new(flate2::read::MultiGzDecoder::new(from)),
        "deflate" => Box::new(flate2::read::ZlibDecoder::new(from)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(from)?),
        "lz4" => Box::new(Frames::new(from)),
        other => {
            let message = format!("Content-Encoding {} is not supported: use gzip, deflate, zstd or lz4", other.escape_debug());
            return Err(Exception::new(48, "NOT_IMPLEMENTED", message));
        }
    })
}

/// All lz4 frames of a text, each by a decoder of its own. That decoder stops after a frame, and quietly within one that is cut.
struct Frames<R: Read> {
    /// None only while one frame follows the other.
    frame: Option<lz4_flex::frame::FrameDecoder<Watched<R>>>,
    /// Nothing of the frame was read yet.
    fresh: bool,
}

/// A reader that notes that somebody read past its end.
struct Watched<R> {
    from: BufReader<R>,
    passed: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.passed |= n == 0 && !buffer.is_empty();
        Ok(n)
    }
}

impl<R: Read> Frames<R> {
    fn new(from: R) -> Self {
        let watched = Watched { from: BufReader::new(from), passed: false };
        Self { frame: Some(lz4_flex::frame::FrameDecoder::new(watched)), fresh: true }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let frame = self.frame.as_mut().expect("it is there between two reads");
            if self.fresh && frame.get_mut().from.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.fresh = false;
            let n = frame.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let watched = self.frame.take().expect("it was just used").into_inner();
            let cut = watched.passed;
            self.frame = Some(lz4_flex::frame::FrameDecoder::new(watched));
            self.fresh = true;
            if cut {
                return Err(corrupt("a frame ends early").into());
            }
        }
    }
}

/// Undoes ClickHouse's blocks: a checksum, the codec, both sizes, the data.
pub(super) struct Blocks<R> {
    from: R,
    block: Vec<u8>,
    at: usize,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, block: Vec::new(), at: 0 }
    }

    /// Reads the next block; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM + HEADER];
        let mut have = 0;
        while have < head.len() {
            match self.from.read(&mut head[have..])? {
                0 if have == 0 => return Ok(false),
                0 => return Err(corrupt("a block ends early").into()),
                n => have += n,
            }
        }
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (method, packed, unpacked) = (head[CHECKSUM], number(CHECKSUM + 1), number(CHECKSUM + 5));
        if !(HEADER..=MAX_BLOCK).contains(&packed) || unpacked > MAX_BLOCK {
            return Err(corrupt("a block has an impossible size").into());
        }
        let mut summed = head[CHECKSUM..].to_vec();
        summed.resize(packed, 0);
        self.from.read_exact(&mut summed[HEADER..])?;
        if cityhash_rs::cityhash_102_128(&summed).rotate_right(64).to_le_bytes() != head[..CHECKSUM] {
            return Err(Exception::new(40, "CHECKSUM_DOESNT_MATCH", "a block's checksum does not match: corrupted data").into());
        }
        let data = &summed[HEADER..];
        self.block = match method {
            LZ4 => lz4_flex::block::decompress(data, unpacked).map_err(corrupt)?,
            ZSTD => zstd::bulk::decompress(data, unpacked).map_err(corrupt)?,
            NONE => data.to_vec(),
            other => return Err(Exception::new(89, "UNKNOWN_COMPRESSION_METHOD", format!("codec {other:#x} is not known")).into()),
        };
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.block.len() - self.at);
        buffer[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// At most so many bytes; one more is an error.
pub(super) struct Capped<R> {
    pub(super) from: R,
    pub(super) left: u64,
    pub(super) what: &'static str,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(Exception::new(307, "TOO_MANY_BYTES", format!("the request is too large {}", self.what)).into()),
        }
        Ok(n)
    }
}

/// How a response is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    /// ClickHouse's blocks.
    Blocks,
    Lz4,
    Zstd,
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding that an `Accept-Encoding` asks for.
    pub(super) fn accepted(header: &str) -> Self {
        let accepts = |name: &str| {
            header.split(',').any(|item| {
                let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
                let refused = parameters.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
                coding.trim().eq_ignore_ascii_case(name) && !refused
            })
        };
        let known = [("lz4", Self::Lz4), ("zstd", Self::Zstd), ("gzip", Self::Gzip), ("deflate", Self::Deflate)];
        known.into_iter().find(|(name, _)| accepts(name)).map_or(Self::Plain, |(_, coding)| coding)
    }

    /// The `Content-Encoding` that says so.
    pub(super) fn header(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Blocks => None,
            Self::Lz4 => Some("lz4"),
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
        }
    }
}

/// Compresses a response piece by piece.
pub(super) enum Encoder {
    Plain(Vec<u8>),
    Blocks(Vec<u8>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Deflate(flate2::write::ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        let fast = flate2::Compression::fast();
        Ok(match coding {
            Coding::Plain => Self::Plain(Vec::new()),
            Coding::Blocks => Self::Blocks(Vec::new()),
            Coding::Lz4 => Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::new(Vec::new()))),
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Coding::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), fast)),
            Coding::Deflate => Self::Deflate(flate2::write::ZlibEncoder::new(Vec::new(), fast)),
        })
    }

    /// Takes a piece and gives what is ready to be sent.
    pub(super) fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(out) => out.extend_from_slice(piece),
            Self::Blocks(out) => piece.chunks(BLOCK).for_each(|chunk| write_block(out, chunk)),
            Self::Lz4(e) => e.write_all(piece)?,
            Self::Zstd(e) => e.write_all(piece)?,
            Self::Gzip(e) => e.write_all(piece)?,
            Self::Deflate(e) => e.write_all(piece)?,
        }
        Ok(std::mem::take(match self {
            Self::Plain(out) | Self::Blocks(out) => out,
            Self::Lz4(e) => e.get_mut(),
            Self::Zstd(e) => e.get_mut(),
            Self::Gzip(e) => e.get_mut(),
            Self::Deflate(e) => e.get_mut(),
        }))
    }

    /// Gives the rest.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(out) | Self::Blocks(out) => Ok(out),
            Self::Lz4(e) => e.finish().map_err(io::Error::other),
            Self::Zstd(e) => e.finish(),
            Self::Gzip(e) => e.finish(),
            Self::Deflate(e) => e.finish(),
        }
    }
}

fn write_block(out: &mut Vec<u8>, data: &[u8]) {
    let packed = lz4_flex::block::compress(data);
    let size = |n: usize| u32::try_from(n).expect("a block is small").to_le_bytes();
    let mut block = Vec::with_capacity(HEADER + packed.len());
    block.push(LZ4);
    block.extend(size(HEADER + packed.len()));
    block.extend(size(data.len()));
    block.extend(packed);
    out.extend(cityhash_rs::cityhash_102_128(&block).rotate_right(64).to_le_bytes());
    out.extend(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u8> {
        (0..200_000_u32).flat_map(|i| format!("{i}\tmanager-{}\n", i % 300).into_bytes()).collect()
    }

    fn encode(coding: Coding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut encoder = Encoder::new(coding).unwrap();
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| encoder.push(piece).unwrap()).collect();
        out.extend(encoder.finish().unwrap());
        out
    }

    fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        from.read_to_end(&mut out).map(|_| out)
    }

    const HTTP: [(Coding, &str); 3] = [(Coding::Lz4, "lz4"), (Coding::Zstd, "zstd"), (Coding::Gzip, "gzip")];

    #[test]
    fn several_frames_are_one_text() {
        let text = text();
        for (coding, name) in HTTP {
            let frames: Vec<u8> = text.chunks(65_536).flat_map(|chunk| encode(coding, &[chunk])).collect();
            assert_eq!(read_all(decode(name, frames.as_slice()).unwrap()).unwrap(), text, "{name}");
        }
    }

    #[test]
    fn lz4_frames_of_any_size_and_cut_anywhere() {
        let text = text();
        let mut frames = Vec::new();
        for chunk in [&text[..10], &text[10..2_000_000], &text[2_000_000..2_000_100], &text[2_000_100..]] {
            frames.extend(encode(Coding::Lz4, &[chunk]));
        }
        assert_eq!(read_all(decode("lz4", frames.as_slice()).unwrap()).unwrap(), text);
        assert_eq!(read_all(decode("lz4", &b""[..]).unwrap()).unwrap(), b"");
        let small = [encode(Coding::Lz4, &[&text[..100]]), encode(Coding::Lz4, &[&text[100..300]])];
        let both = small.concat();
        for end in 0..=both.len() {
            let got = read_all(decode("lz4", &both[..end]).unwrap());
            let whole = end == 0 || end == small[0].len() || end == both.len();
            assert_eq!(got.is_ok(), whole, "{end} of {}", both.len());
        }
    }

    #[test]
    fn a_cut_text_is_an_error_not_a_shorter_text() {
        let text = text();
        for (coding, name) in HTTP {
            let mut frames: Vec<u8> = text.chunks(65_536).flat_map(|chunk| encode(coding, &[chunk])).collect();
            frames.truncate(frames.len() - 5);
            assert!(decode(name, frames.as_slice()).and_then(|d| Ok(read_all(d)?)).is_err(), "{name}");
        }
        let mut blocks = encode(Coding::Blocks, &[&text]);
        blocks.truncate(blocks.len() - 5);
        assert!(read_all(Blocks::new(blocks.as_slice())).is_err());
    }

    #[test]
    fn blocks_come_back_and_a_flipped_bit_is_seen() {
        let text = text();
        let mut blocks = encode(Coding::Blocks, &[&text[..10], &text[10..]]);
        assert_eq!(read_all(Blocks::new(blocks.as_slice())).unwrap(), text);
        blocks[100] ^= 1;
        let e = Exception::from(read_all(Blocks::new(blocks.as_slice())).unwrap_err());
        assert_eq!(e.code, 40);
        // An impossible size must not allocate.
        blocks[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Exception::from(read_all(Blocks::new(blocks.as_slice())).unwrap_err()).code, 271);
    }

    #[test]
    fn an_encoding_is_chosen_by_what_is_accepted() {
        for (header, coding) in [
            ("", Coding::Plain),
            ("br", Coding::Plain),
            ("gzip, deflate, br", Coding::Gzip),
            ("lz4;q=0, zstd", Coding::Zstd),
            ("gzip;q=0.5, LZ4", Coding::Lz4),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }

    #[test]
    fn a_cap_is_an_error_beyond_it() {
        let cap = |left| Capped { from: &b"12345"[..], left, what: "" };
        assert_eq!(read_all(cap(5)).unwrap(), b"12345");
        assert_eq!(Exception::from(read_all(cap(4)).unwrap_err()).code, 307);
    }
}
