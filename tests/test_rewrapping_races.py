"""The master key is replaced beside everything else that touches keys: whoever is first, wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

import pytest

from models.rows import UserId, Username
from models.times import utcnow
from tests.support.dump import dump
from tests.support.masters import Replacement, opens
from tests.support.race import at_once
from tests.support.rotation import add_owner, number, seen, states, write
from tests.support.wrapped import Meanwhile
from utils.crypto import MasterKeys
from utils.db import Database
from utils.rewrapping import Rewrapper
from utils.rotation import Rotator
from utils.store import accounts, keys, system
from utils.vault import Vault
from utils.verify import verify

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


@pytest.fixture
def owner(vault: Vault) -> UserId:
    """An account with a few secrets, and a drained key that only waits to be destroyed."""
    made = add_owner(vault, "ada", count=1)
    switch(vault, vault.master, made)
    Rotator(vault.db, vault.master, utcnow()).sweep()
    return made


@pytest.fixture
def masters(vault: Vault, owner: UserId) -> Replacement:
    """The master key that wraps all this, and another one."""
    return Replacement(vault)


def rewrap(db: Database, master: MasterKeys, batch_size: int = 100) -> int:
    """All of it, without a fault; how many keys that were."""
    rewrapper = Rewrapper(db, master, batch_size)
    rewrapper.rewrap_all()
    assert rewrapper.report.faults == []
    return rewrapper.report.rewrapped


def switch(vault: Vault, master: MasterKeys, owner: UserId) -> None:
    """What POST /keys:rotate does."""
    with vault.db.write() as tx:
        keys.switch(tx, master, owner, utcnow())


def rotate(vault: Vault, master: MasterKeys) -> None:
    """A whole rotation."""
    rotator = Rotator(vault.db, master, utcnow(), batch_size=3)
    rotator.switch(ALWAYS)
    rotator.sweep()
    rotator.destroy()
    assert rotator.report.faults == []


def leave(vault: Vault, name: str) -> None:
    """What DELETE /account does."""
    with vault.db.write() as tx:
        credentials = accounts.find_credentials(tx, Username(name))
        assert credentials is not None
        assert accounts.delete(tx, credentials, utcnow())


def assert_moved(vault: Vault, masters: Replacement) -> None:
    """The new master key opens everything that there is, and the old one nothing."""
    assert opens(vault.db, masters.old) == 0
    assert verify(vault.db, masters.alone, lambda _done: None).faults == []


# --- between reading and exchange --------------------------------------------------------------


def test_a_key_that_another_run_wrapped_meanwhile_is_not_wrapped_back(
    vault: Vault, masters: Replacement
) -> None:
    """Nor counted: compare-and-set on the old text."""
    runs = [partial(rewrap, vault.db, masters.both)]
    others = []

    def other() -> None:
        if runs:
            others.append(runs.pop()())

    assert rewrap(Meanwhile(vault.db, other), masters.both) == 0
    assert others == [2 + len(system.PURPOSES)]
    assert_moved(vault, masters)


def test_a_key_that_was_destroyed_meanwhile_stays_destroyed(
    vault: Vault, masters: Replacement, owner: UserId
) -> None:
    """Its material does not come back, and that it is gone is no fault."""
    destroyer = Rotator(vault.db, masters.both, utcnow())
    db = Meanwhile(vault.db, destroyer.destroy, before="exchange")
    if vault.db.dialect.name == "sqlite":  # whose one write lock is held before the exchange
        db = Meanwhile(vault.db, destroyer.destroy)
    assert rewrap(db, masters.both) == 1 + len(system.PURPOSES)
    assert states(dump(vault.db, masters.alone), owner) == ["destroyed", "current"]
    assert_moved(vault, masters)


def test_a_key_made_meanwhile_is_under_the_new_master_key(
    vault: Vault, masters: Replacement, owner: UserId
) -> None:
    """Where servers have it first, as they should: nothing is left for another run."""
    before = seen(dump(vault.db, vault.master))
    db = Meanwhile(vault.db, partial(switch, vault, masters.both, owner))
    assert rewrap(db, masters.both) == 2 + len(system.PURPOSES)
    assert seen(dump(vault.db, masters.alone)) == before
    assert_moved(vault, masters)


def test_a_key_that_shows_late_is_wrapped_in_the_next_pass(
    vault: Vault, masters: Replacement
) -> None:
    """PostgreSQL may show a key only after one with a higher number."""
    oldest = number(vault, "SELECT min(key_id) FROM user_key_material")
    with vault.db.read() as tx:
        (hidden,) = tx.all("SELECT sealed, master FROM user_key_material WHERE key_id = ?", oldest)
    steps: list[int] = []

    def show_it_late(done: int) -> None:
        steps.append(done)
        if len(steps) == 2 + len(system.PURPOSES):
            with vault.db.write() as tx:
                restore = "UPDATE user_key_material SET sealed = ?, master = ? WHERE key_id = ?"
                tx.run(restore, *hidden, oldest)

    rewrapper = Rewrapper(vault.db, masters.both, batch_size=1)
    rewrapper.rewrap_all(show_it_late)
    assert rewrapper.report.faults == []
    assert len(steps) == 3 + len(system.PURPOSES)
    assert_moved(vault, masters)


def test_one_key_made_meanwhile_is_told_beside_one_that_does_not_open(
    vault: Vault, masters: Replacement
) -> None:
    """The one is for a server to be restarted, the other for a backup; neither hides the other."""
    oldest = number(vault, "SELECT min(key_id) FROM user_key_material")
    with vault.db.write() as tx:
        tx.run("UPDATE user_key_material SET sealed = 'damaged' WHERE key_id = ?", oldest)
    newcomers = ["bea"]

    def somebody_registers(_done: int) -> None:
        if newcomers:
            add_owner(vault, newcomers.pop(), count=1)

    rewrapper = Rewrapper(vault.db, masters.both)
    rewrapper.rewrap_all(somebody_registers)
    damaged, late = rewrapper.report.faults
    assert damaged.where == f"user_keys id={oldest}"
    assert late.where == f"master key {vault.master.current}"
    assert late.what.startswith("wraps 1 keys made meanwhile")


def test_an_account_that_was_deleted_meanwhile_is_no_fault(
    vault: Vault, masters: Replacement
) -> None:
    """All its keys are gone."""
    left = [partial(leave, vault, "ada")]

    def once() -> None:
        if left:
            left.pop()()

    assert rewrap(Meanwhile(vault.db, once), masters.both) == len(system.PURPOSES)
    assert number(vault, "SELECT count(*) FROM user_key_material") == 0
    assert_moved(vault, masters)


# --- all at once -------------------------------------------------------------------------------


def test_everything_at_once_gets_along(vault: Vault, masters: Replacement) -> None:
    """Two that rewrap, a rotation, and people who come, write, rotate their keys and leave: nobody
    waits in a circle, nothing is lost, and the old master key opens nothing at the end."""
    people = {f"person-{i}": add_owner(vault, f"person-{i}", count=2) for i in range(12)}
    stay = dict(list(people.items())[:8])
    nodes = replace(vault, master=masters.both)

    def use(name: str) -> None:
        for i in range(15):
            write(nodes, people[name], f"written-{i}", b"%s %d" % (name.encode(), i))
            if i % 4 == 3:
                switch(vault, masters.both, people[name])

    def come() -> None:
        for i in range(20):
            add_owner(nodes, f"new-{i}", count=1)

    jobs: list[Callable[[], object]] = [
        partial(rewrap, vault.db, masters.both, 1),
        partial(rewrap, vault.db, masters.both, 3),
        partial(rotate, vault, masters.both),
        come,
        *(partial(use, name) for name in stay),
        *(partial(leave, vault, name) for name in people.keys() - stay.keys()),
    ]
    at_once(jobs)
    assert_moved(vault, masters)
    found = dump(vault.db, masters.alone)
    for name, owner in stay.items():
        ids = {row["id"] for row in found["secrets"] if row["owner_id"] == owner}
        written = {row["opened"] for row in found["secret_versions"] if row["secret_id"] in ids}
        assert written >= {b"%s %d" % (name.encode(), i) for i in range(15)}
