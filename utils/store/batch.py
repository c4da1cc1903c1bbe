"""Many writes at once: all of them or none, in as many statements as for one.

What they write is written by the same functions as one is; this finds out what is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from models.errors import FieldProblem, LimitReached, PreconditionFailed
from models.rows import Act, SecretInfo, SecretName, Write
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store import grants, limits, secrets
from utils.store.keys import lock_owner
from utils.store.secret_rows import INFO, NO_ROW, after, info_of, live_one, store

_FIND = (
    "WITH wanted (name) AS (VALUES {rows}) SELECT " + INFO + " FROM secrets s "  # noqa: S608
    "WHERE s.owner_id = ? AND s.name IN (SELECT name FROM wanted)"
)
Item = TypeVar("Item", Write, SecretInfo)


def write_all(tx: Tx, master: MasterKeys, act: Act, writes: Sequence[Write]) -> list[SecretInfo]:
    """Set the values of secrets, each named once, creating those that are not there.

    Raises PreconditionFailed or LimitReached, with the places of the writes that it is about.
    """
    lock_owner(tx, act.owner)
    rows = tx.all_of(_FIND, [(write.name,) for write in writes], act.owner)
    found = {info.name: info for info in map(info_of, rows)}
    _require_versions(act, writes, found)
    planned = [after(act, write.name, found.get(write.name), write.change) for write in writes]
    _require_room(tx, act, planned)
    stored = store(tx, act.owner, planned)
    # Those of secrets that had expired were for that life.
    grants.end_all(tx, [one.id for one in found.values() if live_one(one, act.now) is None])
    values = [
        (info, write.change.value)
        for info, write in zip(stored, writes, strict=True)
        if write.change.value is not None
    ]
    secrets.add_versions(tx, master, act, values)
    return stored


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


def _require_room(tx: Tx, act: Act, planned: Sequence[SecretInfo]) -> None:
    if more := sum(info.id == NO_ROW for info in planned):
        limits.require_room(tx, act, more)
    full = limits.full(tx, act, [(info.id, info.version) for info in planned])
    problems = _places(planned, lambda info: info.id in full, "has no room for another version")
    if problems:
        raise LimitReached(str(limits.too_many_versions(act)), problems)
