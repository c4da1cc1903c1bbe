"""The newest and oldest times that are stored: what a clock and a timer can be judged by."""

from __future__ import annotations

from datetime import datetime

from models.times import maybe_from_microseconds
from utils.db import Tx

# By index where there are many: the newest row, or the ends of each chain.
_NEWEST = (
    "SELECT created_at FROM secret_versions WHERE id = (SELECT max(id) FROM secret_versions) "
    "UNION ALL SELECT max(last_used_at) FROM sessions "
    "UNION ALL SELECT max(created_at) FROM users "
    "UNION ALL SELECT max(started_at) FROM rotation_runs "
    "UNION ALL SELECT max(e.happened_at) FROM audit_heads h "
    "JOIN audit_events e ON e.chain_id = h.chain_id AND e.number = h.number"
)
_OLDEST_EVENT = (
    "SELECT min(e.happened_at) FROM audit_heads h "
    "JOIN audit_events e ON e.chain_id = h.chain_id AND e.number = h.anchor + 1"
)
_STALE_SINCE = (
    "SELECT min(k.retired_at) FROM user_keys k WHERE k.state = 'retired' "
    "AND EXISTS (SELECT 1 FROM secret_versions v WHERE v.key_id = k.id)"
)


def newest(tx: Tx) -> datetime | None:
    """The latest time that anything was done."""
    found = [row[0] for row in tx.all(_NEWEST) if row[0] is not None]
    return maybe_from_microseconds(max(found, default=None))


def first(tx: Tx) -> datetime | None:
    """When the service started for the first time."""
    return _one(tx, "SELECT min(created_at) FROM system_keys")


def oldest_event(tx: Tx) -> datetime | None:
    """The earliest event of the audit trail."""
    return _one(tx, _OLDEST_EVENT)


def stale_since(tx: Tx) -> datetime | None:
    """Since when some value has been under a retired key."""
    return _one(tx, _STALE_SINCE)


def oldest_remains(tx: Tx) -> datetime | None:
    """When ciphertexts were deleted that no scrub has overwritten since."""
    return _one(tx, "SELECT min(left_at) FROM remains")


def clock(tx: Tx) -> datetime | None:
    """What the database's own server takes for the time; None where there is no server."""
    if not tx.dialect.row_locks:
        return None
    return _one(tx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


def _one(tx: Tx, sql: str) -> datetime | None:
    row = tx.one(sql)
    return maybe_from_microseconds(row[0]) if row else None
