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
from utils.store import audit, runs, system

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
