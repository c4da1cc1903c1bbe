"""Backup and restore of a SQLite database: whole, private, and proven before it counts.

A backup holds no key that opens it: it is worth nothing without the master keys of its day, and
nothing to whoever finds it alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from config import Settings
from models.errors import BackupFailed, DatabaseUnavailable
from models.event_details import Detail, to_text
from models.events import SYSTEM, Event
from models.reports import Progress
from utils.crypto import MasterKeys
from utils.db import Database, sqlite_path
from utils.keyfile import make_private_folder, sync_folder
from utils.migrate import migrate
from utils.sqlite import SqliteDatabase
from utils.store import audit, system
from utils.vault import open_existing_store
from utils.verify import Verification, verify

_BESIDE = ("-wal", "-journal", "-shm")  # what SQLite keeps beside a database in use


def backup(db: SqliteDatabase, target: Path) -> int:
    """Copy the database, as it is at one moment, into a new file that only its owner can read.

    Beside live writers. *target* appears when it is complete and synced, and never replaces a file.
    How many bytes it has. Raises BackupFailed or DatabaseUnavailable.
    """
    with _draft_of(target) as draft:
        db.copy_into(draft)
        size = draft.stat().st_size
        _put_in_place(draft, target)
    return size


def restore(settings: Settings, source: Path, now: datetime, progress: Progress) -> Verification:
    """Put a backup where *settings* say that the database is: only if nothing is there, and only
    once every key and every ciphertext in it has been opened.

    A backup of an older schema is brought up to date. If the verification has other faults than in
    the audit trail, nothing was restored. Raises BackupFailed, ConfigurationError or
    DatabaseUnavailable.
    """
    target = sqlite_path(settings.database_url)
    if target is None:
        raise BackupFailed("This restores into SQLite. For PostgreSQL, use pg_restore.")
    if not settings.DATABASE_URL:
        make_private_folder(settings.INSTANCE_DIR)
    _refuse_occupied(target)
    if any(_beside(source, suffix).exists() for suffix in _BESIDE[:2]):
        raise BackupFailed("This file is a database in use, not a backup: make one of it first.")
    with _draft_of(target) as draft:
        _copy(source, draft)
        found = _verified(settings, draft, now, progress)
        if found.opens:
            _refuse_occupied(target)
            _put_in_place(draft, target)
    return found


def _verified(settings: Settings, draft: Path, now: datetime, progress: Progress) -> Verification:
    """Open all that is in a copy, which is closed again, complete in its one file."""
    copy = SqliteDatabase(draft, settings.DATABASE_TIMEOUT.total_seconds())
    try:
        if not copy.holds_a_schema():
            raise BackupFailed("This file is a database, but not one of this service.")
        migrate(copy, now)
    except DatabaseUnavailable as error:
        why = f" ({error.why})" if error.why else ""
        raise BackupFailed(f"This file is no backup, or it is damaged{why}.") from error
    finally:
        copy.close()
    there = settings.model_copy(update={"DATABASE_URL": f"sqlite:///{draft}"})
    db, master = open_existing_store(there)
    try:
        found = verify(db, master, progress)
        if found.opens:
            _record(db, master, now)
        return found
    finally:
        db.close()


def _record(db: Database, master: MasterKeys, now: datetime) -> None:
    """In the system's trail, behind what the backup ends with: what was older than the rest of the
    world when it came back must show, though all of its chains are whole."""
    with db.write() as tx:
        key = system.audit_key(tx, master)
        assert key is not None  # noqa: S101 - it was verified that there is one
        head, intact = audit.find_head(tx, key, SYSTEM) or (None, False)
        ends: Detail = {"number": head.number, "mac": head.last_mac} if head and intact else {}
        event = Event(now, "restore", via="command", detail=to_text("restore", ends))
        audit.append(tx, key, [(SYSTEM, event)])


def _refuse_occupied(target: Path) -> None:
    """A database that is there, or what is left of one, is never replaced."""
    for path in (target, *(_beside(target, suffix) for suffix in _BESIDE)):
        if path.exists():
            raise BackupFailed(
                f"{path} is there already. A restore goes into an empty place only: stop the "
                "service, and move it away with the files beside it."
            )


def _copy(source: Path, draft: Path) -> None:
    try:
        with source.open("rb") as file, draft.open("wb") as copy:
            shutil.copyfileobj(file, copy)
            os.fsync(copy.fileno())
    except OSError as error:
        raise BackupFailed(f"{source} cannot be copied ({error.strerror}).") from error


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """An empty, private file in the same folder; gone in the end, with what is beside it."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise BackupFailed(f"{target} cannot be created ({error.strerror}).") from error
    try:
        yield draft
    finally:
        for path in (draft, *(_beside(draft, suffix) for suffix in _BESIDE)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _put_in_place(draft: Path, target: Path) -> None:
    """Synced, then linked: a link fails where a file is, and a power cut leaves all or nothing."""
    try:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, target)
    except FileExistsError as error:
        raise BackupFailed(f"{target} is there already, and is not replaced.") from error
    except OSError as error:
        raise BackupFailed(f"{target} cannot be created ({error.strerror}).") from error
    sync_folder(target.parent)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def sqlite_only(db: Database) -> SqliteDatabase:
    """The database, if it is SQLite; others have their own ways. Raises BackupFailed."""
    if not isinstance(db, SqliteDatabase):
        raise BackupFailed("This copies SQLite. For PostgreSQL, use pg_dump.")
    return db
