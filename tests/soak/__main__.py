"""``python -m tests.soak``; its options are those of :mod:`tests.torture.command`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.soak.catalogue import ROWS
from tests.torture import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that were asked for. The exit code."""
    return command.run("tests.soak", ROWS, arguments)


if __name__ == "__main__":
    sys.exit(main())
