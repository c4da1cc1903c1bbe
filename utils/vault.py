"""Start-up, shared by the server and ``rotate_keys.py``: database, schema, master keys, in order.

Nothing is left half made: whichever step fails raises ConfigurationError, with one line for the
operator, and the next start finds what it would have found before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from config import Settings
from models.errors import ConfigurationError, DatabaseUnavailable
from models.events import SYSTEM, Event
from models.rows import SystemKey
from models.settings_text import split_keys
from utils.audit_log import AuditLog
from utils.crypto import MasterKeys
from utils.db import Database, open_database, sqlite_path
from utils.keycommand import read_from_command
from utils.keyfile import create_master_key, make_private_folder, read_master_key
from utils.migrate import applied_schema, migrate, newest_schema, refuse_newer
from utils.pace import Pace
from utils.passwords import PasswordHasher
from utils.store import audit, system
from utils.throttle import Throttle

logger = logging.getLogger("secrets_manager")
MINIMUM_SAFE_COST = 10
# What each setting that is a source of master keys has to give.
SOURCES: dict[str, Callable[[Settings], Sequence[str]]] = {
    "MASTER_KEYS": lambda settings: settings.MASTER_KEYS,
    "MASTER_KEYS_COMMAND": lambda settings: split_keys(
        read_from_command(settings.MASTER_KEYS_COMMAND)
    ),
}
_START_FIRST = "Check SECRETS_INSTANCE_DIR and SECRETS_DATABASE_URL, or start the server once."
_UPGRADE_FIRST = "Run `flask db upgrade` first, or set SECRETS_AUTO_MIGRATE=true."


@dataclass(frozen=True, slots=True)
class Vault:
    """What every request works with."""

    settings: Settings
    db: Database
    master: MasterKeys = field(repr=False)
    hasher: PasswordHasher = field(repr=False)
    throttle: Throttle = field(repr=False)
    pace: Pace = field(repr=False)
    token_key: SystemKey = field(repr=False)  # API tokens are bound to their rows with it
    grant_key: SystemKey = field(repr=False)  # and grants with this one
    audit: AuditLog = field(repr=False)

    def close(self) -> None:
        """Write what waits for the audit trail, and close the database."""
        self.audit.close()
        self.db.close()


def open_vault(settings: Settings, now: datetime) -> Vault:
    """Open, and if it is the first time create, everything the service needs.

    Raises ConfigurationError.
    """
    db, master = open_store(settings, now)
    for warning in db.warnings():
        logger.warning(warning)
    with _closed_on_error(db):
        keys = _system_keys(db, master, now)
    if settings.BCRYPT_COST < MINIMUM_SAFE_COST:
        logger.warning("SECRETS_BCRYPT_COST is below %d: for tests only.", MINIMUM_SAFE_COST)
    hasher = PasswordHasher(
        keys[system.PEPPER],
        settings.BCRYPT_COST,
        settings.HASHING_SLOTS,
        settings.HASHING_QUEUE,
        settings.HASHING_TIMEOUT.total_seconds(),
    )
    throttle = Throttle(
        keys[system.PEPPER],
        settings.LOGIN_WINDOW,
        settings.LOGIN_ATTEMPTS_PAIR,
        settings.LOGIN_ATTEMPTS_ACCOUNT,
        settings.LOGIN_ATTEMPTS_SOURCE,
        settings.REGISTRATIONS_SOURCE,
        (settings.REQUESTS_PER_MINUTE_PRINCIPAL, settings.REQUESTS_PER_MINUTE_SOURCE),
    )
    tokens, shares = keys[system.TOKEN], keys[system.GRANT]
    log = AuditLog(db, keys[system.AUDIT], settings.DATABASE_TIMEOUT)
    return Vault(settings, db, master, hasher, throttle, Pace(), tokens, shares, log)


def open_existing_store(settings: Settings) -> tuple[Database, MasterKeys]:
    """What :func:`open_store` opens, for commands that must not create or migrate anything.

    A rotation with a mistyped path would otherwise make an empty database, find nothing stale
    in it, and report success to cron for ever. Raises ConfigurationError.
    """
    path = sqlite_path(settings.database_url)
    try:
        there = path is None or path.exists()
    except OSError as error:
        raise ConfigurationError(f"The database at {path} is closed to this user.") from error
    if not there:
        raise ConfigurationError(f"There is no database at {path}. {_START_FIRST}")
    return _open(settings, partial(_require_current_schema, remedy=_START_FIRST), may_create=False)


def upgrade(settings: Settings, now: datetime) -> int:
    """Bring the schema up to date, and do nothing else; how many migrations that took.

    No master key is needed, so it can run as the database's owner, on any machine. Raises
    ConfigurationError.
    """
    if not settings.DATABASE_URL:
        make_private_folder(settings.INSTANCE_DIR)
    with _unavailable_is_misconfigured():
        db = _database(settings)
        with _closed_on_error(db):
            applied = migrate(db, now)
    db.close()
    return applied


def open_store(settings: Settings, now: datetime) -> tuple[Database, MasterKeys]:
    """The database with its schema up to date, and master keys that open all that is in it."""
    if settings.master_key_source is None or not settings.DATABASE_URL:
        make_private_folder(settings.INSTANCE_DIR)
    path = sqlite_path(settings.database_url)
    lost = path is not None and not path.exists() and _has_master_key(settings)
    prepare = (
        partial(migrate, now=now)
        if settings.AUTO_MIGRATE
        else partial(_require_current_schema, remedy=_UPGRADE_FIRST)
    )
    opened = _open(settings, prepare, may_create=True)
    if lost:
        logger.warning(
            "There was no database at %s, so this one is new and empty, though the master key is "
            "not new. If you expected data, stop: the path is wrong, or the file must be restored.",
            path,
        )
    return opened


def _has_master_key(settings: Settings) -> bool:
    in_folder = (settings.INSTANCE_DIR / "master.key").exists()
    return settings.master_key_source is not None or in_folder


def _open(
    settings: Settings, prepare: Callable[[Database], object], *, may_create: bool
) -> tuple[Database, MasterKeys]:
    with _unavailable_is_misconfigured():
        db = _database(settings, sweeping=not may_create)  # a command, which goes over everything
        with _closed_on_error(db):
            prepare(db)
            with db.read() as tx:
                needed = system.wrapping_fingerprints(tx)
            master = master_keys(settings, needed, may_create=may_create)
            with db.read() as tx:
                system.refuse_missing_master_keys(tx, master)
    return db, master


def _database(settings: Settings, *, sweeping: bool = False) -> Database:
    return open_database(
        settings.database_url,
        settings.DATABASE_TIMEOUT.total_seconds(),
        settings.DATABASE_POOL_SIZE,
        sweeping=sweeping,
    )


@contextmanager
def _unavailable_is_misconfigured() -> Iterator[None]:
    """At the start, a database that is away is for the operator to look after."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise ConfigurationError(
            "The database cannot be opened. Check SECRETS_DATABASE_URL, whether its server "
            "answers, and its folder's permissions and free space."
            + (f" ({error.why})" if error.why else "")
        ) from error


