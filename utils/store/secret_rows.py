"""The row of a secret: all that knows its columns. Find it, say whether it is live, write it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from models.errors import NotFound
from models.rows import KEEP, Act, Change, SecretId, SecretInfo, SecretName, UserId
from models.times import from_microseconds, maybe_from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.tokens import new_id

INFO = (
    "s.id, s.name, s.version, s.tag, s.labels, "
    "s.created_at, s.updated_at, s.expires_at, s.deleted_at, s.purge_at"
)
# And before it one version, with the key that opens it.
WITH_VALUE = "v.number, v.ciphertext, k.id, k.state, m.sealed, m.master, " + INFO + " "
LIVE = "s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?)"
GONE = "(s.deleted_at IS NOT NULL OR s.expires_at <= ?)"
_FIND = "SELECT " + INFO + " FROM secrets s WHERE s.owner_id = ? AND s.name = ?"  # noqa: S608
# A name keeps its row: so to create and to change are one statement, for one row or many. (A change
# uses up a number that a new row could have had. There are enough.)
_STORE = (
    "INSERT INTO secrets "
    "(owner_id, name, version, tag, labels, created_at, updated_at, expires_at) VALUES {rows} "
    "ON CONFLICT (owner_id, name) DO UPDATE SET version = excluded.version, tag = excluded.tag, "
    "labels = excluded.labels, updated_at = excluded.updated_at, expires_at = excluded.expires_at, "
    "deleted_at = NULL, purge_at = NULL"
)
_STORE_NEW = _STORE + " RETURNING name, id"
NO_ROW = SecretId(0)  # of a secret that is yet to be stored


def find(tx: Tx, owner: UserId, name: SecretName) -> SecretInfo | None:
    """The name's row, live or not."""
    row = tx.one(_FIND, owner, name)
    return info_of(row) if row is not None else None


def live_one(info: SecretInfo | None, now: datetime) -> SecretInfo | None:
    """The same rule as ``LIVE``, for a row at hand."""
    if info is None or info.deleted_at is not None:
        return None
    return info if info.expires_at is None or info.expires_at > now else None


def info_of(row: Row) -> SecretInfo:
    """A row of the columns ``INFO``."""
    number, name, version, tag, labels, created, updated, expires, deleted, purge = row
    return SecretInfo(
        id=SecretId(number),
        name=SecretName(name),
        version=version,
        tag=tag,
        labels=json.loads(labels),
        created_at=from_microseconds(created),
        updated_at=from_microseconds(updated),
        expires_at=maybe_from_microseconds(expires),
        deleted_at=maybe_from_microseconds(deleted),
        purge_at=maybe_from_microseconds(purge),
    )


def after(act: Act, name: SecretName, former: SecretInfo | None, change: Change) -> SecretInfo:
    """The secret as a write leaves it. What *change* does not mention stays as it is; but a new
    life, of a deleted or expired one, begins with nothing of the former's labels and expiry."""
    live = live_one(former, act.now)
    kept_labels, kept_expiry = ({}, None) if live is None else (live.labels, live.expires_at)
    return SecretInfo(
        id=NO_ROW if former is None else former.id,
        name=name,
        version=(former.version if former else 0) + (change.value is not None),
        tag=new_id(),
        labels=kept_labels if change.labels is None else change.labels,
        created_at=act.now if former is None else former.created_at,
        updated_at=act.now,
        expires_at=kept_expiry if change.expires_at is KEEP else change.expires_at,
    )


def store(tx: Tx, owner: UserId, secrets: Sequence[SecretInfo]) -> list[SecretInfo]:
    """Write the rows of secrets, live from now on; the same, with the numbers that new ones got.

    The owner's row is locked, so that nobody else gives their names a row meanwhile.
    """
    rows = [
        (
            owner,
            info.name,
            info.version,
            info.tag,
            labels_json(info.labels),
            to_microseconds(info.created_at),
            to_microseconds(info.updated_at),
            None if info.expires_at is None else to_microseconds(info.expires_at),
        )
        for info in secrets
    ]
    if all(info.id != NO_ROW for info in secrets):
        tx.run_of(_STORE, rows)
        return list(secrets)
    numbers = {name: SecretId(number) for name, number in tx.all_of(_STORE_NEW, rows)}
    return [replace(info, id=numbers[info.name]) for info in secrets]


def absent() -> NotFound:
    """The one answer for absent, deleted, expired, impossible and somebody else's."""
    return NotFound("No secret of yours has this name, or it is deleted or expired.")


def absent_version() -> NotFound:
    """For owners of a live secret only: to others it would tell that there is one."""
    return NotFound(
        "The secret is there, but not this version of it: it was never written, or is destroyed or "
        "purged. GET /secrets/<name>:versions lists those that are there."
    )


def labels_json(labels: dict[str, str]) -> str:
    """Labels as they are stored: compact, keys sorted."""
    return json.dumps(labels, sort_keys=True, separators=(",", ":"))
