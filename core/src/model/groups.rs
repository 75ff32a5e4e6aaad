//! Peer groups fitted to what people do, where their role does not say it: it is missing, or plainly holds several jobs.
//!
//! Members of a role are clustered by k-means (linfa) on standardised columns. The number of clusters is the one with the
//! greatest mean silhouette (Rousseeuw, *Silhouettes*, J. Comput. Appl. Math. 20, 1987). K-means divides everything, so a role is
//! split only if
//! - any two groups are plainly apart on the line between their centres: the mean silhouette there is at least 0.8, well within a
//!   "strong structure" (Kaufman & Rousseeuw, *Finding Groups in Data*, 1990, table 4). The halves of a normal line have 0.58, those
//!   of an even one 0.62. In all columns together noise would hide what is apart in some;
//! - that stands out from what k-means finds in normal clouds with the covariance of the role itself, as in SigClust (Liu, Hayes,
//!   Nobel & Marron, JASA 103, 2008; there the measure is the variance within the clusters): of few people in many columns any two
//!   halves are apart; and
//! - the silhouette in all columns stands out from what it is when each column is shuffled by itself, for what most never do and some
//!   do now and then: one habit is no job.
//!
//! What holds, whatever comes in:
//! - P1 a group has at least [`LEAST_SIZE`] people, and a role no group or at least two;
//! - P2 the order of the members does not matter, and the same input gives the same groups;
//! - P3 names stay with the people: of the groups before, each keeps its name for the cluster that took over most of it.

use std::{cmp::Reverse, collections::BTreeMap};

use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::KMeans;
use ndarray::{Array2, ArrayView1, Axis};
use rand_xoshiro::{
    Xoshiro256Plus,
    rand_core::{RngCore, SeedableRng},
};

use crate::engine::peers::Profile;

/// People in a group, at least: fewer say little about what is usual.
pub const LEAST_SIZE: usize = 5;
/// Learned days behind whoever takes part.
const LEAST_DAYS: f64 = 5.0;
/// Groups in a role, at most.
const MOST_GROUPS: usize = 6;
/// Starts of k-means, the best of which counts.
const RUNS: usize = 5;
/// People on whom a split is fitted and judged, at most: silhouettes take their square.
const MOST_JUDGED: usize = 200;
/// Mean silhouette, on the line between two centres, of groups that are plainly apart.
const APART: f64 = 0.8;
/// Clouds of each kind that a split is compared with: it has to be above all of them ...
const N_CLOUDS: u32 = 20;
/// ... and by so many of their standard deviations above their mean.
const STANDS_OUT: f64 = 4.0;
/// What a number of groups is given for being last week's, so that a role on the brink does not change every week.
const HABIT: f64 = 0.05;
/// A column that varies less is constant.
const LEAST_SPREAD: f64 = 1e-6;
const SEED: u64 = 4;

/// Peer groups: manager id to group name (`role~1`, `role~2` …; `~1` … where the role is missing), given those of the week before.
///
/// Only of managers whose role is missing or plainly mixed; whoever is not in it stays with the role. Left out as well: members of
/// fewer than five learned days, or with a number that is not finite.
pub fn fit(members: &[Profile], before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    alone(|| by_role(members).into_iter().flat_map(|(role, members)| fit_role(role, &members, before)).collect())
}

/// Runs on one thread: linfa's loops are parallel, far too short for it, and would wait for threads that are busy elsewhere.
fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        // What comes out is the same.
        Err(_) => work(),
    }
}

fn fit_role(role: &str, members: &[&Profile], before: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let former: Vec<Option<u32>> = members.iter().map(|m| number(role, before.get(&m.id)?)).collect();
    let Some(cluster_of) = clusters(members, how_many(&former)) else { return Vec::new() };
    let numbers = numbers(&cluster_of, &former);
    members.iter().zip(&cluster_of).map(|(m, &c)| (m.id.clone(), format!("{role}~{}", numbers[c]))).collect()
}

/// Who takes part, by role and in the order of their ids.
fn by_role(members: &[Profile]) -> BTreeMap<&str, Vec<&Profile>> {
    let mut roles: BTreeMap<&str, Vec<&Profile>> = BTreeMap::new();
    for member in members.iter().filter(|m| m.days >= LEAST_DAYS && m.vector.iter().all(|v| v.is_finite())) {
        let role = if member.role == "unknown" { "" } else { &member.role };
        roles.entry(role).or_default().push(member);
    }
    roles.values_mut().for_each(|members| members.sort_by(|a, b| a.id.cmp(&b.id)));
    roles
}

/// The number in the name of a group of this role.
fn number(role: &str, name: &str) -> Option<u32> {
    name.strip_prefix(role)?.strip_prefix('~')?.parse().ok()
}

