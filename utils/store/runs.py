"""The record of rotations: what ``rotate_keys.py --status`` tells of the last one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.reports import Report
from models.times import from_microseconds, maybe_from_microseconds, to_microseconds
from utils.db import Tx

Outcome = Literal["done", "incomplete", "interrupted"]


@dataclass(frozen=True, slots=True)
class Run:
    """One rotation. ``running`` while no rotation runs means that it was killed."""

    started_at: datetime
    finished_at: datetime | None
    outcome: str  # an Outcome, or "running"
    switched: int
    reencrypted: int
    destroyed: int
    rewrapped: int
    failed: int


def begin(tx: Tx, now: datetime) -> int:
    """Note that a rotation starts; the number to finish it by."""
    row = tx.one(
        "INSERT INTO rotation_runs (started_at, outcome) VALUES (?, 'running') RETURNING id",
        to_microseconds(now),
    )
    assert row is not None  # noqa: S101 - RETURNING of an INSERT that did not raise
    return int(row[0])


def finish(tx: Tx, number: int, outcome: Outcome, now: datetime, report: Report) -> int:
    """Note how it ended."""
    return tx.run(
        "UPDATE rotation_runs SET finished_at = ?, outcome = ?, switched = ?, reencrypted = ?, "
        "destroyed = ?, rewrapped = ?, failed = ? WHERE id = ?",
        to_microseconds(now),
        outcome,
        report.switched,
        report.reencrypted,
        report.destroyed,
        report.rewrapped,
        len(report.faults),
        number,
    )


def last(tx: Tx) -> Run | None:
    """The newest run."""
    row = tx.one(
        "SELECT started_at, finished_at, outcome, switched, reencrypted, destroyed, rewrapped, "
        "failed FROM rotation_runs ORDER BY id DESC LIMIT 1"
    )
    if row is None:
        return None
    return Run(from_microseconds(row[0]), maybe_from_microseconds(row[1]), *row[2:])


def last_done_at(tx: Tx) -> datetime | None:
    """When a rotation last ended with nothing left undone."""
    row = tx.one("SELECT max(finished_at) FROM rotation_runs WHERE outcome = 'done'")
    return maybe_from_microseconds(row[0]) if row else None
