"""The data layer's promises, in the order of ARCHITECTURE.md, against somebody who can write to
the database, and against mistakes of our own. Races are in test_races.py."""

from __future__ import annotations

from datetime import datetime

import pytest
from cryptography.fernet import Fernet

from models.errors import (
    ConfigurationError,
    IntegrityViolation,
    MissingMasterKey,
    Undecryptable,
)
from models.rows import SecretName, UserId, Username
from tests.support.dump import dump
from tests.support.people import Person, problem
from utils.crypto import MasterKeys
from utils.store import accounts, keys, secret_reads
from utils.vault import Vault, open_vault

ONE, TWO = SecretName("one"), SecretName("two")


@pytest.fixture(autouse=True)
def stored(alice: Person, bob: Person) -> None:
    """Alice has two secrets, one of them with a history; Bob has one of his own."""
    for value in ("first", "second"):
        assert alice.put("/secrets/one", json={"secret": f"alice-one-{value}"}).status_code < 300
    assert alice.put("/secrets/two", json={"secret": "alice-two"}).status_code == 201
    assert bob.put("/secrets/one", json={"secret": "bob-one"}).status_code == 201


def owner(vault: Vault, username: str) -> UserId:
    """The number of an account."""
    with vault.db.read() as tx:
        found = accounts.find_credentials(tx, Username(username))
    assert found is not None
    return found.account.id


def write(vault: Vault, sql: str, *parameters: object) -> int:
    """What somebody with write access to the database does to it."""
    with vault.db.write() as tx:
        return tx.run(sql, *parameters)


def version_row(vault: Vault, username: str, name: str, number: int = 1) -> tuple[int, int, str]:
    """A version's row: its id, the id of its key, its ciphertext."""
    with vault.db.read() as tx:
        row = tx.one(
            "SELECT v.id, v.key_id, v.ciphertext FROM secret_versions v "
            "JOIN secrets s ON s.id = v.secret_id JOIN users u ON u.id = s.owner_id "
            "WHERE u.username = ? AND s.name = ? AND v.number = ?",
            username,
            name,
            number,
        )
    assert row is not None
    return row[0], row[1], row[2]


def put_sealed(vault: Vault, row_id: int, key_id: int, ciphertext: str) -> None:
    """Overwrite what a version's row holds."""
    sql = "UPDATE secret_versions SET key_id = ?, ciphertext = ? WHERE id = ?"
    assert write(vault, sql, key_id, ciphertext, row_id) == 1


def assert_unreadable(person: Person, path: str) -> None:
    """The service says that the value does not open, shows nothing of it, and lives on."""
    response = person.get(path)
    assert (response.status_code, problem(response)) == (500, "secret-unreadable")
    assert "alice-" not in response.text
    assert "bob-" not in response.text
    assert person.get("/secrets").status_code == 200


def read(vault: Vault, username: str, name: SecretName, now: datetime, version: int = 0) -> bytes:
    """A value, by way of the data layer."""
    with vault.db.read() as tx:
        who = owner(vault, username)
        return secret_reads.read(tx, vault.master, who, name, version or None, now).value.data


# --- 1: every ciphertext opens with the key that it names ---------------------------------------


@pytest.mark.invariant(number=1)
def test_everything_stored_opens(vault: Vault, alice: Person) -> None:
    """Over old versions and deleted secrets too."""
    assert alice.delete("/secrets/two").status_code == 200
    opened = {row["opened"] for row in dump(vault.db, vault.master)["secret_versions"]}
    assert opened == {b"alice-one-first", b"alice-one-second", b"alice-two", b"bob-one"}


# --- 2: exactly one current key -----------------------------------------------------------------


@pytest.mark.invariant(number=2)
def test_a_second_current_key_is_refused(vault: Vault, now: datetime) -> None:
    """By a unique index: code that forgets to retire the old one gets nowhere."""
    with pytest.raises(IntegrityViolation), vault.db.write() as tx:
        keys.add_current_key(tx, vault.master, owner(vault, "alice"), now)


