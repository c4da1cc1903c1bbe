"""Clients that use few secrets all at once, and write down when they asked what, and what came.

They do not look whether an answer is right: that nobody can tell before all have been put together.
All are threads of one process, so one clock times them all.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from tests.torture.one_secret import Answer, Asked, Operation
from tests.torture.writers import Client

PAIR = "the pair"
_PAIR = ("pair/left", "pair/right")  # only ever written together, only ever read together
_LABEL = "by"
_PATIENCE = 60  # seconds for one answer
_PAUSE = 0.01  # seconds, where nobody listens
_STAYS = 0.7  # how often a client goes on with the same secret, so that conditions may hold
_STATUS = {404: "absent", 409: "refused", 412: "refused"}
_WEIGHTS = {
    "read": 40,
    "put": 8,
    "put if-match": 14,
    "create": 5,
    "post": 4,
    "patch": 3,
    "patch if-match": 5,
    "label if-match": 5,
    "delete": 4,
    "delete if-match": 4,
    "batch": 8,
}


@dataclass
class Record:
    """What all clients wrote down. Appending to a list is safe between threads."""

    history: list[Operation] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)  # halves of the pair that do not agree
    unexpected: list[str] = field(default_factory=list)  # answers that no operation can have


@dataclass(frozen=True, slots=True)
class Sent:
    """An operation as a request."""

    method: str
    path: str
    asked: Asked
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.asked})"


class Recorder(Client):
    """One of the machines that share an account: it has an API token and a few secrets' names."""

    def __init__(
        self, urls: Sequence[str], name: str, seed: float, token: str, record: Record
    ) -> None:
        super().__init__(urls[0], name, seed)
        self._record = record
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connections = [
            http.client.HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE) for url in urls
        ]
        self._made = 0

    def enter(self) -> None:
        """It has a token already."""

    def run(self) -> None:
        """Work until stopped, and hang up."""
        super().run()
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self._connections:
            connection.close()

    def something_new(self) -> str:
        """A value or label that nobody else ever writes."""
        self._made += 1
        return f"{self.username}.{self._made}"

    def perform(self, secret: str, sent: Sent) -> Answer | None:
        """Send it to any of the servers, and write down what came of it."""
        came = self._exchange(sent)
        if came is None:
            return None  # it was never sent
        invoked, status, body, tag = came
        returned = time.monotonic_ns()
        answer = None
        if status == 503:  # unless it says that nothing was changed, nobody knows
            answer = Answer("busy") if b":database-busy" in body else None
        elif status != 0:
            try:
                answer = self.understand(sent, status, body, tag)
            except (KeyError, ValueError):
                text = body.decode(errors="replace")[:300]
                self._record.unexpected.append(f"{sent} was answered {status} {text}")
        self._record.history.append(
            Operation(self.username, secret, sent.asked, answer, invoked, returned)
        )
        return answer

    def understand(self, sent: Sent, status: int, body: bytes, tag: str | None) -> Answer:
        """What the answer tells. Raises KeyError or ValueError if it is none."""
        if status in _STATUS:
            return Answer("absent" if status == 404 else "refused")
        if status not in (200, 201):
            raise ValueError(status)
        told = json.loads(body)
        if sent.asked.verb == "delete":
            return Answer("done")
        if "secrets" in told:  # a batch, of one
            (told,) = told["secrets"]
        created = status == 201 if sent.method in ("PUT", "POST") and tag else None
        label = told["labels"].get(_LABEL, "")
        value = told["secret"] if sent.asked.verb == "read" else None
        return Answer("done", told["version"], value, label, tag, created)

    def _exchange(self, sent: Sent) -> tuple[int, int, bytes, str | None] | None:
        """When it was sent, and status, body and ETag; status 0 where the answer did not come, and
        None for a request that never went out."""
        connection = self.random.choice(self._connections)
        headers, body = {**self._headers, **sent.headers}, None
        if sent.body is not None:
            headers["Content-Type"], body = "application/json", json.dumps(sent.body)
        invoked = time.monotonic_ns()
        if connection.sock is None:
            try:
                connection.connect()
            except OSError:
                connection.close()
                time.sleep(_PAUSE)
                return None
        try:
            connection.request(sent.method, sent.path, body, headers)
            response = connection.getresponse()
            return invoked, response.status, response.read(), response.headers["ETag"]
        except (OSError, http.client.HTTPException):
            connection.close()
            return invoked, 0, b"", None


