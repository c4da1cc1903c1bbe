"""Events that need no transaction of their own: queued per process, written in batches.

A chained row in every read's transaction would make reads wait for writers: on a prototype they
fell from 15,300 a second to 3,000. So reads and refusals are queued, and within a second a thread
writes what has gathered in one transaction. The thread lives as long as there is something to write
or to tell; and it is no daemon, so that a process that ends waits for it.
What ``kill -9`` or a loss of power can lose is what was answered in the last second.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from models.errors import DatabaseBusy, SecretsManagerError, TryLater
from models.events import ChainId, Waiting
from models.rows import SystemKey
from utils.audit_batch import place, summed
from utils.audit_heads import tell_heads
from utils.db import Database
from utils.store import audit

logger = logging.getLogger("secrets_manager")

_GATHERING_SECONDS = 0.4
_RETRY_SECONDS = 0.5
_LOOK_UP_SECONDS = 0.1  # how soon the thread sees that the process ends
_BATCH = 500  # events in a transaction: about 10 ms under the lock
_MOST_WAITING = 20_000  # events, some 10 MB
_ROOM_SECONDS = 1.0  # for which a request waits, on a thread that others may need, if it is full
_HEADS_SECONDS = 60.0
_LAST_TRIES = 4  # of a process that ends while the database cannot be written


@dataclass(eq=False, slots=True)
class _Ticket:
    """Waiting until an event is durable, and all that came before it is written or given up."""

    done: threading.Event = field(default_factory=threading.Event)
    lost: bool = False

    def wait(self, seconds: float) -> None:
        """Raises DatabaseBusy if it is not written in time, or will never be."""
        if not self.done.wait(seconds) or self.lost:
            raise DatabaseBusy("The audit trail could not be written in time. Try again.")


@dataclass(eq=False, slots=True)
class _Queued:
    waiting: Waiting
    ticket: _Ticket | None = None
    settled: bool = False  # written, or given up


class AuditLog:
    """The events of one process on their way into the trail. Safe to share between threads."""

    def __init__(self, db: Database, key: SystemKey, patience: timedelta) -> None:
        self.key = key
        self._db = db
        self._patience = patience.total_seconds()
        self._room_seconds = min(self._patience, _ROOM_SECONDS)
        self._start_over()
        _logs.add(self)

    def _start_over(self) -> None:
        """Also in a forked child: what waits is the parent's to write, and its lock may be held."""
        self._changed = threading.Condition()
        self._waiting: deque[_Queued] = deque()
        self._unkept = 0  # refusals that found the queue full
        self._urgent = self._closing = self._failing = False
        self._thread: threading.Thread | None = None
        self._touched: set[ChainId] = set()
        self._told_at = time.monotonic()

    def add(self, events: Sequence[Waiting], *, wait: bool = False, room: bool = True) -> None:
        """Have events written soon; with *wait*, return when they are durable.

        Where too many wait already it waits for room, so that callers become as slow as the trail;
        not without *room*. Raises DatabaseBusy where there is none, it took too long, or nothing
        can be written: what leaves no trace must not be answered.
        """
        if not events:
            return
        last = _Queued(events[-1], _Ticket() if wait else None)
        with self._changed:
            if not self._has_room(len(events), wait=room):
                raise DatabaseBusy("The audit trail cannot be written. Try again in a moment.")
            first = not self._waiting
            self._waiting.extend(_Queued(event) for event in events[:-1])
            self._waiting.append(last)
            self._urgent |= wait
            self._start(wake=first or wait or len(self._waiting) >= _BATCH)
        if last.ticket is not None:
            last.ticket.wait(self._patience)

    def add_if_there_is_room(self, events: Sequence[Waiting]) -> None:
        """Of what is refused anyway. How many found no room is told in the log."""
        try:
            self.add(events, room=False)
        except DatabaseBusy:
            with self._changed:
                self._unkept += len(events)

    def _has_room(self, count: int, *, wait: bool) -> bool:
        """What is larger than the queue finds room in an empty one."""

        def fits() -> bool:
            return not self._waiting or len(self._waiting) + count <= _MOST_WAITING

        if wait:
            self._changed.wait_for(lambda: self._failing or fits(), self._room_seconds)
        return fits()

    def extended(self, chain: ChainId) -> None:
        """A transaction of a view has extended this chain: the log is to tell its head, too."""
        with self._changed:
            self._touched.add(chain)
            self._start(wake=False)

    def flush(self) -> None:
        """Return when what waits now is durable. Raises DatabaseBusy."""
        with self._changed:
            if not self._waiting:
                return
            last = self._waiting[-1]
            ticket = last.ticket = last.ticket or _Ticket()
            self._urgent = True
            self._changed.notify_all()
        ticket.wait(self._patience)

    def close(self) -> None:
        """Write what waits, tell the heads, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self, *, wake: bool) -> None:
        """To wake a thread that gathers, for each event, takes longer than to write the event."""
        if wake:
            self._changed.notify_all()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="audit", daemon=False)
            self._thread.start()

    def _work(self) -> None:
        """Until nothing is left to write or to tell. It holds no lock while it does either."""
        failures = 0
        while True:
            with self._changed:
                batch = self._gather()
                if not batch and not self._touched:
                    self._thread = None
                    return
            try:
                if batch:
                    self._write(batch)
                    self._settle(batch)
                if not batch or time.monotonic() >= self._told_at + _HEADS_SECONDS:
                    self._tell_heads()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a thread that died would take the trail along
                failures += 1
                self._note_failure()
                if failures == 1:
                    logger.error("The audit trail cannot be written for now: %s", _told(error))
                if self._ending() and failures >= _LAST_TRIES:
                    self._give_up()
                else:
                    time.sleep(_RETRY_SECONDS)

    def _gather(self) -> list[_Queued]:
        """The next batch; none if it is time to tell the heads, or nothing is left to do."""
        quiet_until = time.monotonic() + _GATHERING_SECONDS
        tell_at = self._told_at + _HEADS_SECONDS
        while not self._ending():
            if self._urgent or len(self._waiting) >= _BATCH or not (self._waiting or self._touched):
                break
            left = (quiet_until if self._waiting else tell_at) - time.monotonic()
            if left <= 0:
                break
            had = len(self._waiting)
            self._changed.wait(min(left, _LOOK_UP_SECONDS))
            if not had and self._waiting:
                quiet_until = time.monotonic() + _GATHERING_SECONDS
        return [one for one in islice(self._waiting, _BATCH) if not one.settled]

    def _settle(self, done: Iterable[_Queued], *, lost: bool = False) -> None:
        """They need not be written any more. Who waits for one waits for those before it, too."""
        tickets = []
        with self._changed:
            for one in done:
                if one.ticket is not None and not one.settled:
                    one.ticket.lost = lost
                one.settled = True
            while self._waiting and self._waiting[0].settled:
                tickets.append(self._waiting.popleft().ticket)
            self._urgent = any(one.ticket for one in self._waiting)
            unkept, self._unkept = self._unkept, 0
            self._failing = False
            self._changed.notify_all()  # who waits for room
        if unkept:
            logger.error("Refusals found no room in the audit trail's queue: %d.", unkept)
        for ticket in tickets:
            if ticket is not None:
                ticket.done.set()

    def _note_failure(self) -> None:
        with self._changed:
            self._failing = True
            self._changed.notify_all()

    def _ending(self) -> bool:
        """The interpreter waits for threads that are no daemons once its main thread has ended."""
        return self._closing or not threading.main_thread().is_alive()

    def _give_up(self) -> None:
        """A process that ends can't wait for ever for its database."""
        with self._changed:
            left = [one for one in self._waiting if not one.settled]
            self._touched.clear()
        logger.error("Events of the audit trail were lost: %d.", len(left))
        self._settle(left, lost=True)

    def _write(self, batch: Sequence[_Queued]) -> None:
        """All in one transaction. Where that fails, and not because the database has no time or is
        away, chain by chain: what one of them cannot take must not keep the others waiting."""
        try:
            self._write_together(batch)
        except TryLater:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is told for the chain that it is in
            for apart in _by_chain(batch):
                try:
                    self._write_together(apart)
                except TryLater:
                    raise
                except Exception as error:  # noqa: BLE001 - the same
                    logger.error(
                        "Events of the audit trail were lost: %d, of one account: %s",
                        len(apart),
                        _told(error),
                    )
                    self._settle(apart, lost=True)
                else:
                    self._settle(apart)

    def _write_together(self, batch: Sequence[_Queued]) -> None:
        with self._db.write() as tx:
            placed = summed(place(tx, one.waiting) for one in batch)
            audit.append(tx, self.key, placed)
        with self._changed:
            self._touched.update(chain for chain, _ in placed)

    def _tell_heads(self) -> None:
        with self._changed:
            touched = set(self._touched)
            self._told_at = time.monotonic()
        tell_heads(self._db, self.key, touched)
        with self._changed:
            self._touched -= touched  # one that grew meanwhile is told again with its next event


def _by_chain(batch: Sequence[_Queued]) -> list[list[_Queued]]:
    """Those that belong together, in their order; what was typed may be anybody's."""
    found: dict[object, list[_Queued]] = {}
    for one in batch:
        found.setdefault((one.waiting.chain, one.waiting.typed), []).append(one)
    return list(found.values())


def _told(error: Exception) -> str:
    """A foreign exception's text may hold anything."""
    return str(error) if isinstance(error, SecretsManagerError) else type(error).__name__


def _after_fork() -> None:
    for log in _logs:
        log._start_over()


_logs: weakref.WeakSet[AuditLog] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
