#!/usr/bin/env python3
"""What the poisoning guard (`alerts.guard`) is worth against thieves who steal every day, or a little more each day.

Simulates companies without attacks, adds the thefts of a few people to each from day 35 on, and replays it with the guard and without,
at budget 1. Thefts follow the person's own work: right after a client that they view, from the same place, exports like their own.
An alert is right if it names an event of the theft. Prints Markdown; takes about six minutes of processor time.
Usage: benches/detection/poisoning.py [--filin PATH] [--seeds 51-53] [--out DIR]
"""

import argparse
import collections
import csv
import datetime
import json
import math
import pathlib
import random
import statistics
import subprocess
import tempfile
import typing
import zoneinfo

import inject

FILIN = pathlib.Path(__file__).resolve().parents[2] / "target/release/filin"
START = 35
THIEVES, OF_A_TEAM = 8, 2
RULES = {"leaver_active", "address_denied"}
GUARD = {"on": "", "off": "[alerts]\nguard = false\n"}
# Nats of evidence above which a day is learned with little weight.
SUSPICIOUS = 9
# Working days of growing decoys before the one theft.
DECOYS = 10


class Plan(typing.NamedTuple):
    """What a thief does on the i-th working day: records exported, in multiples of the usual, and strangers viewed."""

    records: typing.Callable[[int], float] = lambda i: 0
    strangers: int = 0
    # From which working day on it is judged: one row of the table each.
    judged: tuple[int, ...] = (0,)


def growing(rate):
    return lambda i: 0.3 * (1 + rate) ** i


def theft(size, decoy):
    return lambda i: decoy(i) if i < DECOYS else size * (i == DECOYS)


PLANS = {
    "2 × usual every day": Plan(lambda i: 2),
    "4 × usual every day": Plan(lambda i: 4),
    "growing by 5 % a day": Plan(growing(0.05)),
    "growing by 10 % a day": Plan(growing(0.10)),
    "10 strangers every day": Plan(strangers=10),
    "25 strangers every day": Plan(strangers=25),
    "5 × usual once": Plan(theft(5, lambda i: 0)),
    "5 × usual once after growing decoys": Plan(theft(5, growing(0.25)), judged=(0, DECOYS)),
    "20 × usual once after growing decoys": Plan(theft(20, growing(0.25)), judged=(0, DECOYS)),
}