class Contender(Recorder):
    """Reads, writes, changes and deletes a few secrets that all others use too."""

    def __init__(
        self,
        urls: Sequence[str],
        name: str,
        seed: float,
        token: str,
        record: Record,
        secrets: Sequence[str],
    ) -> None:
        super().__init__(urls, name, seed, token, record)
        self._secrets = secrets
        self._at = self.random.choice(secrets)
        self._seen: dict[str, Answer] = {}  # the newest that this client was told

    def step(self) -> None:
        """One operation."""
        if self.random.random() > _STAYS:
            self._at = self.random.choice(self._secrets)
        self.do(self._at, self.random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0])

    def do(self, name: str, what: str) -> None:
        """That very operation; one that needs a tag reads instead if this client knows none."""
        verb, _, condition = what.partition(" ")
        seen = self._seen.get(name, Answer("absent"))
        if condition == "if-match" and seen.tag is None:
            verb = "read"
        if verb == "batch":
            version = self.random.choice([None, seen.version or 0])
            sent = _batch([name], self.something_new(), version)
        else:
            sent = _request(verb, name, self.something_new())
        if condition == "if-match" and seen.tag is not None:
            asked = replace(sent.asked, if_tag=seen.tag)
            sent = replace(sent, asked=asked, headers={"If-Match": seen.tag})
        answer = self.perform(name, sent)
        if answer is not None:
            self._seen[name] = answer


class Pairer(Recorder):
    """Writes and reads two secrets, always both in one batch: to it they are one secret."""

    def __init__(
        self, urls: Sequence[str], name: str, seed: float, token: str, record: Record
    ) -> None:
        super().__init__(urls, name, seed, token, record)
        self._version = 0  # the newest that this client was told

    def step(self) -> None:
        """Read both, or write both."""
        if self.random.random() < 0.5:
            self.read()
        else:
            condition = self.random.choice([None, self._version])
            self._do(_batch(_PAIR, self.something_new(), condition))

    def read(self) -> None:
        """Read both."""
        self._do(Sent("POST", "/secrets:batchGet", Asked("read"), {"names": _PAIR}))

    def _do(self, sent: Sent) -> None:
        answer = self.perform(PAIR, sent)
        if answer is not None and answer.version is not None:
            self._version = answer.version

    def understand(self, sent: Sent, status: int, body: bytes, tag: str | None) -> Answer:
        """Both halves as one; two that do not agree are a fault of their own."""
        if status == 412:
            return Answer("refused")
        if status != 200:
            raise ValueError(status)
        told = json.loads(body)
        if len(told.get("errors", ())) == len(_PAIR):
            return Answer("absent")
        halves = {(one["version"], one.get("secret")) for one in told["secrets"]}
        if len(halves) != 1 or told.get("errors"):
            self._record.torn.append(f"{sent} was answered {body.decode()[:300]}")
        version, value = max(halves)
        return Answer("done", version, value)


def _request(verb: str, name: str, new: str) -> Sent:
    """On a secret of that name, with something new for whatever it sets."""
    path, body = f"/secrets/{name}", {"secret": new}
    only_new = Asked("set", new, only_new=True)
    return {
        "read": Sent("GET", path, Asked("read")),
        "put": Sent("PUT", path, Asked("set", new), body),
        "create": Sent("PUT", path, only_new, body, {"If-None-Match": "*"}),
        "post": Sent("POST", "/secrets", only_new, {"name": name, **body}),
        "patch": Sent("PATCH", path, Asked("patch", new), body),
        "label": Sent("PATCH", path, Asked("patch", label=new), {"labels": {_LABEL: new}}),
        "delete": Sent("DELETE", path, Asked("delete")),
    }[verb]


def _batch(names: Sequence[str], value: str, condition: int | None) -> Sent:
    """The same value for all, each on the same condition."""
    write = {"secret": value} if condition is None else {"secret": value, "if_version": condition}
    return Sent(
        "POST",
        "/secrets:batchWrite",
        Asked("set", value, if_version=condition),
        {"writes": [{"name": name, **write} for name in names]},
    )


def wait_for(operations: int, record: Record, clients: Sequence[Recorder]) -> None:
    """Let the clients work until so many operations are written down.

    Raises what ended a client, and TimeoutError if nothing goes on any more.
    """
    before, deadline = -1, 0.0
    while (done := len(record.history)) < operations:
        for client in clients:
            if not client.is_alive():
                client.finish()
        if done != before:
            before, deadline = done, time.monotonic() + 2 * _PATIENCE
        if time.monotonic() > deadline:
            raise TimeoutError(f"the clients do not get beyond {done} operations")
        time.sleep(0.005)
