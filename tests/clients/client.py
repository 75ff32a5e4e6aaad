"""clickhouse-connect against the embedded engine."""

import datetime as dt
import os
import sys
import uuid
from urllib.parse import urlparse

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

URL = urlparse(os.environ["CLICKHOUSE_URL"])
ROWS = 100_000
START = dt.datetime(2026, 11, 23, tzinfo=dt.timezone.utc)
COLUMNS = ["id", "manager", "at", "tags", "counts", "key", "kind", "score"]


def client(**options):
    writer = {"username": os.environ["CLICKHOUSE_USER"], "password": os.environ["CLICKHOUSE_PASSWORD"]}
    return clickhouse_connect.get_client(host=URL.hostname, port=URL.port, **{**writer, **options})


def row(i):
    at = START + dt.timedelta(milliseconds=i)
    return [i, f"m{i % 300}", at, ["x", "Привет\n"], {"k": i}, uuid.UUID(int=i), "a" if i % 2 else "b", None if i % 3 else i / 2]


def check(name, got, expected):
    if got != expected:
        sys.exit(f"FAIL {name}: {str(got)[:300]} instead of {str(expected)[:300]}")
    print(f"ok   {name}")


def fails(name, code, work):
    try:
        work()
    except DatabaseError as e:
        return check(name, f"{code}" in str(e), True)
    sys.exit(f"FAIL {name}: no error")


c = client()
c.command("CREATE DATABASE python ENGINE = Atomic")
c.command(
    "CREATE TABLE python.events (id UInt64, manager LowCardinality(String), at DateTime64(3, 'UTC'), tags Array(String), "
    "counts Map(String, UInt32), key UUID, kind Enum8('a' = 1, 'b' = 2), score Nullable(Float64)) ENGINE = MergeTree ORDER BY id"
)
rows = [row(i) for i in range(ROWS)]
checksum = "SELECT count(), sum(cityHash64(id, manager, at, tags, counts, key, toString(kind), ifNull(score, -1))) FROM python.events"
sums = set()
for compression in (False, "lz4", "zstd", "gzip"):
    c = client(compress=compression)
    c.command("TRUNCATE TABLE python.events")
    c.insert("events", rows, database="python", column_names=COLUMNS)
    sums.add(c.query(checksum).result_rows[0])
    back = c.query("SELECT * FROM python.events ORDER BY id").result_rows
    check(f"{ROWS} rows come back, compression {compression}", len(back), ROWS)
    back = [[*got[:2], got[2].replace(tzinfo=dt.timezone.utc), *got[3:]] for got in back]
    wrong = next(((got, sent) for got, sent in zip(back, rows) if got != sent), None)
    check(f"each as it was sent, compression {compression}", wrong, None)
check("one checksum", (len(sums), next(iter(sums))[0]), (1, ROWS))
# Made by the engine itself from the same rule.
made = (
    "SELECT count(), sum(cityHash64(number, concat('m', toString(number % 300)), toDateTime64('2026-11-23 00:00:00', 3, 'UTC') + "
    "toIntervalMillisecond(number), ['x', 'Привет\\n'], map('k', toUInt32(number)), toUUID(concat('00000000-0000-0000-0000-', "
    "leftPad(lower(hex(toUInt64(number))), 12, '0'))), if(number % 2, 'a', 'b'), if(number % 3, -1, number / 2))) FROM numbers(100000)"
)
check("the checksum of the rule", c.query(made).result_rows[0], next(iter(sums)))
where = "SELECT count() FROM python.events WHERE manager = {m:String} AND at >= {a:DateTime}"
check("parameters", c.query(where, parameters={"m": "m7", "a": dt.datetime(2026, 1, 1)}).result_rows[0][0], 334)
odd = "O'Br\n\\Привет\t"
check("odd parameters", c.query("SELECT {m:String}", parameters={"m": odd}).result_rows[0][0], odd)
form = client(form_encode_query_params=True)
check("parameters in a form", form.query("SELECT {x:UInt8}", parameters={"x": 7}).result_rows[0][0], 7)
check("settings", c.query("SELECT toUInt64(getSetting('max_block_size'))", settings={"max_block_size": 4321}).result_rows[0][0], 4321)
with c.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
    check("a stream", sum(len(block) for block in stream), 1_000_000)
c.raw_insert("python.events", ["id", "manager"], b'900001,abc\n900002,"d,e"\n', fmt="CSV")
check("raw CSV", c.query("SELECT manager FROM python.events WHERE id = 900002").result_rows[0][0], "d,e")
c.command("CREATE TEMPORARY TABLE kept (a UInt8)")
c.command("INSERT INTO kept VALUES (1), (2)")
check("a temporary table in a session", c.query("SELECT sum(a) FROM kept").result_rows[0][0], 3)
check("ping", c.ping(), True)
fails("an unknown table is error 60", 60, lambda: c.query("SELECT * FROM nope"))
fails("a wrong password is error 516", 516, lambda: client(password="x"))
reader = client(username="default", password="")
check("a reader counts", reader.query("SELECT count() FROM python.events").result_rows[0][0], ROWS + 2)
fails("a reader does not write", 164, lambda: reader.command("CREATE TABLE t (a UInt8) ENGINE = Memory"))
