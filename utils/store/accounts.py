"""Accounts: create, find, change, delete, and what a login is checked against.

What needs a password takes Credentials, as they were when it was verified: that takes long, so it
is done outside of a transaction, and the statement that writes compares the password's number.
Not its hash: of several logins at once, one may replace that by a hash of a higher cost.
"""

from __future__ import annotations

from datetime import datetime

from models.errors import AlreadyExists, NotFound
from models.rows import (
    Account,
    AccountInfo,
    Credentials,
    PasswordHash,
    SessionId,
    UserId,
    Username,
)
from models.times import from_microseconds, to_microseconds
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store import grants, sessions
from utils.store.keys import add_current_key, destroy_all

_TAKEN = "This username is taken. Choose another."
_USED = 0  # a one-time password that ended at the beginning of time, whatever the clock of a node


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
    one_time_until: datetime | None = None,
) -> Account:
    """Create the account and its first key, in one transaction: neither exists without the other.

    With *one_time_until* the password is a one-time one. Raises AlreadyExists, also for the name
    of a deleted account.
    """
    row = tx.one(
        "INSERT INTO users (id, username, state, password_hash, one_time_expires_at, created_at) "
        "VALUES (?, ?, 'active', ?, ?, ?) ON CONFLICT (username) DO NOTHING RETURNING id",
        account_id,
        username,
        password_hash,
        None if one_time_until is None else to_microseconds(one_time_until),
        to_microseconds(now),
    )
    if row is None:
        raise AlreadyExists(_TAKEN)
    account = Account(account_id, username, now, one_time_until is not None)
    add_current_key(tx, master, account.id, now)
    return account


def find_credentials(tx: Tx, username: Username) -> Credentials | None:
    """What to check a login against; None for unknown, disabled and deleted alike."""
    row = tx.one(
        "SELECT id, username, created_at, one_time_expires_at IS NOT NULL, password_hash, "
        "password_number FROM users WHERE username = ? AND state = 'active'",
        username,
    )
    if row is None:
        return None
    account = Account(UserId(row[0]), Username(row[1]), from_microseconds(row[2]), bool(row[3]))
    return Credentials(account, PasswordHash(row[4]), row[5])


def accept_login(tx: Tx, credentials: Credentials, now: datetime) -> bool:
    """Whether the password that was verified outside a transaction is still the password.

    Locks the row: a password change that commits first wins, and one that comes later ends
    the session that is about to begin. A one-time password is used up by it: of two logins at
    once, the second finds it used, whatever its clock says.
    """
    row = tx.one(
        "SELECT 1 FROM users WHERE id = ? AND state = 'active' AND password_number = ? "
        "AND (one_time_expires_at IS NULL OR one_time_expires_at > ?) FOR NO KEY UPDATE",
        credentials.account.id,
        credentials.password_number,
        to_microseconds(now),
    )
    if row is not None and credentials.account.one_time:
        tx.run(
            "UPDATE users SET one_time_expires_at = ? WHERE id = ?", _USED, credentials.account.id
        )
    return row is not None


def upgrade_hash(tx: Tx, credentials: Credentials, upgraded: PasswordHash) -> bool:
    """Replace a hash of an outdated cost, unless somebody replaced it in the meantime."""
    changed = tx.run(
        "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?",
        upgraded,
        credentials.account.id,
        credentials.password_hash,
    )
    return changed == 1


def change_password(
    tx: Tx, credentials: Credentials, chosen: PasswordHash, kept: SessionId, now: datetime
) -> int | None:
    """Put the owner's new password in place of the verified one, end every session but *kept*, and
    forget from where the account was used; how many sessions ended. None if the verified password
    is no longer the account's: of two changes at once one wins.
    """
    changed = tx.run(
        "UPDATE users SET password_hash = ?, password_number = password_number + 1, "
        "one_time_expires_at = NULL WHERE id = ? AND state = 'active' AND password_number = ?",
        chosen,
        credentials.account.id,
        credentials.password_number,
    )
    if changed == 0:
        return None
    tx.run("DELETE FROM known_sources WHERE user_id = ?", credentials.account.id)
    return sessions.end_others(tx, credentials.account.id, kept, now)


def delete(tx: Tx, credentials: Credentials, now: datetime) -> bool:
    """End the account for good; False if the verified password is no longer its password.

    All that it owned is deleted and its keys destroyed. The row stays, so that nobody gets the
    name and is taken for its former owner. It is changed first, which locks it: writers,
    logins and key switches of this account come before, or find it deleted. A rotation does not
    lock it; what it is about to exchange is gone then, and its compare-and-set skips that.
    """
    owner = credentials.account.id
    changed = tx.run(
        "UPDATE users SET state = 'deleted', password_hash = NULL, one_time_expires_at = NULL "
        "WHERE id = ? AND state = 'active' AND password_number = ?",
        owner,
        credentials.password_number,
    )
    if changed == 0:
        return False
    tx.run("DELETE FROM sessions WHERE user_id = ?", owner)
    tx.run("DELETE FROM known_sources WHERE user_id = ?", owner)
    tx.run("DELETE FROM api_tokens WHERE user_id = ?", owner)
    grants.end_of_account(tx, owner)
    tx.run("DELETE FROM secrets WHERE owner_id = ?", owner)  # and with them their versions
    destroy_all(tx, owner, now)
    return True


# --- what the operator does --------------------------------------------------------------------


def list_all(tx: Tx) -> list[AccountInfo]:
    """Every account, deleted ones too: their names are taken."""
    rows = tx.all(
        "SELECT id, username, created_at, one_time_expires_at IS NOT NULL, state "
        "FROM users ORDER BY username"
    )
    return [
        AccountInfo(
            Account(UserId(row[0]), Username(row[1]), from_microseconds(row[2]), bool(row[3])),
            state=row[4],
        )
        for row in rows
    ]


def disable(tx: Tx, username: Username, now: datetime) -> int:
    """Shut the account out until it is enabled; how many sessions that ended. Raises NotFound."""
    row = tx.one(
        "UPDATE users SET state = 'disabled' WHERE username = ? AND state <> 'deleted' "
        "RETURNING id",
        username,
    )
    if row is None:
        raise _nobody(username)
    return sessions.end_others(tx, UserId(row[0]), None, now)


def enable(tx: Tx, username: Username) -> None:
    """Let it log in again. Raises NotFound."""
    changed = tx.run(
        "UPDATE users SET state = 'active' WHERE username = ? AND state <> 'deleted'", username
    )
    if changed == 0:
        raise _nobody(username)


def find_id(tx: Tx, username: Username) -> UserId:
    """The number of an account that is not deleted. Raises NotFound."""
    row = tx.one("SELECT id FROM users WHERE username = ? AND state <> 'deleted'", username)
    if row is None:
        raise _nobody(username)
    return UserId(row[0])


def reset_password(
    tx: Tx, username: Username, one_time: PasswordHash, until: datetime, now: datetime
) -> int:
    """Replace the password by a one-time one; how many sessions that ended. Raises NotFound."""
    row = tx.one(
        "UPDATE users SET password_hash = ?, password_number = password_number + 1, "
        "one_time_expires_at = ? WHERE username = ? AND state <> 'deleted' RETURNING id",
        one_time,
        to_microseconds(until),
        username,
    )
    if row is None:
        raise _nobody(username)
    tx.run("DELETE FROM known_sources WHERE user_id = ?", row[0])
    return sessions.end_others(tx, UserId(row[0]), None, now)


def _nobody(username: Username) -> NotFound:
    return NotFound(f"There is no user {username}.")
