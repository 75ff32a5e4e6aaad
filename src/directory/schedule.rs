//! Working hours in OpenStreetMap opening-hours syntax: the part of it that describes a week.
//!
//! `Mo-Fr 09:00-18:00; Sa 10:00-14:00; PH,Mo-Fr 20:00-05:00`. A range past midnight is a rostered night. Lists of ranges
//! (`09:00-13:00,14:00-18:00`), `off` and `24/7` are understood; public holidays are ignored.

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;

const DAY_MIN: i64 = 24 * 60;
const WEEK_MIN: i64 = 7 * DAY_MIN;
const WEEKDAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

/// A week of working hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    ranges: Vec<Range>,
}

/// What an hour is to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Working hours.
    Working,
    /// A rostered night.
    Rostered,
    /// Neither.
    Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes from the day's midnight.
    from: i64,
    to: i64,
    night: bool,
}

impl Schedule {
    /// Reads a schedule; what is not understood is left out and returned.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let text = text.replace(", ", ",");
        let (mut ranges, mut unknown) = (Vec::<Range>::new(), Vec::new());
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (days, times) = match part.rsplit_once(char::is_whitespace) {
                Some((days, times)) => (days.trim_end(), times),
                None if part.starts_with(|c: char| c.is_ascii_digit()) => ("Mo-Su", part),
                None => (part, ""),
            };
            let named = days.bytes().all(|b| b.is_ascii_alphabetic() || b == b',' || b == b'-');
            if part == "24/7" {
                ranges.push(Range { days: 0x7f, from: 0, to: DAY_MIN, night: false });
            } else if named && matches!(times, "off" | "closed") {
                let off = weekdays(days);
                ranges.iter_mut().for_each(|r| r.days &= !off);
            } else if let Some(times) = times.split(',').map(range).collect::<Option<Vec<_>>>().filter(|_| named) {
                let days = weekdays(days);
                ranges.extend(times.into_iter().map(|(from, to)| Range { days, from, to, night: to <= from }));
            } else {
                unknown.push(part.to_owned());
            }
        }
        (Self { ranges }, unknown)
    }

    /// Whether it names no hour at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.iter().all(|r| r.days == 0)
    }

    /// What the local wall clock's moment (milliseconds since 1970-01-01T00:00 local) is to this schedule; none when it
    /// names no hour at all.
    pub fn at(&self, local_ms: i64) -> Option<Shift> {
        if self.is_empty() {
            return None;
        }
        // 1970-01-01 was a Thursday.
        let minute = (local_ms.div_euclid(60_000) + 3 * DAY_MIN).rem_euclid(WEEK_MIN);
        let on = |night: bool| self.ranges.iter().any(|r| r.night == night && r.covers(minute));
        Some(if on(false) {
            Shift::Working
        } else if on(true) {
            Shift::Rostered
        } else {
            Shift::Out
        })
    }

    /// Hours of a week that are worked or rostered; an hour named twice is one.
    pub fn week_hours(&self) -> f64 {
        let minutes = (0..WEEK_MIN).filter(|minute| self.ranges.iter().any(|r| r.covers(*minute))).count();
        f64::from(u32::try_from(minutes).expect("minutes of a week")) / 60.0
    }

    /// How a week's work is expected to spread over its hours, Monday 00 first; sums to 1. An hour counts when a range
    /// covers any part of it: 1 for working hours, 0.25 for rostered nights, and 0.004 on top of every hour. Without any
    /// hour named, uniform.
    pub fn prior(&self) -> [f64; WEEK_HOURS] {
        let mut hours = [0.0_f64; WEEK_HOURS];
        for range in &self.ranges {
            let weight = if range.night { 0.25 } else { 1.0 };
            for day in (0..7).filter(|d| range.days >> d & 1 == 1) {
                let last = (range.to + 59).div_euclid(60) + if range.night { 24 } else { 0 };
                for hour in range.from / 60..last {
                    let i = usize::try_from((day * 24 + hour) % 168).expect("not negative");
                    hours[i] = hours[i].max(weight);
                }
            }
        }
        if self.is_empty() {
            hours = [1.0; WEEK_HOURS];
        }
        let raised = hours.map(|h| h + 0.004);
        let total = exact_sum(&raised);
        raised.map(|h| h / total)
    }
}

