//! Wires sources, log, engine and store: tasks, offsets, backpressure.

pub mod answers;
pub mod backup;
pub mod canary;
pub mod demo;
pub mod escalate;
#[cfg(feature = "kafka")]
mod feed;
mod fit;
pub mod ingest;
pub mod intake;
pub mod letters;
pub mod notify;
pub mod orders;
pub mod rank;
pub mod replay;
pub mod reshard;
pub mod score;
pub mod service;
pub mod survey;
pub mod verify;
mod witness;
