"""After a rotation no destroyed key, and nothing that it opened, is left in any file of SQLite's;
and after --rewrap-master nothing that the old master key opens.

Found by searching all bytes. PostgreSQL keeps more (SECURITY.md says what).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from config import Settings
from models.times import utcnow
from tests.support.masters import Replacement
from tests.support.past import Past, live_for_years
from tests.support.remote import Remote
from tests.support.rotation import end, number, rotate, start, wait_until
from tests.support.server import Server
from tests.support.trouble import old_snapshot
from utils import sqlite
from utils.rotation import Rotator
from utils.sqlite import SqliteDatabase
from utils.sqlite_remains import remains
from utils.store import keys
from utils.store.system import PURPOSES
from utils.vault import Vault, open_vault

pytestmark = [
    pytest.mark.one_engine(
        "sqlite", "it looks into files; SECURITY.md says what PostgreSQL leaves"
    ),
    pytest.mark.invariant(number=5),
]

IN_USE = "fault: database: is in use: what was destroyed stays in its files until the next run\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything in one folder."""
    return Settings(INSTANCE_DIR=tmp_path / "instance", BCRYPT_COST=4)


@pytest.fixture
def used(settings: Settings, engine: str) -> Iterator[Vault]:
    """An installation that has seen years: keys and values of all sizes, written, written anew and
    deleted in any order, so that SQLite has moved rows from page to page."""
    vault = open_vault(settings, utcnow())
    with closing(vault.db):
        live_for_years(vault, random.Random(4))
        yield vault


# --- with a server beside it -------------------------------------------------------------------


def test_nothing_is_left_after_a_rotation(used: Vault, settings: Settings) -> None:
    """Beside a live server, whose connections stay open and which goes on writing."""
    assert isinstance(used.db, SqliteDatabase)
    with Server(settings.INSTANCE_DIR) as server:
        alice = Remote(server, "alice").enter()
        for i in range(10):
            assert alice.put("a", f"value {i}").ok
        past = Past(used)
        assert past.count > 600
        assert past.found_in(settings.INSTANCE_DIR).keys() >= {"secrets.db"}
        assert alice.get("/secrets/a?version=1").ok
        ran = rotate(settings, "--all")
        assert (ran.status, ran.err) == (0, "")
        assert past.found_in(settings.INSTANCE_DIR) == {}
        assert alice.secret("a") == "value 9"
        assert alice.put("a", "after").ok
        assert past.found_in(settings.INSTANCE_DIR) == {}
        assert rotate(settings, "--verify").status == 0


def rotate_without_scrubbing(used: Vault, db: SqliteDatabase) -> None:
    """All that a rotation does but the last step; and no copy in the WAL."""
    rotator = Rotator(used.db, used.master, utcnow())
    rotator.switch(utcnow())
    rotator.sweep()
    rotator.destroy()
    while not db.try_to_empty_wal():
        time.sleep(0.05)


def test_what_secure_delete_leaves_behind_is_what_is_searched_for(tmp_path: Path) -> None:
    """The instrument, and the reason for all this: SQLite alone, told to delete securely, leaves
    old ciphertexts in the unused space of pages. Not in every file: where rows lie depends on
    random numbers."""
    assert any(leaves_what_scrubbing_finds(tmp_path / str(number), number) for number in range(20))


def leaves_what_scrubbing_finds(instance: Path, seed: int) -> bool:
    """Whether a rotation left anything, in an installation of its own; then it can be scrubbed."""
    vault = open_vault(Settings(INSTANCE_DIR=instance, BCRYPT_COST=4), utcnow())
    with closing(vault.db):
        assert isinstance(vault.db, SqliteDatabase)
        live_for_years(vault, random.Random(seed))
        past = Past(vault)
        rotate_without_scrubbing(vault, vault.db)
        found = past.found_in(instance)
        if not found:
            return False
        assert found.keys() == {"secrets.db"}
        assert {leaf.table for leaf in remains(vault.db)} >= {"secret_versions"}
        assert vault.db.scrub()
        assert list(remains(vault.db)) == []
        assert past.found_in(instance) == {}
        assert vault.db.check() == []
    return True


