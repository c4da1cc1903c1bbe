"""An installation that has seen everything: at least a row in each table, something in each column.

:func:`live_in` makes one through the API and the commands; :func:`assert_as_it_was_left` reads all
of it, wherever it has been carried meanwhile and whatever schema it was made with.
"""

from __future__ import annotations

import base64
import re
from dataclasses import asdict, dataclass

from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import Machine, made
from tests.support.people import Person
from tests.support.rotation import assert_sound, number, rotate
from tests.support.shared import refusal
from tests.support.tokens import ACCESS, REFRESH, cookie
from utils.audit_check import verify_all
from utils.vault import Vault
from utils.verify import verify

TEXTS = ["hunter1", "hunter2", "grüße ✓\n\ttab and \\ backslash, 'quotes', \"more\"; -- $1 %s ?"]
BYTES = bytes(range(256))
NEVER = "2999-12-31T00:00:00.000000Z"
LARGEST = "x" * 5000  # more than a page
LIVE = {"db/password", "db/key", "empty", "large", "lent", "lasting", "again"}


@dataclass(frozen=True)
class Left:
    """What cannot be known beforehand, and is needed to come back."""

    token: str
    access: str
    refresh: str
    next_version: int  # a number of secret_versions that was never given out

    def facts(self) -> dict[str, str | int]:
        """As JSON keeps it."""
        return asdict(self)


def live_in(settings: Settings) -> Left:
    """Fill the database of *settings*, which is empty, and leave it closed."""
    app = create_app(settings.model_copy(update={"REQUESTS_PER_MINUTE_SOURCE": 100}))
    alice, bob, carol = (_newcomer(app, name) for name in ("alice", "bob", "carol"))
    for text in TEXTS:
        _ok(alice.put("/secrets/db/password", json={"secret": text, "labels": {"env": "live"}}))
    _ok(alice.put("/secrets/db/key", data=BYTES, content_type="application/octet-stream"))
    _ok(alice.put("/secrets/lasting", json={"secret": "a", "expires_at": NEVER}))
    for name, text in (("empty", ""), ("large", LARGEST), ("lent", "mine"), ("gone", "b")):
        _ok(alice.put(f"/secrets/{name}", json={"secret": text}))
    _ok(alice.post("/secrets/lent:share", json={"username": "bob", "permission": "write"}))
    _ok(alice.post("/secrets/empty:share", json={"username": "bob", "permission": "read"}))
    _ok(bob.patch("/shared/alice/lent", json={"secret": "from bob"}))
    _ok(carol.put("/secrets/hers", json={"secret": "destroyed with her account"}))
    _ok(carol.delete("/account", json={"password": carol.password}))
    token: str = made(alice, "job", scopes=["read"])["token"]
    made(alice, "narrow", prefixes=["db/", "a"], cidrs=["10.0.0.0/8"], expires_in=3600)
    _ok(Machine(app, token).get("/secrets/empty"))
    _rotate(app)
    wrong = {"username": "bob", "password": "not what it is, for sure"}
    assert refusal(bob.post("/login", json=wrong)) == (401, "wrong-credentials")
    _ok(alice.delete("/secrets/gone"))
    for text in ("first life", "newest"):
        _ok(alice.put("/secrets/again", json={"secret": text}))
    _ok(alice.post("/secrets/again:destroy", json={"versions": [1]}))
    _ok(alice.put("/secrets/last", json={"secret": "its number is never given out again"}))
    with vault_of(app).db.read() as tx:
        (row,) = tx.all("SELECT max(id) FROM secret_versions")
    _ok(alice.post("/secrets/last:destroy", json={"all": True}))
    _ok(alice.post("/keys:rotate"))  # what follows is left stale
    invited = app.test_cli_runner().invoke(args=["users", "create", "dave"])
    assert invited.exit_code == 0, invited.output
    left = Left(token, cookie(alice, ACCESS), cookie(alice, REFRESH), int(row[0]) + 1)
    vault_of(app).pace.settle(vault_of(app).db, utcnow())
    vault_of(app).close()
    return left


