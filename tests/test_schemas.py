"""A database of each schema that there ever was becomes one of today's, with all that is in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from models.errors import IntegrityViolation
from tests.support import dump, schema_fixture
from tests.support.dump import Dump, unopened
from tests.support.lived_in import assert_as_it_was_left
from tests.support.postgres import PostgresServer
from tests.support.race import processes_at_once
from tests.support.rotation import environment
from tests.support.server import ROOT
from utils import migrate as migrations
from utils.db import Database, open_database
from utils.migrate import known_migrations, migrate, newest_schema

NEWEST = newest_schema()
SCHEMAS = range(1, NEWEST + 1)
NODES = 4
each_schema = pytest.mark.parametrize("number", SCHEMAS)


@pytest.fixture
def another(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A second empty database."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'another.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database(f"t{uuid.uuid4().hex}")


@pytest.fixture
def old(database_url: str) -> Iterator[Database]:
    """The database of the newest schema's fixture, which the next migration finds."""
    schema_fixture.load(NEWEST, database_url)
    with closing(open_database(database_url, 30, 4)) as db:
        yield db


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """``only(3)``: this program brings the first three migrations; their folder, to add to."""

    def bring(count: int) -> Path:
        folder = tmp_path / f"migrations-{count}"
        folder.mkdir()
        for migration in known_migrations()[:count]:
            shutil.copy(migration.path, folder)
        monkeypatch.setattr(migrations, "_FOLDER", folder)
        return folder

    return bring


def described(db: Database) -> list[tuple[Any, ...]]:
    """Tables, columns, constraints and indexes, as exactly as the engine tells them."""
    if db.dialect.name == "sqlite":
        queries = ["SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"]
    else:
        queries = [
            """SELECT table_name, column_name, data_type, collation_name, is_nullable,
            column_default, identity_generation FROM information_schema.columns
            WHERE table_schema = current_schema()""",
            """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = current_schema()::text::regnamespace
            AND contype <> 'n'""",
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
        ]
    with db.read() as tx:
        return sorted((row for query in queries for row in tx.all(query)), key=repr)


def columns(db: Database) -> dict[str, set[str]]:
    """What a program sees of it: a column that was added later stands elsewhere."""
    with db.read() as tx:
        return {table: {*names} for table, names in dump._columns(tx).items()}


# --- none is forgotten -------------------------------------------------------------------------


def test_each_schema_is_kept() -> None:
    """A migration comes with a database of its schema: the one after it will have to upgrade that,
    when no program is left that could make one."""
    kept = {path.name for path in schema_fixture.SCHEMAS.iterdir()}
    assert kept == {f"{migration.number:04d}" for migration in known_migrations()}, (
        f"run: {schema_fixture.COMMAND}"
    )


@each_schema
def test_what_is_kept_is_of_that_schema(
    number: int,
    database_url: str,
    another: str,
    now: datetime,
    only: Callable[[int], Path],
) -> None:
    """A migration was edited after its fixture was made: make that anew, if nobody has it yet."""
    schema_fixture.load(number, database_url)
    only(number)
    with (
        closing(open_database(database_url, 30, 2)) as kept,
        closing(open_database(another, 30, 2)) as made,
    ):
        migrate(made, now)
        assert described(kept) == described(made), f"run: {schema_fixture.COMMAND}"


@each_schema
def test_what_is_kept_has_something_in_each_column(number: int, database_url: str) -> None:
    """What is empty shows nothing."""
    schema_fixture.load(number, database_url)
    with closing(open_database(database_url, 30, 2)) as db:
        found = unopened(db)
    assert [table for table, rows in found.items() if not rows] == []
    assert [
        f"{table}.{column}"
        for table, rows in found.items()
        for column in rows[0]
        if all(row[column] is None for row in rows)
    ] == []


@pytest.mark.invariant(number=10)
@pytest.mark.one_engine("postgresql", "it compares it with SQLite")
@each_schema
def test_both_engines_keep_the_same(number: int, postgres: PostgresServer, tmp_path: Path) -> None:
    """So that what upgrades on one and not on the other is the migration's fault."""
    kept: list[Dump] = []
    for url in (
        f"sqlite:///{tmp_path / 'secrets.db'}",
        postgres.create_database(f"t{uuid.uuid4().hex}"),
    ):
        schema_fixture.load(number, url)
        with closing(open_database(url, 30, 2)) as db:
            kept.append(in_order(unopened(db)))
        del kept[-1]["schema_migrations"]  # it says when
    assert kept[0] == kept[1]


# --- all is brought along ----------------------------------------------------------------------


