"""The database engine: which it is, what is known of it, and whether commits survive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from models.findings import Finding, danger, ok, warn
from utils.db import Tx
from utils.sqlite_inspection import ReadOnlySqlite, SettingsProbe
from utils.sqlite_library import has_wal_reset_bug, sqlite3

_OLDEST_TESTED = 150_000  # PostgreSQL's server_version_num
_BUG = "(sqlite.org/wal.html#walresetbug)"
_ON = ("fsync", "full_page_writes", "synchronous_commit")
_SETTINGS = (
    "SELECT current_setting('fsync'), current_setting('full_page_writes'), "
    "current_setting('synchronous_commit')"
)
_CONNECTION = (
    "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
    "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), "
    # None over a Unix socket, else an address of this machine or another.
    "coalesce(inet_server_addr() <<= inet '127.0.0.0/8' OR inet_server_addr() = inet '::1', true)"
)


# --- SQLite --------------------------------------------------------------------------------------


def examine_sqlite(db: ReadOnlySqlite) -> Iterator[Finding]:
    """Library, journal and structure. Raises DatabaseUnavailable."""
    with db.read() as tx:
        tx.all("SELECT count(*) FROM sqlite_schema")
    yield library(db.journal, buggy=has_wal_reset_bug())
    if not has_wal_reset_bug():
        if db.journal == "wal":
            yield ok("sqlite-journal", "The database is in WAL mode.")
        else:
            what = "The database is not in WAL mode: another program changed that, or made it."
            yield warn("sqlite-journal", what, "Restart the server, which sets it.")
    yield settings_taken(SettingsProbe(db.path, 1))
    yield structure(db)


def library(journal: str, *, buggy: bool) -> Finding:
    """Versions with the WAL-reset bug can corrupt a database in WAL mode."""
    version = f"SQLite {sqlite3.sqlite_version}"
    way = "Use Python with SQLite 3.51.3 or newer, or a platform for which pysqlite3 has a wheel."
    if buggy and journal == "wal":
        what = f"{version} can corrupt a database in WAL mode, as this one is in now"
        now = "Restart the server, which then runs without WAL."
        return danger(
            "sqlite-library", f"{what} (sqlite.org/wal.html#walresetbug).", f"{now} {way}"
        )
    if buggy:
        what = f"{version} can corrupt a database in WAL mode, so the service runs without {_BUG}."
        return warn("sqlite-library", what, way)
    return ok("sqlite-library", f"{version}, without a known bug that loses data.")


def settings_taken(probe: SettingsProbe) -> Finding:
    """What the service sets on each connection; asked of an empty database, as all else would be
    to change this one."""
    try:
        ignored = probe.ignored()
    finally:
        probe.close()
    if ignored:
        what = f"This SQLite does not take the settings {', '.join(ignored)}."
        return danger("sqlite-settings", what, "Use another build of SQLite: data is at risk.")
    return ok("sqlite-settings", "synchronous, foreign_keys and secure_delete are as they must be.")


def structure(db: ReadOnlySqlite) -> Finding:
    """All pages, without the indexes' content. Without WAL that would keep writers out."""
    if db.journal != "wal":
        later = "Not looked through, as writers would wait: rotate_keys.py --verify does it."
        return ok("sqlite-structure", later)
    with db.read() as tx:
        faults = [str(row[0]) for row in tx.all("PRAGMA quick_check(1)")]
    if faults != ["ok"]:
        first = faults[0].splitlines()[-1] if faults else "nothing"
        return danger(
            "sqlite-structure",
            f"The database's file is damaged: {first}.",
            "Stop the server, keep the file, and restore a backup. Then look at the disk.",
        )
    return ok("sqlite-structure", "The database's pages are as they must be.")


# --- PostgreSQL ----------------------------------------------------------------------------------


class Connection(NamedTuple):
    """How this process is connected to PostgreSQL."""

    number: int
    version: str
    encrypted: bool
    local: bool


def examine_postgresql(tx: Tx, url: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Version, TLS, and the settings without which a commit is a promise only."""
    row = tx.one(_CONNECTION)
    assert row is not None  # noqa: S101 - a SELECT without FROM
    found = Connection(*row)
    yield version(found)
    yield tls(found, ssl_mode(url, environ))
    values = tx.one(_SETTINGS) or ()
    off = [name for name, value in zip(_ON, values, strict=True) if value == "off"]
    if off:
        way = f"In postgresql.conf, or for the role or database: {off[0]} = on"
        what = f"A crash of the database's machine can lose writes or damage it: {', '.join(off)}"
        yield danger("postgresql-durability", f"{what} is off.", way)
    else:
        yield ok("postgresql-durability", f"{', '.join(_ON)} are not off.")


def version(found: Connection) -> Finding:
    """Older ones may work, but nobody looked."""
    if found.number < _OLDEST_TESTED:
        what = f"PostgreSQL {found.version} is older than any that was tested."
        return warn("postgresql-version", what, "Use 15 or newer.")
    return ok("postgresql-version", f"PostgreSQL {found.version}.")


def tls(found: Connection, mode: str) -> Finding:
    """On the way to another machine: encrypted, and to nobody else."""
    way = "Add sslmode=verify-full and sslrootcert to SECRETS_DATABASE_URL (docs/postgresql.md)."
    if found.local:
        return ok("postgresql-tls", "The database is on this machine.")
    if not found.encrypted:
        what = "The connection to the database goes to another machine in the clear."
        return danger("postgresql-tls", what, way)
    if mode != "verify-full":
        what = f"With sslmode={mode}, whoever stands between can pass for the database."
        return warn("postgresql-tls", what, way)
    return ok("postgresql-tls", "TLS, with the host verified.")


def ssl_mode(url: str, environ: Mapping[str, str]) -> str:
    """As libpq takes it: from the URL, else from the environment, else its default."""
    query = parse_qs(urlsplit(url).query)
    if (query.get("sslrootcert") or [environ.get("PGSSLROOTCERT", "")])[0] == "system":
        return "verify-full"
    return (query.get("sslmode") or [environ.get("PGSSLMODE", "prefer")])[0]
