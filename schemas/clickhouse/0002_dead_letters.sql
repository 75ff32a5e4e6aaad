-- What a retry needs beside the bytes, and what became of it. `state` is empty while a letter is open.

ALTER TABLE {db}.dead_letters ADD COLUMN IF NOT EXISTS key String CODEC(ZSTD(1));

ALTER TABLE {db}.dead_letters ADD COLUMN IF NOT EXISTS headers String CODEC(ZSTD(1));

ALTER TABLE {db}.dead_letters ADD COLUMN IF NOT EXISTS state LowCardinality(String);

CREATE OR REPLACE VIEW {db}.dead_letter_counts AS
SELECT tenant, toStartOfHour(at) AS time, source, format, code, count() AS count
FROM {db}.dead_letters FINAL
WHERE state = ''
GROUP BY tenant, time, source, format, code;
