//! Distinct clients over days: HyperLogLog sketches of weeks, which age into sketches of four (Flajolet et al. 2007). Standard
//! error 9.2 %. Windows of 7 and of 30 days hold up to 6 days more, one of 90 up to 27.

use serde::{Deserialize, Serialize};

use super::sketch::Distinct;
use crate::event::Date;

/// The windows of the detectors, days.
const WEEK: i32 = 7;
const MONTH: i32 = 30;
/// The longest window, for the share of the base.
const QUARTER: i32 = 90;
/// Blocks older than this are of four weeks.
const AGED: i32 = MONTH + 7;
const FOUR_WEEKS: i32 = 4 * WEEK;

/// 64 bytes each.
type Sketch = Distinct<128>;

/// What was seen over the last quarter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    /// By date, without gaps or overlaps in what they hold.
    blocks: Vec<Block>,
    /// The windows of a date, while it goes on.
    #[serde(skip)]
    open: Option<Box<Open>>,
}

/// Days in one sketch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Block {
    from: Date,
    to: Date,
    seen: Sketch,
}

#[derive(Clone, Debug, PartialEq)]
struct Open {
    date: Date,
    windows: [(Sketch, f64); 2],
}

impl Windows {
    /// A client was touched on a date.
    pub(super) fn note(&mut self, date: Date, h: u64) {
        self.block(date).add(h);
    }

    /// The same; returns how many different ones were within 7 and within 30 days up to then.
    pub(super) fn touch(&mut self, date: Date, h: u64) -> [f64; 2] {
        self.note(date, h);
        let mut open = self.open.take().filter(|o| o.date == date).unwrap_or_else(|| {
            Box::new(Open { date, windows: [WEEK, MONTH].map(|days| self.union(date, days)).map(|seen| (seen.clone(), seen.estimate())) })
        });
        for (seen, n) in &mut open.windows {
            if seen.add(h) {
                *n = seen.estimate();
            }
        }
        let counts = open.windows.each_ref().map(|(_, n)| *n);
        self.open = Some(open);
        counts
    }

    /// How many different clients within the quarter up to a date.
    pub(super) fn quarter(&self, date: Date) -> f64 {
        self.union(date, QUARTER).estimate()
    }

    /// A date closed: older days are put together, the oldest go; true when anything changed.
    pub(super) fn age(&mut self, date: Date) -> bool {
        let before = self.blocks.len();
        let gone = self.blocks.partition_point(|b| b.to.0 <= date.0 - QUARTER);
        self.blocks.drain(..gone);
        let old = self.blocks.partition_point(|b| b.to.0 <= date.0 - AGED);
        for i in (1..old).rev() {
            let (a, b) = (&self.blocks[i - 1], &self.blocks[i]);
            if a.from.0.div_euclid(FOUR_WEEKS) == b.to.0.div_euclid(FOUR_WEEKS) {
                let b = self.blocks.remove(i);
                let a = &mut self.blocks[i - 1];
                a.to = b.to;
                a.seen.merge(&b.seen);
            }
        }
        self.open = None;
        before != self.blocks.len()
    }

    fn union(&self, date: Date, days: i32) -> Sketch {
        let mut union = Sketch::default();
        for block in self.blocks.iter().filter(|b| b.to.0 > date.0 - days && b.from <= date) {
            union.merge(&block.seen);
        }
        union
    }

    fn block(&mut self, date: Date) -> &mut Sketch {
        let at = self.blocks.partition_point(|b| b.to < date);
        if self.blocks.get(at).is_none_or(|b| b.from > date) {
            let from = Date(date.0.div_euclid(WEEK) * WEEK);
            self.blocks.insert(at, Block { from, to: Date(from.0 + WEEK - 1), seen: Sketch::default() });
            self.open = None;
        } else if self.open.as_ref().is_some_and(|o| o.date != date) {
            self.open = None;
        }
        &mut self.blocks[at].seen
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::client_hash;

    fn h(i: u64) -> u64 {
        client_hash(&i.to_string())
    }

    #[test]
    fn windows_agree_with_sets_within_the_stated_error() {
        let (mut windows, mut days) = (Windows::default(), Vec::<BTreeSet<u64>>::new());
        let (mut errors, mut sizes) = ([0.0_f64; 3], Vec::new());
        for date in 0..200_u64 {
            // Forty clients a day of a book that turns over slowly, besides a few new ones.
            let today: BTreeSet<u64> = (0..40).map(|i| (i * 7 + date * 3) % 300).chain((0..5).map(|i| 1000 + date * 5 + i)).collect();
            let d = Date(i32::try_from(date).expect("small"));
            let mut counts = [0.0; 2];
            today.iter().for_each(|c| counts = windows.touch(d, h(*c)));
            days.push(today);
            if date >= 120 {
                let truth = |n: usize| days.iter().rev().take(n).flatten().collect::<BTreeSet<_>>().len();
                let quarter = windows.quarter(d);
                let within = |found: f64, low: usize, high: usize| {
                    let [low, high] = [low, high].map(|n| f64::from(u32::try_from(truth(n)).expect("small")));
                    (1.0 - found / low).max(found / high - 1.0)
                };
                let found = [within(counts[0], 7, 13), within(counts[1], 30, 36), within(quarter, 90, 117)];
                errors = std::array::from_fn(|i| errors[i].max(found[i]));
                sizes.push(postcard::to_stdvec(&windows).expect("windows").len());
            }
            windows.age(Date(d.0 - 1));
        }
        assert!(errors.iter().all(|e| *e < 0.28), "three standard errors: {errors:?}");
        assert!(sizes.iter().all(|s| *s < 800), "{sizes:?}");
    }

    #[test]
    fn a_restored_window_goes_on_alike() {
        let mut windows = Windows::default();
        for date in 0..40 {
            (0..30).for_each(|i| _ = windows.touch(Date(date), h(u64::try_from(date).expect("positive") * 11 + i)));
            windows.age(Date(date - 1));
        }
        let bytes = postcard::to_stdvec(&windows).expect("windows");
        let mut restored: Windows = postcard::from_bytes(&bytes).expect("its own bytes");
        for i in 0..50 {
            // Two dates are open at a time.
            let date = Date(40 - i32::from(i % 3 == 0));
            assert_eq!(windows.touch(date, h(9000 + i)).map(f64::to_bits), restored.touch(date, h(9000 + i)).map(f64::to_bits));
        }
    }

    #[test]
    fn what_is_older_than_a_quarter_is_forgotten() {
        let mut windows = Windows::default();
        windows.touch(Date(0), h(1));
        assert!(!windows.age(Date(95)) && windows.age(Date(96)), "a week is kept as a whole");
        assert!(windows.blocks.is_empty());
    }
}
