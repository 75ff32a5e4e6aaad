//! The configuration, checked against what this version can read and detect.

use std::path::Path;

use crate::{
    adapter::{self, Binding},
    engine::control,
    ops::config::{Config, Flags, Known, Mistakes},
};

/// The configuration of this process.
pub(super) fn config(path: Option<&Path>, flags: &Flags) -> Result<Config, Mistakes> {
    let controls: Vec<_> = control::ALL
        .iter()
        .map(|c| (c.id, c.switches.iter().map(|s| s.name).collect(), c.settings.iter().map(|s| s.name).collect()))
        .collect();
    Config::load(path, flags, &Known { formats: &adapter::names(), controls: &controls, check_binding: &Binding::check })
}
