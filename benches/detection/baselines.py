#!/usr/bin/env python3
"""Filin beside the usual ways to find a thief, all on the same features of manager-days and at the same cost of false alerts.

Cases: made-up companies (`filin simulate`), and real logs with attacks put into them (inject.py). Each is replayed once for the
features; every other method sees Filin's raw accumulators x of each manager-day, log1p-scaled, and learns from earlier days only.
Their few knobs were chosen on companies 1 to 4, which are not among those judged.
Filin's hard rules are given to every method, so the figures compare behaviour.

Prints Markdown. `make bench-detection` builds what it needs; about nine minutes on two cores.
Usage: benches/detection/baselines.py [--filin PATH] [--data DIR] [--seeds 31-38] [--out DIR]
"""

import argparse
import collections
import concurrent.futures
import csv
import datetime
import functools
import json
import os
import pathlib
import subprocess
import tempfile
import warnings
import zoneinfo

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import rrcf
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.lof import LOF
from river.anomaly import HalfSpaceTrees
from river.preprocessing import MinMaxScaler
from sklearn.preprocessing import StandardScaler

import inject

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Days at the start that do not count for anybody.
WARM_UP = 28
# False alerts per 100 manager-days, and a budget of Filin's that leaves at least so many.
RATES = {1: 2, 5: 8}
FEATURES = "rec_out rec_scr rec_unf n_out n_query distinct unrel ucall destr n_upd ext offh off_out nov_ctx nov_q authfail".split()
HOURS = {"offh", "off_out"}
# What can be counted without knowing whose client is whose and what is usual for the person.
COUNTS = set("rec_out rec_scr rec_unf n_out n_query distinct destr n_upd authfail".split())
GRACE = datetime.timedelta(hours=24)
CUT = datetime.timedelta(hours=5)


class Case:
    """The people's days of one tenant, oldest first, with what was an attack."""

    def __init__(self, folder, names):
        self.folder, self.names = folder, names
        rows = [row for row in csv.DictReader(open(folder / "features.csv")) if row["integration"] == "false"]
        rows.sort(key=lambda row: (row["date"], row["manager"]))
        dates = [datetime.date.fromisoformat(row["date"]) for row in rows]
        if not (folder / "meta.json").exists():
            days = (dates[-1] - dates[0]).days + 1
            active = collections.Counter(dates)
            each = [active[dates[0] + datetime.timedelta(days=d)] for d in range(days)]
            meta = {"start": dates[0].isoformat(), "days": days, "managers": len({r["manager"] for r in rows}), "active_managers_by_day": each}
            (folder / "meta.json").write_text(json.dumps(meta))
        meta = json.loads((folder / "meta.json").read_text())
        start = datetime.date.fromisoformat(meta["start"])
        self.days = sum(meta["active_managers_by_day"][WARM_UP:])
        self.manager = [row["manager"] for row in rows]
        self.day = np.array([(date - start).days for date in dates])
        self.raw = np.array([[float(row[f"x_{name}"]) for name in names] for row in rows])
        self.y = np.log1p(self.raw)
        self.peak = np.array([float(row["peak"]) for row in rows])
        self.rule = np.array([float(row["x_rule"]) > 0 for row in rows])
        zones = {}
        if (folder / "users.csv").exists():
            zones = {row["id"]: row["time_zone"] for row in csv.DictReader(open(folder / "users.csv"))}
        labels = [json.loads(line) for line in open(folder / "labels.jsonl")]
        self.labels = [label for label in labels if label["label"] == "attack"]
        self.met = []
        attacked = np.zeros(len(rows), bool)
        for label in self.labels:
            zone = zoneinfo.ZoneInfo(zones.get(label["manager"]) or "UTC")
            local = lambda at: ((at.astimezone(zone) - CUT).date() - start).days
            first, last = (local(datetime.datetime.fromisoformat(label[end])) for end in ("from", "to"))
            own = np.array([m == label["manager"] for m in self.manager])
            # The whole of the day on which the grace ends: no harder than for alerts, which have a time.
            within = own & (self.day >= first) & (self.day <= local(datetime.datetime.fromisoformat(label["to"]) + GRACE))
            attacked |= within
            self.met.append(within)
        first_time = datetime.datetime.combine(start, datetime.time(), datetime.timezone.utc) + datetime.timedelta(days=WARM_UP)
        self.counts = [i for i, label in enumerate(self.labels) if datetime.datetime.fromisoformat(label["from"]) >= first_time]
        self.honest = ~attacked & (self.day >= WARM_UP)
        self.attacked = attacked
        # The first fit is after the warm-up, and thirty manager-days; a log of years is fitted anew every four weeks, else every week.
        self.first = max(WARM_UP, int(self.day[min(30, len(rows) - 1)]) + 1)
        self.refits = range(self.first, int(self.day[-1]) + 1, 7 if self.day[-1] < 200 else 28)

    def scaled(self, past, rows):
        # A day with one of everything, so that what nobody did so far has a scale.
        seen = np.vstack([self.y[past], np.full(len(self.names), np.log1p(1))])
        scaler = StandardScaler().fit(seen)
        return scaler.transform(seen), scaler.transform(self.y[rows])


