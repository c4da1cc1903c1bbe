"""Rolling back, undeleting, destroying and moving: many at once, beside writers and rotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count

import pytest
from flask import Flask

from models.conditions import UNCONDITIONAL
from models.errors import NotAuthenticated
from models.rows import Act, Author, SecretName, UserId, Username
from models.times import utcnow
from tests.support.dump import Dump, unopened
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.rotation import assert_sound, number, run
from tests.support.wrapped import Meanwhile
from utils.rotation import Rotator
from utils.store import versions
from utils.vault import Vault

THREADS = 6
Request = Callable[[Person], int]


@pytest.fixture
def clients(app: Flask, alice: Person) -> list[Person]:
    """Alice's scripts, each with a session of its own, and a secret of two versions."""
    for value in ("one", "two"):
        assert alice.put("/secrets/a", json={"secret": value}).status_code < 300
    found = [Person(app, alice.username) for _ in range(THREADS)]
    assert [client.login().status_code for client in found] == [200] * THREADS
    return found


def put(client: Person, name: str = "a") -> int:
    """A value of one's own."""
    return client.put(f"/secrets/{name}", json={"secret": "put"}).status_code


def rollback(client: Person) -> int:
    """To the first version."""
    return client.post("/secrets/a:rollback", json={"version": 1}).status_code


def undelete(client: Person) -> int:
    """Of a."""
    return client.post("/secrets/a:undelete").status_code


def destroy(client: Person) -> int:
    """All of a."""
    return client.post("/secrets/a:destroy", json={"all": True}).status_code


def destroy_first(client: Person) -> int:
    """One version of a."""
    return client.post("/secrets/a:destroy", json={"versions": [1]}).status_code


def move(client: Person, name: str = "a", to: str = "b") -> int:
    """A secret to another name."""
    return client.post(f"/secrets/{name}:move", json={"to": to}).status_code


def statuses(clients: list[Person], *requests: Request) -> Counter[int]:
    """How often each status was answered when all sent one at once, in turns."""
    jobs = [partial(requests[i % len(requests)], who) for i, who in enumerate(clients)]
    return Counter(at_once(jobs))


def whole(vault: Vault) -> Dump:
    """Everything; invariants 1 to 3, and that each secret has its newest version and no later."""
    found = assert_sound(vault)
    for secret in found["secrets"]:
        there = [v["number"] for v in found["secret_versions"] if v["secret_id"] == secret["id"]]
        assert max(there) == secret["version"]
    return found


# --- one account, many writers -----------------------------------------------------------------


def test_rollbacks_and_puts_at_once_get_a_number_each(vault: Vault, clients: list[Person]) -> None:
    """None overwrites another: the history has all of them."""
    assert statuses(clients, rollback, put) == {200: THREADS}
    found = whole(vault)["secret_versions"]
    assert sorted(row["number"] for row in found) == list(range(1, THREADS + 3))
    assert Counter(row["opened"] for row in found) == {b"one": 4, b"two": 1, b"put": 3}


def test_of_many_undeletes_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """To the others the secret is not deleted any more."""
    clients[0].delete("/secrets/a")
    assert statuses(clients, undelete) == {200: 1, 409: THREADS - 1}
    assert clients[0].secret("a") == "two"


def test_an_undelete_and_a_put_at_once_both_count(vault: Vault, clients: list[Person]) -> None:
    """Whichever comes first: the new value is the newest, and the history goes on."""
    clients[0].delete("/secrets/a")
    answers = statuses(clients[:2], undelete, put)
    assert answers in ({200: 2}, {201: 1, 409: 1})
    assert clients[0].secret("a") == "put"
    assert [row["number"] for row in whole(vault)["secret_versions"]] == [1, 2, 3]


def test_of_many_destructions_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """Of the whole, and of one version."""
    assert statuses(clients, destroy_first) == {200: 1, 404: THREADS - 1}
    assert statuses(clients, destroy) == {200: 1, 404: THREADS - 1}
    assert whole(vault)["secret_versions"] == []


def test_destroying_beside_puts_leaves_a_whole_secret_or_none(
    vault: Vault, clients: list[Person]
) -> None:
    """A put comes before, and is destroyed too, or after, and begins anew."""
    for _ in range(5):
        answers = statuses(clients, put, destroy)
        assert set(answers) <= {200, 201, 404}
        whole(vault)


