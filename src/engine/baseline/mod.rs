//! What is usual: a file per estimator.

pub(super) mod hours;
pub(super) mod hurdle;
pub(super) mod novelty;
pub(super) mod pool;
pub(super) mod tail;

/// Detectors k = 1...16 (index 0...15) are hurdle log-normals.
pub(super) const HURDLE: usize = 16;
/// Detectors k = 17...19 (index 16...18) are drifts.
pub(super) const SLOW: usize = 3;
