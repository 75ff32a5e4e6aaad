//! Wires sources, log, engine and store: tasks, offsets, backpressure.

pub mod ingest;
pub mod replay;
pub mod score;
pub mod verify;
