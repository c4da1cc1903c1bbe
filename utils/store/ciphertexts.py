"""Stored ciphertexts as a rotation sees them: rows under a retired key, of whichever account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.rows import KeyId, KeyState, Reencryption, SecretId, StaleCiphertext, UserId
from models.times import maybe_from_microseconds
from utils.db import Tx

_STALE = (
    "SELECT v.id, s.owner_id, v.secret_id, v.number, v.ciphertext, "
    "v.key_id, m.sealed, m.master, c.id, cm.sealed, cm.master "
    "FROM secret_versions v "
    "JOIN user_keys k ON k.id = v.key_id "
    "JOIN user_key_material m ON m.key_id = v.key_id "
    "JOIN secrets s ON s.id = v.secret_id "
    "JOIN user_keys c ON c.owner_id = s.owner_id AND c.state = 'current' "
    "JOIN user_key_material cm ON cm.key_id = c.id "
    "WHERE k.state = 'retired' AND "
)
# The table's physical order: in the order of keys, neighbours on disk would be written by
# different transactions, and each would hold the lock for as many more pages.
_STALE_IN_ORDER = _STALE + "v.id > ? ORDER BY v.id LIMIT ?"
_STALE_OF_KEY = _STALE + "v.key_id = ? AND v.id > ? ORDER BY v.id LIMIT ?"
_STALE_VERSION = _STALE + "v.secret_id = ? AND v.number = ?"


def stale_in_order(tx: Tx, after: int, limit: int) -> list[StaleCiphertext]:
    """Stale rows in the table's physical order: for a rotation of many keys."""
    return [StaleCiphertext(*row) for row in tx.all(_STALE_IN_ORDER, after, limit)]


def stale_of_key(tx: Tx, key_id: KeyId, after: int, limit: int) -> list[StaleCiphertext]:
    """Rows under one retired key, by index: for a few keys in a large table."""
    return [StaleCiphertext(*row) for row in tx.all(_STALE_OF_KEY, key_id, after, limit)]


def stale_version(tx: Tx, secret: SecretId, version: int) -> StaleCiphertext | None:
    """One version's row, if it is stale."""
    row = tx.one(_STALE_VERSION, secret, version)
    return None if row is None else StaleCiphertext(*row)


def replace(tx: Tx, reencryptions: Sequence[Reencryption]) -> int:
    """Put re-encrypted values in place; how many rows that changed.

    Compare-and-set on the key: a row that another rotation, or a read in passing, already
    moved is skipped. Key and ciphertext change in one statement, so that at every commit
    the row opens with the key it names.
    """
    return tx.run_many(
        "UPDATE secret_versions SET key_id = ?, ciphertext = ? WHERE id = ? AND key_id = ?",
        reencryptions,
    )


def counts_by_owner(tx: Tx) -> dict[tuple[UserId, KeyState], int]:
    """How many ciphertexts each account has under its current and its retired keys."""
    rows = tx.all(
        "SELECT k.owner_id, k.state, count(*) FROM secret_versions v "
        "JOIN user_keys k ON k.id = v.key_id GROUP BY k.owner_id, k.state"
    )
    return {(UserId(row[0]), row[1]): row[2] for row in rows}


def oldest_stale(tx: Tx) -> datetime | None:
    """When the oldest ciphertext under a retired key was written; None if there is none."""
    row = tx.one(
        "SELECT min(v.created_at) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
        "WHERE k.state = 'retired'"
    )
    return None if row is None else maybe_from_microseconds(row[0])
