"""Clients at a fixed pace: a live service beside a rotation, and how long it lets them wait.

A closed loop of writers hides delays (while one waits it asks nothing) and fills the database
at whatever speed the machine has. These have a timetable: a request counts from the moment it was
due, so a delay that makes others late is counted for each of them.
"""

from __future__ import annotations

import base64
import statistics
import time
from collections.abc import Sequence

from tests.torture.seeding import name_of, value_of
from tests.torture.writers import Client, Writer

_READS_BACK = 0.3  # of a writer's requests


class Timetable:
    """When the requests of one client are due."""

    def __init__(self, interval: float, first: float) -> None:
        self._interval = interval
        self._due = time.monotonic() + first
        self.latencies: list[float] = []  # seconds, from when a request was due

    def wait(self) -> None:
        """Wait until the next request is due; not at all if it is late."""
        time.sleep(max(0.0, self._due - time.monotonic()))

    def done(self) -> None:
        """The request was answered."""
        self.latencies.append(time.monotonic() - self._due)
        self._due += self._interval

    def skip_what_was_missed(self) -> None:
        """After a time in which nothing was to be measured."""
        self._due = max(self._due, time.monotonic())


class PacedWriter(Writer):
    """A writer with a timetable, who also reads back what it wrote while all is well."""

    def __init__(self, url: str, username: str, seed: float, interval: float) -> None:
        super().__init__(url, username, seed)
        self.timetable = Timetable(interval, self.random.uniform(0, interval))

    def enter(self) -> None:
        """Register and log in; the timetable begins after that."""
        super().enter()
        self.timetable.skip_what_was_missed()

    def step(self) -> None:
        """Write, or read back, when it is time."""
        self.timetable.wait()
        if self.random.random() < _READS_BACK:
            self._compare(self.random.choice(list(self.pages.values())))
        else:
            super().step()
        self.timetable.done()


class PacedReader(Client):
    """Reads the secrets that were filled in for its account, whose numbers are given."""

    def __init__(
        self, url: str, username: str, seed: float, interval: float, numbers: Sequence[int]
    ) -> None:
        super().__init__(url, username, seed)
        self.numbers = numbers
        self.timetable = Timetable(interval, self.random.uniform(0, interval))

    def enter(self) -> None:
        """Register and log in; the timetable begins after that."""
        super().enter()
        self.timetable.skip_what_was_missed()

    def step(self) -> None:
        """Read one when it is time."""
        self.timetable.wait()
        number = self.random.choice(self.numbers)
        response = self.try_once("GET", f"/secrets/{name_of(number)}")
        self.timetable.done()
        if response is None or not response.ok:
            status = "not" if response is None else response.status_code
            self.findings.unexpected.append(f"GET {name_of(number)} was answered {status}")
        elif base64.b64decode(response.json()["secret"]) != value_of(number):
            self.findings.lost.append(f"{name_of(number)} reads as something else")
        else:
            self.findings.read_back += 1


def percentile(latencies: Sequence[float], percent: int) -> float:
    """In whole milliseconds; NaN, which meets no goal, of fewer than two."""
    if len(latencies) < 2:
        return float("nan")
    cut = statistics.quantiles(latencies, n=100, method="inclusive")[percent - 1]
    return round(cut * 1000)
