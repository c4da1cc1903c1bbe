"""Clients that write without pause, survive any crash of the server, and forgive no loss."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from tests.support.people import PASSWORD
from tests.torture.journal import Page, Stored
from tests.torture.operations import Operation, choose

_REQUEST_TIMEOUT = 60
_PAUSE = 0.01  # seconds between attempts to reach a server that is down
_NAMES = 30
_SAMPLE = 4  # secrets that are read back after each crash, besides the last one touched


@dataclass(slots=True)
class Findings:
    """What a client did and what it complains about. Of one thread; read after its end."""

    acknowledged: int = 0
    in_doubt: int = 0  # requests that were sent and whose answer never came
    carried_out: int = 0  # of those, how many had happened all the same
    read_back: int = 0
    lost: list[str] = field(default_factory=list)
    half_done: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)  # answers that no crash explains
    latencies: list[float] = field(default_factory=list)  # seconds, of acknowledged writes

    def add(self, other: Findings) -> None:
        """Take the other's findings in."""
        for name in Findings.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Client(threading.Thread):
    """A thread with an account and a session of its own.

    A server that is down is not an error; anything else that goes wrong in the thread is, and
    :meth:`finish` raises it.
    """

    def __init__(self, url: str, username: str, seed: float) -> None:
        super().__init__(name=username, daemon=True)
        self.url = url
        self.username = username
        self.random = random.Random(seed)
        self.findings = Findings()
        self._session = requests.Session()
        self._stopping = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Work until stopped."""
        try:
            self.enter()
            while not self._stopping.is_set():
                self.step()
        except BaseException as error:  # noqa: BLE001 - handed to whoever stops us
            self._error = error

    def step(self) -> None:
        """One piece of work."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Ask the thread to end. It needs the server for that: its doubts are to be settled."""
        self._stopping.set()

    def finish(self) -> None:
        """Wait for the end of the thread. Raises what went wrong in it."""
        self.join(_REQUEST_TIMEOUT)
        if self._error is not None:
            raise self._error
        if self.is_alive():
            raise TimeoutError(f"client {self.username} does not come to an end")

    def enter(self) -> None:
        """Register, whatever happens meanwhile, and log in."""
        self.insist("POST", "/register", (201, 409), json=self._credentials)
        self.insist("POST", "/login", (200,), json=self._credentials)

    @property
    def _credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": PASSWORD}

    def try_once(self, method: str, path: str, **options: Any) -> requests.Response | None:
        """The answer, or None if there was no server or it went away before it had answered."""
        try:
            return self._session.request(
                method, self.url + path, timeout=_REQUEST_TIMEOUT, **options
            )
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            if method != "GET" and not _was_refused(error):
                self.findings.in_doubt += 1
            return None

    def insist(
        self, method: str, path: str, expected: tuple[int, ...], **options: Any
    ) -> requests.Response:
        """Repeat a request, over all crashes, until it is answered; only for what may be repeated.

        Not for ever: a server that never comes back ends the thread.
        """
        deadline = time.monotonic() + 2 * _REQUEST_TIMEOUT
        while time.monotonic() < deadline:
            response = self.try_once(method, path, **options)
            if response is not None:
                if response.status_code not in expected:
                    raise UnexpectedAnswer(self.username, f"{method} {path}", response)
                return response
            time.sleep(_PAUSE)
        raise TimeoutError(f"no answer to {method} {path}")


