//! Training and evaluation outside the engine: labels, found and missed, false alerts.

mod label;

pub use label::{Expect, Kind, Label, Meta, Strength};