def assert_as_it_was_left(settings: Settings, left: Left, *, sessions: bool) -> None:
    """Everything reads, fits its MACs, and can go on; with *sessions*, those that were open still
    are (they last for some days only)."""
    app = create_app(settings)
    vault = vault_of(app)
    try:
        _assert_sound(vault)
        alice, bob = Person(app, "alice"), Person(app, "bob")
        if sessions:
            for name, value in ((ACCESS, left.access), (REFRESH, left.refresh)):
                alice.client.set_cookie(name, value, secure=True)
            _ok(alice.get("/account"))
            _ok(alice.post("/refresh"))
        else:
            _ok(alice.login())
        _ok(bob.login())
        _assert_readable(alice, bob, Machine(app, left.token))
        assert refusal(Person(app, "carol").register()) == (409, "already-exists")
        _assert_it_goes_on(vault, alice, left)
    finally:
        vault.close()
    _assert_sound(vault)
    vault.close()


def _assert_sound(vault: Vault) -> None:
    assert_sound(vault)
    assert verify(vault.db, vault.master, lambda _done: None).faults == []
    chains = list(verify_all(vault.db, vault.audit.key))
    assert [fault for _, _, fault in chains if fault is not None] == []
    assert len(chains) >= 5, "the system, alice, bob, carol, dave"


def _assert_readable(alice: Person, bob: Person, job: Machine) -> None:
    names = alice.get("/secrets?limit=100").json["secrets"]  # type: ignore[index]
    assert {one["name"] for one in names} == LIVE
    deleted = alice.get("/secrets?deleted=true").json["secrets"]  # type: ignore[index]
    assert [one["name"] for one in deleted] == ["gone"]
    for version, text in enumerate(TEXTS, 1):
        shown = alice.get(f"/secrets/db/password?version={version}").json
        assert shown is not None
        assert (shown["secret"], shown["labels"]) == (text, {"env": "live"})
    key = alice.get("/secrets/db/key").json
    assert key is not None
    assert base64.b64decode(key["secret"]) == BYTES
    assert alice.get("/secrets/lasting").json["expires_at"] == NEVER  # type: ignore[index]
    for name, text in (
        ("empty", ""),
        ("large", LARGEST),
        ("lent", "from bob"),
        ("again", "newest"),
    ):
        assert alice.secret(name) == text
        assert job.secret(name) == text
    for name, text in (("lent", "from bob"), ("empty", "")):
        shared = bob.get(f"/shared/alice/{name}")
        assert (shared.status_code, shared.json["secret"]) == (200, text)  # type: ignore[index]
    versions = alice.get("/secrets/lent:versions").json["versions"]  # type: ignore[index]
    assert [one["by"] for one in versions] == ["bob", "alice"]
    tokens = alice.get("/tokens").json["tokens"]  # type: ignore[index]
    assert {one["name"] for one in tokens} == {"job", "narrow"}
    (narrow,) = (one for one in tokens if one["name"] == "narrow")
    assert (narrow["prefixes"], narrow["cidrs"]) == (["a", "db/"], ["10.0.0.0/8"])
    states = [one["state"] for one in alice.get("/keys").json["keys"]]  # type: ignore[index]
    assert sorted(states) == ["current", "destroyed", "retired"]
    events = alice.get("/audit?action=secret.share").json["events"]  # type: ignore[index]
    assert {one["name"] for one in events} == {"lent", "empty"}


def _assert_it_goes_on(vault: Vault, alice: Person, left: Left) -> None:
    """New rows get numbers that no row ever had, and the next rotation finds what is stale."""
    _ok(alice.put("/secrets/new", json={"secret": "written afterwards"}))
    newest = "SELECT max(id) FROM secret_versions"
    assert number(vault, newest) == left.next_version
    rotated = rotate(vault.settings, "--json", MASTER_KEYS=",".join(vault.settings.MASTER_KEYS))
    assert (rotated.status, rotated.err) == (0, "")
    assert rotated.json["reencrypted"] > 0
    assert alice.secret("new") == "written afterwards"
    _ok(alice.delete("/secrets/new"))
    _ok(alice.post("/secrets/new:destroy", json={"all": True}))


def _rotate(app: Flask) -> None:
    done = rotate(vault_of(app).settings, "--all")
    assert (done.status, done.err) == (0, ""), done
    assert re.search(r"destroyed: [1-9]", done.out)


def _newcomer(app: Flask, name: str) -> Person:
    someone = Person(app, name)
    _ok(someone.register())
    _ok(someone.login())
    return someone


def _ok(response: TestResponse) -> None:
    assert response.status_code in {200, 201, 202}, response.text
    response.close()  # and do what is done after an answer