@pytest.mark.parametrize(
    ("seed", "wal"),
    [
        pytest.param(0, True, id="WAL"),
        pytest.param(1, True, id="WAL, another history"),
        pytest.param(0, False, id="rollback journal"),
    ],
)
def test_nothing_is_left_whatever_was_stored(
    settings: Settings, engine: str, seed: int, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other histories; and the journal of those whose SQLite is too old for a WAL. A second
    rotation leaves nothing of the first one's either."""
    monkeypatch.setattr(sqlite, "has_wal_reset_bug", lambda: not wal)
    vault = open_vault(settings, utcnow())
    with closing(vault.db):
        live_for_years(vault, random.Random(seed))
        pasts = []
        for _ in range(2):
            pasts.append(Past(vault))
            rotator = Rotator(vault.db, vault.master, utcnow())
            rotator.switch(utcnow())
            rotator.sweep()
            rotator.destroy()
            assert vault.db.scrub()
        assert [past.found_in(settings.INSTANCE_DIR) for past in pasts] == [{}, {}]
        assert vault.db.check() == []


def test_a_key_destroyed_by_other_means_is_gone_with_the_next_run(
    used: Vault, settings: Settings
) -> None:
    """Deleting an account destroys keys too: the next run, though it has nothing to do itself,
    leaves nothing of them."""
    assert rotate(settings).status == 0
    past, later = Past(used), utcnow() + timedelta(seconds=1)
    with used.db.write() as tx:
        for (owner,) in tx.all("SELECT id FROM users"):
            keys.switch(tx, used.master, owner, later)
    rotator = Rotator(used.db, used.master, later)
    rotator.sweep()
    rotator.destroy()
    assert past.found_in(settings.INSTANCE_DIR) != {}
    ran = rotate(settings)
    assert (ran.status, ran.out) == (
        0,
        "new keys: 0, re-encrypted: 0, destroyed: 0, faults: 0\n",
    )
    assert past.found_in(settings.INSTANCE_DIR) == {}


# --- another master key ------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["1", "2000"])
def test_nothing_that_the_old_master_key_opens_is_left(
    used: Vault, settings: Settings, batch: str
) -> None:
    """Who steals it, and later a copy of the database, finds no key to open with it. A live server
    goes on meanwhile."""
    masters = Replacement(used)
    wrapped = Past(used, only_wrapped=True)
    assert wrapped.count == number(used, "SELECT count(*) FROM user_key_material") + len(PURPOSES)
    assert wrapped.found_in(settings.INSTANCE_DIR).keys() >= {"secrets.db"}
    both = {"SECRETS_MASTER_KEYS": f"{masters.new},{masters.old}"}
    with Server(settings.INSTANCE_DIR, both) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").ok
        ran = masters.rewrap("--batch-size", batch)
        assert (ran.status, ran.err) == (0, "")
        assert wrapped.found_in(settings.INSTANCE_DIR) == {}
        assert alice.secret("a") == "value"


def test_a_rewrapping_killed_before_it_could_scrub_is_finished_by_the_next_run(
    used: Vault, settings: Settings
) -> None:
    """Though that has nothing to wrap anew."""
    assert isinstance(used.db, SqliteDatabase)
    wrapped, masters = Past(used, only_wrapped=True), Replacement(used)
    with old_snapshot(used.db.path):
        process = start(settings, "--rewrap-master", MASTER_KEYS=f"{masters.new},{masters.old}")
        old = "SELECT count(*) FROM user_key_material WHERE master = ?"
        wait_until(lambda: not number(used, old, used.master.current), "all is rewrapped")
        os.kill(process.pid, signal.SIGKILL)
        assert end(process).status == -signal.SIGKILL
    assert wrapped.found_in(settings.INSTANCE_DIR) != {}
    assert masters.rewrap().out == "rewrapped: 0, faults: 0\n"
    assert wrapped.found_in(settings.INSTANCE_DIR) == {}


# --- with a reader in the way ------------------------------------------------------------------


def test_a_long_read_is_told_and_the_next_run_finishes(used: Vault, settings: Settings) -> None:
    """While somebody reads an old state, as a long backup does, the WAL cannot be emptied. That is
    a fault; it delays no writer; and the next run sees to it though it destroys nothing."""
    assert isinstance(used.db, SqliteDatabase)
    past = Past(used)
    with Server(settings.INSTANCE_DIR) as server:
        alice = Remote(server, "alice").enter()
        with old_snapshot(used.db.path):
            process = start(settings, "--all", DATABASE_TIMEOUT="1s")
            slowest = 0.0
            while process.poll() is None:
                began = time.monotonic()
                assert alice.put("a", "value").ok
                slowest = max(slowest, time.monotonic() - began)
            ran = end(process)
        assert (ran.status, ran.err) == (1, IN_USE)
        assert slowest < 1
        assert past.found_in(settings.INSTANCE_DIR) != {}
        assert rotate(settings, "--status", "--json").json["last_run"]["outcome"] == "incomplete"
        ran = rotate(settings)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith("new keys: 0, re-encrypted: 0, destroyed: 0,")
        assert past.found_in(settings.INSTANCE_DIR) == {}


def test_a_run_killed_before_it_could_scrub_is_finished_by_the_next(
    used: Vault, settings: Settings
) -> None:
    """Everything was destroyed, and nobody lived to overwrite what that left behind."""
    assert isinstance(used.db, SqliteDatabase)
    past = Past(used)
    with old_snapshot(used.db.path):
        process = start(settings, "--all")
        wait_until(
            lambda: (
                number(used, "SELECT count(*) FROM user_keys WHERE state <> 'current'") == 60
                and not number(used, "SELECT count(*) FROM user_keys WHERE state = 'retired'")
            ),
            "everything is destroyed",
        )
        os.kill(process.pid, signal.SIGKILL)
        assert end(process).status == -signal.SIGKILL
    assert past.found_in(settings.INSTANCE_DIR) != {}
    assert rotate(settings).status == 0
    assert past.found_in(settings.INSTANCE_DIR) == {}
