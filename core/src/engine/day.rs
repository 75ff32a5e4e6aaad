//! One manager-day: its accumulators and everything that lives only as long as the day is kept.

use serde::{Deserialize, Serialize};

use super::{
    baseline::{hours::Hour, novelty::ATTRIBUTES},
    detector::{DETECTORS, FAMILIES, Values},
    evidence::Evidence,
    explain::{Attribute, NewValue, REASONS},
    packed::{by_detector, fixed},
    people::Post,
    places::Places,
    rule::Hits,
    sketch::Clients,
    state, team,
};
use crate::event::Date;

/// New values of a day that a sentence may name, and how long each may be.
const SHOWN: usize = 16;
const SHOWN_CHARS: usize = 64;
/// New values counted on a day: more of them say nothing more.
const COUNTED: usize = 512;

/// A manager-day.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Day {
    pub(super) date: Date,
    pub(super) class: usize,
    pub(super) post: Post,
    /// Scored, but taught nothing any more.
    pub(super) closed: bool,
    /// A verdict said so: it stays out of the calibration set.
    pub(super) incident: bool,
    pub(super) events: u64,
    /// Accumulators.
    #[serde(with = "by_detector")]
    pub(super) x: Values,
    /// Raw surprise, its running maximum.
    #[serde(with = "by_detector")]
    pub(super) raw: Values,
    /// After the discount, running maximum.
    #[serde(with = "by_detector")]
    pub(super) r: Values,
    /// Recalibrated; with `v` and `weight` computed anew whenever `generation` is not the class's.
    #[serde(skip)]
    pub(super) s: Values,
    /// Per family the greatest s, and its exponential.
    #[serde(skip)]
    pub(super) v: [f64; FAMILIES],
    #[serde(skip, default = "silent")]
    pub(super) weight: [f64; FAMILIES],
    #[serde(skip)]
    pub(super) generation: u64,
    /// Greatest behavioural evidence so far.
    pub(super) peak: f64,
    /// Rules that were broken.
    pub(super) hits: Hits,
    /// Records of the largest export, report or API answer.
    pub(super) largest: u64,
    /// Records changed in the busiest UTC hour.
    pub(super) most_changed: u64,
    /// Records that an administrator tidied up.
    #[serde(deserialize_with = "state::since::<7, _, _>")]
    pub(super) tidied: u64,
    /// Per detector the greatest whole nat that was signalled.
    #[serde(with = "by_detector")]
    pub(super) signalled: [u8; DETECTORS],
    /// The share that an alert of this day named.
    pub(super) told_share: f64,
    /// Drifts that an alert of this day named: a bit each.
    pub(super) told: u8,
    pub(super) touched: Clients,
    /// Clients touched with a reason, by [`Reason`](super::explain::Reason).
    pub(super) reasons: [u32; REASONS],
    /// Key clients touched without one, whether any is an absent colleague's.
    pub(super) unrelated_key: u64,
    pub(super) substitute: bool,
    /// Weight of those who were the manager's once, and of those of other teams.
    pub(super) former: f64,
    pub(super) elsewhere: f64,
    /// API or bulk job for the first time.
    pub(super) new_channel: bool,
    /// Something was done on a day off by the calendar.
    pub(super) day_off: bool,
    /// The share of clients touched without a reason, of a usual day's at least.
    pub(super) share: f64,
    /// That share among the team's others on its day before.
    #[serde(deserialize_with = "state::since::<7, _, _>")]
    pub(super) team_before: Option<f64>,
    pub(super) places: Places,
    /// Hour of the week, and what it means.
    pub(super) hours: Vec<(u8, Hour)>,
    pub(super) news: News,
    pub(super) evidence: Evidence,
    pub(super) counts: Vec<Counts>,
    /// Its roll-up changed.
    #[serde(skip)]
    pub(super) rolled: bool,
}

/// Values of a day that were new to the manager.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct News {
    /// Attributes with a value today, and those with a newly learned one: a bit each.
    active: u8,
    fresh: u8,
    #[serde(with = "fixed")]
    counted: Vec<u64>,
    shown: Vec<(u8, Box<str>, f32)>,
}

