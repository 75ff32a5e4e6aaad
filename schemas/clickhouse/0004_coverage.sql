-- What arrives and which controls are blind for want of it; open doors in the directory of users. Written whole, about once an hour.

CREATE TABLE IF NOT EXISTS {db}.coverage
(
    tenant LowCardinality(String),
    source LowCardinality(String),
    team LowCardinality(String),
    action LowCardinality(String),
    events_24h UInt64,
    events_7d UInt64,
    events_30d UInt64,
    last DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, source, team, action);

CREATE TABLE IF NOT EXISTS {db}.coverage_controls
(
    tenant LowCardinality(String),
    control LowCardinality(String),
    state LowCardinality(String),
    reasons_en Array(String),
    reasons_ru Array(String),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, control);

CREATE TABLE IF NOT EXISTS {db}.audit_findings
(
    tenant LowCardinality(String),
    finding LowCardinality(String),
    team LowCardinality(String),
    manager String,
    manager_alias String,
    subject String,
    severity LowCardinality(String),
    others Array(String),
    said_en String,
    said_ru String,
    open Bool,
    since DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, finding, team, manager, subject);
