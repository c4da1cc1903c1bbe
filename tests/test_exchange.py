"""A batch that is under way while the rotation goes on: whatever happens to it, each value is moved
once or stays, and is counted. With the database as it is, not a double of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone

import psycopg
import pytest

from models.errors import DatabaseUnavailable
from models.rows import UserId
from tests.support.rotation import add_owner, number
from utils.interruption import Interrupted
from utils.reencryption import Exchange
from utils.rotation import Rotator
from utils.vault import Vault
from utils.verify import verify

pytestmark = [pytest.mark.invariant(number=1), pytest.mark.invariant(number=3)]
ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
EACH = 6  # ciphertexts of an account
STALE = (
    "SELECT count(*) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
    "WHERE k.state = 'retired'"
)


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Two accounts, of which each has six ciphertexts."""
    return [add_owner(vault, name, count=3) for name in ("alice", "bob")]


@pytest.fixture
def rotator(vault: Vault, owners: list[UserId], now: datetime) -> Rotator:
    """One that has made all ciphertexts stale, and is to move them."""
    found = Rotator(vault.db, vault.master, now)
    found.switch(ALWAYS)
    assert number(vault, STALE) == EACH * len(owners)
    return found


def around(
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Do something when the first batch is handed over."""
    begin, done = Exchange.begin, list[bool]()

    def interrupted(exchange: Exchange, batch: object) -> None:
        if not done:
            before()
        begin(exchange, batch)  # type: ignore[arg-type]
        if not done:
            done.append(True)
            after()

    monkeypatch.setattr(Exchange, "begin", interrupted)


def test_a_batch_waits_for_who_has_its_rows(
    vault: Vault, rotator: Rotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is moved as soon as they are free, and counted once."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with vault.db.write() as tx:
            tx.run("UPDATE secret_versions SET author = author")
            held.set()
            assert release.wait(60)

    holder = threading.Thread(target=hold)

    def lock() -> None:
        holder.start()
        assert held.wait(60)
        threading.Timer(0.3, release.set).start()

    around(monkeypatch, before=lock)
    rotator.sweep()
    holder.join(60)
    assert (rotator.report.reencrypted, number(vault, STALE)) == (2 * EACH, 0)
    assert rotator.report.faults == []


def test_a_batch_whose_key_is_gone_is_done_again(
    vault: Vault, rotator: Rotator, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key was replaced and destroyed since it was read: the foreign key refuses it."""

    def replace() -> None:
        other = Rotator(vault.db, vault.master, now)
        other.switch(ALWAYS)
        other.destroy()
        assert other.report.destroyed == 2

    around(monkeypatch, before=replace)
    rotator.sweep()
    assert (rotator.report.reencrypted, number(vault, STALE)) == (2 * EACH, 0)
    assert verify(vault.db, vault.master, lambda _done: None).faults == []


def test_what_is_under_way_when_it_is_told_to_stop_is_counted(
    vault: Vault, rotator: Rotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed all the same, and the record of the rotation is to say so."""

    def stop() -> None:
        def tell() -> None:
            monkeypatch.setattr(vault.db, "at_rest", lambda: None)  # once, as a signal does
            raise Interrupted

        monkeypatch.setattr(vault.db, "at_rest", tell)

    around(monkeypatch, after=stop)
    with pytest.raises(Interrupted):
        rotator.sweep()
    assert (rotator.report.reencrypted, number(vault, STALE)) == (EACH, EACH)


@pytest.mark.one_engine("postgresql", "there is no connection to lose")
def test_a_lost_connection_loses_no_value(
    vault: Vault, rotator: Rotator, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is moved or not; the next run finds what is left."""

    def cut() -> None:
        with psycopg.connect(vault.settings.DATABASE_URL, autocommit=True) as mine:
            mine.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    around(monkeypatch, after=cut)
    with pytest.raises(DatabaseUnavailable):
        rotator.sweep()
    assert number(vault, STALE) in {EACH, 2 * EACH}
    Rotator(vault.db, vault.master, now).sweep()
    assert number(vault, STALE) == 0
    assert verify(vault.db, vault.master, lambda _done: None).faults == []
