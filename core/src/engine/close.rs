//! The close of a tenant day: learning (DETECTION.md §8).
//!
//! Order: what is expected and s as of now for all; then per manager hurdle, drift, histograms, novelty, day maximum; after all of
//! a class its pools, maps and thresholds. So no manager-day of a date sees another of it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    baseline::{drift, pool::Learned, pool::Pool},
    budget,
    class::{CLASSES, Class},
    day::Day,
    detector::{HURDLE, RULE, SHARE, SLOW, is_drift},
    features::DayFeatures,
    manager::{Baseline, Manager},
    math::number,
    relation,
    repeat::KEEP_MS,
    roster::Roster,
    tenant::Tenant,
    terms::Terms,
};
use crate::event::{Date, HOUR_MS};

/// A day with fewer events is not learned by one who has a past.
const LEARNED_EVENTS: u64 = 5;
/// A day above this many nats is learned with little weight.
const SUSPICIOUS: f64 = 9.0;
/// A season needs so many to be seen.
const SEASON: usize = 5;
/// No more dates than these are kept, whatever the zones.
const KEPT_DATES: i32 = 8;
/// Below this peak (and its threshold) a closed day forgets its evidence: late events that raise an alert bring their own.
const QUIET_PEAK: f64 = 3.0;

impl Tenant {
    /// Closes all dates that are due, oldest first.
    pub(super) fn close_due(&mut self) {
        let mut last = None;
        while let Some((date, _)) = self.open.first_key_value().filter(|(date, _)| self.calendar.is_closed(**date)) {
            let date = *date;
            let mut managers = self.open.remove(&date).unwrap_or_default();
            managers.sort_by(|a, b| self.roster.get(*a).id.cmp(&self.roster.get(*b).id));
            self.close(date, &managers);
            last = Some(date);
        }
        // Not before all of them are closed: after a long gap an open day may lie far behind the watermark.
        if let Some(date) = last {
            self.forget(date);
        }
    }

    fn close(&mut self, date: Date, managers: &[usize]) {
        let first = *self.shared.first_date.get_or_insert(date);
        self.shared.learned_days += managers.len() as u64;
        self.shared.week.close(date, u32::try_from(managers.len()).unwrap_or(u32::MAX));
        let budget = self.shared.week.rate(self.terms.budget);
        for (c, class) in self.shared.classes.iter_mut().enumerate() {
            let of = |n: &usize| self.roster.get(*n).find(date).map(|i| (*n, i)).filter(|(n, i)| self.roster.get(*n).days[*i].class == c);
            let pairs: Vec<(usize, usize)> = managers.iter().filter_map(of).collect();
            if pairs.is_empty() {
                continue;
            }
            close_class(class, &mut self.roster, &pairs, date.0 - first.0, &self.terms);
            if let Some(features) = &mut self.features {
                let of = |(n, i): &(usize, usize)| (self.roster.get(*n), *i);
                features.extend(pairs.iter().map(of).map(|(m, i)| DayFeatures::of(&m.id, &m.days[i], class.theta[0])));
            }
            self.shared.last_closed = Some(date);
            class.early = class.early.take().or_else(|| class.calibration.early(date, first));
            class.theta = class.calibration.thresholds(date, first, budget, &class.elsewhere);
        }
        self.count_peers();
    }

    /// Counts who has which peers.
    pub(super) fn count_peers(&mut self) {
        let mut sizes: [BTreeMap<Arc<str>, u32>; CLASSES] = Default::default();
        for m in self.roster.iter().filter(|m| m.base.hurdle.days() > 0.0) {
            if let Some(peers) = &m.peers {
                *sizes[m.class].entry(peers.clone()).or_default() += 1;
            }
        }
        for (class, sizes) in self.shared.classes.iter_mut().zip(sizes) {
            class.set_sizes(sizes);
        }
    }

    /// What lies more than 72 h behind the watermark, or outside the windows, has no further effect.
    fn forget(&mut self, date: Date) {
        let Some(watermark) = self.calendar.watermark() else { return };
        let gone = watermark.millis() - KEEP_MS;
        let Self { calendar, roster, shared, rollups, .. } = self;
        // An hour beyond the end: an UTC hour may lie in two manager-days.
        let mut is_old = |d: Date| calendar.end(d) + HOUR_MS < gone;
        let earliest = (0..KEPT_DATES).map(|back| Date(date.0 - back)).take_while(|d| !is_old(*d)).last().unwrap_or(date);
        roster.visit(|m| {
            let before = (m.days.len(), m.episodes.len(), m.belated.len());
            if m.days.first().is_some_and(|d| is_old(d.date)) {
                rollups.rescue(m, &mut is_old);
                m.days.retain(|d| !is_old(d.date));
            }
            m.episodes.retain(|e| e.until >= gone);
            m.belated.retain(|b| b.0.0 > date.0 - budget::DATES);
            if m.days.is_empty() {
                m.base.unexpect();
            }
            let aged = m.base.windows.age(date) | m.memory.forget(watermark.millis()) | m.nears.forget(date);
            relation::forget(&mut m.base, earliest, gone) || aged || before != (m.days.len(), m.episodes.len(), m.belated.len())
        });
        shared.windows.age(date);
        shared.watch.waves.forget(gone);
        shared.mutes.forget(gone);
        shared.teams.forget(is_old);
        self.forget_ghosts();
    }

