//! Tenant days: when a date ends, when it closes, and how local time is told (DETECTION.md §1).

use std::collections::BTreeMap;

use crate::{
    directory::Zone,
    event::{DAY_MS, Date, HOUR_MS, Timestamp},
};

/// A manager-day is cut at this local hour, so that a night's work stays in one day.
pub(super) const CUT_HOUR: u8 = 5;
/// A zone's offset changes at most at quarters of an hour.
const QUARTER_MS: i64 = HOUR_MS / 4;
/// Ends of dates kept at hand.
const ENDS: usize = 64;

/// Zones, watermark and closed dates of a tenant.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The first is the tenant's.
    clocks: Vec<Clock>,
    by_name: BTreeMap<String, usize>,
    lateness_ms: i64,
    ends: BTreeMap<Date, i64>,
    watermark: Option<Timestamp>,
    /// This date and all before it are closed; that is never taken back, whatever zones come later.
    closed: Option<Date>,
    /// The watermark that closes the next date.
    next: i64,
}

/// A zone and its offset in the quarter of an hour asked about last.
#[derive(Debug)]
struct Clock {
    zone: Zone,
    quarter: i64,
    offset_ms: i64,
}

impl Calendar {
    pub(super) fn new(zone: &str, lateness_ms: i64) -> Self {
        let mut calendar = Self {
            clocks: Vec::new(),
            by_name: BTreeMap::new(),
            lateness_ms,
            ends: BTreeMap::new(),
            watermark: None,
            closed: None,
            next: i64::MIN,
        };
        calendar.zone(Some(zone));
        calendar
    }

    /// Another zone of the tenant, or another lateness. All zones must be named anew.
    pub(super) fn reset(&mut self, zone: &str, lateness_ms: i64) {
        *self = Self { watermark: self.watermark, closed: self.closed, ..Self::new(zone, lateness_ms) };
    }

    /// Watermark and last closed date as they were saved.
    pub(super) fn resume(&mut self, watermark: Option<Timestamp>, closed: Option<Date>) {
        (self.watermark, self.closed, self.next) = (watermark, closed, i64::MIN);
    }

    /// The number under which a zone is known here; what is no zone is the tenant's.
    pub(super) fn zone(&mut self, name: Option<&str>) -> usize {
        let Some(name) = name else { return 0 };
        if let Some(i) = self.by_name.get(name) {
            return *i;
        }
        let zone = match Zone::get(name) {
            Ok(zone) => zone,
            Err(_) if self.clocks.is_empty() => Zone::UTC,
            Err(_) => return 0,
        };
        let i = self.clocks.len();
        self.clocks.push(Clock { zone, quarter: i64::MIN, offset_ms: 0 });
        self.by_name.insert(name.to_owned(), i);
        self.ends.clear();
        self.next = i64::MIN;
        i
    }

    pub(super) fn zone_of(&self, i: usize) -> &Zone {
        &self.clocks[i].zone
    }

    /// The wall clock of a zone, as milliseconds since 1970-01-01T00:00 local.
    pub(super) fn local_ms(&mut self, zone: usize, t: Timestamp) -> i64 {
        let clock = &mut self.clocks[zone];
        let quarter = t.millis().div_euclid(QUARTER_MS);
        if clock.quarter != quarter {
            (clock.quarter, clock.offset_ms) = (quarter, clock.zone.offset_ms(t));
        }
        t.millis() + clock.offset_ms
    }

    /// The greatest event time so far.
    pub(super) fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    /// The last closed date.
    pub(super) fn closed(&self) -> Option<Date> {
        self.closed
    }

    /// Raises the watermark; true when dates closed.
    pub(super) fn raise(&mut self, t: Timestamp) -> bool {
        let watermark = self.watermark.map_or(t, |w| w.max(t));
        self.watermark = Some(watermark);
        let due = watermark.millis() - self.lateness_ms;
        if watermark.millis() < self.next {
            return false;
        }
        // Three days later a date is over in every zone, and none is over before it has begun.
        let today = date(due).0;
        let over = Date(today - 3);
        let before = self.closed;
        let mut closed = before.map_or(over, |c| c.max(over));
        while closed.0 < today && self.end(Date(closed.0 + 1)) <= due {
            closed.0 += 1;
        }
        self.next = self.end(Date(closed.0 + 1)) + self.lateness_ms;
        self.closed = Some(closed);
        before != self.closed
    }

    pub(super) fn is_closed(&self, date: Date) -> bool {
        self.closed.is_some_and(|c| date <= c)
    }

    /// The latest end of a date among the zones of the tenant and its users, milliseconds.
    pub(super) fn end(&mut self, date: Date) -> i64 {
        if let Some(end) = self.ends.get(&date) {
            return *end;
        }
        if self.ends.len() >= ENDS {
            self.ends.clear();
        }
        let next = Date(date.0 + 1);
        let end = self.clocks.iter().map(|c| c.zone.instant(next, CUT_HOUR, 0).millis()).max().expect("the tenant's zone");
        self.ends.insert(date, end);
        end
    }
}

