"""How fast somebody may send requests: counted in memory, and settled with the other workers.

A write to the database for each request would cost more than most requests. So each process has the
leaky buckets (``utils/store/attempts.py`` tells how they work) of those who called it, and once a
second, while there are requests, adds what it has counted to what all have: one small transaction,
after an answer was sent. What somebody sends to several processes within that second each of them
counts for itself; what that was too much is paid for afterwards. While the database has no time,
each process goes on by its own count.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from models.errors import IntegrityViolation, TooManyRequests, TryLater
from models.times import to_microseconds
from utils.db import Database
from utils.store import request_buckets
from utils.throttle import Bucket

_SETTLED_AT_ONCE = 5000  # subjects: two parameters each, of the 32,766 that a statement takes
_MOST_CHARGED = request_buckets.LONGEST_DEBT // 2
_SECOND = 1_000_000  # microseconds; and how often is settled


@dataclass(slots=True)
class _Count:
    full_at: int  # when all units will be back, as far as this process knows
    cost: int
    unsettled: int = 0  # units that only this process knows of

    def keep_up(self, moment: int) -> None:
        """Begin anew where all is back. A clock that was set back would else refuse until then."""
        if not moment < self.full_at <= moment + request_buckets.LONGEST_DEBT:
            self.full_at, self.unsettled = moment, 0


class Pace:
    """The counts of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()
        self._settle_at = 0

    def take(self, buckets: tuple[Bucket, ...], now: datetime) -> None:
        """Count a request. Raises TooManyRequests, and then it does not count: who is refused
        waits no longer for having tried."""
        moment = to_microseconds(now)
        with self._lock:
            for bucket in buckets:
                count = self._counts.setdefault(bucket.subject, _Count(moment, bucket.cost))
                count.keep_up(moment)
                wait = count.full_at + bucket.cost - moment - bucket.capacity
                if wait > 0:
                    raise TooManyRequests(-(-wait // _SECOND))
                count.full_at += bucket.cost
                count.unsettled += 1

    def charge(self, buckets: tuple[Bucket, ...], units: int, now: datetime) -> None:
        """Count what turned out to be more than one request, when it is done: as debt, so that no
        batch is too large for a limit. Never so much that it looks as if a clock was set back."""
        moment = to_microseconds(now)
        with self._lock:
            for bucket in buckets:
                count = self._counts.setdefault(bucket.subject, _Count(moment, bucket.cost))
                count.keep_up(moment)
                room = (moment + _MOST_CHARGED - count.full_at) // bucket.cost
                count.full_at += max(0, min(units, room)) * bucket.cost
                count.unsettled += max(0, min(units, room))

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to settle; True for one who asks, and then not for a second."""
        moment = to_microseconds(now)
        with self._lock:
            due = bool(self._counts) and not moment < self._settle_at <= moment + _SECOND
            if due:
                self._settle_at = moment + _SECOND
            return due

    def settle(self, db: Database, now: datetime) -> None:
        """Tell the others what was counted here, and learn what they have. The lock is only tried:
        what could not be told is told the next time."""
        moment = to_microseconds(now)
        with self._lock:
            told = self._unsettled(moment)
        if not told:
            return
        with suppress(TryLater, IntegrityViolation):
            with db.write(wait=False) as tx:
                known = request_buckets.add(
                    tx, {subject: units * cost for subject, units, cost in told}, moment
                )
            with self._lock:
                for subject, units, _ in told:
                    self._learn(subject, units, known[subject])

    def _unsettled(self, moment: int) -> list[tuple[str, int, int]]:
        """Subject, units and cost of what the others do not know; in passing, forget whose units
        are all back: made-up sources must not fill the memory."""
        self._counts = {s: count for s, count in self._counts.items() if count.full_at > moment}
        told = [(s, c.unsettled, c.cost) for s, c in self._counts.items() if c.unsettled]
        return told[:_SETTLED_AT_ONCE]

    def _learn(self, subject: str, units: int, full_at: int) -> None:
        count = self._counts.get(subject)
        if count is not None:
            count.unsettled = max(0, count.unsettled - units)
            count.full_at = full_at + count.unsettled * count.cost
