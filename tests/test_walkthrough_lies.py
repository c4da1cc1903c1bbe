"""The walkthrough passes where the service is right, and fails where it is wrong.

The wrong answers come from a proxy that forwards to a real server and lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.server import Server
from tests.support.walkthrough import Stranger, serving, walk

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


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server behind the lies; one is enough for all of them."""
    with Server(tmp_path_factory.mktemp("honest") / "instance") as running:
        yield running


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