/// The date of a wall clock.
pub(super) fn date(local_ms: i64) -> Date {
    Date(i32::try_from(local_ms.div_euclid(DAY_MS)).expect("four-digit years"))
}

/// The manager-day of a wall clock, milliseconds since 1970-01-01T00:00 local.
pub fn manager_day(local_ms: i64) -> Date {
    date(local_ms - i64::from(CUT_HOUR) * HOUR_MS)
}

/// The hour of the week of a wall clock, Monday 00 first.
pub(super) fn hour_of_week(local_ms: i64) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((local_ms.div_euclid(HOUR_MS) + 72).rem_euclid(168)).expect("not negative")
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
    fn a_date_closes_when_the_last_zone_is_done_with_it() {
        let mut c = Calendar::new("Europe/Moscow", 6 * HOUR_MS);
        assert!(c.raise(at("2026-03-02T12:00:00Z")), "the past is closed at once");
        assert_eq!(c.closed(), Some(day("2026-03-01")), "it ended at 02:00 UTC");
        assert!(!c.raise(at("2026-03-03T07:59:59.999Z")));
        assert!(c.raise(at("2026-03-03T08:00:00Z")));
        c.zone(Some("America/New_York"));
        assert!(!c.raise(at("2026-03-04T15:59:59.999Z")), "05:00 there and six hours");
        assert!(c.raise(at("2026-03-04T16:00:00Z")));
        assert!(c.is_closed(day("2026-03-03")) && !c.is_closed(day("2026-03-04")));
    }

    #[test]
    fn what_is_closed_stays_closed() {
        let mut c = Calendar::new("Asia/Tokyo", 0);
        c.raise(at("2026-03-04T20:00:00Z"));
        assert_eq!(c.closed(), Some(day("2026-03-04")));
        c.reset("America/Los_Angeles", 48 * HOUR_MS);
        assert!(!c.raise(at("2026-03-04T21:00:00Z")));
        assert_eq!(c.closed(), Some(day("2026-03-04")));
        c.raise(at("2026-03-08T11:59:59Z"));
        assert_eq!(c.closed(), Some(day("2026-03-04")));
        c.raise(at("2026-03-08T13:00:00Z"));
        assert_eq!(c.closed(), Some(day("2026-03-05")), "05:00 in Los Angeles is 13:00 UTC");
    }

    #[test]
    fn dates_are_cut_at_five_on_the_days_on_which_clocks_change() {
        for (zone, date, end, hours) in [
            ("Europe/Berlin", "2026-03-28", "2026-03-29T03:00:00Z", 23),
            ("Europe/Berlin", "2026-10-24", "2026-10-25T04:00:00Z", 25),
            ("America/New_York", "2026-03-07", "2026-03-08T09:00:00Z", 23),
            ("America/New_York", "2026-10-31", "2026-11-01T10:00:00Z", 25),
            // Clocks were changed on such a day until 2018, and are not any more.
            ("America/Sao_Paulo", "2018-11-03", "2018-11-04T07:00:00Z", 23),
            ("America/Sao_Paulo", "2019-11-02", "2019-11-03T08:00:00Z", 24),
        ] {
            let mut c = Calendar::new(zone, 0);
            let end = at(end);
            assert_eq!(c.end(day(date)), end.millis(), "{zone} {date}");
            let begin = end.plus(-hours * HOUR_MS);
            for (t, expected) in
                [(begin.plus(-1), day(date).0 - 1), (begin, day(date).0), (end.plus(-1), day(date).0), (end, day(date).0 + 1)]
            {
                assert_eq!(manager_day(c.local_ms(0, t)), Date(expected), "{zone} {t}");
            }
            c.raise(end.plus(-1));
            assert!(!c.is_closed(day(date)), "{zone} {date}");
            c.raise(end);
            assert!(c.is_closed(day(date)), "{zone} {date}");
        }
    }

    #[test]
    fn a_leap_over_years_is_no_walk() {
        let mut c = Calendar::new("UTC", 0);
        c.raise(at("2000-01-01T06:00:00Z"));
        c.raise(Timestamp::MAX);
        assert_eq!(c.closed(), Some(date(Timestamp::MAX.millis())));
    }

    #[test]
    fn nights_stay_in_one_day() {
        let local = |text: &str| at(text).millis();
        assert_eq!(manager_day(local("2026-03-02T04:59:59.999Z")), day("2026-03-01"));
        assert_eq!(manager_day(local("2026-03-02T05:00:00Z")), day("2026-03-02"));
        assert_eq!(hour_of_week(local("2026-03-02T00:00:00Z")), 0, "a Monday");
        assert_eq!(hour_of_week(local("2026-03-01T23:59:00Z")), 167);
    }
}
