"""``python -m tests.… [--row NAME] [--scale FLOAT] [--seed NUMBER] [--list]``, for any set of rows.

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

from tests.torture.framework import Attempt, Result, Row, attempt, describe, summary


def run(package: str, rows: Mapping[str, Row], arguments: Sequence[str] | None) -> int:
    """Run those of *rows* that were asked for, by default all. The exit code."""
    asked = _parse(package, rows, arguments)
    if asked.list:
        print(describe(rows))
        return 0
    print(f"seed {asked.seed}: --seed repeats the choices, not the timing", file=sys.stderr)
    results = []
    for name in asked.row or rows:
        result = _run(package, name, rows[name], asked)
        print(result, flush=True)
        results.append(result)
    print(summary(results))
    return 0 if all(result.ok for result in results) else 1


def _run(package: str, name: str, row: Row, asked: argparse.Namespace) -> Result:
    """Run one row in a folder of its own, which stays for a look if the row is short."""
    print(f"{name} ...", file=sys.stderr)
    # resolve(): on macOS the temporary folder is a symbolic link.
    folder = Path(tempfile.mkdtemp(prefix=package.rpartition(".")[2] + "-")).resolve()
    result = attempt(name, row, Attempt(folder, asked.seed, asked.scale))
    if result.ok:
        shutil.rmtree(folder)
    else:
        print(f"  its files are in {folder}", file=sys.stderr)
    return result


def _parse(
    package: str, rows: Mapping[str, Row], arguments: Sequence[str] | None
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=__doc__)
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
