"""One of several rotations at once: round after round, through the library, past the lock file.

A program: ``python -m tests.torture.parallel_rotator SECONDS``, for the installation that its
environment names. Says in JSON what it did.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from models.errors import DatabaseBusy
from models.reports import Report
from models.times import utcnow
from tests.support.faults import FaultPlan, FaultyDatabase
from utils import configuration
from utils.db import Database, Tx
from utils.rotation import Rotator
from utils.vault import open_existing_store


@dataclass
class Done:
    """What all rounds add up to."""

    rounds: int = 0
    switched: int = 0
    reencrypted: int = 0
    destroyed: int = 0
    locked: int = 0  # times that the database was locked for longer than the busy timeout
    seconds: float = 0
    faults: list[str] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """One more round."""
        self.rounds += 1
        self.switched += report.switched
        self.reencrypted += report.reencrypted
        self.destroyed += report.destroyed
        self.faults += [f"{fault.where}: {fault.what}" for fault in report.faults]


class WatchedDatabase(FaultyDatabase):
    """Counts what a rotation waits out: each is a "database is locked"."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner, FaultPlan())
        self.locked = 0

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """See :meth:`Database.write`."""
        try:
            with super().write(wait=wait) as tx:
                yield tx
        except DatabaseBusy:
            self.locked += wait  # one that would not wait comes again
            raise


def main() -> None:
    """Rotate everything until the time is up."""
    db, master = open_existing_store(configuration.load(os.environ))
    watched, done = WatchedDatabase(db), Done()
    print("ready", flush=True)
    sys.stdin.readline()  # all of us begin at once
    began = time.monotonic()
    while time.monotonic() - began < float(sys.argv[1]):
        rotator = Rotator(watched, master, now := utcnow())
        rotator.switch(now)
        rotator.sweep()
        rotator.destroy()
        watched.scrub()
        done.add(rotator.report)
    done.seconds, done.locked = time.monotonic() - began, watched.locked
    print(json.dumps(asdict(done)))


if __name__ == "__main__":
    main()
