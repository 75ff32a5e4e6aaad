//! Who attacks when: a spread over people, days and kinds, with quiet stretches.

use std::collections::BTreeMap;

use super::attack::{Act, Level, Scenario, replace_quietly};
use super::calendar::{self, later};
use super::chance::{Chance, millis, real, whole};
use super::company::{Company, Shape};
use super::files::Options;
use super::labels::Gather;
use super::people::{Exit, Layout, Person, Role};
use super::place::midnight;
use crate::event::{Date, Event, Timestamp};
use crate::model::Strength;

/// An attack, over one day or several.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) n: usize,
    pub(super) scenario: Scenario,
    pub(super) strength: Strength,
    pub(super) idx: usize,
    pub(super) from: Date,
    pub(super) level: Level,
    chance: Chance,
}

/// The company and the attacks on it.
pub(super) struct Plan {
    pub(super) company: Company,
    pub(super) attacks: Vec<Attack>,
    /// Attacks of a person, by place in `attacks`.
    of_person: BTreeMap<usize, Vec<usize>>,
}

/// A place in the sequence of attacks, before somebody is found for it.
struct Slot {
    n: usize,
    date: Date,
    scenario: Scenario,
    strength: Strength,
    chance: Chance,
}

/// How far beyond the last day is planned, so that a longer run has the same first days.
const AHEAD: u32 = 60;
/// Attacks of one person, and days of quiet between them.
const MOST: usize = 3;
const APART: i32 = 12;

impl Plan {
    pub(super) fn new(options: &Options, layout: Layout) -> Self {
        let day = |n: u32| later(options.start, i32::try_from(n).unwrap_or(0));
        let last = day(options.days - 1);
        let mut shape =
            Shape { managers: options.managers, seed: options.seed, start: options.start, until: last, layout, exits: BTreeMap::new() };
        let Some(from) = options.attack_from else {
            return Self { company: Company::new(&shape), attacks: Vec::new(), of_person: BTreeMap::new() };
        };
        let far = Company::new(&Shape { until: day(options.days + AHEAD), ..shape.clone() });
        let slots = slots(&far, options.managers, day(from), day(options.days + AHEAD));

        // First those who leave, since that changes their days.
        let mut leavers = BTreeMap::new();
        for slot in slots.iter().filter(|s| matches!(s.scenario, Scenario::LeaverCollects | Scenario::LeaverActive)) {
            let free = |p: &&Person| {
                p.role != Role::Lead
                    && established(p, slot.date, 40)
                    && !shape.exits.contains_key(&p.idx)
                    && calendar::leave(p, slot.date).is_none()
            };
            let Some(idx) = in_order(&far, slot).into_iter().map(|i| &far.people[i]).find(free).map(|p| p.idx) else { continue };
            let exit = match slot.scenario {
                Scenario::LeaverCollects => Exit { notice: later(slot.date, -2), last: later(slot.date, 12), closed: true },
                _ => Exit { notice: later(slot.date, -16), last: later(slot.date, -1), closed: false },
            };
            shape.exits.insert(idx, exit);
            leavers.insert(slot.n, idx);
        }
        let company = Company::new(&Shape { until: day(options.days + AHEAD), ..shape.clone() });
        let mut attacks: Vec<Attack> = Vec::new();
        for slot in &slots {
            let found = match leavers.get(&slot.n) {
                Some(idx) => Some((*idx, slot.date)),
                None => somebody(&company, slot, &attacks, &leavers),
            };
            let Some((idx, from)) = found else { continue };
            let level = if from <= last { Level::before(&company, idx, from) } else { Level::default() };
            attacks.push(Attack { n: slot.n, scenario: slot.scenario, strength: slot.strength, idx, from, level, chance: slot.chance });
        }
        attacks.retain(|a| a.from <= last);
        let mut of_person: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, a) in attacks.iter().enumerate() {
            of_person.entry(a.idx).or_default().push(i);
        }
        Self { company: Company::new(&shape), attacks, of_person }
    }

    /// All that happens in this person's name on a local date.
    pub(super) fn day(&self, idx: usize, date: Date, gather: &mut Gather) -> Vec<Event> {
        let mut events = self.company.honest_day(idx, date);
        for a in self.of_person.get(&idx).into_iter().flatten().map(|i| &self.attacks[*i]) {
            if !(a.from..later(a.from, a.scenario.days(a.strength))).contains(&date) {
                continue;
            }
            let Some(act) = a.act(&self.company, date) else { continue };
            if a.scenario == Scenario::UnrelatedQuiet {
                for (time, id, leak) in replace_quietly(&self.company, &act, &mut events) {
                    gather.add(a.n, time, id, leak);
                }
                continue;
            }
            for (event, leak) in act.play(&self.company) {
                gather.add(a.n, event.time, event.reference(), leak);
                events.push(event);
            }
        }
        events
    }
}

