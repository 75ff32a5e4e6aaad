//! Whether a tenth family `shape` would pay: how unlike its peers' a day is as a whole, beside Filin's own score, on made-up companies.
//! `cargo bench --bench shape`; a minute. What it found is in BENCHMARKS.md.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use clap::Parser;
use filin::{
    directory::{User, Zone, load},
    event::{DAY_MS, Date, HOUR_MS, Timestamp},
    model::{Kind, Label, Meta, wilson},
};
use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::GaussianMixtureModel;
use linfa_reduction::Pca;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Accumulators of volume, relation and destruct.
const COLUMNS: [&str; 11] = ["rec_out", "rec_scr", "rec_unf", "n_out", "n_query", "distinct", "unrel", "ucall", "destr", "n_upd", "ext"];
/// Days at the start that do not count.
const WARM_UP: i32 = 28;
/// The first fit, so that two weeks of surprise are there to calibrate by when days begin to count.
const FIRST_FIT: i32 = 14;
const WEEK: i32 = 7;
/// Days that surprise is calibrated by.
const MEMORY: i32 = 35;
/// Managers who make a role a peer group.
const LEAST_PEERS: usize = 5;
/// False alerts per 100 manager-days.
const RATES: [f64; 2] = [1.0, 5.0];
/// Standard deviations beyond which a day teaches no more: thefts are among the days learned from.
const MOST_SPREAD: f64 = 6.0;
/// Added to variances (of standardised columns) in a mixture.
const RIDGE: f64 = 0.05;
const MOST_COMPONENTS: usize = 4;
/// Share of the variance that principal components explain; the rest is residual.
const EXPLAINED: f64 = 0.9;

#[derive(Parser)]
struct Args {
    /// Which filin simulates and replays
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/filin"))]
    filin: PathBuf,
    /// Seeds of companies with attacks
    #[arg(long, default_value = "31-34", value_parser = seeds)]
    attacked: Seeds,
    /// Seeds of companies without
    #[arg(long, default_value = "41-43", value_parser = seeds)]
    clean: Seeds,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone)]
struct Seeds(std::ops::RangeInclusive<u64>);

fn seeds(text: &str) -> Result<Seeds, std::num::ParseIntError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok(Seeds(first.parse()?..=last.parse()?))
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let filin = args.filin.canonicalize().with_context(|| format!("no {}: `make build`", args.filin.display()))?;
    let scratch = tempfile::tempdir()?;
    let companies = |seeds: &Seeds, attacks: bool| -> anyhow::Result<Vec<Company>> {
        seeds.0.clone().map(|seed| Company::made(&filin, &scratch.path().join(format!("{seed}-{attacks}")), seed, attacks)).collect()
    };
    report(&companies(&args.attacked, true)?, &companies(&args.clean, false)?)
}

/// How days are scored.
#[derive(Clone, Copy, PartialEq)]
enum Method {
    Filin,
    Shape(Model),
    Both(Model),
}

#[derive(Clone, Copy, PartialEq)]
enum Model {
    Mixture,
    Residual,
}

const METHODS: [(&str, Method); 5] = [
    ("Filin, by the day (`peak`)", Method::Filin),
    ("shape alone, Gaussian mixture", Method::Shape(Model::Mixture)),
    ("shape alone, PCA residual", Method::Shape(Model::Residual)),
    ("Filin and shape, Gaussian mixture", Method::Both(Model::Mixture)),
    ("Filin and shape, PCA residual", Method::Both(Model::Residual)),
];

