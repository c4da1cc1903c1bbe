"""Clients that send each request to another node, while nodes and database come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from tests.support.people import PASSWORD
from tests.torture.journal import Page
from tests.torture.operations import Operation
from tests.torture.writers import Client, Findings, Writer

HANGS_SECONDS = 30  # what takes as long is no answer
GUESSES = 10  # the setting LOGIN_ATTEMPTS_PAIR
_GUESS_COMES_BACK_SECONDS = 90  # LOGIN_WINDOW / LOGIN_ATTEMPTS_PAIR
_LEAST_PAUSE = 0.02  # after a node that is down
_LONGEST_PAUSE = 0.5  # of a client that was told to come back later; it is told 1 s or 5
_READS_BACK = 0.3  # how often a writer looks at a secret, after a write
_PAUSE_OF_A_WRITER = 0.05
_PAUSE_BETWEEN = 0.3  # of those that log in: bcrypt shall not be what the machine does


@dataclass(slots=True)
class Service:
    """What travellers learned of the service itself. Of one thread; read after its end."""

    answers: int = 0  # good ones, and refusals that are right
    later: int = 0  # 503
    slowest: float = 0.0  # seconds until an answer, whatever it was
    hung: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)  # 5xx other than 503
    outages: list[tuple[float, float]] = field(default_factory=list)  # last answer, next answer

    def add(self, other: Service) -> None:
        """Take another's in."""
        self.answers += other.answers
        self.later += other.later
        self.slowest = max(self.slowest, other.slowest)
        self.hung += other.hung
        self.crashed += other.crashed
        self.outages += other.outages