@pytest.mark.invariant(number=2)
def test_every_account_begins_with_a_current_key(vault: Vault) -> None:
    """From the first moment: account and key are one transaction."""
    content = dump(vault.db, vault.master)
    holders = [key["owner_id"] for key in content["user_keys"] if key["state"] == "current"]
    assert sorted(holders) == sorted(user["id"] for user in content["users"])


# --- 3: material goes only when nothing refers to it --------------------------------------------


@pytest.mark.invariant(number=3)
@pytest.mark.parametrize(
    "sql", ["DELETE FROM user_key_material", "UPDATE user_key_material SET key_id = key_id + 1000"]
)
def test_key_material_with_ciphertexts_cannot_go(vault: Vault, sql: str) -> None:
    """By the foreign key: not even SQL by hand destroys a key that is needed."""
    before = dump(vault.db, vault.master)
    with pytest.raises(IntegrityViolation):
        write(vault, sql)
    assert dump(vault.db, vault.master) == before


# --- 6: a stolen database opens nothing ---------------------------------------------------------


@pytest.mark.invariant(number=6)
def test_without_the_master_key_nothing_opens(vault: Vault, now: datetime) -> None:
    """The service refuses to start, and no wrapped key opens by hand either."""
    thief = MasterKeys([Fernet.generate_key().decode()])
    stolen = vault.settings.model_copy(update={"MASTER_KEYS": (Fernet.generate_key().decode(),)})
    with pytest.raises(ConfigurationError, match=vault.master.current):
        open_vault(stolen, now)
    with pytest.raises(MissingMasterKey):
        dump(vault.db, thief)
    write(vault, "UPDATE user_key_material SET master = ?", thief.current)
    with pytest.raises(Undecryptable):
        dump(vault.db, thief)


@pytest.mark.invariant(number=5)
@pytest.mark.invariant(number=6)
def test_nothing_in_the_database_is_readable(vault: Vault) -> None:
    """No value, password or bare key stands in any column of any table."""
    unopened = repr(
        {
            table: [{k: v for k, v in row.items() if k != "opened"} for row in rows]
            for table, rows in dump(vault.db, vault.master).items()
        }
    )
    assert "alice" in unopened  # names and times are not secret
    assert "alice-" not in unopened
    assert "correct horse" not in unopened


# --- 7: what is copied to another row does not open there ----------------------------------------


@pytest.mark.invariant(number=7)
@pytest.mark.parametrize(
    "other", [("alice", "two", 1), ("alice", "one", 2), ("bob", "one", 1)], ids=str
)
def test_swapped_ciphertexts_do_not_open(
    vault: Vault, alice: Person, other: tuple[str, str, int]
) -> None:
    """Between secrets, between versions, between accounts with their keys."""
    here, there = version_row(vault, "alice", "one", 1), version_row(vault, *other)
    put_sealed(vault, here[0], there[1], there[2])
    put_sealed(vault, there[0], here[1], here[2])
    assert_unreadable(alice, "/secrets/one?version=1")
    reader = alice if other[0] == "alice" else Person(alice.client.application, "bob")
    assert reader.login().status_code == 200
    assert_unreadable(reader, f"/secrets/{other[1]}?version={other[2]}")


@pytest.mark.invariant(number=7)
def test_a_renumbered_version_does_not_open(vault: Vault, alice: Person) -> None:
    """An old password can't be passed off as the newest one."""
    write(vault, "DELETE FROM secret_versions WHERE number = 2")
    write(
        vault,
        "UPDATE secret_versions SET number = 2 WHERE id = ?",
        version_row(vault, "alice", "one")[0],
    )
    assert_unreadable(alice, "/secrets/one")


@pytest.mark.invariant(number=7)
def test_swapped_wrapped_keys_do_not_open(vault: Vault, alice: Person, bob: Person) -> None:
    """Neither account gets at anything through the other's key."""
    with vault.db.write() as tx:
        rows = tx.all("SELECT key_id, sealed FROM user_key_material ORDER BY key_id")
        for row, sealed in zip(rows, [row[1] for row in reversed(rows)], strict=True):
            tx.run("UPDATE user_key_material SET sealed = ? WHERE key_id = ?", sealed, row[0])
    assert_unreadable(alice, "/secrets/one")
    assert_unreadable(bob, "/secrets/one")
    refused = bob.put("/secrets/new", json={"secret": "bob-new"})
    assert (refused.status_code, problem(refused)) == (500, "secret-unreadable")


