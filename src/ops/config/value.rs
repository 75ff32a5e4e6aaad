//! Values as people write them: `6h`, `16MiB`, `a,b`, secrets.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer as _},
};

/// Something nobody may read in a log: `Debug`, `Display` and JSON hide it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into hiding.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this one; how long the answer takes does not tell how much of it was right.
    pub fn is(&self, other: &[u8]) -> bool {
        use sha2::{Digest, Sha256};
        use subtle::ConstantTimeEq;
        // Digests, so that not even the length shows.
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(other)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("(hidden)")
    }
}

/// A span of time with its unit: `500ms`, `30s`, `5m`, `6h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub(super) Duration);

const UNITS: [(&str, u64); 6] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        Some(Self(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*ms)?)))
    }
}

/// A span of time as configuration and flags write it.
///
/// # Errors
/// When it is none.
pub fn span(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|s| s.0).ok_or_else(|| WANTED_SPAN.to_owned())
}

/// A span of time in the largest unit that gives a whole number; two days are 48 h.
pub fn span_text(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let fits = |(name, unit): &&(&str, u64)| *name != "min" && ms.is_multiple_of(*unit) && (*name != "d" || ms > 2 * unit);
    let (name, unit) = UNITS.iter().find(fits).expect("every number is a multiple of 1 ms");
    if ms == 0 { "0s".to_owned() } else { format!("{}{name}", ms / unit) }
}

pub(super) fn serialize_span<S: Serializer>(span: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&span_text(*span))
}

/// How long rows of a kind are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Until somebody is erased.
    Forever,
    /// So long.
    For(Duration),
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Forever => s.serialize_str("forever"),
            Self::For(span) => serialize_span(span, s),
        }
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let span = Span::deserialize(text.into_deserializer()).map_err(|e: D::Error| de::Error::custom(format!("{e}, or \"forever\"")))?;
        Ok(Self::For(span.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d).map_err(|_| de::Error::custom(WANTED_SPAN))?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(WANTED_SPAN))
    }
}

const WANTED_SPAN: &str = "give a whole number with its unit, as in \"500ms\", \"30s\", \"5m\", \"6h\" or \"30d\"";

/// A number of bytes: `16777216`, `"16MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(pub(super) u64);

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        Some(Self(number.parse::<u64>().ok()?.checked_mul(1 << shift)?))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Scalar::deserialize(d).map_err(|_| de::Error::custom(WANTED_SIZE))?.0;
        Self::parse(&text).ok_or_else(|| de::Error::custom(WANTED_SIZE))
    }
}

const WANTED_SIZE: &str = "give a number of bytes, as in 65536, \"512KiB\", \"16MiB\" or \"2GiB\"";

/// A list of texts; `"a,b"` means the same as `["a", "b"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            Many(Vec<String>),
        }
        let all = match Form::deserialize(d).map_err(|_| de::Error::custom("give a list of texts, as in [\"a\", \"b\"] or \"a,b\""))? {
            Form::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Form::Many(all) => all,
        };
        Ok(Self(all.into_iter().filter(|text| !text.is_empty()).collect()))
    }
}

/// A text, number or truth value, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Ok(Self(value.to_string())),
            _ => Err(de::Error::custom("give a text, a number, true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let check = |text: &str, ms: Option<u64>| assert_eq!(Span::parse(text).map(|s| s.0), ms.map(Duration::from_millis), "{text}");
        check("500ms", Some(500));
        check("30 s", Some(30_000));
        check("5m", Some(300_000));
        check("5min", Some(300_000));
        check("6h", Some(21_600_000));
        check("30d", Some(2_592_000_000));
        for wrong in ["", "6", "h", "6 hours", "-1s", "1.5h", "99999999999999999999d", "9999999999999999d"] {
            check(wrong, None);
        }
        for text in ["500ms", "30s", "5m", "6h", "30d", "90s", "0s"] {
            assert_eq!(Span::parse(text).map(|s| span_text(s.0)).as_deref(), Some(text));
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(Size::parse(text).map(|s| s.0), bytes, "{text}");
        check("65536", Some(65_536));
        check("16MiB", Some(16 << 20));
        check("2 GiB", Some(2 << 30));
        for wrong in ["", "16MB", "-1", "1e3", "99999999999999999999"] {
            check(wrong, None);
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {}", serde_json::to_string(&secret).expect("a text")), "(hidden) \"(hidden)\"");
        assert!(secret.is(b"hunter2") && !secret.is(b"hunter") && !secret.is(b""));
    }
}
