"""The rows of histories find a service that is broken: conditions, memories, halves of a batch."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.support.server import ROOT
from tests.torture import history as rows
from tests.torture.framework import Attempt

BROKEN = {
    "conditions that nobody looks at": (
        "secrets that no order explains",
        """
from models.conditions import Conditions
Conditions.require = lambda self, found: None
""",
    ),
    "reads from a memory of each worker's own": (
        "secrets that no order explains",
        """
import time
from utils.store import secret_reads
really, kept = secret_reads.read, {}
def read(tx, master, owner, name, version, now):
    if name not in kept or time.monotonic() > kept[name][0]:
        kept[name] = time.monotonic() + 0.2, really(tx, master, owner, name, version, now)
    return kept[name][1]
secret_reads.read = read
""",
    ),
    "a batch of which half is forgotten": (
        "halves of a batch",
        """
from utils.store import batch
really = batch.write_all
batch.write_all = lambda tx, master, act, writes: really(tx, master, act, writes[:1])
""",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_row_finds_a_service_that_is_broken(name: str, tmp_path: Path) -> None:
    """The very row, with a server that Python itself breaks at its start: it must be short."""
    figure, how = BROKEN[name]
    (tmp_path / "sitecustomize.py").write_text(how)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    attempt = Attempt(tmp_path, 1, 0.006, notes=io.StringIO())
    figures = {one.name: one for one in rows.sqlite(attempt, PYTHONPATH=paths)}
    assert figures[figure].value > 0
    assert not figures[figure].ok
    assert figures["operations"].ok
    assert figures["wrong answers"].ok
