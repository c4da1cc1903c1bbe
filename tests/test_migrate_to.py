"""``flask migrate-to``: everything moves into PostgreSQL and goes on there, or nothing does."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from models.times import utcnow
from tests.support.lived_in import Left, assert_as_it_was_left, live_in
from tests.support.moves import Move, held, installation
from tests.support.postgres import PostgresServer
from tests.support.rotation import environment, wait_until
from tests.support.server import ROOT, Server
from utils.console import Output
from utils.migrate_to import migrate_to
from utils.sqlite_library import sqlite3

pytestmark = pytest.mark.one_engine("postgresql", "it is where the move goes to")


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Left]:
    """An installation that has seen everything; tests take a copy."""
    folder = tmp_path_factory.mktemp("lived-in") / "instance"
    return folder, live_in(installation(folder))


@pytest.fixture
def move(lived_in: tuple[Path, Left], postgres: PostgresServer, tmp_path: Path) -> Iterator[Move]:
    """Something to move, and where to."""
    folder, left = lived_in
    shutil.copytree(folder, tmp_path / "instance")
    name = f"t{uuid.uuid4().hex}"
    yield Move(installation(tmp_path / "instance"), left, postgres.create_database(name))
    postgres.drop_database(name)


# --- everything --------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [False, True])
def test_an_installation_moves_with_all_it_has(move: Move, prepared: bool) -> None:
    """Accounts, values with their history, shares, tokens, open sessions, the audit trail, counts
    of attempts: all as it was, and it goes on, with numbers that were never given out before."""
    if prepared:
        move.prepare()
    before = held(move.settings)
    assert all(before.values()), "a table without rows shows nothing"
    status, out, err = move.run("--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["tables"] == {table: len(rows) for table, rows in before.items()}
    assert (told["ok"], told["ciphertexts"]) == (True, len(before["secret_versions"]))
    assert held(move.there) == before
    assert held(move.settings) == before, "the way back"
    assert_as_it_was_left(move.there, move.left, sessions=True)


def test_what_was_done_is_told_on_stdout_alone(move: Move) -> None:
    """Each table with its rows; with ``--quiet`` nothing. The password may come from elsewhere."""
    facts = psycopg.conninfo.conninfo_to_dict(move.url)
    url = f"postgresql://{facts['user']}@{facts['host']}:{facts['port']}/{facts['dbname']}"
    environ = {**environment(move.settings), "PGPASSWORD": str(facts["password"])}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "migrate-to", url],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "users              4\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Copied and compared: ")
    move.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert move.run("--quiet") == (0, "", "")
    assert move.rows() > 0


# --- or nothing --------------------------------------------------------------------------------


def test_only_an_empty_database_is_filled(move: Move) -> None:
    """Nothing is replaced or mixed: not a copy that is complete, and not somebody else's tables."""
    assert move.run("--quiet")[0] == 0
    before = held(move.there)
    assert "is not empty: it has rows in " in move.refused()
    assert held(move.there) == before
    for name in ("mine", "users"):
        emptied = "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"
        move.execute(*emptied, f"CREATE TABLE {name} (n INT)")
        assert f"tables of something else ({name})" in move.refused()
    with pytest.raises(psycopg.errors.UndefinedTable):
        move.execute("SELECT 1 FROM secrets")


def test_what_cannot_be_moved_is_one_line(move: Move, tmp_path: Path) -> None:
    """Other engines, the database itself, a mistyped place, a server that does not answer; and
    nothing is made anywhere."""
    assert "must begin with postgresql://" in move.refused(url="sqlite:////tmp/other.db")
    assert "which is not SQLite" in move.refused(DATABASE_URL=move.url)
    mistyped = str(tmp_path / "mistyped")
    assert "There is no database at" in move.refused(INSTANCE_DIR=mistyped)
    assert not Path(mistyped).exists()
    away = "postgresql://nobody:anything@127.0.0.1:1/nothing"
    assert "not available" in move.refused(url=away, DATABASE_TIMEOUT="1s")
    (move.settings.INSTANCE_DIR / "master.key").unlink()
    assert "needs master key" in move.refused()
    assert move.rows() == 0


def test_a_service_that_runs_is_not_moved(move: Move) -> None:
    """What it acknowledged afterwards would stay behind. It does not notice that somebody tried."""
    with Server(move.settings.INSTANCE_DIR) as server:
        assert "Stop the service" in move.refused()
        assert server.answers()
    assert move.rows() == 0
    assert move.run("--quiet") == (0, "", "")


def trigger(table: str, body: str) -> tuple[str, str]:
    """Statements that let PostgreSQL do something of its own with each row."""
    return (
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER meddle BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION meddle()",
    )


CHANGED = {
    "a value": ("secrets", "NEW.labels = '{}'; RETURN NEW;", "differs in labels"),
    "a row less": (
        "audit_events",
        "IF NEW.number = 2 THEN RETURN NULL; END IF; RETURN NEW;",
        "is missing in the copy",
    ),
    "a row more": (
        "remains",
        """IF NEW.id < 1000 THEN INSERT INTO remains (id, left_at) OVERRIDING SYSTEM VALUE
        VALUES (NEW.id + 1000, 0); END IF; RETURN NEW;""",
        "remains id=1001: is in the copy alone",
    ),
    "a null": ("api_tokens", "NEW.expires_at = NULL; RETURN NEW;", "differs in expires_at"),
}