fn how_many(former: &[Option<u32>]) -> usize {
    let mut numbers: Vec<u32> = former.iter().flatten().copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

/// Which cluster each member belongs to; nothing if they are one.
fn clusters(members: &[&Profile], n_former: usize) -> Option<Vec<usize>> {
    let points = standardised(members);
    let judged = judged(&points);
    let split = Split::best(&judged, n_former)?;
    is_plain(&judged, &split).then(|| nearest(&split.centres, &points))
}

/// `(n_members, n_columns)`, each column with mean 0 and variance 1; without those that are the same for all.
fn standardised(members: &[&Profile]) -> Array2<f64> {
    let width = members.iter().map(|m| m.vector.len()).max().unwrap_or(0);
    let raw = Array2::from_shape_fn((members.len(), width), |(i, k)| members[i].vector.get(k).copied().unwrap_or(0.0));
    let mut points = Array2::zeros((members.len(), 0));
    for column in raw.columns() {
        let (mean, sd) = (column.mean().unwrap_or(0.0), column.std(0.0));
        if sd > LEAST_SPREAD && sd.is_finite() {
            points.push_column(column.mapv(|v| (v - mean) / sd).view()).expect("as many rows");
        }
    }
    points
}

/// The rows that a split is fitted to and judged by: all, or so many evenly from all.
fn judged(points: &Array2<f64>) -> Array2<f64> {
    let (n, most) = (points.nrows(), points.nrows().min(MOST_JUDGED));
    let rows: Vec<usize> = (0..most).map(|i| i * n / most).collect();
    points.select(Axis(0), &rows)
}

/// A way to divide people.
struct Split {
    /// `(n_groups, n_columns)`.
    centres: Array2<f64>,
    silhouette: f64,
    /// [`HABIT`] if there are as many groups as before, else 0.
    habit: f64,
}

impl Split {
    /// The one of greatest silhouette, of the fewest groups among equals; nothing if there are too few people, or all are alike.
    fn best(points: &Array2<f64>, n_former: usize) -> Option<Self> {
        if points.nrows() < 2 * LEAST_SIZE || points.ncols() == 0 {
            return None;
        }
        let mut best: Option<Self> = None;
        for k in 2..=MOST_GROUPS {
            let Some(centres) = centres(points, k) else { continue };
            let silhouette = silhouette(points, &nearest(&centres, points));
            let habit = if centres.nrows() == n_former { HABIT } else { 0.0 };
            if best.as_ref().is_none_or(|b| silhouette + habit > b.silhouette + b.habit) {
                best = Some(Self { centres, silhouette, habit });
            }
        }
        best
    }
}

/// Centres of at most `k` clusters, none of which is too small: whoever was in such a one goes to the next nearest. linfa's seed is
/// fixed.
fn centres(points: &Array2<f64>, k: usize) -> Option<Array2<f64>> {
    let model = KMeans::params(k).n_runs(RUNS).fit(&DatasetBase::from(points.view())).ok()?;
    let mut centres = model.centroids().clone();
    while centres.nrows() > 1 {
        let sizes = sizes(&nearest(&centres, points), centres.nrows());
        let (smallest, size) = sizes.into_iter().enumerate().min_by_key(|(_, size)| *size)?;
        if size >= LEAST_SIZE {
            return Some(centres);
        }
        centres.remove_index(Axis(0), smallest);
    }
    None
}

fn nearest(centres: &Array2<f64>, points: &Array2<f64>) -> Vec<usize> {
    let of = |point: ArrayView1<f64>| {
        let apart: Vec<f64> = centres.rows().into_iter().map(|centre| square_between(point, centre)).collect();
        (0..apart.len()).min_by(|a, b| apart[*a].total_cmp(&apart[*b])).unwrap_or(0)
    };
    points.rows().into_iter().map(of).collect()
}

fn square_between(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn sizes(cluster_of: &[usize], n_clusters: usize) -> Vec<usize> {
    let mut sizes = vec![0; n_clusters];
    cluster_of.iter().for_each(|c| sizes[*c] += 1);
    sizes
}

/// Mean silhouette: (b − a) / max(a, b), where a is how far a point is from the others of its cluster on average, b from those of the
/// nearest other cluster. Each cluster has two points at least.
fn silhouette(points: &Array2<f64>, cluster_of: &[usize]) -> f64 {
    let n_clusters = cluster_of.iter().max().map_or(0, |c| c + 1);
    let sizes = sizes(cluster_of, n_clusters);
    let mut total = 0.0;
    for (point, &own) in points.rows().into_iter().zip(cluster_of) {
        let mut sums = vec![0.0; n_clusters];
        for (other, &cluster) in points.rows().into_iter().zip(cluster_of) {
            sums[cluster] += square_between(point, other).sqrt();
        }
        let a = sums[own] / (sizes[own] - 1) as f64;
        let others = (0..n_clusters).filter(|c| *c != own);
        let b = others.map(|c| sums[c] / sizes[c] as f64).fold(f64::INFINITY, f64::min);
        total += if a.max(b) > 0.0 { (b - a) / a.max(b) } else { 0.0 };
    }
    total / points.nrows() as f64
}

/// The least of the mean silhouettes of two clusters on the line between their centres.
fn on_the_line(points: &Array2<f64>, centres: &Array2<f64>) -> f64 {
    let cluster_of = nearest(centres, points);
    let mut least = f64::INFINITY;
    for b in 1..centres.nrows() {
        for a in 0..b {
            let rows: Vec<usize> = (0..points.nrows()).filter(|i| [a, b].contains(&cluster_of[*i])).collect();
            let direction = &centres.row(b) - &centres.row(a);
            let line = Array2::from_shape_fn((rows.len(), 1), |(i, _)| points.row(rows[i]).dot(&direction));
            let side: Vec<usize> = rows.iter().map(|i| usize::from(cluster_of[*i] == b)).collect();
            least = least.min(silhouette(&line, &side));
        }
    }
    least
}

/// Whether people are divided by more than k-means itself.
fn is_plain(points: &Array2<f64>, split: &Split) -> bool {
    let (line, silhouette) = (on_the_line(points, &split.centres) + split.habit, split.silhouette + split.habit);
    let mut random = Xoshiro256Plus::seed_from_u64(SEED);
    let by_chance =
        |cloud: Array2<f64>, measure: fn(&Array2<f64>, &Split) -> f64| Split::best(&cloud, 0).map_or(0.0, |split| measure(&cloud, &split));
    line >= APART
        && stands_out(line, || by_chance(cloud(points, &mut random), |cloud, split| on_the_line(cloud, &split.centres)))
        && stands_out(silhouette, || by_chance(shuffled(points, &mut random), |_, split| split.silhouette))
}

fn stands_out(value: f64, by_chance: impl FnMut() -> f64) -> bool {
    let all: Vec<f64> = std::iter::repeat_with(by_chance).take(N_CLOUDS as usize).collect();
    let mean = all.iter().sum::<f64>() / f64::from(N_CLOUDS);
    let variance = all.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / f64::from(N_CLOUDS - 1);
    let most = all.iter().copied().fold(0.0, f64::max);
    value >= most.max(mean + STANDS_OUT * variance.sqrt())
}

/// As many points, normal with the same covariance: each is a sum of all (centred) points, weighted by chance. So no matrix need be
/// taken apart, nor multiplied in a way that depends on the processor.
fn cloud(points: &Array2<f64>, random: &mut Xoshiro256Plus) -> Array2<f64> {
    let scale = 1.0 / (points.nrows() as f64).sqrt();
    let mut cloud = Array2::zeros(points.dim());
    for mut row in cloud.rows_mut() {
        points.rows().into_iter().for_each(|point| row.scaled_add(scale * normal(random), &point));
    }
    cloud
}

/// The same points with each column in another order, so that none has to do with another (Fisher & Yates).
fn shuffled(points: &Array2<f64>, random: &mut Xoshiro256Plus) -> Array2<f64> {
    let mut shuffled = points.clone();
    for mut column in shuffled.columns_mut() {
        for i in (1..column.len()).rev() {
            column.swap(i, below(i + 1, random));
        }
    }
    shuffled
}

/// Evenly among the numbers below `n`.
#[expect(clippy::cast_possible_truncation, reason = "a number of people")]
fn below(n: usize, random: &mut Xoshiro256Plus) -> usize {
    (uniform(random) * n as f64) as usize
}

/// A standard normal number (Box & Muller 1958).
fn normal(random: &mut Xoshiro256Plus) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(uniform(random)));
    radius * libm::cos(std::f64::consts::TAU * uniform(random))
}

