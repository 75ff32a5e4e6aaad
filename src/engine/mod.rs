//! The detector: pure, synchronous, deterministic. One tenant's log in, effects out.
//!
//! It knows no clock, no IO and no randomness; time comes from records alone, `ln` and `exp` from the `libm` crate.
//! So the same log gives the same bytes: live, replayed, after a crash, on any number of instances.

mod alert;
mod baseline;
mod budget;
mod class;
pub mod control;
mod day;
mod effect;
pub mod explain;
mod manager;
mod math;
mod record;
mod score;
mod sketch;
pub mod state;
mod tenant;

pub use effect::{AlertVersion, Contribution, Effect, Lateness, ManagerDay, ManagerHour, Severity, Signal, Subject, SubjectKind, Text};
pub use record::{ControlPolicy, LOG_VERSION, LogLine, Policy, Record, Tick, Verdict, VerdictKind};
pub use tenant::{Tenant, Trace};

/// The version of the engine, part of every alert and checkpoint.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
