"""Sharing: an owner lets somebody read a secret, or write its value, and ends it again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from models.grants import MAX_GRANTS
from models.rows import SecretId
from models.times import rfc3339, utcnow
from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.api_tokens import machine, missing
from tests.support.people import Person
from tests.support.rotation import number, run
from tests.support.shared import indistinct, newcomer, pointers, refusal, shared_app, unique
from tests.support.sharing import fill, given, path_of, read, received, shared, unshared, write
from utils.store import grants
from utils.vault import Vault

SHARED_FIELDS = {
    *("owner", "name", "permission", "granted_at"),
    *("version", "created_at", "updated_at", "expires_at"),
}


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for the whole module, on each engine."""
    with shared_app(request, request.param, tmp_path_factory) as application:
        yield application


@pytest.fixture
def vault(app: Flask) -> Vault:
    """What the application works with, to look behind the API."""
    return vault_of(app)


@pytest.fixture
def ada(app: Flask) -> Person:
    """Somebody with a secret that has two versions and a label."""
    someone = newcomer(app, "ada")
    someone.put("/secrets/db", json={"secret": "first", "labels": {"team": "canary-label"}})
    someone.put("/secrets/db", json={"secret": "second"})
    return someone


@pytest.fixture
def bob(app: Flask) -> Person:
    """Somebody who has nothing yet."""
    return newcomer(app, "bob")


# --- granting ----------------------------------------------------------------------------------


def test_a_shared_secret_is_read_by_the_grantee(ada: Person, bob: Person) -> None:
    """Value, dates and the grant; not the labels, which are the owner's notes."""
    answer = shared(ada, "db", bob)
    assert answer.status_code == 201
    granted = answer.json
    assert granted is not None
    assert {**granted, "granted_at": ""} == {
        "username": bob.username,
        "permission": "read",
        "granted_at": "",
    }
    own, found = ada.get("/secrets/db"), bob.get(path_of(ada, "db"))
    assert own.json is not None
    expected = {key: own.json[key] for key in SHARED_FIELDS & set(own.json)}
    assert found.json == {
        **expected,
        "owner": ada.username,
        "secret": "second",
        "encoding": "text",
        "permission": "read",
        "granted_at": granted["granted_at"],
    }
    assert set(found.json) == SHARED_FIELDS | {"secret", "encoding"}
    assert "canary" not in found.text
    assert found.headers["ETag"] == own.headers["ETag"]


def test_both_see_the_grant(ada: Person, bob: Person) -> None:
    """The owner with whom, the grantee what and whose; no list carries the value."""
    shared(ada, "db", bob, "write")
    (told,) = given(ada, "db")
    assert (told["username"], told["permission"]) == (bob.username, "write")
    (found,) = received(bob)
    assert set(found) == SHARED_FIELDS
    assert (found["owner"], found["name"], found["version"]) == (ada.username, "db", 2)
    assert found["granted_at"] == told["granted_at"]
    assert received(ada) == []


def test_sharing_again_changes_the_permission_and_nothing_else(ada: Person, bob: Person) -> None:
    """201 the first time and 200 after that; one grant, since when it was first given."""
    answers = [shared(ada, "db", bob, permission) for permission in ("read", "read", "write")]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json["granted_at"] for answer in answers}) == 1  # type: ignore[index]
    assert [row["permission"] for row in given(ada, "db")] == ["write"]
    assert write(bob, ada, "db", "bob's").status_code == 200
    assert shared(ada, "db", bob, "read").status_code == 200
    assert refusal(write(bob, ada, "db", "again")) == (403, "read-only")


def test_a_username_is_taken_in_any_case(ada: Person, bob: Person) -> None:
    """As everywhere: kept in lower case, typed as one likes, in bodies and URLs."""
    assert shared(ada, "db", bob.username.upper()).status_code == 201
    assert bob.get(path_of(ada, "db").replace("ada", "ADA")).status_code == 200
    unshare = ada.post("/secrets/db:unshare", json={"username": bob.username.title()})
    assert unshare.json == {"username": bob.username, "unshared": True}


