"""SQLite: connections, settings, and its errors in our words."""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatabaseBusy, DatabaseUnavailable, IntegrityViolation
from models.rows import Fault
from utils.db import SQLITE, Database, Row, Tx
from utils.lockfile import hold_lock_file
from utils.sqlite_remains import scrub

if TYPE_CHECKING:
    import sqlite3
else:
    # The same module over a newer SQLite, where it has a wheel: see has_wal_reset_bug().
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

_TRUNCATE_TRIES, _TRUNCATE_WAIT_MS, _TRUNCATE_PAUSE = 500, 10, 0.05  # half a minute in all
_LOCK_WAIT_MS, _RETRY_SECONDS = 10, 0.005
_BUSY = {5, 6}  # SQLITE_BUSY, SQLITE_LOCKED
_UNAVAILABLE = {
    8: "it is read-only",  # SQLITE_READONLY
    10: "its file cannot be read or written",  # SQLITE_IOERR
    11: "its file is damaged",  # SQLITE_CORRUPT
    13: "its disk is full",  # SQLITE_FULL
    14: "its file cannot be opened",  # SQLITE_CANTOPEN
    26: "its file is no database",  # SQLITE_NOTADB
}


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

    def __init__(self, path: Path, busy_timeout_seconds: float) -> None:
        self.path = path
        self._busy_timeout_ms = int(busy_timeout_seconds * 1000)
        self._idle: deque[sqlite3.Connection] = deque()  # append and pop are atomic
        self._pid = os.getpid()
        self._inherited: deque[sqlite3.Connection] | None = None
        self._create_private_file()
        _databases.add(self)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """See :meth:`Database.read`."""
        with self._transaction("BEGIN", "ROLLBACK") as tx:
            yield tx

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """See :meth:`Database.write`."""
        with self._transaction("BEGIN IMMEDIATE", "COMMIT", _LOCK_WAIT_MS if wait else 0) as tx:
            yield tx

    @contextmanager
    def _transaction(self, begin: str, end: str, wait_ms: int | None = None) -> Iterator[Tx]:
        connection = self._take()
        try:
            with _our_errors():
                if wait_ms is None:
                    connection.execute(begin)
                else:
                    connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
                    self._insist(connection, begin, wait=wait_ms > 0)
                    connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            yield _SqliteTx(connection)
            with _our_errors():
                connection.execute(end)
        except BaseException as error:
            self._undo(connection, broken=isinstance(error, DatabaseUnavailable))
            raise
        self._idle.append(connection)

    def _undo(self, connection: sqlite3.Connection, *, broken: bool) -> None:
        """Roll back. After an I/O error the connection's own state can't be trusted: close it,
        which rolls back as well, and must not hide the first error."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        except sqlite3.Error:
            broken = True
        if broken:
            connection.close()
        else:
            self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # SQLite forbids a forked process to use its parent's connections, even to close
            # them. They are kept, so that the garbage collector doesn't close them either.
            self._inherited = self._idle
            self._idle = deque()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with _our_errors():
            connection = sqlite3.connect(
                self.path,
                timeout=self._busy_timeout_ms / 1000,
                isolation_level=None,  # we say BEGIN ourselves
                check_same_thread=False,  # the pool never gives one to two threads at once
            )
            connection.text_factory = _text
            try:
                for pragma in self._pragmas():
                    self._insist(connection, pragma)
            except BaseException:
                connection.close()
                raise
            return connection

    def _insist(self, connection: sqlite3.Connection, sql: str, *, wait: bool = True) -> None:
        """Try until the timeout, where SQLite waits badly: for the switch to WAL not at all, though
        several processes may open a new database together; for the write lock up to 100 ms at a
        time, while others come and go: beside four rotations writers took 1 s instead of 50 ms.
        """
        deadline = time.monotonic() + (self._busy_timeout_ms / 1000 if wait else 0)
        while True:
            try:
                connection.execute(sql)
            except sqlite3.OperationalError as error:
                if _primary_code(error) not in _BUSY or time.monotonic() >= deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _create_private_file(self) -> None:
        """Create the file before SQLite does, readable by its owner only.

        SQLite gives its WAL and shared-memory files the mode of the database. A file that is
        there is never opened here: POSIX drops all of a process's locks on a file when the
        process closes any descriptor of it, SQLite's locks included.
        """
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
        try:
            os.close(os.open(self.path, flags, 0o600))
        except FileExistsError:
            return
        except OSError as error:
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

    def rotation_lock(self) -> AbstractContextManager[None]:
        """See :meth:`Database.rotation_lock`."""
        return hold_lock_file(self.path.with_name(self.path.name + ".rotation-lock"))

    def scrub(self) -> bool:
        """See :meth:`Database.scrub`."""
        return scrub(self)

    def empty_wal(self) -> bool:
        """Move everything into the database file and empty the WAL, which has older copies of
        its pages; False if somebody reads an old state for too long.

        TRUNCATE takes the write lock and then waits for readers: with the usual timeout, one
        slow reader would lock every writer out. So it is tried for a moment at a time, and
        most of the copying is done before, by PASSIVE.
        """
        connection = self._take()
        try:
            connection.execute(f"PRAGMA busy_timeout = {_TRUNCATE_WAIT_MS}")
            for _ in range(_TRUNCATE_TRIES):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                    return True
                time.sleep(_TRUNCATE_PAUSE)
        except sqlite3.OperationalError:
            return False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            self._idle.append(connection)
        return False

    def check(self) -> list[Fault]:
        """See :meth:`Database.check`."""
        with self.read() as tx:
            structure = tx.all("PRAGMA integrity_check")
            dangling = tx.all("PRAGMA foreign_key_check")
        faults = [Fault("database", str(row[0])) for row in structure if row[0] != "ok"]
        return faults + [
            Fault(f"{row[0]} rowid={row[1]}", f"refers to a row of {row[2]} that does not exist")
            for row in dangling
        ]

    def close(self) -> None:
        """See :meth:`Database.close`."""
        while self._idle:
            self._idle.pop().close()


_databases: weakref.WeakSet[SqliteDatabase] = weakref.WeakSet()


def _close_before_fork() -> None:
    """SQLite remembers per process which locks it holds, and a child inherits the memory without
    the locks: it would take none for connections of its own. The parent, closing last as far as
    anybody can see, then deletes the WAL that the child is still writing its commits to.
    """
    for database in list(_databases):
        database.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_before_fork)


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


def _text(raw: bytes) -> str:
    """What a text column holds, whatever that is.

    The module's own decoder raises on what isn't UTF-8, and quotes it: one flipped bit in one
    ciphertext would stop a whole rotation. So it becomes a text that does not open.
    """
    return raw.decode(errors="replace")


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
            why = _UNAVAILABLE[code]
            raise DatabaseUnavailable("The database is not available.", why) from error
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
