//! Who works in the made-up company: what is fixed about a person.

use super::chance::{Chance, real};
use super::place::{CITIES, Kit};
use crate::directory::Grade;
use crate::event::Date;

/// How the people are laid out over the world and the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Offices in a few zones, mostly Monday to Friday by day.
    Ordinary,
    /// Teams around the globe, six long days a week: at every hour about half are at work.
    RoundTheClock,
}

/// What somebody does, and who their peers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sales,
    Account,
    Inside,
    Support,
    Lead,
    Admin,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Account => "account",
            Self::Inside => "inside",
            Self::Support => "support",
            Self::Lead => "lead",
            Self::Admin => "admin",
        }
    }

    /// How many clients of one's own are usual.
    fn book(self) -> f64 {
        match self {
            Self::Sales => 70.0,
            Self::Account => 55.0,
            Self::Inside => 85.0,
            Self::Lead => 22.0,
            Self::Support | Self::Admin => 0.0,
        }
    }

    /// Weights of [`TASKS`].
    fn tasks(self) -> [f64; TASKS.len()] {
        match self {
            Self::Sales => [22.0, 16.0, 8.0, 12.0, 6.0, 2.0, 0.40, 3.0, 6.0, 0.4, 0.10, 0.15],
            Self::Account => [26.0, 8.0, 8.0, 10.0, 6.0, 3.0, 0.70, 1.0, 9.0, 0.8, 0.10, 0.25],
            Self::Inside => [12.0, 34.0, 12.0, 10.0, 5.0, 1.2, 0.25, 5.0, 4.0, 0.1, 0.05, 0.05],
            Self::Support => [18.0, 4.0, 30.0, 6.0, 12.0, 0.8, 0.12, 0.0, 10.0, 0.3, 0.05, 0.05],
            Self::Lead => [14.0, 5.0, 4.0, 12.0, 6.0, 8.0, 1.30, 0.5, 8.0, 0.5, 0.20, 0.30],
            Self::Admin => [8.0, 1.0, 2.0, 10.0, 10.0, 6.0, 1.50, 0.5, 4.0, 0.2, 3.00, 0.50],
        }
    }
}

/// What a stretch of work can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Client,
    CallOut,
    CallIn,
    Browse,
    Search,
    Report,
    Export,
    Lead,
    Mail,
    Print,
    Tidy,
    Share,
}

pub(super) const TASKS: [Task; 12] = [
    Task::Client,
    Task::CallOut,
    Task::CallIn,
    Task::Browse,
    Task::Search,
    Task::Report,
    Task::Export,
    Task::Lead,
    Task::Mail,
    Task::Print,
    Task::Tidy,
    Task::Share,
];

/// Working hours: a bit per weekday (Monday lowest), minutes of the local day; past midnight the end exceeds 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) days: u8,
    pub(super) start: i32,
    pub(super) end: i32,
}

impl Shift {
    pub(super) fn on(self, date: Date) -> bool {
        self.days >> date.weekday() & 1 == 1
    }

    /// OpenStreetMap opening hours.
    pub(super) fn text(self) -> String {
        const NAMES: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
        let mut runs: Vec<String> = Vec::new();
        let mut day = 0;
        while day < 7 {
            let first = day;
            while day < 7 && self.days >> day & 1 == 1 {
                day += 1;
            }
            match day - first {
                0 => day += 1,
                1 => runs.push(NAMES[first].to_owned()),
                _ => runs.push(format!("{}-{}", NAMES[first], NAMES[day - 1])),
            }
        }
        let clock = |m: i32| format!("{:02}:{:02}", m / 60 % 24, m % 60);
        format!("{} {}-{}", runs.join(","), clock(self.start), clock(self.end))
    }
}

/// Leaving the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) notice: Date,
    /// First day without access.
    pub(super) last: Date,
    /// The account is closed in time.
    pub(super) closed: bool,
}

/// A manager.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) idx: usize,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) team: usize,
    pub(super) role: Role,
    pub(super) grade: Grade,
    /// Another role from this date on.
    pub(super) new_role: Option<(Date, Role)>,
    pub(super) shift: Shift,
    /// The directory knows the schedule.
    pub(super) schedule_known: bool,
    /// Joined after the company's first day.
    pub(super) hired: Option<Date>,
    pub(super) exit: Option<Exit>,
    pub(super) kit: Kit,
    /// Clients of one's own at first.
    pub(super) n_clients: usize,
    /// Events of a usual full day, and how far days differ (of the logarithm).
    pub(super) pace: f64,
    pub(super) spread: f64,
    /// Minutes early (negative) or late, as a habit.
    pub(super) lag: f64,
    pub(super) tasks: [f64; TASKS.len()],
    /// Medians of the records of a list, a report, an export.
    pub(super) list: f64,
    pub(super) report: f64,
    pub(super) export: f64,
    /// Shares of client work on team mates' and on strangers' clients.
    pub(super) mates: f64,
    pub(super) strangers: f64,
    /// Chances of working at home, of an hour in the evening, of one at the weekend, of visits with the telephone.
    pub(super) home: f64,
    pub(super) evening: f64,
    pub(super) weekend: f64,
    pub(super) visits: f64,
    /// Chance per three weeks of a trip.
    pub(super) trips: f64,
    pub(super) mfa: bool,
    pub(super) chance: Chance,
}

