"""What is kept longer than it is to be kept, of whichever account, as a purge sees it.

What is deleted is looked at again by the statement that deletes, under the lock of its owner's row:
it may have been undeleted, written anew or destroyed since it was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from models.rows import SecretId, UserId
from models.times import to_microseconds
from utils.db import Tx
from utils.store import grants


class Doomed(NamedTuple):
    """A secret, or one of its versions, that is to go. In the order in which they are found."""

    secret: SecretId
    number: int  # of the version; 0 for the whole secret
    owner: UserId


START = Doomed(SecretId(0), 0, UserId(0))

_DELETED = "purge_at <= ?"
# An expiry may be set to a time long ago: then what counts is when that was done.
_EXPIRED = "deleted_at IS NULL AND expires_at <= ? AND updated_at <= ?"
_SECRETS = "SELECT id, 0, owner_id FROM secrets WHERE id > ? AND "
_STILL_EXPIRED = "SELECT id FROM secrets WHERE id = ? AND " + _EXPIRED  # noqa: S608
_COUNT = "SELECT count(*) FROM secrets WHERE "
_DELETE = "DELETE FROM secrets WHERE id = ? AND "
_PAGE = " ORDER BY id LIMIT ?"
_DELETED_PAGE = _SECRETS + _DELETED + _PAGE
_EXPIRED_PAGE = _SECRETS + _EXPIRED + _PAGE
# The oldest of so many newest versions, if there are that many. By counting, not by subtracting
# from the newest number: versions in between may have been destroyed.
_OLDEST_KEPT = (
    "(SELECT n.number FROM secret_versions n WHERE n.secret_id = v.secret_id "
    "ORDER BY n.number DESC LIMIT 1 OFFSET ?)"
)
_EXCESS_PAGE = (
    "SELECT s.id, v.number, s.owner_id FROM secrets s JOIN secret_versions v ON v.secret_id = s.id "  # noqa: S608
    # Numbers go from 1 up, so most secrets need no look at their versions.
    "WHERE s.id >= ? AND (s.id > ? OR v.number > ?) AND s.version > ? AND v.number < "
    + _OLDEST_KEPT
    + " ORDER BY s.id, v.number LIMIT ?"
)
_DELETE_EXCESS = (
    "DELETE FROM secret_versions AS v WHERE v.secret_id = ? AND v.number = ? "  # noqa: S608
    "AND v.number < " + _OLDEST_KEPT
)
_COUNT_EXCESS = (
    "SELECT coalesce(sum(c.number - ?), 0) FROM (SELECT count(*) AS number "
    "FROM secrets s JOIN secret_versions v ON v.secret_id = s.id "
    "WHERE s.version > ? GROUP BY s.id HAVING count(*) > ?) c"
)


def lock_owners(tx: Tx, doomed: Sequence[Doomed]) -> None:
    """As every writer does; in the order of their numbers, as a rotation does, so that nobody waits
    in a circle. Disabled accounts too: their time runs as well."""
    for owner in sorted({one.owner for one in doomed}):
        tx.one("SELECT 1 FROM users WHERE id = ? FOR NO KEY UPDATE", owner)


def deleted_page(tx: Tx, after: Doomed, now: datetime, limit: int) -> list[Doomed]:
    """Deleted secrets whose ``purge_at`` has come."""
    rows = tx.all(_DELETED_PAGE, after.secret, to_microseconds(now), limit)
    return [Doomed(*row) for row in rows]


def expired_page(tx: Tx, after: Doomed, since: datetime, limit: int) -> list[Doomed]:
    """Secrets that have been expired *since* then, and nobody deleted."""
    moment = to_microseconds(since)
    rows = tx.all(_EXPIRED_PAGE, after.secret, moment, moment, limit)
    return [Doomed(*row) for row in rows]


def excess_page(tx: Tx, after: Doomed, kept: int, limit: int) -> list[Doomed]:
    """Versions beyond the newest *kept* of their secret."""
    position = (after.secret, after.secret, after.number)
    return [Doomed(*row) for row in tx.all(_EXCESS_PAGE, *position, kept, kept - 1, limit)]


def purge_deleted(tx: Tx, doomed: Sequence[Doomed], now: datetime) -> int:
    """Delete them, with all their versions, if that is still so; how many."""
    moment = to_microseconds(now)
    return tx.run_many(_DELETE + _DELETED, [(one.secret, moment) for one in doomed])


def purge_expired(tx: Tx, doomed: Sequence[Doomed], since: datetime) -> int:
    """The same of expired ones."""
    moment = to_microseconds(since)
    # Not by cascade, which takes them in no order; who is no longer doomed is live, or had none.
    found = [tx.one(_STILL_EXPIRED, one.secret, moment, moment) for one in doomed]
    grants.end_all(tx, [SecretId(row[0]) for row in found if row is not None])
    return tx.run_many(_DELETE + _EXPIRED, [(one.secret, moment, moment) for one in doomed])


def purge_excess(tx: Tx, doomed: Sequence[Doomed], kept: int) -> int:
    """Delete versions that are still beyond the newest *kept*, so never the newest; how many."""
    rows = [(one.secret, one.number, kept - 1) for one in doomed]
    return tx.run_many(_DELETE_EXCESS, rows)


def count_deleted(tx: Tx, now: datetime) -> int:
    """How many deleted secrets a purge would delete for good."""
    return _count(tx, _COUNT + _DELETED, to_microseconds(now))


def count_expired(tx: Tx, since: datetime) -> int:
    """The same of expired ones."""
    moment = to_microseconds(since)
    return _count(tx, _COUNT + _EXPIRED, moment, moment)


def count_excess(tx: Tx, kept: int) -> int:
    """How many versions are beyond the newest *kept* of their secret."""
    return _count(tx, _COUNT_EXCESS, kept, kept, kept)


def _count(tx: Tx, sql: str, *parameters: object) -> int:
    row = tx.one(sql, *parameters)
    return int(row[0]) if row else 0
