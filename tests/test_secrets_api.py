"""Secrets over HTTP: what each call does to a secret, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers, refusal

ABSENT = (404, "not-found")
FAR = "2199-12-31T23:59:59.000000Z"
METADATA = {
    *("name", "version", "labels", "created_at", "updated_at"),
    *("expires_at", "deleted_at", "purge_at"),
}

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


def read(person: Person, name: str, **query: Any) -> dict[str, Any]:
    """The JSON of a secret that must be there."""
    answer = person.get(f"/secrets/{name}", query_string=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json  # type: ignore[assignment]
    return found


# --- create -------------------------------------------------------------------------------------


def test_a_new_secret_is_described_and_never_repeated(alice: Person) -> None:
    """201 with metadata, its place and its tag; the value goes in and does not come back."""
    answer = alice.post("/secrets", json={"name": "db/pass", "secret": "hunter2"})
    assert answer.status_code == 201
    assert answer.json is not None
    assert set(answer.json) == METADATA
    assert "hunter2" not in answer.text
    assert (answer.json["name"], answer.json["version"], answer.json["labels"]) == (
        "db/pass",
        1,
        {},
    )
    assert answer.json["created_at"] == answer.json["updated_at"]
    assert answer.headers["Location"] == "/secrets/db/pass"
    assert read(alice, "db/pass") == {
        "name": "db/pass",
        "secret": "hunter2",
        "encoding": "text",
        **{field: answer.json[field] for field in METADATA - {"name", "deleted_at", "purge_at"}},
    }


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("plain", "/secrets/plain"),
        ("a/b/c", "/secrets/a/b/c"),
        ("me@host+1=x", "/secrets/me%40host%2B1%3Dx"),
        ("a_b-c.d", "/secrets/a_b-c.d"),
    ],
)
def test_a_location_leads_to_the_secret(alice: Person, name: str, location: str) -> None:
    """Percent-encoded where a URL needs it, and the server reads it back as the same name."""
    created = alice.post("/secrets", json={"name": name, "secret": "x"})
    assert created.headers["Location"] == location
    found = alice.get(location)
    assert found.json is not None
    assert found.json["name"] == name
    assert "Location" not in alice.put(location, json={"secret": "y"}).headers
    alice.delete(location)
    assert alice.put(location, json={"secret": "z"}).headers["Location"] == location


def test_a_name_can_be_created_once(alice: Person) -> None:
    """409, and the value that is there stays."""
    alice.post("/secrets", json={"name": "a", "secret": "first"})
    again = alice.post("/secrets", json={"name": "a", "secret": "second"})
    assert refusal(again) == (409, "already-exists")
    assert alice.secret("a") == "first"


@pytest.mark.parametrize(
    ("method", "path", "body", "complaints"),
    [
        ("POST", "/secrets", {}, {"#/name", "#/secret"}),
        ("POST", "/secrets", {"name": "a"}, {"#/secret"}),
        ("POST", "/secrets", {"secret": "canary"}, {"#/name"}),
        ("POST", "/secrets", {"name": 1, "secret": 2}, {"#/name", "#/secret"}),
        ("POST", "/secrets", {"name": "a", "secret": None}, {"#/secret"}),
        ("POST", "/secrets", {"name": "a", "secret": "canary", "value": "canary"}, {"#"}),
        ("POST", "/secrets", {"name": "a", "secret": "canary", "labels": None}, {"#/labels"}),
        ("PUT", "/secrets/a", {}, {"#/secret"}),
        ("PUT", "/secrets/a", {"secret": None}, {"#/secret"}),
        ("PUT", "/secrets/a", {"secret": ["canary"]}, {"#/secret"}),
        ("PUT", "/secrets/a", {"secret": "canary", "name": "a"}, {"#"}),
        ("PUT", "/secrets/a", {"secret": "x", "encoding": "hex"}, {"#/encoding"}),
        ("PUT", "/secrets/a", {"secret": "x", "encoding": None}, {"#/encoding"}),
        ("PUT", "/secrets/a", {"secret": "canary!", "encoding": "base64"}, {"#/secret"}),
        ("PUT", "/secrets/a", {"secret": "x", "expires_at": 2000000000}, {"#/expires_at"}),
        ("PATCH", "/secrets/a", {}, {"#"}),
        ("PATCH", "/secrets/a", {"secret": None}, {"#/secret"}),
        ("PATCH", "/secrets/a", {"encoding": "base64", "labels": {}}, {"#/secret"}),
        ("PATCH", "/secrets/a", {"labels": None}, {"#/labels"}),
        ("PATCH", "/secrets/a", {"deleted_at": None, "labels": {}}, {"#"}),
        ("DELETE", "/secrets/a", {"canary": True}, {"#"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_happens(
    alice: Person, method: str, path: str, body: dict[str, Any], complaints: set[str]
) -> None:
    """422 with a pointer to what is wrong, without repeating what was sent."""
    alice.put("/secrets/a", json={"secret": "before"})
    before = read(alice, "a")
    answer = alice.request(method, path, json=body)
    assert pointers(answer) == complaints
    assert "canary" not in answer.text
    assert read(alice, "a") == before


# --- replace and change -------------------------------------------------------------------------


def test_put_keeps_what_it_does_not_mention(alice: Person) -> None:
    """A client that only knows the value does not lose the labels or the expiry."""
    alice.put("/secrets/a", json={"secret": "1", "labels": {"env": "prod"}, "expires_at": FAR})
    first = read(alice, "a")
    assert alice.put("/secrets/a", json={"secret": "2"}).status_code == 200
    bare = alice.put("/secrets/a", data=b"3", content_type="text/plain")
    assert bare.status_code == 200
    last = read(alice, "a")
    assert (last["secret"], last["version"]) == ("3", 3)
    assert (last["labels"], last["expires_at"]) == ({"env": "prod"}, FAR)
    assert last["created_at"] == first["created_at"] < last["updated_at"]


def test_put_replaces_what_it_mentions(alice: Person) -> None:
    """Labels as a whole; ``null`` removes the expiry."""
    alice.put("/secrets/a", json={"secret": "1", "labels": {"a": "1", "b": "2"}, "expires_at": FAR})
    alice.put("/secrets/a", json={"secret": "1", "labels": {"b": "3"}, "expires_at": None})
    found = read(alice, "a")
    assert (found["labels"], found["expires_at"], found["version"]) == ({"b": "3"}, None, 2)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"secret": "new"}, {"secret": "new", "version": 2}),
        ({"secret": "bmV3", "encoding": "base64"}, {"encoding": "base64", "version": 2}),
        ({"labels": {"team": "x"}}, {"labels": {"team": "x"}}),
        ({"labels": {}}, {"labels": {}}),
        ({"expires_at": None}, {"expires_at": None}),
        ({"expires_at": "2198-01-01T00:00:00Z"}, {"expires_at": "2198-01-01T00:00:00.000000Z"}),
        ({"secret": "n", "labels": {}, "expires_at": None}, {"secret": "n", "version": 2}),
    ],
)
def test_patch_changes_what_it_mentions_and_nothing_else(
    alice: Person, change: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A new value is a new version; labels and expiry are not."""
    alice.put("/secrets/a", json={"secret": "old", "labels": {"env": "p"}, "expires_at": FAR})
    before, tag = read(alice, "a"), alice.get("/secrets/a").headers["ETag"]
    answer = alice.patch("/secrets/a", json=change)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == alice.get("/secrets/a").headers["ETag"] != tag
    after = read(alice, "a")
    assert {**after, **expected} == after
    mentioned = set(change) | set(expected) | {"updated_at"} | ({"encoding"} & set(change))
    if "encoding" in change:
        mentioned |= {"secret"}
    assert {k for k in before if before[k] != after[k]} <= mentioned
    assert after["created_at"] == before["created_at"] < after["updated_at"]


