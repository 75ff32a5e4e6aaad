//! Which hours are theirs: 168 hour-of-week bins of a person, a team and a schedule (DETECTION.md §3).

use serde::{Deserialize, Serialize};

use super::super::{
    math::{ln, stored},
    packed::sparse,
};

/// Hours of a week, Monday 00 first.
pub(crate) const WEEK: usize = 168;
/// Per hour that was learned the past weighs this much less.
const FADE: f64 = 0.9998;
const FADE_TEAM: f64 = 0.99998;

/// A person's hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own(#[serde(with = "sparse")] [f32; WEEK]);

/// A team's hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Team(#[serde(with = "sparse")] [f64; WEEK]);

/// What an hour of the week means to a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hour {
    /// Surprise above the first three nats.
    pub(crate) sp: f64,
    /// Share of this person's time that it holds.
    pub(crate) share: f32,
}

impl Default for Own {
    fn default() -> Self {
        Self([0.0; WEEK])
    }
}

impl Default for Team {
    fn default() -> Self {
        Self([0.0; WEEK])
    }
}

impl Own {
    /// Presence per hour of the week, decayed days.
    pub(crate) fn presence(&self) -> &[f32; WEEK] {
        &self.0
    }
}

/// How surprising it is that this person works at hour `b`; on a day off, as surprising as at the rarest of their hours.
pub(crate) fn surprise(own: &Own, team: &Team, schedule: &[f64; WEEK], b: usize, day_off: bool) -> Hour {
    let (hs, ts) = (smooth(&own.0.map(f64::from)), smooth(&team.0));
    let (h_sum, t_sum) = (hs.iter().sum::<f64>() + 40.0, ts.iter().sum::<f64>() + 3.36);
    let mut dens = [0.0; WEEK];
    for i in 0..WEEK {
        dens[i] = (hs[i] + 40.0 * (0.5 * schedule[i] + 0.5 * (ts[i] + 0.02) / t_sum)) / h_sum;
    }
    let usual = if day_off { dens.iter().copied().fold(dens[b], f64::min) } else { dens[b] };
    let limit = 1.0001 * usual;
    let p: f64 = dens.iter().map(|d| if *d <= limit { *d } else { 0.0 }).sum();
    Hour { sp: (-ln(p.max(1e-6)) - 3.0).max(0.0), share: stored(dens[b]) }
}

/// Presence in an hour, once per day: a burst buys no legitimacy.
pub(crate) fn learn(own: &mut Own, team: &mut Team, b: usize) {
    for h in &mut own.0 {
        *h = stored(f64::from(*h) * FADE);
    }
    for t in &mut team.0 {
        *t *= FADE_TEAM;
    }
    own.0[b] = stored(f64::from(own.0[b]) + 1.0);
    team.0[b] += 1.0;
}

/// Circular, by (.05, .2, .5, .2, .05).
fn smooth(h: &[f64; WEEK]) -> [f64; WEEK] {
    let at = |i: usize| {
        0.05 * (h[(i + WEEK - 2) % WEEK] + h[(i + 2) % WEEK]) + 0.2 * (h[(i + WEEK - 1) % WEEK] + h[(i + 1) % WEEK]) + 0.5 * h[i]
    };
    let mut out = [0.0; WEEK];
    for i in [0, 1, WEEK - 2, WEEK - 1] {
        out[i] = at(i);
    }
    for (i, w) in h.windows(5).enumerate() {
        out[i + 2] = 0.05 * (w[0] + w[4]) + 0.2 * (w[1] + w[3]) + 0.5 * w[2];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::schedule;

    #[test]
    fn a_person_of_whom_nothing_is_known_keeps_the_schedule() {
        let prior = schedule::prior("Mo-Fr 09:00-18:00");
        let at = |b: usize| surprise(&Own::default(), &Team::default(), &prior, b, false);
        assert!(at(10).sp <= 0.0);
        let night = at(2);
        assert!(night.sp <= 0.0, "half of the prior is the team's, which is uniform still: {night:?}");
        // p = mass of all hours outside the schedule, all equal.
        let outside = 123.0 * f64::from(night.share);
        assert!((outside + 45.0 * f64::from(at(10).share) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn months_of_office_hours_make_a_night_surprising_and_weeks_of_nights_make_it_usual() {
        let prior = schedule::prior("Mo-Fr 09:00-18:00");
        let (mut own, mut team) = (Own::default(), Team::default());
        for _ in 0..20 {
            (0..5).flat_map(|d| (9..18).map(move |h| d * 24 + h)).for_each(|b| learn(&mut own, &mut team, b));
        }
        let before = surprise(&own, &team, &prior, 26, false);
        assert!(before.sp > 0.5 && surprise(&own, &team, &prior, 34, false).sp <= 0.0, "{before:?}");
        assert!(surprise(&own, &team, &prior, 34, true).sp >= before.sp, "a morning of a day off is no morning");
        for _ in 0..20 {
            learn(&mut own, &mut team, 26);
        }
        assert!(surprise(&own, &team, &prior, 26, false).sp < before.sp);
    }

    #[test]
    fn smoothing_is_circular_and_keeps_the_sum() {
        let mut h = [0.0; WEEK];
        h[0] = 1.0;
        let s = smooth(&h);
        for (i, weight) in [(166, 0.05), (167, 0.2), (0, 0.5), (1, 0.2), (2, 0.05)] {
            assert!((s[i] - weight).abs() < 1e-15, "{i}: {}", s[i]);
        }
        assert!((s.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
