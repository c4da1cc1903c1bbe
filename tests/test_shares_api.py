"""Sharing: to whom an owner can show a secret, what both then see, and what the grantee reads."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from models.grants import MAX_GRANTS
from tests.support.people import Person
from tests.support.rotation import number
from tests.support.shared import (
    indistinct,
    module_app,
    newcomer,
    pointers,
    refusal,
    unique,
)
from tests.support.sharing import (
    SHARED_FIELDS,
    fill,
    given,
    owner_of_db,
    path_of,
    read,
    received,
    shared,
    unshared,
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


# --- granting -----------------------------------------------------------------------------------


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


# --- reading ------------------------------------------------------------------------------------


def test_a_grantee_gets_the_bare_value_and_304_while_it_is_unchanged(
    ada: Person, bob: Person
) -> None:
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
