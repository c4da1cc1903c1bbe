"""``make bench``: measure every line, print the table, keep what was measured at full scale."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import growth, results, tables
from benchmarks.catalogue import LINES
from benchmarks.compare import Plan
from benchmarks.results import Entry, Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 every line reaches what it should, 1 one falls short."""
    asked = _parse(arguments)
    if asked.table:
        print(tables.results(results.load(asked.output or results.RESULTS)))
        print(f"\n{tables.growth(growth.load_costs())}")
        return 0
    plan = Plan(Path(), asked.rounds, asked.seconds, asked.scale, asked.url.rstrip("/"))
    target = asked.output or (results.RESULTS if plan.full else None)
    entries = _measure(plan, asked.line or list(LINES), asked.runs, target)
    print(tables.plain(entries))
    return 0 if all(entry["ok"] for entry in entries) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    whole = Plan(Path())
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--line", action="append", choices=LINES, help="only this one; repeatable")
    parser.add_argument("--runs", type=int, default=1, help="of everything, one after the other")
    parser.add_argument("--rounds", type=int, default=whole.rounds, help="of each line in a run")
    parser.add_argument(
        "--seconds", type=float, default=whole.seconds, help="that each side of a round lasts"
    )
    parser.add_argument(
        "--scale", type=float, default=whole.scale, help="of a million secrets and the like"
    )
    parser.add_argument("--url", default="", help="of a service that runs already, over plain HTTP")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where the figures go (benchmarks/results.json, if nothing is cut short)",
    )
    parser.add_argument(
        "--table", action="store_true", help="measure nothing: print what there is, in Markdown"
    )
    return parser.parse_args(arguments)


def _measure(plan: Plan, names: Sequence[str], runs: int, target: Path | None) -> list[Entry]:
    """So many runs of these lines. What a whole run found is safe before the next begins."""
    taken: dict[str, list[Run]] = {name: [] for name in names}
    entries: list[Entry] = []
    for _ in range(runs):
        for name, found in taken.items():
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                measured = LINES[name].measure(replace(plan, folder=Path(folder)))
            found.append(results.run_of(measured))
            print(f"{name}: {found[-1]['ratio']}", file=sys.stderr, flush=True)
        entries = [results.entry_of(name, found) for name, found in taken.items()]
        if target is not None:
            results.save(entries, target)
    return entries


if __name__ == "__main__":
    sys.exit(main())
