"""Sessions: a row each, looked up on every request, so that ending one is effective at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.rows import Account, Session, SessionId, UserId, Username
from models.times import from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.tokens import new_id

_COLUMNS = (
    "s.id, s.refresh_id, s.created_at, s.idle_expires_at, s.expires_at, "
    "u.id, u.username, u.created_at"
)
_FIND = (
    "SELECT " + _COLUMNS + " FROM sessions s JOIN users u ON u.id = s.user_id "  # noqa: S608
    "WHERE s.id = ? AND u.id = ? AND u.state = 'active' "
    "AND s.idle_expires_at > ? AND s.expires_at > ?"
)


def open_session(
    tx: Tx, account: Account, now: datetime, idle: timedelta, lifetime: timedelta
) -> Session:
    """Begin a session, and drop the account's dead ones in passing."""
    expires_at = now + lifetime
    session = Session(
        id=SessionId(new_id()),
        account=account,
        refresh_id=new_id(),
        created_at=now,
        idle_expires_at=min(now + idle, expires_at),
        expires_at=expires_at,
    )
    moment = to_microseconds(now)
    tx.run(
        "DELETE FROM sessions WHERE user_id = ? AND (idle_expires_at <= ? OR expires_at <= ?)",
        account.id,
        moment,
        moment,
    )
    tx.run(
        "INSERT INTO sessions (id, user_id, refresh_id, created_at, idle_expires_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        session.id,
        account.id,
        session.refresh_id,
        moment,
        to_microseconds(session.idle_expires_at),
        to_microseconds(session.expires_at),
    )
    return session


def find_session(tx: Tx, session_id: str, account: UserId, now: datetime) -> Session | None:
    """The session, if it still lives and belongs to the account that the token names."""
    moment = to_microseconds(now)
    row = tx.one(_FIND, session_id, account, moment, moment)
    return _session(row) if row is not None else None


def rotate_refresh(
    tx: Tx, session: Session, presented: str, now: datetime, idle: timedelta
) -> Session | None:
    """Exchange the refresh id *presented* for a new one; None if it was used before.

    Compare-and-set: of two that present the same id, the database lets one through. The
    second use, whoever's it is, means that a token was copied: the session ends for both
    (RFC 9700 section 4.14.2).
    """
    renewed = new_id()
    idle_expires_at = min(now + idle, session.expires_at)
    changed = tx.run(
        "UPDATE sessions SET refresh_id = ?, idle_expires_at = ? WHERE id = ? AND refresh_id = ?",
        renewed,
        to_microseconds(idle_expires_at),
        session.id,
        presented,
    )
    if changed == 0:
        end_session(tx, session.id)
        return None
    return Session(
        id=session.id,
        account=session.account,
        refresh_id=renewed,
        created_at=session.created_at,
        idle_expires_at=idle_expires_at,
        expires_at=session.expires_at,
    )


def end_session(tx: Tx, session_id: SessionId) -> None:
    """End a session, on every node at once: its tokens are refused from the next request on."""
    tx.run("DELETE FROM sessions WHERE id = ?", session_id)


def _session(row: Row) -> Session:
    account = Account(UserId(row[5]), Username(row[6]), from_microseconds(row[7]))
    return Session(
        id=SessionId(row[0]),
        account=account,
        refresh_id=row[1],
        created_at=from_microseconds(row[2]),
        idle_expires_at=from_microseconds(row[3]),
        expires_at=from_microseconds(row[4]),
    )
