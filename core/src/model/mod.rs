//! Training and evaluation outside the engine: labels, found and missed, false alerts; peer groups; what controls are blind to, and
//! doors that stand open.

pub mod audit;
pub mod coverage;
mod evaluate;
pub mod groups;
mod label;
pub mod rank;

pub use evaluate::{
    By, Calibrated, Calibration, Day, Days, Evaluation, Fairness, Gone, Group, Input, Level, Matched, Middle, Missed, Point, Promise,
    Question, Rate, Row, Share, Version, evaluate, wilson,
};
pub use label::{Expect, Kind, Label, Meta, Strength};
