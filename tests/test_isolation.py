"""Whose secrets: nobody learns whether somebody else has one."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer

pytestmark = pytest.mark.invariant(number=8)

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "GET": ("GET", "", {}),
    "GET version": ("GET", "?version=1", {}),
    "GET bare": ("GET", "", {"headers": {"Accept": "text/plain"}}),
    "GET if changed": ("GET", "", {"headers": {"If-None-Match": "TAG"}}),
    "PATCH": ("PATCH", "", {"json": {"secret": "stolen"}}),
    "PATCH labels": ("PATCH", "", {"json": {"labels": {}}}),
    "PATCH if": ("PATCH", "", {"json": {"labels": {}}, "headers": {"If-Match": "TAG"}}),
    "PATCH if any": ("PATCH", "", {"json": {"labels": {}}, "headers": {"If-Match": "*"}}),
    "PUT if": ("PUT", "", {"json": {"secret": "stolen"}, "headers": {"If-Match": "TAG"}}),
    "PUT if any": ("PUT", "", {"json": {"secret": "stolen"}, "headers": {"If-Match": "*"}}),
    "DELETE": ("DELETE", "", {}),
    "DELETE if": ("DELETE", "", {"headers": {"If-Match": "TAG"}}),
    "versions": ("GET", ":versions", {}),
    "shares": ("GET", ":shares", {}),
    "rollback": ("POST", ":rollback", {"json": {"version": 1}}),
    "destroy": ("POST", ":destroy", {"json": {"all": True}}),
}

app = module_app()


@pytest.fixture(scope="module")
def alice(app: Flask) -> Person:
    """Alice, who keeps secrets: a live one, a deleted one, an expired one."""
    someone = newcomer(app, "alice")
    for name in ("live", "deleted", "expired"):
        labels = {"canary": "label"}
        someone.put(f"/secrets/{name}", json={"secret": "canary", "labels": labels})
    someone.delete("/secrets/deleted")
    someone.patch("/secrets/expired", json={"expires_at": "2001-01-01T00:00:00Z"})
    return someone


@pytest.fixture(scope="module")
def bob(app: Flask) -> Person:
    """Bob, logged in, with a secret of his own."""
    someone = newcomer(app, "bob")
    someone.put("/secrets/own", json={"secret": "bob's"})
    return someone


def call(person: Person, what: str, name: str, tag: str) -> Any:
    """One of CALLS, with a tag that exists for *alice*."""
    method, suffix, options = CALLS[what]
    sent = dict(options)
    if "headers" in sent:
        sent["headers"] = {k: v.replace("TAG", tag) for k, v in sent["headers"].items()}
    return person.request(method, f"/secrets/{name}{suffix}", **sent)


@pytest.mark.parametrize("name", ["live", "deleted", "expired"])
@pytest.mark.parametrize("what", CALLS)
def test_somebody_elses_secret_is_as_absent_as_none(
    alice: Person, bob: Person, stranger: Person, what: str, name: str
) -> None:
    """The same status, the same body but for the request id, the same headers; to strangers too."""
    tag = alice.get("/secrets/live").headers["ETag"]
    before = alice.get("/secrets/live").json
    theirs, nobodys = call(bob, what, name, tag), call(bob, what, "no-such-name", tag)
    assert indistinct(theirs) == indistinct(nobodys)
    assert theirs.status_code in {404, 405, 412}
    for answer in (theirs, nobodys):
        del answer.headers["X-Request-ID"]
    assert dict(theirs.headers) == dict(nobodys.headers)
    assert "canary" not in theirs.text
    strangers = [call(stranger, what, one, tag) for one in (name, "no-such-name")]
    assert indistinct(strangers[0]) == indistinct(strangers[1])
    assert strangers[0].status_code == 401
    assert alice.get("/secrets/live").json == before


def test_two_people_keep_secrets_under_one_name(app: Flask, alice: Person) -> None:
    """Neither notices the other: not at creation, not in versions, not in the list."""
    bob = newcomer(app, "bob")
    assert bob.post("/secrets", json={"name": "live", "secret": "bob's"}).status_code == 201
    created = bob.put("/secrets/deleted", json={"secret": "bob's"})
    assert (created.status_code, created.json and created.json["version"]) == (201, 1)
    assert (alice.secret("live"), bob.secret("live")) == ("canary", "bob's")
    bob.delete("/secrets/live")
    assert alice.secret("live") == "canary"


@pytest.mark.parametrize(
    "query",
    [{}, {"prefix": "live"}, {"q": "live"}, {"label": "canary:label"}, {"deleted": "true"}],
)
def test_a_list_is_the_callers_own(alice: Person, bob: Person, query: dict[str, str]) -> None:
    """No filter reaches another account."""
    answer = bob.get("/secrets", query_string=query)
    assert answer.json is not None
    assert [row["name"] for row in answer.json["secrets"]] == ([] if query else ["own"])
    assert alice.get("/secrets", query_string=query).json != answer.json
