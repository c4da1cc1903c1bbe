"""SQLite: connections, settings, and its errors in our words."""

from __future__ import annotations

import functools
import os
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from models.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    IntegrityViolation,
    RotationRunning,
)
from models.rows import Fault
from utils.db import SQLITE, Database, Row, Tx

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import sqlite3
else:
    # The same module over a newer SQLite, where it has a wheel: see has_wal_reset_bug().
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

_SCRUB_TRIES = 5  # each waits for the busy timeout
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
        with self._transaction("BEGIN IMMEDIATE", "COMMIT", wait=wait) as tx:
            yield tx

    @contextmanager
    def _transaction(self, begin: str, end: str, *, wait: bool = True) -> Iterator[Tx]:
        connection = self._take()
        try:
            with _our_errors():
                if not wait:
                    connection.execute("PRAGMA busy_timeout = 0")
                connection.execute(begin)
                if not wait:
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
                    connection.execute(pragma)
            except BaseException:
                connection.close()
                raise
            return connection

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

    @contextmanager
    def rotation_lock(self) -> Iterator[None]:
        """See :meth:`Database.rotation_lock`. A lock file: the system frees it with the process."""
        path = self.path.with_name(self.path.name + ".rotation-lock")
        try:
            file = open(path, "ab", opener=functools.partial(os.open, mode=0o600))  # noqa: SIM115
        except OSError as error:
            raise DatabaseUnavailable("The rotation's lock file cannot be created.") from error
        with file:
            _lock_or_refuse(file)
            yield

    def scrub(self) -> bool:
        """See :meth:`Database.scrub`.

        secure_delete has overwritten what was deleted in the pages; their older copies are in
        the WAL until a checkpoint empties it. TRUNCATE waits for readers, so it may not get
        through at once.
        """
        connection = self._take()
        try:
            for _ in range(_SCRUB_TRIES):
                busy, _frames, _moved = connection.execute(
                    "PRAGMA wal_checkpoint(TRUNCATE)"
                ).fetchone()
                if not busy:
                    return True
        except sqlite3.OperationalError:
            return False
        finally:
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


def _lock_or_refuse(file: BinaryIO) -> None:
    if fcntl is None:
        return  # on Windows the compare-and-set alone must do
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RotationRunning("Another rotation is running.") from error


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
