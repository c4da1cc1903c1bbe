"""A transaction that goes on while its caller does something else: the same on both engines, but
for when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from models.errors import DatabaseBusy, DatabaseUnavailable, IntegrityViolation
from utils.behind import Behind, Work
from utils.db import Database, Tx, open_database


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database with one table, which holds one row: (1, 0, '')."""
    opened = open_database(database_url, 30, 4)
    with opened.write() as tx:
        tx.run(
            "CREATE TABLE numbers "
            "(id BIGINT PRIMARY KEY, n BIGINT NOT NULL CHECK (n >= 0), text TEXT NOT NULL)"
        )
        tx.run("INSERT INTO numbers (id, n, text) VALUES (1, 0, '')")
    yield opened
    opened.close()


def content(db: Database) -> list[tuple[int, int]]:
    """All rows, as a new transaction sees them."""
    with db.read() as tx:
        return [(row[0], row[1]) for row in tx.all("SELECT id, n FROM numbers ORDER BY id")]


def add_one(tx: Tx) -> int:
    """To every row."""
    return tx.run("UPDATE numbers SET n = n + 1")


def insert(*ids: int) -> Callable[[Tx], int]:
    """Work that makes so many rows, by a statement each."""
    return lambda tx: tx.run_many(
        "INSERT INTO numbers (id, n, text) VALUES (?, ?, ?)", [(one, 0, "") for one in ids]
    )


def test_who_waits_is_told_how_many_rows_it_changed(db: Database) -> None:
    """Once: after that there is nothing to wait for."""
    with db.behind() as behind:
        assert behind.wait() == 0
        behind.send(insert(2, 3))
        assert behind.wait() == 2
        behind.send(add_one)
        assert behind.wait() == 3
        assert behind.wait() == 0
        assert content(db) == [(1, 1), (2, 1), (3, 1)]


def test_there_is_one_transaction_at_a_time(db: Database) -> None:
    """Nothing is lost by who sends a second: it is not begun, and the first is."""
    with db.behind() as behind:
        behind.send(insert(2))
        with pytest.raises(RuntimeError):
            behind.send(insert(3))
        assert behind.wait() == 1
    assert content(db) == [(1, 0), (2, 0)]


def test_a_lock_is_not_waited_for(db: Database) -> None:
    """And the next one does what could not be done."""
    with db.behind() as behind:
        with db.write() as tx:
            add_one(tx)
            behind.send(add_one)
            began = time.monotonic()
            with pytest.raises(DatabaseBusy):
                behind.wait()
            assert time.monotonic() - began < 15  # the busy timeout is twice that
        assert content(db) == [(1, 1)]
        behind.send(add_one)
        assert behind.wait() == 1
    assert content(db) == [(1, 2)]


def test_what_a_constraint_refuses_takes_its_transaction_along(db: Database) -> None:
    """Also what the statements before it did. The next one is not concerned."""

    def violate(tx: Tx) -> int:
        insert(2)(tx)
        return tx.run("UPDATE numbers SET n = -1")

    with db.behind() as behind:
        behind.send(violate)
        with pytest.raises(IntegrityViolation):
            behind.wait()
        assert content(db) == [(1, 0)]
        behind.send(insert(2))
        assert behind.wait() == 1
    assert content(db) == [(1, 0), (2, 0)]


def test_it_can_be_entered_again(db: Database) -> None:
    """It leaves nothing open, and what nobody waited for does not turn up later."""
    behind = db.behind()
    with behind:
        behind.send(insert(2, 3))
    left = content(db)
    assert left in ([(1, 0)], [(1, 0), (2, 0), (3, 0)])
    with behind:
        assert behind.wait() == 0
        behind.send(insert(4))
        assert behind.wait() == 1
    assert content(db) == [*left, (4, 0)]


def send_and_wait(behind: Behind, work: Work) -> int:
    """What it changed."""
    behind.send(work)
    return behind.wait()


def test_what_nobody_asked_for_is_not_told_later(db: Database) -> None:
    """Neither that it could not be done, nor what is wrong with the work itself."""

    def fail(_tx: Tx) -> int:
        raise LookupError

    behind = db.behind()
    with behind, db.write() as tx:
        add_one(tx)
        behind.send(add_one)
        time.sleep(0.2)  # until a server has given it up
    with behind:
        behind.send(insert(2))
        assert behind.wait() == 1
        with pytest.raises(LookupError):
            send_and_wait(behind, fail)
        behind.send(insert(3))
        assert behind.wait() == 1
    assert content(db) == [(1, 1), (2, 0), (3, 0)]


def test_more_than_a_socket_takes_is_sent(db: Database) -> None:
    """As a batch of large values is."""
    text = "x" * 20_000_000
    with db.behind() as behind:
        behind.send(lambda tx: tx.run("UPDATE numbers SET text = ?", text))
        assert behind.wait() == 1
    with db.read() as tx:
        assert tx.one("SELECT length(text) FROM numbers") == (20_000_000,)


@pytest.mark.one_engine("postgresql", "SQLite's work is done by this process, while it waits")
@pytest.mark.parametrize("size", [1, 20_000_000])
def test_the_server_commits_while_nobody_waits(db: Database, size: int) -> None:
    """Which is what it is for."""
    text = "x" * size
    with db.behind() as behind:
        behind.send(lambda tx: tx.run("UPDATE numbers SET n = 7, text = ?", text))
        deadline = time.monotonic() + 30
        while content(db) != [(1, 7)] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert content(db) == [(1, 7)]
        assert behind.wait() == 1


@pytest.mark.one_engine("postgresql", "SQLite's work is done by this process, while it waits")
def test_its_caller_goes_on_meanwhile(db: Database) -> None:
    """What takes the server a second is not done when it is sent."""
    with db.behind() as behind:
        behind.send(lambda tx: tx.run("UPDATE numbers SET n = 7 WHERE pg_sleep(1) IS NOT NULL"))
        assert content(db) == [(1, 0)]
        assert behind.wait() == 1
    assert content(db) == [(1, 7)]


@pytest.mark.one_engine("postgresql", "there is no connection to lose")
def test_after_a_lost_connection_it_has_another(db: Database, database_url: str) -> None:
    """It says that it was lost; nothing else is."""
    with db.behind() as behind:
        behind.send(insert(2))
        assert behind.wait() == 1
        with psycopg.connect(database_url, autocommit=True) as mine:
            mine.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        behind.send(insert(3))
        with pytest.raises(DatabaseUnavailable):
            behind.wait()
        behind.send(insert(4))
        assert behind.wait() == 1
    assert content(db) == [(1, 0), (2, 0), (4, 0)]
