// clickhouse-go against the embedded engine, by its own interface and by database/sql, which Grafana's data source uses.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

const (
	rows  = 100_000
	start = 1_795_000_000_000
)

var address = strings.TrimPrefix(os.Getenv("CLICKHOUSE_URL"), "http://")

type event struct {
	ID      uint64            `ch:"id"`
	Manager string            `ch:"manager"`
	At      time.Time         `ch:"at"`
	Tags    []string          `ch:"tags"`
	Key     uuid.UUID         `ch:"key"`
	Counts  map[string]uint32 `ch:"counts"`
	Score   *float64          `ch:"score"`
}

func row(i uint64) event {
	e := event{ID: i, Manager: fmt.Sprint("m", i%300), At: time.UnixMilli(start + int64(i)).UTC(), Tags: []string{"a", "Привет\n"}}
	e.Key[15], e.Key[14], e.Key[13] = byte(i), byte(i>>8), byte(i>>16)
	e.Counts = map[string]uint32{"k": uint32(i)}
	if i%3 == 0 {
		score := float64(i) / 2
		e.Score = &score
	}
	return e
}

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL %s: %v\n", what, err)
		os.Exit(1)
	}
}

func check(what string, got, expected any) {
	if !reflect.DeepEqual(got, expected) {
		must(what, fmt.Errorf("%v instead of %v", got, expected))
	}
	fmt.Println("ok  ", what)
}

func code(err error) int {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return int(exception.Code)
	}
	for _, code := range []int{60, 164, 497, 516} {
		if err != nil && strings.Contains(err.Error(), fmt.Sprintf("ode: %d", code)) {
			return code
		}
	}
	return -1
}

func options(database string) *clickhouse.Options {
	auth := clickhouse.Auth{Database: database, Username: os.Getenv("CLICKHOUSE_USER"), Password: os.Getenv("CLICKHOUSE_PASSWORD")}
	return &clickhouse.Options{Addr: []string{address}, Protocol: clickhouse.HTTP, Auth: auth}
}

