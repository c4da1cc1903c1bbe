"""The versions of a secret: what is told of them and to whom, and what all verbs on a name obey."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests.support.api_tokens import machine
from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer, pointers, refusal
from tests.support.versions import (
    VERBS,
    numbers,
    sentence,
    three_versions,
    value,
    verb,
    versions,
    write,
)

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    return three_versions(app)


# --- the list -----------------------------------------------------------------------------------


def test_versions_are_listed_newest_first_and_say_who_wrote_them(alice: Person) -> None:
    """With a session or a token, which is named; and nothing of the value."""
    machine(alice, "deploy").put("/secrets/a", json={"secret": "four"})
    found = versions(alice)
    assert found["next_cursor"] is None
    assert [set(one) for one in found["versions"]] == [
        {"version", "created_at", "by", "credential"}
    ] * 4
    assert [(one["version"], one["by"], one["credential"]) for one in found["versions"]] == [
        (4, alice.username, "deploy"),
        *((n, alice.username, "session") for n in (3, 2, 1)),
    ]
    times = [datetime.fromisoformat(one["created_at"][:-1]) for one in found["versions"]]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_versions_come_in_pages(alice: Person, limit: int) -> None:
    """Each once, whatever the size of a page, and whatever is destroyed in between."""
    for _ in range(4):
        write(alice, "a", "more")
    found: list[int] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = versions(alice, **query)
        found += [one["version"] for one in page["versions"]]
        if page["next_cursor"] is None:
            break
        verb(alice, "a", "destroy", {"versions": [int(page["next_cursor"])]})
        query["cursor"] = page["next_cursor"]
    assert found == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "cursor", ["", "0", "01", "-1", "+1", "1.0", "x", "²", "9" * 11, "1" * 999]
)
def test_a_cursor_that_no_page_gave_is_refused(alice: Person, cursor: str) -> None:
    """An empty page would say "the end"."""
    answer = alice.get("/secrets/a:versions", query_string={"cursor": cursor})
    assert pointers(answer) == {"?cursor"}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", ""])
def test_a_page_has_a_size(alice: Person, limit: str) -> None:
    """``limit=-1`` would mean "all" to SQLite."""
    assert pointers(alice.get(f"/secrets/a:versions?limit={limit}")) == {"?limit"}


# --- one version --------------------------------------------------------------------------------


@pytest.mark.invariant(number=8)
def test_an_absent_version_is_told_from_an_absent_secret(alice: Person, app: Flask) -> None:
    """To whoever may see the secret, and to nobody else."""
    told = sentence(alice.get("/secrets/a?version=99"))
    assert "not this version" in told
    assert sentence(verb(alice, "a", "rollback", {"version": 99})) == told
    assert sentence(verb(alice, "a", "destroy", {"versions": [1, 99]})) == told
    gone = sentence(alice.get("/secrets/absent?version=99"))
    assert gone != told
    bob = newcomer(app, "bob")
    assert sentence(bob.get("/secrets/a?version=99")) == gone
    alice.delete("/secrets/a")
    assert sentence(alice.get("/secrets/a?version=99")) == gone


@pytest.mark.invariant(number=8)
def test_what_is_not_live_is_as_absent_as_anything(alice: Person, app: Flask) -> None:
    """Deleted, expired, impossible and somebody else's: one answer to all calls that need a live
    secret."""
    bob = newcomer(app, "bob")
    write(alice, "expired", "x", expires_at="2001-01-01T00:00:00Z")
    write(alice, "deleted", "x")
    alice.delete("/secrets/deleted")
    for what in ("versions", "rollback", "move"):
        method = "GET" if what == "versions" else "POST"
        body = None if what == "versions" else VERBS[what]
        answers = [
            indistinct(who.request(method, f"/secrets/{name}:{what}", json=body))
            for who, name in (
                *(
                    (alice, name)
                    for name in ("absent", "expired", "deleted", "a//b", "..", "x" * 256)
                ),
                (bob, "a"),
            )
        ]
        assert answers == [answers[0]] * 7
        assert answers[0][0] == 404
    for what in ("undelete", "destroy"):
        found = [indistinct(verb(who, name, what)) for who, name in ((alice, "no"), (bob, "a"))]
        assert found == [found[0]] * 2
        assert found[0][0] == 404


# --- what the verbs have in common --------------------------------------------------------------


@pytest.mark.parametrize("what", ["rollback", "destroy", "move"])
def test_a_verb_honours_conditions(alice: Person, what: str) -> None:
    """Compare-and-set as for a PUT: 412, and nothing changes."""
    tag = alice.get("/secrets/a").headers["ETag"]
    before = (versions(alice), alice.get("/secrets").json)
    for header in ({"If_Match": '"stale"'}, {"If_None_Match": "*"}, {"If_None_Match": tag}):
        assert refusal(verb(alice, "a", what, **header)) == (412, "precondition-failed")
    assert refusal(verb(alice, "a", what, If_Match="x")) == (400, "malformed-request")
    assert (versions(alice), alice.get("/secrets").json) == before
    assert verb(alice, "a", what, If_Match=tag).status_code == 200


@pytest.mark.parametrize(("what", "body"), [("undelete", {}), ("destroy", {"all": True})])
def test_what_is_deleted_has_no_state_to_match(alice: Person, what: str, body: Any) -> None:
    """A condition on it must not be passed over."""
    tag = alice.get("/secrets/a").headers["ETag"]
    alice.delete("/secrets/a")
    for header in (tag, "*"):
        answer = verb(alice, "a", what, body, If_Match=header)
        assert refusal(answer) == (412, "precondition-failed")
    assert verb(alice, "a", what, body, If_None_Match="*").status_code == 200


@pytest.mark.parametrize(
    ("what", "body", "pointer"),
    [
        ("rollback", {}, "#/version"),
        ("rollback", {"version": 0}, "#/version"),
        ("rollback", {"version": "1"}, "#/version"),
        ("rollback", {"version": True}, "#/version"),
        ("rollback", {"version": 1.5}, "#/version"),
        ("rollback", {"version": 2**31}, "#/version"),
        ("rollback", {"version": 1, "name": "b"}, "#"),
        ("undelete", {"version": 1}, "#"),
        ("destroy", {}, "#"),
        ("destroy", {"versions": []}, "#/versions"),
        ("destroy", {"versions": [0]}, "#/versions"),
        ("destroy", {"versions": ["1"]}, "#/versions"),
        ("destroy", {"versions": 1}, "#/versions"),
        ("destroy", {"versions": list(range(1, 102))}, "#/versions"),
        ("destroy", {"versions": None}, "#"),
        ("destroy", {"all": False}, "#/all"),
        ("destroy", {"all": 1}, "#/all"),
        ("destroy", {"all": "true"}, "#/all"),
        ("destroy", {"all": None}, "#"),
        ("destroy", {"all": True, "versions": [1]}, "#"),
        ("destroy", {"all": True, "versions": None}, "#"),
        ("move", {}, "#/to"),
        ("move", {"to": ""}, "#/to"),
        ("move", {"to": "b:rollback"}, "#/to"),
        ("move", {"to": "a//b"}, "#/to"),
        ("move", {"to": ["b"]}, "#/to"),
    ],
)
def test_a_body_that_says_something_else_is_refused(
    alice: Person, what: str, body: Any, pointer: str
) -> None:
    """Nothing is guessed where something goes for good."""
    assert pointers(verb(alice, "a", what, body)) == {pointer}
    assert (numbers(alice), value(alice)) == ([3, 2, 1], "three")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize("what", [*VERBS, "versions"])
def test_a_verb_has_one_method(alice: Person, what: str, method: str) -> None:
    """405 with the one that it has: never a secret called ``a:rollback``."""
    allowed = "GET" if what == "versions" else "POST"
    if method == allowed:
        return
    answer = alice.request(method, f"/secrets/a:{what}", json={"secret": "x"})
    assert refusal(answer) == (405, "method-not-allowed")
    assert allowed in answer.headers["Allow"].split(", ")
    assert "PUT" not in answer.headers["Allow"]
    assert (numbers(alice), value(alice)) == ([3, 2, 1], "three")


def test_a_name_with_slashes_has_verbs_like_any_other(alice: Person) -> None:
    """The verb belongs to the whole name."""
    write(alice, "shop/db/password", "one")
    write(alice, "shop/db/password", "two")
    assert verb(alice, "shop/db/password", "rollback").status_code == 200
    assert numbers(alice, "shop%2Fdb%2Fpassword") == [3, 2, 1]
