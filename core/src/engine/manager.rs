//! What is known of one manager.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Severity, VerdictKind,
    baseline::{
        drift, hours, hurdle,
        novelty::{self, ATTRIBUTES},
        share,
    },
    budget,
    class::Class,
    day::Day,
    detector::{HURDLE, SHARE},
    explain::Usual,
    memory::Memory,
    near::Nears,
    rule::Rules,
    sketch::{Contacts, Strangers},
    windows::Windows,
};
use crate::event::Date;

/// Half the width of the usual range (85 % of days), in standard deviations.
const RANGE: f64 = 1.44;

/// Baseline, kept days, alerts that may grow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manager {
    #[serde(skip)]
    pub(super) id: Arc<str>,
    pub(super) base: Baseline,
    /// By date.
    pub(super) days: Vec<Day>,
    pub(super) episodes: Vec<Episode>,
    pub(super) memory: Memory,
    pub(super) nears: Nears,
    /// Rules that events of long ago broke, by date.
    pub(super) belated: Vec<(Date, Rules)>,
    /// Role, peers and class of the latest day.
    pub(super) role: Option<Arc<str>>,
    pub(super) peers: Option<Arc<str>>,
    pub(super) class: usize,
    pub(super) last_day: Option<Date>,
    /// Day maxima in the calibration set.
    pub(super) peaks: Vec<Peak>,
    /// Changed since the last checkpoint, and since the last roll-up.
    #[serde(skip)]
    pub(super) dirty: bool,
    #[serde(skip)]
    pub(super) rolled: bool,
}

/// What is usual for a manager.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) hurdle: hurdle::Own,
    pub(super) drift: drift::Own,
    pub(super) share: share::Own,
    pub(super) hours: hours::Own,
    pub(super) novelty: [novelty::Own; ATTRIBUTES],
    /// Clients touched without a reason.
    pub(super) strangers: Strangers,
    /// Clients who made contact.
    pub(super) contacts: Contacts,
    /// Clients of the last quarter.
    pub(super) windows: Windows,
    #[serde(skip)]
    expected: Option<Box<Expected>>,
}

/// What is expected of a day, and for which state of the class and role that was computed.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    class: usize,
    generation: u64,
    role: Arc<str>,
    pub(super) hurdle: hurdle::Expected,
    pub(super) drift: drift::Expected,
    pub(super) share: share::Expected,
}

impl Expected {
    /// What is usual for a detector; a drift has nothing of its own to be compared with, nor has a rule.
    pub(super) fn usual(&self, k: usize) -> Option<Usual> {
        let Self { hurdle, share, .. } = self;
        match k {
            SHARE => Some(Usual { mid: share.share, low: share.share, high: share.share, role: share.peer, share: 1.0 }),
            k if k < HURDLE => Some(Usual {
                mid: hurdle.at(k, 0.0),
                low: hurdle.at(k, -RANGE),
                high: hurdle.at(k, RANGE),
                role: hurdle.of_peers(k),
                share: hurdle.share[k],
            }),
            _ => None,
        }
    }
}

/// An alert that may still grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    pub(super) date: Date,
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) alert_id: String,
    pub(super) version: u32,
    pub(super) severity: Severity,
    /// Sorted.
    pub(super) controls: Vec<String>,
    pub(super) bits: u64,
    pub(super) records: u64,
    pub(super) clients: u64,
    /// The answered alert that it comes after.
    pub(super) linked: Option<String>,
    /// What a person said of it: it does not grow any more.
    pub(super) verdict: Option<VerdictKind>,
}

/// A day maximum in the calibration set of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peak {
    date: Date,
    class: usize,
    bin: u16,
}

#[cfg(test)]
impl Peak {
    pub(super) fn date(self) -> Date {
        self.date
    }
}

impl Episode {
    /// Whether an event of a date and time belongs to it.
    pub(super) fn takes(&self, date: Date, time: i64) -> bool {
        self.date == date || (self.from..self.until).contains(&time)
    }
}