func main() {
	ctx := context.Background()
	type sum struct{ n, sum uint64 }
	var sums []sum
	compressions := []*clickhouse.Compression{nil, {Method: clickhouse.CompressionLZ4}, {Method: clickhouse.CompressionZSTD}, {Method: clickhouse.CompressionGZIP, Level: 1}}
	for i, compression := range compressions {
		o := options("default")
		o.Compression = compression
		o.Settings = clickhouse.Settings{"max_execution_time": 60}
		c, err := clickhouse.Open(o)
		must("open", err)
		name := fmt.Sprint(", compression ", i)
		must("ping", c.Ping(ctx))
		_, err = c.ServerVersion()
		must("version", err)
		must("database", c.Exec(ctx, "CREATE DATABASE IF NOT EXISTS go ENGINE = Atomic"))
		must("table", c.Exec(ctx, "CREATE OR REPLACE TABLE go.events (id UInt64, manager LowCardinality(String), at DateTime64(3, 'UTC'), tags Array(String), key UUID, counts Map(String, UInt32), score Nullable(Float64)) ENGINE = MergeTree ORDER BY id"))
		batch, err := c.PrepareBatch(ctx, "INSERT INTO go.events")
		must("prepare", err)
		for i := range uint64(rows) {
			e := row(i)
			must("append", batch.AppendStruct(&e))
		}
		must("send", batch.Send())
		var s sum
		must("checksum", c.QueryRow(ctx, "SELECT count(), sum(cityHash64(id, manager, at, tags, key, counts, ifNull(score, -1))) FROM go.events").Scan(&s.n, &s.sum))
		sums = append(sums, s)
		got, err := c.Query(ctx, "SELECT * FROM go.events ORDER BY id")
		must("query", err)
		n := uint64(0)
		for ; got.Next(); n++ {
			var e event
			must("scan", got.ScanStruct(&e))
			if !reflect.DeepEqual(e, row(n)) {
				check(fmt.Sprint("row ", n), e, row(n))
			}
		}
		must("rows", got.Err())
		check(fmt.Sprint(rows, " rows come back", name), n, uint64(rows))
		none, err := c.Query(ctx, "SELECT * FROM go.events WHERE 0")
		must("no rows", err)
		check("no rows"+name, none.Next(), false)
		must("no rows", none.Err())
		var bound uint64
		must("bind", c.QueryRow(ctx, "SELECT count() FROM go.events WHERE manager = ?", "m7").Scan(&bound))
		check("bound values"+name, bound, uint64(334))
		var text string
		named := clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"m": "O'Br Привет"}))
		must("parameters", c.QueryRow(named, "SELECT {m:String}").Scan(&text))
		check("parameters"+name, text, "O'Br Привет")
		var size uint64
		set := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 4321}), clickhouse.WithQueryID("my-id"))
		must("settings", c.QueryRow(set, "SELECT toUInt64(getSetting('max_block_size'))").Scan(&size))
		check("settings"+name, size, uint64(4321))
		must("async insert", c.AsyncInsert(ctx, "INSERT INTO go.events (id, manager) VALUES (7000001, 'late')", true))
		must("insert of values", c.Exec(ctx, "INSERT INTO go.events (id, manager) VALUES (7000002, 'now')"))
		check("an unknown table is error 60"+name, code(c.QueryRow(ctx, "SELECT * FROM nope").Scan(&bound)), 60)
		must("close", c.Close())
	}
	for _, s := range sums {
		check("one checksum", s, sums[0])
	}
	db := clickhouse.OpenDB(options("go"))
	defer db.Close()
	must("ping", db.PingContext(ctx))
	var s sum
	made := fmt.Sprintf("SELECT count(), sum(cityHash64(number, concat('m', toString(number %% 300)), fromUnixTimestamp64Milli(toInt64(%d + number), 'UTC'), ['a', 'Привет\\n'], toUUID(concat('00000000-0000-0000-0000-', leftPad(lower(hex(toUInt64(number))), 12, '0'))), map('k', toUInt32(number)), if(number %% 3, -1, number / 2))) FROM numbers(%d)", start, rows)
	must("checksum", db.QueryRowContext(ctx, made).Scan(&s.n, &s.sum))
	check("the checksum of the rule", s, sums[0])

	// As a dashboard asks: the reader, database/sql, compression.
	o := options("go")
	o.Auth.Username, o.Auth.Password = "default", ""
	o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	reader := clickhouse.OpenDB(o)
	defer reader.Close()
	got, err := reader.QueryContext(ctx, "SELECT toStartOfInterval(at, INTERVAL 10 second) AS time, manager AS metric, count() AS value FROM events WHERE at >= toDateTime(1795000000) AND at <= toDateTime(1795000100) GROUP BY time, metric ORDER BY time LIMIT 100000")
	must("dashboard", err)
	types, err := got.ColumnTypes()
	must("dashboard", err)
	n := 0
	for got.Next() {
		n++
	}
	must("dashboard", got.Err())
	check("a dashboard's rows", n, 3000)
	check("a dashboard's types", types[0].DatabaseTypeName()+" "+types[1].DatabaseTypeName()+" "+types[2].DatabaseTypeName(), "DateTime LowCardinality(String) UInt64")
	var name string
	must("schema", reader.QueryRowContext(ctx, "SELECT name FROM system.tables WHERE database = 'go'").Scan(&name))
	check("a dashboard's list of tables", name, "events")
	_, err = reader.ExecContext(ctx, "CREATE TABLE t (a UInt8) ENGINE = Memory")
	check("a reader does not write", code(err), 164)
	o.Auth.Password = "x"
	wrong := clickhouse.OpenDB(o)
	defer wrong.Close()
	check("a wrong password is error 516", code(wrong.PingContext(ctx)), 516)
}
