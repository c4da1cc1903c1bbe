"""The one door to the database: what a transaction promises, the same on both engines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

import pytest

from models.errors import ConfigurationError, DatabaseBusy, IntegrityViolation
from tests.support.race import at_once
from utils.db import SQLITE, Database, Tx, open_database
from utils.sqlite import SqliteDatabase

POOL = 4


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A database with one table of numbers, which holds one row: (1, 0)."""
    opened = open_database(database_url, 30, POOL)
    with opened.write() as tx:
        tx.run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, n BIGINT NOT NULL CHECK (n >= 0))")
        tx.run("INSERT INTO numbers (id, n) VALUES (?, ?)", 1, 0)
    yield opened
    opened.close()


def number(db: Database, row_id: int = 1) -> int | None:
    """What stands in a row, as a new transaction sees it."""
    with db.read() as tx:
        row = tx.one("SELECT n FROM numbers WHERE id = ?", row_id)
    return None if row is None else int(row[0])


def add_one(tx: Tx) -> int:
    """Change the row; how many rows that changed."""
    return tx.run("UPDATE numbers SET n = n + 1 WHERE id = ?", 1)


# --- reading once ------------------------------------------------------------------------------


def test_a_read_of_one_statement_sees_what_is_committed(db: Database) -> None:
    """And nothing of what is not; it is over when it is done."""
    with db.write() as tx:
        add_one(tx)
        with db.read_once() as reading:
            assert reading.one("SELECT n FROM numbers WHERE id = 1") == (0,)
    with db.read_once() as reading:
        assert reading.all("WITH a (n) AS (SELECT n FROM numbers) SELECT n FROM a") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE numbers SET n = 7", "DELETE FROM numbers", "INSERT INTO numbers VALUES (2, 7)"],
)
def test_a_read_of_one_statement_cannot_write(db: Database, statement: str) -> None:
    """There would be no transaction to undo it."""
    with db.read_once() as tx, pytest.raises(RuntimeError):
        tx.run(statement)
    with db.read_once() as tx, pytest.raises(RuntimeError):
        tx.run_many("INSERT INTO numbers VALUES (?, ?)", [(2, 7), (3, 7)])
    with db.read() as tx:
        assert tx.all("SELECT id, n FROM numbers") == [(1, 0)]


def test_a_read_of_one_statement_has_no_second(db: Database) -> None:
    """Which would see another state; a transaction after it has its own."""
    with db.read_once() as tx:
        assert tx.one("SELECT n FROM numbers WHERE id = 1") == (0,)
        with pytest.raises(RuntimeError):
            tx.one("SELECT n FROM numbers WHERE id = 1")
    assert number(db) == 0


# --- commit and rollback -----------------------------------------------------------------------


def test_a_write_commits_at_its_end(db: Database) -> None:
    """And not before: nobody else sees half of it."""
    with db.write() as tx:
        assert add_one(tx) == 1
        assert number(db) == 0
    assert number(db) == 1


@pytest.mark.invariant(number=9)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_rolls_everything_back(db: Database, error: type[BaseException]) -> None:
    """Also one that is no Exception: Ctrl-C must not leave half a change, nor a lock."""

    def fail() -> None:
        with db.write() as tx:
            add_one(tx)
            raise error

    with pytest.raises(error):
        fail()
    assert number(db) == 0
    with db.write(wait=False) as tx:
        add_one(tx)
    assert number(db) == 1


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("INSERT INTO numbers (id, n) VALUES (1, 1)", id="duplicate key"),
        pytest.param("INSERT INTO numbers (id, n) VALUES (2, NULL)", id="null"),
        pytest.param("UPDATE numbers SET n = -1", id="check"),
    ],
)
def test_what_a_constraint_refuses_is_our_own_error(db: Database, sql: str) -> None:
    """And takes the rest of its transaction along."""

    def violate() -> None:
        with db.write() as tx:
            add_one(tx)
            tx.run(sql)

    with pytest.raises(IntegrityViolation):
        violate()
    assert number(db) == 0


def test_a_read_changes_nothing(db: Database) -> None:
    """Whether the engine refuses the statement or rolls it back at the end."""
    with suppress(Exception), db.read() as tx:
        add_one(tx)
    assert number(db) == 0


def increment(db: Database) -> None:
    """A write transaction of its own."""
    with db.write() as tx:
        add_one(tx)


def test_a_read_sees_one_state(db: Database) -> None:
    """Two statements of one transaction never contradict each other."""
    with ThreadPoolExecutor(1) as pool:
        with db.read() as tx:
            before = tx.one("SELECT n FROM numbers")
            writer = pool.submit(increment, db)
            wait([writer], timeout=0.5)  # where SQLite has no WAL it waits for the reader instead
            assert tx.one("SELECT n FROM numbers") == before
        writer.result(60)
    assert number(db) == 1


def test_a_read_does_not_wait_for_a_writer(db: Database) -> None:
    """Nor does it need the writer's connection: a thread may read while it writes."""
    with db.write() as tx:
        add_one(tx)
        with db.read() as other:
            assert other.all("SELECT n FROM numbers") == [(0,)]


# --- many at once ------------------------------------------------------------------------------


def test_no_increment_is_lost(db: Database) -> None:
    """More threads than connections, all changing one row."""

    def add_many() -> None:
        for _ in range(25):
            increment(db)

    at_once([add_many] * (2 * POOL))
    assert number(db) == 2 * POOL * 25