/// One UTC hour of a manager-day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Hours since 1970.
    pub(super) hour: i64,
    pub(super) events: u64,
    pub(super) records_out: u64,
    pub(super) records_screen: u64,
    pub(super) calls: u64,
    /// Records deleted, merged, transferred, changed, shared.
    pub(super) changed: u64,
    /// Clients touched for the first time on this day.
    pub(super) clients: u64,
    /// Its roll-up changed.
    #[serde(skip)]
    pub(super) rolled: bool,
}

/// Weights of families that have nothing to say.
fn silent() -> [f64; FAMILIES] {
    [1.0; FAMILIES]
}

impl Day {
    /// A day that begins.
    pub(super) fn new(date: Date, class: usize, post: Post, closed: bool) -> Self {
        Self {
            date,
            class,
            post,
            closed,
            incident: false,
            events: 0,
            x: [0.0; DETECTORS],
            raw: [0.0; DETECTORS],
            r: [0.0; DETECTORS],
            s: [0.0; DETECTORS],
            v: [0.0; FAMILIES],
            weight: silent(),
            generation: 0,
            peak: 0.0,
            hits: Hits::default(),
            largest: 0,
            most_changed: 0,
            tidied: 0,
            signalled: [0; DETECTORS],
            told_share: 0.0,
            told: 0,
            touched: Clients::default(),
            reasons: [0; REASONS],
            unrelated_key: 0,
            substitute: false,
            former: 0.0,
            elsewhere: 0.0,
            new_channel: false,
            day_off: false,
            share: 0.0,
            team_before: None,
            places: Places::default(),
            hours: Vec::new(),
            news: News::default(),
            evidence: Evidence::default(),
            counts: Vec::new(),
            rolled: false,
        }
    }

    /// Clients touched with a reason.
    pub(super) fn related(&self) -> u64 {
        self.reasons.iter().map(|n| u64::from(*n)).sum()
    }

    /// The key of its team.
    pub(super) fn team(&self) -> u64 {
        team::key(self.class, &self.post.team)
    }

    /// Records and clients revealed so far: the floor of some detectors.
    pub(super) fn revealed(&self) -> f64 {
        self.x[0] + self.x[1] + self.x[5]
    }

    /// Records out and on screen.
    pub(super) fn records(&self) -> f64 {
        self.x[0] + self.x[1]
    }

    /// Distinct clients.
    pub(super) fn clients(&self) -> f64 {
        self.x[5]
    }

    /// The counts of an UTC hour.
    pub(super) fn hour(&mut self, hour: i64) -> &mut Counts {
        // Almost always the last one.
        let at = self.counts.iter().rposition(|c| c.hour <= hour).map_or(0, |i| i + usize::from(self.counts[i].hour < hour));
        if self.counts.get(at).is_none_or(|c| c.hour != hour) {
            self.counts.insert(at, Counts { hour, ..Counts::default() });
        }
        &mut self.counts[at]
    }
}

impl News {
    /// A value of the attribute was seen.
    pub(super) fn see(&mut self, a: Attribute) {
        self.active |= 1 << a as u8;
    }

    /// A new value of the attribute was learned.
    pub(super) fn learn(&mut self, a: Attribute) {
        self.fresh |= 1 << a as u8;
    }

    /// Attributes of the day, and whether something new was learned of each.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (Attribute, bool)> {
        (0..ATTRIBUTES).filter(|a| self.active >> a & 1 == 1).map(|a| (Attribute::ALL[a], self.fresh >> a & 1 == 1))
    }

    /// Counts a value once; false when it was counted already, or the day has too many.
    pub(super) fn count(&mut self, value: u64) -> bool {
        let new = self.counted.len() < COUNTED && !self.counted.contains(&value);
        if new {
            self.counted.push(value);
        }
        new
    }

    /// Keeps a new value for the sentences.
    pub(super) fn show(&mut self, a: Attribute, rate: f64, value: impl FnOnce() -> String) {
        if self.shown.len() < SHOWN {
            let value: String = value().chars().take(SHOWN_CHARS).collect();
            self.shown.push((a as u8, value.into(), super::math::stored(rate)));
        }
    }

    /// The new values, in order of appearance.
    pub(super) fn shown(&self) -> Vec<NewValue> {
        let of = |a: u8| Attribute::ALL.get(usize::from(a)).copied();
        let shown = self.shown.iter().filter_map(|(a, value, rate)| Some((of(*a)?, value, rate)));
        shown.map(|(attribute, value, rate)| NewValue { attribute, value: value.to_string(), rate: f64::from(*rate) }).collect()
    }
}