def test_an_ended_grant_ends_at_once(ada: Person, bob: Person) -> None:
    """Read, write and list; and it cannot be ended twice."""
    shared(ada, "db", bob, "write")
    assert unshared(ada, "db", bob).status_code == 200
    assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
    assert given(ada, "db") == received(bob) == []
    assert refusal(unshared(ada, "db", bob)) == (404, "not-found")
    assert shared(ada, "db", bob).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"permission": "read"}, {"#/username"}),
        ({"username": "bob"}, {"#/permission"}),
        ({"username": "bob", "permission": "admin"}, {"#/permission"}),
        ({"username": "bob", "permission": None}, {"#/permission"}),
        ({"username": "no spaces", "permission": "read"}, {"#/username"}),
        ({"username": "bob", "permission": "read", "expires_at": None}, {"#"}),
        ({"username": "nobody-has-this-name", "permission": "read"}, {"#/username"}),
    ],
)
def test_what_cannot_be_granted_is_refused(
    ada: Person, body: dict[str, Any], expected: set[str]
) -> None:
    """A name that nobody has is told: whoever shares must know that it reached nobody."""
    assert pointers(ada.post("/secrets/db:share", json=body)) == expected
    assert given(ada, "db") == []


def test_nobody_shares_with_themselves(ada: Person) -> None:
    """It would be a second way to one's own secret, with other rules."""
    assert pointers(shared(ada, "db", ada, "write")) == {"#/username"}


def test_a_deleted_account_is_nobody(app: Flask, ada: Person) -> None:
    """The same words as for a name that never was."""
    gone = newcomer(app, "gone")
    assert gone.delete("/account", json={"password": gone.password}).status_code == 200
    unknown = shared(ada, "db", unique("unknown"))
    assert indistinct(shared(ada, "db", gone)) == indistinct(unknown)


def test_a_secret_that_is_not_there_is_not_shared(ada: Person, bob: Person) -> None:
    """Absent, deleted, expired, impossible and somebody else's: 404, whoever the grantee is."""
    bob.put("/secrets/own", json={"secret": "x"})
    ada.put("/secrets/gone", json={"secret": "x"})
    ada.delete("/secrets/gone")
    ada.put("/secrets/over", json={"secret": "x", "expires_at": "2001-01-01T00:00:00Z"})
    answers = [
        answer
        for name in ("absent", "gone", "over", "a//b", "own")
        for answer in (
            shared(ada, name, bob),
            shared(ada, name, unique("unknown")),
            unshared(ada, name, bob),
            ada.get(f"/secrets/{name}:shares"),
        )
    ]
    assert len({repr(indistinct(answer)) for answer in answers}) == 1
    assert refusal(answers[0]) == (404, "not-found")


def test_a_secret_has_so_many_grants_and_no_more(app: Flask, vault: Vault, ada: Person) -> None:
    """The last one allowed is made, the next one not; a change of one there is still works."""
    first, last, over = (newcomer(app, name) for name in ("first", "last", "over"))
    shared(ada, "db", first)
    secret = number(vault, "SELECT max(secret_id) FROM grants")
    fill(vault, secret, MAX_GRANTS - 2)
    assert shared(ada, "db", last).status_code == 201
    assert refusal(shared(ada, "db", over)) == (409, "limit-reached")
    assert shared(ada, "db", last, "write").status_code == 200
    assert unshared(ada, "db", first).status_code == 200
    assert shared(ada, "db", over).status_code == 201


# --- reading -----------------------------------------------------------------------------------


def test_the_bare_value_and_an_unchanged_one(ada: Person, bob: Person) -> None:
    """Accept and If-None-Match mean what they mean at /secrets."""
    ada.put(
        "/secrets/cert", data=b"\x00\xff\n", headers={"Content-Type": "application/octet-stream"}
    )
    shared(ada, "cert", bob)
    path = path_of(ada, "cert")
    assert bob.get(path).json["secret"] == "AP8K"  # type: ignore[index]
    bare = bob.get(path, headers={"Accept": "application/octet-stream"})
    assert (bare.data, bare.content_type) == (b"\x00\xff\n", "application/octet-stream")
    assert refusal(bob.get(path, headers={"Accept": "text/plain"})) == (406, "not-acceptable")
    seen = bob.get(path).headers["ETag"]
    assert seen != bare.headers["ETag"]
    for tag in (seen, bare.headers["ETag"]):
        accept = "application/json" if tag == seen else "application/octet-stream"
        headers = {"If-None-Match": tag, "Accept": accept}
        assert bob.get(path, headers=headers).status_code == 304
        assert bob.get(path, headers=headers).data == b""
    ada.put("/secrets/cert", json={"secret": "new"})
    assert bob.get(path, headers={"If-None-Match": seen}).json["secret"] == "new"  # type: ignore[index]


