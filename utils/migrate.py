"""Numbered, forward-only migrations: SQL files, each applied once, in order, under a lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models.errors import ConfigurationError
from models.times import to_microseconds
from utils.db import Database, Tx

_FOLDER = Path(__file__).with_name("migrations")
_LOCK = 7_403_801_996_021_533  # any fixed number: names the lock among PostgreSQL's advisory locks


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``0001_initial.sql`` has number 1."""

    number: int
    path: Path


def known_migrations() -> list[Migration]:
    """All migrations that this program brings, in order."""
    return [Migration(int(path.name[:4]), path) for path in sorted(_FOLDER.glob("[0-9]*.sql"))]


def migrate(db: Database, now: datetime) -> int:
    """Bring the schema up to date; how many migrations that took.

    Several processes may start at once: the lock lets one through, the others then find the
    work done. Raises ConfigurationError when the schema is newer than this program.
    """
    known = known_migrations()
    with db.read() as tx:
        if applied_schema(tx) == known[-1].number:
            return 0
    with db.write() as tx:
        if tx.dialect.row_locks:
            tx.run("SELECT pg_advisory_xact_lock(?)", _LOCK)
        # All in one transaction: a crash leaves the old schema, never half of the new one.
        applied = applied_schema(tx)
        pending = [migration for migration in known if migration.number > applied]
        for migration in pending:
            _apply(tx, migration, now)
        refuse_newer(applied)
    return len(pending)


def newest_schema() -> int:
    """The number of the newest migration that this program brings."""
    return known_migrations()[-1].number


def schema_is_current(tx: Tx) -> bool:
    """Whether the database has just the migrations that this program brings."""
    return applied_schema(tx) == newest_schema()


def refuse_newer(applied: int) -> None:
    """Raises ConfigurationError for a schema that only a newer program understands."""
    if applied > newest_schema():
        raise ConfigurationError(
            f"The database has schema {applied}, newer than the {newest_schema()} of this "
            "program. Run the newer program, or restore a backup made before the upgrade."
        )


def applied_schema(tx: Tx) -> int:
    """The newest migration that the database has, or 0."""
    catalogue = (
        "SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = ? AND schemaname = current_schema()"
        if tx.dialect.row_locks
        else "SELECT 1 FROM sqlite_schema WHERE name = ?"
    )
    if tx.one(catalogue, "schema_migrations") is None:
        return 0
    row = tx.one("SELECT max(number) FROM schema_migrations")
    return int(row[0]) if row and row[0] is not None else 0


def _apply(tx: Tx, migration: Migration, now: datetime) -> None:
    if migration.number == 1:
        tx.run(
            "CREATE TABLE schema_migrations "
            "(number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)"
        )
    for statement in _statements(tx.dialect.translate_schema(migration.path.read_text("utf-8"))):
        tx.run(statement)
    tx.run(
        "INSERT INTO schema_migrations (number, name, applied_at) VALUES (?, ?, ?)",
        migration.number,
        migration.path.stem,
        to_microseconds(now),
    )


def _statements(script: str) -> list[str]:
    """Split at semicolons, after taking comments out. Our files hold no string with either."""
    lines = (line.partition("--")[0] for line in script.splitlines())
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
