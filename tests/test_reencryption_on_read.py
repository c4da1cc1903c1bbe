"""Re-encryption in passing: a read that meets a stale value moves it, and nobody notices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import Settings
from models.rows import SecretId
from models.times import utcnow
from tests.support.people import Person
from tests.support.quiet import without_queued_events
from tests.support.remote import Remote
from tests.support.rotation import assert_sound, number, wait_until
from tests.support.server import Server
from tests.support.trouble import (
    as_if_not_root,
    full_disk,
    locked,
    read_only_files,
    read_only_postgres,
)
from tests.support.wrapped import Meanwhile
from utils.crypto import MasterKeys
from utils.reencryption import reencrypt_in_passing
from utils.rotation import Rotator
from utils.store import keys
from utils.vault import Vault


@pytest.fixture
def vault(vault: Vault) -> Vault:
    """One whose lock nobody else takes."""
    without_queued_events(vault)
    return vault


def read(person: Person, path: str) -> str:
    """The value; and what happens after the answer was sent has happened, too."""
    answer = person.get(path, buffered=True)
    assert answer.status_code == 200, answer.text
    value: str = answer.json["secret"]  # type: ignore[index]
    return value


def versions_of(vault: Vault, state: str) -> list[tuple[str, int]]:
    """Name and number of each version under a key in this state."""
    with vault.db.read() as tx:
        return [
            (row[0], row[1])
            for row in tx.all(
                "SELECT s.name, v.number FROM secret_versions v "
                "JOIN secrets s ON s.id = v.secret_id JOIN user_keys k ON k.id = v.key_id "
                "WHERE k.state = ? ORDER BY s.name, v.number",
                state,
            )
        ]


def test_a_read_moves_exactly_what_was_read(vault: Vault, alice: Person, bob: Person) -> None:
    """One version of one secret; a list, a write or another's read moves nothing."""
    for person in (alice, bob):
        for value in ("first", "second"):
            person.put("/secrets/a", json={"secret": value})
        person.post("/keys:rotate")
    alice.get("/secrets")
    alice.patch("/secrets/a", json={"labels": {"env": "live"}})
    assert versions_of(vault, "current") == []
    assert read(alice, "/secrets/a?version=1") == "first"
    assert versions_of(vault, "current") == [("a", 1)]
    assert read(alice, "/secrets/a") == "second"
    assert versions_of(vault, "current") == [("a", 1), ("a", 2)]
    assert versions_of(vault, "retired") == [("a", 1), ("a", 2)]  # Bob's
    content = assert_sound(vault)
    assert read(alice, "/secrets/a") == "second"
    assert assert_sound(vault) == content, "what is current is left alone"
    bare = bob.get("/secrets/a", headers={"Accept": "text/plain"}, buffered=True)
    assert bare.text == "second"
    assert versions_of(vault, "retired") == [("a", 1)]


@pytest.mark.invariant(number=1)
@pytest.mark.one_engine("postgresql", "SQLite's lock is in the way")
@pytest.mark.parametrize("destroyed", [False, True])
def test_a_key_that_changes_meanwhile_costs_nothing(
    vault: Vault, alice: Person, destroyed: bool
) -> None:
    """Between the look and the exchange the new key can be retired, and even destroyed (on SQLite
    the lock is in the way): the version stays under a key that exists, and opens."""
    alice.put("/secrets/a", json={"secret": "value"})
    alice.post("/keys:rotate")

    def rotate() -> None:
        with vault.db.write() as tx:
            owner = tx.all("SELECT id FROM users")[0][0]
            keys.switch(tx, vault.master, owner, utcnow())
        if destroyed:
            Rotator(vault.db, vault.master, utcnow()).destroy()

    secret = SecretId(number(vault, "SELECT id FROM secrets"))
    db = Meanwhile(vault.db, rotate, before="exchange")
    assert reencrypt_in_passing(db, vault.master, secret, 1) is not destroyed
    assert versions_of(vault, "retired") == [("a", 1)]
    assert_sound(vault)
    assert read(alice, "/secrets/a") == "value"
    assert versions_of(vault, "current") == [("a", 1)]


