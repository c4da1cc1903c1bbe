"""PostgreSQL: a transaction that the server carries out while its client goes on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from types import TracebackType

import psycopg
from psycopg import generators

from models.errors import SecretsManagerError
from utils.behind import Behind, Work
from utils.db import POSTGRESQL, Database, Row, Tx, note_commit
from utils.postgres_tx import our_errors


class PostgresBehind(Behind):
    """On a connection of its own, in pipeline mode: the statements and their end are sent at once,
    so that it commits without hearing from us again. A thread that waits for the server instead
    needs the interpreter again and again, and gets it late: a rotation became slower by it.
    """

    def __init__(self, db: Database, connect: Callable[[], psycopg.Connection]) -> None:
        super().__init__(db)
        self._connect = connect
        self._connection: psycopg.Connection | None = None
        self._running: Generator[None, None, int] | None = None
        self._failure: SecretsManagerError | None = None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _frames: TracebackType | None,
    ) -> None:
        running, self._running, self._failure = self._running, None, None
        connection, self._connection = self._connection, None
        if running is not None:
            running.close()
        if connection is not None:
            connection.close()

    def send(self, work: Work) -> None:
        """See :meth:`Behind.send`."""
        if self._running is not None:
            raise RuntimeError("one transaction at a time")
        self._db.at_rest()
        self._running = self._run(work)
        try:
            next(self._running)
        except SecretsManagerError as error:
            self._failure = error  # the answer is already here; it is told to who asks for it
        except BaseException:
            self._running = None
            raise

    def wait(self) -> int:
        """See :meth:`Behind.wait`."""
        running, self._running = self._running, None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        if running is None:
            return 0
        try:
            next(running)
        except StopIteration as end:
            note_commit()
            return int(end.value)
        raise AssertionError  # unreachable: it yields once

    def _run(self, work: Work) -> Generator[None, None, int]:
        """Send it; after the one ``yield``, wait for its end, and say how many rows it changed."""
        with our_errors():
            if self._connection is None or self._connection.broken:
                self._connection = self._connect()
            tx = _Sending(self._connection)
            try:
                # A pipeline's sync() would commit too, but wait for all results.
                with self._connection.pipeline():
                    self._connection.execute("BEGIN", prepare=False)
                    work(tx)
                    self._connection.execute("COMMIT", prepare=False)
                    # What the socket has not taken yet, the server would wait for as we for it.
                    self._connection.wait(generators.send(self._connection.pgconn))
                    yield
            except Exception:
                self._connection.rollback()  # the COMMIT was passed over, or never sent
                raise
            return tx.changed()


class _Sending(Tx):
    """Statements whose results are still to come."""

    dialect = POSTGRESQL

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._sent: list[psycopg.Cursor[Row]] = []

    def all(self, sql: str, *parameters: object) -> list[Row]:  # noqa: ARG002
        """Raises RuntimeError."""
        raise RuntimeError("what was only sent has no rows")

    def run(self, sql: str, *parameters: object) -> int:
        """Send it, and say 0."""
        statement = POSTGRESQL.translate(sql).encode()
        self._sent.append(self._connection.execute(statement, parameters))
        return 0

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Send it for each row of parameters, and say 0."""
        return sum(self.run(sql, *parameters) for parameters in rows)

    def changed(self) -> int:
        """How many rows they have changed, once they are done."""
        return sum(cursor.rowcount for cursor in self._sent)
