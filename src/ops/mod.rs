//! Configuration, metrics, clock, logging, shutdown.