impl Manager {
    /// Somebody of whom nothing is known.
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            base: Baseline::default(),
            days: Vec::new(),
            episodes: Vec::new(),
            memory: Memory::default(),
            nears: Nears::default(),
            belated: Vec::new(),
            role: None,
            peers: None,
            class: 0,
            last_day: None,
            peaks: Vec::new(),
            dirty: false,
            rolled: false,
        }
    }

    /// Where a day is kept.
    pub(super) fn find(&self, date: Date) -> Option<usize> {
        self.days.iter().rposition(|d| d.date == date)
    }

    /// Keeps a day that begins; returns where.
    pub(super) fn open(&mut self, day: Day) -> usize {
        if self.last_day.is_none_or(|last| day.date > last) {
            if self.role.as_ref().is_some_and(|role| *role != day.post.role) {
                self.base.change_role();
                self.stale();
            }
            (self.role, self.peers) = (Some(day.post.role.clone()), Some(day.post.peers.clone()));
            (self.class, self.last_day) = (day.class, Some(day.date));
        }
        let at = self.days.partition_point(|d| d.date < day.date);
        self.days.insert(at, day);
        at
    }

    /// The baseline changed: what was recalibrated with it is to be computed anew, also for days of the other class.
    pub(super) fn stale(&mut self) {
        self.days.iter_mut().for_each(|d| d.generation = 0);
    }

    /// A day enters the calibration set.
    pub(super) fn calibrate(&mut self, date: Date, class: usize, bin: u16) {
        self.peaks.retain(|p| p.date.0 > date.0 - budget::DATES);
        self.peaks.push(Peak { date, class, bin });
    }

    /// A day was an incident and leaves the calibration set; returns the class whose set it left.
    pub(super) fn exclude(&mut self, date: Date, classes: &mut [Class]) -> Option<usize> {
        if let Some(i) = self.find(date) {
            self.days[i].incident = true;
        }
        let peak = self.peaks.remove(self.peaks.iter().position(|p| p.date == date)?);
        classes.get_mut(peak.class)?.calibration.remove(date, peak.bin).then_some(peak.class)
    }
}

impl Baseline {
    /// Computes what is expected of a day in this role, unless that is at hand.
    pub(super) fn expect(&mut self, class: &Class, role: &Arc<str>) {
        let known =
            |e: &Expected| e.class == class.index && e.generation == class.generation() && (Arc::ptr_eq(&e.role, role) || e.role == *role);
        if self.expected.as_deref().is_some_and(known) {
            return;
        }
        let peers = class.peers(role);
        self.expected = Some(Box::new(Expected {
            class: class.index,
            generation: class.generation(),
            role: role.clone(),
            hurdle: hurdle::Expected::of(&self.hurdle, &class.pool, peers),
            drift: drift::Expected::of(&self.drift, peers.unwrap_or(&class.pool)),
            share: share::Expected::of(&self.share, &class.pool.share, peers.map(|p| &p.share)),
        }));
    }

    /// What is expected, as computed last.
    pub(super) fn expected(&self) -> Option<&Expected> {
        self.expected.as_deref()
    }

    /// The same, for the last time: the baseline is about to change.
    pub(super) fn take_expected(&mut self) -> Option<Box<Expected>> {
        self.expected.take()
    }

    /// The baseline changed, or will not be needed for long.
    pub(super) fn unexpect(&mut self) {
        self.expected = None;
    }

    /// What is usual is unknown again. Clients stay: whom somebody knows is no habit.
    pub(super) fn reset(&mut self) {
        let Self { strangers, contacts, windows, .. } = std::mem::take(self);
        *self = Self { strangers, contacts, windows, ..Self::default() };
    }

    fn change_role(&mut self) {
        self.hurdle.change_role();
        self.drift.change_role();
        self.share.change_role();
        self.unexpect();
    }
}
