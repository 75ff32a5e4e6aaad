-- Each alert in its newest version, small enough to page through: ClickHouse fills it from alerts, `filin verify` compares the two.

CREATE TABLE IF NOT EXISTS {db}.alert_queue
(
    alert_id String,
    version UInt32,
    tenant LowCardinality(String),
    manager String,
    manager_alias String,
    subject_kind LowCardinality(String),
    subject_id String,
    team LowCardinality(String),
    role LowCardinality(String),
    notify Bool,
    linked Array(String),
    late Bool,
    lookback Bool,
    time DateTime64(3, 'UTC'),
    opened_at DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    controls Array(String),
    severity LowCardinality(String),
    bits UInt64,
    ln_p Float64,
    score Float64,
    summary_en String,
    summary_ru String,
    contributions Array(Tuple(detector String, family String, bits UInt64, observed Float64, expected Float64, unit String, sentence_en String, sentence_ru String)),
    event_ids Array(String),
    events_total UInt64,
    records UInt64,
    clients UInt64,
    mitre Array(String),
    prior LowCardinality(String),
    engine LowCardinality(String),
    log_partition UInt32,
    log_offset UInt64,
    packed String MATERIALIZED formatRow('RowBinary', alert_id, version, tenant, manager, manager_alias, subject_kind, subject_id, team, role,
        notify, linked, late, lookback, time, opened_at, kind, controls, severity, bits, ln_p, score, summary_en, summary_ru, contributions,
        event_ids, events_total, records, clients, mitre, prior, engine, log_partition, log_offset) COMMENT 'the whole row, read at once',
    newest UInt64 MATERIALIZED bitShiftLeft(toUInt64(version), 40) + least(log_offset, 1099511627775) COMMENT 'the version, then the offset'
)
ENGINE = ReplacingMergeTree(newest)
ORDER BY (tenant, manager, alert_id)
SETTINGS index_granularity = 64;

CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.alert_queue_feed TO {db}.alert_queue AS
SELECT * FROM {db}.alerts;

INSERT INTO {db}.alert_queue
SELECT * FROM {db}.alerts;

CREATE OR REPLACE VIEW {db}.alerts_latest AS
SELECT * FROM {db}.alert_queue FINAL;
