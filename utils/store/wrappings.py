"""Wrapped keys as the replacement of a master key sees them, users' and the service's own alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from models.rotation import Rewrapping
from models.rows import KeyId, UserId, WrappedKey
from utils.db import Tx

# In the order of their numbers, not key by key of the masters: "another than this" has no index,
# and one way through the table is all that it takes.
_USER_KEYS = (
    "SELECT m.key_id, k.owner_id, m.sealed, m.master FROM user_key_material m "
    "JOIN user_keys k ON k.id = m.key_id "
    "WHERE m.key_id > ? AND m.key_id <= ? AND m.master <> ? ORDER BY m.key_id LIMIT ?"
)
_COUNTS = (
    "SELECT m.master, k.owner_id, count(*) FROM user_key_material m "
    "JOIN user_keys k ON k.id = m.key_id GROUP BY m.master, k.owner_id "
    "UNION ALL SELECT master, NULL, count(*) FROM system_keys GROUP BY master"
)


def user_keys(
    tx: Tx, current: str, after: KeyId, newest: KeyId, limit: int
) -> list[tuple[KeyId, UserId, WrappedKey]]:
    """The next user keys after *after*, up to *newest*, that another master key wraps."""
    return [
        (KeyId(row[0]), UserId(row[1]), WrappedKey(row[2], row[3]))
        for row in tx.all(_USER_KEYS, after, newest, current, limit)
    ]


def system_keys(tx: Tx, current: str) -> list[tuple[int, str, WrappedKey]]:
    """Number and purpose of each system key that another master key wraps."""
    rows = tx.all(
        "SELECT id, purpose, sealed, master FROM system_keys WHERE master <> ? ORDER BY id", current
    )
    return [(row[0], row[1], WrappedKey(row[2], row[3])) for row in rows]


def replace_user_keys(tx: Tx, rewrapped: Sequence[Rewrapping]) -> int:
    """Put rewrapped keys in place; how many rows that changed.

    Compare-and-set on what was sealed before: a key that was destroyed meanwhile, or that
    somebody else wrapped anew, is skipped.
    """
    return tx.run_many(
        "UPDATE user_key_material SET sealed = ?, master = ? WHERE key_id = ? AND sealed = ?",
        rewrapped,
    )


def replace_system_keys(tx: Tx, rewrapped: Sequence[Rewrapping]) -> int:
    """The same for keys of the service."""
    return tx.run_many(
        "UPDATE system_keys SET sealed = ?, master = ? WHERE id = ? AND sealed = ?", rewrapped
    )


def counts(tx: Tx, owners: Collection[UserId] | None) -> dict[str, int]:
    """How many keys each master key wraps, by its fingerprint: those of these accounts, or (None)
    all, with the service's own."""
    found: dict[str, int] = {}
    for fingerprint, owner, count in tx.all(_COUNTS):
        if owners is None or owner in owners:
            found[fingerprint] = found.get(fingerprint, 0) + count
    return found
