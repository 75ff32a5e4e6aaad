-- What is to be quiet, and who asked for it. The newest row of an id holds; one that ends before it begins was lifted.

CREATE TABLE IF NOT EXISTS {db}.mutes (
    tenant LowCardinality(String),
    id String,
    manager String,
    team LowCardinality(String),
    client_hash String COMMENT 'of the client, as in events; never its id',
    control LowCardinality(String),
    address String,
    `from` DateTime64(3, 'UTC'),
    `until` DateTime64(3, 'UTC'),
    reason String,
    `by` String,
    log_partition UInt32,
    log_offset UInt64
) ENGINE = ReplacingMergeTree(log_offset) ORDER BY (tenant, id);
