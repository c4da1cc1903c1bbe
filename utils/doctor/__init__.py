"""``flask doctor``: look at an installation, and say what is wrong and what to do about it.

It changes nothing, and tells what it can also where the service could not start. What it says holds
no secret: settings are named, keys are told by their fingerprints, and no other library is quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from config import Settings
from models.errors import ConfigurationError, DatabaseUnavailable, TryLater
from models.findings import Finding, danger, ok, warn
from utils.db import Database, open_database, sqlite_path
from utils.doctor.certificates import examine_certificates
from utils.doctor.clock import examine_clock
from utils.doctor.configuration import examine_settings
from utils.doctor.engine import examine_postgresql, examine_sqlite
from utils.doctor.files import examine_files
from utils.doctor.housekeeping import examine_housekeeping
from utils.doctor.keys import examine_keys
from utils.migrate import applied_schema, newest_schema
from utils.sqlite_inspection import ReadOnlySqlite

_CONNECTIONS = 2


def examine(
    settings: Settings, environ: Mapping[str, str], now: datetime, tls: Sequence[Path] = ()
) -> list[Finding]:
    """All findings. *environ* is where the settings come from; *tls*: certificates and keys of the
    server that are not in the instance folder."""
    found = list(examine_settings(settings, environ))
    found += _guarded("instance-folder", lambda: examine_files(settings, environ, tls))
    found += _guarded("tls-certificate", lambda: examine_certificates(settings, tls, now))
    for _ in range(2):  # a server that starts meanwhile writes into what was taken for at rest
        try:
            db = _open(settings)
        except (ConfigurationError, TryLater) as error:
            return [*found, _away(error)]
        except OSError as error:
            return [*found, _closed("database", error)]
        try:
            stored = _examine_database(db, settings, environ, now)
            if not isinstance(db, ReadOnlySqlite) or db.was_left_alone:
                break
        finally:
            db.close()
    return found + stored


def _open(settings: Settings) -> Database:
    path, seconds = sqlite_path(settings.database_url), settings.DATABASE_TIMEOUT.total_seconds()
    if path is not None:
        if not path.exists():
            raise ConfigurationError(f"There is no database at {path}.")
        return ReadOnlySqlite(path, seconds)
    return open_database(settings.database_url, seconds, _CONNECTIONS)


def _examine_database(
    db: Database, settings: Settings, environ: Mapping[str, str], now: datetime
) -> list[Finding]:
    found = _guarded("database", lambda: _engine(db, settings, environ))
    if any(one.check == "database" and one.level == "danger" for one in found):
        return found
    found += _guarded("database", lambda: _schema(db, settings))
    if any(one.check == "schema" and one.level != "ok" for one in found):
        return found  # its tables are others than those that are asked about below
    found += _guarded("database", lambda: examine_keys(db, settings, environ))
    found += _guarded("database", lambda: _clock(db, now))
    found += _guarded("database", lambda: examine_housekeeping(db, settings, now))
    return found


def _engine(db: Database, settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    if isinstance(db, ReadOnlySqlite):
        yield from examine_sqlite(db)
    else:
        with db.read() as tx:
            yield from examine_postgresql(tx, settings.database_url, environ)
    yield ok("database", "It answers.")


def _schema(db: Database, settings: Settings) -> Iterator[Finding]:
    with db.read() as tx:
        found = applied_schema(tx)
    known = newest_schema()
    if found == known:
        yield ok("schema", f"Number {found}, as this program needs it.")
    elif found > known:
        what = f"Number {found} is newer than this program's {known}."
        way = "Run the newer program, or restore a backup from before the upgrade."
        yield danger("schema", what, way)
    elif settings.AUTO_MIGRATE:
        what = f"Number {found} is older than this program's {known}: its next start changes it."
        yield warn("schema", what, "Make a backup first.")
    else:
        what = f"Number {found} is older than this program's {known}, which does not start on it."
        yield danger("schema", what, "Make a backup, then run flask db upgrade.")


def _clock(db: Database, now: datetime) -> Iterator[Finding]:
    with db.read() as tx:
        yield from examine_clock(tx, now)


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What is found until something cannot be read: that is a finding too, and the rest goes on."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except (ConfigurationError, TryLater) as error:
        found.append(_away(error))
    except OSError as error:
        found.append(_closed(check, error))
    except Exception as error:  # noqa: BLE001 - of a damaged database anything may come
        what = f"It could not be looked through to the end ({type(error).__name__})."
        found.append(danger("database", what, "Run rotate_keys.py --verify; restore a backup."))
    return found


def _closed(check: str, error: OSError) -> Finding:
    way = "Run this as the user of the service."
    return danger(check, f"{error.filename}: {error.strerror}.", way)


def _away(error: Exception) -> Finding:
    why = f" ({error.why})" if isinstance(error, DatabaseUnavailable) and error.why else ""
    way = "Check SECRETS_INSTANCE_DIR, SECRETS_DATABASE_URL, and whether its server answers."
    return danger("database", f"{error}{why}", way)
