//! Training and evaluation outside the engine: labels, found and missed, false alerts.

mod evaluate;
mod label;

pub use evaluate::{Evaluation, Middle, Missed, Promise, Question, Rate, Row, Share, Version, evaluate, wilson};
pub use label::{Expect, Kind, Label, Meta, Strength};
