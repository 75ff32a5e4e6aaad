//! What the members of a team have in common: their hours, and how much all of them rose today (DETECTION.md §3, §6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    baseline::hours,
    detector::{COMMON_MODE, Values},
    packed::by_detector,
};
use crate::event::Date;

/// No single member's surprise counts for more in the sum.
const MOST: f64 = 8.0;
/// A team that touched fewer clients says nothing about whose they are.
const TOUCHED: f64 = 20.0;
/// Days back that a team's last one may lie: over a week-end.
const LATELY: i32 = 4;
/// A team of fewer others says nothing.
const OTHERS: u32 = 3;

/// Teams of a tenant. Those without a team are one team of their class.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Teams {
    hours: BTreeMap<u64, hours::Team>,
    days: BTreeMap<(Date, u64), TeamDay>,
}

/// A team on a date.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TeamDay {
    /// Members with an event.
    members: u32,
    /// Per detector the sum of min(r, 8), r before the discount.
    #[serde(with = "by_detector")]
    sums: Values,
    /// Sum of the weights of clients touched without a reason, of their number (a team mate's is half a one), and of all touched.
    unrelated: f64,
    strangers: f64,
    clients: f64,
}

/// The key of a team within a class.
pub(super) fn key(class: usize, team: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(team.as_bytes(), class as u64)
}

impl Teams {
    pub(super) fn hours(&mut self, team: u64) -> &mut hours::Team {
        self.hours.entry(team).or_default()
    }

    /// The team's day, for a member who has opened theirs.
    pub(super) fn day(&mut self, date: Date, team: u64) -> &mut TeamDay {
        self.days.entry((date, team)).or_default()
    }

    pub(super) fn known_day(&self, date: Date, team: u64) -> Option<&TeamDay> {
        self.days.get(&(date, team))
    }

    /// The team's latest day before this one that says whose clients it touched.
    pub(super) fn before(&self, date: Date, team: u64) -> Option<(Date, &TeamDay)> {
        let says = |d: &TeamDay| d.members > OTHERS && d.clients >= TOUCHED;
        (1..=LATELY).map(|back| Date(date.0 - back)).find_map(|d| self.known_day(d, team).filter(|day| says(day)).map(|day| (d, day)))
    }

    /// Forgets dates of which `old` holds.
    pub(super) fn forget(&mut self, mut old: impl FnMut(Date) -> bool) {
        self.days.retain(|(date, _), _| !old(*date));
    }
}

impl TeamDay {
    /// A further member has an event today.
    pub(super) fn join(&mut self) {
        self.members += 1;
    }

    /// A member's raw surprise rose from `old` to `new`; returns what is left of it when the rise of the others is taken off.
    pub(super) fn discount(&mut self, k: usize, old: f64, new: f64) -> f64 {
        if !COMMON_MODE.has(k) {
            return new;
        }
        self.sums[k] += new.min(MOST) - old.min(MOST);
        if self.members <= OTHERS {
            return new;
        }
        let others = (self.sums[k] - new.min(MOST)) / f64::from(self.members - 1);
        (new - 1.5 * (others - 1.3).max(0.0)).max(0.0)
    }

    /// A member touched a client for the first time today: its weight, and how much of a stranger it is.
    pub(super) fn touch(&mut self, weight: f64, stranger: f64) {
        self.unrelated += weight;
        self.strangers += stranger;
        self.clients += 1.0;
    }

    /// Share of clients without a reason among those that the other members touched, if there are three of them and they touched
    /// enough. Where their share of the day before is known, today's begins from it: a campaign goes on in the morning.
    pub(super) fn share_of_others(&self, strangers: f64, clients: f64, before: Option<f64>) -> Option<f64> {
        let others = (self.clients - clients).max(0.0);
        let today = (self.strangers - strangers).clamp(0.0, others);
        match before {
            Some(before) => Some((today + TOUCHED * before) / (others + TOUCHED)),
            None => (self.members > OTHERS && others >= TOUCHED).then(|| today / others),
        }
    }

    /// Mean weight of clients touched without a reason over the other members, if there are three.
    pub(super) fn unrelated_of_others(&self, own: f64) -> Option<f64> {
        (self.members > OTHERS).then(|| (self.unrelated - own).max(0.0) / f64::from(self.members - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::explain::Detector;

    const K: usize = Detector::RecOut as usize;

    fn team(members: u32, each: f64) -> TeamDay {
        let mut day = TeamDay::default();
        for _ in 0..members {
            day.join();
            day.discount(K, 0.0, each);
        }
        day
    }

    #[test]
    fn a_morning_begins_from_what_the_team_did_the_day_before() {
        let (team, on) = (7, |d: i32| Date(100 + d));
        let mut teams = Teams::default();
        let fill = |teams: &mut Teams, date, members: u32, strangers: u32| {
            let day = teams.day(date, team);
            (0..members).for_each(|_| day.join());
            (0..40).for_each(|i| day.touch(0.0, if i < strangers { 1.0 } else { 0.0 }));
        };
        fill(&mut teams, on(0), 4, 20);
        fill(&mut teams, on(1), 2, 0);
        assert!(teams.before(on(0), team).is_none() && teams.before(on(5), team).is_none() && teams.before(on(4), 8).is_none());
        let (date, day) = teams.before(on(4), team).expect("the one with enough members");
        assert_eq!(date, on(0));
        assert_eq!(day.share_of_others(10.0, 10.0, None), Some(10.0 / 30.0), "without one's own");
        let mut today = TeamDay::default();
        assert_eq!(today.share_of_others(0.0, 0.0, None), None);
        assert_eq!(today.share_of_others(0.0, 0.0, Some(0.5)), Some(0.5));
        (0..60).for_each(|_| today.touch(0.0, 0.0));
        assert_eq!(today.share_of_others(0.0, 0.0, Some(0.5)), Some(10.0 / 80.0), "and ends with today's");
    }

    #[test]
    fn a_campaign_is_discounted_and_a_loner_is_not() {
        let mut campaign = team(5, 4.0);
        campaign.join();
        // Five others at 4: 9 − 1.5 · (4 − 1.3).
        assert!((campaign.discount(K, 0.0, 9.0) - 4.95).abs() < 1e-12);
        let mut quiet = team(5, 1.0);
        quiet.join();
        assert!((quiet.discount(K, 0.0, 9.0) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn two_others_are_no_team_and_giving_away_is_never_discounted() {
        let mut small = team(2, 8.0);
        small.join();
        assert!((small.discount(K, 0.0, 9.0) - 9.0).abs() < 1e-12);
        let mut campaign = team(5, 8.0);
        assert!((campaign.discount(Detector::Ext as usize, 0.0, 9.0) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn one_members_burst_weighs_at_most_eight() {
        let mut day = team(3, 0.0);
        day.join();
        day.discount(K, 0.0, 30.0);
        assert!((day.discount(K, 0.0, 5.0) - (5.0 - 1.5 * (8.0 / 3.0 - 1.3))).abs() < 1e-12);
    }
}
