//! Fail points: named steps at which a build with the feature `chaos` can be made to die. In any other build they are nothing.
//!
//! `FILIN_FAIL_AT=step:n` kills the process when it comes to that step for the n-th time, as `kill -9` would: nothing is unwound,
//! flushed or answered. `FILIN_CLOCK_DAYS=n` lets its wall clock be wrong by so many days. `make chaos` builds and uses such a binary
//! (docs/guarantees.md).

/// The steps, in the order in which a record meets them: it is appended, scored, stored, checkpointed.
pub const STEPS: [&str; 11] = [
    "policy",
    "users",
    "appended",
    "events",
    "signals",
    "alerts",
    "manager_state",
    "tenant_state",
    "checkpoints",
    "generations",
    "committed",
];

/// The process comes to a step.
#[cfg(not(feature = "chaos"))]
pub const fn point(_step: &str) {}

/// By how much the wall clock is wrong.
#[cfg(not(feature = "chaos"))]
pub const fn clock_ahead_ms() -> i64 {
    0
}

/// By how much the wall clock is wrong.
#[cfg(feature = "chaos")]
pub fn clock_ahead_ms() -> i64 {
    static AHEAD: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *AHEAD.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "no configuration of Filin: only a build for the fault harness has it")]
        let days = std::env::var("FILIN_CLOCK_DAYS").map_or(0, |text| text.parse::<i64>().expect("FILIN_CLOCK_DAYS=n"));
        days * crate::event::DAY_MS
    })
}

/// The process comes to a step, and dies there if it was told to.
#[cfg(feature = "chaos")]
pub fn point(step: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };
    static PLAN: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "no configuration of Filin: only a build for the fault harness has it")]
        let text = std::env::var("FILIN_FAIL_AT").ok()?;
        let (step, n) = text.split_once(':').unwrap_or((&text, "1"));
        assert!(STEPS.contains(&step), "FILIN_FAIL_AT names no step: {step}");
        Some((step.to_owned(), AtomicU32::new(n.parse().expect("FILIN_FAIL_AT=step:n"))))
    });
    if let Some((at, left)) = plan
        && at == step
        && left.fetch_sub(1, Ordering::AcqRel) == 1
    {
        eprintln!("fail point {step}");
        std::process::abort();
    }
}
