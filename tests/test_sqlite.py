"""SQLite: settings that survive a power cut, errors in our words, and no connection lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from models.errors import DatabaseBusy, DatabaseUnavailable, SecretsManagerError
from tests.support.race import at_once
from utils import sqlite
from utils.sqlite import SqliteDatabase
from utils.sqlite_library import has_wal_reset_bug, primary_code, sqlite3

THREADS = 8


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteDatabase]:
    """A database with one table of numbers, which holds one row: (1, 0)."""
    (tmp_path / "data").mkdir()
    opened = SqliteDatabase(tmp_path / "data" / "numbers.db", 30)
    with opened.write() as tx:
        tx.run("CREATE TABLE numbers (id INTEGER PRIMARY KEY, n BIGINT NOT NULL)")
        tx.run("INSERT INTO numbers (id, n) VALUES (1, 0)")
    yield opened
    opened.close()


def pragma(db: SqliteDatabase, sql: str) -> object:
    """What a connection from the pool is set to."""
    with db.read() as tx:
        row = tx.one(sql)
    assert row is not None
    return row[0]


def add_one(db: SqliteDatabase) -> None:
    """A write transaction."""
    with db.write() as tx:
        tx.run("UPDATE numbers SET n = n + 1")


def number(db: SqliteDatabase) -> object:
    """What the row holds."""
    return pragma(db, "SELECT n FROM numbers")


# --- versions and settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 7, 0), True),
        ((3, 35, 5), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 44, 9), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((3, 53, 4), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_with_the_wal_reset_bug_are_known(
    version: tuple[int, int, int], has_bug: bool
) -> None:
    """As sqlite.org/wal.html#walresetbug lists them: 3.7.0 to 3.51.2 but for two repaired ones."""
    assert has_wal_reset_bug(version) is has_bug


@pytest.fixture
def with_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite that has the bug, as far as our code can tell."""
    monkeypatch.setattr(sqlite, "has_wal_reset_bug", lambda: True)


@pytest.fixture
def without_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without the bug, also where the tests run over an old one."""
    monkeypatch.setattr(sqlite, "has_wal_reset_bug", lambda: False)


@pytest.mark.invariant(number=4)
def test_a_commit_is_on_disk_when_it_returns(without_bug: None, db: SqliteDatabase) -> None:
    """A write-ahead log, synced at every commit. NORMAL would lose the last ones."""
    assert pragma(db, "PRAGMA journal_mode") == "wal"
    assert pragma(db, "PRAGMA synchronous") == 2


@pytest.mark.invariant(number=4)
def test_a_sqlite_with_the_bug_gets_a_rollback_journal(with_bug: None, db: SqliteDatabase) -> None:
    """No WAL, no WAL bug. EXTRA also syncs the folder: a journal that comes back after a power cut
    would undo an acknowledged commit."""
    assert pragma(db, "PRAGMA journal_mode") == "delete"
    assert pragma(db, "PRAGMA synchronous") == 3


