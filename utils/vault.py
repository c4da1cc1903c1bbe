"""Start-up, shared by the server and ``rotate_keys.py``: database, schema, master keys, in order.

Nothing is left half made: whichever step fails raises ConfigurationError, with one line for the
operator, and the next start finds what it would have found before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from config import Settings
from models.errors import ConfigurationError, DatabaseUnavailable
from models.rows import SystemKey
from utils.crypto import MasterKeys
from utils.db import Database, open_database, sqlite_path
from utils.keyfile import create_master_key, make_private_folder, read_master_key
from utils.migrate import migrate
from utils.passwords import PasswordHasher
from utils.store import system

logger = logging.getLogger("secrets_manager")
MINIMUM_SAFE_COST = 10


@dataclass(frozen=True, slots=True)
class Vault:
    """What every request works with."""

    settings: Settings
    db: Database
    master: MasterKeys = field(repr=False)
    hasher: PasswordHasher = field(repr=False)


def open_vault(settings: Settings, now: datetime) -> Vault:
    """Open, and if it is the first time create, everything the service needs.

    Raises ConfigurationError.
    """
    db, master = open_store(settings, now)
    with _closed_on_error(db):
        pepper = _pepper(db, master, now)
    if settings.BCRYPT_COST < MINIMUM_SAFE_COST:
        logger.warning("SECRETS_BCRYPT_COST is below %d: for tests only.", MINIMUM_SAFE_COST)
    hasher = PasswordHasher(
        pepper,
        settings.BCRYPT_COST,
        settings.HASHING_SLOTS,
        settings.HASHING_TIMEOUT.total_seconds(),
    )
    return Vault(settings, db, master, hasher)


def open_existing_store(settings: Settings, now: datetime) -> tuple[Database, MasterKeys]:
    """Like :func:`open_store`, for commands that must not create anything.

    A rotation with a mistyped path would otherwise make an empty database, find nothing stale
    in it, and report success to cron for ever. Raises ConfigurationError.
    """
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"There is no database at {path}. Check SECRETS_INSTANCE_DIR and SECRETS_DATABASE_URL, "
            "or start the server once."
        )
    return open_store(settings, now)


def open_store(settings: Settings, now: datetime) -> tuple[Database, MasterKeys]:
    """The database with its schema up to date, and master keys that open all that is in it."""
    if not settings.MASTER_KEYS or not settings.DATABASE_URL:
        make_private_folder(settings.INSTANCE_DIR)
    try:
        db = open_database(
            settings.database_url,
            settings.DATABASE_TIMEOUT.total_seconds(),
            settings.DATABASE_POOL_SIZE,
        )
        with _closed_on_error(db):
            migrate(db, now)
            with db.read() as tx:
                needed = system.wrapping_fingerprints(tx)
            master = _master_keys(settings, needed)
            with db.read() as tx:
                system.refuse_missing_master_keys(tx, master)
    except DatabaseUnavailable as error:
        raise ConfigurationError(
            "The database cannot be opened. Check SECRETS_DATABASE_URL, whether its server "
            "answers, and its folder's permissions and free space."
        ) from error
    return db, master


@contextmanager
def _closed_on_error(db: Database) -> Iterator[None]:
    """A pool that is left to the garbage collector may complain on stderr, after our one line."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def _master_keys(settings: Settings, needed: set[str]) -> MasterKeys:
    """The configured master keys, or the one in the instance folder.

    A new one is made only for a database in which nothing is wrapped yet: otherwise the file
    was lost or the wrong folder is mounted, and a fresh key would only hide that.
    """
    if settings.MASTER_KEYS:
        return MasterKeys(settings.MASTER_KEYS)
    path = settings.INSTANCE_DIR / "master.key"
    key = read_master_key(path)
    if key is None:
        if needed:
            raise ConfigurationError(
                f"The database needs master key {', '.join(sorted(needed))}, but {path} does not "
                "exist. Put the file back, or set SECRETS_MASTER_KEYS."
            )
        if create_master_key(path):
            logger.warning(
                "Created %s. Keep a copy apart from the database's: without it no secret can be "
                "read again.",
                path,
            )
        key = read_master_key(path)
    return MasterKeys([key or ""])


def _pepper(db: Database, master: MasterKeys, now: datetime) -> SystemKey:
    with db.read() as tx:
        pepper = system.load_pepper(tx, master)
    if pepper is not None:
        return pepper
    with db.write() as tx:
        system.ensure_system_keys(tx, master, now)
        pepper = system.load_pepper(tx, master)
    assert pepper is not None  # noqa: S101 - just made, in this transaction
    return pepper
