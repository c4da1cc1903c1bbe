"""SQLite: transactions, and the statements in them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from models.errors import DatabaseUnavailable
from utils.db import SQLITE, Row, Tx, note_commit, require_one_read
from utils.sqlite_library import our_errors, sqlite3


class Lender(Protocol):
    """Who has the connections."""

    at_rest: Callable[[], None]

    def take(self) -> sqlite3.Connection:
        """One that nobody else uses."""

    def lock(self, connection: sqlite3.Connection, *, wait: bool) -> None:
        """Begin a transaction that writes."""

    def give_back(self, connection: sqlite3.Connection) -> None:
        """For the next transaction."""

    def undo(self, connection: sqlite3.Connection, *, broken: bool) -> None:
        """Roll back, and give it back unless it is broken."""


class SqliteTx(Tx):
    """Statements on the connection that whoever begins the transaction has put here."""

    __slots__ = ("_connection",)

    dialect = SQLITE
    _connection: sqlite3.Connection

    def all(self, sql: str, *parameters: object) -> list[Row]:
        """See :meth:`Tx.all`."""
        with our_errors:
            # Fetched whole: a RETURNING statement that is left half read does not commit.
            return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: object) -> int:
        """See :meth:`Tx.run`."""
        with our_errors:
            return self._execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See :meth:`Tx.run_many`."""
        with our_errors:
            return self._connection.executemany(SQLITE.translate(sql), rows).rowcount

    def stream(self, sql: str) -> Generator[Row, None, None]:
        """Row after row. Raises UnicodeDecodeError for a text that is none, and which a copy would
        hold as :func:`text` makes it."""
        self._connection.text_factory = bytes.decode
        try:
            with our_errors:
                yield from self._connection.execute(sql)
        finally:
            self._connection.text_factory = text

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> sqlite3.Cursor:
        return self._connection.execute(SQLITE.translate(sql), parameters)


class Transaction(SqliteTx):
    """One that reads, and the context manager that it is: written out, as on each request a few
    of contextlib's would cost as much as the statements in them."""

    __slots__ = ("_db",)

    def __init__(self, db: Lender) -> None:
        self._db = db

    def __enter__(self) -> Tx:
        self._db.at_rest()
        self._connection = self._db.take()
        try:
            with our_errors:
                self._begin()
        except BaseException as error:
            self._undo(error)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _frames: object
    ) -> None:
        if error is not None:
            self._undo(error)
            return
        try:
            with our_errors:
                self._end()
        except BaseException as failure:
            self._undo(failure)
            raise
        self._db.give_back(self._connection)

    def _begin(self) -> None:
        self._connection.execute("BEGIN")

    def _end(self) -> None:
        self._connection.execute("ROLLBACK")

    def _undo(self, error: BaseException) -> None:
        self._db.undo(self._connection, broken=isinstance(error, DatabaseUnavailable))


class Write(Transaction):
    """One that writes, and commits at its end."""

    __slots__ = ("_wait",)

    def __init__(self, db: Lender, *, wait: bool) -> None:
        super().__init__(db)
        self._wait = wait

    def _begin(self) -> None:
        self._db.lock(self._connection, wait=self._wait)

    def _end(self) -> None:
        self._connection.execute("COMMIT")
        note_commit()


class Once(Transaction):
    """No BEGIN: SQLite gives a statement that reads a transaction of its own."""

    __slots__ = ("_done",)

    def __init__(self, db: Lender) -> None:
        super().__init__(db)
        self._done = False

    def _begin(self) -> None:
        pass

    def _end(self) -> None:
        pass

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:  # noqa: ARG002
        """Raises RuntimeError."""
        return require_one_read(sql, done=True)

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> sqlite3.Cursor:
        require_one_read(sql, done=self._done)
        self._done = True
        return super()._execute(sql, parameters)


def text(raw: bytes) -> str:
    """What a text column holds, whatever that is.

    The module's own decoder raises on what isn't UTF-8, and quotes it: one flipped bit in one
    ciphertext would stop a whole rotation. So it becomes a text that does not open.
    """
    return raw.decode(errors="replace")
