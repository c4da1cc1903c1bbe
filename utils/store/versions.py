"""What becomes of a secret after it was written: its versions, and what undoes, ends or moves it.

Every writer here locks the owner's row first, as all others do, and leaves a secret that has its
newest version: what is not there to be read is destroyed whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from models.conditions import Conditions
from models.errors import AlreadyExists, WrongState
from models.rows import (
    Act,
    Author,
    Change,
    SecretInfo,
    SecretName,
    UserId,
    Username,
    VersionInfo,
)
from models.times import from_microseconds, to_microseconds
from utils.crypto import MasterKeys
from utils.db import Row, Tx
from utils.store import grants, remains, secret_reads, secrets
from utils.store.keys import lock_owner
from utils.store.secret_rows import absent, absent_version, find, live_one
from utils.tokens import new_id

_PAGE = (
    "SELECT number, created_at, author, credential FROM secret_versions "
    "WHERE secret_id = ? AND number < ? ORDER BY number DESC LIMIT ?"
)


def list_page(
    tx: Tx, owner: UserId, name: SecretName, before: int, limit: int, now: datetime
) -> list[VersionInfo]:
    """A live secret's versions, newest first, from the one below the number *before*.

    Raises NotFound.
    """
    live = live_one(find(tx, owner, name), now)
    if live is None:
        raise absent()
    return [_version(row) for row in tx.all(_PAGE, live.id, before, limit)]


def rollback(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    name: SecretName,
    version: int,
    conditions: Conditions,
) -> SecretInfo:
    """Make an older value a new version. What happened meanwhile stays in the history.

    It is sealed anew: a ciphertext opens only as the version that it was written as. Raises
    NotFound, PreconditionFailed or Undecryptable.
    """
    lock_owner(tx, act.owner)
    value = secret_reads.read(tx, master, act.owner, name, version, act.now).value
    return secrets.patch(tx, master, act, name, Change(value=value), conditions)


def undelete(tx: Tx, act: Act, name: SecretName, conditions: Conditions) -> SecretInfo:
    """Undo a delete: the secret is again as it was, but for the tag, which the delete changed.

    Not when the time is over, whether a purge has run or not: what was said to be gone does
    not come back. Nor where it would be hidden still, because it expired. Raises NotFound,
    WrongState or PreconditionFailed.
    """
    lock_owner(tx, act.owner)
    found = find(tx, act.owner, name)
    if found is None or (found.purge_at is not None and found.purge_at <= act.now):
        raise absent()
    if live_one(found, act.now) is not None:
        raise WrongState("The secret is not deleted. Nothing was changed.")
    if found.expires_at is not None and found.expires_at <= act.now:
        raise WrongState(
            "The secret has expired. PUT a value under its name: older versions can then be read "
            "and rolled back to."
        )
    conditions.require(None)
    tx.run("UPDATE secrets SET deleted_at = NULL, purge_at = NULL WHERE id = ?", found.id)
    return replace(found, deleted_at=None, purge_at=None)


def destroy_versions(
    tx: Tx, act: Act, name: SecretName, numbers: Collection[int], conditions: Conditions
) -> int:
    """Delete these older versions for good, all or none of them; how many. Live or not.

    Raises NotFound, WrongState or PreconditionFailed.
    """
    found = _to_destroy(tx, act, name, conditions)
    wanted = sorted(set(numbers))
    if found.version in wanted:
        raise WrongState(
            "The newest version cannot be destroyed alone. Give the secret another value first "
            '(PUT, or :rollback), or destroy all of it with {"all": true}. Nothing was destroyed.'
        )
    destroyed = tx.run_many(
        "DELETE FROM secret_versions WHERE secret_id = ? AND number = ?",
        [(found.id, number) for number in wanted],
    )
    if destroyed != len(wanted):
        raise absent_version()  # and what was deleted is rolled back
    remains.note(tx, act.now)
    return destroyed


def destroy_all(tx: Tx, act: Act, name: SecretName, conditions: Conditions) -> int:
    """Delete the secret, live or not, with all of its versions; how many. Its name is free then,
    and whatever gets it begins at version 1. Raises NotFound or PreconditionFailed."""
    found = _to_destroy(tx, act, name, conditions)
    destroyed = tx.run("DELETE FROM secret_versions WHERE secret_id = ?", found.id)
    grants.end_all(tx, [found.id])  # not by cascade, which takes them in no order
    tx.run("DELETE FROM secrets WHERE id = ?", found.id)
    remains.note(tx, act.now)
    return destroyed


def move(tx: Tx, act: Act, name: SecretName, to: SecretName, conditions: Conditions) -> SecretInfo:
    """Give a live secret another name. Its history goes with it, and nothing is sealed anew: the
    name is no part of a ciphertext's place. Raises NotFound, PreconditionFailed or AlreadyExists.
    """
    lock_owner(tx, act.owner)
    live = live_one(find(tx, act.owner, name), act.now)
    if live is None:
        raise absent()
    conditions.require(live)
    tag = new_id()
    moved = tx.run(
        "UPDATE secrets SET name = ?, tag = ?, updated_at = ? WHERE id = ? "
        "AND NOT EXISTS (SELECT 1 FROM secrets o WHERE o.owner_id = ? AND o.name = ?)",
        to,
        tag,
        to_microseconds(act.now),
        live.id,
        act.owner,
        to,
    )
    if not moved:
        raise AlreadyExists(
            "A secret of yours has this name, or had it and is deleted or expired. Choose another, "
            'or free it: POST /secrets/<name>:destroy with {"all": true}.'
        )
    return replace(live, name=to, tag=tag, updated_at=act.now)


def _to_destroy(tx: Tx, act: Act, name: SecretName, conditions: Conditions) -> SecretInfo:
    """The secret, live or hidden. What is hidden has no state that If-Match could name."""
    lock_owner(tx, act.owner)
    found = find(tx, act.owner, name)
    if found is None:
        raise absent()
    conditions.require(live_one(found, act.now))
    return found


def _version(row: Row) -> VersionInfo:
    return VersionInfo(row[0], from_microseconds(row[1]), Author(Username(row[2]), row[3]))
