//! Whether false alerts fall on some groups of people more than on others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Version,
    calibration::Days,
    opened_at,
    share::{Rate, at_least, number, rate, size},
};
use crate::{
    directory::{Grade, Table, User, Zone, schedule::Schedule},
    event::{Date, HOUR_MS, Timestamp, words},
};

/// Fewer working hours a week are part time.
const FULL_TIME_HOURS: f64 = 30.0;
/// So many days after the first one is new.
const NEW_DAYS: i32 = 30;
/// A group with fewer false alerts gives no warning.
const LEAST_ALERTS: u64 = 5;
/// A group that carries more than so many times its share gives one ...
const MOST_RATIO: f64 = 2.0;
/// ... unless as much would come by chance this often in any of all groups.
const CHANCE: f64 = 0.05;
/// A manager-day begins at 05:00.
const DAY_STARTS_MS: i64 = 5 * HOUR_MS;

words! {
    /// What people are grouped by.
    By {
        /// Role.
        Role = "role",
        /// Grade.
        Grade = "grade",
        /// Team.
        Team = "team",
        /// Time zone.
        Zone = "zone",
        /// Part time (below 30 scheduled hours a week) or full time.
        Hours = "hours",
        /// New (first 30 days) or settled.
        Tenure = "tenure",
    }
}

/// False alerts of behaviour by group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fairness {
    /// Manager-days of people who have a row.
    pub manager_days: u64,
    /// False alerts on them.
    pub false_alerts: u64,
    /// False alerts on anybody else: integrations, people without a row.
    pub elsewhere: u64,
    /// The greatest chance at which a group is warned of: 5 % over all groups (Bonferroni; Dunn 1961).
    pub chance: f64,
    /// The groups, by what they are groups of.
    pub groups: Vec<Group>,
}

/// One group. Shares are of all who are in some group of this kind; whose grade, say, is not known is in none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What it is a group of.
    pub by: By,
    /// Its name.
    pub group: String,
    /// People in it.
    pub managers: u64,
    /// Of them, with a false alert.
    pub told_of: u64,
    /// Their manager-days.
    pub manager_days: u64,
    /// False alerts on these days.
    pub false_alerts: Rate,
    /// Its share of manager-days.
    pub share_of_days: f64,
    /// Its share of false alerts; absent without any.
    pub share_of_alerts: Option<f64>,
    /// Share of alerts over share of days.
    pub ratio: Option<f64>,
    /// How often as many alerts would fall on the group if they fell on days regardless of group: binomial, given their number, as
    /// two Poisson rates are compared (Przyborowski & Wilenski 1940).
    pub p: f64,
    /// More than twice its share, at least five alerts, and not by chance.
    pub warned: bool,
}

#[derive(Default)]
struct Tally<'a> {
    days: u64,
    alerts: u64,
    managers: BTreeSet<&'a str>,
    told_of: BTreeSet<&'a str>,
}

/// Which groups a manager-day belongs to.
struct Groups<'a> {
    users: &'a Table<User>,
    /// First manager-day of each.
    first_seen: BTreeMap<&'a str, Date>,
    /// First manager-day of all.
    first: Date,
    /// Hours a week of each text.
    hours: BTreeMap<&'a str, Option<f64>>,
}

pub(super) fn fairness(days: &Days, users: &Table<User>, false_alerts: &[&Vec<&Version>], from: Date) -> Fairness {
    let groups = Groups::new(days, users);
    let mut tallies: BTreeMap<(By, &str), Tally<'_>> = BTreeMap::new();
    let mut counted: BTreeSet<(&str, Date)> = BTreeSet::new();
    for d in days.rows.iter().filter(|d| !d.integration && d.date >= from && users.contains(&d.manager)) {
        counted.insert((&d.manager, d.date));
        for group in groups.of(&d.manager, d.date) {
            let tally = tallies.entry(group).or_default();
            tally.days += 1;
            tally.managers.insert(&d.manager);
        }
    }
    let (mut placed, mut elsewhere) = (0, 0);
    for alert in false_alerts {
        let Some(day) = groups.day_of(alert).filter(|day| counted.contains(day)) else {
            elsewhere += 1;
            continue;
        };
        placed += 1;
        for group in groups.of(day.0, day.1) {
            let tally = tallies.entry(group).or_default();
            tally.alerts += 1;
            tally.told_of.insert(day.0);
        }
    }
    let chance = CHANCE / number(size(tallies.len().max(1)));
    let groups = judged(&tallies, chance);
    Fairness { manager_days: size(counted.len()), false_alerts: placed, elsewhere, chance, groups }
}

