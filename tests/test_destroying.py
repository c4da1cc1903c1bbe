"""Destroying: what is to be gone for good is, all or none of it, and nothing else is touched."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask

from tests.support.people import Person
from tests.support.shared import module_app, refusal
from tests.support.versions import (
    ABSENT,
    LIFETIMES,
    MONTH,
    WRONG_STATE,
    numbers,
    sentence,
    three_versions,
    value,
    verb,
    write,
)

app = module_app(**LIFETIMES)


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    return three_versions(app)


def test_destroyed_versions_are_gone_and_the_others_stay(alice: Person) -> None:
    """Numbers are not given out again; the value, and so the tag, is as it was."""
    before = alice.get("/secrets/a")
    answer = verb(alice, "a", "destroy", {"versions": [2, 1, 2]})
    assert (answer.status_code, answer.json) == (200, {"name": "a", "versions_destroyed": 2})
    assert numbers(alice) == [3]
    assert refusal(alice.get("/secrets/a?version=1")) == ABSENT
    after = alice.get("/secrets/a")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])
    write(alice, "a", "four")
    assert numbers(alice) == [4, 3]


def test_versions_are_destroyed_all_or_none(alice: Person) -> None:
    """A mistyped number must not look as if its value were gone."""
    for wanted in ([1, 99], [99]):
        assert refusal(verb(alice, "a", "destroy", {"versions": wanted})) == ABSENT
    assert numbers(alice) == [3, 2, 1]


def test_the_newest_version_is_not_destroyed_alone(alice: Person) -> None:
    """A secret without a value is none: the sentence says what to do first."""
    for wanted in ([3], [1, 3]):
        answer = verb(alice, "a", "destroy", {"versions": wanted})
        assert refusal(answer) == WRONG_STATE
        assert ":rollback" in sentence(answer)
    alice.delete("/secrets/a")
    assert refusal(verb(alice, "a", "destroy", {"versions": [3]})) == WRONG_STATE
    assert verb(alice, "a", "destroy", {"versions": [1]}).status_code == 200
    verb(alice, "a", "undelete")
    assert numbers(alice) == [3, 2]
    verb(alice, "a", "rollback", {"version": 2})
    assert verb(alice, "a", "destroy", {"versions": [3]}).status_code == 200
    assert (numbers(alice), value(alice)) == ([4, 2], "two")


@pytest.mark.parametrize("state", ["live", "deleted", "expired", "over"])
def test_all_of_a_secret_is_destroyed_whatever_its_state(
    alice: Person, state: str, clock: time_machine.Traveller
) -> None:
    """The name is free: a new secret begins at version 1 and has no past."""
    if state == "expired":
        alice.patch("/secrets/a", json={"expires_at": "2001-01-01T00:00:00Z"})
    elif state != "live":
        alice.delete("/secrets/a")
    if state == "over":
        clock.shift(MONTH)
    answer = verb(alice, "a", "destroy", {"all": True})
    assert (answer.status_code, answer.json) == (200, {"name": "a", "versions_destroyed": 3})
    assert alice.get("/secrets").json == alice.get("/secrets?deleted=true").json
    assert refusal(verb(alice, "a", "destroy", {"all": True})) == ABSENT
    assert refusal(verb(alice, "a", "undelete")) == ABSENT
    assert alice.post("/secrets", json={"name": "a", "secret": "new"}).status_code == 201
    assert numbers(alice) == [1]
    assert refusal(alice.get("/secrets/a?version=2")) == ABSENT
