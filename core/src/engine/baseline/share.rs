//! Of the clients that a person touches, how many there is no reason to touch: a share, against one's own and the peers'. What
//! is quietly put in place of one's own work raises it without raising any count.
//!
//! Quasi-binomial: the deviance of k among n from the expected share, over a dispersion that is learned, since people's days
//! differ by more than chance (Wedderburn 1974; McCullagh & Nelder 1989, ch. 4.5).

use serde::{Deserialize, Serialize};

use super::{
    super::math::{ln, stored},
    pool,
};

/// Per learned day the past weighs this much less.
const FADE: f64 = 0.985;
/// The peers' share counts for so many clients, their dispersion for so many days.
const CLIENTS: f64 = 60.0;
const DAYS: f64 = 8.0;
/// Nobody is known to come closer to never or always.
const LEAST: f64 = 0.005;
/// What was told is known; per day the memory of it weighs this much less.
const TOLD_FADE: f64 = 0.95;
/// No day says more about the dispersion.
const MOST: f64 = 9.0;

/// What is persisted per manager: decayed clients, those without a reason, days, and the mean squared Pearson residual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    n: f32,
    k: f32,
    days: f32,
    dispersion: f32,
    /// The share that an alert told of; it fades.
    told: f32,
}

/// The same of a role or a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pool {
    n: f64,
    k: f64,
    days: f64,
    dispersion: f64,
}

/// A manager-day: clients touched, those without a reason (clipped), squared Pearson residual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    n: f64,
    k: f64,
    residual: f64,
}

/// What is expected of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    /// The share.
    pub(crate) share: f64,
    /// The peers'.
    pub(crate) peer: f64,
    dispersion: f64,
    /// Nothing below this is news.
    told: f64,
}

impl Expected {
    /// Own days shrunk to the peers: to the role (none: too small a group), and that to the class.
    pub(crate) fn of(own: &Own, class: &Pool, role: Option<&Pool>) -> Self {
        let shrunk = |k: f64, n: f64, to: f64| (k + CLIENTS * to) / (n + CLIENTS);
        let class_share = shrunk(class.k, class.n, 0.5);
        let class_dispersion = (class.days * class.dispersion + DAYS * 2.0) / (class.days + DAYS);
        let (peer, dispersion) = role.map_or((class_share, class_dispersion), |p| {
            (shrunk(p.k, p.n, class_share), (p.days * p.dispersion + DAYS * class_dispersion) / (p.days + DAYS))
        });
        let days = f64::from(own.days);
        Self {
            share: shrunk(f64::from(own.k), f64::from(own.n), peer).clamp(LEAST, 1.0 - LEAST),
            peer,
            told: f64::from(own.told),
            dispersion: ((days * f64::from(own.dispersion) + DAYS * dispersion) / (days + DAYS)).max(1.0),
        }
    }

    /// Nats: how far `k` among `n` lies above what is expected, and above the team's share today (a campaign lifts all) and what an
    /// alert told of these days; 0 below.
    pub(crate) fn surprise(&self, k: f64, n: f64, team: f64) -> f64 {
        let (p, q) = (self.share.max(team).max(self.told).min(1.0 - LEAST), (k / n.max(1.0)).min(1.0));
        if q <= p {
            return 0.0;
        }
        let rest = if q < 1.0 { (1.0 - q) * ln((1.0 - q) / (1.0 - p)) } else { 0.0 };
        n * (q * ln(q / p) + rest) / self.dispersion
    }

    fn learned(&self, k: f64, n: f64) -> Learned {
        let (p, variance) = (self.share, n * self.share * (1.0 - self.share));
        let apart = k.min(n) - n * p;
        Learned { n, k: k.min(n * p + 3.0 * (self.dispersion * variance).sqrt()).min(n), residual: (apart * apart / variance).min(MOST) }
    }
}

impl Own {
    /// Learns a day of weight `wd`; none without clients.
    pub(crate) fn learn(&mut self, e: &Expected, k: f64, n: f64, wd: f64) -> Option<Learned> {
        let l = (n > 0.0).then(|| e.learned(k, n))?;
        let days = FADE * f64::from(self.days) + wd;
        let dispersion = f64::from(self.dispersion);
        self.dispersion = stored(dispersion + wd / days * (l.residual - dispersion));
        self.days = stored(days);
        self.n = stored(FADE * f64::from(self.n) + wd * l.n);
        self.k = stored(FADE * f64::from(self.k) + wd * l.k);
        Some(l)
    }

