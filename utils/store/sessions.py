"""Sessions: a row each, looked up on every request, so that ending one is effective at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from models.errors import NotAuthenticated
from models.paging import Position
from models.rows import Account, Client, Session, SessionId, UserId, Username
from models.times import from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.tokens import new_id

_COLUMNS = (
    "s.id, s.refresh_id, s.created_at, s.last_used_at, s.address, s.client, "
    "s.idle_expires_at, s.expires_at, "
    "u.id, u.username, u.created_at, u.one_time_expires_at IS NOT NULL"
)
_LIVE = "s.idle_expires_at > ? AND s.expires_at > ?"
_SELECT = "SELECT " + _COLUMNS + " FROM sessions s JOIN users u ON u.id = s.user_id "  # noqa: S608
_FIND = (
    _SELECT + "WHERE s.id = ? AND u.id = ? AND u.state = 'active' AND " + _LIVE + " "  # noqa: S608
    "AND (CAST(? AS BIGINT) IS NULL "
    "OR EXISTS (SELECT 1 FROM system_keys k WHERE k.purpose = 'signing' AND k.id = ?))"
)
_PAGE = (
    _SELECT + "WHERE s.user_id = ? AND " + _LIVE + " AND (s.created_at, s.id) < (?, ?) "
    "ORDER BY s.created_at DESC, s.id DESC LIMIT ?"
)


def open_session(
    tx: Tx,
    account: Account,
    client: Client,
    now: datetime,
    idle: timedelta,
    lifetime: timedelta,
    most: int = 0,
) -> Session:
    """Begin a session, drop the account's dead ones in passing, and end those that were used
    longest ago until there are *most* (0: no limit).

    To refuse instead would lock the owner out: of many scripts that never log out, or of sessions
    that somebody else opened. The caller holds the account's row, so that two logins cannot both
    find room for the last one.
    """
    expires_at = now + lifetime
    session = Session(
        id=SessionId(new_id()),
        account=account,
        refresh_id=new_id(),
        created_at=now,
        last_used_at=now,
        client=client,
        idle_expires_at=min(now + idle, expires_at),
        expires_at=expires_at,
    )
    moment = to_microseconds(now)
    _make_room(tx, account.id, moment, most)
    tx.run(
        "INSERT INTO sessions (id, user_id, refresh_id, created_at, last_used_at, "
        "idle_expires_at, expires_at, address, client) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        session.id,
        account.id,
        session.refresh_id,
        moment,
        moment,
        to_microseconds(session.idle_expires_at),
        to_microseconds(session.expires_at),
        client.address,
        client.name,
    )
    return session


def _make_room(tx: Tx, account: UserId, moment: int, most: int) -> None:
    tx.run(
        "DELETE FROM sessions WHERE user_id = ? AND (idle_expires_at <= ? OR expires_at <= ?)",
        account,
        moment,
        moment,
    )
    if most:
        tx.run(
            "DELETE FROM sessions WHERE user_id = ? AND id NOT IN (SELECT id FROM sessions "
            "WHERE user_id = ? ORDER BY last_used_at DESC, created_at DESC, id LIMIT ?)",
            account,
            account,
            most - 1,
        )


def find_session(
    tx: Tx, session_id: str, account: UserId, now: datetime, signed_by: int | None = None
) -> Session | None:
    """The session, if it still lives and belongs to the account that the token names; and if the
    key with the number *signed_by* is still there, where one of ours signed the token."""
    moment = to_microseconds(now)
    row = tx.one(_FIND, session_id, account, moment, moment, signed_by, signed_by)
    return _session(row) if row is not None else None


def require_live(tx: Tx, session: Session, now: datetime) -> None:
    """Raises NotAuthenticated if the session has ended since its request began."""
    if find_session(tx, session.id, session.account.id, now) is None:
        raise NotAuthenticated("The session has ended. Log in with POST /login.")


def list_page(tx: Tx, account: UserId, after: Position, limit: int, now: datetime) -> list[Session]:
    """The account's live sessions, newest first, from the one after the position *after*.

    A position, not a session: the one that ended a page may end before the next is asked for.
    """
    moment = to_microseconds(now)
    return [_session(row) for row in tx.all(_PAGE, account, moment, moment, *after, limit)]


def rotate_refresh(
    tx: Tx, session: Session, presented: str, client: Client, now: datetime, idle: timedelta
) -> Session | None:
    """Exchange the refresh id *presented* for a new one; None if it was used before.

    Compare-and-set: of two that present the same id, the database lets one through. The
    second use, whoever's it is, means that a token was copied: the session ends for both
    (RFC 9700 section 4.14.2).
    """
    renewed = new_id()
    idle_expires_at = min(now + idle, session.expires_at)
    changed = tx.run(
        "UPDATE sessions SET refresh_id = ?, idle_expires_at = ?, last_used_at = ?, address = ?, "
        "client = ? WHERE id = ? AND refresh_id = ?",
        renewed,
        to_microseconds(idle_expires_at),
        to_microseconds(now),
        client.address,
        client.name,
        session.id,
        presented,
    )
    if changed == 0:
        end_session(tx, session.id)
        return None
    return replace(
        session,
        refresh_id=renewed,
        last_used_at=now,
        client=client,
        idle_expires_at=idle_expires_at,
    )


def end_session(tx: Tx, session_id: SessionId) -> None:
    """End a session, on every node at once: its tokens are refused from the next request on."""
    tx.run("DELETE FROM sessions WHERE id = ?", session_id)


def end_own(tx: Tx, account: UserId, session_id: str, now: datetime) -> bool:
    """End one of the account's sessions; False if it has none with this id, or it had ended."""
    ends = tx.all(
        "DELETE FROM sessions WHERE id = ? AND user_id = ? RETURNING idle_expires_at, expires_at",
        session_id,
        account,
    )
    return _alive(ends, now) == 1


def end_others(tx: Tx, account: UserId, kept: SessionId | None, now: datetime) -> int:
    """End all of the account's sessions but *kept*; how many were alive.

    The dead ones go too: to a node whose clock is slow one of them may still be alive.
    """
    ends = tx.all(
        "DELETE FROM sessions WHERE user_id = ? AND id <> ? RETURNING idle_expires_at, expires_at",
        account,
        kept or "",
    )
    return _alive(ends, now)


def _alive(ends: list[Row], now: datetime) -> int:
    moment = to_microseconds(now)
    return sum(min(row) > moment for row in ends)


def _session(row: Row) -> Session:
    account = Account(UserId(row[8]), Username(row[9]), from_microseconds(row[10]), bool(row[11]))
    return Session(
        id=SessionId(row[0]),
        account=account,
        refresh_id=row[1],
        created_at=from_microseconds(row[2]),
        last_used_at=from_microseconds(row[3]),
        client=Client(row[4], row[5]),
        idle_expires_at=from_microseconds(row[6]),
        expires_at=from_microseconds(row[7]),
    )
