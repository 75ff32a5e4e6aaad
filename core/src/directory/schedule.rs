//! Working hours in OpenStreetMap opening-hours syntax, on the days that a production calendar makes of them.
//!
//! `Mo-Fr 09:00-18:00; Fr 09:00-16:00; Mo-Th 20:00-05:00; PH 10:00-14:00; Dec 31 off`. A range past midnight is a rostered night. Hours by
//! day and rostered nights are two layers: a rule takes the place of earlier hours of its own layer, so that a roster can be appended.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Calendar,
    osm::{self, DAY_MIN, Effect, Rule, Stint},
};
use crate::event::{DAY_MS, Date};

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;

const WEEK_MIN: i32 = 7 * DAY_MIN;
/// So many dates of a schedule are remembered: live events need two, a backfill of several sources a few more.
const REMEMBERED: usize = 16;

/// A schedule as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    rules: Vec<Rule>,
    /// A nominal week: all hours that any rule names, whatever the date.
    week: Vec<Weekly>,
}

/// What an hour is to a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Working hours.
    Working,
    /// A rostered night.
    Rostered,
    /// A holiday, or a day off that was moved, for which the schedule names no hours of its own.
    Holiday,
    /// None of them.
    Out,
}

/// A date of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Hours that begin on it.
    stints: Vec<Stint>,
    holiday: bool,
}

/// Hours of a nominal week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weekly {
    /// Bit 0 is Monday.
    days: u8,
    stint: Stint,
}

/// A schedule with the dates that were asked for last: a date is computed once, not at each event.
#[derive(Debug)]
pub(super) struct Timetable {
    schedule: Schedule,
    days: Mutex<Vec<(Date, Arc<Day>)>>,
}

