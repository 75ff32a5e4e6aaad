//! Where raw records come from: Kafka, HTTP, files.
