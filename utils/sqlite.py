"""SQLite: connections, settings, and its errors in our words."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatabaseBusy, DatabaseUnavailable, IntegrityViolation
from utils.db import SQLITE, Database, Row, Tx

if TYPE_CHECKING:
    import sqlite3
else:
    # The same module over a newer SQLite, where it has a wheel: see has_wal_reset_bug().
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

_BUSY = {5, 6}  # SQLITE_BUSY, SQLITE_LOCKED
_UNAVAILABLE = {8, 10, 11, 13, 14, 26}  # READONLY IOERR CORRUPT FULL CANTOPEN NOTADB


def has_wal_reset_bug(version: tuple[int, int, int] | None = None) -> bool:
    """Whether this SQLite can corrupt a WAL database (sqlite.org/wal.html#walresetbug).

    In 3.7.0 to 3.51.2, except the repaired 3.44.6 and 3.50.7, a second checkpoint that starts
    right after a complete one, while another connection commits, can skip committed pages.
    """
    found = version or sqlite3.sqlite_version_info
    repaired_branch = (3, 44, 6) <= found < (3, 45, 0) or (3, 50, 7) <= found < (3, 51, 0)
    return found < (3, 51, 3) and not repaired_branch


class SqliteDatabase(Database):
    """One database file.

    Connections are kept and reused (opening one costs 200 µs, a query 10): a transaction takes
    one from the pool and puts it back, so there are never more than ran at the same time.
    """

    dialect = SQLITE

    def __init__(self, path: str, busy_timeout_seconds: float) -> None:
        self.path = Path(path)
        self._busy_timeout_ms = int(busy_timeout_seconds * 1000)
        self._idle: deque[sqlite3.Connection] = deque()  # append and pop are atomic
        self._pid = os.getpid()
        self._inherited: deque[sqlite3.Connection] | None = None

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """See :meth:`Database.read`."""
        with self._transaction("BEGIN", "ROLLBACK") as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """See :meth:`Database.write`."""
        with self._transaction("BEGIN IMMEDIATE", "COMMIT") as tx:
            yield tx

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[Tx]:
        connection = self._take()
        try:
            with _our_errors():
                connection.execute(begin)
            yield _SqliteTx(connection)
            with _our_errors():
                connection.execute(end)
        except BaseException:
            self._undo(connection)
            raise
        self._idle.append(connection)

    def _undo(self, connection: sqlite3.Connection) -> None:
        """Roll back and close: after an I/O error a connection's own state can't be trusted.

        Closing rolls back by itself; a failing ROLLBACK must not hide the first error.
        """
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        connection.close()

    def _take(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A forked worker must not use its parent's connections, nor close them: that would
            # drop the parent's file locks. Kept, so that the garbage collector doesn't either.
            self._inherited = self._idle
            self._idle = deque()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with _our_errors():
            self._create_private_file()
            connection = sqlite3.connect(
                self.path,
                timeout=self._busy_timeout_ms / 1000,
                isolation_level=None,  # we say BEGIN ourselves
                check_same_thread=False,  # the pool never gives one to two threads at once
            )
            for pragma in self._pragmas():
                connection.execute(pragma)
            return connection

    def _create_private_file(self) -> None:
        """Create the file before SQLite does, readable by its owner only.

        SQLite gives its WAL and shared-memory files the mode of the database.
        """
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            # A read-only database can still be read.
            if not self.path.exists():
                raise DatabaseUnavailable("The database file cannot be created.") from error

    def _pragmas(self) -> tuple[str, ...]:
        """An acknowledged write must survive loss of power, so each commit is synced.

        Without WAL (only where SQLite has the WAL-reset bug), EXTRA also syncs the folder
        after the rollback journal is gone: FULL alone could bring it back, and undo a commit.
        """
        if has_wal_reset_bug():
            journal = ("PRAGMA journal_mode = DELETE", "PRAGMA synchronous = EXTRA")
        else:
            journal = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
        return (
            f"PRAGMA busy_timeout = {self._busy_timeout_ms}",
            *journal,
            "PRAGMA foreign_keys = ON",
            "PRAGMA secure_delete = ON",  # a destroyed key's bytes are overwritten, not unlinked
            "PRAGMA trusted_schema = OFF",
            "PRAGMA cell_size_check = ON",
            "PRAGMA temp_store = MEMORY",
        )

    def close(self) -> None:
        """See :meth:`Database.close`."""
        while self._idle:
            self._idle.pop().close()


class _SqliteTx(Tx):
    dialect = SQLITE

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, *parameters: object) -> list[Row]:
        with _our_errors():
            # Fetched whole: a RETURNING statement that is left half read does not commit.
            return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: object) -> int:
        with _our_errors():
            return self._execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        with _our_errors():
            return self._connection.executemany(SQLITE.translate(sql), rows).rowcount

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> sqlite3.Cursor:
        return self._connection.execute(SQLITE.translate(sql), parameters)


@contextmanager
def _our_errors() -> Iterator[None]:
    """Foreign exceptions stop here. A mistake in our SQL passes: it is a bug, not weather."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise IntegrityViolation("The database refused the change.") from error
    except sqlite3.DatabaseError as error:
        code = _primary_code(error)
        if code in _BUSY:
            raise DatabaseBusy("The database is busy. Try again in a moment.") from error
        if code in _UNAVAILABLE:
            raise DatabaseUnavailable("The database is not available.") from error
        raise


def _primary_code(error: sqlite3.DatabaseError) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF
    # Python 3.10's own module does not tell the code.
    text = str(error)
    for part, known in _CODE_BY_TEXT.items():
        if part in text:
            return known
    return None


_CODE_BY_TEXT = {
    "locked": 5,
    "readonly": 8,
    "disk I/O error": 10,
    "malformed": 11,
    "is full": 13,
    "unable to open": 14,
    "not a database": 26,
}