/// Evenly between 0 and 1, neither of them.
fn uniform(random: &mut Xoshiro256Plus) -> f64 {
    ((random.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// The number of each cluster: of former groups, those that share most people first, hand theirs on; the rest get the least free
/// numbers. A number that somebody had last week is not free, as it would pass on what was learned of others.
fn numbers(cluster_of: &[usize], former: &[Option<u32>]) -> Vec<u32> {
    let mut shared: BTreeMap<(u32, usize), usize> = BTreeMap::new();
    for (cluster, number) in cluster_of.iter().zip(former) {
        if let Some(number) = number {
            *shared.entry((*number, *cluster)).or_default() += 1;
        }
    }
    let mut pairs: Vec<_> = shared.into_iter().collect();
    pairs.sort_by_key(|(pair, n)| (Reverse(*n), *pair));
    let mut numbers: Vec<Option<u32>> = vec![None; cluster_of.iter().max().map_or(0, |c| c + 1)];
    for ((number, cluster), _) in pairs {
        if numbers[cluster].is_none() && !numbers.contains(&Some(number)) {
            numbers[cluster] = Some(number);
        }
    }
    let mut free = (1..).filter(|n| !former.contains(&Some(*n)));
    // Met in the order of people's ids, as the order of clusters means nothing.
    for &cluster in cluster_of {
        if numbers[cluster].is_none() {
            numbers[cluster] = free.next();
        }
    }
    numbers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
