//! OpenStreetMap opening-hours texts. The grammar and the arithmetic of dates, weeks and holidays are the crate
//! `opening-hours`'s, and nothing of it leaves this file; how rules make a working day is [`super::schedule`]'s.

use chrono::NaiveDate;
use opening_hours::{Context, ContextHolidays, OpeningHours};
use opening_hours_syntax::{
    RuleKind,
    rules::{
        RuleOperator, RuleSequence,
        day::{DaySelector, HolidayKind, WeekDayRange},
        time::{Time, TimeSelector, TimeSpan},
    },
};

use crate::event::Date;

pub(super) const DAY_MIN: i32 = 24 * 60;
/// Longer parts are not read: what a text costs is bounded.
const PART_BYTES: usize = 1000;
/// Nor are more of them.
const PARTS: usize = 64;
const DAYS: [&str; 9] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH", "SH"];
/// What says that a whole day is meant.
const WHOLE: [&str; 7] = ["24/7", "00:00-24:00", "0:00-24:00", "open", "off", "closed", "unknown"];

/// Public holidays, as rules see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holidays(Context);

/// A rule of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) effect: Effect,
    /// Days on which it holds; none: all.
    days: Option<OpeningHours>,
    /// Its days of a week without holidays, whatever the date; bit 0 is Monday.
    pub(super) weekdays: u8,
    /// It does not hold in every week.
    pub(super) dated: bool,
    /// It names public holidays.
    pub(super) holidays: bool,
    pub(super) stints: Vec<Stint>,
}

/// What a rule does to the rules before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Takes the place of their hours on its days.
    Replace,
    /// Adds to them.
    Add,
    /// Holds where they name none.
    Otherwise,
    /// Takes hours away.
    Remove,
}

/// Hours of work on end, in minutes from the midnight of the day on which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stint {
    pub(super) from: i32,
    /// At most two days.
    pub(super) to: i32,
    /// Written past midnight, `20:00-05:00`: a rostered night.
    pub(super) night: bool,
}

impl Holidays {
    pub(super) fn of(days: impl Iterator<Item = Date>) -> Self {
        let mut all = ContextHolidays::default().get_public().clone();
        for day in days.filter_map(naive) {
            all.insert(day);
        }
        Self(Context::default().with_holidays(ContextHolidays::new(all.into(), Default::default())))
    }
}

impl Stint {
    pub(super) fn covers(self, minute: i32) -> bool {
        self.from <= minute && minute < self.to
    }

    fn read(span: &TimeSpan) -> Option<Self> {
        let (Time::Fixed(from), Time::Fixed(to)) = (span.range.start, span.range.end) else { return None };
        if span.open_end || span.repeats.is_some() {
            return None;
        }
        let (from, to) = (i32::from(from.mins_from_midnight()), i32::from(to.mins_from_midnight()));
        let night = to <= from;
        Some(Self { from, to: if night { to + DAY_MIN } else { to }, night })
    }
}

impl Rule {
    /// Whether it holds on a date.
    pub(super) fn holds(&self, date: Date, holidays: &Holidays) -> bool {
        let Some(days) = &self.days else { return true };
        naive(date).is_some_and(|date| !days.clone().with_context(holidays.0.clone()).schedule_at(date).is_empty())
    }

    fn read(rule: &RuleSequence) -> Option<Self> {
        let effect = match (rule.kind, rule.operator) {
            (RuleKind::Open, RuleOperator::Normal) => Effect::Replace,
            (RuleKind::Open, RuleOperator::Additional) => Effect::Add,
            (RuleKind::Open, RuleOperator::Fallback) => Effect::Otherwise,
            // Hours that are not known are nobody's hours.
            _ => Effect::Remove,
        };
        let days = &rule.day_selector;
        let (mut weekdays, mut dated, mut holidays) = (if days.weekday.is_empty() { 0x7f } else { 0 }, false, false);
        for range in &days.weekday {
            match range {
                WeekDayRange::Fixed { range, offset, nth_from_start, nth_from_end } => {
                    let (first, last) = (range.start().num_days_from_monday(), range.end().num_days_from_monday());
                    for i in 0..=(last + 7 - first) % 7 {
                        weekdays |= 1 << ((first + i) % 7);
                    }
                    dated |= *offset != 0 || nth_from_start.contains(&false) || nth_from_end.contains(&false);
                }
                WeekDayRange::Holiday { kind: HolidayKind::Public, offset: 0 } => holidays = true,
                // School holidays are not known, and the day before a holiday is none.
                WeekDayRange::Holiday { .. } => {}
            }
        }
        dated |= !(days.year.is_empty() && days.monthday.is_empty() && days.week.is_empty());
        let stints = rule.time_selector.spans.iter().map(Stint::read).collect::<Option<_>>()?;
        Some(Self { effect, days: selector(days)?, weekdays, dated, holidays, stints })
    }

