"""What cron or a timer has to do: whether it was done, and did not fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from config import Settings
from models.findings import Finding, danger, ok, warn
from models.times import rfc3339
from utils.db import Database
from utils.purge import Purged, count_due
from utils.store import ciphertexts, moments, runs

_LATE = timedelta(days=2)  # of what is done each night
_LONGEST_RUN = timedelta(hours=1)  # a million values take some minutes
_ROTATE = "Run rotate_keys.py each night (deploy/), and see what it says."
_PURGE = "Run flask purge each day (deploy/), and see what it says."


def examine_housekeeping(db: Database, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Rotations, purges, scrubs, the audit trail. Raises DatabaseUnavailable."""
    with db.read() as tx:
        stale, since = ciphertexts.count_stale(tx, None), moments.stale_since(tx)
        last, done, first = runs.last(tx), runs.last_done_at(tx), moments.first(tx)
        left, event = moments.oldest_remains(tx), moments.oldest_event(tx)
    yield stale_values(stale, since, now)
    yield rotation(last, done or first or now, now)
    yield purge(count_due(db, now - _LATE, settings.VERSIONS_KEPT, settings.DELETED_RETENTION))
    if left is not None and left < now - _LATE:
        what = f"What was deleted on {rfc3339(left)} is still in the database's files."
        yield warn("remains", what, _PURGE)
    else:
        yield ok("remains", "What was deleted is overwritten, or will be with the next purge.")
    if event is not None and event < now - settings.AUDIT_RETENTION - _LATE:
        what = f"The audit trail holds an event of {rfc3339(event)}, beyond AUDIT_RETENTION."
        yield warn("audit-retention", what, "Run flask audit purge each day (deploy/).")
    else:
        yield ok("audit-retention", "The audit trail holds nothing beyond AUDIT_RETENTION.")


def stale_values(stale: int, since: datetime | None, now: datetime) -> Finding:
    """Under retired keys, which therefore cannot be destroyed."""
    if since is not None and since < now - _LATE:
        what = f"{stale} values are still under keys that were retired since {rfc3339(since)}."
        return warn("stale-values", what, _ROTATE)
    return ok("stale-values", f"{stale} values wait for the next rotation.")


def rotation(last: runs.Run | None, done: datetime, now: datetime) -> Finding:
    """How the last one ended, and when one last did all; *done* before any: the first start."""
    if last is not None:
        when = f"The last rotation, of {rfc3339(last.started_at)},"
        if last.outcome == "incomplete":
            what = f"{when} could not do everything ({last.failed} faults)."
            return danger("rotation", what, "Run rotate_keys.py, and rotate_keys.py --verify.")
        if last.outcome == "interrupted":
            return warn("rotation", f"{when} was interrupted.", _ROTATE)
        if last.outcome == "running" and last.started_at < now - _LONGEST_RUN:
            what = f"{when} was killed, it seems: it began and never ended."
            return warn("rotation", what, _ROTATE)
    if done < now - _LATE:
        ever = "No rotation was done since" if last else "No rotation was ever done, since"
        return warn("rotation", f"{ever} {rfc3339(done)}.", _ROTATE)
    return ok("rotation", "Rotations are done." if last else "None was due yet.")


def purge(due: Purged) -> Finding:
    """*due*: what should have been purged by now."""
    if due.deleted or due.expired:
        what = f"Due for two days: {due.deleted} deleted and {due.expired} expired secrets."
        return warn("purge", what, _PURGE)
    return ok("purge", f"Nothing is late; {due.versions} old versions go with the next one.")