def test_only_the_newest_version_is_shared(ada: Person, bob: Person) -> None:
    """What it was before the colleague came is none of their business."""
    shared(ada, "db", bob, "write")
    assert pointers(bob.get(path_of(ada, "db") + "?version=1")) == {"?"}
    assert read(bob, ada, "db") == (200, "second")


def test_lists_go_from_page_to_page(app: Flask, ada: Person, bob: Person) -> None:
    """Newest first, each grant once, those of all owners or of one."""
    carol = newcomer(app, "carol")
    for owner in (ada, carol):
        for name in ("a", "b", "c"):
            owner.put(f"/secrets/{name}", json={"secret": "x"})
            shared(owner, name, bob)
    expected = [(who.username, name) for who in (carol, ada) for name in ("c", "b", "a")]
    for limit in ("1", "2", "6", "50"):
        rows = received(bob, limit=limit)
        assert [(row["owner"], row["name"]) for row in rows] == expected
        rows = received(bob, limit=limit, owner=ada.username.upper())
        assert [(row["owner"], row["name"]) for row in rows] == expected[3:]
    assert received(bob, owner=unique("nobody")) == []
    for name in ("x", "y", "z"):
        shared(ada, "a", newcomer(app, name))
    told = given(ada, "a", limit="1")
    assert [row["username"].partition("-")[0] for row in told] == ["z", "y", "x", "bob"]


@pytest.mark.parametrize("cursor", ["x", "1.x", "0." + "a" * 22, "1." + "a" * 23, ""])
def test_a_cursor_that_is_none_is_refused(ada: Person, cursor: str) -> None:
    """In both lists."""
    for path in ("/shared", "/secrets/db:shares"):
        assert pointers(ada.get(path, query_string={"cursor": cursor})) == {"?cursor"}


# --- writing -----------------------------------------------------------------------------------


def test_a_write_is_the_grantees_and_the_secret_stays_the_owners(
    vault: Vault, ada: Person, bob: Person
) -> None:
    """The version carries who wrote it; it is sealed with the owner's key, and the owner reads it;
    labels and expiry stay."""
    ada.patch("/secrets/db", json={"expires_at": "2100-01-01T00:00:00Z"})
    shared(ada, "db", bob, "write")
    answer = write(bob, ada, "db", "bob's")
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == SHARED_FIELDS
    assert (answer.json["version"], answer.json["owner"]) == (3, ada.username)
    own = ada.get("/secrets/db")
    assert own.json is not None
    assert (own.json["secret"], own.json["version"]) == ("bob's", 3)
    assert own.json["labels"] == {"team": "canary-label"}
    assert own.json["expires_at"] == "2100-01-01T00:00:00.000000Z"
    assert own.headers["ETag"] == answer.headers["ETag"]
    with vault.db.read() as tx:
        rows = tx.all(
            "SELECT v.number, v.author, v.credential, k.owner_id = s.owner_id, u.username "
            "FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
            "JOIN users u ON u.id = s.owner_id JOIN user_keys k ON k.id = v.key_id "
            "WHERE u.username = ? ORDER BY v.number",
            ada.username,
        )
    assert [
        (n, author, credential, bool(own), who) for n, author, credential, own, who in rows
    ] == [
        (1, ada.username, "session", True, ada.username),
        (2, ada.username, "session", True, ada.username),
        (3, bob.username, "session", True, ada.username),
    ]


