//! What is usual: a file per estimator.

pub(super) mod drift;
pub(super) mod hours;
pub(super) mod hurdle;
pub(super) mod novelty;
pub(super) mod pool;
pub(super) mod share;
pub(super) mod tail;