@pytest.mark.invariant(number=7)
def test_a_key_does_not_change_owners(vault: Vault, alice: Person, bob: Person) -> None:
    """With Alice's key row in his name Bob reads nothing and writes nothing."""
    here, there = owner(vault, "alice"), owner(vault, "bob")
    write(vault, "UPDATE user_keys SET state = 'retired' WHERE owner_id = ?", there)
    write(vault, "UPDATE user_keys SET owner_id = ? WHERE owner_id = ?", there, here)
    refused = bob.put("/secrets/new", json={"secret": "bob-new"})
    assert (refused.status_code, problem(refused)) == (500, "secret-unreadable")
    assert bob.get("/secrets/new").status_code == 404, "the write was rolled back"
    assert bob.secret("one") == "bob-one"
    assert alice.secret("one") == "alice-one-second"


@pytest.mark.invariant(number=7)
def test_a_secret_does_not_change_owners(vault: Vault, alice: Person, bob: Person) -> None:
    """A row put into another account shows its name there, and never its value."""
    sql = "UPDATE secrets SET owner_id = ? WHERE name = 'two'"
    assert write(vault, sql, owner(vault, "bob")) == 1
    assert_unreadable(bob, "/secrets/two")
    assert alice.get("/secrets/two").status_code == 404


@pytest.mark.invariant(number=7)
def test_a_version_does_not_change_secrets(vault: Vault, alice: Person, bob: Person) -> None:
    """A version hung under somebody else's secret does not open there."""
    row_id, _, _ = version_row(vault, "alice", "two")
    with vault.db.write() as tx:
        target = tx.one("SELECT id FROM secrets WHERE owner_id = ?", owner(vault, "bob"))
        assert target is not None
        tx.run(
            "UPDATE secret_versions SET secret_id = ?, number = 2 WHERE id = ?", target[0], row_id
        )
        tx.run("UPDATE secrets SET version = 2 WHERE id = ?", target[0])
    assert_unreadable(bob, "/secrets/one")
    assert bob.get("/secrets/one?version=1").json["secret"] == "bob-one"  # type: ignore[index]


@pytest.mark.invariant(number=7)
def test_swapped_password_hashes_match_nobody(vault: Vault, alice: Person, bob: Person) -> None:
    """Who writes a hash of their own password into another account can't log in."""
    bob.password = "another password of Bob's"
    write(vault, "DELETE FROM sessions")
    hashed = vault.hasher.hash(bob.password, UserId(7))
    with vault.db.write() as tx:
        rows = tx.all("SELECT id, password_hash FROM users ORDER BY id")
        for row, other in zip(rows, reversed(rows), strict=True):
            tx.run("UPDATE users SET password_hash = ? WHERE id = ?", other[1], row[0])
    assert alice.login().status_code == 401
    bob.password = alice.password
    assert bob.login().status_code == 401
    write(vault, "UPDATE users SET password_hash = ?", hashed)
    assert (alice.login().status_code, bob.login().status_code) == (401, 401)


# --- rows that go, and rows that never were ------------------------------------------------------


@pytest.mark.invariant(number=7)
def test_row_numbers_are_never_used_twice(vault: Vault, alice: Person, now: datetime) -> None:
    """A ciphertext is bound to its row's number: were the number of a deleted row given out again,
    an old ciphertext would open in somebody's new secret."""
    with vault.db.write() as tx:
        last = tx.one("SELECT max(id) FROM secrets")
        tx.run("DELETE FROM secret_versions")
        tx.run("DELETE FROM secrets")
    assert alice.put("/secrets/one", json={"secret": "alice-new"}).status_code == 201
    with vault.db.read() as tx:
        new = tx.one("SELECT min(id) FROM secrets")
    assert last is not None
    assert new is not None
    assert new[0] > last[0]
    assert read(vault, "alice", ONE, now) == b"alice-new"
