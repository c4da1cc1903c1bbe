"""``python -m tests.mutants [--children NUMBER] [MODULE …]``: a row a module to stdout.

Exit code 1 if fewer are noticed than should be.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tests.mutants.catalogue import MODULES
from tests.mutants.verdicts import HEADER, LEAST
from tests.mutants.workshop import Failed, judge


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the modules that were asked for, by default all. The exit code."""
    asked = _parse(arguments)
    short = []
    print(HEADER, flush=True)
    for module in asked.module or MODULES:
        try:
            row = judge(module, asked.children)
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
        print(row, flush=True)
        if row.percent < LEAST:
            short.append(module)
    if short:
        print(f"under {LEAST} percent: {', '.join(short)}")
    return 1 if short else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("module", nargs="*", metavar="MODULE", help="only this one, by its path")
    parser.add_argument(
        "--children",
        type=int,
        default=os.cpu_count() or 1,
        help="at once (default: cores)",
    )
    asked = parser.parse_args(arguments)
    unknown = [module for module in asked.module if module not in MODULES]
    if unknown:
        parser.error(f"not in tests/mutants/catalogue.py: {', '.join(unknown)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
