"""Master keys: whether they open all that is wrapped, which are needed, and where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from config import PREFIX, Settings
from models.errors import ConfigurationError
from models.findings import Finding, danger, ok, warn
from utils.crypto import MasterKeys
from utils.db import Database, sqlite_path
from utils.store import system, wrappings
from utils.vault import master_keys
from utils.verify import verify_keys

_PUT_BACK = "Put the key back beside the others, from its copy; never make a new one for this."


def examine_keys(db: Database, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What the master keys open, and what else is under them. Raises DatabaseUnavailable."""
    with db.read() as tx:
        needed = system.wrapping_fingerprints(tx)
        counts = wrappings.counts(tx, None)
    try:
        master = master_keys(settings, needed, may_create=False)
    except ConfigurationError as error:
        yield danger("master-keys", str(error), _PUT_BACK)
        return
    missing = sorted(needed - set(master.fingerprints))
    if missing:
        what = f"The database needs master key {', '.join(missing)}, which is not configured."
        yield danger("master-keys", what, _PUT_BACK)
    else:
        what = f"Master key {master.current} is current; all that are needed are there."
        yield ok("master-keys", what)
        yield wrapped(db, master)
    yield old(master, counts)
    yield place(settings, environ)


def wrapped(db: Database, master: MasterKeys) -> Finding:
    """Each key, opened: for a value, rotate_keys.py --verify does the same."""
    found = verify_keys(db, master)
    if found.faults:
        first, more = found.faults[0], len(found.faults) - 1
        what = f"{first.where}: {first.what}" + (f" (and {more} more)" if more else "")
        way = "rotate_keys.py --verify lists all. Restore a backup from before."
        return danger("wrapped-keys", f"{what}.", way)
    return ok("wrapped-keys", f"All {found.keys} keys open.")


def old(master: MasterKeys, counts: Mapping[str, int]) -> Finding:
    """Those beside the current one: to be dropped, or not yet."""
    others = [one for one in master.fingerprints if one != master.current]
    used = [f"{one} ({counts[one]} keys)" for one in others if counts.get(one)]
    if used:
        what = f"Older master keys are still needed: {', '.join(used)}."
        return warn("old-master-keys", what, "python rotate_keys.py --rewrap-master")
    if others:
        what = f"{', '.join(others)} wraps nothing: a key to come, or one to drop, when no backup"
        return ok("old-master-keys", f"{what} needs it any more.")
    return ok("old-master-keys", "There is one master key.")


def place(settings: Settings, environ: Mapping[str, str]) -> Finding:
    """Whoever copies the disk that holds both the database and its key holds every secret."""
    where = _file(settings, environ)
    database = sqlite_path(settings.database_url)
    if where is None:
        return ok("master-key-place", "No file that is known here holds the master key.")
    if database is not None and where.stat().st_dev == database.stat().st_dev:
        what = f"{where} is on the same disk as the database: a copy of the disk opens everything."
        way = "Use SECRETS_MASTER_KEYS_COMMAND, or a file on another disk; back them up apart."
        return warn("master-key-place", what, way)
    return ok("master-key-place", f"{where} is not on the disk of the database.")


def _file(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """The file with the master key, if one has it and can be seen."""
    named = environ.get(f"{PREFIX}MASTER_KEYS_FILE", "")
    path = Path(named) if named else settings.INSTANCE_DIR / "master.key"
    return path if (named or settings.master_key_source is None) and path.exists() else None