def test_a_trail_that_was_tampered_with_moves_all_the_same(move: Move) -> None:
    """It is told, and keeps nobody from their secrets: no later copy would be without it."""
    with (
        closing(sqlite3.connect(move.settings.INSTANCE_DIR / "secrets.db")) as connection,
        connection,
    ):
        connection.execute("UPDATE audit_events SET action = 'secret.kept' WHERE number = 2")
    status, out, err = move.run()
    assert status == 3
    assert "fault: audit_events" in err
    assert "Copied and compared: " in out
    with Server(move.settings.INSTANCE_DIR, {"SECRETS_DATABASE_URL": move.url}) as server:
        read = {"Authorization": f"Bearer {move.left.token}"}
        assert requests.get(f"{server.url}/secrets", headers=read, timeout=60).json()["secrets"]


def test_who_opens_the_file_meanwhile_is_noticed(move: Move) -> None:
    """A service that started during the move, and waited for the lock, may have stored things."""
    opened: list[sqlite3.Connection] = []

    def open_it() -> None:
        if not opened:
            opened.append(sqlite3.connect(move.settings.INSTANCE_DIR / "secrets.db"))
            opened[0].execute("SELECT count(*) FROM users").fetchall()

    out = Output(as_json=False, quiet=True, command="test")
    moved = migrate_to(move.settings, move.url, utcnow(), out, open_it)
    opened[0].close()
    assert moved.copied
    assert moved.opened_meanwhile


@pytest.mark.parametrize("what", CHANGED)
def test_each_row_is_compared(move: Move, what: str) -> None:
    """Whatever changes on its way is found before it counts, and then nothing was copied."""
    table, body, found = CHANGED[what]
    move.prepare()
    move.execute(*trigger(table, body))
    status, out, err = move.run()
    assert status == 1
    assert f"fault: {table} " in err
    assert found in err
    assert out.startswith("Nothing was copied: ")
    assert move.rows() == 0


BROKEN: dict[str, tuple[str, str]] = {
    "a ciphertext": (
        "UPDATE secret_versions SET ciphertext = substr(ciphertext, 5) WHERE id = 1",
        "fault: secret_versions id=1: ",
    ),
    "a text that is none": (
        "UPDATE secrets SET labels = CAST(x'ff' AS TEXT) WHERE id = 1",
        "A row of secrets holds a text that is not UTF-8.",
    ),
    "what PostgreSQL cannot hold": (
        "UPDATE secrets SET labels = 'a' || char(0) WHERE id = 1",
        "PostgreSQL refuses a row of secrets.",
    ),
    "a text for a number": (
        "UPDATE users SET created_at = 'yesterday' WHERE username = 'bob'",
        "PostgreSQL refuses a row of users.",
    ),
    "a row without its parent": (
        "DELETE FROM secrets WHERE name = 'lent'",
        "refers to a row of secrets that does not exist",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_damaged_database_is_not_moved(move: Move, what: str) -> None:
    """The operator hears of it while the old one is still there."""
    statement, found = BROKEN[what]
    move.damage(statement)
    status, _, err = move.run()
    assert status == 1
    assert found in err
    assert move.rows() == 0


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def _terminate(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(("end", "status"), [(_kill, -signal.SIGKILL), (_terminate, 1)])
def test_a_copy_that_ends_midway_has_not_begun(
    move: Move, end: Callable[[subprocess.Popen[str]], None], status: int
) -> None:
    """Killed or interrupted, it leaves nothing, and can be run again at once."""
    move.prepare()
    move.execute(*trigger("audit_events", "PERFORM pg_sleep(0.2); RETURN NEW;"))
    process = move.start()
    wait_until(lambda: copying(move, "audit_events"), "it copies")
    end(process)
    ended, out, err = move.end(process)
    assert (ended, out) == (status, "")
    assert err in {"", "flask migrate-to: Nothing was copied: interrupted.\n"}
    assert move.rows() == 0
    move.execute("DROP TRIGGER meddle ON audit_events")
    assert move.run("--quiet") == (0, "", "")


def copying(move: Move, table: str) -> bool:
    """Whether PostgreSQL is taking rows of *table*."""
    with psycopg.connect(move.url) as connection:
        query = "SELECT 1 FROM pg_stat_progress_copy WHERE relid = %s::regclass"
        return connection.execute(query, [table]).fetchone() is not None


def test_a_connection_that_breaks_at_the_commit_is_no_failure_for_sure(move: Move) -> None:
    """Nobody can tell whether the commit arrived: so it is said, and how to find out."""
    move.prepare()
    move.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON sessions DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION die()",
    )
    status, out, err = move.run()
    assert (status, out) == (3, "")
    assert "all of it is there, or nothing. Run this again" in err
    assert move.rows() == 0
    move.execute("DROP TRIGGER die ON sessions")
    assert move.run("--quiet") == (0, "", "")
