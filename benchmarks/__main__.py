"""``make bench``: measure every line, print the table, write ``benchmarks/results.json``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.catalogue import LINES
from benchmarks.compare import Plan, table

RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """Exit status: 0 every line reaches what it should, 1 one falls short."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--line", action="append", choices=LINES, help="only this one; repeatable")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="that each side of a round lasts")
    parser.add_argument("--scale", type=float, default=1, help="of a million secrets and the like")
    parser.add_argument("--url", default="", help="of a service that runs already, over plain HTTP")
    given = parser.parse_args()
    entries = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        plan = Plan(Path(folder), given.rounds, given.seconds, given.scale, given.url.rstrip("/"))
        for name in given.line or LINES:
            place = plan.folder / name
            place.mkdir()
            line = LINES[name]
            entry = line.judge(line.measure(replace(plan, folder=place)))
            entries.append(entry)
            print(f"{name}: {entry['ratio']}", file=sys.stderr, flush=True)
    print(table(entries))
    if not given.line:
        RESULTS.write_text(json.dumps(entries, indent=1) + "\n")
    return 0 if all(entry["ok"] for entry in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
