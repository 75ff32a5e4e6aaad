//! What happens to the company and to people on dates, each a pure function of its names: quarter end, campaigns,
//! holidays, leave, illness, trips, night duty, hand-overs.

use super::chance::{Chance, whole};
use super::people::{Person, Shift, Team};
use crate::event::Date;

/// The date `n` days on.
pub(super) fn later(date: Date, n: i32) -> Date {
    Date(date.0 + n)
}

/// Monday of the week.
pub(super) fn monday(date: Date) -> Date {
    Date(date.0 - date.weekday())
}

fn days(n: f64) -> i32 {
    i32::try_from(whole(n)).unwrap_or(i32::MAX)
}

/// One of the last five days of a quarter, when everybody reports.
pub(super) fn quarter_end(date: Date) -> bool {
    (0..=4).any(|n| {
        let (_, month, day) = later(date, n + 1).ymd();
        day == 1 && month % 3 == 1
    })
}

/// A day off for nearly all.
pub(super) fn holiday(date: Date) -> bool {
    let (_, month, day) = date.ymd();
    matches!((month, day), (1, 1) | (5, 1) | (12, 25))
}

/// Share of a usual day's work.
pub(super) fn weekday(date: Date) -> f64 {
    [1.04, 1.08, 1.05, 1.0, 0.86, 0.9, 0.9][usize::try_from(date.weekday()).unwrap_or(0)]
}

/// Planned leave that holds on `date`: first and last day.
pub(super) fn leave(p: &Person, date: Date) -> Option<(Date, Date)> {
    let block = date.0.div_euclid(91);
    (block - 1..=block).find_map(|b| leave_of(p, b)).filter(|(from, to)| (*from..=*to).contains(&date))
}

/// The leave that begins in this block of thirteen weeks.
pub(super) fn leave_of(p: &Person, block: i32) -> Option<(Date, Date)> {
    let c = p.chance.of("leave").at(block);
    c.of("any").hit(0.5).then(|| {
        let from = monday(Date(block * 91 + 7 + days(c.of("when").between(0.0, 69.0))));
        (from, later(from, if c.of("long").hit(0.4) { 13 } else { 6 }))
    })
}

/// Away without a plan.
pub(super) fn ill(p: &Person, date: Date) -> bool {
    (0..4).any(|ago| {
        let c = p.chance.of("ill").at(date.0 - ago);
        c.of("falls").hit(0.009) && days(c.of("long").between(1.0, 5.0)) > ago
    })
}

/// A trip: first day, last day, city of a list that long.
pub(super) fn trip(p: &Person, date: Date, n_cities: usize) -> Option<(Date, Date, usize, Chance)> {
    let block = date.0.div_euclid(21);
    let c = p.chance.of("trip").at(block);
    c.of("any").hit(p.trips).then_some(())?;
    let from = Date(block * 21 + days(c.of("when").between(0.0, 16.0)));
    let to = later(from, days(c.of("long").between(1.0, 4.0)));
    let city = (p.kit.city + 1 + c.of("city").below(n_cities - 1)) % n_cities;
    (from..=to).contains(&date).then_some((from, to, city, c))
}

/// A calling campaign of the team, Tuesday to Thursday of some weeks.
pub(super) fn campaign(seed: Chance, team: usize, date: Date) -> Option<Chance> {
    let week = monday(date).0;
    let c = seed.of("campaign").at(team).at(week);
    (c.of("any").hit(0.07) && (1..=3).contains(&date.weekday())).then_some(c)
}

/// A report that the whole team begins to use, and the day it came.
pub(super) fn new_report(seed: Chance, team: usize, date: Date) -> Option<(Date, Chance)> {
    let block = date.0.div_euclid(28);
    let c = seed.of("new report").at(team).at(block);
    let from = Date(block * 28 + days(c.of("when").between(0.0, 12.0)));
    (c.of("any").hit(0.25) && date >= from).then_some((from, c))
}

/// A day on which an administrator tidies up.
pub(super) fn clean_up(p: &Person, date: Date) -> Option<Chance> {
    let block = date.0.div_euclid(21);
    let c = p.chance.of("clean up").at(block);
    (c.of("any").hit(0.6) && date == later(monday(Date(block * 21 + 7)), days(c.of("when").between(0.0, 5.0)))).then_some(c)
}

/// Evening shift of this person for the week, on the team's rota.
pub(super) fn duty(seed: Chance, team: &Team, p: &Person, date: Date) -> Option<Shift> {
    let monday = monday(date);
    let c = seed.of("duty").at(p.team).at(monday.0);
    let chosen = !team.desk && team.size > 3 && c.of("any").hit(0.06) && team.first + 1 + c.of("who").below(team.size - 1) == p.idx;
    (chosen && leave(p, monday).is_none()).then_some(Shift { days: 0b001_1111, start: 17 * 60, end: 26 * 60 })
}

/// Clients of one member of a team that go to another on this date: who gives, who takes (places in the team), how many.
pub(super) fn hand_over(seed: Chance, team: usize, size: usize, date: Date) -> Option<(usize, usize, usize)> {
    let block = date.0.div_euclid(28);
    let c = seed.of("hand-over").at(team).at(block);
    let on = later(monday(Date(block * 28 + 7)), days(c.of("when").between(0.0, 12.0)));
    (size >= 3 && date == on && c.of("any").hit(0.15)).then(|| {
        let from = c.of("from").below(size);
        let to = (from + 1 + c.of("to").below(size - 1)) % size;
        (from, to, 12 + c.of("n").below(30))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_end_where_they_should() {
        let check = |text: &str, expected| assert_eq!(quarter_end(Date::parse(text).expect(text)), expected, "{text}");
        check("2026-03-31", true);
        check("2026-03-27", true);
        check("2026-03-26", false);
        check("2026-04-01", false);
        check("2026-02-28", false);
        check("2026-12-31", true);
    }
}
