"""The log of real servers over real sockets: a line a request, and nothing of what was sent."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.log import line_of, logged
from tests.support.people import PASSWORD
from tests.support.production import ProductionServer
from tests.support.server import Server
from tests.support.wire import exchange, head

CANARY = "canary-8e20bb"
FORGED = '{"time": "2026-11-25T09:15:44.633324Z", "level": "info", "event": "request"}'
PLAIN = {"SECRETS_ALLOW_PLAIN_HTTP": "true"}


@dataclass
class Client:
    """Alice with a session at a running server, and the ids of all her requests."""

    server: Server
    session: requests.Session = field(default_factory=requests.Session)
    sent: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request over a real socket."""
        answer = self.session.request(method, self.server.url + path, timeout=30, **options)
        self.sent.append(answer.headers["X-Request-ID"])
        return answer

    def line(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The line of one request."""
        return line_of(self.server.log, self.call(method, path, **options).headers["X-Request-ID"])

    def log_in(self) -> None:
        """Alice; her cookies go without TLS too, which is not what these tests are about."""
        who = {"username": "alice", "password": PASSWORD}
        assert self.call("POST", "/register", json=who).status_code == 201
        assert self.call("POST", "/login", json=who).status_code == 200
        for cookie in self.session.cookies:
            cookie.secure = False


def make(kind: str, folder: Path, environ: dict[str, str]) -> Server:
    """The development or the production server."""
    if kind == "flask":
        return Server(folder, environ)
    return ProductionServer(folder, {**PLAIN, **environ})


@pytest.fixture(scope="module", params=["flask", "granian"])
def alice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """Alice at a server that logs to a pipe or file: JSON."""
    folder = tmp_path_factory.mktemp("logs") / "instance"
    with make(request.param, folder, {}) as server:
        client = Client(server)
        client.log_in()
        yield client


# --- what a line tells -------------------------------------------------------------------------


def test_a_request_is_one_line_with_all_its_fields(alice: Client) -> None:
    """Who did what, from where, when, and how it ended; by the rule, not the path."""
    line = alice.line("PUT", f"/secrets/{CANARY}/a", json={"secret": CANARY})
    assert list(line) == [
        *("time", "level", "event", "request_id", "method", "route", "status", "ms"),
        *("principal", "account", "client"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert 0 < line["ms"] < 30_000
    assert (line["level"], line["method"], line["route"], line["status"]) == (
        *("info", "PUT"),
        *("/secrets/<name>", 201),
    )
    assert (line["principal"], line["account"]) == ("session", "alice")
    assert line["client"] == "127.0.0.1"


def test_a_program_is_named_by_its_token(alice: Client) -> None:
    """By the public id of the API token, which is in its owner's list; refused ones too."""
    made = alice.call("POST", "/tokens", json={"name": "cron", "scopes": ["read"]}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    line = alice.line("GET", "/secrets", headers=bearer)
    assert (line["principal"], line["account"], line["token"]) == ("token", "alice", made["id"])
    refused = alice.line("DELETE", "/secrets/a", headers=bearer)
    assert (refused["status"], refused["problem"]) == (403, "missing-power")
    assert refused["token"] == made["id"]
    assert made["token"].split("_")[2] not in alice.server.log.read_text()


def test_a_refused_stranger_is_told_by_the_problem(alice: Client) -> None:
    """And not by the name that was tried: people type passwords into the wrong field."""
    guess = {"username": CANARY, "password": CANARY}
    stranger = Client(alice.server)
    line = stranger.line("POST", "/login", json=guess)
    assert (line["route"], line["status"], line["problem"]) == ("/login", 401, "wrong-credentials")
    assert not {"principal", "account", "token"} & set(line)
    assert stranger.line("GET", "/secrets")["problem"] == "not-authenticated"
    assert stranger.line("GET", f"/{CANARY}")["route"] == "-"


def test_a_login_names_whose_session_it_opened(alice: Client) -> None:
    """Not whose cookies came with it."""
    bob = {"username": "bob", "password": PASSWORD}
    other = Client(alice.server)
    other.session.cookies.update(alice.session.cookies)
    alice.call("POST", "/register", json=bob)
    line = other.line("POST", "/login", json=bob)
    assert (line["status"], line["account"]) == (200, "bob")
    alice.call("POST", "/login", json={"username": "alice", "password": PASSWORD})
    for cookie in alice.session.cookies:
        cookie.secure = False


def test_each_request_has_exactly_one_line(alice: Client) -> None:
    """Those that fail too, and none is counted twice."""
    for path in ("/secrets", "/nothing", "/secrets?canary=1", "/healthz", "/secrets/a%00b"):
        for method in ("GET", "HEAD", "POST", "TRACE"):
            alice.line(method, path)
    lines = [line["request_id"] for line in logged(alice.server.log, "request")]
    assert len(set(lines)) == len(lines)
    assert set(alice.sent) <= set(lines)
    servers = [line["message"] for line in logged(alice.server.log, "library")]
    assert [message for message in servers if "%s" in message] == [], "a second line a request"


# --- what a line never tells -------------------------------------------------------------------


@pytest.mark.invariant(number=5)
def test_nothing_that_was_sent_reaches_the_log(alice: Client) -> None:
    """Wherever it stands: path, query, header, cookie, body; and no request id of a client's."""
    port = alice.server.port
    mine = {"X-Request-ID": CANARY, "User-Agent": CANARY, "Referer": CANARY, "X-Real-IP": CANARY}
    attempts = [
        alice.call("GET", f"/secrets/{CANARY}?token={CANARY}", headers=mine),
        alice.call("GET", f"/{CANARY}%0d%0a{CANARY}?{CANARY}"),
        alice.call("PATCH", "/secrets/a", data=CANARY, headers={"Content-Type": CANARY}),
        requests.get(alice.server.url + "/account", cookies={"access_token_cookie": CANARY}),  # noqa: S113
        requests.get(alice.server.url + "/secrets", headers={"Authorization": f"Bearer {CANARY}"}),  # noqa: S113
    ]
    for answer in attempts:
        line = line_of(alice.server.log, answer.headers["X-Request-ID"])
        assert line["request_id"] != CANARY
    broken = [
        head("GET", f"/?{CANARY}", port).replace(b"HTTP/1.1", b"HTTP/9.9"),
        f"GET /{CANARY} HTTP/canary\r\n\r\n".encode(),
        head(CANARY.upper(), f"/{CANARY}", port),
        head("GET", f"/{CANARY}", port, f"Content-Length: {CANARY}"),
    ]
    for request in broken:
        exchange(port, request)
    alice.line("GET", "/healthz")
    assert CANARY not in alice.server.log.read_text().lower()
    assert PASSWORD not in alice.server.log.read_text()
    assert all(
        value not in alice.server.log.read_text() for value in alice.session.cookies.values()
    )


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("kind", ["flask", "granian"])
def test_nobody_forges_a_line(tmp_path: Path, kind: str, form: str) -> None:
    """With line ends in the path, in headers, in a username: as many lines as requests."""
    ends = ["%0a", "%0d%0a", "%e2%80%a8", "%c2%85", "%0b", "%1b%5b2J"]
    with make(kind, tmp_path / "instance", {"SECRETS_LOG_FORMAT": form}) as server:
        client = Client(server)
        for end in ends:
            client.call("GET", f"/{end}{FORGED}?{end}{FORGED}")
            client.call("GET", f"/secrets/{end}{FORGED}")
            forged = {"username": f"alice\r\n{FORGED}", "password": f"{PASSWORD}\n{FORGED}"}
            client.call("POST", "/login", json=forged)
            client.call("POST", "/register", json=forged)
        for name in ("User-Agent", "X-Request-ID", "X-Forwarded-For", "Authorization"):
            hostile = f"{name}: a\x0b\x1c\x1d\x85\x1b[2J\udc85{FORGED}"
            reply = exchange(server.port, head("GET", "/secrets", server.port, hostile))
            client.sent += filter(None, [reply.headers["X-Request-ID"]])
    text = server.log.read_bytes().decode("ascii")
    assert FORGED not in text
    assert not re.search(r"[^\n -~]", text)
    mark = '"event": "request"' if form == "json" else "Z INFO    request "
    lines = [line for line in text.splitlines() if mark in line]
    for request_id in client.sent:
        assert sum(request_id in line for line in lines) == 1
    assert not [line for line in lines if "/secrets/<name>" not in line and "forged" in line]


# --- where lines go ----------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_log_has_one_sink(alice: Client) -> None:
    """Standard error. Whatever else the processes hold open is the database, or no file."""
    assert alice.server.process is not None
    written = _files_open_for_writing(alice.server.process.pid) - {alice.server.log}
    names = {path.name for path in written if path.is_file()}
    assert {"secrets.db"} <= names <= {f"secrets.db{end}" for end in ("", "-wal", "-shm")}


def _files_open_for_writing(pid: int) -> set[Path]:
    """By a process and its children, as Linux tells."""
    process = Path("/proc") / str(pid)
    children = (process / "task" / str(pid) / "children").read_text().split()
    found = set().union(*(_files_open_for_writing(int(child)) for child in children))
    for descriptor in (process / "fd").iterdir():
        info = (process / "fdinfo" / descriptor.name).read_text()
        flags = re.search(r"^flags:\s+(\d+)$", info, re.MULTILINE)
        assert flags is not None
        if int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY:
            found.add(descriptor.readlink())
    return found


def test_our_lines_go_to_stderr_alone(tmp_path: Path) -> None:
    """Under granian stdout has the few lines of its main process, which sees no request."""
    out = tmp_path / "out"
    with ProductionServer(tmp_path / "instance", PLAIN, prefix=_stdout_to(out)) as server:
        request_id = requests.get(server.url + "/healthz", timeout=30).headers["X-Request-ID"]
        line_of(server.log, request_id)
    assert "Starting granian" in out.read_text()
    assert request_id not in out.read_text()
    assert re.fullmatch(r"(\[(INFO|WARNING)\] .*\n)+", out.read_text())
    assert all(json.loads(line) for line in server.log.read_text().splitlines())


def _stdout_to(path: Path) -> tuple[str, ...]:
    return ("sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sh", os.fspath(path))


def test_the_line_of_each_request_can_be_left_out(tmp_path: Path) -> None:
    """Where a proxy in front keeps one already; errors and notices stay."""
    with Server(tmp_path / "instance", {"SECRETS_LOG_LEVEL": "warning"}) as server:
        requests.get(server.url + "/healthz", timeout=30)
    assert logged(server.log, "request") == []
    assert logged(server.log, "library") == []
    assert logged(server.log, "notice") != []
