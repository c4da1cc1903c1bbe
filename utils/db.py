"""The one door to the database: connect, transact, and what the two engines do differently.

To point the service at another database, set ``SECRETS_DATABASE_URL``; to support another
engine, write a third module beside ``sqlite.py`` and ``postgres.py`` and name it in
:func:`open_database`.

SQL is written once, in the part that SQLite and PostgreSQL share, with ``?`` for parameters. What
differs is the dialect: a handful of rewrites, applied once per statement and remembered. What each
kind of transaction is on either engine, and what it commits, is a table in ARCHITECTURE.md.

A write transaction on SQLite takes the one write lock at its beginning, never halfway: a
deferred one that upgrades fails with "database is locked" in spite of any timeout. Nothing slow
(hashing, the network) may happen inside. On PostgreSQL, ``FOR NO KEY UPDATE`` on the owner's row
gives the same order between writers of one account; SQLite drops the clause (and with it
``SKIP LOCKED``: it has one writer at a time).

Locks in one order make deadlocks rare, not impossible: an operator's own session takes them as it
likes. So what may lose such a conflict goes through :func:`retried`.
"""

from __future__ import annotations

import functools
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from models.errors import ConfigurationError, DatabaseBusy
from models.reports import Fault
from utils.behind import Behind

Row = tuple[Any, ...]
Result = TypeVar("Result")
TRIES = 4  # of a transaction that loses conflicts; PostgreSQL takes a second to find a deadlock
_LONGEST_PAUSE_SECONDS = 0.1
PATIENCE = 6  # busy timeouts for which a rotation, which has time, asks a busy database again
_SQLITE = "sqlite:///"
_READS = ("SELECT ", "WITH ")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one engine spells differently."""

    name: str
    placeholder: str
    identity: str  # an ever-growing row number that is never used twice
    then_id: str  # what ends an index that is to be ordered by row number
    binary: str  # byte order for text, so that paging sorts alike on both
    row_locks: bool
    arrays: bool  # takes a whole column of values as one parameter

    def translate(self, sql: str) -> str:
        """Rewrite a statement of ours for this engine. Remembered per statement."""
        return _translate(self, sql)

    def translate_schema(self, sql: str) -> str:
        """Fill in the column types of a migration."""
        for name, text in (
            ("{identity}", self.identity),
            ("{binary}", self.binary),
            ("{then_id}", self.then_id),
        ):
            sql = sql.replace(name, text)
        return sql


SQLITE = Dialect(
    name="sqlite",
    placeholder="?",
    # AUTOINCREMENT: without it SQLite gives the newest deleted row's number out again, and a
    # ciphertext bound to the old row would open in the new one.
    identity="INTEGER PRIMARY KEY AUTOINCREMENT",
    then_id="",  # every index of SQLite's ends in it; said again, it is stored again
    binary="COLLATE BINARY",
    row_locks=False,
    arrays=False,
)
POSTGRESQL = Dialect(
    name="postgresql",
    placeholder="%s",
    identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    then_id=", id",
    binary='COLLATE "C"',
    row_locks=True,
    arrays=True,
)


@functools.lru_cache(maxsize=512)
def _translate(dialect: Dialect, sql: str) -> str:
    if dialect.row_locks:
        return sql.replace("%", "%%").replace("?", dialect.placeholder)
    return sql.replace("FOR NO KEY UPDATE SKIP LOCKED", "").replace("FOR NO KEY UPDATE", "")


class Tx(ABC):
    """An open transaction. Holding one is what allows a function to touch the database."""

    __slots__ = ()

    dialect: Dialect

    def one(self, sql: str, *parameters: object) -> Row | None:
        """The first row, or None."""
        rows = self.all(sql, *parameters)
        return rows[0] if rows else None

    @abstractmethod
    def all(self, sql: str, *parameters: object) -> list[Row]:
        """All rows."""

    @abstractmethod
    def run(self, sql: str, *parameters: object) -> int:
        """Execute, and say how many rows it changed: the answer to every race."""

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Execute once per row of parameters; the number of rows changed in all."""

    def all_of(self, sql: str, rows: Sequence[Sequence[object]], *parameters: object) -> list[Row]:
        """All rows of one statement about many things: ``{rows}`` in it becomes ``(?, ?), (?, ?)``,
        a pair of brackets for each of *rows* (at least one), which come before *parameters*.

        The text grows with them, the number of statements does not. Nothing but question marks is
        put in, so this is no way for a value into a statement. SQLite takes 32,766 of them.
        """
        sql = _with_rows(sql, rows)
        return self.all(sql, *chain.from_iterable(rows), *parameters)

    def run_of(self, sql: str, rows: Sequence[Sequence[object]], *parameters: object) -> int:
        """Execute such a statement, and say how many rows it changed."""
        sql = _with_rows(sql, rows)
        return self.run(sql, *chain.from_iterable(rows), *parameters)


def _with_rows(sql: str, rows: Sequence[Sequence[object]]) -> str:
    brackets = f"({', '.join('?' * len(rows[0]))})"
    return sql.replace("{rows}", ", ".join([brackets] * len(rows)))


