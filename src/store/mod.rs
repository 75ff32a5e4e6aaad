//! ClickHouse: rows, inserts, queries, migrations; `embedded` runs it inside the process.
