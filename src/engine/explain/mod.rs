//! Findings in words, English and Russian: every number in a sentence is the number used.

mod finding;

pub use finding::{Attribute, Detector, Facts, Family, Finding, NewValue, Usual};