impl Schedule {
    /// Reads a schedule; what is not understood is left out and returned.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let (rules, unknown) = osm::rules(text);
        let mut week = Vec::<Weekly>::new();
        for rule in &rules {
            match rule.effect {
                Effect::Remove if rule.is_whole() && !rule.dated => week.iter_mut().for_each(|w| w.days &= !rule.weekdays),
                Effect::Remove => {}
                _ => week.extend(rule.stints.iter().map(|stint| Weekly { days: rule.weekdays, stint: *stint })),
            }
        }
        (Self { rules, week }, unknown)
    }

    /// Whether it names no hour of an ordinary day at all.
    pub fn is_empty(&self) -> bool {
        self.week.iter().all(|w| w.days == 0)
    }

    /// Whether hours of an earlier rule never count, because a later one holds for all their days: the writer meant a comma.
    pub fn is_overruled(&self) -> bool {
        let plain: Vec<&Rule> = self.rules.iter().filter(|r| r.effect == Effect::Replace && !r.dated).collect();
        let same_layers = |a: &Rule, b: &Rule| a.stints.iter().all(|old| b.stints.iter().any(|new| new.night == old.night));
        let by = |a: &Rule, b: &Rule| a.weekdays & !b.weekdays == 0 && (b.holidays || !a.holidays) && same_layers(a, b);
        plain.iter().enumerate().any(|(i, a)| plain[i + 1..].iter().any(|b| by(a, b)))
    }

    /// The hours that begin on a date.
    pub fn day(&self, date: Date, calendar: &Calendar) -> Day {
        let (free, pattern) = (calendar.is_free(date), calendar.pattern(date));
        let mut stints = Vec::<Stint>::new();
        // On a holiday only rules count that name holidays.
        for rule in self.rules.iter().filter(|r| (r.holidays || !free) && r.holds(pattern, calendar.holidays())) {
            match rule.effect {
                Effect::Replace => {
                    stints.retain(|s| rule.stints.iter().all(|new| new.night != s.night));
                    stints.extend(&rule.stints);
                }
                Effect::Add => stints.extend(&rule.stints),
                Effect::Otherwise if stints.is_empty() => stints.extend(&rule.stints),
                Effect::Otherwise => {}
                Effect::Remove if rule.is_whole() => stints.clear(),
                Effect::Remove => rule.stints.iter().for_each(|gap| stints = without(&stints, *gap)),
            }
        }
        if calendar.is_short(date)
            && let Some(end) = stints.iter().filter(|s| !s.night).map(|s| s.to).max()
        {
            stints = without(&stints, Stint { from: end - 60, to: end, night: false });
        }
        Day { holiday: free && stints.is_empty(), stints }
    }

    /// What the local wall clock's moment (milliseconds since 1970-01-01T00:00 local) is to this schedule; none when it
    /// names no hour at all.
    pub fn at(&self, local_ms: i64, calendar: &Calendar) -> Option<Shift> {
        self.shift(local_ms, |date| Arc::new(self.day(date, calendar)))
    }

    fn shift(&self, local_ms: i64, mut day: impl FnMut(Date) -> Arc<Day>) -> Option<Shift> {
        if self.is_empty() {
            return None;
        }
        let date = i32::try_from(local_ms.div_euclid(DAY_MS)).ok()?;
        let minute = i32::try_from(local_ms.rem_euclid(DAY_MS) / 60_000).expect("minutes of a day");
        let (today, before) = (day(Date(date)), day(Date(date.checked_sub(1)?)));
        let on = |night: bool| {
            today.stints.iter().any(|s| s.night == night && s.covers(minute))
                || before.stints.iter().any(|s| s.night == night && s.covers(minute + DAY_MIN))
        };
        Some(if on(false) {
            Shift::Working
        } else if on(true) {
            Shift::Rostered
        } else if today.holiday {
            Shift::Holiday
        } else {
            Shift::Out
        })
    }

    /// Hours of a nominal week that are worked or rostered; an hour named twice is one.
    pub fn week_hours(&self) -> f64 {
        let minutes = (0..WEEK_MIN).filter(|minute| self.week.iter().any(|w| w.covers(*minute))).count();
        f64::from(u32::try_from(minutes).expect("minutes of a week")) / 60.0
    }

    /// How a week's work is expected to spread over its hours, Monday 00 first; sums to 1. An hour counts when a range
    /// covers any part of it: 1 for working hours, 0.25 for rostered nights, and 0.004 on top of every hour. Without any
    /// hour named, uniform. The week is a nominal one, without holidays and whatever the season: hours of every rule count,
    /// those that a later rule replaces as well.
    pub fn prior(&self) -> [f64; WEEK_HOURS] {
        let mut hours = [0.0_f64; WEEK_HOURS];
        for Weekly { days, stint } in &self.week {
            let weight = if stint.night { 0.25 } else { 1.0 };
            for day in (0..7).filter(|d| days >> d & 1 == 1) {
                for hour in stint.from / 60..(stint.to + 59) / 60 {
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

impl Timetable {
    pub(super) fn new(text: &str) -> Self {
        Self { schedule: Schedule::parse(text).0, days: Mutex::default() }
    }

    /// [`Schedule::at`]; always asked with one calendar.
    pub(super) fn at(&self, local_ms: i64, calendar: &Calendar) -> Option<Shift> {
        self.schedule.shift(local_ms, |date| self.day(date, calendar))
    }

    fn day(&self, date: Date, calendar: &Calendar) -> Arc<Day> {
        // Nothing is half done when a holder panics.
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, day)) = days.iter().find(|(known, _)| *known == date) {
            return day.clone();
        }
        let day = Arc::new(self.schedule.day(date, calendar));
        if days.len() == REMEMBERED {
            days.remove(0);
        }
        days.push((date, day.clone()));
        day
    }
}

impl Weekly {
    fn covers(self, minute: i32) -> bool {
        let Stint { from, to, .. } = self.stint;
        (0..7).filter(|d| self.days >> d & 1 == 1).any(|d| (minute - d * DAY_MIN - from).rem_euclid(WEEK_MIN) < to - from)
    }
}

/// What is left of hours beside a gap.
fn without(stints: &[Stint], gap: Stint) -> Vec<Stint> {
    let parts = |s: &Stint| [Stint { to: s.to.min(gap.from), ..*s }, Stint { from: s.from.max(gap.to), ..*s }];
    stints.iter().flat_map(parts).filter(|s| s.from < s.to).collect()
}

/// The sum, rounded once. All summands lie in [0.004, 1.004], so each is a multiple of 2^-61.
fn exact_sum(values: &[f64]) -> f64 {
    const UNIT: f64 = (1_u64 << 61) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "multiples of the unit, and positive")]
    let sum: u128 = values.iter().map(|v| (v * UNIT) as u128).sum();
    sum as f64 / UNIT
}

#[cfg(test)]
mod tests;
