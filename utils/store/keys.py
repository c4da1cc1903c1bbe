"""User keys: one current per account, retired ones until no ciphertext needs them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from models.errors import FieldProblem, InvalidFields, NotAuthenticated
from models.paging import CURSOR_RULE
from models.rotation import RetiredKey
from models.rows import KeyId, KeyInfo, KeyState, UserId, Username, WrappedKey
from models.times import from_microseconds, maybe_from_microseconds, to_microseconds
from utils.crypto import MasterKeys, UserKey, generate_user_key
from utils.db import Row, Tx
from utils.tokens import new_id

_INFO = (
    "SELECT k.public_id, u.username, k.state, k.created_at, k.retired_at, k.destroyed_at, "
    "(SELECT count(*) FROM secret_versions v WHERE v.key_id = k.id), u.id "
    "FROM user_keys k JOIN users u ON u.id = k.owner_id "
)
_INFO_PAGE = (
    _INFO + "WHERE k.owner_id = ? AND (CAST(? AS TEXT) = '' OR k.id < "  # noqa: S608
    "(SELECT p.id FROM user_keys p WHERE p.owner_id = k.owner_id AND p.public_id = ?)) "
    "ORDER BY k.id DESC LIMIT ?"
)
_IS_MINE = "SELECT 1 FROM user_keys WHERE owner_id = ? AND public_id = ?"
_INFO_UNDESTROYED = _INFO + "WHERE k.state <> 'destroyed' ORDER BY k.id"
_END_OF_TIME = 2**63 - 1  # of a BIGINT


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


def wrapped_key(tx: Tx, key_id: KeyId) -> WrappedKey | None:
    """A key's material; None for one that is destroyed."""
    row = tx.one("SELECT sealed, master FROM user_key_material WHERE key_id = ?", key_id)
    return None if row is None else WrappedKey(*row)


def switch(
    tx: Tx, master: MasterKeys, owner: UserId, now: datetime, created_before: datetime | None = None
) -> bool:
    """Retire the owner's key and make a new one current; False if there was nothing to do.

    The owner's row is locked first, as every writer of theirs does: whoever writes next reads
    the new key. With *created_before*, a key that another rotation has just made is left;
    without it no clock is asked: nodes disagree about the time, and a clock can be set back.
    """
    locked = tx.one(
        "SELECT 1 FROM users WHERE id = ? AND state <> 'deleted' FOR NO KEY UPDATE", owner
    )
    moment = to_microseconds(now)
    before = _END_OF_TIME if created_before is None else to_microseconds(created_before)
    retired = locked and tx.run(
        "UPDATE user_keys SET state = 'retired', retired_at = ? "
        "WHERE owner_id = ? AND state = 'current' AND created_at <= ?",
        moment,
        owner,
        before,
    )
    if not retired:
        return False
    add_current_key(tx, master, owner, now)
    return True


def owners_due(tx: Tx, moment: datetime, after: int, limit: int) -> list[UserId]:
    """Accounts whose current key was made at or before *moment*, in order of their number.

    That order is also the order in which their rows get locked, so that two rotations on
    PostgreSQL never wait for each other in a circle.
    """
    rows = tx.all(
        "SELECT u.id FROM users u JOIN user_keys k ON k.owner_id = u.id "
        "WHERE k.state = 'current' AND k.created_at <= ? AND u.state <> 'deleted' AND u.id > ? "
        "ORDER BY u.id LIMIT ?",
        to_microseconds(moment),
        after,
        limit,
    )
    return [UserId(row[0]) for row in rows]


def find_owner(tx: Tx, username: Username) -> UserId | None:
    """The number of an account that can have keys."""
    row = tx.one("SELECT id FROM users WHERE username = ? AND state <> 'deleted'", username)
    return None if row is None else UserId(row[0])


def list_page(tx: Tx, owner: UserId, after: str, limit: int) -> list[KeyInfo]:
    """An account's keys, newest first, from the one after the key with public id *after*.

    Raises InvalidFields for an *after* that is none of them: an empty page would say "the end".
    """
    if after and tx.one(_IS_MINE, owner, after) is None:
        raise InvalidFields([FieldProblem("?cursor", CURSOR_RULE)])
    return [_key_info(row) for row in tx.all(_INFO_PAGE, owner, after, after, limit)]


