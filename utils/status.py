"""The state of all keys, for the operator: what ``rotate_keys.py --status`` prints.

The counts are the ones that ``GET /keys`` gives each owner: the same query.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.rows import KeyInfo, Username
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


def read_status(db: Database, usernames: set[Username] | None) -> Status:
    """Read it all in one transaction, so that the numbers belong together."""
    with db.read() as tx:
        found = keys.list_undestroyed(tx)
        oldest = ciphertexts.oldest_stale(tx)
        last_run = runs.last(tx)
        destroyed = keys.count_destroyed(tx)
    if usernames is not None:
        found = [key for key in found if key.owner in usernames]
    stale = sum(key.ciphertexts_remaining for key in found if key.state == "retired")
    return Status(found, destroyed, stale, oldest, last_run)
