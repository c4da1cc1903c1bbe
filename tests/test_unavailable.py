"""A database that is locked, read-only, full or away: 503, nothing half done, and then it goes on.

Both engines behave the same; how they get into trouble differs.
"""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from psycopg import sql

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.dump import delta, dump
from tests.support.people import Person, problem
from tests.support.postgres import PostgresServer
from tests.support.remote import Remote, assert_try_later
from tests.support.server import Server
from tests.support.shared import shared_app
from tests.torture.inspection import inspect
from utils.sqlite import SqliteDatabase
from utils.sqlite_library import has_wal_reset_bug
from utils.vault import Vault

_PATIENCE_SECONDS = 30
_LONG = "x" * 60_000  # sealed, and with its pages' headers, more than 80,000 bytes
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_TIMEOUT = {"SECRETS_DATABASE_TIMEOUT": "1s"}


def _wait_until_written(person: Remote, name: str, value: str) -> None:
    """Write, as a client does that was told to try later."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (answer := person.put(name, value)).status_code == 503:
        assert time.monotonic() < deadline, "the service does not recover"
        time.sleep(0.05)
    assert answer.ok, answer.text


def _assert_only_reads_work(person: Remote, name: str, value: str) -> None:
    """What trouble with writing means to a client that is logged in."""
    assert_try_later(person.put(name, "changed"))
    assert_try_later(person.put("new", _LONG))
    assert_try_later(person.request("PATCH", f"/secrets/{name}", json={"labels": {"a": "b"}}))
    assert_try_later(person.delete(name))
    assert_try_later(person.login())
    body = person.get(f"/secrets/{name}").json()
    assert (body["secret"], body["version"], body["labels"]) == (value, 1, {})
    assert [one["name"] for one in person.get("/secrets").json()["secrets"]] == [name]


# --- locked ------------------------------------------------------------------------------------

_LOCK_SQLITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
_LOCK_POSTGRESQL = """
import psycopg, sys
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("SELECT id FROM users FOR UPDATE")
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _locked_by_another_process(url: str) -> Iterator[None]:
    script = _LOCK_SQLITE if url.startswith("sqlite") else _LOCK_POSTGRESQL
    with subprocess.Popen(
        [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield


@pytest.mark.invariant(number=10)
def test_a_lock_of_another_process_costs_writers_a_wait_and_readers_nothing(
    database_url: str, tmp_path: Path
) -> None:
    """Writes wait for SECRETS_DATABASE_TIMEOUT and then say 503; once the lock is gone they work,
    and none of those that failed has happened."""
    environ = {"SECRETS_DATABASE_URL": database_url, **_TIMEOUT}
    with Server(tmp_path / "instance", environ) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").status_code == 201
        with _locked_by_another_process(database_url):
            began = time.monotonic()
            assert_try_later(alice.put("a", "changed"))
            assert_try_later(alice.put("new", "never stored"))
            assert time.monotonic() - began >= 2  # each waited for its second
            began = time.monotonic()
            assert alice.secret("a") == "value"
            assert alice.get("/secrets/new").status_code == 404
            assert time.monotonic() - began < 1
        assert alice.secret("a") == "value"
        _wait_until_written(alice, "new", "value")
        assert alice.get("/secrets/new").json()["version"] == 1


# --- read-only ---------------------------------------------------------------------------------


def _as_if_not_root() -> tuple[str, ...]:
    """A command that takes root's power to ignore file modes, for tests that root runs."""
    if os.geteuid() != 0:
        return ()
    without = "-dac_override,-dac_read_search,-fowner"
    return ("setpriv", f"--bounding-set={without}", f"--inh-caps={without}")


@pytest.mark.invariant(number=10)
def test_a_read_only_sqlite_database_can_be_read(tmp_path: Path) -> None:
    """Files and folder without write permission: a server starts on them and serves reads; and
    writes again as soon as it may, without a restart."""
    server = Server(tmp_path / "instance", prefix=_as_if_not_root())
    with server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").status_code == 201
        server.kill()  # and leave the WAL behind: a tidy end would need to write
        _set_writable(server.instance, False)
        try:
            server.start().wait_until_ready()
            _assert_only_reads_work(alice, "a", "value")
        finally:
            _set_writable(server.instance, True)
        _wait_until_written(alice, "new", "value")
        assert alice.secret("a") == "value"
    _assert_sound(server)


def _set_writable(folder: Path, writable: bool) -> None:
    for path in [*folder.iterdir(), folder]:
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IWUSR if writable else mode & ~stat.S_IWUSR)


@pytest.mark.invariant(number=10)
@pytest.mark.one_engine("postgresql", "SQLite's own test is above")
def test_a_read_only_postgresql_database_can_be_read(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """What a standby is after a failover: the same answers as on SQLite."""
    url = postgres.create_database("read_only")
    with Server(tmp_path / "instance", {"SECRETS_DATABASE_URL": url}) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").status_code == 201
        _set_read_only(postgres, "read_only", "on")
        _assert_only_reads_work(alice, "a", "value")
        _set_read_only(postgres, "read_only", "off")
        _wait_until_written(alice, "new", "value")
        assert alice.secret("a") == "value"


def _set_read_only(postgres: PostgresServer, name: str, value: Literal["on", "off"]) -> None:
    """For all connections: those that are open end, and the service opens new ones."""
    database = sql.Identifier(name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                database, sql.SQL(value)
            )
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )


# --- full --------------------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux changes limits of a running process; the test below is for everybody",
)
def test_a_full_disk_stops_writes_until_there_is_room(tmp_path: Path) -> None:
    """The files of a running server can't grow any more, wherever they end just then: in the
    middle of a commit too. Nothing of it shows afterwards."""
    with Server(tmp_path / "instance") as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").status_code == 201
        assert server.process is not None
        pid = server.process.pid
        for room in (0, 1_000, 20_000, 40_000):
            # Without a WAL, what a failed commit has changed is put back in place: for that the
            # file needs the room that it has, and on a full disk would keep.
            database = server.instance / "secrets.db"
            limit = room + (database.stat().st_size if has_wal_reset_bug() else 40_000)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            assert_try_later(alice.put("a", _LONG))
            assert_try_later(alice.put("new", _LONG))
            assert alice.secret("a") == "value"
            resource.prlimit(pid, resource.RLIMIT_FSIZE, _UNLIMITED)
            _wait_until_written(alice, f"fits{room}", _LONG)
        names = [one["name"] for one in alice.get("/secrets").json()["secrets"]]
        assert names == ["a", "fits0", "fits1000", "fits20000", "fits40000"]
    _assert_sound(server)


