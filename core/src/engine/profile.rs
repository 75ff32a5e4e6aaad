//! What is usual for a manager, as somebody may read it: what alerts compare a day with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Tenant,
    class::INTEGRATIONS,
    detector::{HURDLE, detector, is_drift},
    explain::{self, Attribute, Usual},
    manager::Manager,
};
use crate::event::Date;

/// What is usual for a manager as of the last close.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Who.
    pub manager: String,
    /// Role and peer group of the latest day.
    pub role: Option<String>,
    /// Whom they are compared with.
    pub peers: Option<String>,
    /// Compared with programs, not with people.
    pub integration: bool,
    /// Their latest day.
    pub last_day: Option<Date>,
    /// Days that were learned; each counts less as it ages.
    pub learned_days: f64,
    /// Totals of a usual day.
    pub usual: Vec<Routine>,
    /// Clients without a reason among those touched, 0 to 1.
    pub unrelated_share: f64,
    /// Slow growth so far.
    pub drifts: Vec<Drift>,
    /// Presence by hour of the week, Monday 00 first: decayed days.
    pub hours: Vec<f32>,
    /// Values known of each kind: places, programs, queries.
    pub known: BTreeMap<&'static str, usize>,
    /// Different clients within 90 days, by a sketch (within a fifth, two standard errors).
    pub clients_90d: f64,
    /// Days whose events may still come.
    pub open_days: Vec<Date>,
    /// Days kept to be told when it becomes known that somebody leaves.
    pub kept_days: Vec<Date>,
}

/// The total of a usual day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Routine {
    /// What is counted.
    pub detector: &'static str,
    /// In what.
    pub unit: &'static str,
    /// Share of days with any, 0 to 1.
    pub share: f64,
    /// On such days, the middle and the range of 85 % of them.
    pub mid: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The middle of the peers.
    pub peers: f64,
}

/// A drift above the usual.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Of what.
    pub detector: &'static str,
    /// Standard deviations added up, 0 to 12.
    pub level: f64,
    /// Days without a break.
    pub days: u16,
}

impl Tenant {
    /// What is usual for a manager; none where nothing is known of such an account.
    pub fn profile(&mut self, id: &str) -> Option<Profile> {
        let n = self.roster.find(id)?;
        let Manager { base, days, nears, role, peers, class, last_day, .. } = self.roster.change(n);
        let whom = peers.clone().unwrap_or_default();
        base.expect(&self.shared.classes[*class], &whom);
        let expected = base.expected()?;
        let routine = |k: usize| {
            let Usual { mid, low, high, role, share } = expected.usual(k)?;
            let (detector, unit) = (detector(k).as_str(), explain::unit(detector(k)));
            Some(Routine { detector, unit, share, mid, low: low.max(0.0), high, peers: role })
        };
        let slow = base.drift.days();
        let risen = |k: usize| Drift { detector: detector(k).as_str(), level: base.drift.level(k - HURDLE), days: slow[k - HURDLE] };
        Some(Profile {
            manager: id.to_owned(),
            role: role.as_deref().map(str::to_owned),
            peers: peers.as_deref().map(str::to_owned),
            integration: *class == INTEGRATIONS,
            last_day: *last_day,
            learned_days: base.hurdle.days(),
            usual: (0..HURDLE).filter_map(routine).collect(),
            unrelated_share: expected.share.share,
            drifts: (HURDLE..).take_while(|k| is_drift(*k)).map(risen).collect(),
            hours: base.hours.presence().to_vec(),
            known: Attribute::ALL.iter().zip(&base.novelty).map(|(a, own)| (a.as_str(), own.known())).collect(),
            clients_90d: last_day.map_or(0.0, |date| base.windows.quarter(date)),
            open_days: days.iter().map(|d| d.date).collect(),
            kept_days: nears.dates(),
        })
    }
}