def test_what_is_absent_can_be_put_and_nothing_else(alice: Person) -> None:
    """PATCH and DELETE of nothing are 404, and create nothing."""
    for answer in (
        alice.get("/secrets/a"),
        alice.patch("/secrets/a", json={"secret": "x"}),
        alice.patch("/secrets/a", json={"labels": {}}),
        alice.delete("/secrets/a"),
    ):
        assert refusal(answer) == ABSENT
    assert alice.get("/secrets").json == {"secrets": [], "next_cursor": None}


# --- versions -----------------------------------------------------------------------------------


def test_every_value_stays_readable_by_its_number(alice: Person) -> None:
    """Of the older ones only the value differs: labels and expiry are the secret's."""
    for number in range(1, 4):
        alice.put("/secrets/a", json={"secret": f"value {number}"})
    alice.patch("/secrets/a", json={"labels": {"env": "prod"}})
    newest = read(alice, "a")
    assert newest["version"] == 3
    for number in range(1, 4):
        expected = {**newest, "version": number, "secret": f"value {number}"}
        assert read(alice, "a", version=number) == expected


@pytest.mark.parametrize("version", ["2", "2147483647"])
def test_a_version_that_never_was_is_absent(alice: Person, version: str) -> None:
    """The same 404 as for a secret that never was."""
    alice.put("/secrets/a", json={"secret": "x"})
    assert refusal(alice.get(f"/secrets/a?version={version}")) == ABSENT


