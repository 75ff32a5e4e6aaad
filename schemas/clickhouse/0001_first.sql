-- Statements end with a semicolon at the end of a line. {db} is the database. Forward only; unchanged once released.

CREATE TABLE IF NOT EXISTS {db}.log_meta
(
    key String,
    value String,
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY key;

CREATE TABLE IF NOT EXISTS {db}.log
(
    partition UInt32,
    seq UInt64,
    tenant LowCardinality(String),
    record String CODEC(ZSTD(1)),
    appended_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (partition, seq)
TTL appended_at + INTERVAL {log_retention_d} DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS {db}.events
(
    tenant LowCardinality(String),
    manager String,
    manager_alias String,
    team LowCardinality(String),
    time DateTime64(3, 'UTC'),
    source LowCardinality(String),
    id String,
    actor_id String,
    actor_kind LowCardinality(String),
    action LowCardinality(String),
    outcome LowCardinality(String),
    reason String,
    channel LowCardinality(String),
    session String,
    object_type LowCardinality(String),
    object_id String,
    object_owner String,
    object_ids Array(String),
    object_client String,
    records Nullable(UInt64),
    bytes Nullable(UInt64),
    query_fingerprint String,
    query_fields Array(String),
    query_filter Nullable(Bool),
    call_direction LowCardinality(String),
    call_duration_s Nullable(UInt64),
    call_client String,
    `order` String,
    client_ip String,
    client_user_agent String,
    client_device String,
    client_app String,
    client_version String,
    client_country LowCardinality(String),
    client_asn Nullable(UInt32),
    client_lat Nullable(Float64),
    client_lon Nullable(Float64),
    client_net LowCardinality(String),
    client_tls LowCardinality(String),
    auth_method LowCardinality(String),
    auth_mfa Nullable(Bool),
    auth_mfa_method LowCardinality(String),
    change_what String,
    change_from String,
    change_to String,
    change_target String,
    enrich String CODEC(ZSTD(1)),
    late LowCardinality(String),
    log_partition UInt32,
    log_offset UInt64,
    stored_at DateTime MATERIALIZED now(),
    -- The first row of an event stays: it says up to where it is known, and how it was scored.
    earliest UInt64 MATERIALIZED bitNot(log_offset)
)
ENGINE = ReplacingMergeTree(earliest)
PARTITION BY toYYYYMM(time)
ORDER BY (tenant, manager, time, source, id)
TTL stored_at + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.events_raw
(
    tenant LowCardinality(String),
    manager String,
    time DateTime64(3, 'UTC'),
    source LowCardinality(String),
    id String,
    actor_name String,
    call_number String,
    query_text String,
    attrs String CODEC(ZSTD(1)),
    log_offset UInt64,
    stored_at DateTime MATERIALIZED now(),
    -- The first row of an event stays: it says up to where it is known, and how it was scored.
    earliest UInt64 MATERIALIZED bitNot(log_offset)
)
ENGINE = ReplacingMergeTree(earliest)
PARTITION BY toYYYYMM(time)
ORDER BY (tenant, manager, time, source, id)
TTL stored_at + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.signals
(
    signal_id String,
    tenant LowCardinality(String),
    manager String,
    manager_alias String,
    time DateTime64(3, 'UTC'),
    source LowCardinality(String),
    id String,
    control LowCardinality(String),
    detector LowCardinality(String),
    bits UInt64,
    observed Float64,
    expected Float64,
    unit LowCardinality(String),
    event_id String,
    muted Bool,
    log_partition UInt32,
    log_offset UInt64,
    stored_at DateTime MATERIALIZED now()
)
ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(time)
ORDER BY (tenant, manager, time, source, id, control, detector)
TTL stored_at + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.alerts
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
    log_offset UInt64
)
ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(opened_at)
ORDER BY (tenant, manager, alert_id, version);

CREATE OR REPLACE VIEW {db}.alerts_latest AS
SELECT * FROM {db}.alerts FINAL
ORDER BY tenant, manager, alert_id, version DESC
LIMIT 1 BY tenant, manager, alert_id;

CREATE TABLE IF NOT EXISTS {db}.manager_hour
(
    tenant LowCardinality(String),
    manager String,
    manager_alias String,
    team LowCardinality(String),
    time DateTime64(3, 'UTC'),
    events UInt64,
    records_out UInt64,
    records_screen UInt64,
    calls UInt64,
    log_offset UInt64,
    stored_at DateTime MATERIALIZED now()
)
ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(time)
ORDER BY (tenant, manager, time)
TTL stored_at + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.manager_day
(
    tenant LowCardinality(String),
    manager String,
    manager_alias String,
    team LowCardinality(String),
    role LowCardinality(String),
    time DateTime64(3, 'UTC'),
    events UInt64,
    records_out UInt64,
    records_screen UInt64,
    clients UInt64,
    unrelated Float64,
    peak_bits UInt64,
    log_offset UInt64,
    stored_at DateTime MATERIALIZED now()
)
ENGINE = ReplacingMergeTree(log_offset)
PARTITION BY toYYYYMM(time)
ORDER BY (tenant, manager, time)
TTL stored_at + INTERVAL {events_retention_d} DAY;

CREATE TABLE IF NOT EXISTS {db}.manager_state
(
    log_id String,
    partition UInt32,
    generation UInt32,
    tenant String,
    manager String,
    epoch UInt64,
    state String
)
ENGINE = MergeTree
PARTITION BY (log_id, partition, generation)
ORDER BY (tenant, manager, epoch);

CREATE TABLE IF NOT EXISTS {db}.tenant_state
(
    log_id String,
    partition UInt32,
    generation UInt32,
    tenant String,
    epoch UInt64,
    state String
)
ENGINE = MergeTree
PARTITION BY (log_id, partition, generation)
ORDER BY (tenant, epoch);

CREATE TABLE IF NOT EXISTS {db}.checkpoints
(
    log_id String,
    partition UInt32,
    log_offset UInt64,
    generation UInt32,
    engine LowCardinality(String),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (log_id, partition, log_offset);

CREATE TABLE IF NOT EXISTS {db}.users
(
    tenant LowCardinality(String),
    id String,
    valid_from DateTime64(3, 'UTC'),
    manager_alias String,
    team LowCardinality(String),
    role LowCardinality(String),
    grade LowCardinality(String),
    time_zone LowCardinality(String),
    notice_at String,
    terminated_at String,
    active Nullable(Bool),
    mfa Nullable(Bool),
    row String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, id, valid_from);

CREATE TABLE IF NOT EXISTS {db}.clients
(
    tenant LowCardinality(String),
    id String,
    valid_from DateTime64(3, 'UTC'),
    team LowCardinality(String),
    region LowCardinality(String),
    tier LowCardinality(String),
    row String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, id, valid_from);

CREATE TABLE IF NOT EXISTS {db}.orders
(
    tenant LowCardinality(String),
    id String,
    valid_from DateTime64(3, 'UTC'),
    row String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, id, valid_from);

CREATE TABLE IF NOT EXISTS {db}.dead_letters
(
    id String,
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    source LowCardinality(String),
    partition String,
    offset UInt64,
    `index` UInt32,
    format LowCardinality(String),
    version LowCardinality(String),
    code LowCardinality(String),
    message String,
    raw String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (source, partition, offset, `index`)
TTL toDateTime(at) + INTERVAL {events_retention_d} DAY;

CREATE OR REPLACE VIEW {db}.managers AS
SELECT tenant, argMax(users.manager_alias, valid_from) AS manager_alias, argMax(users.team, valid_from) AS team,
    argMax(users.role, valid_from) AS role, argMax(users.grade, valid_from) AS grade,
    argMax(users.notice_at, valid_from) AS notice_at, argMax(users.terminated_at, valid_from) AS terminated_at,
    argMax(users.active, valid_from) AS active, argMax(users.mfa, valid_from) AS mfa
FROM {db}.users FINAL
WHERE valid_from <= now64(3) OR valid_from = toDateTime64(0, 3, 'UTC')
GROUP BY tenant, id;

CREATE OR REPLACE VIEW {db}.client_totals AS
SELECT tenant, team, region, tier, count() AS count
FROM (SELECT * FROM {db}.clients FINAL ORDER BY tenant, id, valid_from DESC LIMIT 1 BY tenant, id)
GROUP BY tenant, team, region, tier;

CREATE OR REPLACE VIEW {db}.dead_letter_counts AS
SELECT tenant, toStartOfHour(at) AS time, source, format, code, count() AS count
FROM {db}.dead_letters FINAL
GROUP BY tenant, time, source, format, code;
