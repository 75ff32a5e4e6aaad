//! Manager-days as numbers, for whoever wants to try another detector on the same input.

use std::sync::Arc;

use super::{
    day::Day,
    detector::{DETECTORS, detector},
    tenant::Tenant,
};
use crate::event::Date;

/// A manager-day as it stood when its date closed (or when the log ended).
#[derive(Clone, Debug, PartialEq)]
pub struct DayFeatures {
    /// Who.
    pub manager: Arc<str>,
    /// Their local date.
    pub date: Date,
    /// Of people, or of integrations.
    pub integration: bool,
    /// Role and team as of the day's first event.
    pub role: Arc<str>,
    /// Team.
    pub team: Arc<str>,
    /// Events.
    pub events: u64,
    /// Accumulators, raw surprise after the discount, and recalibrated evidence in nats, in the order of [`names`].
    pub x: [f64; DETECTORS],
    /// Raw surprise.
    pub r: [f64; DETECTORS],
    /// Evidence.
    pub s: [f64; DETECTORS],
    /// Greatest behavioural evidence of the day, nats.
    pub peak: f64,
    /// What it would have taken for an alert, nats.
    pub theta: f64,
}

/// Names of the detectors, in order.
pub fn names() -> [&'static str; DETECTORS] {
    std::array::from_fn(|k| detector(k).as_str())
}

impl DayFeatures {
    pub(super) fn of(manager: &Arc<str>, day: &Day, theta: f64) -> Self {
        Self {
            manager: manager.clone(),
            date: day.date,
            integration: day.class == 1,
            role: day.post.role.clone(),
            team: day.post.team.clone(),
            events: day.events,
            x: day.x,
            r: day.r,
            s: day.s,
            peak: day.peak,
            theta,
        }
    }
}

impl Tenant {
    /// From now on manager-days are kept for [`Tenant::take_features`] when they close.
    pub fn keep_features(&mut self) {
        self.features.get_or_insert_with(Vec::new);
    }

    /// Manager-days that closed since the last call, and those that are still open, by date and manager.
    pub fn take_features(&mut self) -> Vec<DayFeatures> {
        let mut days = self.features.as_mut().map(std::mem::take).unwrap_or_default();
        for m in self.roster.iter() {
            let theta = |class: usize| self.shared.classes[class].theta[0];
            days.extend(m.days.iter().filter(|d| !d.closed).map(|d| DayFeatures::of(&m.id, d, theta(d.class))));
        }
        days.sort_by(|a, b| (a.date, &a.manager).cmp(&(b.date, &b.manager)));
        days
    }
}
