"""The schema: made once, moved forward only, whole or not at all, and the same on both engines."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer
from tests.support.race import processes_at_once
from utils import migrate as migrations
from utils.db import Database, open_database
from utils.migrate import known_migrations, migrate

PROCESSES = 4
NEWEST = known_migrations()[-1].number


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(database_url, 30, 4)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations that a test may add to."""
    copy = tmp_path / "migrations"
    shutil.copytree(migrations._FOLDER, copy)
    monkeypatch.setattr(migrations, "_FOLDER", copy)
    return copy


def tables(db: Database) -> dict[str, set[str]]:
    """Tables and their columns, as the engine's own catalogue lists them."""
    query = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
        if db.dialect.name == "postgresql"
        else "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
        "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'"
    )
    found: dict[str, set[str]] = {}
    with db.read() as tx:
        for table, column in tx.all(query):
            found.setdefault(table, set()).add(column)
    return found


def indexes(db: Database) -> set[str]:
    """The indexes that our files name; engines make others for UNIQUE and PRIMARY KEY."""
    query = (
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid "
        "AND k.contype IN ('p', 'u'))"
        if db.dialect.name == "postgresql"
        else "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    )
    with db.read() as tx:
        return {row[0] for row in tx.all(query)}


def applied(db: Database) -> list[int]:
    """The migrations that the database says it has."""
    with db.read() as tx:
        return [row[0] for row in tx.all("SELECT number FROM schema_migrations ORDER BY number")]


# --- forward -----------------------------------------------------------------------------------


def test_migrations_are_numbered_without_gaps() -> None:
    """Two developers who both add number 7 learn of it here."""
    assert [migration.number for migration in known_migrations()] == list(range(1, NEWEST + 1))


def test_an_empty_database_gets_them_all(db: Database, now: datetime) -> None:
    """In order, each once; the second start finds nothing to do."""
    assert migrate(db, now) == NEWEST
    assert applied(db) == list(range(1, NEWEST + 1))
    before = tables(db)
    assert migrate(db, now) == 0
    assert tables(db) == before
    assert {"users", "user_keys", "user_key_material", "secrets", "secret_versions"} <= set(before)


def test_a_new_migration_reaches_a_database_in_use(
    db: Database, now: datetime, folder: Path
) -> None:
    """What is stored stays; only what is new is applied."""
    migrate(db, now)
    with db.write() as tx:
        tx.run(
            "INSERT INTO users (id, username, state, password_hash, created_at) "
            "VALUES (7, 'alice', 'active', 'hash', 0)"
        )
    (folder / f"{NEWEST + 1:04d}_more.sql").write_text(
        "CREATE TABLE more (id {identity}, note TEXT {binary});\n"
        "INSERT INTO more (note) VALUES ('100 %'); -- a comment; with a semicolon\n"
        "ALTER TABLE users ADD COLUMN note TEXT;"
    )
    assert migrate(db, now) == 1
    assert applied(db) == list(range(1, NEWEST + 2))
    with db.read() as tx:
        assert tx.all("SELECT username, note FROM users") == [("alice", None)]
        assert tx.all("SELECT id, note FROM more") == [(1, "100 %")]


# --- many starts at once -----------------------------------------------------------------------

START = """
import sys
from config import Settings
from models.times import utcnow
from utils.vault import open_vault

settings = Settings(INSTANCE_DIR=sys.argv[1], DATABASE_URL=sys.argv[2], DATABASE_TIMEOUT="30s")
print("ready", flush=True)
sys.stdin.readline()
vault = open_vault(settings, utcnow())
vault.close()
print(vault.master.current)
"""


def test_processes_that_start_together_share_one_installation(
    database_url: str, tmp_path: Path
) -> None:
    """A production server starts its workers at once, on an empty folder the first time: one
    schema, one master key, one pepper."""
    instance = str(tmp_path / "instance")
    ended = processes_at_once(START, instance, database_url, count=PROCESSES)
    assert [one.returncode for one in ended] == [0] * PROCESSES, ended
    assert len({one.stdout for one in ended}) == 1, "several master keys"
    assert sum("Created" in one.stderr for one in ended) == 1
    db = open_database(database_url, 30, 1)
    assert applied(db) == list(range(1, NEWEST + 1))
    with db.read() as tx:
        rows = tx.all("SELECT purpose FROM system_keys ORDER BY purpose")
    assert rows == [("audit",), ("grant",), ("pepper",), ("signing",), ("token",)]
    db.close()


# --- two engines, one schema -------------------------------------------------------------------


@pytest.mark.invariant(number=10)
@pytest.mark.one_engine("postgresql", "it is about both at once")
def test_both_engines_have_the_same_schema(
    tmp_path: Path, postgres: PostgresServer, now: datetime
) -> None:
    """The same tables, columns and indexes, from the same files."""
    sqlite = f"sqlite:///{tmp_path / 'secrets.db'}"
    found = []
    for url in (sqlite, postgres.create_database(f"t{uuid.uuid4().hex}")):
        db = open_database(url, 30, 1)
        migrate(db, now)
        found.append((tables(db), indexes(db)))
        db.close()
    assert found[0] == found[1]
    assert "one_current_user_key" in found[0][1]


# --- the splitter ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        (";;\n ;", []),
        ("-- only a comment; with a semicolon", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;\n\nSELECT 2;\n", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1, -- one; not the end\n  2;", ["SELECT 1, \n  2"]),
        ("SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_a_script_is_split_into_statements(script: str, statements: list[str]) -> None:
    """At semicolons, after taking comments out."""
    assert migrations._statements(script) == statements


def test_our_files_are_ones_that_the_splitter_understands() -> None:
    """It knows no strings: a semicolon or two dashes inside one would cut a statement in half."""
    for migration in known_migrations():
        for line in migration.path.read_text("utf-8").splitlines():
            code = line.partition("--")[0]
            assert code.count("'") % 2 == 0, f"{migration.path.name}: {line}"
            assert not any(";" in text for text in code.split("'")[1::2]), line
