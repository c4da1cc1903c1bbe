"""Whom a grant lets in: its grantee, to that one secret; everybody else sees what is not there."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer, refusal, unique
from tests.support.sharing import path_of, read, received, shared

pytestmark = pytest.mark.invariant(number=8)

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "GET": ("GET", {}),
    "GET bare": ("GET", {"headers": {"Accept": "text/plain"}}),
    "GET if changed": ("GET", {"headers": {"If-None-Match": "TAG"}}),
    "PATCH": ("PATCH", {"json": {"secret": "stolen"}}),
    "PATCH if": ("PATCH", {"json": {"secret": "stolen"}, "headers": {"If-Match": "TAG"}}),
    "PATCH if any": ("PATCH", {"json": {"secret": "stolen"}, "headers": {"If-Match": "*"}}),
}

app = module_app()


@pytest.fixture(scope="module")
def carol(app: Flask) -> Person:
    """A colleague, who has a grant to write for everything that Ada shares."""
    return newcomer(app, "carol")


@pytest.fixture(scope="module")
def bob(app: Flask) -> Person:
    """Another colleague: with a grant for one secret of Ada's."""
    return newcomer(app, "bob")


@pytest.fixture(scope="module")
def ada(app: Flask, carol: Person, bob: Person) -> Person:
    """Somebody who shares: a live secret, one deleted, one expired; and one with Bob."""
    someone = newcomer(app, "ada")
    for name in ("live", "deleted", "expired", "bobs"):
        labels = {"canary": "label"}
        someone.put(f"/secrets/{name}", json={"secret": "canary", "labels": labels})
        assert shared(someone, name, carol, "write").status_code == 201
    assert shared(someone, "bobs", bob, "write").status_code == 201
    someone.delete("/secrets/deleted")
    someone.patch("/secrets/expired", json={"expires_at": "2001-01-01T00:00:00Z"})
    return someone


def call(person: Person, what: str, path: str, tag: str) -> TestResponse:
    """One of CALLS, with a tag that exists."""
    method, options = CALLS[what]
    sent = dict(options)
    if "headers" in sent:
        sent["headers"] = {k: v.replace("TAG", tag) for k, v in sent["headers"].items()}
    return person.request(method, path, **sent)


@pytest.mark.parametrize("what", CALLS)
def test_what_is_not_shared_with_me_is_as_absent_as_none(
    ada: Person, bob: Person, carol: Person, what: str
) -> None:
    """Shared with somebody else, deleted, expired, absent, impossible; of somebody who exists, or
    does not, or can't, or is oneself: one answer, but for the request id."""
    tag = ada.get("/secrets/live").headers["ETag"]
    before = ada.get("/secrets/live").json
    bob.put("/secrets/own", json={"secret": "bob's own"})
    paths = [path_of(ada, name) for name in ("live", "deleted", "expired", "absent", "a//b")]
    paths += [path_of(bob, "own"), f"/shared/{unique('nobody')}/live", "/shared/no%20name/live"]
    # What he has a grant for, by the name of somebody else.
    paths += [path_of(carol, "bobs"), f"/shared/{unique('nobody')}/bobs"]
    answers = [call(bob, what, path, tag) for path in paths]
    for answer in answers:
        del answer.headers["X-Request-ID"]
        assert indistinct_without_id(answer) == indistinct_without_id(answers[0])
        assert dict(answer.headers) == dict(answers[0].headers)
        assert "canary" not in answer.text
    assert answers[0].status_code == 404
    assert ada.get("/secrets/live").json == before


def indistinct_without_id(answer: TestResponse) -> tuple[int, dict[str, Any]]:
    """What was answered, but for its number."""
    body = dict(answer.json or {})
    del body["request_id"]
    return answer.status_code, body


@pytest.mark.parametrize("name", ["deleted", "expired"])
@pytest.mark.parametrize("what", CALLS)
def test_what_is_gone_is_gone_for_its_grantee_too(
    ada: Person, carol: Person, what: str, name: str
) -> None:
    """As if it had never been."""
    tag = ada.get("/secrets/live").headers["ETag"]
    gone, absent = (call(carol, what, path_of(ada, one), tag) for one in (name, "absent"))
    assert indistinct(gone) == indistinct(absent)
    assert gone.status_code == 404


def test_a_list_is_the_callers_own(ada: Person, bob: Person, carol: Person) -> None:
    """What others were granted is in nobody else's."""
    assert [row["name"] for row in received(bob)] == ["bobs"]
    assert {row["name"] for row in received(carol)} == {"live", "bobs"}
    assert received(ada) == []
    assert carol.username not in bob.get("/shared").text


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/secrets/bobs", {}),
        ("PUT", "/secrets/bobs", {"json": {"secret": "x"}, "headers": {"If-Match": "*"}}),
        ("PATCH", "/secrets/bobs", {"json": {"labels": {}}}),
        ("DELETE", "/secrets/bobs", {}),
        ("GET", "/secrets/bobs:shares", {}),
        ("POST", "/secrets/bobs:share", {"json": {"username": "BOB", "permission": "write"}}),
        ("POST", "/secrets/bobs:unshare", {"json": {"username": "CAROL"}}),
        ("PUT", "PATH", {"json": {"secret": "x"}}),
        ("DELETE", "PATH", {}),
        ("POST", "PATH:share", {"json": {"username": "BOB", "permission": "write"}}),
        ("GET", "PATH:shares", {}),
        ("GET", "PATH:versions", {}),
        ("POST", "PATH:rollback", {"json": {"version": 1}}),
        ("GET", "PATH?version=1", {}),
    ],
)
def test_a_grant_to_write_is_for_the_value_alone(
    ada: Person, bob: Person, carol: Person, method: str, path: str, options: dict[str, Any]
) -> None:
    """Nothing else of a shared secret can be called, neither as one's own nor as somebody's."""
    before = ada.get("/secrets/bobs"), ada.get("/secrets/bobs:shares").json
    people = {"BOB": bob.username, "CAROL": carol.username}
    sent = dict(options)
    if "json" in sent:
        sent["json"] = {key: people.get(str(v), v) for key, v in sent["json"].items()}
    answer = bob.request(method, path.replace("PATH", path_of(ada, "bobs")), **sent)
    refusal(answer)
    assert answer.status_code in {404, 405, 412, 422}
    assert "canary" not in answer.text
    after = ada.get("/secrets/bobs"), ada.get("/secrets/bobs:shares").json
    assert (after[0].json, after[0].headers["ETag"], after[1]) == (
        before[0].json,
        before[0].headers["ETag"],
        before[1],
    )


def test_a_shared_name_is_no_name_of_ones_own(ada: Person, bob: Person) -> None:
    """Bob keeps one under the same name; neither is taken for the other."""
    assert bob.put("/secrets/bobs", json={"secret": "bob's own"}).status_code == 201
    assert bob.secret("bobs") == "bob's own"
    assert read(bob, ada, "bobs") == (200, "canary")
    assert bob.delete("/secrets/bobs").status_code == 200
    assert read(bob, ada, "bobs") == (200, "canary")