    /// Of accounts without a row, those who have been idle for longest go when there are too many.
    fn forget_ghosts(&mut self) {
        let excess = self.roster.len().saturating_sub(self.terms.ghosts / 2 + self.people.len());
        if excess == 0 {
            return;
        }
        let idle = |m: &&Manager| m.days.is_empty() && m.episodes.is_empty() && !self.people.contains(&m.id);
        let mut idle: Vec<_> = self.roster.iter().filter(idle).map(|m| (m.last_day, m.id.clone())).collect();
        idle.sort_unstable();
        idle.truncate(excess);
        for (_, id) in idle {
            self.roster.forget(&id);
        }
    }
}

fn day(roster: &mut Roster, (n, i): (usize, usize)) -> (&mut Day, &mut Baseline) {
    let Manager { days, base, .. } = roster.change(n);
    (&mut days[i], base)
}

fn worthy(day: &Day, base: &Baseline) -> bool {
    day.events >= LEARNED_EVENTS || base.hurdle.days() < 3.0
}

/// Closes the manager-days (number of the manager, place of the day; sorted by id) of a class.
fn close_class(class: &mut Class, roster: &mut Roster, pairs: &[(usize, usize)], index: i32, terms: &Terms) {
    class.histograms.iter_mut().for_each(super::baseline::tail::Histogram::fade);
    let (mut season, mut counted) = ([0.0; SLOW], 0);
    for pair in pairs {
        let (day, base) = day(roster, *pair);
        base.expect(class, &day.post.peers);
        day.refresh(base, class, terms);
        let Some(expected) = base.expected().filter(|_| worthy(day, base)) else { continue };
        counted += 1;
        for (j, z) in expected.drift.z(&day.x).into_iter().enumerate() {
            season[j] += drift::step(j, z);
        }
    }
    let common = season.map(|sum| if counted >= SEASON { (sum / number(counted as u64)).max(0.0) } else { 0.0 });
    let mut learned: Vec<(Arc<str>, Learned)> = Vec::new();
    let mut peaks = Vec::new();
    for pair in pairs {
        let (day, base) = day(roster, *pair);
        if base.hurdle.days() >= 5.0 && day.events >= 3 && index >= 10 {
            for k in (0..RULE).filter(|k| !is_drift(*k) || base.drift.warm(k - HURDLE)) {
                class.histograms[k].add(day.r[k]);
            }
        }
        learned.extend(learn(day, base, &common, terms).map(|l| (day.post.peers.clone(), l)));
        for (a, new) in day.news.attributes() {
            if base.novelty[a as usize].close(new) {
                class.rates.learn(a, new);
            }
        }
        day.closed = true;
        if day.peak < class.theta[0].min(QUIET_PEAK) {
            day.evidence.clear();
        }
        let (date, in_class, bin, incident) = (day.date, day.class, budget::bin(day.peak), day.incident);
        let extreme = terms.robust && day.peak >= class.theta[2];
        let manager = roster.change(pair.0);
        manager.stale();
        if !incident && !extreme {
            peaks.push(bin);
            manager.calibrate(date, in_class, bin);
        }
    }
    if let Some((n, i)) = pairs.first() {
        class.calibration.close(roster.get(*n).days[*i].date, peaks);
    }
    pool(class, &learned);
    class.refresh();
}

/// A manager learns their day, unless it says too little; returns what role and class learn from it.
fn learn(day: &Day, base: &mut Baseline, common: &[f64; SLOW], terms: &Terms) -> Option<Learned> {
    let worthy = worthy(day, base);
    let expected = base.take_expected()?;
    let suspicious = day.s[..RULE].iter().any(|s| *s > SUSPICIOUS);
    let weight = if suspicious && terms.guard { 0.15 } else { 1.0 };
    let learned = worthy.then(|| base.hurdle.learn(&expected.hurdle, &day.x, weight, terms.guard));
    base.drift.close(&expected.drift, &day.x, common, worthy.then_some(weight));
    base.share.tell(day.told_share);
    for j in (0..SLOW).filter(|j| terms.drip_restart && day.told >> j & 1 == 1) {
        base.drift.reset(j);
    }
    let learned = learned?;
    let share = base.share.learn(&expected.share, day.x[SHARE], day.clients(), weight);
    Some(Learned { slow: drift::series(&day.x), share, ..learned })
}

/// Roles and the class learn what their managers learned.
fn pool(class: &mut Class, learned: &[(Arc<str>, Learned)]) {
    let mut by_role: BTreeMap<&Arc<str>, Vec<&Learned>> = BTreeMap::new();
    for (role, l) in learned {
        by_role.entry(role).or_default().push(l);
    }
    if !learned.is_empty() {
        class.pool.learn(&learned.iter().map(|(_, l)| l).collect::<Vec<_>>());
    }
    for (role, days) in by_role {
        class.roles.entry(role.clone()).or_insert_with(|| Pool::new(0.0, 0.0)).learn(&days);
    }
}
