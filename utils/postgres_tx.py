"""PostgreSQL: the statements of a transaction, and its errors in our words."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg_pool import PoolTimeout

from models.errors import DatabaseBusy, DatabaseUnavailable, IntegrityViolation
from utils.db import POSTGRESQL, Row, Tx, require_one_read

BUSY_SENTENCE = "The database is busy. Try again in a moment."
_STREAMED_AT_ONCE = 200  # rows, of at most 90 KB
_CONFLICT = (pg.DeadlockDetected, pg.SerializationFailure)  # SQLSTATE 40P01, 40001
_BUSY = (pg.LockNotAvailable, pg.QueryCanceled)
# Read-only is what a standby is, and for a moment what it was before a failover.
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    pg.ReadOnlySqlTransaction,
    pg.InsufficientPrivilege,
    pg.InvalidSchemaName,
)
# For the operator. Never an error's own text: it may quote parts of the URL.
_WHY: dict[type[Exception], str] = {
    pg.ReadOnlySqlTransaction: "it is read-only",
    pg.DiskFull: "its disk is full",
    pg.InsufficientPrivilege: "its role may not do that",
    pg.InvalidSchemaName: "there is no schema that its role may use",
}


class PostgresTx(Tx):
    """Statements on the connection of a transaction that somebody else begins and ends."""

    dialect = POSTGRESQL

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, *parameters: object) -> list[Row]:
        """See :meth:`Tx.all`."""
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: object) -> int:
        """See :meth:`Tx.run`."""
        return self._execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See :meth:`Tx.run_many`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(POSTGRESQL.translate(sql).encode(), rows)
            return cursor.rowcount

    def execute(self, statement: sql.Composed) -> None:
        """Execute what is made of names (utils/table_copy.py)."""
        self._connection.execute(statement)

    def stream(self, statement: sql.Composed) -> Generator[Row, None, None]:
        """Row after row, of which few are in memory at once."""
        with self._connection.cursor("stream") as cursor:
            cursor.itersize = _STREAMED_AT_ONCE
            yield from cursor.execute(statement)

    def copy_in(self, statement: sql.Composed, rows: Iterable[Row]) -> int:
        """Hand *rows* over to a ``COPY ... FROM STDIN``; how many the server took.

        Raises IntegrityViolation, also for what a column cannot hold.
        """
        with our_errors(), self._connection.cursor() as cursor:
            try:
                with cursor.copy(statement) as copy:
                    for row in rows:
                        copy.write_row(row)
            except psycopg.DataError as error:
                raise IntegrityViolation("The database refused the change.") from error
            return cursor.rowcount

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> psycopg.Cursor[Row]:
        # As bytes: psycopg's types take only literals as text, to keep values out of SQL;
        # ours are constants, and a test reads the tree to keep it so.
        return self._connection.execute(POSTGRESQL.translate(sql).encode(), parameters)


class Once(Tx):
    """Autocommit: a statement that reads is a transaction by itself. *ask* gives its rows."""

    dialect = POSTGRESQL

    def __init__(self, ask: Callable[[bytes, Sequence[object]], list[Row]]) -> None:
        self._ask = ask
        self._done = False

    def all(self, sql: str, *parameters: object) -> list[Row]:
        """See :meth:`Tx.all`."""
        require_one_read(sql, done=self._done)
        self._done = True
        return self._ask(POSTGRESQL.translate(sql).encode(), parameters)

    def run(self, sql: str, *parameters: object) -> int:  # noqa: ARG002
        """Raises RuntimeError."""
        return require_one_read(sql, done=True)

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:  # noqa: ARG002
        """Raises RuntimeError."""
        return require_one_read(sql, done=True)


@contextmanager
def our_errors() -> Iterator[None]:
    """Foreign exceptions stop here. A mistake in our SQL passes: it is a bug, not weather."""
    try:
        yield
    except _CONFLICT as error:
        raise DatabaseBusy(BUSY_SENTENCE, conflict=True) from error
    except _BUSY as error:
        raise DatabaseBusy(BUSY_SENTENCE) from error
    except pg.IntegrityError as error:
        raise IntegrityViolation("The database refused the change.") from error
    except _AWAY as error:
        why = _WHY.get(type(error), "")
        raise DatabaseUnavailable("The database is not available.", why) from error
