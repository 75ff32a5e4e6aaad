//! Native blocks as newer clients expect them.
//!
//! libchdb writes Native at revision 0. A client that says `client_protocol_version=N` (clickhouse-go, and so Grafana) expects a
//! block info before each block and, from revision 54454, a byte after each type that says whether its serialisation is unusual.
//! Nothing else differs for the types known here; others are refused and must be cast to String in the query.

use super::connection::Exception;

/// From here on a byte follows each type.
const CUSTOM_SERIALIZATION: u64 = 54454;
/// Field 1 (overflows): no; field 2 (bucket): -1; end.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];

/// Rewrites whole blocks of revision 0 for `revision`.
pub(super) fn upgrade(blocks: &[u8], revision: u64) -> Result<Vec<u8>, Exception> {
    let mut from = Blocks { bytes: blocks, at: 0 };
    let mut to = Vec::with_capacity(blocks.len() + blocks.len() / 64 + 64);
    while from.at < blocks.len() {
        to.extend(BLOCK_INFO);
        let start = from.at;
        let (columns, rows) = (from.number()?, from.number()?);
        to.extend(&blocks[start..from.at]);
        for _ in 0..columns {
            let start = from.at;
            from.text()?;
            let name = from.text()?;
            to.extend(&blocks[start..from.at]);
            if revision >= CUSTOM_SERIALIZATION {
                to.push(0);
            }
            if rows > 0 {
                let start = from.at;
                let kind = Layout::of(std::str::from_utf8(name).map_err(|_| broken())?)?;
                kind.prefix(&mut from)?;
                kind.rows(rows, &mut from)?;
                to.extend(&blocks[start..from.at]);
            }
        }
    }
    Ok(to)
}

fn broken() -> Exception {
    Exception::new(33, "CANNOT_READ_ALL_DATA", "the engine wrote a Native block that cannot be read")
}

fn unsupported(name: &str) -> Exception {
    let message = format!("type {name} cannot be given to a client of this protocol version: cast it to String");
    Exception::new(48, "NOT_IMPLEMENTED", message)
}

struct Blocks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Exception> {
        let end = self.at.checked_add(n).ok_or_else(broken)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(broken)?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, n: usize, width: usize) -> Result<(), Exception> {
        self.take(n.checked_mul(width).ok_or_else(broken)?).map(|_| ())
    }

    /// A number of variable length.
    fn number(&mut self) -> Result<usize, Exception> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(number).map_err(|_| broken());
            }
        }
        Err(broken())
    }

    fn word(&mut self) -> Result<usize, Exception> {
        let bytes = self.take(8)?.try_into().expect("eight bytes");
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| broken())
    }

    fn text(&mut self) -> Result<&'a [u8], Exception> {
        let n = self.number()?;
        self.take(n)
    }
}

/// How the values of a type lie in a block.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    Fixed(usize),
    Text,
    Nullable(Box<Self>),
    Array(Box<Self>),
    Tuple(Vec<Self>),
    LowCardinality(Box<Self>),
}

impl Layout {
    fn of(name: &str) -> Result<Self, Exception> {
        let (base, arguments) = match name.split_once('(') {
            Some((base, rest)) => (base, arguments(rest.strip_suffix(')').ok_or_else(|| unsupported(name))?)),
            None => (name, Vec::new()),
        };
        let argument = |i: usize| arguments.get(i).copied().ok_or_else(|| unsupported(name));
        let of = |i: usize| Self::of(argument(i)?).map(Box::new);
        let number = |i: usize| argument(i)?.parse::<usize>().map_err(|_| unsupported(name));
        Ok(match base {
            "UInt8" | "Int8" | "Bool" | "Enum8" | "Nothing" => Self::Fixed(1),
            "UInt16" | "Int16" | "Date" | "Enum16" | "BFloat16" => Self::Fixed(2),
            "UInt32" | "Int32" | "Float32" | "Date32" | "DateTime" | "IPv4" | "Time" => Self::Fixed(4),
            "UInt64" | "Int64" | "Float64" | "DateTime64" | "Time64" => Self::Fixed(8),
            "UUID" | "IPv6" | "UInt128" | "Int128" => Self::Fixed(16),
            "UInt256" | "Int256" => Self::Fixed(32),
            "Decimal" => Self::Fixed(match number(0)? {
                0..=9 => 4,
                10..=18 => 8,
                19..=38 => 16,
                _ => 32,
            }),
            _ if base.starts_with("Interval") => Self::Fixed(8),
            "FixedString" => Self::Fixed(number(0)?),
            "String" => Self::Text,
            "Nullable" => Self::Nullable(of(0)?),
            "Array" => Self::Array(of(0)?),
            "LowCardinality" => Self::LowCardinality(of(0)?),
            "Map" => Self::Array(Box::new(Self::Tuple(vec![*of(0)?, *of(1)?]))),
            "SimpleAggregateFunction" => *of(1)?,
            "Tuple" => Self::Tuple(arguments.iter().map(|element| Self::element(element)).collect::<Result<_, _>>()?),
            "Nested" => Self::Array(Box::new(Self::Tuple(arguments.iter().map(|e| Self::element(e)).collect::<Result<_, _>>()?))),
            "Point" => Self::of("Tuple(Float64, Float64)")?,
            "Ring" | "LineString" => Self::of("Array(Point)")?,
            "Polygon" | "MultiLineString" => Self::of("Array(Ring)")?,
            "MultiPolygon" => Self::of("Array(Polygon)")?,
            _ => return Err(unsupported(name)),
        })
    }

