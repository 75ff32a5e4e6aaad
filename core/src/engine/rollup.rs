//! Absolute counts of days and hours, for dashboards: writing them twice changes nothing.

use std::{cmp::Ordering, sync::Arc};

use super::{ManagerDay, ManagerHour, day::Day, manager::Manager, math::count, roster::Roster, score::millibits};
use crate::event::{Date, HOUR_MS, Timestamp};

/// What changed since the last roll-up.
#[derive(Debug, Default)]
pub(super) struct Rollups {
    managers: Vec<usize>,
    days: Vec<ManagerDay>,
    hours: Vec<ManagerHour>,
}

impl Rollups {
    /// A day of this manager changed.
    pub(super) fn note(&mut self, n: usize, m: &mut Manager) {
        if !m.rolled {
            m.rolled = true;
            self.managers.push(n);
        }
    }

    /// Takes over what changed of days that are about to be forgotten.
    pub(super) fn rescue(&mut self, m: &mut Manager, is_old: &mut impl FnMut(Date) -> bool) {
        if m.rolled && m.days.iter().any(|d| d.rolled && is_old(d.date)) {
            self.collect(m);
        }
    }

    /// Everything that changed, sorted by manager and time, each once.
    pub(super) fn take(&mut self, roster: &mut Roster) -> (Vec<ManagerDay>, Vec<ManagerHour>) {
        let mut numbers = std::mem::take(&mut self.managers);
        // By id; whoever was forgotten since has nothing left to tell.
        numbers.sort_by_cached_key(|n| roster.rolled(*n).map(|m| m.id.clone()));
        for n in numbers {
            if let Some(m) = roster.rolled(n) {
                m.rolled = false;
                self.collect(m);
            }
        }
        let (mut days, mut hours) = (std::mem::take(&mut self.days), std::mem::take(&mut self.hours));
        // A day that was taken over with an older one may have changed since: two rows of one place in the log would be one too many.
        last_of_each(&mut days, |a, b| (&a.manager, a.date).cmp(&(&b.manager, b.date)));
        last_of_each(&mut hours, |a, b| (&a.manager, a.hour).cmp(&(&b.manager, b.hour)));
        (days, hours)
    }

    fn collect(&mut self, m: &mut Manager) {
        let mut hours: Vec<(i64, Arc<str>)> = Vec::new();
        for day in &mut m.days {
            if std::mem::take(&mut day.rolled) {
                self.days.push(of_day(&m.id, day));
            }
            for c in &mut day.counts {
                if std::mem::take(&mut c.rolled) {
                    hours.push((c.hour, day.post.team.clone()));
                }
            }
        }
        hours.sort_unstable_by_key(|(hour, _)| *hour);
        hours.dedup_by_key(|(hour, _)| *hour);
        for (hour, team) in hours {
            let mut sum = ManagerHour {
                manager: m.id.to_string(),
                hour: Timestamp::from_millis(hour * HOUR_MS),
                team: known(&team),
                events: 0,
                records_out: 0,
                records_screen: 0,
                calls: 0,
            };
            // An UTC hour may lie in two manager-days: where zones are half an hour off, or a zone changed.
            for c in m.days.iter().flat_map(|d| &d.counts).filter(|c| c.hour == hour) {
                sum.events += c.events;
                sum.records_out = sum.records_out.saturating_add(c.records_out);
                sum.records_screen = sum.records_screen.saturating_add(c.records_screen);
                sum.calls += c.calls;
            }
            self.hours.push(sum);
        }
    }
}

fn last_of_each<T>(rows: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) {
    rows.sort_by(&order);
    rows.dedup_by(|later, earlier| {
        let same = order(later, earlier).is_eq();
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

fn of_day(manager: &str, day: &Day) -> ManagerDay {
    ManagerDay {
        manager: manager.to_owned(),
        date: day.date,
        team: known(&day.post.team),
        role: known(&day.post.role),
        events: day.events,
        records_out: count(day.x[0]),
        records_screen: count(day.x[1]),
        clients: count(day.clients()),
        related: day.related(),
        unrelated: day.x[6],
        peak_bits: millibits(day.peak),
    }
}

/// Empty is not known.
pub(super) fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
