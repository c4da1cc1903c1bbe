"""The state of keys, for the operator: what ``rotate_keys.py --status`` and the metrics tell.

The counts are the ones that ``GET /keys`` gives each owner: the same query.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from models.rows import KeyInfo, KeyState, UserId
from models.times import rfc3339
from utils.crypto import MasterKeys
from utils.db import Database
from utils.store import ciphertexts, keys, runs, wrappings


@dataclass(frozen=True, slots=True)
class MasterKeyUse:
    """How many keys a master key still wraps. One that wraps none can be dropped."""

    fingerprint: str
    state: Literal["current", "old", "not configured"]
    keys: int


@dataclass(frozen=True, slots=True)
class Status:
    """Keys that still exist, what is stale, and the last run."""

    keys: list[KeyInfo]
    destroyed: int
    stale: int
    oldest_stale_at: datetime | None  # when the oldest ciphertext under a retired key was written
    last_run: runs.Run | None
    master_keys: list[MasterKeyUse]

    def facts(self) -> dict[str, Any]:
        """All of it as JSON tells it."""
        oldest, run = self.oldest_stale_at, self.last_run
        return {
            "keys": [_jsonable(asdict(key)) for key in self.keys],
            "destroyed": self.destroyed,
            "stale": self.stale,
            "oldest_stale": None if oldest is None else rfc3339(oldest),
            "last_run": None if run is None else _jsonable(asdict(run)),
            "master_keys": [asdict(one) for one in self.master_keys],
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """What can be counted quickly, however many keys and values there are."""

    keys: dict[KeyState, int]
    stale: int
    oldest_stale_at: datetime | None
    last_run: runs.Run | None
    last_done_at: datetime | None


def read_figures(db: Database) -> Figures:
    """For every minute's look, of all accounts: what is under current keys is not counted."""
    with db.read() as tx:
        return Figures(
            keys=keys.count_by_state(tx),
            stale=ciphertexts.count_stale(tx, None),
            oldest_stale_at=ciphertexts.oldest_stale(tx, None),
            last_run=runs.last(tx),
            last_done_at=runs.last_done_at(tx),
        )


def read_status(db: Database, master: MasterKeys, owners: Collection[UserId] | None) -> Status:
    """The keys of these accounts (None: of all, and the service's own), read in one transaction so
    that the numbers belong together."""
    with db.read() as tx:
        found = keys.list_undestroyed(tx, owners)
        return Status(
            keys=found,
            destroyed=keys.count_destroyed(tx, owners),
            stale=sum(key.ciphertexts_remaining for key in found if key.state == "retired"),
            oldest_stale_at=ciphertexts.oldest_stale(tx, owners),
            last_run=runs.last(tx),
            master_keys=_master_keys(wrappings.counts(tx, owners), master),
        )


def _master_keys(counts: dict[str, int], master: MasterKeys) -> list[MasterKeyUse]:
    """The configured ones in their order, then those that only the database knows of."""
    configured = master.fingerprints
    return [
        MasterKeyUse(one, "current" if one == master.current else "old", counts.get(one, 0))
        for one in configured
    ] + [
        MasterKeyUse(one, "not configured", counts[one])
        for one in sorted({*counts} - {*configured})
    ]


def _jsonable(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
    }