@pytest.mark.parametrize(
    "query",
    [
        *("version=", "version=0", "version=-1", "version=%2B1", "version=1.0", "version=1e0"),
        *("version=2147483648", "version=9223372036854775808", "version=" + "9" * 5000),
        *("version=%EF%BC%91", "version=%201", "version=1_0", "version=0x1", "version=true"),
        *("version=1&version=1", "Version=1", "canary=1", "version=1&canary=1", "="),
    ],
)
def test_a_version_is_a_number_in_plain_digits(alice: Person, query: str) -> None:
    """Nothing that int() would also take, and no parameter that nobody knows."""
    alice.put("/secrets/a", json={"secret": "x"})
    answer = alice.get("/secrets/a?" + query)
    assert refusal(answer) == (422, "invalid-fields")
    assert "canary" not in answer.text


# --- delete and begin again ---------------------------------------------------------------------


def test_a_deleted_secret_answers_like_an_absent_one(alice: Person) -> None:
    """For every call, in every version; the answer says until when it can be undone."""
    alice.put("/secrets/a", json={"secret": "x"})
    answer = alice.delete("/secrets/a")
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == {"name", "deleted_at", "purge_at"}
    for gone in (
        alice.get("/secrets/a"),
        alice.get("/secrets/a?version=1"),
        alice.patch("/secrets/a", json={"secret": "y"}),
        alice.delete("/secrets/a"),
    ):
        assert refusal(gone) == ABSENT


@pytest.mark.parametrize("how", ["POST", "PUT"])
def test_a_name_that_begins_again_continues_its_numbers_and_nothing_else(
    alice: Person, how: str
) -> None:
    """Labels and expiry of the former life are gone; its values stay in the history."""
    first = {"secret": "first", "labels": {"env": "prod"}, "expires_at": FAR}
    tag = alice.put("/secrets/a", json=first).headers["ETag"]
    alice.delete("/secrets/a")
    if how == "POST":
        again = alice.post("/secrets", json={"name": "a", "secret": "second"})
    else:
        again = alice.put("/secrets/a", json={"secret": "second"})
    assert again.status_code == 201
    assert again.headers["ETag"] != tag
    found = read(alice, "a")
    assert (found["version"], found["secret"]) == (2, "second")
    assert (found["labels"], found["expires_at"]) == ({}, None)
    assert read(alice, "a", version=1)["secret"] == "first"
    listed = alice.get("/secrets").json
    assert listed is not None
    assert [(row["name"], row["deleted_at"]) for row in listed["secrets"]] == [("a", None)]
