//! Where the elements of a record go, out of their envelopes and through their format, each under its number.

use serde_json::{Map, Value};

use super::{
    Adapter, Around, Code, Fault, Inner, Normalised, Notes, Raw, Reject, Split, bound,
    envelope::{self, Marks, Op, Opened},
    shallow,
};

/// So many bytes of envelopes are repeated in the elements of any record.
const MAX_REPEATED: usize = 256 << 10;
/// How deep lists may stand in envelopes: an array of pages of records.
const MAX_NESTED: usize = 3;
/// The most elements of one raw record.
pub(super) const MAX_ELEMENTS: u32 = 200_000;

/// Where elements of one record go, each under its number.
pub(super) struct Sink<'a> {
    inner: &'a Inner,
    raw: &'a Raw<'a>,
    out: &'a mut Normalised,
    index: u32,
    /// What the record's headers say of each element.
    pub(super) marks: Marks,
    /// Bytes of envelopes that were repeated in their elements.
    repeated: usize,
}

impl<'a> Sink<'a> {
    pub(super) fn new(adapter: &'a Adapter, raw: &'a Raw<'a>, out: &'a mut Normalised) -> Self {
        Self { inner: &adapter.0, raw, out, index: 0, marks: Marks::default(), repeated: 0 }
    }

    pub(super) fn blank(&mut self) {
        self.out.skipped += 1;
    }

    pub(super) fn reject(&mut self, fault: Fault) {
        self.out.rejects.push(Reject { index: self.index, code: fault.code, reason: fault.reason });
        self.index += 1;
    }

    /// False when no more are taken.
    pub(super) fn open(&self) -> bool {
        self.index < MAX_ELEMENTS
    }

    /// The rest is too much.
    pub(super) fn too_many(&mut self) {
        let reason = format!("the record has more than {MAX_ELEMENTS} elements: the rest is not read");
        self.reject(Fault::new(Code::TooMany, reason));
    }

    /// Takes the next element, which has so many bytes or less.
    fn element(&mut self, element: Map<String, Value>, size: usize, marks: &Marks) {
        match self.inner.format.split(element) {
            Split::One(element) => self.one(element, size, marks),
            Split::Many(elements) => {
                for element in elements {
                    if !self.open() {
                        self.too_many();
                        return;
                    }
                    self.one(element, size, marks);
                }
            }
        }
    }

    fn one(&mut self, element: Map<String, Value>, size: usize, marks: &Marks) {
        let complained = self.out.complaints.len();
        let mut notes = Notes { index: self.index, complaints: &mut self.out.complaints };
        let around = Around { binding: &self.inner.binding, raw: self.raw, marks, index: self.index };
        let inserted = marks.change.as_ref().is_none_or(|c| c.op == Op::Create);
        let event = match inserted || self.inner.format.rows_change(marks) {
            true => self.inner.format.event(element, &around, &mut notes),
            false => Ok(None),
        };
        let bounded = event.and_then(|event| match event {
            Some(mut event) => {
                marks.keep(&mut event);
                bound::bound(&mut event, size + marks.size(), &mut notes).map(|()| Some(event))
            }
            None => Ok(None),
        });
        match bounded {
            Ok(event) => {
                self.out.events.extend(event.map(|e| (self.index, e)));
                self.index += 1;
            }
            Err(fault) => {
                self.out.complaints.truncate(complained);
                self.reject(fault);
            }
        }
    }

    /// Takes the next element, whatever it is.
    pub(super) fn value(&mut self, value: Value, size: usize) {
        if let Err(fault) = shallow(&value) {
            self.reject(fault);
            return;
        }
        let marks = std::mem::take(&mut self.marks);
        self.unpack(value, size, &marks, MAX_NESTED);
        self.marks = marks;
    }

    /// Opens the envelopes around a value; lists may stand in lists, `levels` deep.
    fn unpack(&mut self, value: Value, size: usize, marks: &Marks, levels: usize) {
        match envelope::open(value, marks) {
            Opened::Element(mut element, marks) => {
                // A large envelope around many small elements must not come out many times as large as it went in.
                self.repeated = self.repeated.saturating_add(marks.size());
                let trimmed = (self.repeated > MAX_REPEATED.max(4 * size)).then(|| marks.trimmed());
                let marks = trimmed.as_ref().unwrap_or(&marks);
                marks.put_beside(&mut element);
                self.element(element, size, marks);
            }
            Opened::Nothing => {
                self.blank();
                self.index += 1;
            }
            Opened::Bad(fault) => self.reject(fault),
            Opened::Many(..) if levels == 0 => {
                self.reject(Fault::new(Code::WrongType, "expected an object, found an array"));
            }
            Opened::Many(values, marks) => {
                for value in values {
                    if !self.open() {
                        self.too_many();
                        return;
                    }
                    self.unpack(value, size, &marks, levels - 1);
                }
            }
        }
    }
}