def test_it_tells_whether_it_moved(vault: Vault, alice: Person) -> None:
    """Whoever has many to move stops at the first that does not: others want to write, or the next
    run has to look at it."""
    alice.put("/secrets/a", json={"secret": "value"})
    alice.post("/keys:rotate")
    secret = SecretId(number(vault, "SELECT id FROM secrets"))
    other = MasterKeys([Fernet.generate_key().decode()])
    assert reencrypt_in_passing(vault.db, other, secret, 1) is False, "its keys do not open"
    with locked(vault.settings.DATABASE_URL):
        assert reencrypt_in_passing(vault.db, vault.master, secret, 1) is False
    assert versions_of(vault, "retired") == [("a", 1)]
    assert reencrypt_in_passing(vault.db, vault.master, secret, 1) is True
    assert versions_of(vault, "current") == [("a", 1)]
    assert reencrypt_in_passing(vault.db, vault.master, secret, 1) is False, "it is there already"


def test_the_lock_is_only_tried(vault: Vault, alice: Person) -> None:
    """Also where a server sends its answer only after everything that a view left to do."""
    alice.put("/secrets/a", json={"secret": "value"})
    alice.post("/keys:rotate")
    with locked(vault.settings.DATABASE_URL):
        began = time.monotonic()
        assert read(alice, "/secrets/a") == "value"
        assert time.monotonic() - began < 2
    assert versions_of(vault, "current") == []


# --- a real server, and a database that can't be written -----------------------------------------


@pytest.fixture
def running(settings: Settings) -> Iterator[Server]:
    """A server; Alice has a stale secret in it."""
    environ = {"SECRETS_DATABASE_URL": settings.DATABASE_URL}
    server = Server(settings.INSTANCE_DIR, environ, prefix=as_if_not_root())
    with server:
        yield server


@pytest.fixture
def alice_there(running: Server) -> Remote:
    """Alice, logged in, with a stale secret."""
    alice = Remote(running, "alice").enter()
    assert alice.put("a", "value").status_code == 201
    assert alice.request("POST", "/keys:rotate").status_code == 202
    return alice


def remaining(person: Remote) -> list[int]:
    """How many ciphertexts are under each of their keys, newest first."""
    return [key["ciphertexts_remaining"] for key in person.get("/keys").json()["keys"]]


def assert_reads_do_not_mind(person: Remote) -> None:
    """The value comes, quickly, and as often as it is asked for; it stays where it is."""
    began = time.monotonic()
    assert [person.secret("a") for _ in range(5)] == ["value"] * 5
    assert time.monotonic() - began < 2
    assert remaining(person) == [0, 1]


def assert_moves(person: Remote) -> None:
    """It moves with a read, now that nothing is in the way any more."""

    def moved() -> bool:
        assert person.secret("a") == "value"
        return remaining(person) == [1, 0]

    wait_until(moved, "the value moves")
    assert person.secret("a") == "value"


def test_a_locked_database_delays_no_read(
    running: Server, alice_there: Remote, database_url: str
) -> None:
    """While another process holds the lock; and once it is gone, the next read moves the value."""
    with locked(database_url):
        assert_reads_do_not_mind(alice_there)
    assert_moves(alice_there)


@pytest.mark.one_engine("postgresql", "it makes PostgreSQL read-only")
def test_a_read_only_postgres_fails_no_read(
    running: Server, alice_there: Remote, database_url: str
) -> None:
    """Read-only as a standby is."""
    with read_only_postgres(database_url):
        assert_reads_do_not_mind(alice_there)


@pytest.mark.one_engine("sqlite", "it makes files read-only")
def test_read_only_files_fail_no_read(running: Server, alice_there: Remote, tmp_path: Path) -> None:
    """A server that starts on files which it may not write serves stale values all the same."""
    running.kill()  # a tidy end would empty the WAL
    with read_only_files(tmp_path):
        running.start().wait_until_ready()
        assert_reads_do_not_mind(alice_there)
    assert_moves(alice_there)


@pytest.mark.one_engine("sqlite", "it fills SQLite's disk")
def test_a_full_disk_fails_no_read(running: Server, alice_there: Remote, tmp_path: Path) -> None:
    """A value that cannot be written anew is given out all the same."""
    assert running.process is not None
    with full_disk(running.process.pid, 40_000):  # SQLite needs 32 KiB to open a database
        assert_reads_do_not_mind(alice_there)
    assert "Traceback" not in running.log.read_text()
    assert_moves(alice_there)
