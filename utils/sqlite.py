"""SQLite: connections, their settings, and transactions."""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path

from models.errors import DatabaseBusy, DatabaseUnavailable
from models.reports import Fault
from utils.db import PATIENCE, SQLITE, Database, Tx
from utils.lockfile import hold_lock_file
from utils.sqlite_library import BUSY, has_wal_reset_bug, our_errors, primary_code, sqlite3
from utils.sqlite_remains import scrub
from utils.sqlite_tx import Once, Transaction, Write, text

_TRUNCATE_WAIT_MS = 10
_LOCK_WAIT_MS, _RETRY_SECONDS = 10, 0.005
# For work that goes over everything. With SQLite's own 2 MB, and 4 MB between checkpoints, a
# rotation of many keys reads and writes the same pages of an index again and again.
_SWEEPING = ("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 8000")  # 64 and 32 MB
_SERVING = ("PRAGMA cache_size = -512",)  # KiB, of each connection; the system caches too
# Connections that are kept while nobody uses them. At a peak each thread has one, but their
# statements and page caches (up to 2 MB together) would be held ever after.
_MOST_IDLE = 4


class SqliteDatabase(Database):
    """One database file.

    Connections are kept and reused (opening one costs 200 µs, a query 10): a transaction takes
    one from the pool and puts it back, so there are never more than ran at the same time, and few
    of them outlast a peak.
    """

    dialect = SQLITE
    # mode=rw: a file that has vanished, with its volume perhaps, is not made anew, empty and
    # readable by all.
    open_as = "mode=rw"

    def __init__(self, path: Path, busy_timeout_seconds: float, *, sweeping: bool = False) -> None:
        self.path = path
        self._sweeping = sweeping
        self._busy_timeout_ms = int(busy_timeout_seconds * 1000)
        self.patience_seconds = PATIENCE * busy_timeout_seconds
        self._idle: deque[sqlite3.Connection] = deque()  # append and pop are atomic
        self._pid = os.getpid()
        self._inherited: deque[sqlite3.Connection] | None = None
        self._create_private_file()
        _databases.add(self)

    def read(self) -> AbstractContextManager[Tx]:
        """See :meth:`Database.read`."""
        return Transaction(self)

    def read_once(self) -> AbstractContextManager[Tx]:
        """See :meth:`Database.read_once`."""
        return Once(self)

    def write(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        """See :meth:`Database.write`."""
        return Write(self, wait=wait)

    def lock(self, connection: sqlite3.Connection, *, wait: bool) -> None:
        """Begin a write transaction."""
        connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_MS if wait else 0}")
        began = time.perf_counter()
        self._insist(connection, "BEGIN IMMEDIATE", wait=wait)
        self.waited("lock", time.perf_counter() - began)
        connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")

    def undo(self, connection: sqlite3.Connection, *, broken: bool) -> None:
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
            self.give_back(connection)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """For the next transaction."""
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def take(self) -> sqlite3.Connection:
        """A connection that nobody else uses until it is given back."""
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
        with our_errors:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?{self.open_as}",
                uri=True,
                timeout=self._busy_timeout_ms / 1000,
                isolation_level=None,  # we say BEGIN ourselves
                check_same_thread=False,  # the pool never gives one to two threads at once
            )
            connection.text_factory = text
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
                if primary_code(error) not in BUSY or time.monotonic() >= deadline:
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
            *(_SWEEPING if self._sweeping else _SERVING),
        )

    def rotation_lock(self) -> AbstractContextManager[None]:
        """See :meth:`Database.rotation_lock`."""
        return hold_lock_file(self.path.with_name(self.path.name + ".rotation-lock"))

    def scrub(self) -> bool:
        """See :meth:`Database.scrub`."""
        return scrub(self)

    def try_to_empty_wal(self) -> bool:
        """Move all that is in the WAL into the database file, and cut it to nothing.

        TRUNCATE takes the write lock and then waits for readers: with the usual timeout, one
        slow reader would lock every writer out. So it is tried for a moment only, and most of
        the copying is done before, by PASSIVE.
        """
        connection = self.take()
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.execute(f"PRAGMA busy_timeout = {_TRUNCATE_WAIT_MS}")
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.DatabaseError:
            return False
        finally:
            connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
            self.give_back(connection)
        return not busy

    def copy_into(self, path: Path) -> None:
        """Copy all that the database holds at this moment into an empty file: what was deleted
        does not come along. Beside writers; without WAL it keeps them waiting.

        Raises DatabaseUnavailable.
        """
        connection = self.take()
        try:
            with our_errors:
                connection.execute("VACUUM INTO ?", (str(path),))
        finally:
            self.give_back(connection)

    def is_open_elsewhere(self) -> bool:
        """Whether anybody else has the database open: SQLite lets only the last connection switch
        WAL off. (Without WAL that can't be told.) To be called while no transaction is open."""
        connection = self.take()
        try:
            connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_MS}")
            with our_errors:
                connection.execute("PRAGMA journal_mode = DELETE")
            return False
        except DatabaseBusy:
            return True
        finally:
            connection.close()  # the next one switches WAL on, as each does

    def holds_a_schema(self) -> bool:
        """Whether this is a database of this service at all. Raises DatabaseUnavailable."""
        with self.read() as tx:
            return (
                tx.one("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'") is not None
            )

    def check(self) -> list[Fault]:
        """See :meth:`Database.check`."""
        # Two transactions: without WAL, a reader keeps every writer from committing.
        with self.read() as tx:
            structure = tx.all("PRAGMA integrity_check")
        with self.read() as tx:
            dangling = tx.all("PRAGMA foreign_key_check")
        faults = [Fault("database", str(row[0])) for row in structure if row[0] != "ok"]
        return faults + [
            Fault(f"{row[0]} rowid={row[1]}", f"refers to a row of {row[2]} that does not exist")
            for row in dangling
        ]

    def warnings(self) -> list[str]:
        """See :meth:`Database.warnings`."""
        if not has_wal_reset_bug():
            return []
        warning = (
            f"SQLite {sqlite3.sqlite_version} can corrupt a database in WAL mode "
            "(sqlite.org/wal.html#walresetbug), so it runs without: slower, and long reads, such "
            "as rotate_keys.py --verify, hold writes up. Use a newer SQLite if you can."
        )
        return [warning]

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
