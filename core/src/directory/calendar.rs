//! Production calendars: public holidays, days off that were moved, Saturdays that are worked.

use std::{collections::BTreeMap, path::Path};

use super::{Error, osm::Holidays};
use crate::event::{Date, words};

/// Calendars that come with Filin.
const BUILT_IN: [(&str, &str); 1] = [("ru", include_str!("calendars/ru.csv"))];

words! {
    /// What a calendar says of a date.
    DayKind {
        /// A public holiday.
        Holiday = "holiday",
        /// A day off that was moved here.
        Off = "off",
        /// A Saturday or Sunday that is worked.
        Work = "work",
        /// The working day before a holiday: an hour shorter.
        Short = "short",
    }
}

/// A production calendar; dates that it does not name are ordinary ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    days: BTreeMap<i32, Mark>,
    holidays: Holidays,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    kind: Option<DayKind>,
    short: bool,
}

impl Calendar {
    /// The calendar of a name that is built in (`ru`), else of a file.
    ///
    /// # Errors
    /// When the file cannot be read, or with all that is wrong in it.
    pub fn load(name: &str) -> Result<Self, Error> {
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let text = match built_in {
            Some(text) => text,
            None => std::fs::read_to_string(Path::new(name)).map_err(|source| Error::Read { file: name.to_owned(), source })?,
        };
        Self::parse(&text).map_err(|reasons| Error::Calendar { file: name.to_owned(), reasons })
    }

    /// Reads CSV with the header `date,kind`; lines that begin with `#` are comments. A date has one row, or two: `work` and
    /// `short`.
    ///
    /// # Errors
    /// All that is wrong, each with its line.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let header = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
        // Spreadsheets write semicolons where the comma is the decimal sign.
        let delimiter = if header.contains(';') { b';' } else { b',' };
        let mut csv = csv::ReaderBuilder::new().comment(Some(b'#')).delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
        if csv.headers().map_or(true, |h| h.iter().map(str::to_ascii_lowercase).ne(["date", "kind"])) {
            return Err(vec![format!("the header is {header:?} and not date,kind")]);
        }
        let (mut days, mut wrong) = (BTreeMap::<i32, Mark>::new(), Vec::new());
        for row in csv.records() {
            match row {
                Ok(row) => {
                    let line = row.position().map_or(0, csv::Position::line);
                    if let Err(reason) = add(&mut days, &row[0], &row[1]) {
                        wrong.push(format!("line {line}: {reason}"));
                    }
                }
                Err(e) => wrong.push(format!("line {}: the row is not written date,kind", e.position().map_or(0, csv::Position::line))),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let free = days.iter().filter(|(_, mark)| mark.is_free()).map(|(day, _)| Date(*day));
        Ok(Self { holidays: Holidays::of(free), days })
    }

    /// Nobody works on this date, unless their schedule names public holidays.
    pub fn is_free(&self, date: Date) -> bool {
        self.mark(date).is_free()
    }

    /// This date ends an hour earlier.
    pub fn is_short(&self, date: Date) -> bool {
        self.mark(date).short
    }

    /// The date whose hours are worked on this one: itself, or the Friday before a Saturday or Sunday that is made a working
    /// day. The decrees name the day off that is given for it, no weekday whose hours hold; a Friday's are the closest.
    pub fn pattern(&self, date: Date) -> Date {
        let beyond_friday = (date.weekday() - 4).max(0);
        if self.mark(date).kind == Some(DayKind::Work) { Date(date.0 - beyond_friday) } else { date }
    }

    pub(super) fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    fn mark(&self, date: Date) -> Mark {
        self.days.get(&date.0).copied().unwrap_or_default()
    }
}

impl Mark {
    fn is_free(self) -> bool {
        matches!(self.kind, Some(DayKind::Holiday | DayKind::Off))
    }
}

fn add(days: &mut BTreeMap<i32, Mark>, date: &str, kind: &str) -> Result<(), String> {
    let day = Date::parse(date).ok_or_else(|| format!("{date:?} is no date, as in 2026-01-09"))?;
    let known = || DayKind::ALL.iter().map(|k| k.as_str()).collect::<Vec<_>>().join(", ");
    let kind = DayKind::from_word(&kind.to_ascii_lowercase()).ok_or_else(|| format!("{kind:?} is none of {}", known()))?;
    let before = days.get(&day.0).copied().unwrap_or_default();
    let after = match (kind, before) {
        (DayKind::Short, Mark { kind: None | Some(DayKind::Work), short: false }) => Mark { short: true, ..before },
        (DayKind::Short, _) => return Err(format!("{date} is named before: only work and short go together")),
        (_, Mark { kind: None, short: false }) => Mark { kind: Some(kind), short: false },
        (DayKind::Work, Mark { kind: None, short: true }) => Mark { kind: Some(kind), short: true },
        _ => return Err(format!("{date} is named before: only work and short go together")),
    };
    days.insert(day.0, after);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        Date::parse(text).expect(text)
    }

