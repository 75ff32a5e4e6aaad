//! Fitting, and comparing two orders of the same alerts.

use std::{cmp::Reverse, collections::BTreeMap};

use linfa::{DatasetBase, ParamGuard, traits::FitWith};
use linfa_ftrl::{Ftrl, FtrlParams};
use ndarray::{Array1, Array2, Axis};
use rand_xoshiro::{
    Xoshiro256Plus,
    rand_core::{self, RngCore, SeedableRng},
};

use super::{Case, Model};

/// The term that every alert has.
pub(super) const ALWAYS: &str = "";
const BITS: &str = "bits";
/// Answered alerts with a term, at least: fewer say nothing of it.
const LEAST_SEEN: usize = 5;
/// ... with a role.
const LEAST_IN_ROLE: usize = 20;
/// The numbers of the algorithm: alpha, beta, lambda1 and lambda2. Chosen on companies 1 to 4 of the made-up ones.
const RATE: f64 = 0.3;
const CALM: f64 = 1.0;
const L1: f64 = 1.0;
const L2: f64 = 1.0;
/// How often all answers are gone through, oldest first.
const PASSES: usize = 30;
/// Log odds beyond all that come out.
const EDGE: f64 = 1e3;
/// Millibits at which `score` is 100.
const TOP: f64 = 60_000.0;
/// Spread of ln bits, at least.
const LEAST_SPREAD: f64 = 0.1;
const SEED: u64 = 9;

#[expect(clippy::cast_precision_loss, reason = "millibits and counts are far below 2^53")]
fn number(n: u64) -> f64 {
    n as f64
}

/// The terms of an alert, each with its value.
fn terms(case: &Case, (mean, spread): (f64, f64)) -> BTreeMap<String, f64> {
    let total = number(case.bits.max(1));
    let mut all = BTreeMap::from([
        (ALWAYS.to_owned(), 1.0),
        (BITS.to_owned(), ((total.ln() - mean) / spread).clamp(-4.0, 4.0)),
        (format!("severity:{}", case.severity.as_str()), 1.0),
    ]);
    for (detector, bits) in &case.parts {
        *all.entry(format!("detector:{detector}")).or_default() += (number(*bits) / total).min(1.0);
    }
    all.extend(case.controls.iter().map(|control| (format!("control:{control}"), 1.0)));
    if !case.role.is_empty() {
        all.insert(format!("role:{}", case.role), 1.0);
    }
    all
}

/// The model of these answers, oldest first. There is at least one.
pub(super) fn model(lessons: &[(&Case, bool)]) -> Model {
    let level = level(lessons);
    let rows: Vec<BTreeMap<String, f64>> = lessons.iter().map(|(case, _)| terms(case, level)).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().flat_map(BTreeMap::keys).for_each(|term| *seen.entry(term).or_default() += 1);
    let least = |term: &str| if term.starts_with("role:") { LEAST_IN_ROLE } else { LEAST_SEEN };
    let known: Vec<&str> = seen.iter().filter(|(term, n)| **n >= least(term)).map(|(term, _)| *term).collect();
    let matrix = Array2::from_shape_fn((rows.len(), known.len()), |(i, k)| rows[i].get(known[k]).copied().unwrap_or(0.0));
    let weights = weights(&matrix, lessons);
    let weights = known.iter().map(|term| (*term).to_owned()).zip(weights).collect();
    let mut model = Model { weights, level, scale: Vec::new() };
    model.scale = scale(lessons.iter().map(|(case, _)| (model.log_odds(case), number(case.bits))));
    model
}

fn level(lessons: &[(&Case, bool)]) -> (f64, f64) {
    let all: Array1<f64> = lessons.iter().map(|(case, _)| number(case.bits.max(1)).ln()).collect();
    (all.mean().unwrap_or(0.0), all.std(0.0).max(LEAST_SPREAD))
}

/// Nothing but zeros: the algorithm starts from no weights at all instead of random ones.
#[derive(Clone)]
struct Still;

impl RngCore for Still {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        bytes.fill(0);
        Ok(())
    }
}

