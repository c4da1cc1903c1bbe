"""Sharing: an owner lets others read a secret, or write its value. It stays the owner's: values are
sealed under the owner's key, whoever wrote them."""

from __future__ import annotations

from datetime import datetime

from models.conditions import Conditions
from models.errors import FieldProblem, InvalidFields, LimitReached, NotFound
from models.grants import MAX_GRANTS, Grant, Permission, Shared
from models.paging import Position
from models.rows import (
    Act,
    Change,
    Secret,
    SecretInfo,
    SecretName,
    SystemKey,
    UserId,
    Username,
)
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store import grants, secret_reads, secrets
from utils.store.keys import lock_owner
from utils.store.secret_rows import absent, find, live_one


def share(
    tx: Tx,
    key: SystemKey,
    owner: UserId,
    name: SecretName,
    grantee: Username,
    permission: Permission,
    now: datetime,
) -> tuple[Grant, bool]:
    """Let *grantee* do this with a secret, whatever it was before; whether it is new comes second.

    Whether there is such a secret is asked first: nobody learns from somebody else's who has an
    account. Raises NotFound, InvalidFields or LimitReached.
    """
    other = _find_user(tx, grantee)
    exists = _lock_both(tx, owner, other)
    secret = _own(tx, owner, name, now)
    if other is None or not exists:
        raise _invalid("There is no user with this name.")
    if other == owner:
        raise _invalid("This is your own name: the secret is yours already.")
    former = grants.find(tx, key, secret.id, other)
    if former is None and grants.count(tx, secret.id) >= MAX_GRANTS:
        raise LimitReached(f"A secret is shared with at most {MAX_GRANTS} users. End one first.")
    granted = Grant(grantee, permission, now if former is None else former.granted_at)
    if granted != former:
        grants.put(tx, key, secret.id, owner, other, permission, granted.granted_at)
    return granted, former is None


def unshare(tx: Tx, owner: UserId, name: SecretName, grantee: Username, now: datetime) -> None:
    """End a grant. A write by the grantee has come before, or finds it ended. Raises NotFound."""
    lock_owner(tx, owner)
    if not grants.end(tx, _own(tx, owner, name, now).id, grantee):
        raise NotFound("The secret is not shared with this user.")


def list_page(
    tx: Tx,
    key: SystemKey,
    owner: UserId,
    name: SecretName,
    after: Position,
    limit: int,
    now: datetime,
) -> tuple[list[Grant], Position | None]:
    """With whom the owner shares a secret, newest first, and the position to continue after.

    Raises NotFound.
    """
    return grants.list_page(tx, key, _own(tx, owner, name, now).id, after, limit)


def read(
    tx: Tx,
    master: MasterKeys,
    key: SystemKey,
    grantee: UserId,
    owner: Username,
    name: SecretName,
    now: datetime,
) -> tuple[Shared, Secret]:
    """Decrypt the newest version of a secret that is shared with *grantee*.

    Raises NotFound, Undecryptable, MissingMasterKey.
    """
    shared = grants.find_shared(tx, key, grantee, owner, name, now)
    if shared is None:
        raise absent_share()
    return shared, secret_reads.read(tx, master, shared.owner, name, None, now)


def lock(
    tx: Tx, key: SystemKey, grantee: UserId, owner: Username, name: SecretName, now: datetime
) -> Shared:
    """A secret that is shared with *grantee*, whatever for, with its owner's row locked.

    The grant is looked for twice. Before the owner's row is locked, or anybody could make anybody's
    writers wait; and after, when no other transaction can end it any more. Raises NotFound.
    """
    shared = grants.find_shared(tx, key, grantee, owner, name, now)
    if shared is None or not _lock_account(tx, shared.owner):
        raise absent_share()
    shared = grants.find_shared(tx, key, grantee, owner, name, now)
    if shared is None:
        raise absent_share()
    return shared


def patch(
    tx: Tx,
    master: MasterKeys,
    shared: Shared,
    act: Act,
    change: Change,
    conditions: Conditions,
) -> Shared:
    """Change the value of a secret that :func:`lock` found, if it is shared for writing; *act* is
    the grantee's, on the owner's secrets.

    Raises ReadOnlyGrant, LimitReached or PreconditionFailed.
    """
    shared.require_write()
    info = secrets.patch(tx, master, act, shared.info.name, change, conditions)
    return Shared(shared.owner, shared.owner_name, info, shared.grant)


def absent_share() -> NotFound:
    """The one answer for an unknown owner, and for a secret that is absent, deleted, expired,
    impossible, or not shared with the caller."""
    return NotFound("No secret of this name is shared with you by this user.")


def _own(tx: Tx, owner: UserId, name: SecretName, now: datetime) -> SecretInfo:
    live = live_one(find(tx, owner, name), now)
    if live is None:
        raise absent()
    return live


def _find_user(tx: Tx, username: Username) -> UserId | None:
    row = tx.one("SELECT id FROM users WHERE username = ?", username)
    return None if row is None else UserId(row[0])


def _lock_both(tx: Tx, owner: UserId, other: UserId | None) -> bool:
    """Lock both accounts; whether the other one is there.

    The grantee's too, so that no grant is made for an account that is just being deleted. In the
    order of their numbers: two who share with each other at once would else wait in a circle.
    """
    exists = False
    for number in sorted({owner, other or owner}):
        if number == owner:
            lock_owner(tx, owner)
        else:
            exists = _lock_account(tx, number)
    return exists or other == owner


def _lock_account(tx: Tx, account: UserId) -> bool:
    """Lock an account that is not the caller's; False if it is deleted."""
    row = tx.one(
        "SELECT 1 FROM users WHERE id = ? AND state <> 'deleted' FOR NO KEY UPDATE", account
    )
    return row is not None


def _invalid(detail: str) -> InvalidFields:
    return InvalidFields([FieldProblem("#/username", detail)])