def list_undestroyed(tx: Tx, owners: Collection[UserId] | None) -> list[KeyInfo]:
    """Keys of these accounts (None: of all) that still exist, oldest first, for the operator."""
    rows = tx.all(_INFO_UNDESTROYED)
    return [_key_info(row) for row in rows if owners is None or row[-1] in owners]


def count_destroyed(tx: Tx, owners: Collection[UserId] | None) -> int:
    """How many keys of these accounts (None: of all) are gone for good."""
    rows = tx.all(
        "SELECT owner_id, count(*) FROM user_keys WHERE state = 'destroyed' GROUP BY owner_id"
    )
    return sum(row[1] for row in rows if owners is None or row[0] in owners)


def count_by_state(tx: Tx) -> dict[KeyState, int]:
    """How many keys of all accounts are in each state that any is in."""
    return dict(tx.all("SELECT state, count(*) FROM user_keys GROUP BY state"))


def destroyed_since(tx: Tx, moment: datetime) -> bool:
    """Whether a key was destroyed after *moment*, by whatever means."""
    row = tx.one(
        "SELECT 1 FROM user_keys WHERE state = 'destroyed' AND destroyed_at > ? LIMIT 1",
        to_microseconds(moment),
    )
    return row is not None


def newest_key(tx: Tx) -> KeyId:
    """The highest number that a key has; every later one's is higher."""
    ((newest,),) = tx.all("SELECT coalesce(max(id), 0) FROM user_keys")
    return KeyId(newest)


def retired_keys(tx: Tx, owners: Collection[UserId] | None) -> list[RetiredKey]:
    """Retired keys of these accounts (None: of all), and whether a ciphertext still needs them."""
    rows = tx.all(
        "SELECT k.id, k.owner_id, EXISTS "
        "(SELECT 1 FROM secret_versions v WHERE v.key_id = k.id) "
        "FROM user_keys k WHERE k.state = 'retired' ORDER BY k.id"
    )
    return [
        RetiredKey(KeyId(row[0]), drained=not row[2])
        for row in rows
        if owners is None or row[1] in owners
    ]


def destroy(tx: Tx, key_id: KeyId, now: datetime) -> bool:
    """Delete the key's material for good; False if something still refers to it.

    Looked at again inside the transaction, and the foreign key forbids it besides: there a
    late reference makes the database raise IntegrityViolation, and the key stays.
    """
    deleted = tx.run(
        "DELETE FROM user_key_material WHERE key_id = ? "
        "AND NOT EXISTS (SELECT 1 FROM secret_versions v WHERE v.key_id = ?) "
        "AND EXISTS (SELECT 1 FROM user_keys k WHERE k.id = ? AND k.state = 'retired')",
        key_id,
        key_id,
        key_id,
    )
    if deleted == 0:
        return False
    tx.run(
        "UPDATE user_keys SET state = 'destroyed', destroyed_at = ? WHERE id = ?",
        to_microseconds(now),
        key_id,
    )
    return True


def destroy_all(tx: Tx, owner: UserId, now: datetime) -> None:
    """Destroy every key of an account whose ciphertexts are deleted and whose row is locked.

    One by one, oldest first and material first, as a rotation does: two that lock the same rows in
    another order would wait for each other in a circle.
    """
    moment = to_microseconds(now)
    for (key_id,) in tx.all(
        "SELECT id FROM user_keys WHERE owner_id = ? AND state <> 'destroyed' ORDER BY id", owner
    ):
        tx.run("DELETE FROM user_key_material WHERE key_id = ?", key_id)
        tx.run(
            "UPDATE user_keys SET state = 'destroyed', destroyed_at = ?, "
            "retired_at = coalesce(retired_at, ?) WHERE id = ? AND state <> 'destroyed'",
            moment,
            moment,
            key_id,
        )


def _key_info(row: Row) -> KeyInfo:
    return KeyInfo(
        public_id=row[0],
        owner=Username(row[1]),
        state=row[2],
        created_at=from_microseconds(row[3]),
        retired_at=maybe_from_microseconds(row[4]),
        destroyed_at=maybe_from_microseconds(row[5]),
        ciphertexts_remaining=row[6],
    )
