"""Races for an account: changes of the password, its deletion, logins, writers and rotations."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial

import pytest
from flask import Flask

from models.rows import Username
from models.times import utcnow
from tests.support.people import PASSWORD, Person, clients, problem
from tests.support.race import Gate, at_once
from tests.support.rotation import assert_sound
from tests.support.wrapped import Meanwhile
from utils.rotation import Rotator
from utils.store import accounts
from utils.vault import Vault
from utils.verify import verify

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
NEW = ["the first new password", "the second new password"]


def change(person: Person, new: str) -> int:
    """Change the password from PASSWORD; the status."""
    body = {"current_password": PASSWORD, "new_password": new}
    return person.put("/account/password", json=body).status_code


def delete(person: Person) -> int:
    """Delete the account; the status."""
    return person.delete("/account", json={"password": PASSWORD}).status_code


def assert_gone(vault: Vault) -> None:
    """Of the only account there is, nothing is left that opens; and --verify finds no fault."""
    found = assert_sound(vault)
    assert [row["state"] for row in found["users"]] == ["deleted"]
    for table in ("sessions", "secrets", "secret_versions", "user_key_material"):
        assert found[table] == []
    assert {key["state"] for key in found["user_keys"]} == {"destroyed"}
    assert verify(vault.db, vault.master, lambda _done: None).faults == []


# --- passwords ---------------------------------------------------------------------------------


@pytest.mark.invariant(number=9)
def test_of_two_password_changes_at_once_one_wins(
    app: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both verified the old password; the loser must not overwrite the winner's."""
    (phone,) = clients(app, "alice", 1)
    gate = Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(2) as pool:
        attempts = [pool.submit(change, *who) for who in zip((alice, phone), NEW, strict=True)]
        assert [gate.wait_for_arrival() for _ in attempts] == [True, True]
        gate.open()
        answers = [attempt.result(60) for attempt in attempts]
    assert sorted(answers) == [200, 403]
    winner = answers.index(200)
    assert [(alice, phone)[i].get("/account").status_code for i in (winner, 1 - winner)] == [
        200,
        401,
    ]
    found = Person(app, "alice")
    for new, expected in ((NEW[winner], 200), (NEW[1 - winner], 401), (PASSWORD, 401)):
        found.password = new
        assert found.login().status_code == expected


