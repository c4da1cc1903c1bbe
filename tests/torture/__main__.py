"""``python -m tests.torture [--row NAME] [--scale FLOAT] [--seed NUMBER] [--list]``.

Results go to stdout, one line a row and at the end ``N passed, N failed``; what explains them
goes to stderr. Exit code 1 if any row is short.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.torture.catalogue import ROWS
from tests.torture.framework import Attempt, Result, Row, attempt, describe, summary


def main(arguments: Sequence[str] | None = None, rows: Mapping[str, Row] = ROWS) -> int:
    """Run those of *rows* that were asked for. The exit code."""
    asked = _parse(arguments, rows)
    if asked.list:
        print(describe(rows))
        return 0
    print(f"seed {asked.seed}: --seed repeats the choices, not the timing", file=sys.stderr)
    results = []
    for name in asked.row or rows:
        result = _run(name, rows[name], asked.seed, asked.scale)
        print(result, flush=True)
        results.append(result)
    print(summary(results))
    return 0 if all(result.ok for result in results) else 1


def _run(name: str, row: Row, seed: int, scale: float) -> Result:
    """Run one row in a folder of its own, which stays for a look if the row is short."""
    print(f"{name} ...", file=sys.stderr)
    # resolve(): on macOS the temporary folder is a symbolic link.
    folder = Path(tempfile.mkdtemp(prefix="torture-")).resolve()
    result = attempt(name, row, Attempt(folder, seed, scale))
    if result.ok:
        shutil.rmtree(folder)
    else:
        print(f"  its files are in {folder}", file=sys.stderr)
    return result


def _parse(arguments: Sequence[str] | None, rows: Mapping[str, Row]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ...", description=__doc__)
    parser.add_argument(
        "--row", action="append", choices=list(rows), metavar="NAME", help="only this row"
    )
    parser.add_argument(
        "--scale", type=_positive, default=1.0, help="how much of the full run (default: 1)"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--list", action="store_true", help="list the rows")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


if __name__ == "__main__":
    sys.exit(main())
