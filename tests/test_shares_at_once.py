"""Many who share, or leave, at once: nobody waits in a circle, no grant is left or one too many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from flask import Flask

from models.grants import MAX_GRANTS
from models.rows import Username
from models.times import utcnow
from tests.support.people import PASSWORD, Person, clients
from tests.support.race import at_once
from tests.support.rotation import assert_sound, number
from tests.support.shared import pointers
from tests.support.sharing import fill, given, received, shared, user_id, waits
from utils.store import accounts
from utils.vault import Vault

ROUNDS = 15


# --- who leaves ---------------------------------------------------------------------------------


def test_no_grant_is_made_for_an_account_that_is_being_deleted(
    vault: Vault, alice: Person, bob: Person
) -> None:
    """The one who shares waits for the deletion, and is told that there is nobody of this name."""
    alice.put("/secrets/db", json={"secret": "x"})
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            credentials = accounts.find_credentials(tx, Username("bob"))
            assert credentials is not None
            assert accounts.delete(tx, credentials, utcnow())
            late = pool.submit(shared, alice, "db", bob)
            waits(vault)
        assert pointers(late.result(60)) == {"#/username"}
    assert number(vault, "SELECT count(*) FROM grants") == 0


def test_sharing_and_the_end_of_the_grantee_leave_no_grant(
    app: Flask, vault: Vault, alice: Person, bob: Person
) -> None:
    """Many secrets, shared while the account goes."""
    owners = clients(app, "alice", 4)
    for i in range(4):
        alice.put(f"/secrets/s{i}", json={"secret": "x"})
    begun = threading.Semaphore(0)

    def share_on(who: Person, i: int) -> int:
        for j in range(500):
            answer = shared(who, f"s{i}", "bob", ("read", "write")[j % 2])
            begun.release()
            if answer.status_code not in {200, 201}:
                return answer.status_code
        return 0

    def leave() -> int:
        assert all(begun.acquire(timeout=60) for _ in range(8))
        return bob.delete("/account", json={"password": PASSWORD}).status_code

    jobs: list[Callable[[], int]] = [
        leave,
        *(partial(share_on, who, i) for i, who in enumerate(owners)),
    ]
    assert at_once(jobs) == [200, 422, 422, 422, 422]
    assert number(vault, "SELECT count(*) FROM grants") == 0


def test_two_who_share_with_each_other_leave_at_once(
    vault: Vault, person: Callable[[str], Person]
) -> None:
    """Each deletes grants of both: in one order. Nothing is left."""
    people = [person(f"person-{i}") for i in range(4)]
    for owner in people:
        for i in range(10):
            owner.put(f"/secrets/s{i}", json={"secret": "x"})
            for grantee in people:
                shared(owner, f"s{i}", grantee)
    assert number(vault, "SELECT count(*) FROM grants") == 120
    jobs = [partial(one.delete, "/account", json={"password": PASSWORD}) for one in people]
    assert [answer.status_code for answer in at_once(jobs)] == [200] * 4
    assert number(vault, "SELECT count(*) FROM grants") == 0
    assert assert_sound(vault)["secrets"] == []


@pytest.mark.one_engine("postgresql", "SQLite has one writer at a time")
@pytest.mark.parametrize("grantee_of_first", ["alice", "bob"])
def test_whoever_leaves_takes_grants_in_one_order(
    vault: Vault, alice: Person, bob: Person, grantee_of_first: str
) -> None:
    """While the first is held, the second is not touched: so nobody holds it and waits."""
    for owner, grantee in ((alice, bob), (bob, alice)):
        owner.put("/secrets/db", json={"secret": "x"})
        shared(owner, "db", grantee)
    first, second = ("1",), ("2",)
    with vault.db.write() as tx:
        tx.run(
            "UPDATE grants SET id = CASE WHEN grantee_id = ? THEN '1' ELSE '2' END",
            user_id(vault, grantee_of_first),
        )
    held = "SELECT id FROM grants WHERE id = ? FOR NO KEY UPDATE SKIP LOCKED"
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            assert tx.all(held, *first) == [first]
            left = pool.submit(alice.delete, "/account", json={"password": PASSWORD})
            waits(vault)
            with vault.db.write() as another:
                assert another.all(held, *second) == [second]
        assert left.result(60).status_code == 200
    assert number(vault, "SELECT count(*) FROM grants") == 0


# --- who shares ---------------------------------------------------------------------------------


def test_two_who_share_with_each_other_do_not_wait_in_a_circle(
    app: Flask, alice: Person, bob: Person
) -> None:
    """Each locks both accounts: in one order. A deadlock would be a 503."""
    for someone in (alice, bob):
        someone.put("/secrets/db", json={"secret": "x"})

    def share_on(who: Person, other: str) -> set[int]:
        return {
            answer.status_code
            for i in range(ROUNDS)
            for answer in (shared(who, "db", other, ("read", "write")[i % 2]),)
        }

    jobs = [partial(share_on, who, "bob") for who in clients(app, "alice", 2)]
    jobs += [partial(share_on, who, "alice") for who in clients(app, "bob", 2)]
    assert set().union(*at_once(jobs)) == {200, 201}
    assert (len(given(alice, "db")), len(received(alice))) == (1, 1)


def test_of_many_grants_at_once_no_more_are_made_than_may_be(
    app: Flask, vault: Vault, alice: Person, bob: Person, person: Callable[[str], Person]
) -> None:
    """Two places are left; the others read that it is full."""
    alice.put("/secrets/db", json={"secret": "x"})
    assert shared(alice, "db", bob).status_code == 201
    fill(vault, number(vault, "SELECT secret_id FROM grants"), MAX_GRANTS - 3)
    people = [person(f"person-{i}") for i in range(5)]
    owners = clients(app, "alice", 5)
    jobs = [partial(shared, who, "db", one) for who, one in zip(owners, people, strict=True)]
    assert sorted(answer.status_code for answer in at_once(jobs)) == [201, 201, 409, 409, 409]
    assert number(vault, "SELECT count(*) FROM grants") == MAX_GRANTS
