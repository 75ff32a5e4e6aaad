//! Scoring under planned faults: the real [`Scorer`](super::Scorer) over a log and a store in memory, in virtual time, all of it
//! from one seed.
//!
//! Instances die at any call to the store, before it took effect, in the middle of it, behind it, or ahead of it; they stand still
//! beyond their session and come back; lose and get partitions; the store is away, takes half of an insert, loses its answer, or
//! takes the insert later; raw lines are appended twice, by one who starts again and by one who was given up, and late; ticks,
//! mutes and verdicts come at any time; days pass, and clocks are set back. At every checkpoint row, and at the end, what is stored
//! is compared with the engine alone over the same log. `make simulate SEED=17 SEEDS=1` repeats a seed.

mod alone;
mod brokers;
mod memory;
mod raw;
mod table;
mod world;

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use self::{
    brokers::Simulation,
    memory::locked,
    world::{Counts, Lie},
};
use crate::ops::metrics::Receiver;

const PARTITIONS: u32 = 3;
const MEMBERS: usize = 2;
const LOG: &str = "memory:1";
const RECEIVER: Receiver = Receiver::Alertmanager;

/// Where an instance may die: at each call to the store and behind a commit.
const STEPS: [&str; 21] = [
    "newest",
    "load",
    "seen",
    "events",
    "events_raw",
    "signals",
    "manager_hour",
    "manager_day",
    "mutes",
    "alerts",
    "notifications",
    "tips",
    "unproved",
    "salts",
    "integrity",
    "integrity_heads",
    "manager_state",
    "tenant_state",
    "checkpoints",
    "generations",
    "committed",
];

fn simulate(seed: u64, lie: Option<Lie>, loud: bool) -> (Counts, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async { Simulation::new(seed, lie, loud).run().await })
}

/// Simulates seeds on all cores. The first one that fails ends it.
fn simulate_all(first: u64, n: u64) -> (Counts, Option<(u64, String)>) {
    let (next, end) = (AtomicU64::new(first), AtomicU64::new(first + n));
    let found = Mutex::new((Counts::default(), None::<(u64, String)>));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                return;
            }
            let (counts, wrong) = simulate(seed, None, n == 1);
            let mut found = locked(&found);
            found.0.join(&counts);
            if let Some(wrong) = wrong.filter(|_| found.1.as_ref().is_none_or(|(other, _)| seed < *other)) {
                found.1 = Some((seed, wrong));
                end.store(first, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|s| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            s.spawn(work);
        }
    });
    found.into_inner().expect("no holder panics")
}

fn asked(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "which seeds are tried is no configuration of Filin")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens() {
    let (first, n) = (asked("FILIN_SIM_SEED").unwrap_or(1), asked("FILIN_SIM_SEEDS").unwrap_or(500));
    let watch = crate::ops::clock::Stopwatch::start();
    let (counts, wrong) = simulate_all(first, n);
    for ((kind, step), n) in &counts.0 {
        println!("{n:12}  {kind} {step}");
    }
    println!("{:12.1}  seconds", watch.elapsed().as_secs_f64());
    if let Some((seed, wrong)) = wrong {
        panic!("seed {seed}: {wrong}\nrepeat it: make simulate SEED={seed} SEEDS=1");
    }
    if n >= 100 {
        let never: Vec<_> = must_happen().filter(|(kind, step)| counts.of(kind, step) == 0).collect();
        assert!(never.is_empty(), "a fault that never happens proves nothing: {never:?}");
        let often = counts.of("seen", "records scored again");
        assert!(often > n * 50, "only {often} records were scored again");
    }
}

/// Every fault bites: an instance died at each step, and what others have to bear was seen.
fn must_happen() -> impl Iterator<Item = (&'static str, &'static str)> {
    let writes = |step: &str| !["newest", "load", "seen", "tips", "unproved", "salts", "committed"].contains(&step);
    let amid = STEPS.into_iter().filter(move |s| writes(s)).flat_map(|s| [("amid", s), ("ahead of", s)]);
    let calls = STEPS.into_iter().flat_map(|s| [("before", s), ("behind", s)]).filter(|c| *c != ("before", "committed"));
    let others = [
        ("fault", "deaths"),
        ("fault", "zombies"),
        ("fault", "partitions moved"),
        ("fault", "clock a day off"),
        ("unanswered", "and not done"),
        ("unanswered", "and done in part, or later"),
        ("seen", "rows of partitions given away"),
        ("log", "lines repeated"),
        ("log", "ticks at any time"),
        ("log", "mutes"),
        ("log", "verdicts"),
        ("done", "alerts"),
        ("done", "signals"),
    ];
    amid.chain(calls).chain(others)
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    assert_eq!(simulate(5, None, false), simulate(5, None, false));
}

#[test]
fn a_store_that_lies_is_found_out() {
    for lie in [Lie::Lost, Lie::Early, Lie::Beyond, Lie::Forgets] {
        let found = (1..200).find_map(|seed| simulate(seed, Some(lie), false).1.map(|wrong| (seed, wrong)));
        let (seed, wrong) = found.unwrap_or_else(|| panic!("{lie:?} was not found out"));
        println!("{lie:?} by seed {seed}: {wrong}");
    }
}
