"""A real server under attack: what is sent to it by hand, and what its database holds meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from config import Settings
from tests.support.dump import Dump, dump
from tests.support.people import PASSWORD
from tests.support.production import ProductionServer
from tests.support.server import Server
from tests.support.shared import SECURITY_HEADERS
from tests.support.wire import Reply, exchange, head
from utils.crypto import MasterKeys
from utils.db import Database, open_database
from utils.keyfile import read_master_key

SLOWEST = 5.0  # seconds; a second is what is promised, the rest is for a shared machine
JSON = "Content-Type: application/json"
TEXT = "Content-Type: text/plain"


@dataclass(frozen=True)
class Target:
    """A server on which alice is logged in and keeps ``before`` under the name a."""

    server: Server
    db: Database
    master: MasterKeys
    cookies: str

    def content(self) -> Dump:
        """All rows of all tables, each value opened."""
        return dump(self.db, self.master)

    def send(
        self, method: str, path: str, *lines: str, body: bytes = b"", hang_up: bool = False
    ) -> Reply:
        """A request of alice's with these header lines, and this as its body."""
        start = head(method, path, self.server.port, f"Cookie: {self.cookies}", *lines)
        return exchange(self.server.port, start, *([body] if body else []), hang_up=hang_up)

    def post_json(self, method: str, path: str, body: bytes, *lines: str) -> Reply:
        """A request with a whole JSON body of an honest length."""
        return self.send(method, path, JSON, f"Content-Length: {len(body)}", *lines, body=body)

    def bare_value(self, name: str) -> bytes | None:
        """The bytes of a secret of alice's; None if there is none."""
        reply = self.send("GET", f"/secrets/{name}", "Accept: application/octet-stream")
        return reply.body if reply.status == 200 else None


def flask_run(folder: Path) -> Server:
    """The development server, not started yet."""
    return Server(folder / "instance")


def granian(folder: Path) -> Server:
    """The production server, not started yet, which takes plain HTTP for once."""
    return ProductionServer(folder / "instance", {"SECRETS_ALLOW_PLAIN_HTTP": "true"})


SERVERS = (flask_run, granian)


@contextmanager
def under_attack(server: Server, database_url: str) -> Iterator[Target]:
    """*server*, running, with alice and her secret."""
    with server:
        master_key = read_master_key(server.instance / "master.key")
        assert master_key is not None
        credentials = {"username": "alice", "password": PASSWORD}
        requests.post(server.url + "/register", json=credentials, timeout=30).raise_for_status()
        login = requests.post(server.url + "/login", json=credentials, timeout=30)
        pairs = [line.partition(";")[0] for line in login.raw.headers.getlist("Set-Cookie")]
        url = database_url or Settings(INSTANCE_DIR=server.instance).database_url
        db = open_database(url, 5, 2)
        target = Target(server, db, MasterKeys([master_key]), "; ".join(pairs))
        body = b'{"name": "a", "secret": "before", "labels": {"env": "before"}}'
        assert target.post_json("POST", "/secrets", body).status == 201
        yield target
        db.close()


def assert_refused(reply: Reply, statuses: set[int]) -> None:
    """A whole problem, soon, with all headers, and without a word of what was sent."""
    assert reply.seconds < SLOWEST
    assert reply.status in statuses, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    found = json.loads(reply.body)
    assert found["status"] == reply.status
    assert found["request_id"] == reply.headers["X-Request-ID"]
    assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    everything = reply.body + str(reply.headers).encode()
    assert b"canary" not in everything.lower()
