"""PostgreSQL's own backup, as docs/postgresql.md tells it: with the real programs, under load."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.docs import blocks, read, section
from tests.support.people import PASSWORD
from tests.support.postgres import PostgresServer
from tests.support.rotation import wait_until
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.one_engine("postgresql", "SQLite has a backup of its own")

DUMPS = 3
WRITERS = 2
NAMES = 20


def guide() -> tuple[list[str], list[str]]:
    """The commands of the guide: those that make a backup, and those that restore it."""
    text = section(read("docs/postgresql.md"), "## Backup and restore")
    dump, restore = (block.text for block in blocks(text) if block.language == "sh")
    return dump.splitlines(), restore.splitlines()


def paste(
    commands: list[str], server: PostgresServer, place: Server, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run commands of the guide over the database of *place*, at home in *folder*."""
    programs = Path(server.program("pg_dump")).parent
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=ROOT,
        env={**place.environment(), "PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@contextmanager
def busy(server: Server) -> Iterator[list[dict[str, int]]]:
    """Clients who write all the time, and one rotation after the other; what each client was told
    is stored, by the name of the secret."""
    stopping = threading.Event()
    journals: list[dict[str, int]] = [{} for _ in range(WRITERS)]
    rotations: list[int] = []
    threads = [
        threading.Thread(target=_write, args=(server, number, journals[number], stopping))
        for number in range(WRITERS)
    ]
    threads.append(threading.Thread(target=_rotate, args=(server, rotations, stopping)))
    for thread in threads:
        thread.start()
    try:
        yield journals
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert set(rotations) == {0}


def _write(server: Server, who: int, journal: dict[str, int], stopping: threading.Event) -> None:
    count = 0
    with _session(server, f"writer-{who}") as session:
        while not stopping.is_set():
            count += 1
            name = f"s{count % NAMES}"
            put = session.put(f"{server.url}/secrets/{name}", json={"secret": str(count)})
            assert put.status_code in {200, 201}, put.text
            journal[name] = count


def _rotate(server: Server, ended: list[int], stopping: threading.Event) -> None:
    command = [sys.executable, str(ROOT / "rotate_keys.py"), "--all", "--quiet"]
    while not stopping.is_set():
        ended.append(subprocess.run(command, env=server.environment(), check=False).returncode)


@contextmanager
def _session(server: Server, name: str) -> Iterator[requests.Session]:
    who = {"username": name, "password": PASSWORD}
    with requests.Session() as session:
        session.post(f"{server.url}/register", json=who)
        assert session.post(f"{server.url}/login", json=who).status_code == 200
        yield session


def test_dumps_during_writes_and_rotations_restore_and_verify(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Each is the state of one moment: every value that was acknowledged before it is in it and
    opens, and the audit trail follows from its beginning to its end."""
    instance = tmp_path / "instance"
    dump, restore = guide()
    live = {"SECRETS_DATABASE_URL": postgres.create_database(f"t{uuid.uuid4().hex}")}
    acknowledged: list[list[dict[str, int]]] = []
    with Server(instance, live) as server, busy(server) as journals:
        for number in range(DUMPS):
            wait_until(lambda: min(map(len, journals)) == NAMES, "every name is written")
            (tmp_path / str(number)).mkdir()
            acknowledged.append([dict(journal) for journal in journals])
            done = paste(dump, postgres, server, tmp_path / str(number))
            assert (done.returncode, done.stderr) == (0, "")
    for number, journal in enumerate(acknowledged):
        folder = tmp_path / str(number)
        assert stat.S_IMODE((folder / "secrets.dump").stat().st_mode) == 0o600
        empty = {"SECRETS_DATABASE_URL": postgres.create_database(f"t{uuid.uuid4().hex}")}
        place = Server(instance, empty)
        done = paste(restore, postgres, place, folder)
        assert done.returncode == 0, done.stderr
        verified, chains = done.stdout.splitlines()
        assert verified.endswith(", 0 faults")
        assert chains.endswith(", 0 faults")
        with place as restored:
            for who, written in enumerate(journal):
                with _session(restored, f"writer-{who}") as session:
                    assert written
                    for name, least in written.items():
                        found = session.get(f"{restored.url}/secrets/{name}").json()
                        assert int(found["secret"]) >= least


def test_a_dump_goes_into_an_empty_database_only(postgres: PostgresServer, tmp_path: Path) -> None:
    """What is there already is neither replaced nor mixed with it: all is restored, or nothing."""
    dump, restore = guide()
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    place = Server(tmp_path / "instance", {"SECRETS_DATABASE_URL": url})
    with place as server, _session(server, "ada") as session:
        put = session.put(f"{server.url}/secrets/a", json={"secret": "one"})
        assert put.status_code == 201
        assert paste(dump, postgres, place, tmp_path).returncode == 0
        session.put(f"{server.url}/secrets/a", json={"secret": "two"})
        refused = paste(restore, postgres, place, tmp_path)
        assert refused.returncode != 0
        assert "already exists" in refused.stderr
        assert session.get(f"{server.url}/secrets/a").json()["secret"] == "two"
