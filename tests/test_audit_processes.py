"""The trail of real processes: what is stopped writes what waits; what is killed, no half."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
import requests

from app import create_app
from config import Settings
from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import made
from tests.support.people import Person
from tests.support.production import ProductionServer
from tests.support.server import ROOT, Server
from utils.audit_check import verify_all
from utils.audit_heads import HEAD_LINE
from utils.db import Row
from utils.store import system
from utils.vault import open_store

_KINDS = {"flask run": Server, "granian": ProductionServer}
_READS = 20
_FORKS = """
import os, sys
from models.events import Event, Waiting
from models.times import utcnow
from utils import configuration
from utils.vault import open_vault
vault = open_vault(configuration.load(os.environ), utcnow())
vault.audit.add([Waiting(Event(utcnow(), "of-parent"))])
child = os.fork()
vault.audit.add([Waiting(Event(utcnow(), "of-parent" if child else "of-child"))])
if child:
    os.waitpid(child, 0)
"""


@pytest.fixture
def environ(database_url: str) -> dict[str, str]:
    """Which database, and that this test knows what plain HTTP means."""
    return {"SECRETS_DATABASE_URL": database_url, "SECRETS_ALLOW_PLAIN_HTTP": "true"}


@pytest.fixture
def bearer(settings: Settings) -> dict[str, str]:
    """A program of alice's with a secret named ``a``, before any server runs."""
    app = create_app(settings)
    alice = Person(app, "alice")
    alice.register()
    alice.login()
    alice.put("/secrets/a", json={"secret": "v"})
    token = made(alice)["token"]
    vault_of(app).close()
    return {"Authorization": f"Bearer {token}"}


def rows(settings: Settings, sql: str) -> list[Row]:
    """What is stored, by somebody who comes after the server; the trail must be whole."""
    db, master = open_store(settings, utcnow())
    with db.read() as tx:
        found, key = tx.all(sql), system.audit_key(tx, master)
    assert key is not None
    assert [fault for _, _, fault in verify_all(db, key) if fault is not None] == []
    db.close()
    return found


@pytest.mark.parametrize("kind", _KINDS)
def test_a_server_that_is_stopped_writes_what_waits(
    kind: str, settings: Settings, environ: dict[str, str], bearer: dict[str, str]
) -> None:
    """SIGTERM right after the answers: their events are there, and the heads are in the log."""
    with _KINDS[kind](settings.INSTANCE_DIR, environ) as server:
        url = f"{server.url}/secrets/a"
        answers = [requests.get(url, headers=bearer, timeout=30) for _ in range(_READS)]
        server.stop()
        log = server.log.read_text()
    found = rows(settings, "SELECT request_id FROM audit_events WHERE action = 'secret.read'")
    assert {answer.headers["X-Request-ID"] for answer in answers} == {row[0] for row in found}
    assert len(HEAD_LINE.findall(log)) >= 1, "as `flask audit verify --heads` will look for them"
    assert "Traceback" not in log


@pytest.mark.invariant(number=4)
@pytest.mark.parametrize("kind", _KINDS)
def test_a_server_that_is_killed_leaves_no_half(
    kind: str, settings: Settings, environ: dict[str, str], bearer: dict[str, str]
) -> None:
    """In the midst of writes: each version has its event, each event its version; and every write
    that was acknowledged has both."""
    acknowledged: list[str] = []
    with _KINDS[kind](settings.INSTANCE_DIR, environ) as server:

        def write(number: int) -> None:
            try:
                for turn in range(1000):
                    answer = requests.put(
                        f"{server.url}/secrets/w{number}",
                        json={"secret": f"{turn}"},
                        headers=bearer,
                        timeout=30,
                    )
                    if answer.ok:
                        acknowledged.append(answer.headers["X-Request-ID"])
            except requests.RequestException:
                return

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while len(acknowledged) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.kill()
        for thread in threads:
            thread.join()
    versions = rows(
        settings,
        "SELECT s.name, count(*) FROM secrets s JOIN secret_versions v "
        "ON v.secret_id = s.id WHERE s.name <> 'a' GROUP BY s.name ORDER BY 1",
    )
    events = rows(
        settings,
        "SELECT name, count(*) FROM audit_events "
        "WHERE action = 'secret.write' AND name <> 'a' GROUP BY name ORDER BY 1",
    )
    written = rows(settings, "SELECT request_id FROM audit_events")
    assert versions == events
    assert len(acknowledged) >= 20
    assert set(acknowledged) <= {row[0] for row in written}


def test_a_fork_loses_nothing_and_repeats_nothing(
    settings: Settings, environ: dict[str, str], bearer: dict[str, str]
) -> None:
    """What waits at the fork is the parent's to write; each side then writes its own."""
    assert bearer
    done = subprocess.run(
        [sys.executable, "-c", _FORKS],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("SECRETS_")},
            **environ,
            "SECRETS_INSTANCE_DIR": str(settings.INSTANCE_DIR),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = rows(
        settings,
        "SELECT action, sum(times) FROM audit_events WHERE action LIKE 'of-%' "
        "GROUP BY action ORDER BY action",
    )
    assert found == [("of-child", 1), ("of-parent", 2)]
