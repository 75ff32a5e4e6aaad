-- How often names were looked up, for readers: neither who looked, nor at whom, nor why.

CREATE OR REPLACE VIEW {db}.reveal_counts AS
SELECT tenant, toStartOfHour(at) AS time, place, uniqExact(id) AS times, uniqExact(manager_alias) AS people
FROM {db}.reveals FINAL
GROUP BY tenant, time, place;