    /// It speaks of whole days.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.stints[..], [Stint { from: 0, to: DAY_MIN, night: false }])
    }
}

/// The days of a rule as a text of its own, all day long; refused where that text means anything else.
fn selector(days: &DaySelector) -> Option<Option<OpeningHours>> {
    if days.is_empty() {
        return Some(None);
    }
    let alone: OpeningHours = days.to_string().parse().ok()?;
    let same = match &alone.get_expression().rules[..] {
        [rule] => rule.day_selector == *days && rule.time_selector == TimeSelector::default() && rule.kind == RuleKind::Open,
        _ => false,
    };
    same.then_some(Some(alone))
}

/// The rules of a text; parts between semicolons that are not understood are left out and returned.
pub(super) fn rules(text: &str) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut unknown) = (Vec::new(), Vec::new());
    for (i, part) in split(text).into_iter().map(str::trim).filter(|p| !p.is_empty()).enumerate() {
        match read(part).filter(|_| i < PARTS) {
            Some(more) => rules.extend(more),
            None => unknown.push(part.chars().take(100).collect()),
        }
    }
    (rules, unknown)
}

/// Between semicolons that stand outside comments.
fn split(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    })
    .collect()
}

fn read(part: &str) -> Option<Vec<Rule>> {
    if part.len() > PART_BYTES {
        return None;
    }
    let part = tidy(part);
    let rules = opening_hours_syntax::parse(&part).or_else(|e| opening_hours_syntax::parse(&with_minutes(&part).ok_or(e)?)).ok()?.rules;
    let rules: Vec<Rule> = rules.iter().map(Rule::read).collect::<Option<_>>()?;
    // "Mo-Fr" and a mere comment are grammatical and would mean all day long; nobody means that.
    let said: String = part.split('"').step_by(2).collect();
    let said: usize = WHOLE.iter().map(|word| said.matches(word).count()).sum();
    (rules.iter().filter(|r| r.is_whole()).count() <= said).then_some(rules)
}

/// As the grammar wants it: single spaces, plain hyphens, and no space in a list of days.
fn tidy(part: &str) -> String {
    let part =
        part.split_whitespace().collect::<Vec<_>>().join(" ").replace(['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}'], "-");
    let mut out = String::with_capacity(part.len());
    let mut last: Option<&str> = None;
    for piece in part.split(", ") {
        if let Some(last) = last {
            let days_only = last.split([',', '-']).all(|day| DAYS.contains(&day));
            out.push_str(if days_only { "," } else { ", " });
        }
        out.push_str(piece);
        last = Some(piece);
    }
    out
}

/// `Mo-Fr 9-18` as `Mo-Fr 9:00-18:00`.
fn with_minutes(part: &str) -> Option<String> {
    let (days, hours) = part.rsplit_once(' ').map_or(("", part), |(days, hours)| (days, hours));
    let whole = |t: &str| {
        let legal = matches!(t.len(), 1 | 2) && t.bytes().all(|b| b.is_ascii_digit());
        if legal { Some(format!("{t}:00")) } else { t.contains(':').then(|| t.to_owned()) }
    };
    let range = |t: &str| {
        let (from, to) = t.split_once('-')?;
        Some(format!("{}-{}", whole(from)?, whole(to)?))
    };
    let hours = hours.split(',').map(range).collect::<Option<Vec<_>>>()?.join(",");
    Some(format!("{days} {hours}").trim_start().to_owned())
}

/// 719 163 is 1970-01-01, counted from the year 1.
fn naive(date: Date) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(date.0.checked_add(719_163)?)
}

/// What the library itself makes of a text.
#[cfg(test)]
pub(super) fn open(text: &str, date: Date, minute: i32) -> bool {
    let all: OpeningHours = text.parse().expect("grammatical");
    let (hour, minute) = (u32::try_from(minute / 60).expect("an hour"), u32::try_from(minute % 60).expect("a minute"));
    all.is_open(naive(date).and_then(|d| d.and_hms_opt(hour, minute, 0)).expect("a moment"))
}