class Company:
    """A simulated company without attacks: who worked when, and who will steal."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.start = datetime.date.fromisoformat(json.loads((folder / "meta.json").read_text())["start"])
        self.users = {row["id"]: row for row in self.table("users") if row["kind"] == "user"}
        self.zones = {id: zoneinfo.ZoneInfo(row["time_zone"]) for id, row in self.users.items()}
        self.clients = inject.Log([], "UTC", self.table("clients"), self.table("orders"))
        self.views, self.exports = collections.defaultdict(lambda: collections.defaultdict(list)), collections.defaultdict(list)
        worked, out = collections.defaultdict(set), collections.defaultdict(collections.Counter)
        for line in open(folder / "events.jsonl"):
            event = json.loads(line)
            manager = event["actor"]["id"]
            if manager not in self.users:
                continue
            day = self.day(manager, event["time"])
            worked[manager].add(day)
            if event["action"] == "view" and day >= START:
                self.views[manager][day].append(event)
            if event["action"] == "export" and day < START:
                self.exports[manager].append(event)
                out[manager][day] += event["records"]
        self.honest_days = {m: sum(day >= START for day in days) for m, days in worked.items()}
        # The 90th percentile of the day's exported records, days of work without any included.
        self.usual = {}
        for manager, days in worked.items():
            early = sorted(out[manager][day] for day in days if day < START)
            if len(early) >= 20 and len(self.views[manager]) >= 30 and len(out[manager]) >= 5:
                self.usual[manager] = early[int(0.9 * len(early))]
        self.thieves = self.chosen()

    def table(self, name):
        return list(csv.DictReader(open(self.folder / f"{name}.csv")))

    def day(self, manager, time):
        return ((datetime.datetime.fromisoformat(time).astimezone(self.zones[manager]) - inject.CUT).date() - self.start).days

    def chosen(self):
        regular = [m for m, usual in sorted(self.usual.items()) if usual >= 30]
        random.Random(self.seed).shuffle(regular)
        thieves, teams = [], collections.Counter()
        for manager in regular:
            team = self.users[manager]["team"]
            if len(thieves) < THIEVES and teams[team] < OF_A_TEAM:
                thieves.append(manager)
                teams[team] += 1
        return thieves

    def thefts(self, plan, rng):
        """Events per thief and working day."""
        return {m: [self.deeds(plan, m, day, i, rng) for i, day in enumerate(sorted(self.views[m]))] for m in self.thieves}

    def deeds(self, plan, manager, day, i, rng):
        records = round(plan.records(i) * self.usual[manager])
        parts = [records // 3, records // 3, records - 2 * (records // 3)]
        like = [rng.choice(self.exports[manager]) for _ in parts]
        deeds = [{k: e[k] for k in ("action", "channel", "object", "query") if k in e} | {"records": n} for e, n in zip(like, parts) if n]
        for client in self.clients.strangers(manager, self.start + datetime.timedelta(days=day), plan.strangers, rng):
            who = {"type": "client", "id": client, "owner": self.clients.owner[client]}
            deeds.append({"action": "view", "channel": "ui", "object": who, "records": 1})
        events = []
        for n, deed in enumerate(deeds):
            after = rng.choice(self.views[manager][day])
            at = datetime.datetime.fromisoformat(after["time"]) + datetime.timedelta(seconds=rng.uniform(1, 60))
            time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            here = {k: after[k] for k in ("tenant", "source", "actor", "session", "client") if k in after}
            events.append(here | deed | {"id": f"theft-{manager}-{day}-{n}", "time": time})
        return sorted(events, key=lambda event: event["time"])


class Replay(typing.NamedTuple):
    """Versions of all alerts, and the manager-days (day from 0) of strong evidence."""

    versions: list[dict]
    strong: set[tuple[str, int]]


def replayed(filin, company, thefts, guard):
    folder = company.folder
    more, config, alerts, features = (folder / name for name in ("thefts.jsonl", "guard.toml", "alerts.jsonl", "features.csv"))
    more.write_text("".join(json.dumps(e) + "\n" for days in thefts.values() for day in days for e in day))
    config.write_text(GUARD[guard])
    tables = [word for kind in ("users", "clients", "orders") for word in (f"--{kind}", folder / f"{kind}.csv")]
    events = ["--events", folder / "events.jsonl", more]
    command = [filin, "replay", *events, *tables, "--config", config, "--budget", "1", "--alerts", alerts, "--features", features]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
    strong = set()
    for day in csv.DictReader(open(features)):
        if any(float(s) > SUSPICIOUS for name, s in day.items() if name.startswith("s_") and name != "s_rule"):
            strong.add((day["manager"], (datetime.date.fromisoformat(day["date"]) - company.start).days))
    return Replay([json.loads(line) for line in open(alerts)], strong)


class Answer(typing.NamedTuple):
    """What became of one thief."""

    # Which working day the first right alert came on, from 1; infinite if none did.
    first: float
    gone: int
    of: int
    told: int
    strong: int
    days: int


def judged(company, manager, days, replay, since):
    """The first right alert of a thief, what had gone, and the days on which one was told."""
    attacked = [day for day in days[since:] if day]
    versions = [v for v in replay.versions if v.get("manager") == manager]
    day_of = {f"{e['source']}/{e['id']}": n for n, day in enumerate(attacked, 1) for e in day}
    right = [(v["time"], max(day_of[id] for id in v["event_ids"] if id in day_of)) for v in versions if not day_of.keys().isdisjoint(v["event_ids"])]
    at, first = min(right, default=("9999", math.inf))
    every = [event for day in attacked for event in day]
    gone = sum(event["records"] for event in every if event["time"] <= at)
    strong = sum((manager, company.day(manager, day[0]["time"])) in replay.strong for day in attacked)
    return Answer(first, gone, sum(event["records"] for event in every), len({day for _, day in right}), strong, len(attacked))


def pairs(answers, of):
    """Thieves of whom it is less with the guard, and without."""
    both = [(of(a), of(b)) for a, b in zip(answers["on"], answers["off"])]
    return f"{sum(a < b for a, b in both)} / {sum(a > b for a, b in both)}"


def wilson(n, of):
    z, p = 1.96, n / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = ((middle + sign * half) / (1 + z * z / of) for sign in (-1, 1))
    return f"{p:.2f} ({n}/{of}; {max(low, 0):.2f} to {min(high, 1):.2f})"


def false_alerts(company, versions, thieves):
    """Alerts of others that opened since the thefts began, and the manager-days of others."""
    opened = {v["alert_id"]: v for v in reversed(versions)}.values()
    others = company.honest_days.keys() - set(thieves)
    alerts = sum(v.get("manager") in others and v["kind"] not in RULES and company.day(v["manager"], v["opened_at"]) >= START for v in opened)
    return alerts, sum(company.honest_days[m] for m in others)


def per_100(counts):
    alerts, days = map(sum, zip(*counts))
    return f"{100 * alerts / days:.2f} ({alerts})"


def row(answers, counts):
    first = statistics.median(a.first for a in answers)
    shares = sum(a.gone / a.of for a in answers) / len(answers)
    days = sum(a.days for a in answers)
    told, strong = wilson(sum(a.told for a in answers), days), f"{sum(a.strong for a in answers) / days:.3f}"
    cells = [wilson(sum(a.first < math.inf for a in answers), len(answers)), f"{first:g}" if first < math.inf else "never"]
    return cells + [f"{statistics.median(a.gone for a in answers):.0f}", f"{shares:.2f}", told, strong, per_100(counts)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filin", type=pathlib.Path, default=FILIN)
    parser.add_argument("--seeds", default="51-53")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    if not args.filin.exists():
        raise SystemExit(f"{args.filin} is missing: run `make build`")
    first, _, last = args.seeds.partition("-")
    with tempfile.TemporaryDirectory() as scratch:
        companies = []
        for seed in range(int(first), int(last or first) + 1):
            folder = (args.out or pathlib.Path(scratch)) / f"clean-{seed}"
            if not (folder / "meta.json").exists():
                size = ["--managers", "50", "--days", "90", "--seed", str(seed), "--out", str(folder)]
                subprocess.run([args.filin, "simulate", *size], check=True, stdout=subprocess.DEVNULL)
            companies.append(Company(folder, seed))
        usual = sorted(c.usual[m] for c in companies for m in c.thieves)
        print(f"{len(usual)} thieves in {len(companies)} companies; usual day {usual[0]} to {usual[-1]} records, median {statistics.median(usual):g}\n")
        heads = ["theft", "guard", "found", "first alert on day", "gone by then, median", "share gone, mean", "attacked days told", "of s > 9"]
        heads += ["false per 100 (alerts)", "told earlier with guard / without", "on more days with guard / without"]
        print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
        for guard in GUARD:
            counts = [false_alerts(c, replayed(args.filin, c, {}, guard).versions, []) for c in companies]
            print(f"| none | {guard} | | | | | | | {per_100(counts)} | | |", flush=True)
        for name, plan in PLANS.items():
            thefts = [c.thefts(plan, random.Random(f"{c.seed}-{name}")) for c in companies]
            runs = {guard: [replayed(args.filin, c, t, guard) for c, t in zip(companies, thefts)] for guard in GUARD}
            for since in plan.judged:
                answers = {}
                for guard, run in runs.items():
                    answers[guard] = [judged(c, m, t[m], replay, since) for c, t, replay in zip(companies, thefts, run) for m in t]
                label = f"{name}: the theft alone" if since else name
                compared = {"on": [pairs(answers, lambda a: a.first), pairs(answers, lambda a: -a.told)], "off": ["", ""]}
                for guard, run in runs.items():
                    counts = [false_alerts(c, replay.versions, c.thieves) for c, replay in zip(companies, run)]
                    print(f"| {' | '.join([label, guard, *row(answers[guard], counts), *compared[guard]])} |", flush=True)


if __name__ == "__main__":
    main()
