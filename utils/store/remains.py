"""Notes that ciphertexts were deleted. Each stays until a scrub has overwritten what that left in
the database's files, whoever does it: a rotation or a purge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.times import to_microseconds
from utils.db import Tx


def note(tx: Tx, now: datetime) -> None:
    """In the transaction that deletes. A row of its own, so that writers do not wait for each
    other."""
    tx.run("INSERT INTO remains (left_at) VALUES (?)", to_microseconds(now))


def noted(tx: Tx) -> list[int]:
    """The numbers of all notes."""
    return [row[0] for row in tx.all("SELECT id FROM remains ORDER BY id")]


def forget(tx: Tx, notes: Sequence[int]) -> int:
    """Those that were there before the scrub began. By number, not up to one: PostgreSQL gives
    numbers out before the commit, so a lower one can show up later."""
    return tx.run_many("DELETE FROM remains WHERE id = ?", [(number,) for number in notes])
