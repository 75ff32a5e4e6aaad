//! What every part needs to be run: clock, configuration, metrics, logging, an orderly end.

pub mod clock;