def test_of_many_moves_to_one_name_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """The unique name decides, and no history is lost."""
    for i, client in enumerate(clients):
        put(client, f"from-{i}")
    jobs = [partial(move, client, f"from-{i}") for i, client in enumerate(clients)]
    assert Counter(at_once(jobs)) == {200: 1, 409: THREADS - 1}
    assert len(whole(vault)["secrets"]) == THREADS + 1


def test_of_many_moves_of_one_secret_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """To the others it is not there any more."""
    jobs = [partial(move, client, "a", f"to-{i}") for i, client in enumerate(clients)]
    assert Counter(at_once(jobs)) == {200: 1, 404: THREADS - 1}
    assert len(whole(vault)["secrets"]) == 1


def test_a_move_and_a_create_of_its_target_do_not_both_happen(
    vault: Vault, clients: list[Person]
) -> None:
    """One finds the name taken, or the put changes what was moved there."""
    answers = statuses(clients[:2], move, partial(put, name="b"))
    assert answers in ({201: 1, 409: 1}, {200: 2})
    whole(vault)


# --- beside rotations --------------------------------------------------------------------------


@pytest.mark.parametrize("change", [rollback, destroy_first, destroy, move, undelete])
@pytest.mark.parametrize("before", ["transaction", "exchange"])
def test_a_change_between_a_sweeps_reading_and_its_exchange_is_no_fault(
    vault: Vault, clients: list[Person], change: Request, before: str
) -> None:
    """What is gone is skipped, what is new is under the current key, what moved is the same row."""
    if before == "exchange" and vault.db.dialect.name == "sqlite":
        return  # there, nobody can write within another's transaction
    if change is undelete:
        clients[0].delete("/secrets/a")
    clients[0].post("/keys:rotate")
    first = count()

    def happens() -> None:
        if next(first) == 0:
            assert change(clients[0]) == 200

    db = Meanwhile(vault.db, happens, before)  # type: ignore[arg-type]
    rotator = Rotator(db, vault.master, utcnow())
    rotator.sweep()
    rotator.destroy()
    assert rotator.report.faults == []
    found = whole(vault)
    assert sorted(key["state"] for key in found["user_keys"]) == ["current", "destroyed"]


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
@pytest.mark.invariant(number=3)
def test_all_of_it_at_once_leaves_nothing_unreadable(vault: Vault, clients: list[Person]) -> None:
    """Writers of every kind and a rotation, for a while: no answer is a surprise."""

    def rotate() -> int:
        for _ in range(4):
            assert clients[0].post("/keys:rotate").status_code == 202
            rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=2)
            rotator.sweep()
            rotator.destroy()
            assert rotator.report.faults == []
        return 200

    def work(client: Person, turn: int) -> int:
        verbs: list[Request] = [
            *(put, rollback, destroy_first, move, undelete, destroy),
            lambda who: who.delete("/secrets/a").status_code,
            lambda who: move(who, "b", "a"),
        ]
        answers = {verbs[(turn + i * 3) % len(verbs)](client) for i in range(24)}
        assert answers <= {200, 201, 404, 409}
        return 200

    jobs: list[Callable[[], int]] = [rotate]
    jobs += [partial(work, client, i) for i, client in enumerate(clients[1:])]
    at_once(jobs)
    whole(vault)


# --- between a check and the write -------------------------------------------------------------


@pytest.mark.parametrize("state", ["disabled", "deleted"])
def test_an_account_that_ended_meanwhile_changes_nothing(
    vault: Vault, alice: Person, now: datetime, state: str
) -> None:
    """Between a request's authentication and its write: looked at again, under the lock."""
    name, owner = SecretName("a"), UserId(number(vault, "SELECT id FROM users"))
    act = Act(owner, Author(Username("alice"), "session"), now)
    for _ in range(2):
        alice.put("/secrets/a", json={"secret": "hunter2"})
    run(vault, "UPDATE users SET state = 'disabled'")
    if state == "deleted":
        run(vault, "UPDATE users SET state = 'deleted', password_hash = NULL")
    before = unopened(vault.db)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        versions.rollback(tx, vault.master, act, name, 1, UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        versions.undelete(tx, act, name, UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        versions.destroy_versions(tx, act, name, [1], UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        versions.destroy_all(tx, act, name, UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        versions.move(tx, act, name, SecretName("b"), UNCONDITIONAL)
    assert unopened(vault.db) == before