def test_concurrency_works_without_wal(with_bug: None, db: SqliteDatabase) -> None:
    """Readers and a writer wait for each other there, and nobody fails."""

    def write() -> None:
        for _ in range(10):
            add_one(db)

    def read() -> None:
        for _ in range(50):
            number(db)

    at_once([write] * (THREADS // 2) + [read] * (THREADS // 2))
    assert number(db) == THREADS // 2 * 10


def test_the_busy_timeout_comes_back(db: SqliteDatabase) -> None:
    """A write that did not want to wait must not leave an impatient connection in the pool."""
    with db.write(wait=False):
        pass
    with db.write() as tx:
        assert tx.one("PRAGMA busy_timeout") == (30_000,)
        with pytest.raises(DatabaseBusy), db.write(wait=False):
            pytest.fail("there are two writers")
    with db.read() as one, db.read() as two:
        assert one.one("PRAGMA busy_timeout") == two.one("PRAGMA busy_timeout") == (30_000,)


# --- the pool ----------------------------------------------------------------------------------


def descriptors(path: Path) -> int:
    """How often this process has a file open."""
    found = 0
    for descriptor in range(1024):
        with suppress(OSError):
            found += os.path.samestat(os.fstat(descriptor), path.stat())
    return found


def test_a_thousand_transactions_need_one_connection(db: SqliteDatabase) -> None:
    """Failing ones among them: a connection that rolled back is as good as any."""
    for i in range(1000):
        with suppress(RuntimeError), db.write() as tx:
            tx.run("UPDATE numbers SET n = n + 1")
            if i % 3 == 0:
                raise RuntimeError
    assert number(db) == 666
    assert descriptors(db.path) == 1


def test_after_an_engine_error_the_connection_is_closed(db: SqliteDatabase) -> None:
    """Its own state can't be trusted any more; the next transaction gets another."""
    with pytest.raises(DatabaseUnavailable):
        write_to_read_only(db)
    assert descriptors(db.path) == 0
    add_one(db)
    assert number(db) == 1
    assert descriptors(db.path) == 1


def test_a_connection_that_cannot_be_set_up_is_closed(tmp_path: Path) -> None:
    """A damaged file, asked again and again, must not use up the process's descriptors."""
    path = tmp_path / "numbers.db"
    path.write_bytes(b"no database at all\n" * 100)
    damaged = SqliteDatabase(path, 1)
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable), damaged.read():
            pytest.fail("it opened")
    assert descriptors(path) == 0


def test_few_connections_outlast_a_peak(db: SqliteDatabase) -> None:
    """Each holds up to 2 MB of pages and statements; the others are closed, not forgotten."""
    taken = [db.take() for _ in range(10)]
    for connection in taken:
        db.give_back(connection)
    open_ones = 0
    for connection in taken:
        with suppress(sqlite3.ProgrammingError):  # closed
            open_ones += len(connection.execute("SELECT 1").fetchall())
    assert open_ones == 4
    assert number(db) == 0


def test_many_threads_share_the_pool(db: SqliteDatabase) -> None:
    """Never more connections than ran at the same time, and no thread meets another's."""

    def work() -> None:
        for _ in range(20):
            add_one(db)
            number(db)

    at_once([work] * THREADS)
    assert number(db) == THREADS * 20
    assert 1 <= descriptors(db.path) <= THREADS
    db.close()
    assert descriptors(db.path) == 0


# --- errors in our words -----------------------------------------------------------------------


def fill_up(db: SqliteDatabase) -> None:
    """The disk is full."""
    with db.write() as tx:
        tx.run("PRAGMA max_page_count = 3")
        tx.run("INSERT INTO numbers (n) SELECT randomblob(100000)")


def write_to_read_only(db: SqliteDatabase) -> None:
    """The file system was mounted read-only."""
    with db.write() as tx:
        tx.run("PRAGMA query_only = ON")
        tx.run("UPDATE numbers SET n = 1")


def damage_pages(db: SqliteDatabase) -> None:
    """A page holds something else than it should."""
    db.close()
    content = bytearray(db.path.read_bytes())
    content[4096:8192] = b"\xa5" * 4096
    db.path.write_bytes(content)
    number(db)


def damage_header(db: SqliteDatabase) -> None:
    """The file begins with something else."""
    db.close()
    db.path.write_bytes(b"no database at all\n" * 500)
    number(db)


def take_folder_away(db: SqliteDatabase) -> None:
    """The volume was unmounted."""
    db.close()
    shutil.rmtree(db.path.parent)
    number(db)


def two_writers(db: SqliteDatabase) -> None:
    """Somebody else writes for longer than the timeout."""
    with db.write(), db.write(wait=False):
        pytest.fail("there are two writers")


def write_after_another(db: SqliteDatabase) -> None:
    """A transaction that began by reading can't write once somebody else has."""
    with db.read() as tx:
        tx.all("SELECT n FROM numbers")
        add_one(db)
        tx.run("UPDATE numbers SET n = 7")


@pytest.mark.parametrize(
    ("provoke", "ours", "code"),
    [
        (two_writers, DatabaseBusy, 5),
        (write_after_another, DatabaseBusy, 5),
        (write_to_read_only, DatabaseUnavailable, 8),
        (damage_pages, DatabaseUnavailable, 11),
        (fill_up, DatabaseUnavailable, 13),
        (take_folder_away, DatabaseUnavailable, 14),
        (damage_header, DatabaseUnavailable, 26),
    ],
)
def test_the_engines_errors_become_ours(
    without_bug: None,
    db: SqliteDatabase,
    provoke: Callable[[SqliteDatabase], None],
    ours: type[SecretsManagerError],
    code: int,
) -> None:
    """By their number, and by their text where Python 3.10's own module tells no number."""
    with pytest.raises(ours) as raised:
        provoke(db)
    cause = raised.value.__cause__
    assert cause is not None
    assert primary_code(cause) == code  # type: ignore[arg-type]
    without_number = type(cause)(str(cause))
    assert not hasattr(without_number, "sqlite_errorcode")
    assert primary_code(without_number) == code  # type: ignore[arg-type]
    # Python's own module tells extended codes: 517 for a BUSY that is a SNAPSHOT's.
    without_number.sqlite_errorcode = code | 2 << 8  # type: ignore[attr-defined]
    assert primary_code(without_number) == code  # type: ignore[arg-type]
    assert str(cause) not in str(raised.value), "the engine's words stay inside"


def test_a_mistake_in_our_sql_is_not_weather(db: SqliteDatabase) -> None:
    """To answer 503 "try again" for ever would hide it: it passes, and becomes a logged 500."""
    with pytest.raises(Exception, match="no such table") as raised, db.read() as tx:
        tx.one("SELECT * FROM nowhere")
    assert not isinstance(raised.value, SecretsManagerError)
    assert number(db) == 0
