#!/bin/bash
# Backup and restore of a store of N made-up events: benches/backup.sh target/release/filin 10000000 FOLDER
set -eu
BIN=$1; N=$2; R=$3
mkdir $R; mkdir $R/a $R/b; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > $R/key
export FILIN_LOG=warn
$BIN run --data $R/data --listen 127.0.0.1:0 --clickhouse-listen 127.0.0.1:0 > $R/run.out 2>$R/run.err & P=$!
for i in $(seq 100); do grep -q ready $R/run.out && break; sleep 0.2; done
URL=$(sed -E 's/.*clickhouse (http:[^ ]*).*/\1/' $R/run.out); PW=$(cat $R/data/clickhouse.secret)
q() { curl -sS "$URL/?user=filin&database=filin" -H "X-ClickHouse-Key: $PW" --data-binary "$1"; }
T=$(date +%s.%N)
q "INSERT INTO events (tenant, manager, manager_alias, team, time, source, id, actor_id, actor_kind, action, outcome, channel, object_type, object_id, object_ids, records, client_ip, client_user_agent, enrich, late, log_partition, log_offset)
SELECT 'bulk', concat('m', toString(number % 500)), concat('ALIAS', toString(number % 500)), concat('t', toString(number % 20)), toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + intDiv(number, 4) , 'crm', hex(sipHash64(number)), concat('m', toString(number % 500)), 'user', ['view','list','export','call'][1 + number % 4], 'success', 'ui', 'client', hex(cityHash64(number % 200000)), [hex(cityHash64(number % 200000))], number % 50, concat('203.0.113.', toString(number % 250)), 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', concat('{\"manager\":\"m', toString(number % 500), '\",\"zone\":\"Europe/Moscow\",\"work\":\"in\",\"address\":\"none\",\"notice\":false,\"clients\":[{\"h\":', toString(cityHash64(number)), ',\"owner\":\"self\",\"decoy\":false}],\"unnamed\":0}'), 'on_time', 999, number FROM numbers($N) SETTINGS max_insert_block_size = 200000, max_threads = 2"
echo "insert $(echo "$(date +%s.%N) - $T" | bc) s"
q "SELECT formatReadableSize(sum(bytes_on_disk)), formatReadableSize(sum(data_uncompressed_bytes)), count(), sum(rows) FROM system.parts WHERE active AND database='filin' AND table='events'"
/usr/bin/time -f "first %e s, %M KiB" $BIN backup --data $R/data --to $R/a --to $R/b --key $R/key
du -sh $R/a $R/b
q "INSERT INTO events (tenant, manager, time, source, id, log_partition, log_offset) SELECT 'bulk', concat('m', toString(number % 500)), now64(3), 'crm', concat('x', toString(number)), 999, 100000000 + number FROM numbers(10000)"
/usr/bin/time -f "second %e s" $BIN backup --data $R/data --to $R/a --to $R/b --key $R/key
q "SELECT count(), sum(sipHash64(tuple(*))) FROM events" | tee $R/one
kill -TERM $P; wait $P || true
/usr/bin/time -f "audit %e s" $BIN verify --backup $R/b --key $R/key
/usr/bin/time -f "restore %e s, %M KiB" $BIN restore --from $R/b --key $R/key --data $R/again
$BIN clickhouse --data $R/again --listen 127.0.0.1:0 > $R/ch.out & P=$!
for i in $(seq 100); do grep -q ready $R/ch.out && break; sleep 0.2; done
URL=$(sed -E 's/.*clickhouse (http:[^ ]*).*/\1/' $R/ch.out); PW=$(cat $R/again/clickhouse.secret)
q "SELECT count(), sum(sipHash64(tuple(*))) FROM events" | tee $R/two
kill -TERM $P; wait $P || true
cmp $R/one $R/two && echo equal
