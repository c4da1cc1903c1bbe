"""Retention: what is kept longer than it is to be kept is deleted, beside live writers.

Like a rotation, it is many small transactions, and what is left to do is found by looking: killed
anywhere, it leaves nothing half deleted, and the next run goes on. Two at once, or one beside a
rotation, are safe: whoever comes second finds the row gone, and skips it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Literal

from models.event_details import to_text
from models.events import Event, chain_of
from models.rows import SystemKey
from utils.db import Database, Tx
from utils.patience import patiently
from utils.store import audit, remains, retention
from utils.store.retention import Doomed

# Per transaction. A secret goes with up to VERSIONS_KEPT values; 50 of the largest took 0.1 s under
# the lock on a busy machine, and small ones hardly any time.
_SECRETS, _VERSIONS = 5, 50
_PAUSE_SECONDS = 0.002  # between transactions: writers must not starve

Reason = Literal["deleted", "expired", "excess"]
_Find = Callable[[Tx, Doomed], list[Doomed]]
_Delete = Callable[[Tx, Sequence[Doomed]], int]


@dataclass(frozen=True, slots=True)
class Purged:
    """How much was deleted for good, or would be."""

    deleted: int  # secrets, whose time to be undeleted is over
    expired: int  # secrets
    versions: int  # of secrets that stay, or that have more than are kept


def count_due(db: Database, now: datetime, kept: int, keep_for: timedelta) -> Purged:
    """What a purge would delete at this moment."""
    with db.read() as tx:
        return Purged(
            retention.count_deleted(tx, now),
            retention.count_expired(tx, now - keep_for),
            retention.count_excess(tx, kept),
        )


@dataclass(frozen=True, slots=True)
class Purger:
    """One purge of all accounts."""

    db: Database
    now: datetime
    kept: int  # versions of a secret
    retention: timedelta  # of expired secrets; a deleted one knows its own time
    audit_key: SystemKey = field(repr=False)

    def count(self) -> Purged:
        """What a run would delete."""
        return count_due(self.db, self.now, self.kept, self.retention)

    def purge(self) -> Purged:
        """Delete it. Versions first: then no secret has many left to go in one transaction."""
        versions = self._delete(
            lambda tx, after: retention.excess_page(tx, after, self.kept, _VERSIONS),
            lambda tx, doomed: retention.purge_excess(tx, doomed, self.kept),
            "excess",
        )
        deleted = self._delete(
            lambda tx, after: retention.deleted_page(tx, after, self.now, _SECRETS),
            lambda tx, doomed: retention.purge_deleted(tx, doomed, self.now),
            "deleted",
        )
        expired = self._delete(
            lambda tx, after: retention.expired_page(tx, after, self._since, _SECRETS),
            lambda tx, doomed: retention.purge_expired(tx, doomed, self._since),
            "expired",
        )
        return Purged(deleted, expired, versions)

    @property
    def _since(self) -> datetime:
        return self.now - self.retention

    def _delete(self, find: _Find, delete: _Delete, reason: Reason) -> int:
        """Batch after batch, each found outside of the lock; how many went."""
        total, after = 0, retention.START
        while True:
            with self.db.read() as tx:
                doomed = find(tx, after)
            if not doomed:
                return total
            total += patiently(self.db, partial(self._delete_batch, doomed, delete, reason))
            after = doomed[-1]
            time.sleep(_PAUSE_SECONDS)

    def _delete_batch(self, doomed: Sequence[Doomed], delete: _Delete, reason: Reason) -> int:
        """Its owners' trails tell of it in the same transaction, one event for each of them."""
        events = []
        with self.db.write() as tx:
            retention.lock_owners(tx, doomed)
            by_owner = sorted(doomed, key=lambda one: one.owner)
            for owner, theirs in groupby(by_owner, key=lambda one: one.owner):
                if gone := delete(tx, list(theirs)):
                    events.append((chain_of(owner), self._event(reason, gone), gone))
            if events:
                remains.note(tx, self.now)
                audit.append(tx, self.audit_key, [(chain, event) for chain, event, _ in events])
        return sum(gone for _, _, gone in events)

    def _event(self, reason: Reason, gone: int) -> Event:
        what = "versions" if reason == "excess" else "secrets"
        detail = to_text("secret.purge", {"reason": reason, what: gone})
        return Event(self.now, "secret.purge", via="command", detail=detail)
