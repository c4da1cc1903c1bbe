"""Rotations beside writers and beside other rotations: nothing is lost, nothing waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial

import pytest

from models.errors import DatabaseUnavailable
from models.rows import UserId
from models.times import utcnow
from tests.support.race import at_once
from tests.support.rotation import (
    add_owner,
    assert_sound,
    number,
    run,
    seen,
    stale,
    states,
    write,
)
from tests.support.wrapped import Meanwhile
from utils import rotation
from utils.db import Database
from utils.rotation import Rotator
from utils.store import keys
from utils.vault import Vault

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


@pytest.fixture
def owner(vault: Vault) -> UserId:
    """An account with a few secrets."""
    return add_owner(vault, "owner", count=5)


def switch(vault: Vault, owner: UserId) -> None:
    """What POST /keys:rotate does."""
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owner, utcnow())


def rotate(vault: Vault, db: Database | None = None, batch_size: int = 500) -> Rotator:
    """A whole rotation."""
    rotator = Rotator(db or vault.db, vault.master, utcnow(), batch_size=batch_size)
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    return rotator


def once(action: Callable[[], None]) -> Callable[[], None]:
    """The action at the first call, nothing at the others."""
    left = [action]

    def perhaps() -> None:
        if left:
            left.pop()()

    return perhaps


# --- between two steps -------------------------------------------------------------------------


def test_a_key_retired_during_a_sweep_is_swept_too(vault: Vault, owner: UserId) -> None:
    """Its rows may lie behind the sweep already: they are not left for tomorrow."""
    before = seen(assert_sound(vault))
    switch(vault, owner)
    rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=1)
    again = once(lambda: switch(vault, owner))
    rotator.sweep(lambda _done: again())
    assert stale(assert_sound(vault)) == []
    rotator.destroy()
    found = assert_sound(vault)
    assert states(found, owner) == ["destroyed", "destroyed", "current"]
    assert seen(found) == before


@pytest.mark.parametrize("few_keys", [0, 64])
def test_an_owner_who_never_stops_rotating_does_not_keep_a_sweep_going(
    vault: Vault, owner: UserId, few_keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is retired after the sweep began is for the next one; so each comes to an end."""
    monkeypatch.setattr(rotation, "_FEW_KEYS", few_keys)
    switch(vault, owner)
    rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=3)
    before = seen(assert_sound(vault))

    def rotate_and_write(_done: int) -> None:
        switch(vault, owner)
        assert rotator.report.reencrypted < 50, "the sweep goes on and on"

    rotator.sweep(rotate_and_write)
    assert seen(assert_sound(vault)) == before
    rotate(vault)
    assert stale(assert_sound(vault)) == []


@pytest.mark.invariant(number=1)
def test_a_batch_that_lost_its_race_is_done_again(vault: Vault, owner: UserId) -> None:
    """Its new key was retired and destroyed between the reading and the exchange: the foreign key
    refuses the exchange, and the sweep must not take this for "nothing to do"."""
    before = seen(assert_sound(vault))
    switch(vault, owner)

    def destroy_the_new_key() -> None:
        switch(vault, owner)
        Rotator(vault.db, vault.master, utcnow()).destroy()

    db = Meanwhile(vault.db, once(destroy_the_new_key))
    rotator = Rotator(db, vault.master, utcnow())
    rotator.sweep()
    found = assert_sound(vault)
    assert stale(found) == []
    assert rotator.report.faults == []
    assert states(found, owner) == ["retired", "destroyed", "current"]
    assert seen(found) == before


def test_a_key_that_another_rotation_just_made_is_left(vault: Vault, owner: UserId) -> None:
    """Between the look for accounts that are due and the switch: one new key is enough."""
    due = utcnow()
    rotator = Rotator(
        Meanwhile(vault.db, once(lambda: switch(vault, owner))), vault.master, utcnow()
    )
    rotator.switch(due)
    assert rotator.report.switched == 0
    assert states(assert_sound(vault), owner) == ["retired", "current"]


@pytest.mark.parametrize("batch_size", [1, 500])
def test_an_exchange_that_fails_ends_the_sweep(
    vault: Vault, owner: UserId, batch_size: int
) -> None:
    """And nothing of that batch is moved, nor counted."""
    switch(vault, owner)
    before = assert_sound(vault)

    def go_away() -> None:
        raise DatabaseUnavailable("The database went away, as the test wanted.")

    db = Meanwhile(vault.db, once(go_away))
    rotator = Rotator(db, vault.master, utcnow(), batch_size=batch_size)
    with pytest.raises(DatabaseUnavailable):
        rotator.sweep()
    assert rotator.report.reencrypted == 0
    assert len(stale(assert_sound(vault))) == len(stale(before))


def test_a_row_that_somebody_else_moved_is_not_moved_back(vault: Vault, owner: UserId) -> None:
    """Nor counted: compare-and-set on the key."""
    switch(vault, owner)
    other = Rotator(vault.db, vault.master, utcnow())
    rotator = Rotator(Meanwhile(vault.db, once(other.sweep)), vault.master, utcnow())
    rotator.sweep()
    total = number(vault, "SELECT count(*) FROM secret_versions")
    assert (other.report.reencrypted, rotator.report.reencrypted) == (total, 0)
    assert stale(assert_sound(vault)) == []


