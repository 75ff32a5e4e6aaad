//! The detector: pure, synchronous, deterministic. One tenant's log in, effects out.
//!
//! It knows no clock, no IO and no randomness; time comes from records alone, `ln` and `exp` from the `libm` crate.
//! So the same log gives the same bytes: live, replayed, after a crash, on any number of instances.
//!
//! The way of an event ([`Tenant::apply`]): `repeat` drops what was seen, `calendar` raises the watermark and `close` lets due
//! dates learn, `accumulate` adds the event to its `day` (with `relation`, `rule` and the estimators of `baseline`), `surprise`
//! turns sums into evidence, `score` into severity, `episode` and `alert` into words.

mod absence;
mod accumulate;
mod alert;
mod baseline;
mod budget;
mod calendar;
mod class;
mod close;
pub mod control;
mod day;
mod detector;
mod effect;
mod episode;
mod erase;
mod evidence;
pub mod explain;
pub mod features;
mod manager;
mod math;
mod memory;
mod mute;
mod near;
mod packed;
pub mod peers;
mod people;
mod personal;
mod places;
pub mod prior;
mod profile;
mod record;
mod relation;
mod repeat;
mod rollup;
mod roster;
mod rule;
#[cfg(test)]
mod scenarios;
mod score;
pub mod sigma;
mod sketch;
pub mod state;
mod surprise;
mod team;
mod tenant;
mod terms;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod watch;
mod wave;
mod windows;

pub use budget::YOUNG_DATES;
pub use calendar::manager_day;
pub use effect::{
    AlertVersion, Contribution, Effect, Lateness, ManagerDay, ManagerHour, Severity, Signal, Subject, SubjectKind, Text, bits_text,
};
pub use episode::SPAN_MS as EPISODE_MS;
pub use personal::personal_kinds;
pub use profile::{Drift, Profile, Routine};
pub use record::{ControlPolicy, LOG_VERSION, LogLine, Mute, Policy, Record, Reset, Tick, Verdict, VerdictKind};
pub use rule::Rule;
pub use tenant::Tenant;
pub use trace::Trace;

/// The version of the engine, part of every alert and checkpoint.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
