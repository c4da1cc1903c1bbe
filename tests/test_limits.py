"""How many there may be: secrets of an account, versions of a secret; and nobody gets one more."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from flask import Flask

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.batches import write_batch
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.rotation import assert_sound, number
from tests.support.shared import refusal
from utils.vault import Vault

LIMIT = (409, "limit-reached")
SECRETS, VERSIONS = 5, 4


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation with little room."""
    return settings.model_copy(update={"MAX_SECRETS": SECRETS, "MAX_VERSIONS": VERSIONS})


def put(person: Person, name: str, **fields: object) -> tuple[int, str]:
    """PUT some value; the status, and which problem it was."""
    answer = person.put(f"/secrets/{name}", json={"secret": "x", **fields})
    return refusal(answer) if answer.status_code >= 400 else (answer.status_code, "")


def fill(person: Person, count: int) -> None:
    """Store so many secrets, among them a deleted and an expired one."""
    for name in range(count):
        assert put(person, f"s{name}") == (201, "")
    assert person.delete("/secrets/s0").status_code == 200
    assert put(person, "s1", expires_at="2001-01-01T00:00:00Z") == (200, "")


def racers(app: Flask, owner: Person) -> list[Person]:
    """Ten sessions of one account; each sends ten requests at once."""
    found = [Person(app, owner.username) for _ in range(10)]
    assert [one.login().status_code for one in found] == [200] * 10
    return found


# --- secrets -----------------------------------------------------------------------------------


def test_one_secret_too_many_is_refused(alice: Person, bob: Person) -> None:
    """However it is sent; deleted and expired ones count. What is there can still be changed, a
    name that is taken be used again, and another account is not concerned."""
    fill(alice, SECRETS)
    assert put(alice, "new") == LIMIT
    assert refusal(alice.post("/secrets", json={"name": "new", "secret": "x"})) == LIMIT
    assert refusal(write_batch(alice, "s2", "new")) == LIMIT
    assert put(alice, "s2") == (200, ""), "and the batch has not written it: this is version 2"
    assert put(alice, "s0") == (201, "")
    assert write_batch(alice, "s0", "s1", "s2").status_code == 200
    assert put(bob, "new") == (201, "")


def test_a_batch_finds_room_for_all_of_it_or_none(alice: Person) -> None:
    """Not for the first few."""
    fill(alice, SECRETS - 2)
    assert refusal(write_batch(alice, "a", "s2", "b", "c")) == LIMIT
    assert alice.get("/secrets/s2").json["version"] == 1  # type: ignore[index]
    assert write_batch(alice, "a", "s2", "b").status_code == 200
    assert put(alice, "c") == LIMIT


def test_the_refusal_says_how_many_and_what_to_do(alice: Person) -> None:
    """A limit that somebody runs into at night names the way out."""
    fill(alice, SECRETS)
    detail = alice.put("/secrets/new", json={"secret": "x"}).json["detail"]  # type: ignore[index]
    assert f"at most {SECRETS} secrets" in detail
    assert "destroy" in detail


def test_many_at_once_do_not_pass_the_limit_of_secrets(
    app: Flask, vault: Vault, alice: Person
) -> None:
    """A hundred who all find room for the last one: one gets it, singly or in a batch."""
    fill(alice, SECRETS - 1)

    def one(client: Person, turn: int) -> int:
        if turn % 2:
            return write_batch(client, f"new-{turn}", f"s{1 + turn % 3}").status_code
        return client.put(f"/secrets/new-{turn}", json={"secret": "x"}).status_code

    clients = racers(app, alice)
    jobs = [partial(one, clients[turn % 10], turn) for turn in range(100)]
    statuses = Counter(at_once(jobs))
    assert statuses[409] == 99, statuses
    assert number(vault, "SELECT count(*) FROM secrets") == SECRETS
    assert_sound(vault)


# --- versions ----------------------------------------------------------------------------------


def test_one_version_too_many_is_refused(alice: Person) -> None:
    """Nothing is lost to make room. What is no new value still works, and so do other secrets."""
    for expected in (201, 200, 200, 200):
        assert put(alice, "s") == (expected, "")
    assert put(alice, "s") == LIMIT
    assert refusal(alice.patch("/secrets/s", json={"secret": "x"})) == LIMIT
    assert alice.patch("/secrets/s", json={"labels": {"a": "b"}}).status_code == 200
    assert alice.get("/secrets/s?version=1").status_code == 200
    assert alice.delete("/secrets/s").status_code == 200
    assert put(alice, "s") == LIMIT, "a name that begins anew continues its history"
    assert put(alice, "other") == (201, "")


def test_a_batch_points_to_the_secrets_that_are_full(alice: Person) -> None:
    """The others are not written either."""
    for _ in range(VERSIONS):
        assert write_batch(alice, "full", "also/full").status_code == 200
    put(alice, "free")
    answer = write_batch(alice, "free", "full", "new", "also/full")
    assert refusal(answer) == LIMIT
    assert answer.json is not None
    assert f"at most {VERSIONS} versions" in answer.json["detail"]
    assert "flask purge" in answer.json["detail"]
    assert [error["pointer"] for error in answer.json["errors"]] == ["#/writes/1", "#/writes/3"]
    assert alice.get("/secrets/free").json["version"] == 1  # type: ignore[index]
    assert alice.get("/secrets/new").status_code == 404


def test_versions_are_counted_not_numbered(vault: Vault, alice: Person) -> None:
    """Where old ones are gone there is room, though the numbers go on."""
    for _ in range(VERSIONS):
        put(alice, "s")
    with vault.db.write() as tx:
        tx.run("DELETE FROM secret_versions WHERE number <= 2")
    assert [put(alice, "s")[0] for _ in range(3)] == [200, 200, 409]
    with vault.db.write() as tx:
        tx.run("DELETE FROM secret_versions WHERE number <= 4")
    assert [write_batch(alice, "s").status_code for _ in range(3)] == [200, 200, 409]


def test_many_at_once_do_not_pass_the_limit_of_versions(
    app: Flask, vault: Vault, alice: Person
) -> None:
    """A hundred writes of one secret, singly or in a batch."""

    def one(client: Person, turn: int) -> int:
        if turn % 2:
            return write_batch(client, "s").status_code
        return client.put("/secrets/s", json={"secret": "x"}).status_code

    clients = racers(app, alice)
    statuses = Counter(at_once([partial(one, clients[i % 10], i) for i in range(100)]))
    assert statuses[409] == 100 - VERSIONS, statuses
    assert number(vault, "SELECT count(*) FROM secret_versions") == VERSIONS
    assert_sound(vault)


# --- none --------------------------------------------------------------------------------------


def test_zero_is_no_limit(settings: Settings, app: Flask, alice: Person) -> None:
    """As with all limits that can be turned off: there is room beside a node that is full."""
    fill(alice, SECRETS)
    without = create_app(settings.model_copy(update={"MAX_SECRETS": 0, "MAX_VERSIONS": 0}))
    person = Person(without, alice.username)
    person.login()
    assert [put(person, "new")[0] for _ in range(VERSIONS + 1)] == [201, *[200] * VERSIONS]
    assert write_batch(person, "new", "newer").status_code == 200
    vault_of(without).close()
    assert put(alice, "new") == LIMIT
