//! What answers are worth: made-up companies with attacks at budget 5, whose first 300 alerts somebody answers, one answer of twenty
//! wrong. Of the alerts after those, how many of the first fifth, which is what budget 1 would give, are right when they come by bits,
//! and how many when they come by what the answers taught.
//! `cargo bench --bench verdicts`; two minutes. A company has too few alerts: several are one tenant. Settings were chosen on seeds 1
//! to 4; what BENCHMARKS.md says of 51 to 56 led to 61 to 66.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
};

use anyhow::Result;
use filin::{
    engine::{AlertVersion, Effect, Policy, Tenant, VerdictKind},
    event::{Budget, Date, Event, HOUR_MS},
    model::{
        Kind, Label,
        rank::{Answered, Case, Ranker},
    },
    ops::config,
    pipeline::{
        ingest::{Policies, Rows},
        replay::{self, Ask, Sink},
        service::read_rows,
    },
    simulate::{self, Options},
    source::prior,
};
use rand_xoshiro::{
    Xoshiro256Plus,
    rand_core::{RngCore as _, SeedableRng as _},
};

/// Seeds that are one tenant: those for tuning, and those that nothing was tuned on.
const POOLS: [(&str, &[u64]); 5] =
    [("tuning", &[1, 2, 3, 4]), ("unseen", &[51, 52, 53]), ("unseen", &[54, 55, 56]), ("unseen", &[61, 62, 63]), ("unseen", &[64, 65, 66])];
/// Alerts that are answered.
const ANSWERED: usize = 300;
/// Analysts, each of whom errs elsewhere.
const ANALYSTS: u64 = 5;
/// An answer of so many is wrong.
const WRONG_IN: u64 = 20;

/// An alert, and what it was.
struct Alert {
    seed: u64,
    case: Case,
    is_right: bool,
}

/// Keeps the versions of alerts.
#[derive(Default)]
struct Heard(BTreeMap<String, Vec<AlertVersion>>);

impl Sink for Heard {
    fn effect(&mut self, _: &Tenant, effect: Effect) {
        if let Effect::Alert(version) = effect {
            self.0.entry(version.alert_id.clone()).or_default().push(*version);
        }
    }
}