def test_a_sqlite_that_says_full_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself refuses to grow (max_page_count): each write is 503 and leaves no trace."""
    usual = SqliteDatabase._pragmas
    pages = {"": ""}
    monkeypatch.setattr(
        SqliteDatabase, "_pragmas", lambda self: (*usual(self), pages.get("limit", ""))
    )
    app = create_app(Settings(INSTANCE_DIR=tmp_path / "instance", BCRYPT_COST=4))
    vault = vault_of(app)
    alice = Person(app, "alice")
    assert alice.register().status_code == 201
    assert alice.login().status_code == 200
    assert alice.put("/secrets/a", json={"secret": "value"}).status_code == 201
    vault.close()
    pages["limit"] = "PRAGMA max_page_count = 1"  # SQLite takes this for: as it is now
    before = dump(vault.db, vault.master)
    for _ in range(3):
        answer = alice.put("/secrets/a", json={"secret": _LONG})
        assert (answer.status_code, problem(answer)) == (503, "database-unavailable")
        assert delta(before, dump(vault.db, vault.master)) == []
        assert alice.secret("a") == "value"
    vault.close()
    del pages["limit"]
    assert alice.put("/secrets/a", json={"secret": _LONG}).status_code == 200
    vault.close()


_TROUBLE = {
    "disk full": ("53100", "database-unavailable"),
    "out of memory": ("53200", "database-unavailable"),
    "read-only": ("25006", "database-unavailable"),
    "shutdown": ("57P01", "database-unavailable"),
    "cancelled": ("57014", "database-busy"),
    "serialization failure": ("40001", "database-busy"),
    "deadlock": ("40P01", "database-busy"),
    "lock timeout": ("55P03", "database-busy"),
}


@pytest.mark.parametrize(("state", "kind"), _TROUBLE.values(), ids=_TROUBLE)
def test_whatever_postgresql_runs_out_of_is_503_and_changes_nothing(
    trouble: tuple[Person, Vault], state: str, kind: str
) -> None:
    """The server raises its own error in the middle of the write, as it would for a full disk."""
    alice, vault = trouble
    before = dump(vault.db, vault.master)
    with vault.db.write() as tx:
        tx.run(_RAISE.format(state=state))
        tx.run(_ON_INSERT)
    answer = alice.put("/secrets/a", json={"secret": "changed"})
    with vault.db.write() as tx:
        tx.run("DROP TRIGGER trouble ON secret_versions")
    assert (answer.status_code, problem(answer)) == (503, kind)
    assert int(answer.headers["Retry-After"]) >= 1
    assert delta(before, dump(vault.db, vault.master)) == []


_RAISE = """
    CREATE OR REPLACE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'trouble' USING ERRCODE = '{state}'; END $$
"""
_ON_INSERT = """
    CREATE TRIGGER trouble BEFORE INSERT ON secret_versions
    FOR EACH ROW EXECUTE FUNCTION trouble()
"""


@pytest.fixture(scope="module")
def trouble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Person, Vault]]:
    """Alice with a secret, on PostgreSQL."""
    with shared_app(request, "postgresql", tmp_path_factory) as app:
        alice = Person(app, "alice")
        assert alice.register().status_code == 201
        assert alice.login().status_code == 200
        assert alice.put("/secrets/a", json={"secret": "value"}).status_code == 201
        yield alice, vault_of(app)


def _assert_sound(server: Server) -> None:
    """A look at everything that is stored, once the server has ended."""
    behind = inspect(Settings(INSTANCE_DIR=server.instance))
    assert behind.versions > 0
    assert behind.unreadable + behind.inconsistent == []
