"""An acknowledged write stays, and its files are nobody else's."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.forking import CHILDREN, WRITES
from tests.support.people import Person
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.remote import Remote
from tests.support.server import ROOT, Server
from tests.support.terminal import wait_until
from utils.db import Tx, open_database
from utils.sqlite_library import has_wal_reset_bug

_FULL, _EXTRA = 2, 3  # values of PRAGMA synchronous
_KILLS = 4


@pytest.fixture
def server_on(engine: str, database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A real server on each engine."""
    with Server(tmp_path / "instance", {"SECRETS_DATABASE_URL": database_url}) as running:
        yield running


# --- settings of the engines -------------------------------------------------------------------


def _sqlite_settings(tx: Tx) -> dict[str, object]:
    names = (
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "secure_delete",
        "trusted_schema",
        "cell_size_check",
        "temp_store",
        "busy_timeout",
    )
    found = {name: tx.one(f"PRAGMA {name}") for name in names}
    return {name: row[0] for name, row in found.items() if row}


@pytest.mark.invariant(number=4)
def test_every_sqlite_connection_syncs_its_commits_and_checks_its_references(
    tmp_path: Path,
) -> None:
    """Asked of the connections themselves, and of several at once: most of these settings are
    a connection's own, and SQLite ignores in silence what it does not understand."""
    database = open_database(f"sqlite:///{tmp_path / 'secrets.db'}", 7, 1)
    with ExitStack() as stack:
        connections = [stack.enter_context(database.read()) for _ in range(3)]
        for tx in connections:
            assert _sqlite_settings(tx) == {
                "journal_mode": "delete" if has_wal_reset_bug() else "wal",
                "synchronous": _EXTRA if has_wal_reset_bug() else _FULL,
                "foreign_keys": 1,  # without it a key that is needed could go
                "secure_delete": 1,  # a destroyed key is overwritten
                "trusted_schema": 0,
                "cell_size_check": 1,
                "temp_store": 2,  # no plaintext in temporary files
                "busy_timeout": 7000,
            }
    database.close()


@pytest.mark.invariant(number=4)
@pytest.mark.one_engine("postgresql", "SQLite's own test is above")
def test_postgresql_confirms_a_commit_only_when_it_is_on_disk() -> None:
    """Its defaults are durable: what could break that is a connection of ours, set up to trade it
    for speed."""
    with start_postgres() as postgres:
        database = open_database(postgres.create_database("durable"), 5, 1)
        with database.write() as tx:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert tx.one(f"SHOW {setting}") == ("on",)
        database.close()


# --- files -------------------------------------------------------------------------------------


def test_nobody_else_can_open_the_files_whatever_the_umask(tmp_path: Path) -> None:
    """Folder 0700, files 0600, from the moment they exist: SQLite alone would follow the umask."""
    server = Server(tmp_path / "instance", prefix=("sh", "-c", 'umask 000; exec "$@"', "sh"))
    with server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "value").status_code == 201
        assert alice.request("POST", "/keys:rotate").status_code == 202
        files = {path.name: path.stat().st_mode for path in server.instance.iterdir()}
        assert {"secrets.db", "master.key"} <= files.keys()
        assert has_wal_reset_bug() or {"secrets.db-wal", "secrets.db-shm"} <= files.keys()
        modes = {name: oct(stat.S_IMODE(mode)) for name, mode in files.items()}
        assert modes == dict.fromkeys(files, "0o600")
        assert stat.S_IMODE(server.instance.stat().st_mode) == 0o700


# --- kill --------------------------------------------------------------------------------------


@pytest.mark.invariant(number=4)
def test_a_server_killed_right_after_its_answer_keeps_the_write(server_on: Server) -> None:
    """``kill -9`` in the moment of each acknowledgement: value, labels and ETag are there."""
    alice = Remote(server_on, "alice").enter()
    kept = {}
    for number in range(_KILLS):
        name, value = f"/secrets/kept{number}", secrets.token_hex(5000)
        body = {"secret": value, "labels": {"number": str(number)}}
        answer = alice.request("PUT", name, json=body)
        server_on.kill()
        assert answer.status_code == 201
        kept[name] = (value, body["labels"], answer.headers["ETag"])
        server_on.start().wait_until_ready()
    for name, expected in kept.items():
        found = alice.get(name)
        body = found.json()
        assert (body["secret"], body["labels"], found.headers["ETag"]) == expected


