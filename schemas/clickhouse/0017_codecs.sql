-- Events in a little more than half the bytes (`benches/storage.sh`): new parts, and those that are merged.

ALTER TABLE {db}.events
    MODIFY COLUMN manager CODEC(ZSTD(1)),
    MODIFY COLUMN manager_alias CODEC(ZSTD(1)),
    MODIFY COLUMN time CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN id CODEC(ZSTD(1)),
    MODIFY COLUMN actor_id CODEC(ZSTD(1)),
    MODIFY COLUMN session CODEC(ZSTD(1)),
    MODIFY COLUMN object_id CODEC(ZSTD(1)),
    MODIFY COLUMN object_owner CODEC(ZSTD(1)),
    MODIFY COLUMN object_ids CODEC(ZSTD(1)),
    MODIFY COLUMN object_client CODEC(ZSTD(1)),
    MODIFY COLUMN records CODEC(ZSTD(1)),
    MODIFY COLUMN bytes CODEC(ZSTD(1)),
    MODIFY COLUMN query_fingerprint CODEC(ZSTD(1)),
    MODIFY COLUMN query_fields CODEC(ZSTD(1)),
    MODIFY COLUMN call_duration_s CODEC(ZSTD(1)),
    MODIFY COLUMN call_client CODEC(ZSTD(1)),
    MODIFY COLUMN `order` CODEC(ZSTD(1)),
    MODIFY COLUMN client_ip CODEC(ZSTD(1)),
    MODIFY COLUMN client_user_agent CODEC(ZSTD(1)),
    MODIFY COLUMN client_device CODEC(ZSTD(1)),
    MODIFY COLUMN client_asn CODEC(ZSTD(1)),
    MODIFY COLUMN log_offset CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN earliest CODEC(Delta, ZSTD(1));

ALTER TABLE {db}.events_raw
    MODIFY COLUMN manager CODEC(ZSTD(1)),
    MODIFY COLUMN time CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN id CODEC(ZSTD(1)),
    MODIFY COLUMN actor_name CODEC(ZSTD(1)),
    MODIFY COLUMN call_number CODEC(ZSTD(1)),
    MODIFY COLUMN query_text CODEC(ZSTD(1)),
    MODIFY COLUMN log_offset CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN earliest CODEC(Delta, ZSTD(1));
