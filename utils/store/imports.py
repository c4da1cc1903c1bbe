"""Many secrets from a file: what would happen to each name, and doing it, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.conditions import UNCONDITIONAL
from models.errors import FieldProblem, ImportConflict
from models.rows import (
    Act,
    Change,
    Imported,
    ImportEntry,
    ImportOutcome,
    OnConflict,
    UserId,
)
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store import secret_reads, secrets
from utils.store.keys import lock_owner
from utils.store.secret_rows import find, live_one

_OF_A_TAKEN_NAME: dict[OnConflict, ImportOutcome] = {
    "fail": "conflict",
    "skip": "skipped",
    "overwrite": "updated",
}


def foresee(
    tx: Tx,
    master: MasterKeys,
    owner: UserId,
    entries: Sequence[ImportEntry],
    on_conflict: OnConflict,
    now: datetime,
    *,
    compare: bool,
) -> list[Imported]:
    """What an import would do with each name.

    A name that has the value already is left alone, whatever *on_conflict* says: the same file can
    be imported twice. Only with *compare*: to a caller who may write but not read, "unchanged"
    would say that a guess was right.
    """
    return [
        Imported(entry.name, _outcome(tx, master, owner, entry, on_conflict, now, compare=compare))
        for entry in entries
    ]


def carry_out(
    tx: Tx,
    master: MasterKeys,
    act: Act,
    entries: Sequence[ImportEntry],
    on_conflict: OnConflict,
    *,
    compare: bool,
) -> list[Imported]:
    """Import the entries; labels and expiry of what is there stay. Raises ImportConflict."""
    lock_owner(tx, act.owner)
    foreseen = foresee(tx, master, act.owner, entries, on_conflict, act.now, compare=compare)
    if taken := [one.name for one in foreseen if one.outcome == "conflict"]:
        raise ImportConflict([FieldProblem(f"/secrets/{one}", "exists", one) for one in taken])
    for entry, what in zip(entries, foreseen, strict=True):
        if what.outcome in {"created", "updated"}:
            change = Change(value=entry.value)
            secrets.put(tx, master, act, entry.name, change, UNCONDITIONAL)
    return foreseen


def _outcome(
    tx: Tx,
    master: MasterKeys,
    owner: UserId,
    entry: ImportEntry,
    on_conflict: OnConflict,
    now: datetime,
    *,
    compare: bool,
) -> ImportOutcome:
    if live_one(find(tx, owner, entry.name), now) is None:
        return "created"
    if compare:
        stored = secret_reads.read(tx, master, owner, entry.name, None, now)
        if stored.value.data == entry.value.data:
            return "unchanged"
    return _OF_A_TAKEN_NAME[on_conflict]