fn weights(matrix: &Array2<f64>, lessons: &[(&Case, bool)]) -> Array1<f64> {
    let params = FtrlParams::new(RATE, CALM, L1, L2, Still).check().expect("numbers within their ranges");
    let mut ftrl = Ftrl::new(params.clone(), matrix.ncols());
    let one = |i: usize| {
        let row = matrix.row(i).insert_axis(Axis(0));
        DatasetBase::new(row, Array1::from_elem(1, lessons[i].1))
    };
    for _ in 0..PASSES {
        for i in 0..lessons.len() {
            ftrl = params.fit_with(Some(ftrl), &one(i)).expect("a step refuses nothing");
        }
    }
    ftrl.get_weights().mapv(|w| if w.is_finite() { w } else { 0.0 })
}

/// What rank in the log odds is which rank in the bits.
fn scale(answers: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let (mut odds, mut bits): (Vec<f64>, Vec<f64>) = answers.map(|(odds, bits)| (odds, bits.min(TOP))).unzip();
    odds.sort_by(f64::total_cmp);
    bits.sort_by(f64::total_cmp);
    let mut all = vec![(-EDGE, 0.0)];
    // Those of equal odds share the middle of their places.
    for same in odds.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
        let from = odds.partition_point(|o| o.total_cmp(&same[0]).is_lt());
        let places = &bits[from..from + same.len()];
        all.push((same[0], places.iter().sum::<f64>() / number(same.len() as u64)));
    }
    all.push((EDGE, TOP));
    all
}

impl Model {
    fn log_odds(&self, case: &Case) -> f64 {
        let sum: f64 = terms(case, self.level).iter().filter_map(|(term, value)| Some(self.weights.get(term)? * value)).sum();
        sum.clamp(1.0 - EDGE, EDGE - 1.0)
    }

    /// On the scale of `score`, one decimal, rounded down as that is.
    pub(super) fn priority(&self, case: &Case) -> f64 {
        let odds = self.log_odds(case);
        let above = self.scale.partition_point(|(o, _)| *o < odds).clamp(1, self.scale.len() - 1);
        let ((o0, b0), (o1, b1)) = (self.scale[above - 1], self.scale[above]);
        let bits = b0 + (b1 - b0) * ((odds - o0) / (o1 - o0));
        (bits / 60.0).floor().clamp(0.0, 1000.0) / 10.0
    }
}

/// Places of alerts by a key, greatest first; those with equal keys stand together.
pub(super) fn order<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<Vec<usize>> {
    let mut places: BTreeMap<Reverse<K>, Vec<usize>> = BTreeMap::new();
    for (i, key) in keys.enumerate() {
        places.entry(Reverse(key)).or_default().push(i);
    }
    places.into_values().collect()
}

/// The area under precision over recall when alerts are looked through in an order.
pub(super) fn average_precision(order: &[Vec<usize>], is_true: &[bool]) -> f64 {
    let (mut found, mut looked, mut sum) = (0, 0, 0.0);
    for together in order {
        let right = together.iter().filter(|i| is_true[**i]).count() as u64;
        found += right;
        looked += together.len() as u64;
        if right > 0 {
            sum += number(right) * number(found) / number(looked);
        }
    }
    if found == 0 { 0.0 } else { sum / number(found) }
}

/// A number below `n`, which is at least 1: the high bits, scaled, are even enough for a few thousand.
fn below(rng: &mut Xoshiro256Plus, n: usize) -> usize {
    usize::try_from((u128::from(rng.next_u64()) * n as u128) >> 64).unwrap_or(0)
}

/// The same answers given to other alerts, so many times; the same each time that it is asked.
pub(super) fn shuffles(is_true: &[bool], times: usize) -> impl Iterator<Item = Vec<bool>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(SEED);
    (0..times).map(move |_| {
        let mut shuffled = is_true.to_vec();
        (1..shuffled.len()).for_each(|i| shuffled.swap(i, below(&mut rng, i + 1)));
        shuffled
    })
}
