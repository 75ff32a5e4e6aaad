-- The order of the queue as answers taught it, and what was learned. An alert whose version is another one, or 0, comes by its score.

CREATE TABLE IF NOT EXISTS {db}.alert_priorities
(
    tenant LowCardinality(String),
    alert_id String,
    version UInt32 COMMENT 'of the alert, when this was said; 0: it does not hold any more',
    priority Float64 COMMENT '0 to 100, on the scale of score',
    model LowCardinality(String) COMMENT 'a digest of what was learned',
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, alert_id)
TTL toDateTime(at) + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.ranker_reports
(
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    verdicts UInt32 COMMENT 'true_positive, benign_expected, false_positive',
    confirmed UInt32 COMMENT 'of them true_positive',
    held_back UInt32 COMMENT 'of them the newest, on which it was tried',
    before Float64 COMMENT 'average precision among those held back, by bits',
    after Float64 COMMENT 'and by priority',
    in_force Bool,
    why LowCardinality(String) COMMENT 'few_verdicts, one_sided, no_better, better',
    model LowCardinality(String),
    terms Array(String) COMMENT 'what counts, strongest first',
    weights Array(Float64) COMMENT 'in the log odds of a true_positive'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, at)
TTL toDateTime(at) + INTERVAL {events_retention_d} DAY;
