"""Which tests guard which invariant, on which engine: read off their marks, without running them.

``@pytest.mark.invariant(number=3)``, once for each that a test guards. What the numbers stand for
is in ARCHITECTURE.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.support.engines import choice_of
from tests.support.server import ROOT
from tests.support.source import TESTS

MARK = "invariant"


@dataclass(frozen=True)
class Guard:
    """One test, or variant of a test, of one invariant."""

    test: str
    engine: str  # empty: it needs no database
    number: object  # as it was written: it may be none that there is


class Roll:
    """A plugin of pytest's that writes down what was collected."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Each mark of each test."""
        guards = [
            Guard(item.nodeid, choice_of(item).engine, mark.kwargs.get("number"))
            for item in session.items
            for mark in item.iter_markers(MARK)
        ]
        self._file.write_text(json.dumps([asdict(one) for one in guards]))


def guards(folder: Path, expression: str = MARK) -> list[Guard]:
    """All that ``-m expression`` selects. In a process of its own: ours has collected already."""
    file = folder / "guards.json"
    marked = [str(path) for path in TESTS if f"mark.{MARK}(" in path.read_text("utf-8")]
    command = [sys.executable, "-m", __name__, str(file), "-m", expression, *marked]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [Guard(**one) for one in json.loads(file.read_text())]


if __name__ == "__main__":
    options = ["--collect-only", "-qq", "-n", "0", "-p", "no:cacheprovider"]
    sys.exit(pytest.main([*options, *sys.argv[2:]], plugins=[Roll(Path(sys.argv[1]))]))
