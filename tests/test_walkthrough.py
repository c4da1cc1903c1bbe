"""The walkthrough is a script that users run: it must pass where the service is right, and fail
where it is wrong. The wrong answers come from a proxy that forwards to a real server and lies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.ports import free_port
from tests.support.server import ROOT, Server

SCRIPT = ROOT / "tests" / "test.py"


def walk(cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would, from any folder, with nothing but *environ* of ours."""
    unset = ("SECRETS_", "FLASK_", "BASE_URL")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        check=False,
        cwd=cwd,
        env={**inherited, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )


# --- where it takes place ----------------------------------------------------------------------


def test_without_any_server_the_walkthrough_starts_its_own(tmp_path: Path) -> None:
    """A fresh clone and nothing running: it walks to the end on a server that is gone after it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    done = walk(tmp_path, FLASK_RUN_PORT=str(free_port()), TMPDIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert "starting a server of its own" in done.stdout
    assert done.stdout.endswith("Every answer was right.\n")
    assert list(folder.iterdir()) == []
    url = re.findall(r"^Walking through (\S+)\.$", done.stdout, re.MULTILINE)[0]
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


def test_a_server_of_its_own_never_touches_the_database_of_whoever_runs_it(tmp_path: Path) -> None:
    """The settings in the environment may name a database in use; its own server ignores them."""
    precious = tmp_path / "precious.db"
    done = walk(
        tmp_path,
        FLASK_RUN_PORT=str(free_port()),
        SECRETS_DATABASE_URL=f"sqlite:///{precious}",
        SECRETS_REGISTRATION="closed",
    )
    assert done.returncode == 0, done.stderr
    assert not precious.exists()


def test_the_walkthrough_can_be_repeated_on_the_same_server(server: Server, tmp_path: Path) -> None:
    """It uses new names each time, so a second walk finds nothing of the first in its way."""
    for _ in range(2):
        done = walk(tmp_path, BASE_URL=server.url + "/")
        assert done.returncode == 0, done.stderr
        assert "of its own" not in done.stdout


def test_the_walkthrough_finds_a_running_server_by_itself(server: Server, tmp_path: Path) -> None:
    """Without BASE_URL it looks where ``flask run`` listens."""
    done = walk(tmp_path, FLASK_RUN_PORT=str(server.port))
    assert done.returncode == 0, done.stderr
    assert f"Walking through http://localhost:{server.port}." in done.stdout


def test_a_base_url_where_nothing_answers_is_an_error(tmp_path: Path) -> None:
    """Whoever names a server wants that one: no other is started in its place."""
    url = f"http://127.0.0.1:{free_port()}"
    done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Nothing answers at {url} ")
    assert done.stderr.count("\n") == 1


def test_another_service_at_the_base_url_is_an_error(tmp_path: Path) -> None:
    """Something else listens on that port: it gets no password to see."""
    with serving(Stranger) as url:
        done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 1
    assert done.stderr.startswith(f"What answers at {url} is not this service.")


# --- lies --------------------------------------------------------------------------------------

Lie = Callable[["Exchange"], None]
LIED = "told-by-the-liar"
PRIVATE = {"password", "secret", "current_password", "new_password"}


@dataclass
class Exchange:
    """An answer of the real server, for a lie to change."""

    call: str
    status: int
    body: bytes
    answered_before: int  # how often this call was answered with a 2xx already

    def set(self, field: str, value: object) -> None:
        """Change one field of the JSON body."""
        document: dict[str, Any] = json.loads(self.body)
        self.body = json.dumps({**document, field: value}).encode()


def tell_the_truth(_exchange: Exchange) -> None:
    """No lie: the answer passes as it is."""


def another_account(exchange: Exchange) -> None:
    """Register somebody else than who asked."""
    if exchange.call == "POST /register":
        exchange.set("username", "eve")


def accepts_a_taken_name(exchange: Exchange) -> None:
    """Say yes to the second registration too."""
    if exchange.call == "POST /register" and exchange.status == 409:
        exchange.status = 201


def accepts_any_password(exchange: Exchange) -> None:
    """Answer a wrong password with 200."""
    if exchange.call == "POST /login" and exchange.status == 401:
        exchange.status = 200


def another_value(exchange: Exchange) -> None:
    """Give out a value that was never stored."""
    if exchange.call == "GET /secrets/shop/database-password" and exchange.status == 200:
        exchange.set("secret", LIED)


def another_bare_value(exchange: Exchange) -> None:
    """The same, where the value is the whole body."""
    if exchange.call == "GET /secrets/shop/database-password" and exchange.answered_before == 1:
        exchange.body = LIED.encode()


def another_reason(exchange: Exchange) -> None:
    """Give a right status for a wrong reason."""
    if exchange.status == 404:
        exchange.set("type", "urn:secrets-manager:problem:unknown-url")


def forgets_the_version(exchange: Exchange) -> None:
    """Leave out a field."""
    if exchange.call == "PUT /secrets/shop/database-password":
        document = json.loads(exchange.body)
        del document["version"]
        exchange.body = json.dumps(document).encode()


def lists_nothing(exchange: Exchange) -> None:
    """Lose the secrets, in the list only."""
    if exchange.call == "GET /secrets" and exchange.status == 200:
        exchange.set("secrets", [])


def lists_values(exchange: Exchange) -> None:
    """Show values in the list."""
    if exchange.call == "GET /secrets" and exchange.status == 200:
        listed = json.loads(exchange.body)["secrets"]
        exchange.set("secrets", [{**entry, "secret": LIED} for entry in listed])


def keeps_what_was_deleted(exchange: Exchange) -> None:
    """Answer a delete with success every time."""
    if exchange.call == "DELETE /secrets/shop/database-password":
        exchange.status = 200


def keeps_the_session(exchange: Exchange) -> None:
    """Let a session go on after its logout."""
    if exchange.call == "GET /account" and exchange.status == 401:
        exchange.status, exchange.body = 200, b'{"username": "ada"}'


def keeps_the_other_sessions(exchange: Exchange) -> None:
    """Say that a new password ended none."""
    if exchange.call == "PUT /account/password" and exchange.status == 200:
        exchange.set("sessions_ended", 0)


def lets_a_session_change_the_password(exchange: Exchange) -> None:
    """Ask for no password."""
    if exchange.call == "PUT /account/password" and exchange.status == 403:
        exchange.status = 200


def lets_every_token_write(exchange: Exchange) -> None:
    """Take no notice of a token's powers."""
    if exchange.status == 403 and b"missing-power" in exchange.body:
        exchange.status = 200


