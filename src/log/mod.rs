//! The tenants' ordered log: local (a table of the embedded ClickHouse) or a Kafka topic.
