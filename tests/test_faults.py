"""A database that fails at any point of any operation leaves it done or not done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config import Settings
from models.errors import DatabaseUnavailable
from tests.support.dump import delta, dump
from tests.support.faults import FaultPlan, FaultyDatabase
from tests.support.people import Person
from tests.torture.every_call_fails import OPERATIONS, Laboratory
from utils.vault import Vault


@pytest.fixture
def laboratory(settings: Settings) -> Iterator[Laboratory]:
    """An application over a database that fails on command."""
    made = Laboratory(settings)
    yield made
    made.close()


@pytest.mark.invariant(number=9)
@pytest.mark.parametrize("name", OPERATIONS)
def test_whichever_call_fails_the_operation_is_done_or_not_done(
    laboratory: Laboratory, name: str
) -> None:
    """Every call fails once instead of being carried out and once after it: the client is told
    503, the database holds the state before or the state after, and trying again works."""
    trial = laboratory.try_all(OPERATIONS[name])
    assert trial.calls >= 3  # BEGIN, a statement, COMMIT
    assert trial.failed == 2 * trial.calls
    assert trial.partial == []
    assert trial.wrong == []
    # Only a commit whose confirmation got lost leaves the operation done.
    assert trial.survived == 1


def test_a_dump_shows_each_kind_of_difference(vault: Vault, alice: Person) -> None:
    """The instrument: it sees what came, what went, and a change of nothing but random parts."""
    first = dump(vault.db, vault.master)
    alice.put("/secrets/a", json={"secret": "hunter2"})
    second = dump(vault.db, vault.master)
    came = delta(first, second)
    assert [line.split()[:2] for line in came] == [["+", "secret_versions"], ["+", "secrets"]]
    assert "opened=b'hunter2'" in came[0]
    assert [line.split()[:2] for line in delta(second, first)] == [
        ["-", "secret_versions"],
        ["-", "secrets"],
    ]
    with vault.db.write() as tx:
        tx.run("UPDATE secrets SET tag = 'another'")
    assert len(delta(second, dump(vault.db, vault.master))) == 2


def test_a_planned_failure_fires_once_and_rolls_back(vault: Vault, alice: Person) -> None:
    """The instrument: the statement before the failure is undone with it."""
    plan = FaultPlan()
    faulty = FaultyDatabase(vault.db, plan)
    before = dump(vault.db, vault.master)
    plan.arm(3, "after")  # BEGIN, first statement, second statement

    def change() -> None:
        with faulty.write() as tx:
            tx.run("UPDATE users SET username = 'mallory'")
            tx.run("DELETE FROM sessions")

    with pytest.raises(DatabaseUnavailable):
        change()
    assert plan.fired
    assert delta(before, dump(vault.db, vault.master)) == []
    assert plan.disarm() == 3
    with faulty.write() as tx:
        tx.run("UPDATE users SET username = 'mallory'")
    assert len(delta(before, dump(vault.db, vault.master))) == 2
