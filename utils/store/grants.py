"""Grants as rows: one a secret and grantee, ended by deleting it.

What a row says counts only if it fits its MAC: otherwise whoever can write to the database could
let themselves into any secret. A row that doesn't fit is as absent as none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from models.grants import Grant, Permission, Shared
from models.paging import Position, cut
from models.rows import SecretId, SecretName, SystemKey, UserId, Username
from models.times import from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.macs import grant_mac, same_mac
from utils.store.secret_rows import INFO, LIVE, info_of
from utils.tokens import new_id

_BOUND = 5  # columns that the MAC is over, first in each row
_COLUMNS = (
    "g.secret_id, s.owner_id, g.grantee_id, g.permission, g.granted_at, g.mac, g.id, u.username"
)
_FROM = (
    " FROM grants g JOIN secrets s ON s.id = g.secret_id JOIN users u ON u.id = g.grantee_id "
    "JOIN users o ON o.id = s.owner_id WHERE "
)
_AFTER = " AND (g.granted_at, g.id) < (?, ?) ORDER BY g.granted_at DESC, g.id DESC LIMIT ?"
_SELECT = "SELECT " + _COLUMNS + _FROM
_ONE = _SELECT + "g.secret_id = ? AND g.grantee_id = ?"
_PAGE = _SELECT + "g.secret_id = ?" + _AFTER
# A disabled account reads and shows nothing, until it is enabled again.
_SHARED = (
    "SELECT " + _COLUMNS + ", o.username, " + INFO + _FROM + "g.grantee_id = ? "
    "AND u.state = 'active' AND o.state = 'active' AND " + LIVE
)
_SHARED_ONE = _SHARED + " AND o.username = ? AND s.name = ?"
_SHARED_PAGE = _SHARED + " AND (CAST(? AS TEXT) = '' OR o.username = ?)" + _AFTER
_INFO_AT = 9  # where INFO begins in the rows of these

_OF_SECRETS = (
    "WITH ended (id) AS (VALUES {rows}) SELECT g.id FROM grants g "
    "WHERE g.secret_id IN (SELECT id FROM ended) ORDER BY g.id FOR NO KEY UPDATE"
)


def find(tx: Tx, key: SystemKey, secret: SecretId, grantee: UserId) -> Grant | None:
    """What *grantee* may do with a secret."""
    row = tx.one(_ONE, secret, grantee)
    return None if row is None or not _is_genuine(key, row) else _grant(row)


def count(tx: Tx, secret: SecretId) -> int:
    """How many may use a secret."""
    row = tx.one("SELECT count(*) FROM grants WHERE secret_id = ?", secret)
    return int(row[0]) if row else 0


def put(
    tx: Tx,
    key: SystemKey,
    secret: SecretId,
    owner: UserId,
    grantee: UserId,
    permission: Permission,
    granted_at: datetime,
) -> None:
    """Make a grant, or put another in its place. The caller has locked both accounts."""
    moment = to_microseconds(granted_at)
    tx.run(
        "INSERT INTO grants (id, secret_id, grantee_id, permission, granted_at, mac) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (secret_id, grantee_id) DO UPDATE SET "
        "permission = excluded.permission, granted_at = excluded.granted_at, mac = excluded.mac",
        new_id(),
        secret,
        grantee,
        permission,
        moment,
        grant_mac(key, (secret, owner, grantee, permission, moment)),
    )


def end(tx: Tx, secret: SecretId, grantee: Username) -> bool:
    """End one; whether there was one."""
    ended = tx.run(
        "DELETE FROM grants WHERE secret_id = ? "
        "AND grantee_id = (SELECT id FROM users WHERE username = ?)",
        secret,
        grantee,
    )
    return ended == 1


def end_all(tx: Tx, secrets: Iterable[SecretId]) -> None:
    """End all grants of these secrets, whose life ends or begins anew. The caller has locked their
    owner. In order, as :func:`end_of_account` does."""
    rows = [(secret,) for secret in secrets]
    if rows:
        ids = tx.all_of(_OF_SECRETS, rows)
        tx.run_many("DELETE FROM grants WHERE id = ?", ids)


def end_of_account(tx: Tx, account: UserId) -> None:
    """End all that an account granted and was granted; its row is locked.

    In the order of their ids: two who share with each other, and are deleted at once, would
    else wait for each other in a circle.
    """
    ids = tx.all(
        "SELECT g.id FROM grants g WHERE g.grantee_id = ? "
        "OR g.secret_id IN (SELECT s.id FROM secrets s WHERE s.owner_id = ?) "
        "ORDER BY g.id FOR NO KEY UPDATE",
        account,
        account,
    )
    tx.run_many("DELETE FROM grants WHERE id = ?", ids)


def list_page(
    tx: Tx, key: SystemKey, secret: SecretId, after: Position, limit: int
) -> tuple[list[Grant], Position | None]:
    """A secret's grants, newest first, and the position to continue after."""
    page, last = cut(tx.all(_PAGE, secret, *after, limit + 1), limit)
    return [_grant(row) for row in page if _is_genuine(key, row)], _position(last)


def find_shared(
    tx: Tx, key: SystemKey, grantee: UserId, owner: Username, name: SecretName, now: datetime
) -> Shared | None:
    """A live secret of *owner*'s, if it is shared with *grantee*."""
    row = tx.one(_SHARED_ONE, grantee, to_microseconds(now), owner, name)
    return None if row is None or not _is_genuine(key, row) else _shared(row)


def list_shared(
    tx: Tx,
    key: SystemKey,
    grantee: UserId,
    owner: Username | None,
    after: Position,
    limit: int,
    now: datetime,
) -> tuple[list[Shared], Position | None]:
    """What is shared with *grantee* (by one owner, or by all), newest grant first, and the
    position to continue after."""
    only, moment = owner or "", to_microseconds(now)
    rows = tx.all(_SHARED_PAGE, grantee, moment, only, only, *after, limit + 1)
    page, last = cut(rows, limit)
    return [_shared(row) for row in page if _is_genuine(key, row)], _position(last)


def _is_genuine(key: SystemKey, row: Row) -> bool:
    """Asked of what is stored, before any of it is parsed."""
    return same_mac(row[_BOUND], grant_mac(key, tuple(row[:_BOUND])))


def _position(row: Row | None) -> Position | None:
    return None if row is None else (row[4], row[6])


def _grant(row: Row) -> Grant:
    return Grant(Username(row[7]), row[3], from_microseconds(row[4]))


def _shared(row: Row) -> Shared:
    return Shared(UserId(row[1]), Username(row[8]), info_of(row[_INFO_AT:]), _grant(row))
