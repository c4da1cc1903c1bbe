"""Each database call of a rotation made to fail, one at a time: every commit in it leaves all well.

A rotation is many transactions by design, so "done or not done" is not the question. It is: does
every value open and read as before, has every account one current key, is nothing destroyed that
is needed; and does the next normal run, by itself, finish what was begun.
"""

from __future__ import annotations

from collections.abc import Sequence

import rotate_keys
from app import create_app
from config import Settings
from models.errors import TryLater
from routes.context import vault_of
from tests.support.faults import WHENS, FaultPlan, FaultyDatabase, When
from tests.support.people import Person
from tests.torture.inspection import Inspection, inspect
from tests.torture.trial import Trial
from utils.console import Output
from utils.rotation_commands import RotationCommands
from utils.verify import verify

_PEOPLE = 3
_VERSIONS = 2  # of each of their secrets
_BATCH = "2"  # so that a sweep is several batches
_UNDONE = "SELECT count(*) FROM user_keys WHERE state = 'retired'"


class RotationLaboratory:
    """Accounts with secrets, and the command over a database that fails on command."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        app = create_app(settings)
        self._vault = vault_of(app)
        self._plan = FaultPlan()
        self._faulty = FaultyDatabase(self._vault.db, self._plan)
        for number in range(_PEOPLE):
            person = Person(app, f"person{number}")
            assert person.register().status_code == 201
            assert person.login().status_code == 200
            for version in range(_VERSIONS):
                for name in ("a", "b"):
                    body = {"secret": f"{number} {name} {version}"}
                    assert person.put(f"/secrets/{name}", json=body).status_code < 300
        self._expected = self._inspect().digests

    def close(self) -> None:
        """Close the database."""
        self._vault.close()

    def count_calls(self) -> int:
        """How many calls a rotation makes when nothing fails."""
        self._plan.arm(0, "instead")
        assert self._rotate("--all") == 0
        return self._plan.disarm()

    def try_each(self, numbers: Sequence[int]) -> Trial:
        """Fail each of these calls, first instead of and then after carrying it out."""
        trial = Trial(calls=len(numbers))
        for when in WHENS:
            for number in numbers:
                self._try(number, when, trial)
        return trial

    def _try(self, number: int, when: When, trial: Trial) -> None:
        what = f"call {number} failed {when} being carried out"
        self._plan.arm(number, when)
        try:
            status = self._rotate("--all")
            trial.wrong.append(f"{what}: the rotation ended with {status}")
        except TryLater:
            pass  # the command says so, and exits with 1
        trial.failed += self._plan.fired
        self._plan.disarm()
        trial.partial += [f"{what}: {fault}" for fault in self._faults()]
        if (status := self._rotate()) != 0:
            trial.wrong.append(f"{what}: the next run ended with {status}")
        if undone := self._undone():
            trial.wrong.append(f"{what}: the next run left {undone} retired keys")
        trial.partial += [f"{what}, next run: {fault}" for fault in self._faults()]

    def _rotate(self, *arguments: str) -> int:
        """What ``rotate_keys.py`` does once it has opened the database."""
        options = rotate_keys._options(["--quiet", "--batch-size", _BATCH, *arguments])
        out = Output(as_json=False, quiet=True)
        commands = RotationCommands(self._faulty, self._vault.master, out)
        return rotate_keys.carry_out(options, self._settings, commands)

    def _faults(self) -> list[str]:
        """What is lost, does not open, or does not fit together; seen by us and by --verify."""
        found = self._inspect()
        told = verify(self._vault.db, self._vault.master, lambda _done: None).faults
        lost = [] if found.digests == self._expected else ["a value is lost or another one"]
        return lost + found.unreadable + found.inconsistent + [str(fault) for fault in told]

    def _inspect(self) -> Inspection:
        return inspect(self._settings)

    def _undone(self) -> int:
        with self._vault.db.read() as tx:
            row = tx.one(_UNDONE)
        return int(row[0]) if row else 0
