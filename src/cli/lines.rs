//! JSON and JSONL files as arguments: plain, gzip or zstd, `-` for standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

/// A value per line; an empty line is none.
pub(super) fn parse<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let mut values = Vec::new();
    for (n, line) in open(path)?.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let text = if n == 0 { line.trim_start_matches('\u{feff}') } else { &line };
        if !text.trim().is_empty() {
            values.push(serde_json::from_str(text).with_context(|| format!("{} line {} cannot be used", path.display(), n + 1))?);
        }
    }
    Ok(values)
}

/// One value.
pub(super) fn whole<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).with_context(|| format!("{} cannot be used", path.display()))
}

/// The bytes without compression.
pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let cannot = || format!("cannot read {}", path.display());
    let raw: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(path).with_context(cannot)?) };
    let mut raw = BufReader::new(raw);
    let start = raw.fill_buf().with_context(cannot)?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(raw)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::new(zstd::Decoder::with_buffer(raw).with_context(cannot)?))
    } else {
        Box::new(raw)
    })
}