def _require_current_schema(db: Database, remedy: str) -> None:
    with db.read() as tx:
        found = applied_schema(tx)
    refuse_newer(found)
    if found < newest_schema():
        state = "is empty" if found == 0 else f"has schema {found}, older than this program's"
        raise ConfigurationError(f"The database {state}. {remedy}")


@contextmanager
def _closed_on_error(db: Database) -> Iterator[None]:
    """A pool that is left to the garbage collector may complain on stderr, after our one line."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def master_keys(settings: Settings, needed: set[str], *, may_create: bool) -> MasterKeys:
    """Those of the setting that is a source of master keys, or those in the instance folder.

    A new one is made only for a database in which nothing is wrapped yet: otherwise the file
    was lost or the wrong folder is mounted, and a fresh key would only hide that.
    """
    if settings.master_key_source is not None:
        return MasterKeys(SOURCES[settings.master_key_source](settings) or [""])
    path = settings.INSTANCE_DIR / "master.key"
    text = read_master_key(path)
    if text is None:
        if needed or not may_create:
            wanted = ", ".join(sorted(needed)) or "none yet"
            raise ConfigurationError(
                f"The database needs master key {wanted}, but {path} does not exist. "
                "Put the file back, or set SECRETS_MASTER_KEYS."
            )
        if create_master_key(path):
            logger.warning(
                "Created %s. Keep a copy apart from the database's: without it no secret can be "
                "read again.",
                path,
            )
        text = read_master_key(path)
    return MasterKeys(split_keys(text or "") or [""])


def _system_keys(db: Database, master: MasterKeys, now: datetime) -> dict[str, SystemKey]:
    with db.read() as tx:
        keys = system.load_keys(tx, master)
    if keys is not None:
        return keys
    with db.write() as tx:
        made = system.ensure_system_keys(tx, master, now)
        keys = system.load_keys(tx, master)
        if keys is not None and system.AUDIT in made:
            audit.append(tx, keys[system.AUDIT], [(SYSTEM, Event(now, "audit.begin"))])
    assert keys is not None  # noqa: S101 - just made, in this transaction
    return keys