    /// A day closed on which an alert told of this share, or of none (0).
    pub(crate) fn tell(&mut self, share: f64) {
        let faded = TOLD_FADE * f64::from(self.told);
        self.told = if share > faded { stored(share) } else { stored(faded) };
    }

    /// Another role: the past tells less about it.
    pub(crate) fn change_role(&mut self) {
        for v in [&mut self.n, &mut self.k, &mut self.days] {
            *v = stored(f64::from(*v) * 0.2);
        }
    }
}

impl Pool {
    /// A pool that has seen so many days of so many clients each.
    pub(crate) fn of(days: f64, clients: f64, share: f64, dispersion: f64) -> Self {
        let n = days * clients.max(0.0);
        Self { n, k: n * share.clamp(0.0, 1.0), days, dispersion: dispersion.max(0.0) }
    }

    /// The share and its dispersion; none before any client was touched.
    pub(crate) fn known(&self) -> Option<(f64, f64)> {
        (self.n > 0.0).then(|| (self.k / self.n, self.dispersion))
    }

    /// Learns the manager-days of one tenant day.
    pub(crate) fn learn<'a>(&mut self, days: impl Iterator<Item = &'a Learned>) {
        for v in [&mut self.n, &mut self.k, &mut self.days] {
            *v *= pool::FADE;
        }
        for l in days {
            self.n += l.n;
            self.k += l.k;
            self.days += 1.0;
            self.dispersion += (l.residual - self.dispersion) / self.days;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Somebody of whose 30 clients a day a fifth or so are strangers'.
    fn settled() -> Expected {
        let (mut own, pool) = (Own::default(), Pool::default());
        for day in 0..60 {
            let e = Expected::of(&own, &pool, None);
            own.learn(&e, 6.0 + f64::from(day % 3) - 1.0, 30.0, 1.0);
        }
        Expected::of(&own, &pool, None)
    }

    #[test]
    fn a_larger_share_of_no_more_clients_is_surprising() {
        let e = settled();
        assert!((0.18..0.25).contains(&e.share), "{e:?}");
        assert!(
            e.surprise(6.0, 30.0, 0.0) < 0.5 && e.surprise(18.0, 30.0, 0.0) > 6.0,
            "{} {}",
            e.surprise(6.0, 30.0, 0.0),
            e.surprise(18.0, 30.0, 0.0)
        );
        assert!(e.surprise(12.0, 60.0, 0.0) < 0.5, "twice the work at the usual share");
        assert!(e.surprise(18.0, 30.0, 0.55) < 1.0, "everybody does so today");
        assert!(e.surprise(3.0, 3.0, 0.0) < e.surprise(9.0, 9.0, 0.0), "few clients say little");
    }

    #[test]
    fn what_was_told_is_told_again_only_when_it_grows() {
        let (mut own, pool) = (Own::default(), Pool::default());
        let fresh = |own: &Own| Expected::of(own, &pool, None);
        for _ in 0..60 {
            own.learn(&fresh(&own), 3.0, 30.0, 1.0);
            own.tell(0.0);
        }
        assert!(fresh(&own).surprise(18.0, 30.0, 0.0) > 6.0);
        own.tell(0.6);
        assert!(fresh(&own).surprise(18.0, 30.0, 0.0) < 0.1 && fresh(&own).surprise(30.0, 30.0, 0.0) > 6.0);
        (0..60).for_each(|_| own.tell(0.0));
        assert!(fresh(&own).surprise(18.0, 30.0, 0.0) > 5.0, "long ago");
    }

    #[test]
    fn one_day_moves_little() {
        let (mut own, e) = (Own::default(), settled());
        let l = own.learn(&e, 500.0, 500.0, 1.0).expect("clients");
        assert!(l.k < 200.0 && l.residual <= MOST, "{l:?}");
        assert_eq!(own.learn(&e, 0.0, 0.0, 1.0), None);
    }

    proptest! {
        #[test]
        fn more_strangers_among_as_many_is_never_less_surprising(n in 1_u16..2000, a in 0.0..1.0, b in 0.0..1.0) {
            let (e, n) = (settled(), f64::from(n));
            let (few, many) = (n * f64::min(a, b), n * f64::max(a, b));
            prop_assert!(e.surprise(many, n, 0.0) >= e.surprise(few, n, 0.0) - 1e-9);
            prop_assert!(e.surprise(many, n, 0.0).is_finite());
        }
    }
}