fn judged(tallies: &BTreeMap<(By, &str), Tally<'_>>, chance: f64) -> Vec<Group> {
    let mut all: BTreeMap<By, (u64, u64)> = BTreeMap::new();
    for ((by, _), t) in tallies {
        let (days, alerts) = all.entry(*by).or_default();
        *days += t.days;
        *alerts += t.alerts;
    }
    tallies.iter().map(|((by, name), t)| group(*by, name, t, all[by], chance)).collect()
}

fn group(by: By, name: &str, t: &Tally<'_>, (days, alerts): (u64, u64), chance: f64) -> Group {
    // A tally exists because of a day, so there are days.
    let share_of_days = number(t.days) / number(days);
    let share_of_alerts = (alerts > 0).then(|| number(t.alerts) / number(alerts));
    let ratio = share_of_alerts.map(|s| s / share_of_days);
    let p = at_least(t.alerts, alerts, share_of_days);
    Group {
        by,
        group: name.to_owned(),
        managers: size(t.managers.len()),
        told_of: size(t.told_of.len()),
        manager_days: t.days,
        false_alerts: rate(usize::try_from(t.alerts).unwrap_or(usize::MAX), t.days),
        share_of_days,
        share_of_alerts,
        ratio,
        p,
        warned: t.alerts >= LEAST_ALERTS && ratio.is_some_and(|r| r > MOST_RATIO) && p <= chance,
    }
}

impl<'a> Groups<'a> {
    fn new(days: &'a Days, users: &'a Table<User>) -> Self {
        let mut first_seen: BTreeMap<&str, Date> = BTreeMap::new();
        for d in &days.rows {
            first_seen.entry(&d.manager).and_modify(|first| *first = d.date.min(*first)).or_insert(d.date);
        }
        let first = first_seen.values().min().copied().unwrap_or_default();
        let texts: BTreeSet<&str> = users.iter().filter_map(|u| u.schedule.as_deref()).collect();
        let hours = |text: &str| Some(Schedule::parse(text).0).filter(|s| !s.is_empty()).map(|s| s.week_hours());
        Self { users, first_seen, first, hours: texts.into_iter().map(|text| (text, hours(text))).collect() }
    }

    fn row(&self, manager: &str, t: Timestamp) -> Option<(&'a User, Zone)> {
        let user = self.users.at(manager, t)?;
        Some((user, user.time_zone.as_deref().and_then(|z| Zone::get(z).ok()).unwrap_or_default()))
    }

    /// The manager-day in which an alert was opened.
    fn day_of(&self, alert: &[&'a Version]) -> Option<(&'a str, Date)> {
        let (manager, opened) = (alert[0].manager.as_deref()?, opened_at(alert));
        let (_, zone) = self.row(manager, opened)?;
        Some((manager, zone.date(opened.plus(-DAY_STARTS_MS))))
    }

    fn of(&self, manager: &str, date: Date) -> Vec<(By, &'a str)> {
        // A row counts for the date at whose noon it is in force.
        let Some((user, zone)) = self.row(manager, date.midnight_utc().plus(12 * HOUR_MS)) else { return Vec::new() };
        let named = [
            (By::Role, user.role.as_deref()),
            (By::Grade, user.grade.map(Grade::as_str)),
            (By::Team, user.team.as_deref()),
            (By::Zone, user.time_zone.as_deref()),
            (By::Hours, self.working_time(user)),
            (By::Tenure, self.tenure(manager, user, &zone, date)),
        ];
        named.into_iter().filter_map(|(by, name)| Some((by, name?))).collect()
    }

    fn working_time(&self, user: &User) -> Option<&'static str> {
        let hours = self.hours.get(user.schedule.as_deref()?).copied()??;
        Some(if hours < FULL_TIME_HOURS { "part time" } else { "full time" })
    }

    /// The first day is that of `hired_at`, else the first one seen; who was there in the first days of all may have been there for
    /// years, so until they surely are settled nobody knows.
    fn tenure(&self, manager: &str, user: &User, zone: &Zone, date: Date) -> Option<&'static str> {
        let hired = user.hired_at.map(|w| zone.date(zone.start(w)));
        let since = hired.or_else(|| self.first_seen.get(manager).copied())?;
        if date.0 - since.0 >= NEW_DAYS {
            return Some("settled");
        }
        (hired.is_some() || since.0 - self.first.0 >= NEW_DAYS).then_some("newcomer")
    }
}