@pytest.mark.invariant(number=4)
@pytest.mark.one_engine("postgresql", "SQLite is no process to kill")
def test_a_killed_postgresql_keeps_the_write(postgres: PostgresServer, tmp_path: Path) -> None:
    """The database server is killed in the moment of the acknowledgement. The service answers
    503 while it is away, and goes on by itself when it is back."""
    url = postgres.create_database("killed")
    environ = {"SECRETS_DATABASE_URL": url, "SECRETS_DATABASE_TIMEOUT": "1s"}
    with Server(tmp_path / "instance", environ) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("a", "before").status_code == 201
        answer = alice.put("a", "after")
        postgres.kill()
        try:
            assert answer.status_code == 200
            # Its other processes may serve a moment longer, until they notice.
            wait_until(lambda: alice.get("/secrets/a").status_code == 503)
        finally:
            postgres.restart()
        server.wait_until_ready()
        assert alice.secret("a") == "after"


# --- sync --------------------------------------------------------------------------------------


def _can_trace() -> bool:
    """Whether strace is here, and allowed to trace."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-o", "/dev/null", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.invariant(number=4)
def test_a_write_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    """The system calls of a real server, in order: the request comes in, the file that holds the
    commit is synced, and only then the answer goes out. A kill cannot show this: what was
    written but not synced survives it, and not a loss of power.

    Where nothing can be traced, what is left to check is that the connection which carries
    out a request's write has the setting that makes SQLite sync.
    """
    if not _can_trace():
        settings = Settings(INSTANCE_DIR=tmp_path / "instance", BCRYPT_COST=4)
        _check_the_connection_that_writes(settings)
        return
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,recvfrom,sendto"
    # -D: the server stays our own child, and strace is the one that is detached.
    strace = ("strace", "-D", "-f", "-y", "-s", "64", "-o", str(trace), "-e", calls)
    with Server(tmp_path / "instance", prefix=strace) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("traced", "value").status_code == 201
        assert alice.delete("traced").status_code == 200
    for verb in ("POST /register", "POST /login", "PUT /secrets/traced", "DELETE /secrets/traced"):
        assert _order_of_calls(trace.read_text(), verb) == ["request", "sync", "answer"]
    # The instrument tells a read from a write.
    assert _order_of_calls(trace.read_text(), "GET /readyz") == ["request", "answer"]


def _order_of_calls(trace: str, request_line: str) -> list[str]:
    """What the thread that served a request did, from its first byte to the first of the answer.

    One request at a time was sent, so that nobody else's calls are in between.
    """
    lines = iter(trace.splitlines())
    for line in lines:
        if "recvfrom" in line and f'"{request_line} ' in line:
            break
    order = ["request"]
    for line in lines:
        if re.search(r"f(data)?sync\(.*secrets\.db(-wal|-journal)?>", line) and order[-1] != "sync":
            order.append("sync")
        if "sendto" in line and '"HTTP/1.1 ' in line:
            return [*order, "answer"]
    return order


def _check_the_connection_that_writes(settings: Settings) -> None:
    app = create_app(settings)
    vault = vault_of(app)
    alice = Person(app, "alice")
    assert alice.register().status_code == 201
    with vault.db.write() as tx:  # the pool has one connection by now: the one just used
        assert tx.one("PRAGMA synchronous") in {(_FULL,), (_EXTRA,)}
    vault.close()


# --- fork --------------------------------------------------------------------------------------


@pytest.mark.invariant(number=4)
@pytest.mark.parametrize(("ending", "exit_code"), [("exit", 0), ("kill", -signal.SIGKILL)])
def test_a_database_can_be_used_on_both_sides_of_a_fork(
    database_url: str, ending: str, exit_code: int
) -> None:
    """A server that loads the application and then forks its workers: all of them write, the
    parent leaves, others come and go, and every acknowledged write is there."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.forking", database_url, ending],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    children = {f"child{number}": 2 * WRITES for number in range(CHILDREN)}
    assert json.loads(run.stdout) == {
        "counted": {**children, "parent": WRITES},
        "exits": [exit_code] * CHILDREN,
        "faults": [],
    }
