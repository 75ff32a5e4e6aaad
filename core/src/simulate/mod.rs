//! The made-up company: honest, seeded, heavy-tailed. Its parameters are read by nothing else.

mod attack;
mod calendar;
mod chance;
mod company;
mod day;
pub mod demo;
mod files;
mod labels;
mod people;
mod place;
mod plan;

pub use attack::Scenario;
pub use files::{Error, Options, Summary, write};
