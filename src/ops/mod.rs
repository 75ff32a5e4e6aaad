//! What every part needs to be run: clock, configuration, metrics, logging, an orderly end.

pub mod clock;
pub mod config;
pub mod fail;
pub mod happening;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod logging;
pub mod metrics;
pub mod random;
pub mod shutdown;
pub mod tls;
