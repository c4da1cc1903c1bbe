"""Accounts: create, find, and what a login is checked against."""

from __future__ import annotations

from datetime import datetime

from models.errors import AlreadyExists
from models.rows import Account, Credentials, PasswordHash, UserId, Username
from models.times import from_microseconds, to_microseconds
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store.keys import add_current_key

_TAKEN = "This username is taken. Choose another."


def refuse_taken(tx: Tx, username: Username) -> None:
    """Look before the costly hashing. What decides is the unique index, in :func:`create`."""
    if tx.one("SELECT 1 FROM users WHERE username = ?", username) is not None:
        raise AlreadyExists(_TAKEN)


def create(
    tx: Tx,
    master: MasterKeys,
    account_id: UserId,
    username: Username,
    password_hash: PasswordHash,
    now: datetime,
) -> Account:
    """Create the account and its first key, in one transaction: neither exists without the other.

    Raises AlreadyExists, also for the name of a deleted account.
    """
    row = tx.one(
        "INSERT INTO users (id, username, state, password_hash, created_at) "
        "VALUES (?, ?, 'active', ?, ?) ON CONFLICT (username) DO NOTHING RETURNING id",
        account_id,
        username,
        password_hash,
        to_microseconds(now),
    )
    if row is None:
        raise AlreadyExists(_TAKEN)
    account = Account(account_id, username, now)
    add_current_key(tx, master, account.id, now)
    return account


def find_credentials(tx: Tx, username: Username) -> Credentials | None:
    """What to check a login against; None for unknown, disabled and deleted alike."""
    row = tx.one(
        "SELECT id, username, created_at, password_hash FROM users "
        "WHERE username = ? AND state = 'active'",
        username,
    )
    if row is None:
        return None
    account = Account(UserId(row[0]), Username(row[1]), from_microseconds(row[2]))
    return Credentials(account, PasswordHash(row[3]))


def still_valid(tx: Tx, credentials: Credentials) -> bool:
    """Whether the password that was verified outside a transaction is still the password.

    Locks the row: a password change that commits first wins, and one that comes later ends
    the session that is about to begin.
    """
    row = tx.one(
        "SELECT 1 FROM users WHERE id = ? AND state = 'active' AND password_hash = ? "
        "FOR NO KEY UPDATE",
        credentials.account.id,
        credentials.password_hash,
    )
    return row is not None


def upgrade_hash(tx: Tx, credentials: Credentials, upgraded: PasswordHash) -> bool:
    """Replace a hash of an outdated cost, unless the password changed in the meantime."""
    changed = tx.run(
        "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?",
        upgraded,
        credentials.account.id,
        credentials.password_hash,
    )
    return changed == 1
