"""A database whose n-th call fails: not by patching SQL, but as an engine that goes away would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from models.errors import DatabaseUnavailable
from models.reports import Fault
from utils.db import Database, Row, Tx

When = Literal["instead", "after"]  # of carrying out the call
WHENS: tuple[When, ...] = ("instead", "after")


@dataclass
class FaultPlan:
    """Which call fails. Counts them in any case: beginnings, statements and commits."""

    calls: int = 0
    fail_at: int = 0  # 0: none
    when: When = "instead"
    fired: bool = False

    def arm(self, fail_at: int, when: When) -> None:
        """Count from 0 again, and fail at that call."""
        self.calls, self.fail_at, self.when, self.fired = 0, fail_at, when, False

    def disarm(self) -> int:
        """Let everything pass from now on. How many calls there were."""
        calls, self.calls, self.fail_at = self.calls, 0, 0
        return calls

    def begin_call(self) -> bool:
        """Count a call; whether it is the one, to be told to :meth:`end_call`."""
        self.calls += 1
        hit = self.calls == self.fail_at
        if hit and self.when == "instead":
            self._fail()
        return hit

    def end_call(self, hit: bool) -> None:
        """The call was carried out: now the answer to it may get lost."""
        if hit:
            self._fail()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Both, around a call."""
        hit = self.begin_call()
        yield
        self.end_call(hit)

    def _fail(self) -> None:
        self.fired = True
        raise DatabaseUnavailable("The database went away, as the test wanted.")


class FaultyDatabase(Database):
    """Another database, as long as the plan lets it."""

    def __init__(self, inner: Database, plan: FaultPlan) -> None:
        self.dialect = inner.dialect
        self._inner = inner
        self._plan = plan

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """See :meth:`Database.read`."""
        with self._inner.read() as tx:
            with self._plan.call():
                pass  # its BEGIN
            yield _FaultyTx(tx, self._plan)

    @contextmanager
    def read_once(self) -> Iterator[Tx]:
        """See :meth:`Database.read_once`."""
        with self._inner.read_once() as tx:
            yield _FaultyTx(tx, self._plan)

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """See :meth:`Database.write`. A commit that fails "after" has happened."""
        with self._inner.write(wait=wait) as tx:
            with self._plan.call():
                pass  # its BEGIN
            yield _FaultyTx(tx, self._plan)
            hit = self._plan.begin_call()  # its COMMIT
        self._plan.end_call(hit)

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


class _FaultyTx(Tx):
    """Tx.one is made of Tx.all, so it counts once."""

    def __init__(self, inner: Tx, plan: FaultPlan) -> None:
        self.dialect = inner.dialect
        self._inner = inner
        self._plan = plan

    def all(self, sql: str, *parameters: object) -> list[Row]:
        with self._plan.call():
            return self._inner.all(sql, *parameters)

    def run(self, sql: str, *parameters: object) -> int:
        with self._plan.call():
            return self._inner.run(sql, *parameters)

    def run_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        with self._plan.call():
            return self._inner.run_many(sql, rows)