    /// An element of a tuple: a type, or a name and a type.
    fn element(text: &str) -> Result<Self, Exception> {
        let quoted = text.strip_prefix('`').and_then(|rest| Some(rest.split_at(closing(rest)?).1.strip_prefix('`')?.trim()));
        if let Some(rest) = quoted {
            return Self::of(rest);
        }
        match text.split_once(' ') {
            Some((name, rest)) if !name.contains(['(', ',']) => Self::of(rest.trim()),
            _ => Self::of(text),
        }
    }

    /// What stands before the values: the version of each LowCardinality.
    fn prefix(&self, from: &mut Blocks<'_>) -> Result<(), Exception> {
        match self {
            Self::LowCardinality(_) => from.word().map(|_| ()),
            Self::Nullable(inner) | Self::Array(inner) => inner.prefix(from),
            Self::Tuple(elements) => elements.iter().try_for_each(|element| element.prefix(from)),
            Self::Fixed(_) | Self::Text => Ok(()),
        }
    }

    fn rows(&self, rows: usize, from: &mut Blocks<'_>) -> Result<(), Exception> {
        match self {
            Self::Fixed(width) => from.skip(rows, *width),
            Self::Text => (0..rows).try_for_each(|_| from.text().map(|_| ())),
            Self::Nullable(inner) => {
                from.skip(rows, 1)?;
                inner.rows(rows, from)
            }
            Self::Array(inner) => {
                from.skip(rows.saturating_sub(1), 8)?;
                let total = if rows > 0 { from.word()? } else { 0 };
                inner.rows(total, from)
            }
            Self::Tuple(elements) if elements.is_empty() => from.skip(rows, 1),
            Self::Tuple(elements) => elements.iter().try_for_each(|element| element.rows(rows, from)),
            Self::LowCardinality(inner) => {
                let values = match &**inner {
                    Self::Nullable(values) => values,
                    values => values,
                };
                // Without rows, as inside an array of empty arrays, nothing stands here.
                let mut left = rows;
                while left > 0 {
                    let flags = from.word()?;
                    for keys in [0x100, 0x200] {
                        if flags & keys != 0 {
                            let n = from.word()?;
                            values.rows(n, from)?;
                        }
                    }
                    let n = from.word()?;
                    from.skip(n, 1 << (flags & 3))?;
                    left = left.checked_sub(n).filter(|_| n > 0).ok_or_else(broken)?;
                }
                Ok(())
            }
        }
    }
}

/// Where the back-tick that ends a name stands.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&c) = bytes.get(at) {
        match c {
            b'\\' => at += 2,
            b'`' => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Splits at the commas that stand outside of brackets and quotes.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start, mut out) = (0, None, 0, Vec::new());
    let mut bytes = text.bytes().enumerate();
    while let Some((at, c)) = bytes.next() {
        match (quote, c) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'`') => quote = Some(c),
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            (None, b',') if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        out.push(last);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_with_names_and_quotes() {
        use Layout::*;
        let is = |name: &str, layout: Layout| assert_eq!(Layout::of(name).unwrap(), layout, "{name}");
        is("DateTime64(3, 'UTC')", Fixed(8));
        is("Enum8('a,b' = 1, 'c)\\'' = 2)", Fixed(1));
        is("Decimal(18, 4)", Fixed(8));
        is("LowCardinality(Nullable(String))", LowCardinality(Box::new(Nullable(Box::new(Text)))));
        is("Map(String, UInt32)", Array(Box::new(Tuple(vec![Text, Fixed(4)]))));
        is("Tuple(name String, `a, b` Array(UInt8), c Decimal(9, 2))", Tuple(vec![Text, Array(Box::new(Fixed(1))), Fixed(4)]));
        is("Tuple(UInt8, Array(Tuple(a Bool)))", Tuple(vec![Fixed(1), Array(Box::new(Tuple(vec![Fixed(1)])))]));
        is("Tuple()", Tuple(vec![]));
        for name in ["JSON", "Dynamic", "Variant(String, UInt8)", "AggregateFunction(uniq, UInt64)", "Array(", "FixedString(x)"] {
            assert_eq!(Layout::of(name).unwrap_err().code, 48, "{name}");
        }
    }

    #[test]
    fn a_block_gets_its_info_and_bytes() {
        // One column `a UInt8` with two rows, then one with none.
        let blocks = b"\x01\x02\x01a\x05UInt8\x07\x08\x01\x00\x01a\x05UInt8";
        let mut expected = BLOCK_INFO.to_vec();
        expected.extend(b"\x01\x02\x01a\x05UInt8\x00\x07\x08");
        expected.extend(BLOCK_INFO);
        expected.extend(b"\x01\x00\x01a\x05UInt8\x00");
        assert_eq!(upgrade(blocks, 54460).unwrap(), expected);
        let mut expected = BLOCK_INFO.to_vec();
        expected.extend(b"\x01\x02\x01a\x05UInt8\x07\x08");
        expected.extend(BLOCK_INFO);
        expected.extend(b"\x01\x00\x01a\x05UInt8");
        assert_eq!(upgrade(blocks, 54405).unwrap(), expected);
        assert!(upgrade(&blocks[..blocks.len() - 1], 54460).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            drop(upgrade(&bytes, 54460));
        }
    }
}