def test_a_write_honours_if_match(ada: Person, bob: Person) -> None:
    """Two who may write can't lose each other's change."""
    shared(ada, "db", bob, "write")
    stale = bob.get(path_of(ada, "db")).headers["ETag"]
    ada.patch("/secrets/db", json={"labels": {}})
    late = write(bob, ada, "db", "x", headers={"If-Match": stale})
    assert refusal(late) == (412, "precondition-failed")
    assert ada.secret("db") == "second"
    tag = bob.get(path_of(ada, "db")).headers["ETag"]
    assert write(bob, ada, "db", "x", headers={"If-Match": tag}).status_code == 200
    blocked = write(bob, ada, "db", "y", headers={"If-None-Match": "*"})
    assert refusal(blocked) == (412, "precondition-failed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"#/secret"}),
        ({"secret": None}, {"#/secret"}),
        ({"secret": "x", "labels": {}}, {"#"}),
        ({"secret": "x", "expires_at": None}, {"#"}),
        ({"secret": "x", "name": "mine"}, {"#"}),
        ({"secret": "not base64", "encoding": "base64"}, {"#/secret"}),
        ({"secret": "x", "encoding": "hex"}, {"#/encoding"}),
        ({"encoding": "text"}, {"#/secret"}),
    ],
)
def test_a_grantee_writes_the_value_and_nothing_else(
    ada: Person, bob: Person, body: dict[str, Any], expected: set[str]
) -> None:
    """Labels, expiry and name are the owner's."""
    shared(ada, "db", bob, "write")
    before = ada.get("/secrets/db").json
    assert pointers(bob.patch(path_of(ada, "db"), json=body)) == expected
    assert ada.get("/secrets/db").json == before


def test_a_value_too_large_is_refused(ada: Person, bob: Person) -> None:
    """The same limit as everywhere; bytes come as base64."""
    shared(ada, "db", bob, "write")
    assert refusal(write(bob, ada, "db", "x" * 65_537)) == (413, "too-large")
    body = {"secret": "AP8K", "encoding": "base64"}
    assert bob.patch(path_of(ada, "db"), json=body).status_code == 200
    assert ada.get("/secrets/db", headers={"Accept": "*/*"}).json["secret"] == "AP8K"  # type: ignore[index]


def test_reading_is_not_writing(ada: Person, bob: Person) -> None:
    """With a grant to read, a write is refused in words that say so, whatever its condition."""
    shared(ada, "db", bob, "read")
    for headers in ({}, {"If-Match": '"stale"'}):
        assert refusal(write(bob, ada, "db", "x", headers=headers)) == (403, "read-only")
    assert ada.get("/secrets/db").json["version"] == 2  # type: ignore[index]


def test_tokens_reach_nothing_of_sharing(ada: Person, bob: Person) -> None:
    """Neither to share nor to read or write what is shared, with all the scopes there are."""
    shared(ada, "db", bob, "write")
    hers, his = machine(ada), machine(bob)
    body = {"username": bob.username, "permission": "write"}
    sentences = {
        missing(answer)
        for answer in (
            hers.post("/secrets/db:share", json=body),
            hers.post("/secrets/db:unshare", json={"username": bob.username}),
            hers.get("/secrets/db:shares"),
            his.get("/shared"),
            his.get(path_of(ada, "db")),
            his.get(path_of(ada, "absent")),
            his.patch(path_of(ada, "db"), json={"secret": "x"}),
        )
    }
    assert len(sentences) == 1
    assert len(given(ada, "db")) == 1


def test_a_grant_outlives_a_new_name(vault: Vault, ada: Person, bob: Person) -> None:
    """It belongs to the secret, not to what it is called."""
    shared(ada, "db", bob)
    run(vault, "UPDATE secrets SET name = 'db2' WHERE id = ?", only_secret(vault, ada))
    assert read(bob, ada, "db")[0] == 404
    assert read(bob, ada, "db2") == (200, "second")
    assert [row["name"] for row in received(bob)] == ["db2"]


def only_secret(vault: Vault, owner: Person) -> SecretId:
    """The number of the one secret that *owner* has."""
    owned = "SELECT s.id FROM secrets s JOIN users u ON u.id = s.owner_id WHERE u.username = ?"
    return SecretId(number(vault, owned, owner.username))