@pytest.mark.invariant(number=3)
def test_a_key_that_is_needed_again_is_not_destroyed(vault: Vault, owner: UserId) -> None:
    """Another rotation, which read the key as the current one, moves a row under it at the last
    moment. That key waits for the next run; those beside it are destroyed."""
    bystander = add_owner(vault, "bystander", count=0)
    run(vault, "DELETE FROM secrets WHERE owner_id = ?", bystander)
    for one in (owner, bystander):
        switch(vault, one)
        switch(vault, one)
    needed = number(
        vault, "SELECT max(id) FROM user_keys WHERE state = 'retired' AND owner_id = ?", owner
    )
    oldest = number(vault, "SELECT min(id) FROM user_keys WHERE owner_id = ?", owner)

    def move_under_it() -> None:
        # Only the reference: whether it opens is not what this is about.
        run(vault, "UPDATE secret_versions SET key_id = ? WHERE key_id = ?", needed, oldest)

    rotator = Rotator(Meanwhile(vault.db, once(move_under_it)), vault.master, utcnow())
    rotator.destroy()
    run(vault, "UPDATE secret_versions SET key_id = ? WHERE key_id = ?", oldest, needed)
    found = assert_sound(vault)
    assert states(found, owner) == ["retired", "retired", "current"]
    assert states(found, bystander) == ["destroyed", "destroyed", "current"]


# --- in threads --------------------------------------------------------------------------------


def key_state_of(vault: Vault, name: str) -> str:
    """The state of the key that a secret's newest version is under."""
    with vault.db.read() as tx:
        row = tx.one(
            "SELECT k.state FROM secrets s "
            "JOIN secret_versions v ON v.secret_id = s.id AND v.number = s.version "
            "JOIN user_keys k ON k.id = v.key_id WHERE s.name = ?",
            name,
        )
    assert row is not None
    return str(row[0])


@pytest.mark.invariant(number=1)
def test_a_writer_that_meets_a_switch_uses_the_new_key(vault: Vault, owner: UserId) -> None:
    """It waits for the switch and only then reads which key is current: read before, the value
    would be under a key that is about to be destroyed."""
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            keys.switch(tx, vault.master, owner, utcnow())
            writer = pool.submit(write, vault, owner, "late", b"late")
            time.sleep(0.2)
            assert not writer.done()
        writer.result(60)
    assert key_state_of(vault, "late") == "current"
    assert_sound(vault)


def test_a_switch_that_meets_a_writer_waits(vault: Vault, owner: UserId) -> None:
    """The writer's key is current until its value is committed; then it is swept like others."""
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            keys.lock_owner(tx, owner)
            key_id, _ = keys.current_key(tx, vault.master, owner)
            switcher = pool.submit(switch, vault, owner)
            time.sleep(0.2)
            assert not switcher.done()
            assert keys.current_key(tx, vault.master, owner)[0] == key_id
        switcher.result(60)
    assert states(assert_sound(vault), owner) == ["retired", "current"]


class Crew:
    """Writers and rotators at work, and somebody who looks at the state all the time."""

    def __init__(self, vault: Vault, owners: list[UserId]) -> None:
        self._vault = vault
        self._owners = owners
        self._working = threading.Semaphore(0)
        self.written: list[bytes] = []
        self.looks = 0

    def write(self, writer: int) -> None:
        """Many values, of every account."""
        with self._at_work():
            for i in range(20):
                for owner in self._owners:
                    value = b"%d %d %d" % (writer, i, owner)
                    write(self._vault, owner, f"writer-{writer}", value)
                    self.written.append(value)

    def rotate(self, rotator: int) -> None:
        """One rotation after the other."""
        with self._at_work():
            for _ in range(4):
                rotate(self._vault, batch_size=3 + rotator)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Who fails is done too: otherwise the one who looks would look for ever."""
        try:
            yield
        finally:
            self._working.release()

    def look(self, workers: int) -> None:
        """Invariants 1 to 3, at whatever commit that is."""
        for _ in range(workers):
            while not self._working.acquire(timeout=0.05):
                assert_sound(self._vault)
                self.looks += 1


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
@pytest.mark.invariant(number=3)
def test_writers_and_two_rotations_at_once_lose_nothing(vault: Vault) -> None:
    """Neither fails, and at every moment every value opens with the key that it names."""
    owners = [add_owner(vault, f"owner-{i}") for i in range(3)]
    crew = Crew(vault, owners)
    workers = [partial(work, i) for work in (crew.write, crew.rotate) for i in range(2)]
    at_once([*workers, partial(crew.look, len(workers))])
    assert crew.looks > 0
    rotate(vault)
    found = assert_sound(vault)
    assert stale(found) == []
    opened = [row["opened"] for row in found["secret_versions"]]
    assert sorted(value for value in opened if value in set(crew.written)) == sorted(crew.written)
    assert len(crew.written) == 2 * 20 * 3
    assert {key["state"] for key in found["user_keys"]} == {"current", "destroyed"}
