-- What came of the daily canaries: made-up sequences that must fire each control, and near-misses that must not.

CREATE TABLE IF NOT EXISTS {db}.canaries
(
    run DateTime64(3, 'UTC'),
    control LowCardinality(String),
    part LowCardinality(String),
    expected LowCardinality(String),
    outcome LowCardinality(String),
    records UInt32,
    fired_after UInt32,
    time DateTime64(3, 'UTC'),
    log_partition UInt32,
    log_offset UInt64
)
ENGINE = ReplacingMergeTree(log_offset)
ORDER BY (control, part, expected, run)
TTL toDateTime(run) + INTERVAL {events_retention_d} DAY;
