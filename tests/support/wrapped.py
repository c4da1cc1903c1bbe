"""Databases that do what another one does and besides note it, interfere, or crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from models.reports import Fault
from utils.db import Database, Row, Tx


class Wrapped(Database):
    """Does what *inner* does."""

    def __init__(self, inner: Database) -> None:
        self.dialect = inner.dialect
        self.patience_seconds = inner.patience_seconds
        self._inner = inner

    def read(self) -> AbstractContextManager[Tx]:
        """See :meth:`Database.read`."""
        return self._inner.read()

    def write(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        """See :meth:`Database.write`."""
        return self._inner.write(wait=wait)

    def rotation_lock(self) -> AbstractContextManager[None]:
        """See :meth:`Database.rotation_lock`."""
        return self._inner.rotation_lock()

    def scrub(self) -> bool:
        """See :meth:`Database.scrub`."""
        return self._inner.scrub()

    def check(self) -> list[Fault]:
        """See :meth:`Database.check`."""
        return self._inner.check()

    def close(self) -> None:
        """See :meth:`Database.close`."""
        self._inner.close()


class Meanwhile(Wrapped):
    """Just before each write transaction, or before the exchange in it, something happens."""

    def __init__(
        self,
        inner: Database,
        happens: Callable[[], None],
        before: Literal["transaction", "exchange"] = "transaction",
    ) -> None:
        super().__init__(inner)
        self._happens = happens
        self._before = before

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """Let it happen, then write; or the other way round."""
        if self._before == "transaction":
            self._happens()
        with self._inner.write(wait=wait) as tx:
            yield _MeanwhileTx(tx, self._happens) if self._before == "exchange" else tx


class _MeanwhileTx(Tx):
    """Tx.one is made of Tx.all."""

    def __init__(self, inner: Tx, happens: Callable[[], None]) -> None:
        self.dialect = inner.dialect
        self._inner = inner
        self._happens = happens

    def all(self, sql: str, *parameters: object) -> list[Row]:
        return self._inner.all(sql, *parameters)

    def run(self, sql: str, *parameters: object) -> int:
        return self._inner.run(sql, *parameters)

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        self._happens()
        return self._inner.run_many(sql, rows)


class Crash(BaseException):
    """The process ends here; no ``except`` of the program may think otherwise."""


class Crashing(Wrapped):
    """Crashes at one of its commits: before it, or after it and before anybody knows."""

    def __init__(self, inner: Database, at: int, when: Literal["before", "after"]) -> None:
        super().__init__(inner)
        self._left = at
        self._when = when

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """Count down."""
        self._left -= 1
        with self._inner.write(wait=wait) as tx:
            yield tx
            if self._left == 0 and self._when == "before":
                raise Crash
        if self._left == 0:
            raise Crash


class Recording(Wrapped):
    """Notes every statement, and how many bytes each write transaction was given."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner)
        self.statements: list[tuple[str, Sequence[object]]] = []
        self.written: list[int] = []

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """See :meth:`Database.read`."""
        with self._inner.read() as tx:
            yield _RecordingTx(tx, self)

    @contextmanager
    def read_once(self) -> Iterator[Tx]:
        """See :meth:`Database.read_once`."""
        with self._inner.read_once() as tx:
            yield _RecordingTx(tx, self)

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """See :meth:`Database.write`."""
        self.written.append(0)
        with self._inner.write(wait=wait) as tx:
            yield _RecordingTx(tx, self)


class _RecordingTx(Tx):
    """Tx.one is made of Tx.all."""

    def __init__(self, inner: Tx, record: Recording) -> None:
        self.dialect = inner.dialect
        self._inner = inner
        self._record = record

    def all(self, sql: str, *parameters: object) -> list[Row]:
        self._record.statements.append((sql, parameters))
        return self._inner.all(sql, *parameters)

    def run(self, sql: str, *parameters: object) -> int:
        self._record.statements.append((sql, parameters))
        self._record.written[-1] += sum(_size(each) for each in parameters if type(each) is list)
        return self._inner.run(sql, *parameters)

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        self._record.statements.append((sql, rows[0] if rows else ()))
        self._record.written[-1] += sum(map(_size, rows))
        return self._inner.run_many(sql, rows)


def _size(values: Sequence[object]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))