/// [`Schedule::prior`] of a text.
pub fn prior(text: &str) -> [f64; WEEK_HOURS] {
    Schedule::parse(text).0.prior()
}

/// [`Schedule::at`] of a text.
pub fn at(text: &str, local_ms: i64) -> Option<Shift> {
    Schedule::parse(text).0.at(local_ms)
}

impl Range {
    fn covers(&self, minute: i64) -> bool {
        let length = self.to - self.from + if self.night { DAY_MIN } else { 0 };
        (0..7).filter(|d| self.days >> d & 1 == 1).any(|d| (minute - d * DAY_MIN - self.from).rem_euclid(WEEK_MIN) < length)
    }
}

/// `PH,Mo-We,Sa` as bits; names other than weekdays count for nothing.
fn weekdays(text: &str) -> u8 {
    let of = |name: Option<&str>| WEEKDAYS.iter().position(|d| Some(*d) == name);
    let mut bits = 0;
    for item in text.split(',') {
        let Some(first) = of(item.get(..2)) else { continue };
        let last = of(item.get(3..5)).unwrap_or(first);
        for i in 0..=(last + 7 - first) % 7 {
            bits |= 1 << ((first + i) % 7);
        }
    }
    bits
}

/// `09:00-18:00` in minutes; people also write `9:00-18:00` and `9-18`.
fn range(text: &str) -> Option<(i64, i64)> {
    let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse::<i64>().ok())?;
    let minutes = |t: &str| {
        let (hour, minute) = t.split_once(':').unwrap_or((t, "00"));
        (matches!(hour.len(), 1 | 2) && minute.len() == 2).then_some(())?;
        Some(number(hour)? * 60 + number(minute).filter(|m| *m < 60)?)
    };
    let (from, to) = text.split_once('-')?;
    Some((minutes(from)?, minutes(to)?))
}

