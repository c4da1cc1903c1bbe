"""What is shared to be written: whose the write is, and all that it leaves to the owner."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.support.api_tokens import machine, missing
from tests.support.people import Person
from tests.support.shared import (
    module_app,
    newcomer,
    pointers,
    refusal,
)
from tests.support.sharing import (
    SHARED_FIELDS,
    given,
    owner_of_db,
    path_of,
    shared,
    write,
)
from utils.vault import Vault

app = module_app()


@pytest.fixture
def ada(app: Flask) -> Person:
    """Somebody with a secret that has two versions and a label."""
    return owner_of_db(app)


@pytest.fixture
def bob(app: Flask) -> Person:
    """Somebody who has nothing yet."""
    return newcomer(app, "bob")


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