fn report(attacked: &[Company], clean: &[Company]) -> anyhow::Result<()> {
    let days: f64 = attacked.iter().map(|c| c.n_days).sum();
    println!("{days} manager-days that count.\n");
    println!(
        "| | recall at 1 false alert per 100 manager-days | at 5 | only Filin / only it, at 1 | at 5 | no attacks, threshold of 1 per 100 in the 35 days before: false per 100 (least to most) | of 5 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut filin: [Vec<bool>; 2] = Default::default();
    for (name, method) in METHODS {
        let mut found: [Vec<bool>; 2] = Default::default();
        for company in attacked {
            let score = method.scores(company)?;
            RATES.iter().zip(&mut found).for_each(|(rate, found)| found.extend(company.found(&score, *rate)));
        }
        if method == Method::Filin {
            filin = found.clone();
        }
        let scores = clean.iter().map(|c| method.scores(c)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut cells: Vec<String> = found.iter().map(|found| share(found)).collect();
        cells.extend(filin.iter().zip(&found).map(|(a, b)| apart(a, b)));
        cells.extend(RATES.iter().map(|rate| kept(clean, &scores, *rate)));
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn share(found: &[bool]) -> String {
    let n = found.iter().filter(|f| **f).count();
    let (low, high) = wilson(n, found.len());
    format!("{:.2} ({n}/{}; {low:.2} to {high:.2})", n as f64 / found.len() as f64, found.len())
}

fn apart(filin: &[bool], other: &[bool]) -> String {
    let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
    format!("{} / {}", only(filin, other), only(other, filin))
}

/// What a threshold from the past leaves of false alerts, in all and in each company.
fn kept(clean: &[Company], scores: &[Vec<f64>], rate: f64) -> String {
    let told: Vec<f64> = clean.iter().zip(scores).map(|(c, score)| c.told_in_advance(score, rate)).collect();
    let each = told.iter().zip(clean).map(|(told, c)| 100.0 * told / c.n_days);
    let (least, most) = each.fold((f64::INFINITY, 0.0_f64), |(least, most), r| (least.min(r), most.max(r)));
    let all = 100.0 * told.iter().sum::<f64>() / clean.iter().map(|c| c.n_days).sum::<f64>();
    format!("{all:.2} ({least:.2} to {most:.2})")
}

/// A manager-day.
struct Day {
    manager: String,
    role: String,
    /// From the company's first.
    day: i32,
    /// ln(1 + x).
    y: [f64; COLUMNS.len()],
    peak: f64,
    /// A hard rule fired: told by every method, and never counted as false.
    rule: bool,
}

struct Attack {
    manager: String,
    first: i32,
    last: i32,
}

struct Company {
    /// Of people, oldest first.
    days: Vec<Day>,
    attacks: Vec<Attack>,
    /// Manager-days that count.
    n_days: f64,
}

impl Company {
    fn made(filin: &Path, folder: &Path, seed: u64, attacks: bool) -> anyhow::Result<Self> {
        let (out, seed) = (folder.display().to_string(), seed.to_string());
        let mut simulate = vec!["simulate", "--managers", "50", "--days", "90", "--seed", &seed, "--out", &out];
        simulate.extend(attacks.then_some("--attacks"));
        run(filin, folder, &simulate)?;
        let replay = "replay --events events.jsonl --users users.csv --clients clients.csv --orders orders.csv \
                      --features features.csv --alerts alerts.jsonl";
        run(filin, folder, &replay.split_whitespace().collect::<Vec<_>>())?;
        Self::read(folder)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let meta: Meta = serde_json::from_str(&std::fs::read_to_string(folder.join("meta.json"))?)?;
        let n_days = meta.manager_days(WARM_UP.unsigned_abs()) as f64;
        Ok(Self { days: days(&folder.join("features.csv"), meta.start)?, attacks: attacks(folder, meta.start)?, n_days })
    }

    /// Of each attack that counts, whether a day within it lies above the threshold that leaves so many false alerts.
    fn found(&self, score: &[f64], rate: f64) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.days.len()).filter(|&i| self.days[i].day >= WARM_UP).collect();
        // The calibrated tail has equal values: drawn by lot, so that a rate is met exactly.
        let lot = |i: usize| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        order.sort_by(|&a, &b| score[b].total_cmp(&score[a]).then_with(|| lot(a).cmp(&lot(b))));
        let mut told = vec![false; self.days.len()];
        let mut left = rate * self.n_days / 100.0;
        for i in order {
            if self.is_false(&self.days[i]) {
                left -= 1.0;
            }
            if left < 0.0 {
                break;
            }
            told[i] = true;
        }
        self.attacks.iter().filter(|a| a.first >= WARM_UP).map(|a| self.is_told(a, &told)).collect()
    }

    fn is_told(&self, attack: &Attack, told: &[bool]) -> bool {
        let within = |day: &Day| day.manager == attack.manager && (attack.first..=attack.last + 1).contains(&day.day);
        self.days.iter().zip(told).any(|(day, told)| (*told || day.rule) && within(day))
    }

    fn is_false(&self, day: &Day) -> bool {
        let near = |a: &Attack| a.manager == day.manager && (a.first - 1..=a.last + 1).contains(&day.day);
        !day.rule && !self.attacks.iter().any(near)
    }

    /// Days above the threshold that would have left so many per 100 in the days before.
    #[expect(clippy::cast_possible_truncation, reason = "numbers of days")]
    fn told_in_advance(&self, score: &[f64], rate: f64) -> f64 {
        let mut n = 0.0;
        for today in WARM_UP..=self.last() {
            let past = self.sorted(score, today);
            let threshold = past[past.len() - 1 - (rate / 100.0 * past.len() as f64) as usize];
            n += self.days.iter().zip(score).filter(|(d, s)| d.day == today && !d.rule && **s > threshold).count() as f64;
        }
        n
    }

    /// Scores of the days before that are remembered, least first.
    fn sorted(&self, score: &[f64], today: i32) -> Vec<f64> {
        let remembered = today - MEMORY..today;
        let mut past: Vec<f64> =
            self.days.iter().zip(score).filter(|(d, s)| remembered.contains(&d.day) && s.is_finite()).map(|(_, s)| *s).collect();
        past.sort_by(f64::total_cmp);
        past
    }

    fn last(&self) -> i32 {
        self.days.last().map_or(0, |d| d.day)
    }
}

fn run(filin: &Path, folder: &Path, args: &[&str]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let done = Command::new(filin).args(args).current_dir(folder).output().with_context(|| format!("cannot run {}", filin.display()))?;
    ensure!(done.status.success(), "filin {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
    Ok(())
}

fn days(path: &Path, start: Date) -> anyhow::Result<Vec<Day>> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut days = Vec::new();
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row?;
        if row["integration"] == "true" {
            continue;
        }
        let mut y = [0.0; COLUMNS.len()];
        for (y, name) in y.iter_mut().zip(COLUMNS) {
            *y = row[&format!("x_{name}")].parse::<f64>()?.ln_1p();
        }
        let date = Date::parse(&row["date"]).context("not a date")?;
        let (peak, rule) = (row["peak"].parse()?, row["x_rule"].parse::<f64>()? > 0.0);
        days.push(Day { manager: row["manager"].clone(), role: row["role"].clone(), day: date.0 - start.0, y, peak, rule });
    }
    days.sort_by(|a, b| (a.day, &a.manager).cmp(&(b.day, &b.manager)));
    Ok(days)
}

fn attacks(folder: &Path, start: Date) -> anyhow::Result<Vec<Attack>> {
    let mut zones = BTreeMap::new();
    for user in load::file::<User>(&folder.join("users.csv"))?.rows {
        zones.insert(user.id.to_string(), user.time_zone.as_deref().map_or(Ok(Zone::UTC), Zone::get)?);
    }
    let mut attacks = Vec::new();
    for line in std::fs::read_to_string(folder.join("labels.jsonl"))?.lines() {
        let label: Label = serde_json::from_str(line)?;
        if label.label == Kind::Attack {
            let zone = zones.get(&label.manager).context("a label of nobody")?;
            // A manager-day begins at 05:00.
            let day = |t: Timestamp| (zone.local_ms(t) - 5 * HOUR_MS).div_euclid(DAY_MS) - i64::from(start.0);
            let (first, last) = (i32::try_from(day(label.from))?, i32::try_from(day(label.to))?);
            attacks.push(Attack { manager: label.manager, first, last });
        }
    }
    Ok(attacks)
}

impl Method {
    fn scores(self, company: &Company) -> anyhow::Result<Vec<f64>> {
        let peaks = || company.days.iter().map(|d| d.peak);
        Ok(match self {
            Self::Filin => peaks().collect(),
            Self::Shape(model) => evidence(company, model)?,
            Self::Both(model) => {
                peaks().zip(evidence(company, model)?).map(|(peak, shape)| ((9.0 * peak.exp() + shape.exp()) / 10.0).ln()).collect()
            }
        })
    }
}

/// What a day's surprise means, nats: −ln of the share of the remembered manager-days that were at least as odd.
fn evidence(company: &Company, model: Model) -> anyhow::Result<Vec<f64>> {
    let surprise = surprises(company, model)?;
    let mut evidence = Vec::new();
    let (mut today, mut past) = (-1, Vec::new());
    for (day, odd) in company.days.iter().zip(&surprise) {
        if day.day != today {
            (today, past) = (day.day, company.sorted(&surprise, day.day));
        }
        let as_odd = past.len() - past.partition_point(|p| p < odd);
        evidence.push(if past.is_empty() { 0.0 } else { (past.len() as f64 / as_odd.max(1) as f64).ln() });
    }
    Ok(evidence)
}

/// How unlike its peers' each day is, by a model of the days before that is fitted weekly; minus infinity before the first fit.
fn surprises(company: &Company, model: Model) -> anyhow::Result<Vec<f64>> {
    let mut surprises = vec![f64::NEG_INFINITY; company.days.len()];
    let mut first = FIRST_FIT;
    while first <= company.last() {
        let peers = Peers::fit(&company.days[..company.days.partition_point(|d| d.day < first)], model)?;
        for (day, surprise) in company.days.iter().zip(&mut surprises) {
            if (first..first + WEEK).contains(&day.day) {
                *surprise = peers.surprise(day);
            }
        }
        first += WEEK;
    }
    Ok(surprises)
}

struct Peers<'a> {
    all: Fitted,
    roles: BTreeMap<&'a str, Fitted>,
}

