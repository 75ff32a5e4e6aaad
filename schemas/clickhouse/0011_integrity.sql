-- Proof that alerts and answers are as they were written: keyed hashes of their rows, chained. docs/backup.md says how they are checked.

CREATE TABLE IF NOT EXISTS {db}.integrity
(
    log_id String,
    partition UInt32,
    chain LowCardinality(String) COMMENT 'alerts: a link for each line of the log that made some; actions: one for each checkpoint that met new ones',
    log_offset UInt64,
    hash String COMMENT 'keyed, of all the rest',
    previous Array(String) COMMENT 'hashes of the links before it; more than one where two instances wrote',
    root String COMMENT 'Merkle root over the rows',
    ids Array(String) COMMENT 'of the rows: alert_id/version, or action_id',
    tags Array(String) COMMENT 'which salt a hash was made with',
    hashes Array(String) COMMENT 'of the rows, each salted by whom it is about',
    times Array(Int64) COMMENT 'of the rows, milliseconds since 1970'
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, chain, log_offset, hash);

CREATE TABLE IF NOT EXISTS {db}.integrity_heads
(
    log_id String,
    partition UInt32,
    log_offset UInt64 COMMENT 'of the newest checkpoint',
    alerts Array(String) COMMENT 'the last links of the chain of alerts',
    actions Array(String) COMMENT 'and of that of answers',
    proof String COMMENT 'keyed, of all the rest'
)
ENGINE = ReplacingMergeTree(log_offset)
ORDER BY (log_id, partition);

CREATE TABLE IF NOT EXISTS {db}.integrity_salts
(
    tenant LowCardinality(String),
    manager String,
    salt String,
    at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, manager)
SETTINGS non_replicated_deduplication_window = 1000, old_parts_lifetime = 1;

CREATE TABLE IF NOT EXISTS {db}.integrity_erased
(
    tag String COMMENT 'of a salt that was destroyed, with whom it was of',
    at DateTime64(3, 'UTC'),
    proof String COMMENT 'keyed, of the rest'
)
ENGINE = ReplacingMergeTree
ORDER BY tag;

ALTER TABLE {db}.alert_actions ADD COLUMN IF NOT EXISTS proof String COMMENT 'that Filin wrote it; keyed, salted by whom the alert is about';
