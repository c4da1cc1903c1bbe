"""Moving: a secret takes its history to another name, if that is free and the caller's."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.api_tokens import machine, missing
from tests.support.people import Person
from tests.support.shared import module_app, newcomer, refusal
from tests.support.versions import (
    ABSENT,
    numbers,
    three_versions,
    value,
    verb,
    write,
)

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    return three_versions(app)


def test_a_moved_secret_keeps_its_history_under_another_name(alice: Person) -> None:
    """Its numbers, dates, labels; its tag is new. The old name is free, and has no past."""
    write(alice, "a", "four", labels={"env": "live"})
    before = alice.get("/secrets/a")
    answer = verb(alice, "a", "move", {"to": "shop/b@x"})
    assert answer.status_code == 200
    assert answer.headers["Location"] == "/secrets/shop/b%40x"
    after = alice.get(answer.headers["Location"])
    assert after.headers["ETag"] == answer.headers["ETag"] != before.headers["ETag"]
    assert {**(after.json or {}), "updated_at": 0} == {
        **(before.json or {}),
        "name": "shop/b@x",
        "updated_at": 0,
    }
    assert [value(alice, "shop/b@x", number) for number in (1, 4)] == ["one", "four"]
    assert refusal(alice.get("/secrets/a")) == ABSENT
    write(alice, "a", "new")
    assert numbers(alice) == [1]


@pytest.mark.parametrize("state", ["live", "deleted", "expired", "itself"])
def test_a_name_that_is_taken_is_not_moved_to(alice: Person, state: str) -> None:
    """Also by what is hidden, which would lose its history; destroying that frees the name."""
    to = "a" if state == "itself" else "taken"
    if state != "itself":
        write(alice, to, "theirs")
    if state == "deleted":
        alice.delete(f"/secrets/{to}")
    elif state == "expired":
        alice.patch(f"/secrets/{to}", json={"expires_at": "2001-01-01T00:00:00Z"})
    before = alice.get("/secrets/a")
    assert refusal(verb(alice, "a", "move", {"to": to})) == (409, "already-exists")
    after = alice.get("/secrets/a")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    if state != "itself":
        verb(alice, to, "destroy", {"all": True})
        assert verb(alice, "a", "move", {"to": to}).status_code == 200


def test_somebody_elses_name_is_free(alice: Person, app: Flask) -> None:
    """Names are each owner's own."""
    bob = newcomer(app, "bob")
    write(bob, "b", "bob's")
    assert verb(alice, "a", "move", {"to": "b"}).status_code == 200
    assert (value(alice, "b"), value(bob, "b")) == ("three", "bob's")


def test_a_token_that_moves_must_reach_both_names(alice: Person) -> None:
    """Else it could take a secret out of what it is limited to, or put one where it reads it."""
    write(alice, "app/a", "x")
    limited = machine(alice, prefixes=["app/"])
    for name, to in (("app/a", "other/a"), ("a", "app/b"), ("app/a", "taken"), ("app/no", "b")):
        assert "prefixes" in missing(limited.post(f"/secrets/{name}:move", json={"to": to}))
    assert limited.post("/secrets/app/a:move", json={"to": "app/b"}).status_code == 200
    assert value(alice, "app/b") == "x"
