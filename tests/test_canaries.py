"""Nothing secret reaches a disk, a log, an error or a command line.

A real server is given values that exist nowhere else, made to fail in every way we know, and then
all it wrote is searched for them.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from config import Settings
from models.times import utcnow
from tests.support import canaries
from tests.support.log import logged
from tests.support.postgres import start_postgres
from tests.support.server import Server
from utils.db import Database
from utils.store.system import PURPOSES
from utils.vault import open_store

# In every secret value and password, and wherever somebody might paste one by mistake.
MARK = f"canary{secrets.token_hex(12)}"
# In names and a label, which are not secret: what finds this would have found the other.
CONTROL = f"control{secrets.token_hex(12)}"


@dataclass
class Place:
    """A running server, and where all that it wrote can be found."""

    server: Server
    settings: Settings
    folders: list[Path]
    log: list[Path]
    flush: Callable[[], None]
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request of the one user there is."""
        return self.session.request(method, self.server.url + path, timeout=60, **options)

    def store(self) -> Database:
        """The server's database."""
        return open_store(self.settings, utcnow())[0]

    def places(self) -> list[Path]:
        """All files, except the one that holds the master key on purpose."""
        master_key = self.server.instance / "master.key"
        assert master_key.exists()
        return [path for path in canaries.files(self.folders + self.log) if path != master_key]


@pytest.fixture
def place(engine: str, tmp_path: Path) -> Iterator[Place]:
    """A server on each engine; PostgreSQL with a cluster that nothing else has written to."""
    instance = tmp_path / "instance"
    if engine == "sqlite":
        with Server(instance) as server:
            settings = Settings(INSTANCE_DIR=instance)
            yield Place(server, settings, [instance], [server.log], lambda: None)
        return
    with start_postgres() as postgres:
        url = postgres.create_database("canaries")

        def checkpoint() -> None:
            with psycopg.connect(postgres.url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")

        with Server(instance, {"SECRETS_DATABASE_URL": url}) as server:
            settings = Settings(INSTANCE_DIR=instance, DATABASE_URL=url)
            logs = [server.log, postgres.directory / "log"]
            yield Place(server, settings, [instance, postgres.directory / "data"], logs, checkpoint)


@pytest.mark.invariant(number=5)
def test_nothing_secret_is_written_anywhere(place: Place) -> None:
    """Neither values, passwords and tokens nor an unwrapped key of any level are in a file of
    the database, a log or the command line; and no error repeats what was sent."""
    tokens = _use_the_service(place)
    mistakes = _make_mistakes(place) + _break_the_server(place)
    wanted = canaries.needles({"value or password": MARK.encode(), **_keys(place), **tokens})
    for what, response in mistakes:
        said = repr(response.headers).encode() + response.content
        assert canaries.find_in(said, wanted) == [], what

    place.flush()
    assert canaries.find_in_files(place.places(), wanted) == []
    assert place.server.process is not None
    arguments = canaries.process_arguments(place.server.process.pid)
    assert b"flask" in arguments
    assert canaries.find_in(arguments, wanted) == []

    # The search can find: what need not be hidden is in the database and in the log.
    control = {"control": CONTROL.encode()}
    places = place.places()
    stored, logged = set(places) - set(place.log), place.log[:1]
    assert canaries.find_in_files(stored, control)
    assert canaries.find_in_files(logged, control)

    place.server.stop()
    assert canaries.find_in_files(place.places(), wanted) == []
    assert canaries.find_in(_audit_trail(place), wanted) == []


def _use_the_service(place: Place) -> dict[str, bytes]:
    """Everything that works. The tokens that were given out on the way."""
    credentials = {"username": CONTROL, "password": f"password {MARK}"}
    tokens: dict[str, bytes] = {}

    def collect() -> None:
        for cookie in place.session.cookies:
            assert cookie.value is not None
            tokens[f"{cookie.name} {len(tokens)}"] = cookie.value.encode()

    assert place.call("POST", "/register", json=credentials).status_code == 201
    assert place.call("POST", "/login", json=credentials).status_code == 200
    collect()
    assert place.call("POST", "/refresh").status_code == 200
    collect()
    assert len(tokens) == 4
    made = place.call("POST", "/tokens", json={"name": CONTROL, "scopes": ["read", "write"]})
    token = made.json()["token"]
    tokens["API token"] = token.encode()
    tokens["its secret half"] = token.split("_")[2].encode()
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(place.server.url + "/secrets", headers=bearer, timeout=60).ok
    name = f"/secrets/{CONTROL}"
    encoded = base64.b64encode(f"x{MARK}".encode()).decode()
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", f"{name}/text", {"json": {"secret": MARK, "labels": {"label": CONTROL}}}),
        ("PUT", f"{name}/text", {"json": {"secret": f"overwritten {MARK}"}}),
        ("PUT", f"{name}/bytes", {"json": {"secret": encoded, "encoding": "base64"}}),
        ("PUT", f"{name}/bare", {"data": MARK, "headers": {"Content-Type": "text/plain"}}),
        ("PUT", f"{name}/raw", {"data": MARK.encode() + b"\0\xff"}),
        ("PUT", f"{name}/long", {"json": {"secret": MARK * 1500}}),
        ("POST", "/secrets", {"json": {"name": f"{CONTROL}/new", "secret": f"xx{MARK}"}}),
        ("PATCH", f"{name}/new", {"json": {"secret": f"patched {MARK}"}}),
        ("DELETE", f"{name}/bare", {}),
    ]
    for method, path, options in bodies:
        assert place.call(method, path, **options).ok, (method, path)
    assert place.call("GET", f"{name}/bytes").json()["secret"] == encoded
    assert place.call("GET", f"{name}/long", headers={"Accept": "text/plain"}).text == MARK * 1500
    assert place.call("POST", "/keys:rotate").status_code == 202
    assert place.call("GET", f"{name}/text").json()["secret"] == f"overwritten {MARK}"
    return tokens