impl Person {
    pub(super) fn role_on(&self, date: Date) -> Role {
        match self.new_role {
            Some((from, role)) if date >= from => role,
            _ => self.role,
        }
    }

    /// May delete, and may work with key clients.
    pub(super) fn trusted(&self) -> bool {
        matches!(self.grade, Grade::Senior | Grade::Lead | Grade::Admin)
    }

    /// Has joined and has not given notice.
    pub(super) fn stays(&self, date: Date) -> bool {
        self.employed(date) && self.exit.is_none_or(|e| date < e.notice)
    }

    /// Has joined and has not left.
    pub(super) fn employed(&self, date: Date) -> bool {
        self.hired.is_none_or(|h| date >= h) && self.exit.is_none_or(|e| date < e.last)
    }
}

/// A team.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: String,
    /// Its people are consecutive; the first leads it.
    pub(super) first: usize,
    pub(super) size: usize,
    /// Index into [`CITIES`].
    pub(super) city: usize,
    pub(super) fenced: bool,
    pub(super) desk: bool,
}

/// Cities of the round-the-clock layout, about three hours apart.
const ROUND: [usize; 8] = [3, 11, 9, 0, 10, 8, 12, 7];

/// The teams of so many people. A larger company has the same first teams.
pub(super) fn teams(seed: Chance, managers: usize, layout: Layout) -> Vec<Team> {
    let mut teams = Vec::new();
    let mut first = 0;
    while first < managers {
        let t = teams.len();
        let c = seed.of("team").at(t);
        let (size, city) = match layout {
            Layout::Ordinary => (5 + c.of("size").below(5), [0, 0, 1, 2, 3, 0, 4, 5, 1, 6, 7][(t + c.of("city").below(3)) % 11]),
            Layout::RoundTheClock => (5, ROUND[t % ROUND.len()]),
        };
        let desk = layout == Layout::Ordinary && t % 6 == 3;
        let id = format!("{}-{}{}", CITIES[city].name.to_lowercase().replace(' ', "-"), if desk { "desk-" } else { "" }, t + 1);
        teams.push(Team { id, first, size: size.min(managers - first), city, fenced: t % 3 == 1, desk });
        first += size;
    }
    teams
}

/// The person with this number.
pub(super) fn person(seed: Chance, idx: usize, t: usize, team: &Team, start: Date, layout: Layout) -> Person {
    let c = seed.of("person").at(idx);
    let place = idx - team.first;
    let role = match (place, team.desk) {
        (0, _) => Role::Lead,
        (3, _) if t.is_multiple_of(7) => Role::Admin,
        (_, true) => Role::Support,
        _ => [Role::Sales, Role::Account, Role::Inside][c.of("role").weighted(&[0.45, 0.30, 0.25])],
    };
    let fresh = layout == Layout::Ordinary && place > 1 && role != Role::Admin && c.of("hired").hit(0.06);
    let grade = match role {
        Role::Lead => Grade::Lead,
        Role::Admin => Grade::Admin,
        _ if fresh => Grade::Junior,
        _ => [Grade::Junior, Grade::Middle, Grade::Senior][c.of("grade").weighted(&[0.2, 0.5, 0.3])],
    };
    let mut tasks = role.tasks();
    for (i, w) in tasks.iter_mut().enumerate() {
        let own = if matches!(TASKS[i], Task::Report | Task::Export) { 0.9 } else { 0.35 };
        *w *= c.of("task").at(i).log_normal(1.0, own);
    }
    let junior = grade == Grade::Junior;
    if junior {
        tasks[10] = 0.0;
    }
    let new_role = (layout == Layout::Ordinary && role == Role::Sales && c.of("moves").hit(0.05))
        .then(|| (Date(start.0 + 20 + i32::try_from(c.of("when moves").below(60)).unwrap_or(0)), Role::Account));
    let shift = shift(c, place, role, team, layout);
    let part = f64::from(shift.end - shift.start) / 540.0;
    let pace =
        c.of("pace").log_normal(if layout == Layout::Ordinary { 82.0 } else { 105.0 }, 0.22).clamp(35.0, 190.0) * part.clamp(0.5, 1.5);
    Person {
        idx,
        id: format!("m{:03}", idx + 1),
        name: name(c),
        team: t,
        role,
        grade,
        new_role,
        shift,
        schedule_known: layout == Layout::RoundTheClock || !c.of("no schedule").hit(0.08),
        hired: fresh.then(|| Date(start.0 + 8 + i32::try_from(c.of("hired when").below(70)).unwrap_or(0))),
        exit: None,
        kit: Kit { city: team.city, person: idx, fenced: team.fenced, firefox: c.of("firefox").hit(0.25), chance: c.of("kit") },
        n_clients: super::chance::whole(c.of("book").log_normal(role.book(), 0.35)).min(200),
        pace,
        spread: c.of("spread").between(0.16, 0.36),
        lag: 12.0 * c.of("lag").normal(),
        tasks,
        list: c.of("list").log_normal(24.0, 0.45),
        report: c.of("report").log_normal(75.0, 0.6),
        export: c.of("export").log_normal(60.0, 0.7),
        mates: c.of("mates").log_normal(if role == Role::Support { 0.30 } else { 0.05 }, 0.5).min(0.6),
        strangers: c.of("strangers").log_normal(if role == Role::Support { 0.03 } else { 0.007 }, 0.7).min(0.2),
        home: if c.of("homes").hit(0.6) { c.of("home").between(0.05, 0.5) } else { 0.01 },
        evening: if c.of("evenings").hit(0.3) { c.of("evening").between(0.04, 0.2) } else { 0.01 },
        weekend: if c.of("weekends").hit(0.25) { c.of("weekend").between(0.03, 0.12) } else { 0.005 },
        visits: if matches!(role, Role::Sales | Role::Account | Role::Lead) { c.of("visits").between(0.05, 0.45) } else { 0.04 },
        trips: if matches!(role, Role::Account | Role::Lead) { c.of("trips").between(0.05, 0.3) } else { 0.03 },
        mfa: c.of("mfa").hit(0.85),
        chance: c,
    }
}

