"""Secrets: each write is a new immutable version, sealed under the owner's current key.

A name keeps one row for ever (until destroyed): deleting and expiring only hide it, and creating
the name again continues its numbering.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from models.conditions import Conditions
from models.errors import AlreadyExists
from models.rows import Act, Change, Deletion, SecretInfo, SecretName, Value
from models.times import to_microseconds
from utils.crypto import MasterKeys, seal
from utils.db import Tx
from utils.store import grants, limits
from utils.store.keys import current_key, lock_owner
from utils.store.secret_rows import absent, after, find, live_one, store
from utils.tokens import new_id

_ADD_VERSIONS = (
    "INSERT INTO secret_versions "
    "(secret_id, number, key_id, ciphertext, created_at, author, credential) VALUES {rows}"
)


def create(tx: Tx, master: MasterKeys, act: Act, name: SecretName, change: Change) -> SecretInfo:
    """Store a secret under a name that no live secret has. Raises AlreadyExists."""
    lock_owner(tx, act.owner)
    found = find(tx, act.owner, name)
    if live_one(found, act.now) is not None:
        raise AlreadyExists("A secret with this name exists. PUT replaces its value.")
    return _write(tx, master, act, name, found, change)


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
    return _write(tx, master, act, name, found, change), live is None


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
    return _write(tx, master, act, name, live, change)


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


def _write(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    former: SecretInfo | None,
    change: Change,
) -> SecretInfo:
    """Create the secret, or a new life of one that was deleted or has expired, or change it.

    Raises LimitReached.
    """
    if former is None:
        limits.require_room(tx, act, 1)
    planned = after(act, name, former, change)
    if change.value is not None:
        limits.require_room_for_version(tx, act, planned.id, planned.version)
    (info,) = store(tx, act.owner, [planned])
    if former is not None and live_one(former, act.now) is None:
        grants.end_all(tx, [info.id])  # those of one that had expired: they were for that life
    if change.value is not None:
        add_versions(tx, master, act, [(info, change.value)])
    return info


def add_versions(
    tx: Tx, master: MasterKeys, act: Act, values: Sequence[tuple[SecretInfo, Value]]
) -> None:
    """Seal each value as its secret's newest version.

    The key is read here, inside the write transaction; see :func:`current_key`.
    """
    key_id, key = current_key(tx, master, act.owner)
    tx.run_of(
        _ADD_VERSIONS,
        [
            (
                info.id,
                info.version,
                key_id,
                seal(key, value, act.owner, info.id, info.version),
                to_microseconds(act.now),
                act.author.username,
                act.author.credential,
            )
            for info, value in values
        ],
    )
