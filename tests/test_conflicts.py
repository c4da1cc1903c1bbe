"""Transactions that the database undoes in favour of another: they run again, but not for ever.

Real deadlocks and serialization failures of a real PostgreSQL. SQLite has neither: its writers come
one after the other, and wait for that at the beginning.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from models.errors import DatabaseBusy
from utils.db import TRIES, Database, Tx, open_database, retried

pytestmark = pytest.mark.one_engine("postgresql", "SQLite undoes no transaction for another")

_PATIENCE = 60


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A table with two rows, (1, 0) and (2, 0)."""
    opened = open_database(database_url, 30, 4)
    with opened.write() as tx:
        tx.run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)")
        tx.run("INSERT INTO numbers (id, n) VALUES (1, 0), (2, 0)")
    yield opened
    opened.close()


def add_one(tx: Tx, row_id: int) -> None:
    """Change a row."""
    tx.run("UPDATE numbers SET n = n + 1 WHERE id = ?", row_id)


def numbers(db: Database) -> list[int]:
    """What stands in the rows."""
    with db.read() as tx:
        return [row[0] for row in tx.all("SELECT n FROM numbers ORDER BY id")]


def test_two_that_deadlock_both_succeed(db: Database) -> None:
    """Each has one row and wants the other's. PostgreSQL undoes one of them, which runs again."""
    met, runs = threading.Barrier(2), []

    def cross(first: int, second: int) -> None:
        with db.write() as tx:
            runs.append(first)
            add_one(tx, first)
            if len(runs) <= 2:
                met.wait(_PATIENCE)
            add_one(tx, second)

    with ThreadPoolExecutor(2) as pool:
        crossing = [
            pool.submit(retried, lambda pair=pair: cross(*pair)) for pair in ((1, 2), (2, 1))
        ]
        for one in crossing:
            one.result(_PATIENCE)
    assert numbers(db) == [2, 2]
    assert len(runs) == 3  # of which one was undone: without it there was no deadlock


def _overtaken(db: Database, times: int, runs: list[int]) -> Callable[[], int]:
    """A transaction that another one overtakes, so many times: a serialization failure each."""

    def work() -> int:
        with db.write() as tx:
            tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            row = tx.one("SELECT n FROM numbers WHERE id = 1")
            assert row is not None
            runs.append(row[0])
            if len(runs) <= times:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(_overtake, db).result(_PATIENCE)
            add_one(tx, 1)
        return int(row[0])

    return work


def _overtake(db: Database) -> None:
    with db.write() as tx:
        add_one(tx, 1)


def test_a_serialization_failure_runs_again_from_its_first_read(db: Database) -> None:
    """What it decided by is read anew, and its answer is that of the run that was committed."""
    runs: list[int] = []
    assert retried(_overtaken(db, TRIES - 1, runs)) == TRIES - 1
    assert runs == list(range(TRIES))
    assert numbers(db) == [TRIES, 0]


def test_a_transaction_does_not_run_again_for_ever(db: Database) -> None:
    """Whoever loses each time is told that it is busy; nobody further out begins again."""
    runs: list[int] = []
    with pytest.raises(DatabaseBusy):
        retried(lambda: retried(_overtaken(db, 100, runs)))
    assert len(runs) == TRIES
    assert numbers(db) == [TRIES, 0]


def test_what_is_committed_is_not_repeated(db: Database) -> None:
    """A conflict in the second of two transactions would do the first one twice."""
    runs: list[int] = []

    def two() -> None:
        with db.write() as tx:
            add_one(tx, 2)
        _overtaken(db, 1, runs)()

    with pytest.raises(DatabaseBusy):
        retried(two)
    assert (len(runs), numbers(db)) == (1, [1, 1])


def test_who_waited_for_a_lock_in_vain_does_not_wait_again(database_url: str, db: Database) -> None:
    """That has taken the whole DATABASE_TIMEOUT already, and four of them would be too long."""
    runs, impatient = [], open_database(database_url, 2, 2)

    def work() -> None:
        with impatient.write() as tx:
            runs.append(1)
            add_one(tx, 1)

    with db.write() as tx:
        add_one(tx, 1)
        with pytest.raises(DatabaseBusy):
            retried(work)
    impatient.close()
    assert runs == [1]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_database_with_stricter_defaults_changes_nothing(database_url: str, level: str) -> None:
    """A snapshot from before the owner's row was locked would show the key that was retired
    meanwhile: who has waited for a row must see what was committed until then."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(name, level)
        )
    strict = open_database(database_url, 30, 2)
    with strict.write() as tx:
        assert tx.one("SHOW transaction_isolation") == ("read committed",)
    with strict.read() as tx:
        assert tx.one("SHOW transaction_isolation") == ("repeatable read",)
    strict.close()