fn shift(c: Chance, place: usize, role: Role, team: &Team, layout: Layout) -> Shift {
    const WEEK: u8 = 0b001_1111;
    if layout == Layout::RoundTheClock {
        // Thirteen hours, one day off, a day later for the next person.
        return Shift { days: 0b111_1111 & !(1 << ((place + team.first / 5 * 3) % 7)), start: 7 * 60 + 30, end: 20 * 60 + 30 };
    }
    if team.desk && role == Role::Support {
        return match place % 4 {
            1 => Shift { days: WEEK, start: 7 * 60, end: 16 * 60 },
            2 => Shift { days: 0b111_1100, start: 13 * 60, end: 22 * 60 },
            3 => Shift { days: 0b100_1111, start: 22 * 60, end: 30 * 60 },
            _ => Shift { days: 0b110_0111, start: 9 * 60, end: 18 * 60 },
        };
    }
    let start = 60 * [8, 9, 9, 9, 10][c.of("starts").below(5)];
    if role == Role::Lead || !c.of("part time").hit(0.06) {
        Shift { days: WEEK, start, end: start + 540 }
    } else if c.of("which part").hit(0.5) {
        Shift { days: 0b000_0111, start, end: start + 540 }
    } else {
        Shift { days: WEEK, start, end: start + 300 }
    }
}

fn name(c: Chance) -> String {
    const FIRST: [&str; 20] = [
        "Anna", "Boris", "Vera", "Grigory", "Daria", "Egor", "Zoya", "Ivan", "Kira", "Lev", "Mila", "Nikita", "Olga", "Pavel", "Rita",
        "Semyon", "Tanya", "Felix", "Emma", "Jakob",
    ];
    const LAST: [&str; 20] = [
        "Adler", "Belova", "Costa", "Dorn", "Ermak", "Fischer", "Gromov", "Hale", "Ionov", "Jansen", "Karpov", "Lang", "Marsh", "Novak",
        "Orlov", "Petrov", "Reed", "Sokol", "Tarasov", "Weber",
    ];
    format!("{} {}", c.of("first").pick(&FIRST), c.of("last").pick(&LAST))
}

/// How much of a full day's work a newcomer does.
pub(super) fn ramp(hired: Option<Date>, date: Date) -> f64 {
    match hired {
        Some(h) if date.0 - h.0 < 42 => 0.4 + 0.6 * real(usize::try_from(date.0 - h.0).unwrap_or(0)) / 42.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_opening_hours() {
        let check = |days, start, end, expected: &str| assert_eq!(Shift { days, start, end }.text(), expected);
        check(0b001_1111, 540, 1080, "Mo-Fr 09:00-18:00");
        check(0b100_1111, 1320, 1800, "Mo-Th,Su 22:00-06:00");
        check(0b111_1101, 450, 1230, "Mo,We-Su 07:30-20:30");
        check(0b000_0100, 0, 600, "We 00:00-10:00");
    }
}
