//! The numbers behind the last scored event, for tests and explanations.

use super::{
    Severity,
    day::Day,
    detector::{DETECTORS, FAMILIES},
};
use crate::event::Date;

/// How an event was scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Local date of the manager-day.
    pub day: Date,
    /// Its date was closed.
    pub late: bool,
    /// Accumulators, k = 1...20.
    pub x: [f64; DETECTORS],
    /// Raw surprise before the discount, running maximum.
    pub raw: [f64; DETECTORS],
    /// After it, running maximum.
    pub r: [f64; DETECTORS],
    /// Recalibrated.
    pub s: [f64; DETECTORS],
    /// Per family.
    pub v: [f64; FAMILIES],
    /// Score, nats.
    pub score: f64,
    /// Without rules.
    pub behaviour: f64,
    /// Thresholds of budget b, b/5, b/25.
    pub theta: [f64; 3],
    /// 0 none ... 4 critical: of this event, not of its alert.
    pub level: u8,
}

impl Trace {
    pub(super) fn of(day: &Day, score: f64, behaviour: f64, theta: [f64; 3], severity: Option<Severity>) -> Self {
        let level = severity.map_or(0, |s| s as u8 + 1);
        Self { day: day.date, late: day.closed, x: day.x, raw: day.raw, r: day.r, s: day.s, v: day.v, score, behaviour, theta, level }
    }
}