class Traveller(Client):
    """Sends each request to a node by chance. 503 is an answer that tells to come again."""

    def __init__(self, nodes: Sequence[str], authority: Path, username: str, seed: float) -> None:
        super().__init__(nodes[0], username, seed)
        self.nodes = nodes
        self.service = Service()
        self._authority = authority
        self._counting = threading.Lock()  # a client may ask several nodes at once
        self._session = self.visitor()
        self._answered_at = time.monotonic()
        self._failing = False

    def visitor(self) -> requests.Session:
        """A cookie jar that trusts the nodes' authority."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self._authority)
        return session

    def try_once(self, method: str, path: str, **options: Any) -> requests.Response | None:
        """The answer of one node; None if it was down, went away, or says to come back later."""
        options = {"node": self.random.choice(self.nodes), "visitor": self._session, **options}
        response = self.ask(method, path, **options)
        now = time.monotonic()
        if response is None:
            self._failing = True
        else:
            if self._failing:
                self.service.outages.append((self._answered_at, now))
            self._failing, self._answered_at = False, now
            self.service.answers += 1
        return response

    def ask(
        self, method: str, path: str, *, node: str, visitor: requests.Session, **options: Any
    ) -> requests.Response | None:
        """The same, of this node."""
        began = time.monotonic()
        try:
            response = visitor.request(method, node + path, timeout=HANGS_SECONDS, **options)
        except requests.Timeout:
            self.service.hung.append(f"{method} {path}: no answer in {HANGS_SECONDS} s")
            return None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            with self._counting:
                self.findings.in_doubt += method != "GET"
            time.sleep(_LEAST_PAUSE)
            return None
        with self._counting:
            self.service.slowest = max(self.service.slowest, time.monotonic() - began)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self._told_to_wait(f"{method} {path}", response)
            return None
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.service.crashed.append(
                f"{self.username}: {method} {path} was answered {response.status_code}"
                f" {response.text[:300]}"
            )
            return None
        return response

    def _told_to_wait(self, what: str, response: requests.Response) -> None:
        with self._counting:
            self.service.later += 1
        told = response.headers.get("Retry-After", "")
        kind = response.headers.get("Content-Type")
        if not told.isdigit() or int(told) < 1 or kind != "application/problem+json":
            self.findings.unexpected.append(f"{what}: a 503 that does not say when to come again")
        time.sleep(self.random.uniform(_LEAST_PAUSE, _LONGEST_PAUSE))


class TravellingWriter(Traveller, Writer):
    """Writes at one node and reads at another, by its journal."""

    def step(self) -> None:
        """Not so fast that nothing else on the machine gets its turn."""
        super().step()
        if self.random.random() < _READS_BACK:
            self._compare(self.random.choice(list(self.pages.values())))
        self._stopping.wait(_PAUSE_OF_A_WRITER)

    def _settle(self, page: Page, operation: Operation) -> None:
        """A node that was killed may have sent its COMMIT, and the database still be at it. Another
        write waits for that, as it needs the same lock; a read would see what was before."""
        self.insist("PUT", f"/secrets/{self.username}/fence", (200, 201), json={"secret": "x"})
        super()._settle(page, operation)


class Revoker(Traveller):
    """Ends sessions at one node, and tries them at the others at once."""

    def __init__(self, nodes: Sequence[str], authority: Path, username: str, seed: float) -> None:
        super().__init__(nodes, authority, username, seed)
        self.revoked = 0  # and found dead at least at one other node
        self.alive: list[str] = []  # sessions that outlived their end

    def step(self) -> None:
        """A session of mine, used everywhere, ended somewhere, dead everywhere."""
        doomed = self.visitor()
        self.insist("POST", "/login", (200,), json=self._credentials, visitor=doomed)
        for node in self.nodes:
            self._status_at(node, doomed)
        stolen = doomed.cookies.copy()
        self._end(doomed)
        doomed.cookies = stolen
        found = [
            self._status_at(node, doomed)
            for node in self.random.sample(self.nodes, len(self.nodes))
        ]
        self.alive += [
            f"{self.username}: a session that ended is answered {status}"
            for status in found
            if status not in (None, HTTPStatus.UNAUTHORIZED)
        ]
        self.revoked += HTTPStatus.UNAUTHORIZED in found
        self._stopping.wait(_PAUSE_BETWEEN)

    def _end(self, doomed: requests.Session) -> None:
        """By a logout, or all others' end from the session that stays. Both may be repeated: who
        was logged out by a request whose answer got lost is told so."""
        if self.random.random() < 0.5:
            self.insist("POST", "/logout", (200, 401), visitor=doomed)
        else:
            self.insist("DELETE", "/sessions", (200,))

    def _status_at(self, node: str, doomed: requests.Session) -> int | None:
        """Of the next answer of this node; None if it is down just now."""
        response = self.try_once("GET", "/account", node=node, visitor=doomed)
        return None if response is None else response.status_code


class Guesser(Traveller):
    """Tries wrong passwords on one account at all nodes at once."""

    def __init__(self, nodes: Sequence[str], authority: Path, username: str, seed: float) -> None:
        super().__init__(nodes, authority, username, seed)
        self.full_bursts = 0  # that no outage interrupted
        self.evaluated = 0
        self.too_many: list[str] = []
        self._victims = 0

    def enter(self) -> None:
        """It needs no account of its own."""

    def step(self) -> None:
        """Three times the limit, on somebody new."""
        victim = f"{self.username}-{self._victims}"
        self._victims += 1
        credentials = {"username": victim, "password": PASSWORD}
        self.insist("POST", "/register", (201, 409), json=credentials)
        began = time.monotonic()
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            statuses = [
                status
                for some in pool.map(lambda node: self._guess_at(node, victim), self.nodes)
                for status in some
            ]
        came_back = int((time.monotonic() - began) / _GUESS_COMES_BACK_SECONDS)
        evaluated = statuses.count(HTTPStatus.UNAUTHORIZED)
        refused = statuses.count(HTTPStatus.TOO_MANY_REQUESTS)
        self.evaluated += evaluated
        if evaluated > GUESSES + came_back:
            self.too_many.append(f"{victim}: {evaluated} wrong passwords were looked at")
        if evaluated + refused == len(self.nodes) * GUESSES:
            self.full_bursts += 1
            if evaluated < GUESSES:
                self.findings.unexpected.append(f"{victim}: only {evaluated} were looked at")
        self._stopping.wait(_PAUSE_BETWEEN)

    def _guess_at(self, node: str, victim: str) -> list[int]:
        credentials = {"username": victim, "password": "not " + PASSWORD}
        with self.visitor() as visitor:
            answers = [
                self.ask("POST", "/login", node=node, visitor=visitor, json=credentials)
                for _ in range(GUESSES)
            ]
        return [response.status_code for response in answers if response is not None]


def totals(clients: Sequence[Traveller]) -> tuple[Findings, Service]:
    """What all of them found."""
    findings, service = Findings(), Service()
    for client in clients:
        findings.add(client.findings)
        service.add(client.service)
    return findings, service
