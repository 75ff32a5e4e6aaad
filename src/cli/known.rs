//! The configuration, checked against what this version can read and detect.

use std::path::Path;

use crate::{
    engine::control,
    ops::config::{Config, Flags, Known, Mistakes},
};

/// Formats of raw records that can be read.
const FORMATS: &[&str] = &["canonical"];

/// The configuration of this process.
pub(super) fn config(path: Option<&Path>, flags: &Flags) -> Result<Config, Mistakes> {
    let controls: Vec<&str> = control::ALL.iter().map(|c| c.id).collect();
    Config::load(path, flags, &Known { formats: FORMATS, controls: &controls, check_binding: &|_| Ok(()) })
}