    /// Working days of a five-day week and hours of forty a week, as the production calendars of these years give them.
    #[test]
    fn the_russian_years_have_their_known_length() {
        let ru = Calendar::load("ru").expect("built in");
        for (year, days, hours) in [(2024, 248, 1979), (2025, 247, 1972), (2026, 247, 1972)] {
            let all = (day(&format!("{year}-01-01")).0..=day(&format!("{year}-12-31")).0).map(Date);
            let worked: Vec<Date> = all.filter(|d| ru.pattern(*d).weekday() < 5 && !ru.is_free(*d)).collect();
            let short = worked.iter().filter(|d| ru.is_short(**d)).count();
            assert_eq!((worked.len(), worked.len() * 8 - short), (days, hours), "{year}");
        }
        // A day off never lies on a weekend, a short day is always worked, a working Saturday is one.
        for (d, mark) in &ru.days {
            let weekend = Date(*d).weekday() > 4;
            match mark.kind {
                Some(DayKind::Off) => assert!(!weekend, "{}", Date(*d)),
                Some(DayKind::Work) => assert!(weekend, "{}", Date(*d)),
                None => assert!(mark.short && !weekend, "{}", Date(*d)),
                _ => {}
            }
        }
    }

    #[test]
    fn a_worked_weekend_has_a_fridays_hours() {
        let c = Calendar::parse("date,kind\n2024-11-02,work\n2024-11-02,short\n2024-11-10,work\n2024-11-13,work\n").expect("fine");
        for (date, pattern) in
            [("2024-11-02", "2024-11-01"), ("2024-11-10", "2024-11-08"), ("2024-11-13", "2024-11-13"), ("2024-11-16", "2024-11-16")]
        {
            assert_eq!(c.pattern(day(date)), day(pattern), "{date}");
        }
        assert!(c.is_short(day("2024-11-02")) && !c.is_free(day("2024-11-02")));
    }

    #[test]
    fn reads_what_spreadsheets_write() {
        let plain = Calendar::parse("date,kind\n2026-01-09,off\n").expect("fine");
        assert_eq!(Calendar::parse("\u{feff}# mine\r\nDate;Kind\r\n2026-01-09; Off\r\n\r\n"), Ok(plain));
        assert_eq!(Calendar::parse("date,kind\n"), Ok(Calendar::default()));
    }

    #[test]
    fn says_all_that_is_wrong_at_once() {
        let wrong = Calendar::parse(
            "date,kind\n2026-02-30,off\n2026-01-09,day off\n2026-01-09,off,x\n2026-01-12,off\n2026-01-12,short\n2026-01-13,work\n2026-01-13,work\n",
        );
        assert_eq!(
            wrong.expect_err("wrong"),
            [
                "line 2: \"2026-02-30\" is no date, as in 2026-01-09",
                "line 3: \"day off\" is none of holiday, off, work, short",
                "line 4: the row is not written date,kind",
                "line 6: 2026-01-12 is named before: only work and short go together",
                "line 8: 2026-01-13 is named before: only work and short go together",
            ]
        );
        for text in ["", "2026-01-09,off\n", "kind,date\n"] {
            assert!(Calendar::parse(text).expect_err(text)[0].contains("date,kind"), "{text}");
        }
        assert!(matches!(Calendar::load("/no/such/file"), Err(Error::Read { .. })));
    }
}
