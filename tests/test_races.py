"""Races: many at once, on one account, and what ends between a check and the write that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

import pytest
from flask import Flask

from models.conditions import UNCONDITIONAL
from models.errors import NotAuthenticated
from models.rows import Act, Author, Change, SecretName, UserId, Username, Value
from models.times import utcnow
from tests.support.dump import Dump, dump
from tests.support.people import Person
from tests.support.race import Gate, at_once
from utils.store import keys, secrets
from utils.tokens import new_id
from utils.vault import Vault

THREADS = 8
NAME = SecretName("db")


@pytest.fixture
def clients(app: Flask, alice: Person) -> list[Person]:
    """Alice's scripts: each with a session of its own."""
    found = [Person(app, alice.username) for _ in range(THREADS)]
    assert [client.login().status_code for client in found] == [200] * THREADS
    return found


def statuses(clients: list[Person], request: Callable[[Person], int]) -> Counter[int]:
    """How often each status was answered when all sent *request* at once."""
    return Counter(at_once([partial(request, client) for client in clients]))


def put_own_value(client: Person, headers: dict[str, str] | None = None) -> int:
    """PUT a value that nobody else does; the status."""
    body = {"secret": new_id()}
    return client.put(f"/secrets/{NAME}", json=body, headers=headers or {}).status_code


def content(vault: Vault) -> Dump:
    """All rows; invariants 1 and 2 are checked in passing."""
    found = dump(vault.db, vault.master)  # raises where a ciphertext does not open
    holders = [key["owner_id"] for key in found["user_keys"] if key["state"] == "current"]
    assert sorted(holders) == sorted(user["id"] for user in found["users"])
    return found


def only_user(vault: Vault) -> UserId:
    """The number of the one account there is."""
    with vault.db.read() as tx:
        row = tx.one("SELECT id FROM users")
    assert row is not None
    return UserId(row[0])


# --- one account, many writers -----------------------------------------------------------------


def test_of_many_creates_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """The others read that the name is taken, and leave nothing behind."""
    body = {"name": "db", "secret": "hunter2"}
    answers = statuses(clients, lambda who: who.post("/secrets", json=body).status_code)
    assert answers == {201: 1, 409: THREADS - 1}
    assert len(content(vault)["secret_versions"]) == 1


def test_concurrent_writes_leave_no_gap(vault: Vault, clients: list[Person]) -> None:
    """Each acknowledged PUT is one version; numbers are contiguous, and the newest is current."""

    def put_five(client: Person) -> list[int]:
        return [put_own_value(client) for _ in range(5)]

    answers = at_once([partial(put_five, client) for client in clients])
    assert Counter(chain.from_iterable(answers)) == {201: 1, 200: THREADS * 5 - 1}
    found = content(vault)
    numbers = sorted(row["number"] for row in found["secret_versions"])
    assert numbers == list(range(1, THREADS * 5 + 1))
    assert found["secrets"][0]["version"] == numbers[-1]
    assert len({row["opened"] for row in found["secret_versions"]}) == THREADS * 5


def test_of_many_compare_and_sets_one_wins(vault: Vault, clients: list[Person]) -> None:
    """If-Match: two scripts that change what they have read can't lose each other's change."""
    tag = clients[0].put("/secrets/db", json={"secret": "old"}).headers["ETag"]
    headers = {"If-Match": tag}
    answers = statuses(clients, lambda who: put_own_value(who, headers))
    assert answers == {200: 1, 412: THREADS - 1}
    assert len(content(vault)["secret_versions"]) == 2


def test_of_many_create_only_puts_one_succeeds(vault: Vault, clients: list[Person]) -> None:
    """``If-None-Match: *``: scripts that initialise a secret agree on one value."""
    headers = {"If-None-Match": "*"}
    answers = statuses(clients, lambda who: put_own_value(who, headers))
    assert answers == {201: 1, 412: THREADS - 1}
    assert len(content(vault)["secret_versions"]) == 1


def test_of_many_deletes_one_succeeds(clients: list[Person]) -> None:
    """To the others the secret is gone already."""
    clients[0].put("/secrets/db", json={"secret": "hunter2"})
    answers = statuses(clients, lambda who: who.delete("/secrets/db").status_code)
    assert answers == {200: 1, 404: THREADS - 1}


