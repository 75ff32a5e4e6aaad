//! Whether a detector's evidence means what it says: s nats, once in e^s manager-days.

use std::collections::BTreeMap;

use serde::Serialize;

use super::share::{Share, share, size};
use crate::{
    directory::Zone,
    engine::YOUNG_DATES,
    event::Date,
    model::label::{Kind, Label, Meta},
};

/// Once in so many manager-days.
const LEVELS: [u32; 3] = [20, 100, 500];
/// Hard rules are certain, not improbable.
const RULE: &str = "rule";

/// Manager-days of one tenant, as `filin replay --features` writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Days {
    /// The organisation.
    pub tenant: String,
    /// Names of the detectors.
    pub detectors: Vec<String>,
    /// A row per manager-day.
    pub rows: Vec<Day>,
}

/// A manager-day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Who.
    pub manager: String,
    /// Their local date.
    pub date: Date,
    /// Of an integration rather than a person.
    pub integration: bool,
    /// Evidence per detector at the day's end, nats.
    pub s: Vec<f64>,
}

/// What the detectors say against how often they say it, on people's manager-days without an attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The first date that counts.
    pub from: Date,
    /// Manager-days.
    pub manager_days: u64,
    /// Per detector.
    pub detectors: Vec<Calibrated>,
}

/// One detector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// Its name.
    pub detector: String,
    /// Per level.
    pub levels: Vec<Level>,
}

/// How often a detector said at least so much.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// It said: once in so many manager-days.
    pub one_in: u32,
    /// How often it was so.
    pub observed: Share,
    /// Observed over nominal; absent without a manager-day.
    pub ratio: Option<f64>,
    /// Lower end of the 95 % interval of the ratio.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Level {
    fn of(one_in: u32, found: usize, of: usize) -> Self {
        let (observed, times) = (share(found, of), f64::from(one_in));
        Self { one_in, observed, ratio: observed.share.map(|s| s * times), low: observed.low * times, high: observed.high * times }
    }

    /// Whether it surely speaks more often than it says.
    pub fn is_loud(&self) -> bool {
        self.ratio.is_some() && self.low > 1.0
    }
}

pub(super) fn calibration(days: &Days, labels: &[Label], meta: &Meta, from_day: u32) -> Calibration {
    let first = days.rows.iter().map(|d| d.date).min().unwrap_or(meta.start);
    // Before thresholds rest on the tenant's own past, evidence promises nothing.
    let from = Date(first.0.saturating_add(YOUNG_DATES)).max(meta.date(from_day));
    let attacked = attacked(labels);
    let quiet = |d: &&Day| !attacked.get(d.manager.as_str()).is_some_and(|spans| spans.iter().any(|(a, b)| (*a..=*b).contains(&d.date)));
    let rows: Vec<&Day> = days.rows.iter().filter(|d| !d.integration && d.date >= from).filter(quiet).collect();
    let level = |k: usize, one_in: u32| {
        let least = libm::log(f64::from(one_in));
        Level::of(one_in, rows.iter().filter(|d| d.s[k] >= least).count(), rows.len())
    };
    let of = |(k, name): (usize, &String)| Calibrated { detector: name.clone(), levels: LEVELS.map(|l| level(k, l)).to_vec() };
    let detectors = days.detectors.iter().enumerate().filter(|(_, name)| *name != RULE).map(of).collect();
    Calibration { from, manager_days: size(rows.len()), detectors }
}

/// Dates on which somebody's attack lasted. A day more on either side, as a label is in UTC and a manager-day in local time.
fn attacked(labels: &[Label]) -> BTreeMap<&str, Vec<(Date, Date)>> {
    let mut spans: BTreeMap<&str, Vec<(Date, Date)>> = BTreeMap::new();
    for l in labels.iter().filter(|l| l.label == Kind::Attack) {
        let date = |t| Zone::UTC.date(t).0;
        spans.entry(&l.manager).or_default().push((Date(date(l.from) - 1), Date(date(l.to) + 1)));
    }
    spans
}
