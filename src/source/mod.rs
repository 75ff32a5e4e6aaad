//! Where raw records come from: Kafka, HTTP, files.

pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