@pytest.mark.invariant(number=2)
def test_of_many_registrations_of_a_name_one_succeeds(vault: Vault, app: Flask) -> None:
    """One account with one current key; the others are told that the name is taken."""
    people = [Person(app, "carol") for _ in range(THREADS)]
    answers = statuses(people, lambda who: who.register().status_code)
    assert answers == {201: 1, 409: THREADS - 1}
    found = content(vault)
    assert [row["username"] for row in found["users"]] == ["carol"]
    assert len(found["user_keys"]) == 1


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
def test_writers_and_a_key_switch_do_not_lose_each_other(
    vault: Vault, clients: list[Person], now: datetime
) -> None:
    """Beside a live rotation: whoever writes next reads the new key."""
    owner = only_user(vault)

    def switch() -> int:
        for _ in range(10):
            with vault.db.write() as tx:
                assert keys.switch(tx, vault.master, owner, utcnow())
        return 200

    def put_five(client: Person) -> int:
        return max(put_own_value(client) for _ in range(5))

    jobs: list[Callable[[], int]] = [switch, *(partial(put_five, client) for client in clients)]
    assert set(at_once(jobs)) <= {200, 201}
    found = content(vault)
    assert len(found["user_keys"]) == 11
    assert len(found["secret_versions"]) == THREADS * 5


# --- between a check and the write -------------------------------------------------------------


DISABLE = "UPDATE users SET state = 'disabled'"
DELETE = "UPDATE users SET state = 'deleted', password_hash = NULL"
CHANGE_PASSWORD = "UPDATE users SET password_number = password_number + 1"


@pytest.mark.invariant(number=9)
@pytest.mark.parametrize("sql", [DISABLE, DELETE])
def test_an_account_that_ended_meanwhile_cannot_write(
    vault: Vault, alice: Person, now: datetime, sql: str
) -> None:
    """Between a request's authentication and its write the account may have ended: the write looks
    again, under the lock."""
    act = Act(only_user(vault), Author(Username("alice"), "session"), now)
    change = Change(value=Value(b"too late", "text"))
    assert alice.put(f"/secrets/{NAME}", json={"secret": "hunter2"}).status_code == 201
    with vault.db.write() as tx:
        tx.run(sql)
    before = dump(vault.db, vault.master)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        secrets.create(tx, vault.master, act, SecretName("new"), change)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        secrets.put(tx, vault.master, act, NAME, change, UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        secrets.patch(tx, vault.master, act, NAME, change, UNCONDITIONAL)
    with pytest.raises(NotAuthenticated), vault.db.write() as tx:
        secrets.delete(tx, act, NAME, UNCONDITIONAL, timedelta(days=1))
    assert dump(vault.db, vault.master) == before


@pytest.mark.invariant(number=9)
@pytest.mark.parametrize("sql", [DISABLE, DELETE, CHANGE_PASSWORD])
def test_a_login_looks_again_after_hashing(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Hashing takes long and holds no lock, so what it was about may have changed."""
    gate = Gate(monkeypatch, "checkpw")
    with ThreadPoolExecutor(1) as pool:
        login = pool.submit(alice.login)
        assert gate.wait_for_arrival()
        with vault.db.write() as tx:
            tx.run("DELETE FROM sessions")
            tx.run(sql)
        gate.open()
        assert login.result(60).status_code == 401
    assert dump(vault.db, vault.master)["sessions"] == []


@pytest.mark.invariant(number=9)
def test_hashing_holds_no_lock(
    vault: Vault, clients: list[Person], stranger: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While logins and registrations hash, everybody else reads and writes."""
    gates = Gate(monkeypatch, "checkpw"), Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(clients[0].login), pool.submit(stranger.register)]
        assert all(gate.wait_for_arrival() for gate in gates)
        with vault.db.write(wait=False) as tx:
            tx.run("UPDATE users SET created_at = created_at")
        assert clients[1].put("/secrets/db", json={"secret": "hunter2"}).status_code == 201
        assert clients[1].secret("db") == "hunter2"
        for gate in gates:
            gate.open()
        assert [answer.result(60).status_code for answer in slow] == [200, 201]