def pyod(model, case):
    """Fitted on all days before, then asked for the next week."""
    score = np.full(len(case.day), -np.inf)
    for first, after in zip(case.refits, [*case.refits[1:], int(case.day[-1]) + 1]):
        rows = np.flatnonzero((case.day >= first) & (case.day < after))
        if len(rows):
            past, new = case.scaled(case.day < first, rows)
            score[rows] = model().fit(past).decision_function(new)
    return score


@functools.cache
def own_z(case):
    """Each person's z of each count among the days before, with five days' worth of the whole tenant."""
    z = np.zeros_like(case.y)
    sums, squares, n = {}, {}, collections.Counter()
    none = np.zeros(len(case.names))
    for day in np.unique(case.day):
        past, rows = case.y[case.day < day], np.flatnonzero(case.day == day)
        mean, var = (past.mean(axis=0), past.var(axis=0)) if len(past) else (none, none + 1)
        for i in rows:
            m = case.manager[i]
            weight = n[m] + 5
            own = (sums.get(m, none) + 5 * mean) / weight
            spread = (squares.get(m, none) + 5 * (var + mean**2)) / weight - own**2
            z[i] = (case.y[i] - own) / np.sqrt(np.maximum(spread, 0.35**2))
        for i in rows:
            m = case.manager[i]
            sums[m], squares[m] = sums.get(m, none) + case.y[i], squares.get(m, none) + case.y[i] ** 2
            n[m] += 1
    return z


def z_of_counts(case):
    return own_z(case)[:, [name in COUNTS for name in case.names]]


def lof_of(z, case):
    z = z(case).clip(-10, 10)
    score = np.full(len(case.day), -np.inf)
    for first, after in zip(case.refits, [*case.refits[1:], int(case.day[-1]) + 1]):
        rows = np.flatnonzero((case.day >= first) & (case.day < after))
        if len(rows):
            score[rows] = LOF().fit(z[case.day < first]).decision_function(z[rows])
    return score


