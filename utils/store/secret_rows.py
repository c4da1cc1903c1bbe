"""The row of a secret: find it, and say whether it is live."""

from __future__ import annotations

import json
from datetime import datetime

from models.errors import NotFound
from models.rows import SecretId, SecretInfo, SecretName, UserId
from models.times import from_microseconds, maybe_from_microseconds
from utils.db import Row, Tx

INFO = (
    "s.id, s.name, s.version, s.tag, s.labels, "
    "s.created_at, s.updated_at, s.expires_at, s.deleted_at, s.purge_at"
)
# And of one version, with the key that opens it.
WITH_VALUE = INFO + ", v.number, v.ciphertext, k.id, k.state, m.sealed, m.master "
LIVE = "s.deleted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > ?)"
GONE = "(s.deleted_at IS NOT NULL OR s.expires_at <= ?)"
_FIND = "SELECT " + INFO + " FROM secrets s WHERE s.owner_id = ? AND s.name = ?"  # noqa: S608


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
    """A row that begins with the columns ``INFO``."""
    return SecretInfo(
        id=SecretId(row[0]),
        name=SecretName(row[1]),
        version=row[2],
        tag=row[3],
        labels=json.loads(row[4]),
        created_at=from_microseconds(row[5]),
        updated_at=from_microseconds(row[6]),
        expires_at=maybe_from_microseconds(row[7]),
        deleted_at=maybe_from_microseconds(row[8]),
        purge_at=maybe_from_microseconds(row[9]),
    )


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
