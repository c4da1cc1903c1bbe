"""Rotations that crash at any commit, or find the database busy: what is left is whole."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

import pytest

from models.errors import DatabaseBusy
from models.times import utcnow
from tests.support.rotation import add_owner, assert_sound, seen, stale, states
from tests.support.wrapped import Crash, Crashing, Meanwhile
from utils import rotation
from utils.db import Database
from utils.rotation import Rotator
from utils.vault import Vault

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


def rotate(vault: Vault, db: Database | None = None, batch_size: int = 500) -> None:
    """A whole rotation."""
    rotator = Rotator(db or vault.db, vault.master, utcnow(), batch_size=batch_size)
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
@pytest.mark.invariant(number=3)
@pytest.mark.parametrize("few_keys", [0, 64])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_commit_leaves_what_the_next_run_finishes(
    vault: Vault, when: Literal["before", "after"], few_keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it, or after it and before anybody knows: there is no step in between."""
    monkeypatch.setattr(rotation, "_FEW_KEYS", few_keys)
    owners = [add_owner(vault, f"owner-{i}", count=1) for i in range(2)]
    before = seen(assert_sound(vault))
    crashes = 0
    while True:
        db = Crashing(vault.db, crashes + 1, when)
        try:
            rotate(vault, db, batch_size=3)
        except Crash:
            crashes += 1
        else:
            break
        assert seen(assert_sound(vault)) == before
        rotate(vault)
        found = assert_sound(vault)
        assert seen(found) == before
        assert stale(found) == []
        for owner in owners:
            assert set(states(found, owner)[:-1]) == {"destroyed"}
    # One switch, the batches (of all rows, or of each key's), one destruction.
    assert crashes == (1 + 3 + 1 if few_keys == 0 else 1 + 2 * 2 + 1)


def test_a_busy_database_is_asked_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation has time; but not for ever, so that it never hangs."""
    add_owner(vault, "owner")
    monkeypatch.setattr(vault.db, "patience_seconds", 0.3)
    refusals = 0

    def refuse(times: int) -> None:
        nonlocal refusals
        if refusals < times:
            refusals += 1
            raise DatabaseBusy("The database is busy, as the test wanted.")

    rotate(vault, Meanwhile(vault.db, lambda: refuse(2)))
    assert stale(assert_sound(vault)) == []
    with pytest.raises(DatabaseBusy):
        rotate(vault, Meanwhile(vault.db, lambda: refuse(10**6)))
    assert 2 < refusals < 10**6
    assert_sound(vault)