@each_schema
def test_each_schema_is_upgraded_with_all_its_data(
    number: int, settings: Settings, another: str, now: datetime
) -> None:
    """At a start, by itself: everything reads as it did, fits its MACs, and goes on."""
    schema_fixture.load(number, settings.database_url)
    key = schema_fixture.master_key(number)
    of_its_own = settings.model_copy(update={"MASTER_KEYS": (key,)})
    assert_as_it_was_left(of_its_own, schema_fixture.left(number), sessions=False)
    schema_fixture.load(NEWEST, another)
    with (
        closing(open_database(settings.database_url, 30, 2)) as upgraded,
        closing(open_database(another, 30, 2)) as newest,
    ):
        assert migrate(upgraded, now) == 0
        with upgraded.read() as tx:
            numbers = tx.all("SELECT number FROM schema_migrations ORDER BY number")
        assert numbers == [(applied,) for applied in SCHEMAS]
        assert columns(upgraded) == columns(newest)


def in_order(content: Dump) -> Dump:
    """The same with each table's rows in one order."""
    return {
        table: sorted(rows, key=lambda row: repr(sorted(row.items())))
        for table, rows in content.items()
    }


def test_an_upgrade_that_fails_leaves_the_data_as_it_was(
    old: Database, now: datetime, only: Callable[[int], Path]
) -> None:
    """Also what the failing migration had changed already, and the ones before it. All pending ones
    are one transaction, and once it is mended they go in."""
    folder = only(NEWEST)
    (folder / f"{NEWEST + 1:04d}_good.sql").write_text(
        "ALTER TABLE secrets ADD COLUMN note TEXT; UPDATE secrets SET note = name, labels = '{}';"
    )
    broken = folder / f"{NEWEST + 2:04d}_broken.sql"
    broken.write_text(
        "DELETE FROM audit_events; DROP TABLE remains;\n"
        "INSERT INTO sessions (id) VALUES ('violates NOT NULL');"
    )
    before, schema = in_order(unopened(old)), described(old)
    with pytest.raises(IntegrityViolation):
        migrate(old, now)
    assert in_order(unopened(old)) == before
    assert described(old) == schema
    broken.write_text("CREATE TABLE mended (id BIGINT);")
    assert migrate(old, now) == 2


UPGRADE = """
import sys
from pathlib import Path
from models.times import utcnow
from utils import migrate
from utils.db import open_database

migrate._FOLDER = Path(sys.argv[1])
db = open_database(sys.argv[2], 60, 2)
print("ready", flush=True)
sys.stdin.readline()
print(migrate.migrate(db, utcnow()))
db.close()
"""


def test_nodes_that_start_together_upgrade_once(
    old: Database, database_url: str, only: Callable[[int], Path]
) -> None:
    """One does the work, the others find it done; none sees half of it."""
    folder = only(NEWEST)
    (folder / f"{NEWEST + 1:04d}_more.sql").write_text(
        "CREATE TABLE more (id {identity}, name TEXT NOT NULL);\n"
        "INSERT INTO more (name) SELECT name FROM secrets;\n"
        "UPDATE users SET password_number = password_number + 1;"
    )
    with old.read() as tx:
        counted = tx.all("SELECT count(*) FROM secrets")
        before = tx.all("SELECT id, password_number + 1 FROM users ORDER BY id")
    ended = processes_at_once(UPGRADE, str(folder), database_url, count=NODES)
    assert sorted(int(one.stdout) for one in ended) == [0] * (NODES - 1) + [1], ended
    with old.read() as tx:
        assert tx.all("SELECT count(*) FROM more") == counted
        assert tx.all("SELECT id, password_number FROM users ORDER BY id") == before


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("-m", "flask", "users", "list"), 1),  # opens what the server opens at its start
        (("-m", "flask", "db", "upgrade"), 1),
        (("rotate_keys.py", "--verify"), 2),
    ],
)
def test_an_older_program_refuses_a_newer_schema(
    old: Database, settings: Settings, arguments: tuple[str, ...], status: int
) -> None:
    """In one line that says what to do, before it changes anything."""
    with old.write() as tx:
        tx.run("INSERT INTO schema_migrations VALUES (?, 'future', 0)", NEWEST + 1)
    before = in_order(unopened(old))
    refused = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(settings, MASTER_KEYS=schema_fixture.master_key(NEWEST)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (status, "")
    (line,) = refused.stderr.splitlines()
    assert f"The database has schema {NEWEST + 1}, newer than the {NEWEST} of this program." in line
    assert "Run the newer program" in line
    assert in_order(unopened(old)) == before
