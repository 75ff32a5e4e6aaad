-- Names that somebody asked for where two have to agree: a row for each step. It says people by pseudonym.

CREATE TABLE IF NOT EXISTS {db}.reveal_requests
(
    tenant LowCardinality(String),
    id String,
    step LowCardinality(String) COMMENT 'asked, allowed, used',
    at DateTime64(3, 'UTC'),
    `by` String COMMENT 'who took this step',
    manager_alias String COMMENT 'whose name is wanted',
    place LowCardinality(String) COMMENT 'reveal, incident',
    about String COMMENT 'alerts',
    reason String
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, id, step);
