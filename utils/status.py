"""The state of keys, for the operator: what ``rotate_keys.py --status`` and the metrics tell.

The counts are the ones that ``GET /keys`` gives each owner: the same query.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from models.rows import KeyInfo, KeyState, UserId
from utils.db import Database
from utils.store import ciphertexts, keys, runs


@dataclass(frozen=True, slots=True)
class Status:
    """Keys that still exist, what is stale, and the last run."""

    keys: list[KeyInfo]
    destroyed: int
    stale: int
    oldest_stale_at: datetime | None  # when the oldest ciphertext under a retired key was written
    last_run: runs.Run | None


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


def read_status(db: Database, owners: Collection[UserId] | None) -> Status:
    """The keys of these accounts (None: of all), read in one transaction so that the numbers
    belong together."""
    with db.read() as tx:
        found = keys.list_undestroyed(tx, owners)
        return Status(
            keys=found,
            destroyed=keys.count_destroyed(tx, owners),
            stale=sum(key.ciphertexts_remaining for key in found if key.state == "retired"),
            oldest_stale_at=ciphertexts.oldest_stale(tx, owners),
            last_run=runs.last(tx),
        )