impl Attack {
    /// When and how it goes on this date, if it does.
    fn act(&self, company: &Company, date: Date) -> Option<Act> {
        let p = &company.people[self.idx];
        let c = self.chance.of("date").at(date.0);
        let present = company.works(p, date);
        if !present
            && !matches!(self.scenario, Scenario::LeaverActive | Scenario::StolenLogin | Scenario::AddressDenied | Scenario::BruteForce)
        {
            return None;
        }
        let base = midnight(company.zone(self.idx), date);
        let (begin, end) = company.hours(self.idx, date);
        let hours = |a: f64, b: f64, longest: f64| -> (Timestamp, i64) {
            // Some part of the working day, over before it ends.
            let day = real(usize::try_from(end.millis() - begin.millis()).unwrap_or(0));
            let span = (c.of("span").between(0.4, 1.0) * longest * 3_600_000.0).min(day * 0.55);
            let from = day * c.of("from").between(a, b);
            (begin.plus(millis(from.min(day - span).max(0.0))), millis(span))
        };
        let clock = |a: f64, b: f64, longest: f64| -> (Timestamp, i64) {
            let span = c.of("span").between(0.4, 1.0) * longest * 3_600_000.0;
            (base.plus(millis(c.of("from").between(a, b) * 3_600_000.0)), millis(span))
        };
        let (start, span_ms) = match self.scenario {
            Scenario::ChunkedExport | Scenario::LeaverCollects => hours(0.1, 0.6, 4.0),
            Scenario::BulkExport => hours(0.1, 0.95, 0.1),
            Scenario::NightExport => clock(22.3, 26.0, 0.9),
            Scenario::Scraping => hours(0.1, 0.8, 1.6),
            Scenario::UnrelatedViews => hours(0.1, 0.6, 3.0),
            Scenario::UnrelatedQuiet | Scenario::Drip => (begin, end.millis() - begin.millis()),
            Scenario::UnrelatedCalls | Scenario::SharedAccount | Scenario::CampaignTheft => hours(0.05, 0.4, 5.0),
            Scenario::MassDelete | Scenario::ShareOutside => hours(0.3, 0.95, 0.7),
            Scenario::ApiBulk => hours(0.1, 0.9, 0.8),
            Scenario::StolenLogin if c.of("night").hit(0.5) => clock(24.5, 27.5, 0.7),
            Scenario::StolenLogin | Scenario::BruteForce => clock(9.0, 20.0, 0.5),
            Scenario::LeaverActive => clock(10.0, 21.0, 0.6),
            Scenario::AddressDenied => clock(8.0, 22.0, 0.3),
        };
        Some(Act {
            scenario: self.scenario,
            strength: self.strength,
            idx: self.idx,
            date,
            start,
            span_ms,
            level: self.level,
            chance: c,
            desk: None,
            force: 1.0,
        })
    }
}

/// The sequence: theft is rare, so one in a hundred managers a day, in runs of seven days with three quiet ones between;
/// all kinds come round in a shuffled order, each time with another strength.
fn slots(company: &Company, managers: usize, from: Date, until: Date) -> Vec<Slot> {
    let apart = (100.0 / real(managers)).min(8.0);
    let kinds = Scenario::ALL.len();
    let mut slots = Vec::new();
    for n in 0.. {
        let chance = company.seed.of("attack").at(n);
        let days = whole((real(n) + chance.of("when").unit()) * apart);
        let date = later(from, i32::try_from(days / 7 * 10 + days % 7).unwrap_or(i32::MAX / 2));
        if whole(real(n) * apart) / 7 * 10 > usize::try_from(until.0 - from.0).unwrap_or(0) {
            break;
        }
        let round = n / kinds;
        let mut order: Vec<usize> = (0..kinds).collect();
        order.sort_by_key(|k| company.seed.of("order").at(round).at(*k).bits());
        let kind = order[n % kinds];
        let shift = company.seed.of("strength").at(kind).below(3);
        let strength = Strength::ALL[(round + shift) % 3];
        slots.push(Slot { n, date, scenario: Scenario::ALL[kind], strength, chance });
    }
    slots
}

/// People in the order in which they come into question.
fn in_order(company: &Company, slot: &Slot) -> Vec<usize> {
    let mut order: Vec<usize> = (0..company.people.len()).collect();
    order.sort_by_key(|i| slot.chance.of("who").at(*i).bits());
    order
}

/// Long enough there, and not about to go.
fn established(p: &Person, date: Date, ahead: i32) -> bool {
    p.role != Role::Admin && p.hired.is_none_or(|h| date.0 - h.0 >= 30) && p.exit.is_none_or(|e| e.notice.0 > date.0 + ahead)
}

/// Who does it, and on which of the days from the slot's on.
fn somebody(company: &Company, slot: &Slot, before: &[Attack], leavers: &BTreeMap<usize, usize>) -> Option<(usize, Date)> {
    if matches!(slot.scenario, Scenario::LeaverCollects | Scenario::LeaverActive) {
        return None;
    }
    let span = slot.scenario.days(slot.strength);
    let order = in_order(company, slot);
    let wait = if slot.scenario == Scenario::CampaignTheft { 21 } else { 4 };
    for date in (0..wait).map(|n| later(slot.date, n)) {
        for idx in &order {
            let p = &company.people[*idx];
            let earlier = || before.iter().filter(|a| a.idx == *idx);
            let apart =
                earlier().all(|a| later(a.from, a.scenario.days(a.strength) + APART) <= date || later(date, span + APART) <= a.from);
            let day_shift = p.shift.end <= 20 * 60 && p.shift.start >= 6 * 60;
            let fits = match slot.scenario {
                Scenario::AddressDenied => p.kit.fenced,
                Scenario::StolenLogin | Scenario::BruteForce | Scenario::SharedAccount => !p.kit.fenced && day_shift,
                Scenario::CampaignTheft => calendar::campaign(company.seed, p.team, date).is_some(),
                Scenario::NightExport => day_shift,
                _ => true,
            };
            let is_leaver = leavers.values().any(|l| l == idx);
            let settled = established(p, date, span + 2) && !(is_leaver && p.exit.is_some_and(|e| e.notice.0 - APART <= date.0 + span));
            if fits && apart && settled && earlier().count() < MOST && company.works(p, date) {
                return Some((*idx, date));
            }
        }
    }
    None
}
