//! The wall clock and stopwatches: the only place that asks what time it is.

use std::time::{Duration, Instant, SystemTime};

use super::fail;
use crate::event::Timestamp;

/// A span in milliseconds, as timestamps count.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock now.
#[expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml names")]
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(millis(since_1970)).plus(fail::clock_ahead_ms())
}

/// Measures how long something takes; not moved by changes of the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml names")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Seconds since the start, as histograms want them.
    pub fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    /// Time since the start; starts again.
    pub fn lap(&mut self) -> Duration {
        let lap = self.elapsed();
        *self = Self::start();
        lap
    }
}