def _make_mistakes(place: Place) -> list[tuple[str, requests.Response]]:
    """Everything that a client can do wrong with a secret at hand."""
    put = ("PUT", "/secrets/a")
    plain = {"Content-Type": "application/json"}
    attempts: list[tuple[int, str, str, dict[str, Any]]] = [
        (401, "POST", "/login", {"json": {"username": CONTROL, "password": f"wrong {MARK}"}}),
        (401, "POST", "/login", {"json": {"username": MARK, "password": MARK}}),
        (409, "POST", "/register", {"json": {"username": CONTROL, "password": MARK}}),
        (401, "GET", f"/account?{MARK}={MARK}", {"cookies": {"access_token_cookie": MARK}}),
        (404, "GET", f"/{MARK}?token={MARK}", {"headers": {"User-Agent": MARK}}),
        (422, "GET", f"/secrets?limit={MARK}&{MARK}=1", {}),
        (404, "GET", f"/secrets/{MARK}//", {"headers": {"X-Request-ID": MARK}}),
        (422, "POST", "/register", {"json": {"username": f"{MARK} ", "password": MARK}}),
        (422, "POST", "/register", {"json": {"username": MARK, "password": MARK}}),
        (400, *put, {"data": f'{{"secret": "{MARK}"', "headers": plain}),
        (400, *put, {"data": f'{{"secret": 1, "{MARK}": 1, "{MARK}": 2}}', "headers": plain}),
        (400, *put, {"data": f'{{"secret": "{MARK}\xff"}}'.encode("latin-1"), "headers": plain}),
        (422, *put, {"json": {"secret": MARK, MARK: MARK}}),
        (422, *put, {"json": {"secret": [MARK]}}),
        (422, *put, {"json": [MARK]}),
        (422, *put, {"json": {"secret": MARK, "labels": {f"{MARK}!": MARK}}}),
        (422, *put, {"json": {"secret": MARK, "labels": {"label": f"{MARK}\n"}}}),
        (422, *put, {"json": {"secret": MARK, "expires_at": MARK}}),
        (422, *put, {"json": {"secret": MARK, "encoding": MARK}}),
        (422, *put, {"json": {"secret": f"{MARK}!", "encoding": "base64"}}),
        (413, *put, {"json": {"secret": MARK * 3000}}),
        (413, *put, {"json": {"secret": MARK * 30_000}}),
        (415, *put, {"data": MARK, "headers": {"Content-Type": f"text/{MARK}"}}),
        (400, *put, {"json": {"secret": MARK}, "headers": {"If-Match": MARK}}),
        (412, *put, {"json": {"secret": MARK}, "headers": {"If-Match": f'"{MARK}"'}}),
        (403, *put, {"json": {"secret": MARK}, "headers": {"Origin": f"https://{MARK}"}}),
        (409, "POST", "/secrets", {"json": {"name": f"{CONTROL}/text", "secret": MARK}}),
        (422, "POST", "/secrets", {"json": {"name": f"{MARK}//", "secret": MARK}}),
        (404, "PATCH", "/secrets/absent", {"json": {"secret": MARK}}),
        (406, "GET", f"/secrets/{CONTROL}/text", {"headers": {"Accept": f"text/{MARK}"}}),
        (401, "GET", "/secrets", {"headers": {"Authorization": f"Bearer {MARK}"}}),
        (422, "POST", "/tokens", {"json": {"name": "a", "scopes": [MARK]}}),
        (422, "POST", "/tokens", {"json": {"name": f"{MARK}!", "scopes": ["read"]}}),
        (422, "POST", "/tokens", {"json": {"name": "a", "scopes": ["read"], "cidrs": [MARK]}}),
        (401, "GET", "/account", {"cookies": {"access_token_cookie": MARK}}),
    ]
    mistakes = []
    for status, method, path, options in attempts:
        response = place.call(method, path, **options)
        what = f"{method} {path} {options}"
        assert response.status_code == status, (what, response.text)
        mistakes.append((what, response))
    return mistakes


