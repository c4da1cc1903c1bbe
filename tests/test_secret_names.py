"""Secrets' names: what can be one, what cannot, and that a URL and JSON mean the same by it."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from flask import Flask

from tests.support.people import Person
from tests.support.shared import module_app, newcomer, pointers, refusal

ALPHABET = string.ascii_letters + string.digits + "_.@+=-"
OUTSIDE = [chr(code) for code in range(128) if chr(code) not in ALPHABET + "/"]
LOOK_ALIKES = ["\uff41", "\u0430", "\u212a", "e\u0301", "\u2024", "\u2215", "\u200b", "\U0001f511"]

POSSIBLE = [
    *("a", "Z", "0", "_", "@", "+", "=", "-"),
    *(f"a{character}b" for character in ALPHABET + "/"),
    *("...", "..a", "a..", ".a", "a.", ".../a", "a/..b", "-", "--help", "=", "@/+"),
    *("a" * 255, "/".join("a" * 128), "a/" * 127 + "b"),
    *("account", "secrets", "secrets/secrets", "null", "true", "0", "__proto__"),
]
IMPOSSIBLE = [
    *(".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "../../etc/passwd"),
    *("a//b", "/a", "a/", "/", "//", "a//", "//a", "/a/"),
    *("a" * 256, "a" * 10_000, "a/" * 128 + "b", "a/" * 127 + "bc"),
    *("a:wipe", ":", "a:b/c", "a/b:latest", "a%2Fb", "a%00", "%2e%2e"),
    *(f"a{character}b" for character in OUTSIDE),
    *(f"a{character}" for character in OUTSIDE),
    *(f"{character}a" for character in LOOK_ALIKES),
]

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


def url(name: str, safe: str = "/") -> str:
    """Where a secret of this name would be."""
    return "/secrets/" + quote(name, safe=safe)


def names(person: Person) -> list[str]:
    """All that the list shows, page by page."""
    found: list[str] = []
    query = {"limit": "100"}
    while True:
        page = person.get("/secrets", query_string=query).json
        assert page is not None
        found += [row["name"] for row in page["secrets"]]
        assert found == sorted(set(found))
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def test_every_possible_name_can_be_created_and_read(alice: Person) -> None:
    """Created with JSON, found where ``Location`` says and in the list, as it was sent."""
    for name in sorted(set(POSSIBLE)):
        created = alice.post("/secrets", json={"name": name, "secret": f"value of {name}"})
        assert created.status_code == 201, name
        assert alice.get(created.headers["Location"]).json == alice.get(url(name)).json
        assert alice.secret(quote(name)) == f"value of {name}"
    assert names(alice) == sorted(set(POSSIBLE))


@pytest.mark.parametrize("name", ["a", "a/b/c", "me@host+1=x", ".../..a/-", "a" * 255])
def test_a_name_means_the_same_in_every_spelling_and_call(alice: Person, name: str) -> None:
    """Percent-encoding is spelling: %2F is the / between segments, and %61 an a."""
    alice.post("/secrets", json={"name": name, "secret": "1"})
    spelt_out = "/secrets/" + "".join(f"%{byte:02x}" for byte in name.encode())
    for spelling in (url(name), url(name, safe=""), spelt_out):
        assert alice.get(spelling).json == alice.get(url(name)).json
    assert alice.put(spelt_out, json={"secret": "2"}).status_code == 200
    assert alice.patch(url(name), json={"secret": "3"}).status_code == 200
    assert alice.delete(spelt_out).status_code == 200
    assert alice.put(url(name), json={"secret": "4"}).headers["Location"] == url(name, safe="/")


def test_an_impossible_name_is_absent_to_read_and_invalid_to_create(alice: Person) -> None:
    """404 like any name that nobody has; 422 that says what a name is."""
    for name in IMPOSSIBLE:
        assert pointers(alice.post("/secrets", json={"name": name, "secret": "x"})) == {"#/name"}
        assert pointers(alice.put(url(name), json={"secret": "x"})) == {"#/name"}
        assert refusal(alice.get(url(name))) == (404, "not-found"), name
    assert names(alice) == []


@pytest.mark.parametrize("name", ["..", "a//b", "a" * 256, "a:b", "a\n", "a\x00", "\u0430"])
def test_an_impossible_name_is_impossible_in_every_call(alice: Person, name: str) -> None:
    """The rule is one, whatever the method and the form of the value."""
    assert pointers(alice.put(url(name), data=b"x", content_type="text/plain")) == {"#/name"}
    for answer in (
        alice.get(url(name) + "?version=1"),
        alice.patch(url(name), json={"secret": "x"}),
        alice.delete(url(name)),
    ):
        assert refusal(answer) == (404, "not-found")
    assert alice.request("HEAD", url(name)).status_code == 404
    assert names(alice) == []


def test_the_empty_name_is_no_name(alice: Person) -> None:
    """In a URL there is no secret that it could belong to."""
    assert pointers(alice.post("/secrets", json={"name": "", "secret": "x"})) == {"#/name"}
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert refusal(alice.request(method, "/secrets/", json={})) == (404, "unknown-url")


def test_a_refused_name_is_not_repeated(alice: Person) -> None:
    """Somebody may have pasted the secret where the name belongs."""
    for answer in (
        alice.post("/secrets", json={"name": "canary secret!", "secret": "x"}),
        alice.put("/secrets/canary%20secret!", json={"secret": "x"}),
        alice.get("/secrets/canary%20secret!"),
        alice.get("/secrets/canary"),
        alice.post("/secrets/canary"),
    ):
        assert answer.status_code >= 400
        assert "canary" not in answer.text


@pytest.mark.invariant(number=10)
def test_names_that_differ_in_case_are_two(alice: Person) -> None:
    """On both engines, whatever their collation."""
    for name in ("Key", "key", "KEY"):
        assert alice.put(url(name), json={"secret": name}).status_code == 201
    assert [alice.secret(name) for name in ("Key", "key", "KEY")] == ["Key", "key", "KEY"]


def test_a_name_below_another_is_a_secret_of_its_own(alice: Person) -> None:
    """There are no folders: deleting a/b leaves a and a/b/c."""
    for name in ("a", "a/b", "a/b/c"):
        alice.put(url(name), json={"secret": name})
    alice.delete(url("a/b"))
    assert [alice.secret(name) for name in ("a", "a/b/c")] == ["a", "a/b/c"]
    assert refusal(alice.get(url("a/b"))) == (404, "not-found")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
def test_what_is_no_verb_is_no_secret_either(alice: Person, method: str) -> None:
    """Nor does it fall through to the secret before the colon."""
    alice.put("/secrets/a", json={"secret": "before"})
    for verb in ("nonsense", ""):
        answer = alice.request(method, f"/secrets/a:{verb}", json={"secret": "x"})
        assert answer.status_code in {404, 405, 422}
    assert alice.secret("a") == "before"
    assert names(alice) == ["a"]
