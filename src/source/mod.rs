//! Where raw records come from (Kafka, HTTP, files), and what a tenant begins with.

pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod prior;