def half_space_trees(case):
    # It tells nothing in its first window: a short log needs a short one.
    model = MinMaxScaler() | HalfSpaceTrees(window_size=min(250, len(case.day) // 4), seed=1)
    score = np.full(len(case.day), -np.inf)
    for i, y in enumerate(case.y):
        x = dict(zip(case.names, y))
        if case.day[i] >= case.first:
            score[i] = model.score_one(x)
        model.learn_one(x)
    return score


def cut_forest(case, trees=20, size=256):
    """Robust random cut forest: co-displacement of each day as it comes."""
    _, y = case.scaled(case.day < case.first, np.arange(len(case.day)))
    forest, score = [rrcf.RCTree(random_state=n) for n in range(trees)], np.zeros(len(case.day))
    for i, point in enumerate(y):
        for tree in forest:
            if len(tree.leaves) >= size:
                tree.forget_point(i - size)
            tree.insert_point(point, index=i)
            score[i] += tree.codisp(i) / trees
    return score


def static_thresholds(case):
    """A limit per count: the same quantile of the days of the first half that were no attack; the score is the highest at which
    a day is still told, beyond the greatest of them by how many times."""
    past = np.sort(case.raw[(case.day <= case.day[-1] / 2) & ~case.attacked], axis=0)
    score = np.zeros(len(case.day))
    for k in range(len(case.names)):
        below = np.searchsorted(past[:, k], case.raw[:, k], side="left")
        beyond = np.log((1 + case.raw[:, k]) / (1 + past[-1, k])).clip(0)
        score = np.maximum(score, -np.log((len(past) - below + 0.5) / (len(past) + 1)) + beyond)
    return score


def vendor_rules(case):
    """Which rules fire on which day: limits as published, read on whole days. Sources: BENCHMARKS.md."""
    x = {name: case.raw[:, case.names.index(name)] if name in case.names else np.zeros(len(case.day)) for name in FEATURES}
    fortnight = {name: np.zeros(len(case.day)) for name in ("rec_out", "rec_scr")}
    seen = collections.defaultdict(list)
    for i, m in enumerate(case.manager):
        recent = [j for j in seen[m] if case.day[j] >= case.day[i] - 14]
        for name, total in fortnight.items():
            # Without any in the last two weeks the rules' own limit of 10 000 holds.
            total[i] = x[name][recent].sum() or 10_000
        seen[m].append(i)
    return {
        "more than 2 000 records out": (50, x["rec_out"] > 2000),
        "more out than in two weeks": (40, x["rec_out"] > fortnight["rec_out"]),
        "more on screen than in two weeks": (40, x["rec_scr"] > fortnight["rec_scr"]),
        "more than 50 downloads": (40, x["n_out"] > 50),
        "more than 10 000 changed or deleted": (40, (x["n_upd"] > 10_000) | (x["destr"] > 10_000)),
        "more than 100 reassigned or shared": (30, (x["destr"] > 100) | (x["ext"] > 100)),
        "given to an outside address": (30, x["ext"] >= 1),
        "10 failed log-ins": (30, x["authfail"] >= 10),
        "place seen for the first time": (20, x["nov_ctx"] > 0),
        "outside usual hours": (15, x["offh"] > 0),
        "report or query seen for the first time": (10, x["nov_q"] > 0),
    }


def vendor_points(case):
    return sum(points * fired for points, fired in vendor_rules(case).values()).astype(float)


METHODS = {
    "Filin, by the day": lambda case: case.peak,
    "LOF on per-user z": functools.partial(lof_of, own_z),
    "LOF on per-user z, counts only": functools.partial(lof_of, z_of_counts),
    "per-user z, summed": lambda case: own_z(case).clip(0, 10).sum(axis=1),
    "per-user z of daily counts": lambda case: z_of_counts(case).max(axis=1),
    "static thresholds": static_thresholds,
    "points of vendor rules": vendor_points,
    "PyOD IForest": functools.partial(pyod, lambda: IForest(random_state=1)),
    "PyOD ECOD": functools.partial(pyod, ECOD),
    "PyOD COPOD": functools.partial(pyod, COPOD),
    "PyOD HBOS": functools.partial(pyod, lambda: HBOS(n_bins="auto")),
    "PyOD LOF": functools.partial(pyod, LOF),
    "River HalfSpaceTrees": half_space_trees,
    "RRCF": cut_forest,
}


def found_by(case, told):
    """Per attack that counts: whether a day within it was told."""
    told = (told | case.rule) & (case.day >= WARM_UP)
    return [bool((told & case.met[i]).any()) for i in case.counts]


def at_rate(case, score, rate):
    """What lies above the threshold that leaves so many false alerts; equal scores are drawn by lot."""
    assert not np.isnan(score).any()
    score = np.stack([score, np.random.default_rng(1).random(len(score))])
    order = np.lexsort(score[::-1])
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    false = np.sort(rank[case.honest & ~case.rule])[::-1]
    allowed = int(rate * case.days / 100)
    return found_by(case, rank > (false[allowed] if allowed < len(false) else -1))


def by_alerts(case, filin, rate, budget):
    """Filin as it alerts: `matched` of `filin evaluate`, and which attacks they are."""
    folder = case.folder
    while True:
        alerts = folder / f"alerts-{budget}.jsonl"
        replay(folder, filin, "--budget", budget, "--alerts", alerts)
        files = ["--labels", folder / "labels.jsonl", "--alerts", alerts, "--meta", folder / "meta.json"]
        answer = json.loads(run(filin, "evaluate", *files, "--from-day", WARM_UP, "--budget", budget, "--json"))
        matched = [m for m in answer["matched"] if m["rate"] == rate]
        if matched or budget >= 100:
            break
        budget = min(2 * budget, 100)
    bits = matched[0]["bits"] if matched else 0
    versions = collections.defaultdict(list)
    for line in open(alerts):
        version = json.loads(line)
        if is_rule(version) or version["bits"] >= bits:
            versions[version.get("manager")].append(datetime.datetime.fromisoformat(version["time"]))
    spans = [[datetime.datetime.fromisoformat(case.labels[i][end]) for end in ("from", "to")] for i in case.counts]
    found = [any(a <= t <= b + GRACE for t in versions[case.labels[i]["manager"]]) for i, (a, b) in zip(case.counts, spans)]
    assert not matched or sum(found) == matched[0]["found"]["found"], folder
    return found


def is_rule(version):
    """A version that rests on a rule, which no threshold holds back."""
    return max(version["contributions"], key=lambda c: c["bits"])["detector"] == "rule"


def run(filin, *args):
    return subprocess.run([filin, *map(str, args)], check=True, capture_output=True, text=True).stdout


def replay(folder, filin, *args):
    reference = [word for kind in ("users", "clients", "orders") if (folder / f"{kind}.csv").exists() for word in (f"--{kind}", folder / f"{kind}.csv")]
    config = ["--config", folder / "filin.toml"] if (folder / "filin.toml").exists() else []
    run(filin, "replay", "--events", folder / "events.jsonl", *reference, *config, *args, "--json")


def judged(folder, filin):
    """All methods on one case: per rate and method, who was found."""
    warnings.simplefilter("ignore")
    replay(folder, filin, "--features", folder / "features.csv", "--alerts", os.devnull)
    case = Case(folder, [name for name in FEATURES if name not in HOURS or not folder.name.startswith("bpic15")])
    answer = {rate: {"Filin": by_alerts(case, filin, rate, budget)} for rate, budget in RATES.items()}
    for name, method in METHODS.items():
        score = method(case)
        for rate in RATES:
            answer[rate][name] = at_rate(case, score, rate)
    fired = np.any([fired for _, fired in vendor_rules(case).values()], axis=0)
    as_they_come = found_by(case, fired), int((fired & case.honest).sum())
    attacks = [(case.labels[i]["scenario"], case.labels[i]["strength"]) for i in case.counts]
    return {"attacks": attacks, "days": case.days, "found": answer, "rules": as_they_come}


def wilson(n, of):
    z2 = 1.959964**2
    middle, half = n / of + z2 / (2 * of), (z2 * (n / of * (1 - n / of) / of + z2 / (4 * of * of))) ** 0.5
    return (middle - half) / (1 + z2 / of), (middle + half) / (1 + z2 / of)


def share(found):
    low, high = wilson(sum(found), len(found))
    return f"{sum(found) / len(found):.2f} ({sum(found)}/{len(found)}; {low:.2f} to {high:.2f})"


def report(title, answers):
    attacks = [attack for a in answers for attack in a["attacks"]]
    together = lambda rate, name: [f for a in answers for f in a["found"][rate][name]]
    names = ["Filin", *METHODS]
    print(f"\n### {title}\n\n{sum(a['days'] for a in answers)} manager-days that count, {len(attacks)} attacks.\n")
    print("| | recall at 1 false alert per 100 manager-days | at 5 | only Filin / only it, at 1 | at 5 |\n| --- | --- | --- | --- | --- |")
    for name in names:
        pairs = [list(zip(together(rate, "Filin"), together(rate, name))) for rate in RATES]
        alone = [f"{pair.count((True, False))} / {pair.count((False, True))}" for pair in pairs]
        print(f"| {name} | {' | '.join([share(together(rate, name)) for rate in RATES] + alone)} |")
    false = 100 * sum(a["rules"][1] for a in answers) / sum(a["days"] for a in answers)
    print(f"| vendor rules as they come | {share([f for a in answers for f in a['rules'][0]])} at {false:.1f} | | | |")
    names.remove("Filin, by the day")
    print(f"\nFound at 1 / at 5 per 100:\n\n| | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}")
    for part in [*sorted({s for s, _ in attacks}), *inject.STRENGTHS]:
        rows = [i for i, attack in enumerate(attacks) if part in attack]
        cells = [" / ".join(str(sum(together(rate, name)[i] for i in rows)) for rate in RATES) for name in names]
        print(f"| {part} ({len(rows)}) | {' | '.join(cells)} |", flush=True)


def company(out, filin, seed):
    folder = out / f"company-{seed}"
    run(filin, "simulate", "--managers", 50, "--days", 90, "--seed", seed, "--attacks", "--out", folder)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filin", type=pathlib.Path, default=ROOT / "target/release/filin")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data", help="folder of the real logs")
    parser.add_argument("--seeds", default="31-38")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    if not args.filin.exists():
        raise SystemExit(f"{args.filin} is missing: run `make build`")
    first, _, last = args.seeds.partition("-")
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ProcessPoolExecutor(2) as pool:
        out = args.out or pathlib.Path(scratch)
        groups = {"Made-up companies": [company(out, args.filin, seed) for seed in range(int(first), int(last or first) + 1)]}
        if args.data.exists():
            groups["BPI Challenge 2015 with attacks put in"] = list(inject.bpic15(args.data, out))
            groups["Microsoft 365 test tenant with attacks put in"] = list(inject.o365(args.data, out, functools.partial(run, args.filin)))
        waiting = {title: [pool.submit(judged, folder, args.filin) for folder in folders] for title, folders in groups.items()}
        for title, answers in waiting.items():
            report(title, [answer.result() for answer in answers])


if __name__ == "__main__":
    main()
