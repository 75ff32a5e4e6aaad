//! What really happened, for those who judge alerts: attacks as they were played, and honest things that look odd.

use std::collections::BTreeMap;

use super::calendar::{self, later};
use super::company::Company;
use super::day::MAILER;
use super::people::Role;
use super::place::{CITIES, midnight};
use super::plan::Attack;
use crate::event::{DAY_MS, Date, Timestamp};
use crate::model::{Kind, Label, Strength};

/// Most events that a label names.
const MOST_EVENTS: usize = 1000;

/// Events of attacks as they are made.
#[derive(Default)]
pub(super) struct Gather {
    steps: BTreeMap<usize, Vec<(Timestamp, String, u64)>>,
}

impl Gather {
    pub(super) fn add(&mut self, attack: usize, time: Timestamp, reference: String, leak: u64) {
        self.steps.entry(attack).or_default().push((time, reference, leak));
    }

    /// A label for each attack that left a trace.
    pub(super) fn finish(mut self, attacks: &[Attack], company: &Company) -> Vec<Label> {
        attacks
            .iter()
            .filter_map(|a| {
                let steps = self.steps.remove(&a.n)?;
                attack_label(a.scenario.as_str(), a.scenario.controls(), a.strength, &company.people[a.idx].id, steps)
            })
            .collect()
    }
}

/// The label of an attack with these steps.
pub(super) fn attack_label(
    scenario: &str,
    controls: &[&str],
    strength: Strength,
    manager: &str,
    mut steps: Vec<(Timestamp, String, u64)>,
) -> Option<Label> {
    steps.sort();
    let (from, to) = (steps.first()?.0, steps.last()?.0);
    let mut exposure = 0;
    let mut course = Vec::with_capacity(steps.len());
    for (time, _, leak) in &steps {
        exposure += leak;
        course.push((*time, exposure));
    }
    course.truncate(MOST_EVENTS);
    Some(Label {
        label: Kind::Attack,
        scenario: scenario.to_owned(),
        controls: controls.iter().map(|c| (*c).to_owned()).collect(),
        strength,
        manager: manager.to_owned(),
        from,
        to,
        event_ids: steps.into_iter().take(MOST_EVENTS).map(|(_, id, _)| id).collect(),
        exposure,
        course,
        expect: None,
    })
}

/// Honest things that look odd, by person and span of local dates.
pub(super) fn benign(company: &Company) -> Vec<Label> {
    let mut spans: BTreeMap<(usize, &'static str, Date), Date> = BTreeMap::new();
    let last = company.until;
    for p in &company.people {
        let mut note = |what: &'static str, from: Date, to: Date| {
            if from <= last && to >= company.start {
                spans.entry((p.idx, what, from.max(company.start))).and_modify(|t| *t = (*t).max(to.min(last))).or_insert(to.min(last));
            }
        };
        if let Some(h) = p.hired {
            note("new_hire", h, later(h, 27));
        }
        if let Some(e) = p.exit.filter(|e| e.closed) {
            note("leaver", e.notice, later(e.last, -1));
        }
        if let Some((from, _)) = p.new_role {
            note("role_change", from, later(from, 13));
        }
        for m in company.moves.iter().filter(|m| m.territory && m.to == p.idx) {
            note("hand_over", m.date, later(m.date, 3));
        }
        let team = &company.teams[p.team];
        for date in (company.start.0..=last.0).map(Date) {
            let zone = company.zone(p.idx);
            if midnight(zone, date).millis() - midnight(zone, later(date, -1)).millis() != DAY_MS {
                note("clock_change", date, later(date, 6));
            }
            if !company.works(p, date) {
                continue;
            }
            if calendar::campaign(company.seed, p.team, date).is_some() && p.role != Role::Admin {
                note("campaign", later(calendar::monday(date), 1), later(calendar::monday(date), 3));
            }
            if calendar::quarter_end(date) {
                let (_, _, day) = date.ymd();
                let first = if day < 5 {
                    date
                } else {
                    (0..5).map(|n| later(date, -n)).take_while(|d| calendar::quarter_end(*d)).last().unwrap_or(date)
                };
                note("quarter_end", first, later(first, 4));
            }
            if calendar::duty(company.seed, team, p, date).is_some() {
                note("night_duty", calendar::monday(date), later(calendar::monday(date), 5));
            }
            if let Some((from, to, _, _)) = calendar::trip(p, date, CITIES.len()) {
                note("trip", from, to);
            }
            if calendar::clean_up(p, date).is_some() && p.role == Role::Admin {
                note("clean_up", date, date);
            }
            if let Some((from, _)) = calendar::new_report(company.seed, p.team, date).filter(|(from, _)| date.0 - from.0 < 5) {
                note("new_report", from, later(from, 4));
            }
            let before = &company.people[team.first + (p.idx - team.first + team.size - 1) % team.size];
            if let Some((from, to)) = calendar::leave(before, date).filter(|_| before.idx != p.idx) {
                note("substitute", from, to);
            }
        }
    }
    let label = |((idx, what, from), to): (&(usize, &'static str, Date), &Date)| {
        let zone = company.zone(*idx);
        honest(what, &company.people[*idx].id, midnight(zone, *from), midnight(zone, later(*to, 1)).plus(-1))
    };
    spans.iter().map(label).chain(mail_outs(company)).collect()
}

/// The days on which marketing's program writes to a large part of the base.
fn mail_outs(company: &Company) -> impl Iterator<Item = Label> + '_ {
    let dates = (company.start.0..=company.until.0).map(Date);
    dates.filter_map(|date| company.newsletter(date)).map(|(at, _)| honest("mail_out", MAILER, at, at.plus(DAY_MS)))
}

fn honest(what: &str, manager: &str, from: Timestamp, to: Timestamp) -> Label {
    Label {
        label: Kind::Benign,
        scenario: what.to_owned(),
        controls: Vec::new(),
        strength: Strength::Medium,
        manager: manager.to_owned(),
        from,
        to,
        event_ids: Vec::new(),
        exposure: 0,
        course: Vec::new(),
        expect: None,
    }
}
