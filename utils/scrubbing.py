"""What destroyed keys and deleted ciphertexts leave in the database's files, and its end.

A rotation and a purge both come to it last, and whichever comes next does what the other did not
get to.
"""

from __future__ import annotations

from utils.db import Database
from utils.patience import patiently
from utils.store import keys, remains, runs


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