class Database(ABC):
    """A database that hands out transactions. Safe to share between threads, and after a fork."""

    dialect: Dialect
    patience_seconds: float = 30
    # Called before each transaction. What it raises ends the work where nothing is half done.
    at_rest: Callable[[], None] = staticmethod(lambda: None)
    # Told after each wait that had an end: for what, "lock" or "connection", and seconds.
    waited: Callable[[str, float], None] = staticmethod(lambda _for_what, _seconds: None)

    @abstractmethod
    def read(self) -> AbstractContextManager[Tx]:
        """A transaction that only reads, and sees one state. It does not wait for a writer
        (but see :meth:`warnings` for SQLite without WAL)."""

    def read_once(self) -> AbstractContextManager[Tx]:
        """The same for one statement, which is a transaction by itself, and needs no BEGIN: that
        and its end would be two statements more on each request, on PostgreSQL three round trips.

        A second statement would see another state, and raises RuntimeError.
        """
        return self.read()

    def read_by_index(self) -> AbstractContextManager[Tx]:
        """The same, for a stretch of a large table after the other: each statement walks along an
        index and stops at its LIMIT, whatever the statistics say.

        PostgreSQL's are older than what a rotation does. It took a million values under one key
        for a few hundred, and sorted them all, for each batch again.
        """
        return self.read()

    @abstractmethod
    def write(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        """A transaction that commits at its end, and rolls back on any exception.

        Without *wait*, a lock that is not free raises DatabaseBusy at once.
        Raises DatabaseBusy, DatabaseUnavailable or IntegrityViolation, and nothing was changed;
        but where the connection breaks during the commit, DatabaseUnavailable says so.
        """

    def behind(self) -> Behind:
        """For transactions that write while their caller goes on, each in one go. On PostgreSQL
        they have a connection of their own, from the first one on."""
        return Behind(self)

    @abstractmethod
    def rotation_lock(self) -> AbstractContextManager[None]:
        """Held while a rotation runs, and released when its process ends, however it ends.

        Raises RotationRunning. For economy only: two rotations at once are safe.
        """

    @abstractmethod
    def scrub(self) -> bool:
        """After keys were destroyed: leave no deleted content in the database's files.

        False if that could not be completed because the database is in use.
        """

    @abstractmethod
    def check(self) -> list[Fault]:
        """What the engine itself finds wrong with the stored data. Changes nothing."""

    def warnings(self) -> list[str]:
        """What an operator should know of this engine's state, for the start-up log."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Close all connections. The object can be used again and opens new ones."""


def require_one_read(sql: str, *, done: bool) -> int:
    """For the engines: what :meth:`Database.read_once` is for. Raises RuntimeError; else 1, the
    number of statements."""
    if done or not sql.startswith(_READS):
        raise RuntimeError("read_once is for one statement that reads")
    return 1


_of_this_thread = threading.local()


def commits() -> int:
    """How many write transactions this thread has committed."""
    return getattr(_of_this_thread, "commits", 0)


def note_commit() -> None:
    """For the engines: one more."""
    _of_this_thread.commits = commits() + 1


def retried(work: Callable[[], Result]) -> Result:
    """Run *work*, and again if its transaction was undone in favour of another: a deadlock or a
    serialization failure (SQLSTATE 40P01, 40001). Raises DatabaseBusy after :data:`TRIES`.

    *work* is the whole transaction, reads that it decides by included, and does nothing outside of
    the database that must not happen twice. Once something of it is committed it is not repeated,
    as that would be done twice: the conflict is then for the caller.

    SQLite knows no such conflicts: its one lock is waited for at the beginning. And who has waited
    in vain for a lock, on either engine, has waited long enough.
    """
    before = commits()
    for tries in range(1, TRIES + 1):
        try:
            return work()
        except DatabaseBusy as error:
            if not error.conflict or commits() != before:
                raise
            if tries == TRIES:
                raise DatabaseBusy(str(error)) from error  # no conflict: nobody begins anew
        # Two that met go on at different moments, or they meet again.
        time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - no secret
    raise AssertionError  # unreachable: the last try returns or raises


def sqlite_path(url: str) -> Path | None:
    """The file behind a ``sqlite:///`` URL; None for other engines."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def open_database(
    url: str, busy_timeout_seconds: float, pool_size: int, *, sweeping: bool = False
) -> Database:
    """The database behind ``sqlite:///relative``, ``sqlite:////absolute`` or ``postgresql://…``.

    *sweeping* tells that the work will go over all that is stored, not over a few rows.

    Engines are imported here, not above: a SQLite installation never loads psycopg.
    """
    if (path := sqlite_path(url)) is not None:
        from utils.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(path, busy_timeout_seconds, sweeping=sweeping)
    if url.startswith(("postgresql://", "postgres://")):
        from utils.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(url, busy_timeout_seconds, pool_size)
    raise ConfigurationError(
        "SECRETS_DATABASE_URL must begin with sqlite:/// or postgresql:// (and is not shown here, "
        "as it may hold a password)."
    )