@pytest.mark.parametrize(("patient", "timeout"), [(True, 0.2), (False, 30)])
def test_a_lock_that_is_taken_is_our_own_error(
    database_url: str, db: Database, patient: bool, timeout: float
) -> None:
    """After the timeout, or at once for those who do not want to wait; then all is as before."""
    other = open_database(database_url, timeout, 1)
    assert number(other) == 0  # it has a connection: not even for that would it wait
    with db.write() as tx:
        add_one(tx)
        start = time.monotonic()
        with pytest.raises(DatabaseBusy), other.write(wait=patient) as late:
            add_one(late)
        assert time.monotonic() - start < 10
    for either in (True, False):
        with other.write(wait=either) as tx:
            add_one(tx)
    assert number(db) == 3
    other.close()


class Opened:
    """Counts the connections to SQLite that are opened: the pool closes those that are too many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        connect = SqliteDatabase._connect

        def counted(db: SqliteDatabase) -> object:
            self.count += 1
            return connect(db)

        monkeypatch.setattr(SqliteDatabase, "_connect", counted)


def test_connections_are_used_again(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand transactions, failing ones among them, need no more than the pool may hold."""
    opened = Opened(monkeypatch)
    for i in range(1000):
        with suppress(RuntimeError), db.write() as tx:
            add_one(tx)
            if i % 10 == 0:
                raise RuntimeError
    assert number(db) == 900
    assert opened.count == 0  # there was one already
    assert connections(db) <= POOL


def test_connections_are_never_more_than_ran_at_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every one of them is given back."""
    opened = Opened(monkeypatch)

    def read_with(everybody: threading.Barrier) -> None:
        with db.read() as tx:
            everybody.wait(60)
            tx.one("SELECT 1")

    everybody = threading.Barrier(POOL)
    for _ in range(3):
        at_once([partial(read_with, everybody)] * POOL)
    assert opened.count < POOL
    assert connections(db) <= POOL
    assert number(db) == 0


def connections(db: Database) -> int:
    """How many connections to this database are open."""
    if db.dialect is SQLITE:
        return len(vars(db)["_idle"])
    with db.read() as tx:
        row = tx.one(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend'"
        )
    assert row is not None
    return int(row[0])


def test_a_closed_database_opens_again(db: Database) -> None:
    """close() gives the connections back; the object stays usable."""
    db.close()
    db.close()
    assert number(db) == 0


# --- one SQL for both --------------------------------------------------------------------------


@pytest.mark.invariant(number=10)
def test_statements_are_translated(db: Database) -> None:
    """Placeholders, the percent sign (with parameters or without), and row locks."""
    with db.write() as tx:
        assert tx.one("SELECT 7 % 4") == (3,)
        assert tx.one("SELECT CAST(? AS BIGINT) % 4", 7) == (3,)
        assert tx.one("SELECT '100%' || CAST(? AS TEXT)", "%s ?") == ("100%%s ?",)
        assert tx.one("SELECT n FROM numbers WHERE id = ? FOR NO KEY UPDATE", 1) == (0,)
        assert tx.one("SELECT n FROM numbers WHERE id = ?", 2) is None
        assert tx.all("SELECT n FROM numbers WHERE id = ?", 2) == []


def test_counts_tell_what_changed(db: Database) -> None:
    """The answer to every race is how many rows a statement changed."""
    with db.write() as tx:
        insert = "INSERT INTO numbers (id, n) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
        assert tx.run_many(insert, [(1, 9), (2, 9), (3, 9)]) == 2
        assert tx.run("UPDATE numbers SET n = 8 WHERE n = ?", 9) == 2
        assert tx.run("DELETE FROM numbers WHERE id = ?", 4) == 0
        assert tx.one("INSERT INTO numbers (id, n) VALUES (?, 0) RETURNING id", 4) == (4,)


@pytest.mark.parametrize(
    "text", ["", "ü🔑", "a'b\"c\\d", "%s %% ?", "\u2028\x7f\x01", "x" * 100_000]
)
def test_text_comes_back_as_it_was_stored(db: Database, text: str) -> None:
    """Values travel beside the statement, never in it."""
    with db.write() as tx:
        tx.run("CREATE TABLE texts (t TEXT)")
        tx.run("INSERT INTO texts (t) VALUES (?)", text)
        assert tx.all("SELECT t FROM texts WHERE t = ?", text) == [(text,)]


@pytest.mark.invariant(number=10)
def test_text_sorts_as_bytes(db: Database) -> None:
    """Paging compares names: both engines must have one opinion about their order."""
    names = ["B", "a", "A-", "A/", "A", "b", "_", "a.b", "a/b", "a0"]
    with db.write() as tx:
        tx.run(tx.dialect.translate_schema("CREATE TABLE names (name TEXT {binary})"))
        tx.run_many("INSERT INTO names (name) VALUES (?)", [(name,) for name in names])
        ordered = [row[0] for row in tx.all("SELECT name FROM names ORDER BY name")]
    assert ordered == sorted(names, key=str.encode)


@pytest.mark.parametrize("url", ["", "mysql://u:p@h/d", "sqlite://x", "sqlite:x", "secrets.db"])
def test_an_unknown_engine_is_refused(url: str) -> None:
    """Without showing the URL, as it may hold a password."""
    with pytest.raises(
        ConfigurationError, match="must begin with sqlite:/// or postgresql://"
    ) as no:
        open_database(url, 1, 1)
    assert not url or url not in str(no.value)


def test_threads_do_not_share_a_transaction(db: Database) -> None:
    """What one thread has not committed, another does not see."""
    with ThreadPoolExecutor(1) as pool, db.write() as tx:
        add_one(tx)
        assert pool.submit(number, db).result(60) == 0
    assert number(db) == 1
