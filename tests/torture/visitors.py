"""Clients that count every connection that breaks: no library in between tries again for them.

Half of them keep their connection, as long as the server lets them; the others make a new one for
each request. Both are how real clients behave.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.production import Certificate

_PATIENCE_SECONDS = 120
_RETRY_SECONDS = 0.02  # while nobody listens
_BODY = '{"secret": "visited"}'


@dataclass
class Visits:
    """What became of the requests of one client, or of all."""

    answered: int = 0
    on_kept_connections: int = 0
    let_go: int = 0  # answers that ended a connection which the client would have kept
    refused: int = 0  # attempts to connect, while nobody listened
    cut_on_new: list[str] = field(default_factory=list)  # a connection's first request
    cut_on_kept: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Visits) -> None:
        """Take the other's in."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Visitor(threading.Thread):
    """Writes and reads one secret of its own, again and again."""

    def __init__(
        self, port: int, cookies: str, trust: Certificate, number: int, *, keeps: bool
    ) -> None:
        super().__init__(name=f"visitor{number}", daemon=True)
        self.visits = Visits()
        self._port = port
        self._context = trust.context()
        self._headers = {"Cookie": cookies, "Content-Type": "application/json"}
        self._path = f"/secrets/visitor{number}"
        self._pause = (0.0, 0.01, 0.05)[number % 3]
        self._keeps = keeps
        self._connection: http.client.HTTPSConnection | None = None
        self._used = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until told to stop."""
        turn = 0
        while not self.stopping.is_set():
            if self._connection is None and not self._connect():
                time.sleep(_RETRY_SECONDS)
                continue
            self._visit("GET" if turn % 2 else "PUT")
            turn += 1
            time.sleep(self._pause)
        self._hang_up()

    def _connect(self) -> bool:
        """TLS included: a request begins after it."""
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=_PATIENCE_SECONDS, context=self._context
        )
        self._used = 0
        try:
            self._connection.connect()
        except OSError:
            self.visits.refused += 1
            self._hang_up()
            return False
        return True

    def _visit(self, method: str) -> None:
        assert self._connection is not None
        try:
            body = _BODY if method == "PUT" else None
            self._connection.request(method, self._path, body, self._headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            cut = self.visits.cut_on_kept if self._used else self.visits.cut_on_new
            cut.append(f"{self.name}: {method} after {self._used} others: {error!r}")
            self._hang_up()
            return
        self.visits.answered += 1
        self.visits.on_kept_connections += self._used > 0
        self._used += 1
        if response.status not in {200, 201}:
            self.visits.wrong.append(f"{self.name}: {method} was answered {response.status}")
        if response.will_close and self._keeps:
            self.visits.let_go += 1
        if response.will_close or not self._keeps:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@contextmanager
def visiting(visitors: Sequence[Visitor]) -> Iterator[None]:
    """While the block runs, all of them come and go."""
    for visitor in visitors:
        visitor.start()
    try:
        yield
    finally:
        for visitor in visitors:
            visitor.stopping.set()
        for visitor in visitors:
            visitor.join(_PATIENCE_SECONDS)
            assert not visitor.is_alive()
