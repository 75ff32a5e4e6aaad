//! Which hours are theirs: 168 hour-of-week bins of a person, a team and a schedule (DETECTION.md §3).

use super::super::math::{ln, stored};

/// Hours of a week, Monday 00 first.
pub(crate) const WEEK: usize = 168;
const KERNEL: [f64; 3] = [0.5, 0.2, 0.05];

/// What an hour of the week means to a person.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Hour {
    /// Surprise above the first three nats.
    pub(crate) sp: f64,
    /// Share of this person's time that it holds.
    pub(crate) share: f64,
}

fn smooth(h: impl Fn(usize) -> f64) -> [f64; WEEK] {
    std::array::from_fn(|i| {
        let at = |d: usize| h((i + d) % WEEK);
        KERNEL[2] * (at(WEEK - 2) + at(2)) + KERNEL[1] * (at(WEEK - 1) + at(1)) + KERNEL[0] * at(0)
    })
}

/// How surprising it is that this person works at hour `b`.
pub(crate) fn surprise(own: &[f32], team: &[f64], schedule: &[f64; WEEK], b: usize) -> Hour {
    let (hs, ts) = (smooth(|i| f64::from(own[i])), smooth(|i| team[i]));
    let (h_sum, t_sum) = (hs.iter().sum::<f64>() + 40.0, ts.iter().sum::<f64>() + 3.36);
    let dens: [f64; WEEK] = std::array::from_fn(|i| (hs[i] + 40.0 * (0.5 * schedule[i] + 0.5 * (ts[i] + 0.02) / t_sum)) / h_sum);
    let limit = 1.0001 * dens[b];
    let p: f64 = dens.iter().filter(|d| **d <= limit).sum();
    Hour { sp: (-ln(p.max(1e-6)) - 3.0).max(0.0), share: dens[b] }
}

/// Presence in an hour, once per day: a burst buys no legitimacy.
pub(crate) fn learn(own: &mut [f32], team: &mut [f64], b: usize) {
    for h in own.iter_mut() {
        *h = stored(f64::from(*h) * 0.9998);
    }
    for t in team.iter_mut() {
        *t *= 0.99998;
    }
    own[b] = stored(f64::from(own[b]) + 1.0);
    team[b] += 1.0;
}