def _break_the_server(place: Place) -> list[tuple[str, requests.Response]]:
    """What only a damaged or foreign database can cause: answers of 500, with frames logged."""
    db = place.store()
    with db.write() as tx:
        tx.run("UPDATE secret_versions SET ciphertext = 'no longer one'")
    unreadable = place.call("GET", f"/secrets/{CONTROL}/text")
    with db.write() as tx:
        tx.run("ALTER TABLE secret_versions RENAME TO elsewhere")
    crashed = place.call("PUT", "/secrets/a", json={"secret": f"crash {MARK}"})
    with db.write() as tx:
        tx.run("ALTER TABLE elsewhere RENAME TO secret_versions")
    db.close()
    assert (unreadable.status_code, crashed.status_code) == (500, 500)
    errors = [(line["problem"], line["method"]) for line in logged(place.server.log, "error")]
    assert ("secret-unreadable", "GET") in errors
    assert ("internal-error", "PUT") in errors
    return [("unreadable", unreadable), ("crashed", crashed)]


def _audit_trail(place: Place) -> bytes:
    """All that it says, now that the server has stopped: of what was read and refused, too."""
    db = place.store()
    with db.read() as tx:
        rows = tx.all("SELECT * FROM audit_events")
    db.close()
    said = repr(rows)
    for what in (CONTROL, "secret.read", "wrong-credentials", "invalid-fields"):
        assert what in said
    return said.encode()


def _keys(place: Place) -> dict[str, bytes]:
    """The keys of all three levels, opened: as text, and both halves of what it stands for."""
    master = (place.server.instance / "master.key").read_bytes().strip()
    db = place.store()
    keys = {"master key": master, **canaries.open_keys(db, master)}
    db.close()
    assert len(keys) == 3 + len(PURPOSES)  # two of them the user's: she rotated once
    return canaries.with_halves(keys)


@pytest.mark.parametrize("spelling", canaries.spellings(b"any"))
@pytest.mark.parametrize("before", range(3))
def test_the_search_finds_every_spelling(tmp_path: Path, spelling: str, before: int) -> None:
    """The instrument: a canary inside a longer text is found however the text is encoded."""
    text = b"b" * before + MARK.encode() + b"after"
    encoded = {
        "plain": text,
        "hex": text.hex().encode(),
        "HEX": text.hex().upper().encode(),
        "base64": base64.b64encode(text),
        "base64url": base64.urlsafe_b64encode(text),
    }[spelling.partition("+")[0]]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"\0" * 5000 + encoded + b"\0" * 5000)
    wanted = canaries.needles({"mark": MARK.encode()})
    found = canaries.find_in_files([tmp_path], wanted)
    assert any(spelling.partition("+")[0] in name for name in found)
    (tmp_path / "folder" / "file").write_bytes(json.dumps({"nothing": CONTROL}).encode())
    assert canaries.find_in_files([tmp_path], wanted) == []
