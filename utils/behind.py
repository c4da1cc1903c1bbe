"""A transaction that goes on while its caller does something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which makes these
    from types import TracebackType

    from utils.db import Database, Tx

Work = Callable[["Tx"], int]


class Behind:
    """One transaction at a time: :meth:`send` hands it over, :meth:`wait` tells what it came to.

    A context manager, which leaves nothing open; it can be entered again. Here nothing is begun
    before it is waited for: on SQLite this process does the work itself.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._work: Work | None = None

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """What was sent and not waited for may be done or not, as a whole."""
        self._work = None

    def send(self, work: Work) -> None:
        """Hand over statements that write. What their counts are told to *work* is not to be relied
        on: that is known only later. Raises RuntimeError before the last one is waited for."""
        if self._work is not None:
            raise RuntimeError("one transaction at a time")
        self._work = work

    def wait(self) -> int:
        """How many rows it changed; 0 if nothing was sent since the last time.

        Raises as :meth:`Database.write` does, without waiting for locks; nothing was changed then,
        unless the connection was lost meanwhile: then all of it may be done, or nothing.
        """
        work, self._work = self._work, None
        if work is None:
            return 0
        with self._db.write(wait=False) as tx:
            return work(tx)