def keeps_the_token(exchange: Exchange) -> None:
    """Go on taking a token that was deleted."""
    if exchange.status == 401 and b"invalid-token" in exchange.body:
        exchange.status = 200


def keeps_the_account(exchange: Exchange) -> None:
    """Delete nothing."""
    if exchange.call == "DELETE /account":
        exchange.status = 204


def not_json(exchange: Exchange) -> None:
    """Answer with a page for browsers."""
    exchange.body = b"<html>hello</html>"


LIES: tuple[Lie, ...] = (
    another_account,
    accepts_a_taken_name,
    accepts_any_password,
    another_value,
    another_bare_value,
    another_reason,
    forgets_the_version,
    lists_nothing,
    lists_values,
    keeps_what_was_deleted,
    keeps_the_session,
    keeps_the_other_sessions,
    lets_a_session_change_the_password,
    lets_every_token_write,
    keeps_the_token,
    keeps_the_account,
    not_json,
)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_wrong_answer_ends_the_walk(lie: Lie, honest: Server, tmp_path: Path) -> None:
    """Exit status 1 and one line with what was expected and what came; no secret is in it."""
    with lying(honest, lie) as (url, sent):
        done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 1, done.stdout
    assert re.search(r"\nWRONG: [A-Z]+ /\S*: .*expected .+, got .+\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert sent
    for hidden in [*sent, LIED]:
        assert hidden not in done.stdout + done.stderr


def test_a_proxy_that_changes_nothing_passes(honest: Server, tmp_path: Path) -> None:
    """What the tests above find is the lie, not the proxy."""
    with lying(honest, tell_the_truth) as (url, _):
        done = walk(tmp_path, BASE_URL=url)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server behind the lies; one is enough for all of them."""
    with Server(tmp_path_factory.mktemp("honest") / "instance") as running:
        yield running


class Stranger(BaseHTTPRequestHandler):
    """Some other program that speaks HTTP, and answers 404 to everything."""

    def do_GET(self) -> None:
        """404."""
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing into the tests' output."""


@contextmanager
def lying(server: Server, lie: Lie) -> Iterator[tuple[str, list[str]]]:
    """A proxy before *server* that applies *lie* to every answer but the greeting.

    Gives its URL, and the list of the passwords and values that clients sent through it.
    """
    sent: list[str] = []
    answered: dict[str, int] = {}

    class Liar(Stranger):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get_content_type() == "application/json" and body:
                fields = json.loads(body)
                sent.extend(fields[name] for name in PRIVATE & set(fields))
            answer = requests.request(
                self.command,
                server.url + self.path,
                headers={**self.headers, "Host": f"127.0.0.1:{server.port}"},
                data=body,
                timeout=60,
            )
            call = f"{self.command} {self.path}"
            exchange = Exchange(call, answer.status_code, answer.content, answered.get(call, 0))
            answered[call] = answered.get(call, 0) + answer.ok
            if self.path != "/healthz":
                lie(exchange)
            self.send_response(exchange.status)
            for name in ("Content-Type", "Set-Cookie"):
                for value in answer.raw.headers.getlist(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(exchange.body)))
            self.end_headers()
            self.wfile.write(exchange.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - the base's names

    with serving(Liar) as url:
        yield url, sent


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A small HTTP server in this process; gives its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
