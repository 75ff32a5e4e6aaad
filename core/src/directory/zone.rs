//! Local time. The tz database is compiled in, so that every machine and every replay sees the same hours.

use std::{fmt, sync::LazyLock};

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Error,
    rows::{Span, When},
};
use crate::event::{DAY_MS, Date, Timestamp};

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// An IANA time zone. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of a name such as `Europe/Moscow`.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn get(name: &str) -> Result<Self, Error> {
        DATABASE.get(name).map(Self).map_err(|_| Error::Zone(name.to_owned()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What is added to UTC at an instant, milliseconds.
    pub fn offset_ms(&self, t: Timestamp) -> i64 {
        i64::from(self.0.to_offset(instant(t)).seconds()) * 1000
    }

    /// The wall clock at an instant, as milliseconds since 1970-01-01T00:00 local.
    pub fn local_ms(&self, t: Timestamp) -> i64 {
        t.millis() + self.offset_ms(t)
    }

    /// The local calendar date at an instant.
    pub fn date(&self, t: Timestamp) -> Date {
        Date(i32::try_from(self.local_ms(t).div_euclid(DAY_MS)).expect("four-digit years"))
    }

    /// The local hour and minute at an instant.
    pub fn clock(&self, t: Timestamp) -> (u8, u8) {
        let minutes = self.local_ms(t).rem_euclid(DAY_MS) / 60_000;
        let part = |n: i64| u8::try_from(n).expect("an hour or a minute");
        (part(minutes / 60), part(minutes % 60))
    }

    /// The instant at which clocks show `hour`:`minute` of a date. What they show twice means the first time; what they
    /// skip is read with the offset from before the change (as RFC 5545 and Python's `fold=0` do).
    pub fn instant(&self, date: Date, hour: u8, minute: u8) -> Timestamp {
        let wall = Timestamp::from_millis(i64::from(date.0) * DAY_MS).plus((i64::from(hour) * 60 + i64::from(minute)) * 60_000);
        let civil = Offset::UTC.to_datetime(instant(wall));
        self.0.to_ambiguous_timestamp(civil).compatible().map_or(wall, |t| Timestamp::from_millis(t.as_millisecond()))
    }

    /// The first instant of a day, or the instant itself.
    pub fn start(&self, when: When) -> Timestamp {
        match when {
            When::Instant(t) => t,
            When::Day(d) => self.instant(d, 0, 0),
        }
    }

    /// The end of a span: an instant itself; of a day, the first instant of the next one.
    pub fn end(&self, when: When) -> Timestamp {
        match when {
            When::Instant(t) => t,
            When::Day(d) => self.instant(Date(d.0.saturating_add(1)), 0, 0),
        }
    }

    /// Whether an instant lies within a span.
    pub fn covers(&self, span: &Span, t: Timestamp) -> bool {
        self.start(span.from) <= t && t < self.end(span.to)
    }
}

/// jiff ends a day before the year 9999 does.
fn instant(t: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(t.millis()).unwrap_or(jiff::Timestamp::MAX)
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::get(&name).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn day(text: &str) -> Date {
        Date::parse(text).expect(text)
    }

    #[test]
    fn knows_zones_by_name() {
        assert_eq!(Zone::get("Europe/Moscow").expect("there is one").name(), "Europe/Moscow");
        assert_eq!(Zone::get("UTC").expect("there is one"), Zone::UTC);
        let error = Zone::get("Europe/Moskva").expect_err("there is none");
        assert!(error.to_string().contains("Europe/Moskva"), "{error}");
    }

    #[test]
    fn follows_both_changes_of_the_clock() {
        let check = |zone: &str, date: &str, hour: u8, minute: u8, expected: &str| {
            let zone = Zone::get(zone).expect(zone);
            assert_eq!(zone.instant(day(date), hour, minute), at(expected), "{zone} {date} {hour}:{minute}");
        };
        check("Europe/Moscow", "2026-03-29", 5, 0, "2026-03-29T02:00:00Z");
        check("Europe/Berlin", "2026-03-28", 5, 0, "2026-03-28T04:00:00Z");
        check("Europe/Berlin", "2026-03-29", 5, 0, "2026-03-29T03:00:00Z");
        // 02:30 is skipped: the offset from before gives 03:30 of summer.
        check("Europe/Berlin", "2026-03-29", 2, 30, "2026-03-29T01:30:00Z");
        // 02:30 comes twice: the first.
        check("Europe/Berlin", "2026-10-25", 2, 30, "2026-10-25T00:30:00Z");
        check("Europe/Berlin", "2026-10-25", 3, 0, "2026-10-25T02:00:00Z");
        check("America/New_York", "2026-03-08", 2, 0, "2026-03-08T07:00:00Z");
        check("America/New_York", "2026-11-01", 1, 30, "2026-11-01T05:30:00Z");
        // Midnight itself is skipped here: the day begins at the change.
        check("Africa/Cairo", "2026-04-24", 0, 0, "2026-04-23T22:00:00Z");
    }

    #[test]
    fn offsets_change_at_the_very_instant() {
        let berlin = Zone::get("Europe/Berlin").expect("there is one");
        assert_eq!(berlin.offset_ms(at("2026-03-29T00:59:59.999Z")), 3_600_000);
        assert_eq!(berlin.offset_ms(at("2026-03-29T01:00:00Z")), 7_200_000);
        assert_eq!(berlin.clock(at("2026-03-29T01:00:00Z")), (3, 0));
        assert_eq!(berlin.offset_ms(at("2060-07-01T00:00:00Z")), 7_200_000, "far beyond the table of the database");
        assert_eq!(Zone::get("Asia/Kathmandu").expect("there is one").clock(at("2026-01-01T00:00:00Z")), (5, 45));
    }

    #[test]
    fn extremes_do_not_panic() {
        let far = Zone::get("Pacific/Kiritimati").expect("there is one");
        for t in [Timestamp::MIN, Timestamp::MAX] {
            far.local_ms(t);
            far.date(t);
        }
        for date in [Date(i32::MIN), Date(i32::MAX)] {
            far.instant(date, 23, 59);
            far.end(When::Day(date));
        }
    }

    #[test]
    fn a_plain_end_includes_its_day() {
        let new_york = Zone::get("America/New_York").expect("there is one");
        let span = Span { from: When::Day(day("2026-03-07")), to: When::Day(day("2026-03-08")) };
        assert!(!new_york.covers(&span, at("2026-03-07T04:59:59.999Z")));
        assert!(new_york.covers(&span, at("2026-03-07T05:00:00Z")));
        assert!(new_york.covers(&span, at("2026-03-09T03:59:59.999Z")), "the day had 23 hours");
        assert!(!new_york.covers(&span, at("2026-03-09T04:00:00Z")));
        let instants = Span { from: When::Instant(at("2026-03-07T10:00:00Z")), to: When::Instant(at("2026-03-07T11:00:00Z")) };
        assert!(!new_york.covers(&instants, at("2026-03-07T11:00:00Z")), "half-open");
    }
}
