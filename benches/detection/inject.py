"""Attacks put into real logs of work: the files that `filin replay` and `filin evaluate` read.

Fixed seeds choose who, when and what, among people and days of the second half of a log. The sizes were set beforehand, in
multiples of the person's usual day or as shares of the client base; nothing was tuned on what is found.
"""

import collections
import csv
import datetime
import gzip
import json
import random
import statistics
import zoneinfo

STRENGTHS = ["weak", "medium", "strong"]
CONTROLS = {
    "bulk_export": ["bulk_export"],
    "chunked_export": ["chunked_export", "bulk_export"],
    "scraping": ["scraping", "chunked_export"],
    "unrelated_views": ["unrelated"],
    "mass_change": ["mass_change"],
    "off_hours": ["off_hours"],
}
DAY = datetime.timedelta(days=1)
# A manager-day begins at 05:00 local time.
CUT = datetime.timedelta(hours=5)
# Days between two episodes of a person.
APART = 14 * DAY


class Log:
    """A tenant's real events, and who did what on which day."""

    def __init__(self, events, zone, clients=(), orders=()):
        self.events, self.zone = events, zoneinfo.ZoneInfo(zone)
        self.owner, self.since, self.takes_part = {}, {}, collections.defaultdict(set)
        for row in clients:
            self.owner[row["id"]] = row["owner"]
            self.since.setdefault(row["id"], row["valid_from"])
        for row in orders:
            self.takes_part[row["client"]] |= {row["manager"], *row["participants"].split(";")}
        # o365 names no clients: a base of a thousand.
        self.base = len(self.owner) or 1000
        self.days = collections.defaultdict(lambda: collections.defaultdict(list))
        for event in events:
            if event["actor"].get("kind", "user") == "user":
                at = datetime.datetime.fromisoformat(event["time"]).astimezone(self.zone)
                self.days[event["actor"]["id"]][(at - CUT).date()].append(event)

    def usual(self, manager, date, measure):
        """Median of the person's days before this one."""
        return statistics.median(measure(events) for day, events in self.days[manager].items() if day < date)

    def strangers(self, manager, date, n, rng):
        """Clients with whom the person has nothing to do."""
        if not self.owner:
            return [f"c{rng.randrange(10**9)}" for _ in range(n)]
        known = [c for c, since in self.since.items() if since < date.isoformat()]
        free = [c for c in known if self.owner[c] not in ("", manager) and manager not in self.takes_part[c]]
        return rng.sample(free, min(n, len(free)))


def touched(events):
    return len({e.get("object", {}).get("client") or e.get("object", {}).get("id") for e in events})


def updated(events):
    return sum(e["action"] == "update" for e in events)


def deeds(log, kind, strength, manager, date, rng):
    """What the thief does, day by day of the episode: fields of events."""
    export = lambda share: {"action": "export", "records": round(log.base * share), "object": {"type": "client"}}

    def views(clients):
        owner = lambda c: {"owner": log.owner.get(c, "somebody@else.example")}
        return [{"action": "view", "records": 1, "object": {"type": "client", "id": c, **owner(c)}} for c in clients]

    if kind == "bulk_export":
        return [[export([0.05, 0.2, 0.6][strength])]]
    if kind == "chunked_export":
        return [[export(0.02) for _ in range([2, 4, 8][strength])] for _ in range(3)]
    if kind == "scraping":
        searches = [{"action": "search", "records": 5, "object": {"type": "client"}} for _ in range([20, 60, 150][strength])]
        return [searches + views(log.strangers(manager, date, [10, 30, 75][strength], rng))]
    if kind == "unrelated_views":
        usual = max(10, log.usual(manager, date, touched))
        return [views(log.strangers(manager, date, round(usual * [0.5, 1, 2][strength]), rng))]
    if kind == "mass_change":
        usual = max(10, log.usual(manager, date, updated))
        return [[{"action": "update", "records": 1, "object": {"type": "order", "id": f"o{i}"}} for i in range(round(usual * [1, 3, 9][strength]))]]
    return [[export([0.02, 0.06, 0.18][strength]), *views(log.strangers(manager, date, [10, 30, 90][strength], rng))]]


