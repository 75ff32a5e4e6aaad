#!/usr/bin/env bash
# Bytes on disk per event, by column: a made-up company of 60 managers and 60 days whose ids are random (UUIDs, and 18 letters and digits), with
# sessions and six further fields, pushed into the embedded store and merged. benches/storage.sh FILIN FOLDER; two minutes. Needs python3.
set -euo pipefail
filin=$(realpath "${1:?which filin}") folder=${2:?an empty folder}
mkdir -p "$folder"
cd "$folder"
"$filin" simulate --managers 60 --days 60 --seed 3 --out company >&2
python3 - <<'P'
import json, random, uuid
rng, letters = random.Random(3), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
some = lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)) if rng.random() < .5 else "".join(rng.choices(letters, k=18))
sessions, pages = {}, [f"/crm/{a}/{b}" for a in ("card", "list", "report") for b in range(40)]
with open("company/events.jsonl") as lines, open("events.jsonl", "w") as out:
    for line in lines:
        e = json.loads(line)
        e["id"] = some()
        if "session" in e:
            e["session"] = sessions.setdefault(e["session"], some())
        e["attrs"] = {"page": rng.choice(pages), "took_ms": rng.randrange(3000), "build": "26.11.3", "node": f"app-{rng.randrange(8)}",
                      "request": some(), "ab": rng.choice("ab")}
        out.write(json.dumps(e, separators=(",", ":")) + "\n")
P
printf '[embedded]\nlisten = "127.0.0.1:0"\ndata = "%s"\n[canary]\nenabled = false\n' "$PWD/data" > filin.toml
: > ready
"$filin" run --listen 127.0.0.1:0 --config filin.toml >> ready 2> log &
pid=$!
trap 'kill $pid 2>/dev/null || true; wait $pid 2>/dev/null || true' EXIT
until grep -q ^ready ready; do kill -0 $pid; sleep 0.2; done
console=$(awk '{print $3}' ready) store=$(awk '{print $5}' ready)
"$filin" push --to "$console" --format canonical events.jsonl >&2
ask() { curl -sS --fail-with-body -H 'X-ClickHouse-User: filin' -H "X-ClickHouse-Key: $(cat data/clickhouse.secret)" "$store" --data-binary "$1"; }
n=$(wc -l < events.jsonl)
until [ "$(ask 'SELECT uniqExact(source, id) FROM filin.events')" = "$n" ]; do sleep 1; done
for table in events events_raw signals log; do ask "OPTIMIZE TABLE filin.$table FINAL"; done
echo "$n events, $(stat -c %s events.jsonl) bytes as JSON lines"
ask "SELECT table, sum(rows) AS rows, round(sum(bytes_on_disk) / $n, 1) AS bytes_per_event FROM system.parts WHERE active AND database = 'filin'
     AND table IN ('events', 'events_raw', 'signals', 'log') GROUP BY table ORDER BY table FORMAT PrettyCompactMonoBlock"
ask "SELECT name, round(data_compressed_bytes / $n, 1) AS bytes_per_event FROM system.columns WHERE database = 'filin' AND table = 'events'
     ORDER BY data_compressed_bytes DESC LIMIT 8 FORMAT PrettyCompactMonoBlock"
