//! A file in batches that can stand alone: blocks of lines as they are (numbers count, so blank ones are kept), rows of CSV under
//! their header, a JSON document that somebody indented as one.

use std::{collections::VecDeque, path::Path};

use anyhow::bail;
use bytes::Bytes;
use serde::de::IgnoredAny;

use super::send::Batch;
use crate::source::file::{Block, Error, Limits, Lines};

/// The longest row of CSV and the longest JSON document over many lines, bytes.
const LONGEST: (usize, usize) = (16 << 20, 48 << 20);

/// A file or standard input in batches.
pub(super) struct Batches {
    lines: Lines,
    /// A row that holds this cell is a header.
    marker: Option<&'static str>,
    shape: Shape,
    header: Option<Bytes>,
    /// What the next block goes on with: a row whose quotes are open, or all of a document so far.
    held: Option<Batch>,
    ready: VecDeque<Batch>,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Nothing but blank lines yet.
    Unknown,
    /// One record a line.
    Lines,
    /// Rows under a header, which may go over several lines.
    Table,
    /// One JSON value over many lines.
    Document,
}

impl Batches {
    /// A row that holds the cell `marker` is a header.
    pub(super) fn open(path: &Path, marker: Option<&'static str>) -> Result<Self, Error> {
        let lines = Lines::open(path, Limits::default())?;
        Ok(Self { lines, marker, shape: Shape::Unknown, header: None, held: None, ready: VecDeque::new(), done: false })
    }

    /// Bytes of the file, as it lies there, that were read so far, and all of them.
    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        (self.lines.read(), self.lines.total())
    }

    /// The next batch; none at the end.
    pub(super) fn next_batch(&mut self) -> anyhow::Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            match self.lines.next_block()? {
                Some(block) => self.take(&block)?,
                None if self.done => return Ok(None),
                None => {
                    self.done = true;
                    self.ready.extend(self.held.take());
                }
            }
        }
    }

    fn take(&mut self, block: &Block) -> anyhow::Result<()> {
        let fresh = |header: &Option<Bytes>, first| Batch { header: header.clone(), first, ..Batch::default() };
        let mut open = self.shape == Shape::Table && self.held.is_some();
        let mut batch = self.held.take().unwrap_or_else(|| fresh(&self.header, block.first));
        // A place is that of the last line, and so in this block.
        batch.source.clone_from(&block.source);
        let mut row = 0;
        for line in block.iter() {
            let text = line.text.unwrap_or_else(|e| {
                batch.too_long.push((line.number, e.to_string()));
                b""
            });
            if self.shape == Shape::Unknown {
                self.shape = self.shape_of(text.trim_ascii());
            }
            let ended = Bytes::from([text, b"\n"].concat());
            if self.shape == Shape::Table {
                if !open && self.is_header(text) {
                    self.header = Some(ended);
                    let full = std::mem::replace(&mut batch, fresh(&self.header, line.number + 1));
                    batch.source.clone_from(&block.source);
                    (batch.too_long, row) = (Vec::new(), 0);
                    self.ready.extend((!full.is_empty()).then_some(full));
                    continue;
                }
                open ^= odd_quotes(text);
            }
            batch.lines.push(ended);
            if !open {
                row = batch.lines.len();
            }
        }
        if self.shape == Shape::Document {
            batch.document = true;
            if batch.bytes() > LONGEST.1 {
                bail!("this is one JSON document of more than {} bytes: write one record a line", LONGEST.1);
            }
            self.held = Some(batch);
            return Ok(());
        }
        if open {
            let mut held = fresh(&batch.header, batch.first + u64::try_from(row)?);
            held.lines = batch.lines.split_off(row);
            // A quote that is never closed does not hold up a whole file.
            if held.bytes() > LONGEST.0 { batch.lines.append(&mut held.lines) } else { self.held = Some(held) }
        }
        self.ready.extend((!batch.is_empty()).then_some(batch));
        Ok(())
    }

    fn shape_of(&self, text: &[u8]) -> Shape {
        match text.first() {
            None => Shape::Unknown,
            Some(b'{' | b'[') if serde_json::from_slice::<IgnoredAny>(text).is_err_and(|e| e.is_eof()) => Shape::Document,
            Some(b'{' | b'[') => Shape::Lines,
            Some(_) if self.marker.is_some() => Shape::Table,
            Some(_) => Shape::Lines,
        }
    }

    fn is_header(&self, line: &[u8]) -> bool {
        let Some(marker) = self.marker else { return false };
        let row = csv::ReaderBuilder::new().has_headers(false).from_reader(line).into_byte_records().next();
        row.is_some_and(|row| row.is_ok_and(|row| row.iter().any(|cell| cell == marker.as_bytes())))
    }
}

/// Whether a line opens or closes a quoted cell.
pub(super) fn odd_quotes(line: &[u8]) -> bool {
    line.iter().filter(|&&b| b == b'"').count() % 2 == 1
}