def episode(log, name, kind, strength, manager, dates, rng):
    """Events of an episode, and its label."""
    before = [e for day, events in sorted(log.days[manager].items()) if day <= dates[0] for e in events]
    # From where the person works, in the way the source says it.
    place = next((e["client"] for e in reversed(before) if e.get("client")), None)
    like = {k: before[-1][k] for k in ("tenant", "source", "channel") if k in before[-1]} | ({"client": place} if place else {})
    first, hours = (25, 2) if kind == "off_hours" else (10, 6)
    events = []
    for date, day in zip(dates, deeds(log, kind, strength, manager, dates[0], rng)):
        start = datetime.datetime.combine(date, datetime.time(), log.zone) + first * datetime.timedelta(hours=1)
        times = sorted(start + datetime.timedelta(seconds=rng.uniform(0, 3600 * hours)) for _ in day)
        for at, deed in zip(times, day):
            time = at.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            events.append({"id": f"injected-{name}-{len(events)}", "time": time, "actor": {"id": manager}, **like, **deed})
    label = {
        "label": "attack",
        "scenario": kind,
        "controls": CONTROLS[kind],
        "strength": STRENGTHS[strength],
        "manager": manager,
        "from": events[0]["time"],
        "to": events[-1]["time"],
        "event_ids": [f"{e['source']}/{e['id']}" for e in events][:1000],
        "exposure": sum(e["records"] for e in events),
    }
    return events, label


def inject(log, folder, plan, experience, seed):
    """Writes the log with the planned kinds of attack in it, and its labels."""
    rng = random.Random(seed)
    every = sorted({day for days in log.days.values() for day in days})
    middle = every[0] + (every[-1] - every[0]) / 2
    free = []
    for manager, days in sorted(log.days.items()):
        own = sorted(days)
        free += [(manager, own[i : i + 3]) for i in range(experience, len(own) - 2) if own[i] >= middle]
    events, labels = list(log.events), []
    for kind, strength in plan:
        manager, dates = rng.choice(free)
        more, label = episode(log, f"{seed}-{len(labels)}", kind, strength, manager, dates, rng)
        events += more
        labels.append(label)
        free = [(m, d) for m, d in free if m != manager or d[2] < dates[0] - APART or d[0] > dates[2] + APART]
    write = lambda name, lines: (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    write("events.jsonl", events)
    write("labels.jsonl", labels)


def read(file):
    with gzip.open(file, "rt") as lines:
        return list(csv.DictReader(lines)) if ".csv" in file.name else [json.loads(line) for line in lines]


def bpic15(data, out):
    """Five municipalities, thirty episodes in each. Hours mean nothing in this log."""
    tables = {name: read(data / "bpic15" / f"{name}.csv.gz") for name in ("users", "clients", "orders")}
    events = read(data / "bpic15" / "events.jsonl.gz")
    for n, tenant in enumerate(sorted({e["tenant"] for e in events})):
        folder = out / f"bpic15-{tenant}"
        folder.mkdir(parents=True, exist_ok=True)
        own = {name: [row for row in rows if row["tenant"] == tenant] for name, rows in tables.items()}
        for name, rows in own.items():
            with open(folder / f"{name}.csv", "w", newline="") as file:
                table = csv.DictWriter(file, rows[0])
                table.writeheader()
                table.writerows(rows)
        (folder / "filin.toml").write_text("[controls.off_hours]\nenabled = false\n")
        log = Log([e for e in events if e["tenant"] == tenant], "Europe/Amsterdam", own["clients"], own["orders"])
        plan = [(kind, strength) for kind in CONTROLS if kind != "off_hours" for strength in range(3)] * 2
        inject(log, folder, plan, 20, 51 + n)
        yield folder


def o365(data, out, filin, copies=12):
    """A test tenant, so small that three episodes at a time are enough: copies with other episodes."""
    file = data / "o365-audit/auditdata.jsonl.gz"
    events = [json.loads(line) for line in filin("normalise", "--format", "o365", file).splitlines()]
    plan = [(kind, strength) for kind in CONTROLS for strength in range(3)] * 2
    random.Random(60).shuffle(plan)
    for n in range(copies):
        folder = out / f"o365-{n}"
        folder.mkdir(parents=True, exist_ok=True)
        inject(Log(events, "UTC"), folder, plan[3 * n : 3 * n + 3], 5, 61 + n)
        yield folder