fn main() -> Result<()> {
    println!(
        "| seeds | analyst | verdicts, confirmed | held back: by bits → learned | in force | alerts after | right of the first fifth: by bits | by priority |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut unseen = (0, 0, 0, 0, 0);
    for (what, seeds) in POOLS {
        let mut alerts = Vec::new();
        for seed in seeds {
            alerts.extend(company(*seed)?);
        }
        alerts.sort_by(|a, b| (a.case.opened_at, &a.case.alert_id).cmp(&(b.case.opened_at, &b.case.alert_id)));
        let (first, after) = alerts.split_at(ANSWERED.min(alerts.len()));
        let after: Vec<&Alert> = after.iter().collect();
        for analyst in 1..=ANALYSTS {
            let (ranker, report) = Ranker::train(&answers(first, analyst));
            let (by_bits, by_priority) = (right(&after, |_| 0), right(&after, |a| tenths(ranker.priority(&a.case))));
            println!(
                "| {what} {}–{} | {analyst} | {}, {} | {:.3} → {:.3} | {} | {} ({} right) | {by_bits} of {} | {by_priority} |",
                seeds[0],
                seeds[seeds.len() - 1],
                report.verdicts,
                report.confirmed,
                report.before,
                report.after,
                if report.in_force { "yes" } else { "no" },
                after.len(),
                after.iter().filter(|a| a.is_right).count(),
                after.len() / 5,
            );
            if what == "unseen" {
                let changed = usize::from(report.in_force);
                let (bits, learned, of) = (unseen.0 + by_bits, unseen.1 + by_priority, unseen.2 + after.len() / 5);
                unseen = (bits, learned, of, unseen.3 + changed, unseen.4 + 1);
            }
            if analyst == 1 {
                for seed in seeds {
                    let own: Vec<&Alert> = after.iter().copied().filter(|a| a.seed == *seed).collect();
                    let (by_bits, by_priority) = (right(&own, |_| 0), right(&own, |a| tenths(ranker.priority(&a.case))));
                    println!("| &nbsp; {seed} alone | 1 | | | | {} | {by_bits} of {} | {by_priority} |", own.len(), own.len() / 5);
                }
            }
        }
    }
    let (bits, learned, of, changed, all) = unseen;
    println!("\nunseen seeds: {bits} of {of} right by bits, {learned} by priority; in force for {changed} of {all} analysts");
    Ok(())
}

/// The alerts of a made-up company at budget 5.
fn company(seed: u64) -> Result<Vec<Alert>> {
    let dir = tempfile::tempdir()?;
    let start = Date::parse("2026-01-05").expect("a date");
    let options = Options { managers: 50, days: 90, seed, start, attack_from: Some(30) };
    simulate::write(&options, dir.path(), &mut || ())?;
    let mut rows = Rows::default();
    for kind in ["users", "clients", "orders"] {
        read_rows(kind, &dir.path().join(format!("{kind}.csv")), &mut rows)?;
    }
    let mut events: Vec<Event> = Vec::new();
    for line in BufReader::new(fs::File::open(dir.path().join("events.jsonl"))?).lines() {
        events.push(serde_json::from_str(&line?)?);
    }
    events.sort_by_key(|e| e.time);
    let prior = prior::prior(&config::Prior::Default).map_err(anyhow::Error::msg)?;
    let policies = Policies { other: Policy { budget: Budget::Rate(5.0), ..Policy::default() }, prior, ..Policies::default() };
    let mut heard = Heard::default();
    replay::score(events, rows, &Ask { policies: &policies, actor_prefix: "", features: false, budgets: &[] }, &mut heard);
    let labels = fs::read_to_string(dir.path().join("labels.jsonl"))?;
    let labels: Vec<Label> = labels.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let attacks: Vec<&Label> = labels.iter().filter(|l| l.label == Kind::Attack).collect();
    let alert = |versions: Vec<AlertVersion>| {
        let mut case = Case::of(versions.last().expect("each has a version"));
        case.alert_id.push_str(&seed.to_string());
        Alert { seed, case, is_right: attacks.iter().any(|l| meets(&versions, l)) }
    };
    Ok(heard.0.into_values().map(alert).collect())
}

/// As `filin evaluate` judges it: the person and the time; without a person, an event.
fn meets(versions: &[AlertVersion], l: &Label) -> bool {
    versions.iter().any(|v| match &v.manager {
        Some(manager) => *manager == l.manager && l.from <= v.time && v.time <= l.to.plus(24 * HOUR_MS),
        None => v.event_ids.iter().any(|e| l.event_ids.contains(e)),
    })
}

/// What an analyst says of alerts.
fn answers(alerts: &[Alert], analyst: u64) -> Vec<Answered> {
    let mut rng = Xoshiro256Plus::seed_from_u64(analyst);
    let verdict = |is_right: bool, n: usize| match (is_right, n % 2) {
        (true, _) => VerdictKind::TruePositive,
        (false, 0) => VerdictKind::BenignExpected,
        (false, _) => VerdictKind::FalsePositive,
    };
    let answer = |(n, a): (usize, &Alert)| {
        let errs = (rng.next_u64() >> 32) % WRONG_IN == 0;
        Answered { case: a.case.clone(), verdict: verdict(a.is_right != errs, n), at: a.case.opened_at }
    };
    alerts.iter().enumerate().map(answer).collect()
}

/// How many of the first fifth are right, sorted by a key and then by bits.
fn right(alerts: &[&Alert], key: impl Fn(&Alert) -> i64) -> usize {
    let mut sorted = alerts.to_vec();
    sorted.sort_by_key(|a| (Reverse(key(a)), Reverse(a.case.bits), a.case.alert_id.clone()));
    sorted.iter().take(alerts.len() / 5).filter(|a| a.is_right).count()
}

#[expect(clippy::cast_possible_truncation, reason = "0 to 1000")]
fn tenths(priority: f64) -> i64 {
    (priority * 10.0).round() as i64
}
