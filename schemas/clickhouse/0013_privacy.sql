-- Who saw whom by name, and who was forgotten. Both say people by pseudonym: neither brings back what it speaks of.

CREATE TABLE IF NOT EXISTS {db}.reveals
(
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    id String,
    `by` String COMMENT 'who saw it',
    manager_alias String COMMENT 'whom',
    place LowCardinality(String) COMMENT 'reveal, incident, digest',
    about String COMMENT 'alerts or week',
    reason String
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, at, id, manager_alias);

CREATE TABLE IF NOT EXISTS {db}.erasures
(
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    id String,
    kind LowCardinality(String) COMMENT 'manager, client',
    person_alias String COMMENT 'keyed hash: whoever has id and key can tell that it was this person',
    `by` String,
    reason String,
    log_id String,
    log_partition UInt32,
    log_offset UInt64 COMMENT 'a replay begins behind it',
    deleted UInt64,
    rewritten UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, log_partition, log_offset, id);
