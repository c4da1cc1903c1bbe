"""User keys: one current per account, retired ones until no ciphertext needs them."""

from __future__ import annotations

from datetime import datetime

from models.errors import NotAuthenticated
from models.rows import KeyId, UserId, UserKey, WrappedKey
from models.times import to_microseconds
from utils.crypto import MasterKeys, generate_user_key
from utils.db import Tx
from utils.tokens import new_id


def lock_owner(tx: Tx, owner: UserId) -> None:
    """Take the account's row: writers of one account, and its key switch, go one by one.

    On SQLite the write transaction already holds the one lock there is; the statement still
    checks that the account was not deleted since the request was authenticated.
    """
    row = tx.one("SELECT 1 FROM users WHERE id = ? AND state = 'active' FOR NO KEY UPDATE", owner)
    if row is None:
        raise NotAuthenticated("The account no longer exists. Register or log in again.")


def add_current_key(tx: Tx, master: MasterKeys, owner: UserId, now: datetime) -> KeyId:
    """Create a key and make it the current one. The caller has retired the one before.

    Metadata and material are two rows: a key that is destroyed loses the second.
    """
    row = tx.one(
        "INSERT INTO user_keys (public_id, owner_id, state, created_at) "
        "VALUES (?, ?, 'current', ?) RETURNING id",
        new_id(),
        owner,
        to_microseconds(now),
    )
    assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
    key_id = KeyId(row[0])
    wrapped = master.wrap_user_key(generate_user_key(), owner, key_id)
    tx.run(
        "INSERT INTO user_key_material (key_id, sealed, master) VALUES (?, ?, ?)",
        key_id,
        wrapped.sealed,
        wrapped.master,
    )
    return key_id


def current_key(tx: Tx, master: MasterKeys, owner: UserId) -> tuple[KeyId, UserKey]:
    """The key that new values are sealed under.

    To be called inside the write transaction: read outside it, a rotation in between would
    leave a ciphertext under a key that is about to be destroyed.
    """
    row = tx.one(
        "SELECT k.id, m.sealed, m.master FROM user_keys k "
        "JOIN user_key_material m ON m.key_id = k.id "
        "WHERE k.owner_id = ? AND k.state = 'current'",
        owner,
    )
    if row is None:
        raise LookupError(f"account {owner} has no current key")
    key_id = KeyId(row[0])
    return key_id, master.unwrap_user_key(WrappedKey(row[1], row[2]), owner, key_id)