def _was_refused(error: requests.RequestException) -> bool:
    """Whether there was no connection at all, so that the request was never sent."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


class UnexpectedAnswer(Exception):
    """A status that no crash explains."""

    def __init__(self, who: str, what: str, response: requests.Response) -> None:
        super().__init__(f"{who}: {what} was answered {response.status_code} {response.text[:300]}")


class Writer(Client):
    """Writes secrets of its own, and keeps a journal.

    An operation that was not acknowledged may have happened, entirely or not at all: the
    writer looks which it was before it goes on.
    """

    def __init__(self, url: str, username: str, seed: float) -> None:
        super().__init__(url, username, seed)
        self.pages = {name: Page(name) for name in (f"{username}/{i}" for i in range(_NAMES))}

    def step(self) -> None:
        """Write once, and settle what became of it."""
        page = self.random.choice(list(self.pages.values()))
        operation = choose(self.random, page)
        began = time.monotonic()
        response = self.try_once(operation.method, operation.path, **operation.options)
        if response is None:
            self._settle(page, operation)
            for other in self.random.sample(list(self.pages.values()), _SAMPLE):
                self._compare(other)
        elif response.ok:
            self.findings.latencies.append(time.monotonic() - began)
            self.findings.acknowledged += 1
            self._acknowledge(page, operation, response)
        else:
            self.findings.unexpected.append(
                str(UnexpectedAnswer(self.username, str(operation), response))
            )
            self._settle(page, operation)

    def read_all_back(self) -> None:
        """Compare every secret with the journal. For the end, after :meth:`finish`."""
        for page in self.pages.values():
            self._compare(page)

    def _acknowledge(self, page: Page, operation: Operation, response: requests.Response) -> None:
        wanted = operation.after
        page.keep(wanted, response.headers.get("ETag"))
        if wanted is not None and response.json()["version"] != wanted.version:
            self.findings.unexpected.append(
                f"{operation} was answered with version {response.json()['version']},"
                f" not {wanted.version}"
            )

    def _settle(self, page: Page, operation: Operation) -> None:
        """Find out whether an operation without a good answer has happened."""
        found, etag = self._observe(page.name)
        if found == operation.after:
            self.findings.carried_out += 1
            page.keep(found, etag)
        elif found != page.now:
            self.findings.half_done.append(
                f"{operation} left {page.name} at {found or 'absent'}: neither"
                f" {page.now or 'absent'} nor {operation.after or 'absent'}"
            )
            page.keep(found, etag)

    def _compare(self, page: Page) -> None:
        found, etag = self._observe(page.name)
        self.findings.read_back += 1
        if fault := page.contradicts(found, etag):
            self.findings.lost.append(fault)
            page.keep(found, etag)  # one loss is counted once

    def _observe(self, name: str) -> tuple[Stored | None, str | None]:
        response = self.insist("GET", f"/secrets/{name}", (200, 404))
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None, None
        return Stored.read(response.json()), response.headers["ETag"]


class Registrar(Client):
    """Opens accounts, so that crashes hit registrations too.

    Whatever happened, an account either is not there, or has a key and lets its owner in.
    """

    def __init__(self, url: str, username: str, seed: float) -> None:
        super().__init__(url, username, seed)
        self.accounts: list[str] = []

    def enter(self) -> None:
        """It needs no account of its own."""

    def step(self) -> None:
        """Open one account, and store a secret in it if its answer came."""
        name = f"{self.username}-{len(self.accounts)}"
        credentials = {"username": name, "password": PASSWORD}
        response = self.try_once("POST", "/register", json=credentials)
        if response is None:
            again = self.insist("POST", "/register", (201, 409), json=credentials)
            self.findings.carried_out += again.status_code == HTTPStatus.CONFLICT
        elif response.status_code == HTTPStatus.CREATED:
            self.findings.acknowledged += 1
        else:
            self.findings.unexpected.append(
                str(UnexpectedAnswer(self.username, "POST /register", response))
            )
            return
        self.accounts.append(name)
        self._stopping.wait(_PAUSE)  # the writers are the main thing

    def let_all_in(self, sample: int) -> None:
        """Log in to the newest accounts and use them. For the end, after :meth:`finish`."""
        for name in self.accounts[-sample:]:
            self.findings.read_back += 1
            credentials = {"username": name, "password": PASSWORD}
            login = self.try_once("POST", "/login", json=credentials)
            write = self.try_once("PUT", "/secrets/a", json={"secret": "b"})
            for response in (login, write):
                if response is None or not response.ok:
                    status = "nothing" if response is None else response.status_code
                    self.findings.lost.append(f"account {name} does not work: {status}")


@contextmanager
def together(clients: Sequence[Client]) -> Iterator[None]:
    """Let the clients work while the block runs. The server must be up at its end."""
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.let_go()  # all at once: each may still have a doubt to settle
    for client in clients:
        client.finish()
