"""Stored ciphertexts as a rotation sees them: rows under a retired key, of whichever account."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from models.rotation import Reencryption, StaleCiphertext
from models.rows import KeyId, KeyState, SecretId, UserId
from models.times import maybe_from_microseconds
from utils.db import Tx

_STALE = (
    "SELECT v.id, s.owner_id, v.secret_id, v.number, v.ciphertext, v.key_id, c.id "
    "FROM secret_versions v "
    # + 0: to go from the version to its key, by no means the other way round (see stale_between).
    "JOIN user_keys k ON k.id = v.key_id + 0 "
    "JOIN secrets s ON s.id = v.secret_id "
    "JOIN user_keys c ON c.owner_id = s.owner_id AND c.state = 'current' "
    "WHERE k.state = 'retired' AND "
)
# Stale, and with nowhere to go: what the joins above leave out.
_STRANDED = (
    "SELECT v.id, k.owner_id FROM user_keys k JOIN secret_versions v ON v.key_id = k.id "
    "LEFT JOIN secrets s ON s.id = v.secret_id "
    "LEFT JOIN user_keys c ON c.owner_id = s.owner_id AND c.state = 'current' "
    "WHERE k.state = 'retired' AND k.id <= ? AND c.id IS NULL"
)
# The table's physical order: in the order of keys, neighbours on disk would be written by
# different transactions, and each would hold the lock for as many more pages.
_STALE_BETWEEN = _STALE + "k.id <= ? AND v.id > ? AND v.id <= ? ORDER BY v.id"
_STALE_OF_KEY = _STALE + "v.key_id = ? AND v.id > ? ORDER BY v.id LIMIT ?"
_REPLACE = "UPDATE secret_versions SET key_id = ?, ciphertext = ? WHERE id = ? AND key_id = ?"
# The same for a whole batch: over a socket, a statement a row costs as much as its encryption.
_REPLACE_ALL = (
    "UPDATE secret_versions v SET key_id = n.key_id, ciphertext = n.ciphertext "
    "FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[]) "
    "AS n (key_id, ciphertext, id, former) WHERE v.id = n.id AND v.key_id = n.former"
)
_STALE_VERSION = _STALE + "v.secret_id = ? AND v.number = ?"


def end_of_stretch(tx: Tx, after: int, length: int) -> int | None:
    """The number of the last of the next *length* rows, stale or not; None if there are none."""
    last: int | None
    ((last,),) = tx.all(
        "SELECT max(w.id) FROM (SELECT id FROM secret_versions WHERE id > ? ORDER BY id LIMIT ?) w",
        after,
        length,
    )
    return last


def stale_between(tx: Tx, newest: KeyId, after: int, last: int) -> list[StaleCiphertext]:
    """The stale rows of one stretch of the table, under keys up to *newest*: for many keys.

    Not simply the next so many stale rows: how many keys are retired changes faster than
    PostgreSQL's statistics. It would take them for few, look up the rows of every one and sort
    them all, for each batch again.
    """
    return [StaleCiphertext(*row) for row in tx.all(_STALE_BETWEEN, newest, after, last)]


def stale_of_key(tx: Tx, key_id: KeyId, after: int, limit: int) -> list[StaleCiphertext]:
    """Rows under one retired key, by index: for a few keys in a large table."""
    return [StaleCiphertext(*row) for row in tx.all(_STALE_OF_KEY, key_id, after, limit)]


def stale_version(tx: Tx, secret: SecretId, version: int) -> StaleCiphertext | None:
    """One version's row, if it is stale."""
    row = tx.one(_STALE_VERSION, secret, version)
    return None if row is None else StaleCiphertext(*row)


def stranded(tx: Tx, newest: KeyId, owners: Collection[UserId] | None) -> list[int]:
    """Stale rows whose owner has no current key: a damaged database, in which they would
    otherwise stay stale without anybody being told."""
    rows = tx.all(_STRANDED, newest)
    return sorted({row[0] for row in rows if owners is None or row[1] in owners})


def replace(tx: Tx, reencryptions: Sequence[Reencryption]) -> int:
    """Put re-encrypted values in place; how many rows that changed.

    Compare-and-set on the key: a row that another rotation, or a read in passing, already
    moved is skipped. Key and ciphertext change in one statement, so that at every commit
    the row opens with the key it names.
    """
    if tx.dialect.arrays and len(reencryptions) > 1:
        return tx.run(_REPLACE_ALL, *map(list, zip(*reencryptions, strict=True)))
    return tx.run_many(_REPLACE, reencryptions)


def counts_by_owner(tx: Tx) -> dict[tuple[UserId, KeyState], int]:
    """How many ciphertexts each account has under its current and its retired keys."""
    rows = tx.all(
        "SELECT k.owner_id, k.state, count(*) FROM secret_versions v "
        "JOIN user_keys k ON k.id = v.key_id GROUP BY k.owner_id, k.state"
    )
    return {(UserId(row[0]), row[1]): row[2] for row in rows}


def count_all(tx: Tx) -> int:
    """How many there are."""
    ((count,),) = tx.all("SELECT count(*) FROM secret_versions")
    return int(count)


def count_stale(tx: Tx, owners: Collection[UserId] | None) -> int:
    """How many are under retired keys of these accounts (None: of all)."""
    rows = tx.all(
        "SELECT k.owner_id, (SELECT count(*) FROM secret_versions v WHERE v.key_id = k.id) "
        "FROM user_keys k WHERE k.state = 'retired'"
    )
    return sum(row[1] for row in rows if owners is None or row[0] in owners)


def oldest_stale(tx: Tx, owners: Collection[UserId] | None) -> datetime | None:
    """When the oldest ciphertext under a retired key of these accounts (None: of all) was
    written; None if there is none. Rows are numbered in the order in which they are written."""
    rows = tx.all(
        "SELECT k.owner_id, (SELECT min(v.id) FROM secret_versions v WHERE v.key_id = k.id) "
        "FROM user_keys k WHERE k.state = 'retired'"
    )
    oldest = min(
        (row[1] for row in rows if row[1] is not None and (owners is None or row[0] in owners)),
        default=None,
    )
    row = tx.one("SELECT created_at FROM secret_versions WHERE id = ?", oldest)
    return None if row is None else maybe_from_microseconds(row[0])
