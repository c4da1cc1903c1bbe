"""A rotation that times itself, and beside itself the least that its work could cost.

A program: ``python -m tests.torture.timed_rotator ROUNDS``, for the installation that its
environment names. Every second or so the rotation stands aside for a bare loop of decrypt +
encrypt + decrypt in memory. That takes turns with it on the same core, so whatever else slows the
machine down slows down both.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from models.reports import Report
from models.times import utcnow
from tests.torture.seeding import VALUE_BYTES
from utils import configuration
from utils.rotation import Rotator
from utils.vault import open_existing_store

_LOOPS = 2000  # a tenth of a second
_EVERY = 20_000  # secrets


@dataclass
class Timed:
    """One rotation, from beginning to end."""

    seconds: float = 0  # without the bare loops
    sweep: float = 0  # of them, the re-encryption
    reencrypted: int = 0
    switched: int = 0
    destroyed: int = 0
    scrubbed: bool = False
    faults: int = 0
    bare: float = 0  # loops a second, the median
    megabytes: float = 0  # of memory at the most, until now

    @property
    def rate(self) -> float:
        """Secrets a second, of the whole rotation."""
        return self.reencrypted / self.seconds

    @property
    def share(self) -> float:
        """That, in units of the bare loop beside it."""
        return self.rate / self.bare


@dataclass
class Yardstick:
    """The bare loop, and how long it has kept the rotation waiting."""

    rates: list[float] = field(default_factory=list)
    seconds: float = 0
    _done: int = 0

    def measure(self) -> None:
        """Decrypt, encrypt with another key, and decrypt to be sure, in memory."""
        old, new = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
        token = old.encrypt(os.urandom(VALUE_BYTES))
        began = time.perf_counter()
        for _ in range(_LOOPS):
            value = old.decrypt(token)
            if new.decrypt(new.encrypt(value)) != value:
                raise AssertionError
        elapsed = time.perf_counter() - began
        self.rates.append(_LOOPS / elapsed)
        self.seconds += time.perf_counter() - began

    def now_and_then(self, done: int) -> None:
        """To be told how many secrets a batch had."""
        self._done += done
        if self._done >= _EVERY:
            self._done = 0
            self.measure()


def main() -> None:
    """Rotate everything so many times."""
    print(json.dumps([asdict(_rotate()) for _ in range(int(sys.argv[1]))]))


def _rotate() -> Timed:
    """What ``rotate_keys.py --all`` does between its start and its report."""
    db, master = open_existing_store(configuration.load(os.environ))
    yardstick = Yardstick()
    yardstick.measure()
    began, aside = time.perf_counter(), yardstick.seconds
    rotator = Rotator(db, master, now := utcnow())
    with db.rotation_lock():
        rotator.switch(now)
        sweeping = time.perf_counter()
        rotator.sweep(yardstick.now_and_then)
        aside = yardstick.seconds - aside
        swept = time.perf_counter() - sweeping - aside
        rotator.destroy()
        scrubbed = db.scrub()
    seconds = time.perf_counter() - began - aside
    yardstick.measure()
    db.close()
    return _timed(rotator.report, seconds, swept, statistics.median(yardstick.rates), scrubbed)


def _timed(report: Report, seconds: float, swept: float, bare: float, scrubbed: bool) -> Timed:
    return Timed(
        seconds=seconds,
        sweep=swept,
        reencrypted=report.reencrypted,
        switched=report.switched,
        destroyed=report.destroyed,
        scrubbed=scrubbed,
        faults=len(report.faults),
        bare=bare,
        megabytes=_peak_megabytes(),
    )


def _peak_megabytes() -> float:
    """The most memory that this process had.

    getrusage() tells of the process that started this one too, if that was larger: the figure
    outlives an exec. So it is only for systems without /proc.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
