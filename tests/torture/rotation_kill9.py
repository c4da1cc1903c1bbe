"""``kill -9`` of the rotation, again and again, beside a live server and its writers.

The rotation is ``rotate_keys.py --all``: every attempt makes all keys new and all ciphertexts
stale, so whatever the one before left half done lies under the work of the next. Most attempts are
forked children that run the command's ``main()`` (see :mod:`tests.torture.rotator`): a life is
then work from beginning to end, and not imports. Which step a kill hit is read off the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.times import utcnow
from tests.torture import seeding
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import inspect
from tests.torture.pace import PacedWriter
from tests.torture.places import Engine, Place, Places
from tests.torture.rotator import Ended, Rotations
from tests.torture.writers import Findings, together
from utils.crypto import MasterKeys
from utils.db import Database
from utils.vault import open_store

KILLS = 1000
WRITERS = 3
# Seconds between a writer's requests. Each leaves a version, which every later life has to move: on
# PostgreSQL, where lives take longer, they were ten times the filler's after 250 kills with 0.25.
_INTERVAL: dict[Engine, float] = {"sqlite": 0.25, "postgresql": 1.0}
_ACCOUNTS = 60
# Secrets: a sweep that takes longer than everything around it. On PostgreSQL each life leaves a
# dead version of every row, and until a vacuum comes the next has to pass them all.
_FILLER: dict[Engine, int] = {"sqlite": 1500, "postgresql": 300}
_BY_COMMAND = 0.15  # of all attempts; the others are forked
_BEYOND = 1.05  # of its usual length may a life last
_UNDISTURBED = 40  # every so many kills a run may finish; it tells how long a life is by now
_INSPECTIONS = 10  # times that all that is stored is opened under way

_LAST_RUN = "SELECT id, outcome, started_at FROM rotation_runs ORDER BY id DESC LIMIT 1"
_UNSWITCHED = "SELECT 1 FROM user_keys WHERE state = 'current' AND created_at < ? LIMIT 1"
_STALE = (
    "SELECT 1 FROM user_keys k JOIN secret_versions v ON v.key_id = k.id "
    "WHERE k.state = 'retired' LIMIT 1"
)
_RETIRED = "SELECT 1 FROM user_keys WHERE state = 'retired' LIMIT 1"
_WORK = ("switch", "sweep", "destroy", "scrub")
_STEPS = ("start", *_WORK, "exit")


def row(places: Places, attempt: Attempt) -> Sequence[Figure]:
    """The rotation is killed under 3 writers: nothing lost, nothing unreadable."""
    # Long-lived tokens: on a slow machine the run may outlast the usual 15 minutes.
    place = places.place("instance")
    server = place.server({"SECRETS_ACCESS_TOKEN_LIFETIME": "12h"})
    writers = [
        PacedWriter(server.url, f"writer{i}", attempt.random.random(), _INTERVAL[places.engine])
        for i in range(WRITERS)
    ]
    with server:
        db, master = open_store(place.settings(), utcnow())
        most = _FILLER[places.engine]
        filler = max(most // 4, attempt.scaled(most))
        seeding.fill(db, master, seeding.add_accounts(db, master, _ACCOUNTS), filler)
        log = attempt.folder / "rotations.log"
        with Rotations(server.environment(), log) as rotations, together(writers):
            killer = Killer(attempt, place, rotations, db)
            killer.kill_so_often(attempt.scaled(KILLS))
            killer.finish()
        for writer in writers:
            writer.read_all_back()
    return _figures(attempt, killer, writers, master, filler)


@dataclass
class Killer:
    """Starts rotations and kills them at any moment of their lives."""

    attempt: Attempt
    place: Place
    rotations: Rotations
    db: Database
    hits: Counter[str] = field(default_factory=Counter)  # kills, by the step they hit
    commands: int = 0
    finished: int = 0  # runs that were done, in time or undisturbed
    inspections: int = 0
    faults: list[str] = field(default_factory=list)  # what rotations complained about
    unreadable: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)
    left: int = 0  # keys or ciphertexts that the last, undisturbed run left behind
    _usual: float = 0.0  # seconds that a life takes
    _start: float = 0.0  # seconds that the command takes to begin
    _run: int = 0  # number of the last recorded run

    def kill_so_often(self, kills: int) -> None:
        """Until so many were killed."""
        self._learn()
        self._start = max(0.0, self._finish_one(self.rotations.command("--all")) - self._usual)
        while (done := self.hits.total()) < kills:
            if done >= (self.inspections + 1) * kills / _INSPECTIONS:
                self._inspect()
            if done % _UNDISTURBED == _UNDISTURBED - 1:
                self._learn()
            self._one_life()
            if done % 50 == 49:
                self.attempt.say(f"{done + 1} kills, a run takes {self._usual:.2f} s")

    def finish(self) -> None:
        """What a night later happens: a normal run, by cron, that drains everything."""
        self._finish_one(self.rotations.command())
        with self.db.read() as tx:
            self.left = sum(tx.one(query) is not None for query in (_STALE, _RETIRED))
        self._finish_one(self.rotations.command("--verify"))

    def _one_life(self) -> None:
        if self.attempt.random.random() < _BY_COMMAND:
            begin, before = self.rotations.command, self._start
            self.commands += 1
        else:
            begin, before = self.rotations.fork, 0.0
        moment = self.attempt.random.uniform(0, before + _BEYOND * self._usual)
        ended = begin("--all", kill_after=moment)
        step = self._step()
        if ended.killed:
            self.hits[step] += 1
        else:
            self._finish_one(ended)

    def _learn(self) -> None:
        self._usual = self._finish_one(self.rotations.fork("--all"))

    def _finish_one(self, ended: Ended) -> float:
        if ended.status != 0:
            self.faults.append(f"a run that nobody killed ended with {ended.status}")
        self.finished += 1
        self._step()
        return ended.seconds

    def _step(self) -> str:
        """Where the last rotation stopped. Only rotations leave traces of this kind."""
        with self.db.read() as tx:
            run = tx.one(_LAST_RUN)
            if run is None or run[0] == self._run:
                return "start"
            self._run, outcome, started_at = run
            if outcome != "running":
                return "exit"
            if tx.one(_UNSWITCHED, started_at):
                return "switch"
            if tx.one(_STALE):
                return "sweep"
            return "destroy" if tx.one(_RETIRED) else "scrub"

    def _inspect(self) -> None:
        """While everything runs: what holds at every commit holds now."""
        found = inspect(self.place.settings())
        self.inspections += 1
        self.unreadable += found.unreadable
        self.inconsistent += found.inconsistent


def _figures(
    attempt: Attempt,
    killer: Killer,
    writers: Sequence[PacedWriter],
    master: MasterKeys,
    filler: int,
) -> Sequence[Figure]:
    killer.db.close()
    behind = inspect(killer.place.settings())
    missing = behind.missing(
        (writer.username, page) for writer in writers for page in writer.pages.values()
    )
    filled = seeding.check(killer.db, master)
    killer.db.close()
    written = Findings()
    for writer in writers:
        written.add(writer.findings)
    lost = written.lost + missing + filled.faults
    unreadable = killer.unreadable + behind.unreadable
    half = killer.inconsistent + behind.inconsistent + written.half_done
    wrong = killer.faults + written.unexpected
    for faults in (lost, unreadable, half, wrong):
        attempt.blame(faults)
    kills = attempt.scaled(KILLS)
    at_work = sum(killer.hits[step] for step in _WORK)
    # Of a thousand kills some hit even the shortest step. Of fifteen, chance alone may put most
    # before the work begins.
    least = {step: 1 if step in _WORK and kills >= KILLS else None for step in _STEPS}
    working = kills / 2 if kills >= KILLS else 1
    return [
        Figure(killer.hits.total(), "kills", at_least=kills),
        Figure(killer.commands, "attempts with the command itself"),
        Figure(at_work, "kills at work", at_least=working),
        *(Figure(killer.hits[step], f"in {step}", at_least=least[step]) for step in _STEPS),
        Figure(killer.finished, "runs finished"),
        Figure(written.acknowledged, "acknowledged writes", at_least=attempt.scaled(1000)),
        Figure(written.read_back, "reads"),
        Figure(behind.versions, "versions opened", at_least=filler),
        Figure(killer.inspections, "inspections under way"),
        Figure(filler - filled.intact, "secrets gone", at_most=0),
        none(lost, "lost"),
        none(unreadable, "unreadable"),
        none(half, "inconsistent"),
        none(wrong, "wrong answers or exits"),
        Figure(killer.left, "left behind by a last normal run", at_most=0),
    ]
