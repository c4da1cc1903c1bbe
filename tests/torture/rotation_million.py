"""A million secrets re-encrypted, of one user or of ten thousand, while the API goes on at ease.

What is measured is a whole rotation: new keys, re-encryption, destruction, scrubbing. It is
compared with a bare loop of decrypt + encrypt + decrypt in memory (see
:mod:`tests.torture.timed_rotator`), which is what a verified re-encryption must cost at least;
and per secret with small rotations of as many secrets a user, before and after it. Both are told
in units of the bare loop beside them, so that a machine that is slower for a minute does not
count.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from models.rows import UserId, Username
from models.times import utcnow
from tests.support.server import ROOT, Server
from tests.torture import seeding
from tests.torture.framework import Attempt, Figure, Row, none
from tests.torture.pace import PacedReader, PacedWriter, percentile
from tests.torture.places import Engine, Place, Places, on
from tests.torture.timed_rotator import Timed
from tests.torture.writers import Findings, together
from utils.crypto import MasterKeys
from utils.db import Database
from utils.store import keys
from utils.vault import open_store

SECRETS = 1_000_000
USERS = 10_000
_SMALL = 100  # times smaller
_ROUNDS = 5  # of the small rotation, before the large one and again after it
_CLIENTS = 2  # that write, and as many that read
_INTERVAL = 0.2  # seconds between a client's requests: 20 a second in all
_READER = Username("reader")
_PATIENCE = 900
# On PostgreSQL every value crosses a socket twice, and the server checks its reference to its key
# and enters it into three indexes. Together that costs about as much as the encryption, which
# waits meanwhile. ARCHITECTURE.md has the figures.
_SHARES: dict[Engine, float] = {"sqlite": 0.5, "postgresql": 0.25}


def row_of(users: int, engine: Engine) -> Row:
    """The row for a million secrets of so many users."""
    row = partial(_row, users)
    row.__doc__ = f"A million secrets of {users} user(s) are re-encrypted: fast, in little memory."
    return on(engine, row)


def _row(users: int, places: Places, attempt: Attempt) -> Sequence[Figure]:
    secrets = attempt.scaled(SECRETS)
    crowd = attempt.scaled(users) if users > 1 else 1
    with ExitStack() as stack:
        small = Installation(
            attempt, places.place("small"), max(1, secrets // _SMALL), max(1, crowd // _SMALL)
        )
        large = Installation(attempt, places.place("large"), secrets, crowd)
        for installation in (small, large):
            stack.enter_context(installation.server)
            installation.fill()
        small.rotate(_ROUNDS)
        large.rotate(1)
        small.rotate(_ROUNDS)
        filled = seeding.check(large.db, large.master)
    for installation in (small, large):
        installation.db.close()
    attempt.blame(filled.faults)
    return [
        *_figures(places.engine, attempt, small, large),
        *_health(attempt, small, large, filled),
    ]


@dataclass
class Installation:
    """A server, its secrets, and how it did."""

    attempt: Attempt
    place: Place
    secrets: int
    users: int
    server: Server = field(init=False)
    db: Database = field(init=False)
    master: MasterKeys = field(init=False)
    rotations: list[Timed] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    latencies: list[float] = field(default_factory=list)
    _calls: int = 0

    def __post_init__(self) -> None:
        lifetime = {"SECRETS_ACCESS_TOKEN_LIFETIME": "12h"}  # a slow machine may need an hour
        self.server = self.place.server(lifetime)

    def fill(self) -> None:
        """Make the accounts and their secrets. One account has a password: the readers'."""
        self._reader().enter()
        self.db, self.master = open_store(self.place.settings(), utcnow())
        with self.db.read() as tx:
            reader = keys.find_owner(tx, _READER)
        assert reader is not None
        others = seeding.add_accounts(self.db, self.master, self.users - 1)
        seeding.fill(self.db, self.master, [UserId(reader), *others], self.secrets)
        self.db.close()
        os.sync()  # or the disk would be busy with all that while a rotation is timed
        self.attempt.say(f"{self.place.name}: {self.secrets} secrets of {self.users} users")

    def rotate(self, rounds: int) -> None:
        """Rotate so many times, while clients work."""
        clients = self._clients()
        with together(clients):
            done = subprocess.run(
                [sys.executable, "-m", "tests.torture.timed_rotator", str(rounds)],
                cwd=ROOT,
                env=self.server.environment(),
                stdout=subprocess.PIPE,
                timeout=_PATIENCE,
                check=True,
            )
        for client in clients:
            self.findings.add(client.findings)
            self.latencies += client.timetable.latencies
        for answer in json.loads(done.stdout):
            self.rotations.append(Timed(**answer))
            self.attempt.say(f"{self.place.name}: {self.rotations[-1]}")

    def _reader(self) -> PacedReader:
        numbers = range(0, self.secrets, self.users)  # the first account's
        seed = self.attempt.random.random()
        return PacedReader(self.server.url, _READER, seed, _INTERVAL, numbers)

    def _clients(self) -> list[PacedReader | PacedWriter]:
        self._calls += 1
        names = [f"writer{self._calls}-{number}" for number in range(_CLIENTS)]
        seed = self.attempt.random.random
        writers = [PacedWriter(self.server.url, name, seed(), _INTERVAL) for name in names]
        return [*writers, *(self._reader() for _ in range(_CLIENTS))]


def _figures(
    engine: Engine, attempt: Attempt, small: Installation, large: Installation
) -> list[Figure]:
    """How fast, and how much memory."""
    (one,) = large.rotations
    shares = [rotation.share for rotation in small.rotations]
    return [
        # Not all: what the API reads meanwhile moves in passing. Nothing stale may be left, below.
        Figure(one.reencrypted, "secrets", at_least=0.99 * large.secrets),
        Figure(one.switched, "users", at_least=large.users),
        Figure(round(one.seconds), "seconds"),
        Figure(round(one.rate), "re-encrypted a second"),
        Figure(round(one.bare), "bare loops a second"),
        attempt.speed(one.share, "of the bare loop", at_least=_SHARES[engine]),
        Figure(one.reencrypted / one.sweep / one.bare, "in the sweep alone"),
        attempt.speed(
            statistics.median(shares) / one.share,
            f"times the cost per secret of {small.secrets}",
            at_most=1.25,
        ),
        attempt.speed(round(one.megabytes), "MB of memory", at_most=200),
        Figure(len(large.latencies), "requests meanwhile", at_least=1),
        attempt.speed(percentile(large.latencies, 50), "ms at the median"),
        attempt.speed(percentile(large.latencies, 99), "ms at p99", at_most=100),
    ]


def _health(
    attempt: Attempt, small: Installation, large: Installation, filled: seeding.Contents
) -> list[Figure]:
    """Whether it was done right."""
    found = Findings()
    for installation in (small, large):
        found.add(installation.findings)
    wrong = found.unexpected + [
        f"a rotation ended as {rotation}"
        for rotation in small.rotations + large.rotations
        if rotation.faults or not rotation.scrubbed
    ]
    attempt.blame(found.lost + found.half_done + wrong)
    return [
        Figure(large.secrets - filled.intact, "secrets gone", at_most=0),
        none(found.lost + found.half_done + filled.faults, "lost"),
        none(wrong, "errors"),
    ]
