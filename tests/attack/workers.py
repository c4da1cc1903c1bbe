"""Several server processes over one database, and clients that come from wherever they like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.people import PASSWORD
from tests.support.server import Server

# For rows that measure something else than the limits. Raised, not off: the counting goes on, and
# with it what its time may tell.
UNLIMITED = {
    "SECRETS_LOGIN_ATTEMPTS_PAIR": "1000000",
    "SECRETS_LOGIN_ATTEMPTS_ACCOUNT": "1000000",
    "SECRETS_LOGIN_ATTEMPTS_SOURCE": "1000000",
}
_TIMEOUT = 60


@contextmanager
def workers(folder: Path, count: int, **environ: str) -> Iterator[list[Server]]:
    """So many processes of ``flask run`` over one installation."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Server(folder / "instance", dict(environ))) for _ in range(count)
        ]


@dataclass
class Client:
    """Somebody at an address, who may talk to any of the workers.

    The address is what a trusted proxy says, so the workers need to trust 127.0.0.1. They then
    take the connection for TLS, and their cookies have the names of production.
    """

    servers: list[Server]
    address: str
    http: requests.Session = field(default_factory=requests.Session)
    _turn: int = 0

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request, to each worker in turn."""
        self._turn += 1
        server = self.servers[self._turn % len(self.servers)]
        headers = {"X-Forwarded-For": self.address, "X-Forwarded-Proto": "https"}
        return self.http.request(
            method, server.url + path, headers=headers, timeout=_TIMEOUT, **options
        )

    def register(self, username: str) -> None:
        """Create an account."""
        answer = self.send("POST", "/register", json=credentials(username))
        assert answer.status_code == 201, answer.text

    def login(self, username: str, password: str = PASSWORD) -> requests.Response:
        """Log in, or try to."""
        return self.send("POST", "/login", json=credentials(username, password))


def credentials(username: str, password: str = PASSWORD) -> Mapping[str, str]:
    """The body of a login or a registration."""
    return {"username": username, "password": password}


def kind(answer: requests.Response) -> str:
    """``200``, or the kind of problem."""
    if answer.ok:
        return str(answer.status_code)
    return str(answer.json()["type"]).rsplit(":", 1)[1]
