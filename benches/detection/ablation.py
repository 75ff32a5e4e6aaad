#!/usr/bin/env python3
"""What each part of the detector beyond the reference is worth, on made-up companies that nothing was tuned on.

Simulates companies with attacks (and without), replays each with everything on, everything off and one part off at a time, and
prints recall and false alerts. Needs target/release/filin (make build) and about three quarters of an hour of processor time.
Usage: benches/detection/ablation.py [--seeds 31-38] [--clean 41-45] [--out DIR]
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile

FILIN = pathlib.Path(__file__).resolve().parents[2] / "target/release/filin"
OFF = {
    "alerts.stakes": "[alerts]\nstakes = false\n",
    "alerts.robust": "[alerts]\nrobust = false\n",
    "alerts.guard": "[alerts]\nguard = false\n",
    "alerts.groups": "[alerts]\ngroups = false\n",
    "controls.drip.restart": "[controls.drip]\nrestart = false\n",
    "controls.drip.exports": "[controls.drip]\nexports = false\n",
    "controls.unrelated.share": "[controls.unrelated]\nshare = false\n",
    "controls.unrelated.lately": "[controls.unrelated]\nlately = false\n",
    "controls.mass_change.housekeeping": "[controls.mass_change]\nhousekeeping = false\n",
    "controls.shared_account.two_places": "[controls.shared_account]\ntwo_places = false\n",
    "controls.chunked_export.hour": "[controls.chunked_export]\nhour = false\n",
}
CONTROLS = {
    "volume": ["bulk_export", "chunked_export", "scraping"],
    "relation": ["unrelated", "unrelated_call"],
    "destruct": ["mass_change"],
    "time": ["off_hours"],
    "novelty": ["new_place"],
    "content": ["first_time"],
    "auth": ["brute_force", "shared_account"],
    "drip": ["drip"],
    "rule": ["leaver_active", "address_denied"],
}
REFERENCE = (
    "[alerts]\nstakes = false\nrobust = false\ngroups = false\nprior = 'none'\n[controls.drip]\nrestart = false\nexports = false\n"
    "[controls.unrelated]\nshare = false\nlately = false\n[controls.mass_change]\nhousekeeping = false\n[controls.shared_account]\ntwo_places = false\n[controls.chunked_export]\nhour = false\n"
)
PARTS = {
    "everything on": "",
    "reference (all off)": REFERENCE,
    **{f"without {name}": config for name, config in OFF.items()},
    "with controls.chunked_export.week": "[controls.chunked_export]\nweek = true\n",
    "with controls.chunked_export.month": "[controls.chunked_export]\nmonth = true\n",
    **{f"without the family {name}": "".join(f"[controls.{c}]\nenabled = false\n" for c in ids) for name, ids in CONTROLS.items()},
}
# Budgets that leave enough false alerts to read off 1 and 5 per 100 manager-days.
MATCHED = {1.0: 2, 5.0: 8}


def span(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def filin(*args):
    return subprocess.run([FILIN, *map(str, args)], check=True, capture_output=True, text=True).stdout


def company(out, seed, attacks):
    folder = out / f"{'attacks' if attacks else 'clean'}-{seed}"
    if not (folder / "meta.json").exists():
        filin("simulate", "--managers", 50, "--days", 90, "--seed", seed, "--out", folder, *(["--attacks"] if attacks else []))
    return folder


def judged(folder, part, budget):
    name = f"{list(PARTS).index(part)}-{budget}"
    config, alerts = folder / f"{name}.toml", folder / f"{name}.jsonl"
    config.write_text(PARTS[part])
    reference = [word for kind in ("users", "clients", "orders") for word in (f"--{kind}", folder / f"{kind}.csv")]
    filin("replay", "--events", folder / "events.jsonl", *reference, "--config", config, "--budget", budget, "--alerts", alerts, "--json")
    answer = filin("evaluate", "--labels", folder / "labels.jsonl", "--alerts", alerts, "--meta", folder / "meta.json", "--budget", budget, "--json")
    return json.loads(answer)


def found(shares):
    n, of = sum(s["found"] for s in shares), sum(s["of"] for s in shares)
    return f"{n / of:.3f} ({n}/{of})" if of else "-"


def false(answers):
    alerts, days = sum(a["false_behavioural"]["alerts"] for a in answers), sum(a["manager_days"] for a in answers)
    each = sorted(a["false_behavioural"]["per_100"] for a in answers)
    return f"{100 * alerts / days:.2f} ({each[0]:.2f} to {each[-1]:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=span, default=span("31-38"))
    parser.add_argument("--clean", type=span, default=span("41-45"))
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    if not FILIN.exists():
        raise SystemExit(f"{FILIN} is missing: run `make build`")
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        out = args.out or pathlib.Path(scratch)
        attacked = list(pool.map(lambda s: company(out, s, True), args.seeds))
        clean = list(pool.map(lambda s: company(out, s, False), args.clean))

        def all_of(folders, part, budget):
            return list(pool.map(lambda folder: judged(folder, part, budget), folders))

        print(f"seeds {args.seeds.start}-{args.seeds.stop - 1} with attacks, {args.clean.start}-{args.clean.stop - 1} without; 50 managers, 90 days each\n")
        print("| | recall at 1 false per 100 manager-days | at 5 | at budget 1: recall | false per 100 (least to most) | leaked | attack-free at budget 1 | at 5 |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for part in PARTS:
            cells = []
            for rate, budget in MATCHED.items():
                answers = all_of(attacked, part, budget)
                cells.append(found([m["found"] for a in answers for m in a["matched"] if m["rate"] == rate]))
            usual = all_of(attacked, part, 1)
            leaked = [a["leaked_of_all"] for a in usual]
            cells += [found([a["attacks"] for a in usual]), false(usual), f"{sum(leaked) / len(leaked):.2f}"]
            cells += [false(all_of(clean, part, budget)) for budget in (1, 5)]
            print(f"| {part} | {' | '.join(cells)} |", flush=True)
        print()
        scenarios = {}
        for answer in all_of(attacked, "everything on", 1):
            for row in answer["scenarios"]:
                scenarios.setdefault(row["scenario"], []).append(row)
        print("| at budget 1 | weak | medium | strong |\n| --- | --- | --- | --- |")
        for name, rows in sorted(scenarios.items()):
            cell = lambda strength: "{}/{}".format(sum(r[strength]["found"] for r in rows), sum(r[strength]["of"] for r in rows))
            print(f"| {name} | {cell('weak')} | {cell('medium')} | {cell('strong')} |")


if __name__ == "__main__":
    main()