impl<'a> Peers<'a> {
    fn fit(past: &'a [Day], model: Model) -> anyhow::Result<Self> {
        let mut by_role: BTreeMap<&str, Vec<&Day>> = BTreeMap::new();
        past.iter().for_each(|day| by_role.entry(&day.role).or_default().push(day));
        by_role.retain(|_, days| days.iter().map(|d| &d.manager).collect::<BTreeSet<_>>().len() >= LEAST_PEERS);
        let roles = by_role.into_iter().map(|(role, days)| Ok((role, Fitted::to(&days, model)?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { all: Fitted::to(&past.iter().collect::<Vec<_>>(), model)?, roles })
    }

    fn surprise(&self, day: &Day) -> f64 {
        self.roles.get(day.role.as_str()).unwrap_or(&self.all).surprise(&day.y)
    }
}

/// A model of the days of some people.
struct Fitted {
    mean: Array1<f64>,
    sd: Array1<f64>,
    model: Shape,
}

enum Shape {
    Mixture(Vec<Normal>),
    /// Principal directions `(n_components, n_columns)`, and the middle.
    Plane(Array2<f64>, Array1<f64>),
}

impl Fitted {
    fn to(days: &[&Day], model: Model) -> anyhow::Result<Self> {
        // And a day with one of everything, so that what nobody did so far has a scale.
        let one = [1.0_f64.ln_1p(); COLUMNS.len()];
        let raw = Array2::from_shape_fn((days.len() + 1, COLUMNS.len()), |(i, k)| days.get(i).map_or(one[k], |d| d.y[k]));
        let mean = raw.mean_axis(Axis(0)).context("no days")?;
        let sd = raw.std_axis(Axis(0), 0.0).mapv(|sd| sd.max(1e-3));
        let points = ((&raw - &mean) / &sd).mapv(|z| z.clamp(-MOST_SPREAD, MOST_SPREAD));
        let model = match model {
            Model::Mixture => Shape::Mixture(mixture(&points)?),
            Model::Residual => plane(&points)?,
        };
        Ok(Self { mean, sd, model })
    }

    fn surprise(&self, y: &[f64]) -> f64 {
        let z = (&ArrayView1::from(y) - &self.mean) / &self.sd;
        match &self.model {
            Shape::Mixture(parts) => -ln_density(parts, z.view()),
            Shape::Plane(directions, middle) => {
                let from_middle = &z - middle;
                let residual = &from_middle - &directions.t().dot(&directions.dot(&from_middle));
                residual.dot(&residual)
            }
        }
    }
}

/// A component of a mixture.
struct Normal {
    /// ln of its weight and of its density at the mean.
    ln_height: f64,
    mean: Array1<f64>,
    precision: Array2<f64>,
}

/// The mixture of least BIC (Schwarz 1978) among those that can be fitted.
fn mixture(points: &Array2<f64>) -> anyhow::Result<Vec<Normal>> {
    let data = DatasetBase::from(points.view());
    let (n, d) = (points.nrows() as f64, points.ncols() as f64);
    let mut best: Option<(f64, Vec<Normal>)> = None;
    for k in 1..=MOST_COMPONENTS {
        let Ok(model) = GaussianMixtureModel::params(k).reg_covariance(RIDGE).max_n_iterations(300).fit(&data) else { continue };
        let parts = parts(&model);
        let likelihood: f64 = points.rows().into_iter().map(|point| ln_density(&parts, point)).sum();
        let bic = (k as f64 * (1.0 + d + d * (d + 1.0) / 2.0) - 1.0) * n.ln() - 2.0 * likelihood;
        if best.as_ref().is_none_or(|(least, _)| bic < *least) {
            best = Some((bic, parts));
        }
    }
    Ok(best.context("no mixture fits")?.1)
}

fn parts(model: &GaussianMixtureModel<f64>) -> Vec<Normal> {
    let turns = model.means().ncols() as f64 * std::f64::consts::TAU.ln();
    let of = |k: usize| {
        let precision = model.precisions().index_axis(Axis(0), k);
        let ln_height = model.weights()[k].ln() + 0.5 * (ln_det(precision) - turns);
        Normal { ln_height, mean: model.means().row(k).to_owned(), precision: precision.to_owned() }
    };
    (0..model.weights().len()).map(of).collect()
}

/// ln of the determinant of a positive definite matrix, by elimination.
fn ln_det(matrix: ArrayView2<f64>) -> f64 {
    let mut m = matrix.to_owned();
    for k in 0..m.nrows() {
        for i in k + 1..m.nrows() {
            let pivot = m.row(k).to_owned();
            let factor = m[[i, k]] / m[[k, k]];
            m.row_mut(i).scaled_add(-factor, &pivot);
        }
    }
    m.diag().mapv(f64::ln).sum()
}

fn ln_density(parts: &[Normal], point: ArrayView1<f64>) -> f64 {
    let of = |part: &Normal| {
        let apart = &point - &part.mean;
        part.ln_height - 0.5 * apart.dot(&part.precision.dot(&apart))
    };
    let each: Vec<f64> = parts.iter().map(of).collect();
    let most = each.iter().copied().max_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal)).unwrap_or(f64::NEG_INFINITY);
    most + each.iter().map(|e| (e - most).exp()).sum::<f64>().ln()
}

/// The fewest principal directions that explain enough.
fn plane(points: &Array2<f64>) -> anyhow::Result<Shape> {
    let pca = Pca::params(points.ncols()).fit(&DatasetBase::from(points.view()))?;
    let variance = pca.singular_values().mapv(|v| v * v);
    let (mut n, mut explained) = (0, 0.0);
    while n < variance.len() && explained < EXPLAINED * variance.sum() {
        explained += variance[n];
        n += 1;
    }
    Ok(Shape::Plane(pca.components().slice(s![..n, ..]).to_owned(), pca.mean().to_owned()))
}