def test_a_login_while_the_password_changes_does_not_outlive_it(
    app: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes in before the change commits, with the password that is about to be the old one."""
    gate = Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change, alice, NEW[0])
        assert gate.wait_for_arrival()
        (thief,) = clients(app, "alice", 1)
        assert thief.get("/account").status_code == 200
        gate.open()
        assert changing.result(60) == 200
    assert thief.get("/account").status_code == 401
    assert len(assert_sound(vault)["sessions"]) == 1


@pytest.mark.invariant(number=9)
def test_a_login_that_is_late_finds_the_password_changed(
    app: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It verified the old password before the change, and opens no session after it."""
    late = Person(app, "alice")
    with vault.db.read() as tx:
        credentials = accounts.find_credentials(tx, Username("alice"))
    assert credentials is not None
    gate = Gate(monkeypatch, "checkpw")
    with ThreadPoolExecutor(1) as pool:
        login = pool.submit(late.login)
        assert gate.wait_for_arrival()
        chosen = vault.hasher.hash(NEW[0], credentials.account.id)
        with vault.db.write() as tx:
            current = tx.all("SELECT id FROM sessions")[0][0]
            assert accounts.change_password(tx, credentials, chosen, current, utcnow()) == 0
        gate.open()
        assert login.result(60).status_code == 401
    assert len(assert_sound(vault)["sessions"]) == 1


@pytest.mark.invariant(number=9)
def test_hashing_a_new_password_holds_no_lock(
    app: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it verifies and hashes, everybody else reads and writes."""
    (phone,) = clients(app, "alice", 1)
    gates = Gate(monkeypatch, "checkpw"), Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change, alice, NEW[0])
        for gate in gates:
            assert gate.wait_for_arrival()
            with vault.db.write(wait=False) as tx:
                tx.run("UPDATE users SET created_at = created_at")
            assert phone.put("/secrets/db", json={"secret": "hunter2"}).status_code < 300
            gate.open()
        assert changing.result(60) == 200


# --- deletion ----------------------------------------------------------------------------------


def test_of_many_deletions_one_succeeds(app: Flask, vault: Vault, alice: Person) -> None:
    """To the others the session is over, or the password no longer the account's."""
    alice.put("/secrets/db", json={"secret": "hunter2"})
    everybody = [alice, *clients(app, "alice", 5)]
    answers = Counter(at_once([partial(delete, one) for one in everybody]))
    assert answers[200] == 1
    assert set(answers) <= {200, 401, 403}
    assert_gone(vault)


def test_a_deletion_that_the_password_overtook_deletes_nothing(
    app: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deletes must know the password that counts at that moment."""
    (thief,) = clients(app, "alice", 1)
    with vault.db.read() as tx:
        credentials = accounts.find_credentials(tx, Username("alice"))
    assert credentials is not None
    gate = Gate(monkeypatch, "checkpw")
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(thief.delete, "/account", json={"password": PASSWORD})
        assert gate.wait_for_arrival()
        chosen = vault.hasher.hash(NEW[0], credentials.account.id)
        with vault.db.write() as tx:
            current = tx.all("SELECT id FROM sessions ORDER BY created_at, id")[0][0]
            assert accounts.change_password(tx, credentials, chosen, current, utcnow()) is not None
        gate.open()
        answer = deleting.result(60)
    assert (answer.status_code, problem(answer)) == (403, "wrong-password")
    assert alice.get("/account").status_code == 200


def test_writers_and_a_deletion_leave_nothing_behind(
    app: Flask, vault: Vault, alice: Person
) -> None:
    """Each write is before it, and deleted with the rest, or after it, and refused."""
    writers = clients(app, "alice", 6)
    written: list[int] = []
    begun = threading.Semaphore(0)

    def write(who: Person) -> None:
        for i in range(200):
            status = who.put(f"/secrets/s{i % 7}", json={"secret": f"value {i}"}).status_code
            written.append(status)
            begun.release()
            if status == 401:
                return

    def end() -> None:
        assert all(begun.acquire(timeout=60) for _ in range(20))
        assert delete(alice) == 200

    jobs: list[Callable[[], None]] = [end, *(partial(write, who) for who in writers)]
    at_once(jobs)
    assert set(written) == {200, 201, 401}
    assert_gone(vault)


def test_logins_and_a_deletion_leave_no_session(app: Flask, vault: Vault, alice: Person) -> None:
    """A login that was on its way opens none in a deleted account."""
    people = [Person(app, "alice") for _ in range(6)]

    def enter(who: Person) -> int:
        return [who.login().status_code for _ in range(5)][-1]

    answers = at_once([partial(delete, alice), *(partial(enter, who) for who in people)])
    assert answers[0] == 200
    assert {who.get("/account").status_code for who in people} == {401}
    assert_gone(vault)


@pytest.mark.parametrize("step", ["switch", "sweep", "destroy"])
def test_an_account_deleted_in_the_middle_of_a_rotation_is_no_fault(
    vault: Vault, alice: Person, step: str
) -> None:
    """Between what a step has read and what it writes: it finds nothing left to do."""
    for i in range(5):
        alice.put(f"/secrets/s{i}", json={"secret": "value"})
    left = [partial(delete, alice)]

    def once() -> None:
        if left:
            assert left.pop()() == 200

    steps: dict[str, Callable[[Rotator], None]] = {
        "switch": lambda rotator: rotator.switch(ALWAYS),
        "sweep": lambda rotator: rotator.sweep(),
        "destroy": lambda rotator: rotator.destroy(),
    }
    for name, run in steps.items():
        db = Meanwhile(vault.db, once) if name == step else vault.db
        rotator = Rotator(db, vault.master, utcnow())
        run(rotator)
        assert rotator.report.faults == []
    assert left == []
    assert_gone(vault)


def test_rotations_and_deletions_at_once_get_along(
    app: Flask, vault: Vault, person: Callable[[str], Person]
) -> None:
    """Neither waits for the other in a circle, and nothing is left of anybody."""
    people = [person(f"person-{i}") for i in range(6)]
    for someone in people:
        for i in range(8):
            someone.put(f"/secrets/s{i}", json={"secret": "value"})

    def rotate() -> int:
        for _ in range(4):
            rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=3)
            rotator.switch(ALWAYS)
            rotator.sweep()
            rotator.destroy()
            assert rotator.report.faults == []
        return 200

    def leave(someone: Person) -> int:
        for _ in range(3):
            someone.post("/keys:rotate")
        return delete(someone)

    jobs: list[Callable[[], int]] = [
        rotate,
        rotate,
        *(partial(leave, someone) for someone in people),
    ]
    assert set(at_once(jobs)) == {200}
    found = assert_sound(vault)
    assert found["secret_versions"] == found["user_key_material"] == found["sessions"] == []
    assert verify(vault.db, vault.master, lambda _done: None).faults == []
