-- Who was told of which alert version, and by whom it has still to be taken. `due` is written right behind the alert itself; `skipped`
-- instead where the event was too old by then. Rows are added, never changed: an attempt is a row.

CREATE TABLE IF NOT EXISTS {db}.notifications
(
    tenant LowCardinality(String),
    alert_id String,
    version UInt32,
    receiver LowCardinality(String) COMMENT 'alertmanager, webhook, topic',
    attempt UInt32 COMMENT '0: nothing was tried, 1, 2, ...',
    state LowCardinality(String) COMMENT 'due, skipped, again, sent, failed, resolved',
    reason String COMMENT 'of again, failed and skipped; never what the receiver wrote',
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, alert_id, version, receiver, attempt, state)
TTL toDateTime(at) + INTERVAL {events_retention_d} DAY;
