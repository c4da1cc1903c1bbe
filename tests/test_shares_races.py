"""Races around a grant: what was ended lets nothing through, and no rotation loses a write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial

import pytest
from flask import Flask

from models.rows import SecretName, Username
from models.times import utcnow
from tests.support.people import Person, clients
from tests.support.race import at_once
from tests.support.rotation import assert_sound, number
from tests.support.shared import refusal
from tests.support.sharing import read, shared, unshared, user_id, waits, write
from utils.rotation import Rotator
from utils.store import accounts, shares
from utils.vault import Vault
from utils.verify import verify

ALWAYS = datetime.max.replace(tzinfo=timezone.utc)
ROUNDS = 15


@pytest.fixture
def db(alice: Person, bob: Person) -> str:
    """A secret of Alice's that Bob may write."""
    alice.put("/secrets/db", json={"secret": "alice's"})
    assert shared(alice, "db", bob, "write").status_code == 201
    return "db"


# --- the end of a grant -------------------------------------------------------------------------


def test_a_write_that_waited_for_the_end_of_its_grant_is_refused(
    vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """It was let in, found its grant, and waited for the owner's row while the grant was ended."""
    owner = user_id(vault, "alice")
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            shares.unshare(tx, owner, SecretName(db), Username("bob"), utcnow())
            late = pool.submit(write, bob, alice, db, "late")
            waits(vault)
        assert refusal(late.result(60)) == (404, "not-found")
    assert alice.secret(db) == "alice's"


def test_a_write_that_waited_while_its_grant_shrank_is_refused(
    vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """From write to read: what counts is what it may when it writes."""
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            account = accounts.find_credentials(tx, Username("alice"))
            assert account is not None
            name, bobs = SecretName(db), Username("bob")
            shares.share(tx, vault.grant_key, account.account.id, name, bobs, "read", utcnow())
            late = pool.submit(write, bob, alice, db, "late")
            waits(vault)
        assert refusal(late.result(60)) == (403, "read-only")
    assert alice.secret(db) == "alice's"


def test_nothing_is_written_after_a_grant_was_ended(
    app: Flask, vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """Each write is acknowledged and kept, or refused; and once the owner was told that the grant
    has ended, none comes any more."""
    writers = clients(app, "bob", 4)
    acknowledged: list[str] = []
    begun = threading.Semaphore(0)

    def write_on(who: Person, number: int) -> int:
        for i in range(500):
            answer = write(who, alice, db, f"{number}-{i}")
            begun.release()
            if answer.status_code != 200:
                return answer.status_code
            acknowledged.append(f"{number}-{i}")
        return 0

    def end() -> int:
        assert all(begun.acquire(timeout=60) for _ in range(12))
        assert unshared(alice, db, bob).status_code == 200
        version: int = alice.get(f"/secrets/{db}").json["version"]  # type: ignore[index]
        return version

    jobs: list[Callable[[], int]] = [
        end,
        *(partial(write_on, who, i) for i, who in enumerate(writers)),
    ]
    version, *ended = at_once(jobs)
    assert ended == [404] * 4
    found = assert_sound(vault)
    assert len(found["secret_versions"]) == version == 1 + len(acknowledged)
    opened = {row["opened"].decode() for row in found["secret_versions"]}
    assert opened == {"alice's", *acknowledged}
    assert {row["author"] for row in found["secret_versions"]} == {"alice", "bob"}


def test_a_new_life_is_never_read_with_an_old_grant(
    app: Flask, vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """While the owner deletes, creates and shares again: readers see only what was shared."""
    readers = clients(app, "bob", 3)
    stop = threading.Event()

    def look(who: Person) -> set[str | None]:
        seen: set[str | None] = set()
        while not stop.is_set():
            status, value = read(who, alice, db)
            assert (status == 200) == (value is not None)
            assert status in {200, 404}
            seen.add(value)
        return seen

    def live() -> set[str | None]:
        for i in range(ROUNDS):
            assert alice.delete(f"/secrets/{db}").status_code == 200
            assert alice.put(f"/secrets/{db}", json={"secret": f"private {i}"}).status_code == 201
            assert alice.put(f"/secrets/{db}", json={"secret": f"public {i}"}).status_code == 200
            assert shared(alice, db, bob).status_code == 201
        stop.set()
        return set()

    jobs: list[Callable[[], set[str | None]]] = [live, *(partial(look, who) for who in readers)]
    seen = {value for values in at_once(jobs) for value in values}
    assert not {value for value in seen if value and value.startswith("private")}
    assert read(bob, alice, db) == (200, f"public {ROUNDS - 1}")
    assert number(vault, "SELECT count(*) FROM grants") == 1


def test_a_write_that_waited_for_the_end_of_the_owner_finds_nothing(
    vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """Not "log in again", which is about the grantee's own account."""
    with ThreadPoolExecutor(1) as pool:
        with vault.db.write() as tx:
            credentials = accounts.find_credentials(tx, Username("alice"))
            assert credentials is not None
            assert accounts.delete(tx, credentials, utcnow())
            late = pool.submit(write, bob, alice, db, "late")
            waits(vault)
        assert refusal(late.result(60)) == (404, "not-found")


def test_a_stranger_does_not_even_wait_for_the_owner(
    vault: Vault, alice: Person, bob: Person, person: Callable[[str], Person], db: str
) -> None:
    """Whoever has no grant touches nobody's lock: they could else make anybody's writers wait."""
    if not vault.db.dialect.row_locks:
        return  # every writer waits for the one lock there is
    carol = person("carol")
    with vault.db.write() as tx:
        tx.one("SELECT 1 FROM users WHERE username = 'alice' FOR NO KEY UPDATE")
        assert write(carol, alice, db, "x").status_code == 404


# --- beside rotations ---------------------------------------------------------------------------


@pytest.mark.invariant(number=1)
@pytest.mark.invariant(number=2)
@pytest.mark.invariant(number=3)
def test_a_grantee_writes_beside_rotations_of_the_owners_key(
    app: Flask, vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """Every version is under a key of the owner's, and opens; none is lost."""
    writers = clients(app, "bob", 3)

    def write_on(who: Person, number: int) -> int:
        statuses = {write(who, alice, db, f"{number}-{i}").status_code for i in range(ROUNDS)}
        assert statuses == {200}
        assert read(who, alice, db)[0] == 200
        return 0

    def rotate() -> int:
        for _ in range(6):
            rotator = Rotator(vault.db, vault.master, utcnow(), batch_size=3)
            rotator.switch(ALWAYS)
            rotator.sweep()
            rotator.destroy()
            assert rotator.report.faults == []
            assert alice.post("/keys:rotate").status_code == 202
        return 0

    jobs: list[Callable[[], int]] = [rotate]
    jobs += [partial(write_on, who, i) for i, who in enumerate(writers)]
    at_once(jobs)
    found = assert_sound(vault)
    expected = {f"{i}-{j}" for i in range(3) for j in range(ROUNDS)} | {"alice's"}
    assert {row["opened"].decode() for row in found["secret_versions"]} == expected
    assert verify(vault.db, vault.master, lambda _done: None).faults == []


def test_a_grantees_read_moves_a_stale_value_to_the_owners_current_key(
    vault: Vault, alice: Person, bob: Person, db: str
) -> None:
    """In passing, as the owner's own read does."""
    alice.post("/keys:rotate")
    stale = (
        "SELECT count(*) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
        "WHERE k.state = 'retired'"
    )
    assert number(vault, stale) == 1
    assert read(bob, alice, db) == (200, "alice's")
    assert number(vault, stale) == 0
    assert_sound(vault)