# --- the end of grants -------------------------------------------------------------------------


def test_a_deleted_secret_loses_its_grants(vault: Vault, ada: Person, bob: Person) -> None:
    """They don't come back with its next life."""
    shared(ada, "db", bob, "write")
    secret = only_secret(vault, ada)
    ada.delete("/secrets/db")
    assert number(vault, "SELECT count(*) FROM grants WHERE secret_id = ?", secret) == 0
    assert read(bob, ada, "db")[0] == 404
    assert received(bob) == []
    ada.put("/secrets/db", json={"secret": "new life"})
    assert only_secret(vault, ada) == secret
    assert read(bob, ada, "db")[0] == 404
    assert given(ada, "db") == []


_NEW = {"name": "db", "secret": "new life"}
BEGINNINGS: dict[str, tuple[str, str, Any]] = {
    "put": ("PUT", "/secrets/db", {"secret": "new life"}),
    "post": ("POST", "/secrets", _NEW),
    "batch": ("POST", "/secrets:batchWrite", {"writes": [{"name": "z", "secret": ""}, _NEW]}),
    "import": ("POST", "/secrets:import", {"db": "new life"}),
}


@pytest.mark.parametrize("how", BEGINNINGS)
def test_an_expired_secret_is_closed_and_its_grants_end_with_its_next_life(
    ada: Person, bob: Person, how: str
) -> None:
    """What was granted was that life's, however the next one begins."""
    soon = utcnow() + timedelta(minutes=5)
    ada.patch("/secrets/db", json={"expires_at": rfc3339(soon)})
    shared(ada, "db", bob, "write")
    assert read(bob, ada, "db") == (200, "second")
    with time_machine.travel(soon, tick=False):
        assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
        assert received(bob) == []
        method, path, body = BEGINNINGS[how]
        assert ada.request(method, path, json=body).status_code in {200, 201}
        assert ada.secret("db") == "new life"
        assert read(bob, ada, "db")[0] == 404
        assert given(ada, "db") == received(bob) == []


def test_nothing_is_left_of_an_account_that_is_deleted(
    app: Flask, vault: Vault, ada: Person, bob: Person
) -> None:
    """Neither what it granted nor what it was granted; other grants stay."""
    carol = newcomer(app, "carol")
    bob.put("/secrets/own", json={"secret": "bob's"})
    shared(ada, "db", bob)
    shared(bob, "own", ada)
    shared(ada, "db", carol)
    assert bob.delete("/account", json={"password": bob.password}).status_code == 200
    assert [row["username"] for row in given(ada, "db")] == [carol.username]
    assert received(ada) == []
    assert read(ada, bob, "own")[0] == 404
    assert read(carol, ada, "db") == (200, "second")


def test_a_disabled_owner_shows_nothing_and_an_enabled_one_again(
    app: Flask, ada: Person, bob: Person
) -> None:
    """Whoever got hold of the account may have shared with themselves: disabling ends that too."""
    commands = app.test_cli_runner()
    shared(ada, "db", bob, "write")
    assert commands.invoke(args=["users", "disable", ada.username]).exit_code == 0
    assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
    assert received(bob) == []
    assert commands.invoke(args=["users", "enable", ada.username]).exit_code == 0
    assert read(bob, ada, "db") == (200, "second")
    assert len(received(bob)) == 1


def test_a_disabled_grantee_can_be_granted_and_use_nothing(
    app: Flask, ada: Person, bob: Person
) -> None:
    """Whether an account is disabled is nobody else's business."""
    commands = app.test_cli_runner()
    assert commands.invoke(args=["users", "disable", bob.username]).exit_code == 0
    assert shared(ada, "db", bob).status_code == 201
    assert refusal(bob.get(path_of(ada, "db"))) == (401, "not-authenticated")
    assert commands.invoke(args=["users", "enable", bob.username]).exit_code == 0
    assert bob.login().status_code == 200
    assert read(bob, ada, "db") == (200, "second")


def test_ending_no_grants_is_no_trouble(vault: Vault) -> None:
    """Most secrets have none."""
    with vault.db.write() as tx:
        grants.end_all(tx, [])
