"""GET /metrics: right across workers, quick, closed to whoever has no token, and free when off."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.errors import DatabaseUnavailable
from models.reports import Report
from routes import metrics as metrics_route
from routes.context import vault_of
from tests.support.log import logged
from tests.support.people import PASSWORD, Person
from tests.support.production import ProductionServer
from tests.support.server import ROOT, Server
from tests.support.shared import refusal
from utils import metrics
from utils.store import runs
from utils.vault import Vault

TOKEN = "a-token-for-prometheus-of-40-characters."
BEARER = {"Authorization": f"Bearer {TOKEN}"}
CANARY = "canary-3d9f61"
ON = {"SECRETS_METRICS_TOKEN": TOKEN, "SECRETS_ALLOW_PLAIN_HTTP": "true"}
on_one_engine = pytest.mark.one_engine("sqlite", "it is about the metrics' own files")


def sample(text: str, series: str) -> float:
    """The value of one series; 0 for one that is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


def scrape(server: Server) -> str:
    """What Prometheus gets."""
    answer = requests.get(server.url + "/metrics", headers=BEARER, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.text


def answered(text: str, method: str, route: str, status: int) -> float:
    """How many such requests were counted."""
    labels = f'method="{method}",route="{route}",status="{status}"'
    return sample(text, f"secrets_manager_requests_total{{{labels}}}")


def wait_for_workers(server: Server, number: int) -> None:
    """Until so many have started, over all starts."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        said = [line["message"] for line in logged(server.log, "library")]
        if sum(message.startswith("Started worker") for message in said) == number:
            return
        time.sleep(0.02)
    raise AssertionError("not all workers started")


@pytest.fixture
def measured(settings: Settings) -> Iterator[Flask]:
    """The application with metrics."""
    application = create_app(settings.model_copy(update={"METRICS_TOKEN": TOKEN}))
    yield application
    vault_of(application).close()


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library keeps one set of files a process, and finds them by a variable, which would
    also reach the servers that other tests start."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "not set, and not set again at the end")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    yield
    if "prometheus_client" in sys.modules:
        from prometheus_client import values  # noqa: PLC0415

        values.ValueClass.close_all_files()


def shown(app: Flask, headers: dict[str, str] = BEARER) -> TestResponse:
    """The answer to a scrape within this process."""
    return Person(app, "prometheus").get("/metrics", headers=headers)


# --- real servers ------------------------------------------------------------------------------


def test_the_counts_of_all_workers_add_up(tmp_path: Path) -> None:
    """Whichever of two workers answers; and a new start counts anew, with nobody's help."""
    folder = tmp_path / "instance"
    with ProductionServer(folder, ON, workers=2) as server:
        wait_for_workers(server, 2)
        with ThreadPoolExecutor(8) as pool:
            calls = [server.url + "/healthz"] * 100 + [server.url + f"/secrets/{CANARY}"] * 20
            list(pool.map(lambda url: requests.get(url, timeout=30), calls))
        texts = [scrape(server) for _ in range(6)]
        for number, text in enumerate(texts):
            assert answered(text, "GET", "/healthz", 200) == 100
            assert answered(text, "GET", "/secrets/<name>", 401) == 20
            assert answered(text, "GET", "/metrics", 200) == number
            assert CANARY not in text
        histogram = 'secrets_manager_request_seconds_bucket{le="+Inf",route="/healthz"}'
        assert sample(texts[-1], histogram) == 100
        # Both took part, and their files are as large as what was reserved: nothing grows, so a
        # full disk cannot hurt.
        (first,) = (folder / "metrics").iterdir()
        files = sorted(first.glob("*.db"))
        assert len(files) == 4
        assert {path.stat().st_size for path in files} == {metrics._RESERVED_BYTES}
        assert all(int.from_bytes(path.read_bytes()[:4], sys.byteorder) > 8 for path in files[:2])
    with ProductionServer(folder, ON, workers=2) as server:
        wait_for_workers(server, 4)
        assert answered(scrape(server), "GET", "/healthz", 200) == 0
        assert first not in (folder / "metrics").iterdir()


@pytest.mark.invariant(number=5)
def test_the_development_server_counts_too(tmp_path: Path) -> None:
    """Logins by how they ended, refusals by their problem, waits for the database."""
    with Server(tmp_path / "instance", {"SECRETS_METRICS_TOKEN": TOKEN}) as server:
        who = {"username": "alice", "password": PASSWORD}
        requests.post(server.url + "/register", json=who, timeout=30)
        for password in (PASSWORD, CANARY, CANARY):
            sent = {"username": "alice", "password": password}
            requests.post(server.url + f"/login?{CANARY}", json=sent, timeout=30)
            requests.post(server.url + "/login", json=sent, timeout=30)
        requests.request("CANARY", server.url + f"/{CANARY}", timeout=30)
        text = scrape(server)
    assert sample(text, 'secrets_manager_logins_total{outcome="ok"}') == 1
    assert sample(text, 'secrets_manager_logins_total{outcome="wrong-credentials"}') == 2
    assert sample(text, 'secrets_manager_logins_total{outcome="invalid-fields"}') == 3
    assert sample(text, 'secrets_manager_problems_total{problem="wrong-credentials"}') == 2
    assert answered(text, "OTHER", "-", 404) == 1
    assert sample(text, 'secrets_manager_database_wait_seconds_count{for="lock"}') > 3
    for secret in (CANARY, CANARY.upper(), TOKEN, PASSWORD, "alice"):
        assert secret not in text
    assert TOKEN not in server.log.read_text()


# --- what the database tells -------------------------------------------------------------------


def test_keys_and_rotations_are_told_as_they_are_stored(measured: Flask, now: datetime) -> None:
    """At the moment of the scrape, on both engines; times as seconds since 1970."""
    vault, alice = vault_of(measured), Person(measured, "alice")
    assert [alice.register().status_code, alice.login().status_code] == [201, 200]
    assert alice.put("/secrets/a", json={"secret": CANARY}).status_code == 201
    before = shown(measured).text
    assert sample(before, 'secrets_manager_user_keys{state="current"}') == 1
    assert sample(before, "secrets_manager_ciphertexts_remaining") == 0
    assert "rotation_done" not in before

    alice.post("/keys:rotate")
    with vault.db.write() as tx:
        runs.finish(tx, runs.begin(tx, now), "done", now, Report())
        runs.finish(tx, runs.begin(tx, now), "incomplete", now + timedelta(hours=1), Report())
    after = shown(measured).text
    assert sample(after, "secrets_manager_database_up") == 1
    assert sample(after, 'secrets_manager_user_keys{state="retired"}') == 1
    assert sample(after, "secrets_manager_ciphertexts_remaining") == 1
    assert sample(after, 'secrets_manager_rotation_outcome{outcome="incomplete"}') == 1
    assert sample(after, 'secrets_manager_rotation_outcome{outcome="done"}') == 0
    done = sample(after, "secrets_manager_rotation_done_timestamp_seconds")
    assert done == pytest.approx(now.timestamp(), abs=0.001)
    assert sample(after, "secrets_manager_oldest_stale_timestamp_seconds") > 1_700_000_000


@on_one_engine
def test_a_database_that_is_away_is_told_too(
    measured: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer with what is known, not an error: who is paged looks here first."""

    def away(_db: object) -> None:
        raise DatabaseUnavailable("The database is not available.")

    monkeypatch.setattr(metrics_route, "read_figures", away)
    answer = shown(measured)
    assert answer.status_code == 200
    assert sample(answer.text, "secrets_manager_database_up") == 0
    assert "secrets_manager_user_keys" not in answer.text


def test_waits_are_measured(vault: Vault, engine: str) -> None:
    """What a transaction waited for, once it has it; a lock that is only tried counts as well."""
    waits: list[tuple[str, float]] = []
    vault.db.waited = lambda for_what, seconds: waits.append((for_what, seconds))
    with vault.db.write():
        pass
    assert [for_what for for_what, _ in waits] == ["lock" if engine == "sqlite" else "connection"]
    if engine == "sqlite":
        holding = threading.Event()

        def hold() -> None:
            with vault.db.write():
                holding.set()
                time.sleep(0.3)

        thread = threading.Thread(target=hold)
        thread.start()
        assert holding.wait(20)
        with vault.db.write():
            pass
        thread.join()
        assert max(seconds for _, seconds in waits) > 0.2


# --- who may look ------------------------------------------------------------------------------


@on_one_engine
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_nobody_looks_without_the_token(settings: Settings, on: bool) -> None:
    """On or off, what is not the token is refused alike; one that is off has no token."""
    update = {"METRICS_TOKEN": TOKEN if on else ""}
    app = create_app(settings.model_copy(update=update))
    try:
        alice = Person(app, "alice")
        assert [alice.register().status_code, alice.login().status_code] == [201, 200]
        assert refusal(shown(app, {})) == (401, "not-authenticated")
        assert refusal(alice.get("/metrics")) == (401, "not-authenticated")
        attempts = ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), *([] if on else [TOKEN])]
        for sent in attempts:
            wrong = {"Authorization": f"Bearer {sent}"}
            assert refusal(shown(app, wrong)) == (401, "invalid-token"), sent
        made = alice.post("/tokens", json={"name": "cron", "scopes": ["read"]}).json
        assert made is not None
        of_alice = {"Authorization": f"Bearer {made['token']}"}
        assert refusal(shown(app, of_alice)) == (403, "missing-power")
    finally:
        vault_of(app).close()


@on_one_engine
def test_the_token_opens_nothing_else(measured: Flask) -> None:
    """It is the operator's, and no account's."""
    for path in ("/secrets", "/account", "/keys"):
        answer = Person(measured, "prometheus").get(path, headers=BEARER)
        assert refusal(answer) == (401, "invalid-token")


@on_one_engine
@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "text/plain;version=0.0.4",
        "text/plain",
        "*/*",
    ],
)
def test_whatever_prometheus_asks_for_it_gets_text(measured: Flask, accept: str) -> None:
    """Each of its versions asks in another way."""
    answer = shown(measured, {**BEARER, "Accept": accept})
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"


# --- what it costs -----------------------------------------------------------------------------


def test_metrics_that_are_off_are_not_even_loaded(tmp_path: Path) -> None:
    """Nor is a folder made."""
    code = (
        "import sys\nfrom app import create_app\nfrom config import Settings\n"
        "app = create_app(Settings(INSTANCE_DIR=sys.argv[1], METRICS_TOKEN=sys.argv[2]))\n"
        "assert app.test_client().get('/healthz').status_code == 200\n"
        "print('prometheus_client' in sys.modules)"
    )
    for token, loaded in (("", "False"), (TOKEN, "True")):
        folder = tmp_path / (token or "off")
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), token],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout == f"{loaded}\n", done.stderr
        assert (folder / "metrics").exists() == (loaded == "True")


@pytest.mark.parametrize("given", [True, False])
def test_what_cannot_be_counted_costs_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, given: bool
) -> None:
    """A folder that is not there or read-only is told once, in the log and to Prometheus."""

    def refuse(_parent: Path) -> Path:
        raise PermissionError(CANARY)

    if given:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / CANARY))
    monkeypatch.setattr(metrics, "_own_folder", refuse)
    broken = metrics.Metrics(tmp_path / "metrics")
    for _ in range(3):
        broken.count_request("GET", "/healthz", 200, 0.1, None)
        broken.count_wait("lock", 0.1)
    assert caplog.text.count("Nothing is counted") == 1
    assert CANARY not in caplog.text
    with pytest.raises(DatabaseUnavailable):
        broken.text(lambda: None)
