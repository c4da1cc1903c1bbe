"""Secrets: each write is a new immutable version, sealed under the owner's current key.

A name keeps one row for ever (until destroyed): deleting and expiring only hide it, and creating
the name again continues its numbering.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.conditions import Conditions
from models.errors import AlreadyExists
from models.rows import (
    KEEP,
    Act,
    Change,
    Deletion,
    SecretId,
    SecretInfo,
    SecretName,
    Value,
)
from models.times import to_microseconds
from utils.crypto import MasterKeys, seal
from utils.db import Tx
from utils.store import grants, limits
from utils.store.keys import current_key, lock_owner
from utils.store.secret_rows import absent, find, labels_json, live_one
from utils.tokens import new_id


def create(tx: Tx, master: MasterKeys, act: Act, name: SecretName, change: Change) -> SecretInfo:
    """Store a secret under a name that no live secret has. Raises AlreadyExists."""
    lock_owner(tx, act.owner)
    found = find(tx, act.owner, name)
    if live_one(found, act.now) is not None:
        raise AlreadyExists("A secret with this name exists. PUT replaces its value.")
    return _begin(tx, master, act, name, found, change)


def put(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    change: Change,
    conditions: Conditions,
) -> tuple[SecretInfo, bool]:
    """Set the value, creating the secret if need be; whether it was created comes second.

    Raises PreconditionFailed.
    """
    lock_owner(tx, act.owner)
    found = find(tx, act.owner, name)
    live = live_one(found, act.now)
    conditions.require(live)
    if live is None:
        return _begin(tx, master, act, name, found, change), True
    return _change(tx, master, act, live, change), False


def patch(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    change: Change,
    conditions: Conditions,
) -> SecretInfo:
    """Replace what *change* mentions. Raises NotFound or PreconditionFailed."""
    lock_owner(tx, act.owner)
    live = live_one(find(tx, act.owner, name), act.now)
    if live is None:
        raise absent()
    conditions.require(live)
    return _change(tx, master, act, live, change)


def delete(
    tx: Tx, act: Act, name: SecretName, conditions: Conditions, retention: timedelta
) -> Deletion:
    """Hide the secret, and end its grants. Its versions stay until ``purge_at``.

    Raises NotFound or PreconditionFailed.
    """
    lock_owner(tx, act.owner)
    live = live_one(find(tx, act.owner, name), act.now)
    if live is None:
        raise absent()
    conditions.require(live)
    tx.run(
        "UPDATE secrets SET deleted_at = ?, purge_at = ?, tag = ? WHERE id = ?",
        to_microseconds(act.now),
        to_microseconds(act.now + retention),
        new_id(),
        live.id,
    )
    grants.end_all(tx, [live.id])
    return Deletion(name, act.now, act.now + retention)


def _begin(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    former: SecretInfo | None,
    change: Change,
) -> SecretInfo:
    """A new secret, or a new life of a deleted or expired one, with nothing left of its labels
    and grants."""
    labels, expires_at = change.labels or {}, _given(change)
    moment, tag = to_microseconds(act.now), new_id()
    if former is None:
        limits.require_room(tx, act, 1)
        row = tx.one(
            "INSERT INTO secrets (owner_id, name, version, tag, labels, created_at, updated_at, "
            "expires_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?) RETURNING id",
            act.owner,
            name,
            tag,
            labels_json(labels),
            moment,
            moment,
            _maybe_microseconds(expires_at),
        )
        assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
        secret_id, version, created_at = SecretId(row[0]), 1, act.now
    else:
        secret_id, version, created_at = former.id, former.version + 1, former.created_at
        tx.run(
            "UPDATE secrets SET version = ?, tag = ?, labels = ?, updated_at = ?, expires_at = ?, "
            "deleted_at = NULL, purge_at = NULL WHERE id = ?",
            version,
            tag,
            labels_json(labels),
            moment,
            _maybe_microseconds(expires_at),
            secret_id,
        )
        grants.end_all(tx, [secret_id])  # those of one that had expired: they were for that life
    assert change.value is not None  # noqa: S101 - requests that create carry a value
    add_version(tx, master, act, secret_id, version, change.value)
    return SecretInfo(secret_id, name, version, tag, labels, created_at, act.now, expires_at)


def _change(tx: Tx, master: MasterKeys, act: Act, live: SecretInfo, change: Change) -> SecretInfo:
    """Apply what *change* mentions to a live secret."""
    labels = live.labels if change.labels is None else change.labels
    expires_at = live.expires_at if change.expires_at is KEEP else change.expires_at
    version, tag = live.version, new_id()
    if change.value is not None:
        version += 1
        add_version(tx, master, act, live.id, version, change.value)
    tx.run(
        "UPDATE secrets SET version = ?, tag = ?, labels = ?, updated_at = ?, expires_at = ? "
        "WHERE id = ?",
        version,
        tag,
        labels_json(labels),
        to_microseconds(act.now),
        _maybe_microseconds(expires_at),
        live.id,
    )
    return SecretInfo(
        live.id, live.name, version, tag, labels, live.created_at, act.now, expires_at
    )


def add_version(
    tx: Tx, master: MasterKeys, act: Act, secret: SecretId, number: int, value: Value
) -> None:
    """The key is read here, inside the write transaction; see :func:`current_key`.

    Raises LimitReached.
    """
    limits.require_room_for_version(tx, act, secret, number)
    key_id, key = current_key(tx, master, act.owner)
    tx.run(
        "INSERT INTO secret_versions "
        "(secret_id, number, key_id, ciphertext, created_at, author, credential) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        secret,
        number,
        key_id,
        seal(key, value, act.owner, secret, number),
        to_microseconds(act.now),
        act.author.username,
        act.author.credential,
    )


def _given(change: Change) -> datetime | None:
    return None if change.expires_at is KEEP else change.expires_at


def _maybe_microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)
