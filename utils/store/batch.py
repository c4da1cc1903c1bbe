"""Many writes at once: all of them or none, in as many statements as for one.

What one write does is told in ``secrets.py``; this does the same to many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from models.errors import FieldProblem, LimitReached, PreconditionFailed
from models.rows import KEEP, Act, SecretId, SecretInfo, SecretName, Value, Write
from models.times import to_microseconds
from utils.crypto import MasterKeys, seal
from utils.db import Tx
from utils.store import grants, limits
from utils.store.keys import current_key, lock_owner
from utils.store.secret_rows import INFO, info_of, labels_json, live_one
from utils.tokens import new_id

_FIND = (
    "WITH wanted (name) AS (VALUES {rows}) SELECT " + INFO + " FROM secrets s "  # noqa: S608
    "WHERE s.owner_id = ? AND s.name IN (SELECT name FROM wanted)"
)
_INSERT = (
    "INSERT INTO secrets (owner_id, name, version, tag, labels, created_at, updated_at, "
    "expires_at) VALUES {rows} RETURNING id, name"
)
# PostgreSQL takes a column of nothing but NULL for text.
_UPDATE = (
    "WITH renewed (id, version, tag, labels, updated_at, expires_at) AS (VALUES {rows}) "
    "UPDATE secrets SET version = renewed.version, tag = renewed.tag, labels = renewed.labels, "
    "updated_at = renewed.updated_at, expires_at = CAST(renewed.expires_at AS BIGINT), "
    "deleted_at = NULL, purge_at = NULL FROM renewed WHERE secrets.id = renewed.id"
)
_ADD_VERSIONS = (
    "INSERT INTO secret_versions "
    "(secret_id, number, key_id, ciphertext, created_at, author, credential) VALUES {rows}"
)
_NO_ROW = SecretId(0)
Item = TypeVar("Item", Write, SecretInfo)


def write_all(tx: Tx, master: MasterKeys, act: Act, writes: Sequence[Write]) -> list[SecretInfo]:
    """Set the values of secrets, each named once, creating those that are not there.

    Raises PreconditionFailed or LimitReached, with the places of the writes that it is about.
    """
    lock_owner(tx, act.owner)
    rows = tx.all_of(_FIND, [(write.name,) for write in writes], act.owner)
    found = {info.name: info for info in map(info_of, rows)}
    _require_versions(act, writes, found)
    after = [_after(act, write, found.get(write.name)) for write in writes]
    _require_room(tx, act, after)
    after = _insert_new(tx, act, after)
    _update(tx, [info for info in after if info.name in found])
    # Those of secrets that had expired were for that life.
    grants.end_all(tx, [one.id for one in found.values() if live_one(one, act.now) is None])
    _add_versions(tx, master, act, after, [write.change.value for write in writes])
    return after


def _require_versions(
    act: Act, writes: Sequence[Write], found: Mapping[SecretName, SecretInfo]
) -> None:
    def is_another(write: Write) -> bool:
        live = live_one(found.get(write.name), act.now)
        return write.if_version not in {None, 0 if live is None else live.version}

    problems = _places(writes, is_another, "its newest version is another one than `if_version`")
    if problems:
        raise PreconditionFailed(
            "Some secrets are not in the version that `if_version` names (0: there is none); "
            "`errors` lists which. Nothing was written. Read them again, then decide.",
            problems,
        )


def _places(
    items: Sequence[Item], applies: Callable[[Item], bool], detail: str
) -> list[FieldProblem]:
    """*detail* about each of the writes of which it is true."""
    return [
        FieldProblem(f"#/writes/{place}", detail, item.name)
        for place, item in enumerate(items)
        if applies(item)
    ]


def _after(act: Act, write: Write, former: SecretInfo | None) -> SecretInfo:
    """The secret as it will be. A new life begins with nothing of the former's labels."""
    change, live = write.change, live_one(former, act.now)
    kept_labels, kept_expiry = ({}, None) if live is None else (live.labels, live.expires_at)
    return SecretInfo(
        id=_NO_ROW if former is None else former.id,
        name=write.name,
        version=1 if former is None else former.version + 1,
        tag=new_id(),
        labels=kept_labels if change.labels is None else change.labels,
        created_at=act.now if former is None else former.created_at,
        updated_at=act.now,
        expires_at=kept_expiry if change.expires_at is KEEP else change.expires_at,
    )


def _require_room(tx: Tx, act: Act, after: Sequence[SecretInfo]) -> None:
    if more := sum(info.id == _NO_ROW for info in after):
        limits.require_room(tx, act, more)
    full = limits.full(tx, act, [(info.id, info.version) for info in after])
    problems = _places(after, lambda info: info.id in full, "has no room for another version")
    if problems:
        raise LimitReached(str(limits.too_many_versions(act)), problems)


def _insert_new(tx: Tx, act: Act, after: Sequence[SecretInfo]) -> list[SecretInfo]:
    """Make rows for those that have none; all, with the numbers of their rows."""
    new = [
        (act.owner, info.name, info.version, info.tag, labels_json(info.labels), *_moments(info))
        for info in after
        if info.id == _NO_ROW
    ]
    made = {row[1]: SecretId(row[0]) for row in tx.all_of(_INSERT, new)} if new else {}
    return [replace(info, id=made.get(info.name, info.id)) for info in after]


def _update(tx: Tx, after: Sequence[SecretInfo]) -> None:
    if after:
        tx.run_of(
            _UPDATE,
            [
                (info.id, info.version, info.tag, labels_json(info.labels), *_moments(info)[1:])
                for info in after
            ],
        )


def _moments(info: SecretInfo) -> tuple[int, int, int | None]:
    """When it was created and updated, and when it expires."""
    ends = info.expires_at
    return (
        to_microseconds(info.created_at),
        to_microseconds(info.updated_at),
        None if ends is None else to_microseconds(ends),
    )


def _add_versions(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    after: Sequence[SecretInfo],
    values: Sequence[Value | None],
) -> None:
    """The key is read here, inside the write transaction; see :func:`current_key`."""
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
            for info, value in zip(after, values, strict=True)
            if value is not None
        ],
    )
