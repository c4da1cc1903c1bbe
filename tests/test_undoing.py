"""Undoing: an older value comes back as a new version, a deleted secret as it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import machine
from tests.support.damage import plant
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
    versions,
    write,
)

app = module_app(**LIFETIMES)


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret of three versions."""
    return three_versions(app)


# --- rollback -----------------------------------------------------------------------------------


def test_a_rollback_is_a_new_version_with_the_older_value(alice: Person) -> None:
    """By whoever asked for it; the history stays, and so do labels and expiry."""
    write(alice, "a", "four", labels={"env": "live"}, expires_at="2999-01-01T00:00:00Z")
    before = alice.get("/secrets/a")
    answer = machine(alice, "fixer").post("/secrets/a:rollback", json={"version": 2})
    assert answer.status_code == 200
    assert (answer.json or {})["version"] == 5
    after = alice.get("/secrets/a")
    assert answer.headers["ETag"] == after.headers["ETag"] != before.headers["ETag"]
    assert after.json == {**(before.json or {}), "secret": "two", "version": 5} | {
        "updated_at": (answer.json or {})["updated_at"]
    }
    assert [value(alice, version=number) for number in (1, 2, 3, 4)] == [
        *("one", "two", "three", "four"),
    ]
    assert versions(alice)["versions"][0]["credential"] == "fixer"


def test_bytes_are_rolled_back_to_as_bytes(alice: Person) -> None:
    """And an empty value as one."""
    alice.put("/secrets/b", data=b"\xff\x00", content_type="application/octet-stream")
    write(alice, "b", "")
    write(alice, "b", "text")
    verb(alice, "b", "rollback", {"version": 1})
    assert (
        alice.get("/secrets/b", headers={"Accept": "application/octet-stream"}).data == b"\xff\x00"
    )
    verb(alice, "b", "rollback", {"version": 2})
    assert value(alice, "b") == ""
    assert verb(alice, "b", "rollback", {"version": 5}).status_code == 200  # the newest, again
    assert numbers(alice, "b") == [6, 5, 4, 3, 2, 1]


def test_a_version_that_does_not_open_is_not_rolled_back_to(alice: Person) -> None:
    """500 as for a read, nothing changes, and the other versions can be."""
    plant(
        vault_of(alice.client.application),
        "UPDATE secret_versions SET ciphertext = 'x' WHERE number = 1 AND author = ?",
        alice.username,
    )
    assert refusal(verb(alice, "a", "rollback")) == (500, "secret-unreadable")
    assert numbers(alice) == [3, 2, 1]
    assert verb(alice, "a", "rollback", {"version": 2}).status_code == 200


# --- undelete -----------------------------------------------------------------------------------


def test_an_undeleted_secret_is_as_it_was(alice: Person) -> None:
    """All of it but the tag, which never repeats."""
    write(alice, "a", "four", labels={"env": "live"}, expires_at="2999-01-01T00:00:00Z")
    before = alice.get("/secrets/a")
    alice.delete("/secrets/a")
    answer = verb(alice, "a", "undelete")
    assert answer.status_code == 200
    assert (answer.json or {})["deleted_at"] is (answer.json or {})["purge_at"] is None
    after = alice.get("/secrets/a")
    assert after.json == before.json
    assert after.headers["ETag"] == answer.headers["ETag"] != before.headers["ETag"]
    assert numbers(alice) == [4, 3, 2, 1]


def test_a_delete_can_be_undone_until_its_time_is_over(
    alice: Person, clock: time_machine.Traveller
) -> None:
    """To the microsecond, though no purge ever ran."""
    start = utcnow()
    alice.delete("/secrets/a")
    clock.move_to(start + MONTH)
    assert refusal(verb(alice, "a", "undelete")) == ABSENT
    clock.move_to(start + MONTH - timedelta(microseconds=1))
    assert verb(alice, "a", "undelete").status_code == 200


def test_only_what_is_deleted_can_be_undeleted(
    alice: Person, clock: time_machine.Traveller
) -> None:
    """A live secret, an expired one, and one that would be hidden still: told apart from absent
    ones, and nothing changes."""
    soon = (utcnow() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert refusal(verb(alice, "a", "undelete")) == WRONG_STATE
    for name in ("expired", "both"):
        write(alice, name, "x", expires_at=soon)
    alice.delete("/secrets/both")
    clock.shift(timedelta(minutes=2))
    before = alice.get("/secrets?deleted=true").json
    for name in ("expired", "both"):
        answer = verb(alice, name, "undelete")
        assert refusal(answer) == WRONG_STATE
        assert "expired" in sentence(answer)
    assert alice.get("/secrets?deleted=true").json == before
    write(alice, "expired", "again")  # as the sentence says
    assert verb(alice, "expired", "rollback").status_code == 200
    assert value(alice, "expired") == "x"
