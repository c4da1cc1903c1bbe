"""The record of rotations, kept while they run: also of those that fail or are killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from models.errors import SecretsManagerError, TryLater
from models.events import OK, SYSTEM, Event
from models.reports import Report
from models.times import utcnow
from utils.crypto import MasterKeys
from utils.db import Database
from utils.patience import patiently
from utils.store import audit, keys, remains, runs, system

_OUTCOMES = {"done": OK}  # what the audit trail calls it


@contextmanager
def recorded(db: Database, master: MasterKeys, report: Report, now: datetime) -> Iterator[None]:
    """Write down that a rotation runs and how it ended, also when it fails; the latter in the audit
    trail too."""

    def begin() -> int:
        with db.write() as tx:
            return runs.begin(tx, now)

    def finish(outcome: runs.Outcome) -> int:
        ended = utcnow()
        event = Event(ended, "rotation", outcome=_OUTCOMES.get(outcome, outcome), via="command")
        with db.write() as tx:
            done = runs.finish(tx, number, outcome, ended, report)
            if (key := system.audit_key(tx, master)) is not None:
                audit.append(tx, key, [(SYSTEM, event)])
            return done

    number = patiently(db, begin)
    try:
        yield
    except BaseException as error:
        failed = isinstance(error, SecretsManagerError)
        with suppress(TryLater):  # the first error is the one to tell
            finish("incomplete" if failed else "interrupted")
        raise
    patiently(db, lambda: finish("incomplete" if report.faults else "done"))


def leaves_remains(db: Database) -> bool:
    """Whether destroyed keys, or what they opened, may still be in the database's files.

    So it is if the last rotation did not get to its end, which is to scrub them, and if a key or a
    version was destroyed since by other means.
    """
    with db.read() as tx:
        if remains.noted(tx):
            return True
        last = runs.last(tx)
        if last is None:
            return keys.count_destroyed(tx, None) > 0
        return last.outcome != "done" or keys.destroyed_since(tx, last.started_at)


def has_remains(db: Database) -> bool:
    """Whether deleted ciphertexts may still be in the files: all that a purge leaves."""
    with db.read() as tx:
        return bool(remains.noted(tx))


def scrubbed(db: Database) -> bool:
    """Overwrite what deleted rows left, and forget the notes of it; False if the database is busy.

    Only the notes from before: what is deleted while the scrub runs may have escaped it.
    """
    with db.read() as tx:
        notes = remains.noted(tx)
    if not db.scrub():
        return False

    def forget() -> int:
        with db.write() as tx:
            return remains.forget(tx, notes)

    if notes:
        patiently(db, forget)
    return True