/// The sum, rounded once. All summands lie in [0.004, 1.004], so each is a multiple of 2^-61.
fn exact_sum(values: &[f64]) -> f64 {
    const UNIT: f64 = (1_u64 << 61) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "multiples of the unit, and positive")]
    let sum: u128 = values.iter().map(|v| (v * UNIT) as u128).sum();
    sum as f64 / UNIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    fn shift(text: &str, local: &str) -> Option<Shift> {
        at(text, Timestamp::parse(&format!("{local}:00Z")).expect(local).millis())
    }

    #[test]
    fn tells_shifts_by_the_minute() {
        let text = "Mo-Fr 09:00-17:30; PH,Sa 10:00-14:00; Su 20:00-05:00";
        for (local, expected) in [
            ("2026-01-12T08:59", Shift::Out),
            ("2026-01-12T09:00", Shift::Working),
            ("2026-01-12T17:29", Shift::Working),
            ("2026-01-12T17:30", Shift::Out),
            ("2026-01-17T13:59", Shift::Working),
            ("2026-01-18T13:00", Shift::Out),
            ("2026-01-18T20:00", Shift::Rostered),
            ("2026-01-19T04:59", Shift::Rostered),
            ("2026-01-19T05:00", Shift::Out),
        ] {
            assert_eq!(shift(text, local), Some(expected), "{local}");
        }
        assert_eq!(shift("", "2026-01-12T12:00"), None);
        assert_eq!(shift("by arrangement", "2026-01-12T12:00"), None);
    }

    #[test]
    fn understands_lists_off_and_always() {
        let text = "Mo-We, Th-Su 09:00-13:00, 14:00-18:00; Sa-Su off; PH off";
        assert_eq!(Schedule::parse(text).1, Vec::<String>::new());
        assert_eq!(shift(text, "2026-01-12T12:59"), Some(Shift::Working));
        assert_eq!(shift(text, "2026-01-12T13:00"), Some(Shift::Out));
        assert_eq!(shift(text, "2026-01-12T14:00"), Some(Shift::Working));
        assert_eq!(shift(text, "2026-01-17T12:00"), Some(Shift::Out));
        assert_eq!(shift("24/7", "2026-01-18T03:00"), Some(Shift::Working));
        assert_eq!((prior("Mo-Fr 9-18"), prior("Mo-Fr 9:00-18:00")), (prior("Mo-Fr 09:00-18:00"), prior("Mo-Fr 09:00-18:00")));
        assert_eq!(shift("Fr-Mo 09:00-18:00", "2026-01-18T10:00"), Some(Shift::Working), "over the end of the week");
        assert_eq!(
            Schedule::parse("Mo 09:00-18:00; week 1-3 Mo 10:00-12:00; sunrise-sunset").1,
            ["week 1-3 Mo 10:00-12:00", "sunrise-sunset"]
        );
    }

    #[test]
    fn a_week_has_hours() {
        for (text, hours) in [
            ("Mo-We 09:00-18:00", 27.0),
            ("Mo-Fr 10:00-16:00", 30.0),
            ("Mo-Fr 09:00-13:00,14:00-18:00; Fr off", 32.0),
            ("Mo 09:00-12:00; Mo 10:00-13:00; Su 20:00-05:00", 13.0),
            ("24/7", 168.0),
            ("by arrangement", 0.0),
        ] {
            let found = Schedule::parse(text).0.week_hours();
            assert!((found - hours).abs() < 1e-9, "{text}: {found}");
        }
    }

    /// Greatest and least probability and a digest of all 168, as `schedule_prior` of the executable reference gives them
    /// (CPython 3.11): `x ^= rotate_left(bits(p[i]), i % 64)`.
    #[test]
    fn prior_equals_the_reference_to_the_bit() {
        for (text, greatest, least, digest) in [
            ("", 0.005952380952380953, 0.005952380952380953, 0x35aa_2868_dfff_ffff_u64),
            ("Mo-Fr 09:00-18:00", 0.021982834121562447, 8.758101243650377e-05, 0x6a74_7617_aa5b_703d),
            ("Mo-Fr 09:00-17:30; Sa 10:00-14:00; PH,Mo-Fr 20:00-05:00", 0.01648008929450773, 6.565772627293917e-05, 0xde53_f4eb_3851_d39f),
            ("Fr-Mo 22:15-06:45", 0.026261373035566582, 0.00041356492969396195, 0x3cf2_80ea_43ae_9e28),
            ("00:00-24:00", 0.005952380952380953, 0.005952380952380953, 0x35aa_2868_dfff_ffff),
            ("Su 22:00-26:00; PH 10:00-12:00", 0.21489726027397263, 0.0008561643835616439, 0x908e_8ba0_7cb3_59ac),
            ("Tu,Th-Sa 08:30-08:30", 0.010090576831399968, 0.0001589067217543302, 0xbd43_babf_1cf3_ec07),
            ("nonsense; Mo 09:00-10:00", 0.6004784688995216, 0.002392344497607656, 0x1c57_ae78_8d88_2739),
        ] {
            let p = prior(text);
            let found = p.iter().zip(0_u32..).fold(0, |x, (v, i)| x ^ v.to_bits().rotate_left(i % 64));
            let range = (p.iter().copied().fold(0.0, f64::max).to_bits(), p.iter().copied().fold(1.0, f64::min).to_bits());
            assert_eq!((range, found), ((f64::to_bits(greatest), f64::to_bits(least)), digest), "{text:?}");
        }
    }
}
