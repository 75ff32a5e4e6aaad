//! Training and evaluation outside the engine: labels, found and missed, false alerts.
