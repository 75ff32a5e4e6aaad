//! Where raw records come from: Kafka, HTTP, files.

#[cfg(feature = "kafka")]
pub mod kafka;
