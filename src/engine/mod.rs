//! The detector: pure, synchronous, deterministic. One tenant's log in, effects out.
//!
//! It knows no clock, no IO and no randomness; time comes from records alone, `ln` and `exp` from the `libm` crate.
//! So the same log gives the same bytes: live, replayed, after a crash, on any number of instances.

pub mod control;
mod effect;
pub mod explain;
mod record;

pub use effect::{AlertVersion, Contribution, Effect, Lateness, ManagerDay, ManagerHour, Severity, Signal, Subject, SubjectKind, Text};
pub use record::{ControlPolicy, LOG_VERSION, LogLine, Policy, Record, Tick, Verdict, VerdictKind};

/// The version of the engine, part of every alert and checkpoint.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
