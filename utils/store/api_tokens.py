"""API tokens: a row each, looked up on every request, so that revoking one is effective at once.

What proves a token is a MAC over its secret half and its row. So nothing that a row says is
believed before :func:`find` has verified it; a list for the owner only shows it.
"""

from __future__ import annotations

from datetime import datetime

from models.errors import AlreadyExists, LimitReached
from models.paging import Position
from models.powers import Powers
from models.rows import Account, ApiToken, SystemKey, TokenId, UserId, Username
from models.times import from_microseconds, maybe_from_microseconds, to_microseconds
from utils.db import Row, Tx
from utils.macs import same_mac, token_mac
from utils.store.keys import lock_owner
from utils.tokens import TokenText

_SELECT = (
    "SELECT t.id, t.user_id, t.name, t.scopes, t.prefixes, t.cidrs, t.created_at, t.expires_at, "
    "t.last_used_at, t.mac, u.username, u.created_at, u.one_time_expires_at IS NOT NULL "
    "FROM api_tokens t JOIN users u ON u.id = t.user_id "
)
_FIND = _SELECT + "WHERE t.id = ? AND u.state = 'active'"
_PAGE = (
    _SELECT + "WHERE t.user_id = ? AND (t.created_at, t.id) < (?, ?) "
    "ORDER BY t.created_at DESC, t.id DESC LIMIT ?"
)


def create(
    tx: Tx,
    key: SystemKey,
    token: TokenText,
    owner: Account,
    name: str,
    powers: Powers,
    now: datetime,
    most: int,
) -> ApiToken:
    """Store all of a new token but its secret half, if the account has fewer than *most* (0: no
    limit). Raises AlreadyExists or LimitReached.

    The owner's row is locked first, so that two at once cannot both be the last one allowed.
    """
    lock_owner(tx, owner.id)
    row = tx.one("SELECT count(*) FROM api_tokens WHERE user_id = ?", owner.id)
    if row is not None and 0 < most <= row[0]:
        raise LimitReached(f"An account has at most {most} tokens. Delete one first.")
    bound = (
        owner.id,
        name,
        " ".join(powers.scopes),
        " ".join(powers.prefixes),
        " ".join(powers.cidrs),
        to_microseconds(now),
        None if powers.expires_at is None else to_microseconds(powers.expires_at),
    )
    row = tx.one(
        "INSERT INTO api_tokens (id, user_id, name, scopes, prefixes, cidrs, created_at, "
        "expires_at, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (user_id, name) DO NOTHING RETURNING id",
        token.id,
        *bound,
        token_mac(key, token, bound),
    )
    if row is None:
        raise AlreadyExists("A token of yours has this name. Choose another, or delete that one.")
    return ApiToken(token.id, owner, name, powers, now, None)


def find(tx: Tx, key: SystemKey, token: TokenText, now: datetime) -> ApiToken | None:
    """The token, if it is genuine, its row is as it was made, and it has not expired.

    The MAC is verified over what is stored, before any of it is parsed.
    """
    row = tx.one(_FIND, token.id)
    if row is None or not same_mac(row[9], token_mac(key, token, row[1:8])):
        return None
    found = _token(row)
    ends = found.powers.expires_at
    return found if ends is None or ends > now else None


def list_page(tx: Tx, owner: UserId, after: Position, limit: int) -> list[ApiToken]:
    """The account's tokens, newest first, from the one after the position *after*; expired ones
    too, until their owner deletes them."""
    return [_token(row) for row in tx.all(_PAGE, owner, *after, limit)]


def delete(tx: Tx, owner: UserId, token: str) -> bool:
    """Revoke a token, on every node at once; whether there was one of this owner's."""
    return tx.run("DELETE FROM api_tokens WHERE id = ? AND user_id = ?", token, owner) == 1


def note_use(tx: Tx, token: TokenId, minute: datetime) -> None:
    """Remember that it was used, unless it was used as late or later."""
    moment = to_microseconds(minute)
    tx.run(
        "UPDATE api_tokens SET last_used_at = ? "
        "WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)",
        moment,
        token,
        moment,
    )


def _token(row: Row) -> ApiToken:
    return ApiToken(
        id=TokenId(row[0]),
        account=Account(
            UserId(row[1]), Username(row[10]), from_microseconds(row[11]), bool(row[12])
        ),
        name=row[2],
        powers=Powers(
            scopes=tuple(row[3].split()),
            prefixes=tuple(row[4].split()),
            cidrs=tuple(row[5].split()),
            expires_at=maybe_from_microseconds(row[7]),
        ),
        created_at=from_microseconds(row[6]),
        last_used_at=maybe_from_microseconds(row[8]),
    )
