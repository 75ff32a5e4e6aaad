//! Instants and dates. Milliseconds since 1970 UTC; what a source gives beyond them is cut off, not rounded.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// A day in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A local date: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// The text is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no RFC 3339 time")]
pub struct ParseTimeError(String);

impl Timestamp {
    /// Before everything.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// After everything that can be written with four digits of a year.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since 1970, clamped to the years 1 to 9999.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This instant moved by some milliseconds, clamped like [`Timestamp::from_millis`].
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// Reads RFC 3339 (offset required) or a plain date, which means midnight UTC.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        if let Some(ms) = canonical(text.as_bytes()) {
            return Ok(Self(ms));
        }
        let wrong = || ParseTimeError(text.chars().take(60).collect());
        if text.len() == 10 {
            return Date::parse(text).map(Date::midnight_utc).ok_or_else(wrong);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        // Floor, so that an instant before 1970 is cut off the same way.
        let ms = instant.as_nanosecond().div_euclid(1_000_000);
        i64::try_from(ms).map(Self::from_millis).map_err(|_| wrong())
    }
}

/// The form that Filin writes, `2026-01-12T06:00:03.120Z`, read without a general parser: it is most of all input.
fn canonical(b: &[u8]) -> Option<i64> {
    if b.len() != 24 || b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' || b[19] != b'.' || b[23] != b'Z' {
        return None;
    }
    let number =
        |from: usize, to: usize| b[from..to].iter().try_fold(0_i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')));
    let date = Date::from_ymd(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let (h, m, s) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    (h < 24 && m < 60 && s < 60).then_some(())?;
    Some(i64::from(date.0) * DAY_MS + h * HOUR_MS + m * 60_000 + s * 1000 + number(20, 23)?)
}

impl Date {
    /// The date of a calendar day, if there is such a day in the years 1 to 9999.
    pub fn from_ymd(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => return None,
        };
        if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
            return None;
        }
        // Days from civil, counted in years that begin in March (H. Hinnant, "chrono-compatible low-level date algorithms").
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let year_of_era = y - era * 400;
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        i32::try_from(era * 146_097 + day_of_era - 719_468).ok().map(Self)
    }

    /// Year, month and day.
    pub fn ymd(self) -> (i32, i32, i32) {
        let z = self.0 + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z - era * 146_097;
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
        (yoe + era * 400 + i32::from(month <= 2), month, day)
    }

    /// Reads `2026-01-12`.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        let digits = |r: std::ops::Range<usize>| text.get(r).filter(|t| t.bytes().all(|c| c.is_ascii_digit()))?.parse().ok();
        (b.len() == 10 && b[4] == b'-' && b[7] == b'-').then_some(())?;
        Self::from_ymd(digits(0..4)?, digits(5..7)?, digits(8..10)?)
    }

    /// Midnight UTC of this date.
    pub fn midnight_utc(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * DAY_MS)
    }

    /// 0 is Monday.
    pub fn weekday(self) -> i32 {
        (self.0 + 3).rem_euclid(7)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, m, d) = self.ymd();
        write!(f, "{y:04}-{m:02}-{d:02}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let date = Date(i32::try_from(days).expect("clamped to four-digit years"));
        let (h, m, s) = (ms / HOUR_MS, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{date}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1000)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
            Self::parse(&text).map_err(D::Error::custom)
        } else {
            i64::deserialize(d).map(Self::from_millis)
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i32(self.0) }
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
            Self::parse(&text).ok_or_else(|| D::Error::custom("no date"))
        } else {
            i32::deserialize(d).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["2000-02-29T23:59:59.999Z", "1969-12-31T23:59:59.999Z", "2026-11-25T02:24:35.000Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn cuts_off_and_converts() {
        let check = |text: &str, expected: &str| assert_eq!(Timestamp::parse(text).expect(text).to_string(), expected);
        check("2026-01-12T09:00:00.9999+03:00", "2026-01-12T06:00:00.999Z");
        check("2026-01-12", "2026-01-12T00:00:00.000Z");
        check("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z");
        for wrong in ["", "2026-02-30", "2026-01-12T09:00:00", "yesterday", "2026-13-01T00:00:00.000Z", "2026-01-12T24:00:00.000Z"] {
            assert!(Timestamp::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn knows_weekdays() {
        assert_eq!(Date::parse("1970-01-01").map(Date::weekday), Some(3));
        assert_eq!(Date::parse("2026-11-25").map(Date::weekday), Some(2));
    }
}
