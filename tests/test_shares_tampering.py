"""What a writer to the database can make of grants: dead ones (SECURITY.md)."""

from __future__ import annotations

import pytest
from flask import Flask

from routes.context import vault_of
from tests.support.people import Person
from tests.support.rotation import number, run
from tests.support.shared import module_app, newcomer, unique
from tests.support.sharing import given, read, received, shared, unshared, write
from utils.macs import grant_mac
from utils.vault import Vault
from utils.verify import verify

BOUND = {"secret_id", "grantee_id", "permission", "granted_at", "mac"}

app = module_app()


@pytest.fixture
def vault(app: Flask) -> Vault:
    """What the application works with, to write behind its back."""
    return vault_of(app)


@pytest.fixture
def ada(app: Flask) -> Person:
    """Somebody with two secrets."""
    someone = newcomer(app, "ada")
    for name in ("db", "other"):
        someone.put(f"/secrets/{name}", json={"secret": f"canary {name}"})
    return someone


@pytest.fixture
def bob(app: Flask) -> Person:
    """Somebody with an account."""
    return newcomer(app, "bob")


def user_id(vault: Vault, person: Person) -> int:
    """The number of an account."""
    return number(vault, "SELECT id FROM users WHERE username = ?", person.username)


def secret_id(vault: Vault, owner: Person, name: str) -> int:
    """The number of a secret."""
    sql = "SELECT id FROM secrets WHERE owner_id = ? AND name = ?"
    return number(vault, sql, user_id(vault, owner), name)


def plant(vault: Vault, secret: int, grantee: int, mac: str) -> None:
    """Insert a grant to write."""
    sql = (
        "INSERT INTO grants (id, secret_id, grantee_id, permission, granted_at, mac) "
        "VALUES (?, ?, ?, 'write', 1, ?)"
    )
    assert run(vault, sql, unique("grant")[:22], secret, grantee, mac) == 1


def assert_dead(grantee: Person, owner: Person, name: str = "db") -> None:
    """The grantee has nothing of it, and nobody is told otherwise."""
    assert read(grantee, owner, name)[0] == 404
    assert write(grantee, owner, name, "stolen").status_code == 404
    assert [row for row in received(grantee) if row["name"] == name] == []
    assert [row for row in given(owner, name) if row["username"] == grantee.username] == []
    assert owner.secret(name) == f"canary {name}"


@pytest.mark.parametrize("mac", ["", "0" * 64, "\u20ac"])
def test_a_planted_grant_lets_nobody_in(ada: Person, bob: Person, vault: Vault, mac: str) -> None:
    """Without the key for its MAC, which is wrapped under the master key."""
    secret, grantee = secret_id(vault, ada, "db"), user_id(vault, bob)
    plant(vault, secret, grantee, mac)
    assert_dead(bob, ada)


def test_verify_names_a_planted_grant_and_no_genuine_one(
    ada: Person, bob: Person, vault: Vault
) -> None:
    """Somebody wrote to the database who should not: the operator wants to know."""

    def named() -> set[str]:
        return {fault.where for fault in verify(vault.db, vault.master, lambda _: None).faults}

    before = named()  # of other tests
    shared(ada, "other", bob)
    assert named() == before
    plant(vault, secret_id(vault, ada, "db"), user_id(vault, bob), "0" * 64)
    (fault,) = named() - before
    assert fault.startswith("grants id=grant-")


def test_a_planted_grant_can_be_replaced_or_ended(ada: Person, bob: Person, vault: Vault) -> None:
    """It is in nobody's way: sharing is then 201, as it was not shared."""
    secret, grantee = secret_id(vault, ada, "db"), user_id(vault, bob)
    plant(vault, secret, grantee, "")
    assert unshared(ada, "db", bob).status_code == 200
    plant(vault, secret, grantee, "")
    assert shared(ada, "db", bob).status_code == 201
    assert read(bob, ada, "db") == (200, "canary db")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("permission", "'write'"),
        ("granted_at", "granted_at + 1"),
        ("granted_at", "9223372036854775806"),
        ("mac", "upper(mac)"),
        ("mac", "substr(mac, 1, 63)"),
    ],
)
def test_a_changed_grant_is_dead(
    ada: Person, bob: Person, vault: Vault, column: str, value: str
) -> None:
    """Also one that would be no time: it is refused before anything of it is parsed."""
    shared(ada, "db", bob, "read")
    sql = f"UPDATE grants SET {column} = {value} WHERE grantee_id = ?"  # noqa: S608
    assert run(vault, sql, user_id(vault, bob)) == 1
    assert_dead(bob, ada)


@pytest.mark.invariant(number=7)
def test_a_grant_that_was_moved_is_dead(app: Flask, ada: Person, bob: Person, vault: Vault) -> None:
    """To another secret, to another grantee, or with its secret to another owner."""
    carol = newcomer(app, "carol")
    shared(ada, "db", bob, "write")
    bobs, carols = user_id(vault, bob), user_id(vault, carol)
    db, other = (secret_id(vault, ada, name) for name in ("db", "other"))
    assert run(vault, "UPDATE grants SET secret_id = ? WHERE grantee_id = ?", other, bobs) == 1
    assert_dead(bob, ada, "other")
    assert run(vault, "UPDATE grants SET secret_id = ? WHERE grantee_id = ?", db, bobs) == 1
    assert read(bob, ada, "db") == (200, "canary db")
    assert run(vault, "UPDATE grants SET grantee_id = ? WHERE grantee_id = ?", carols, bobs) == 1
    assert_dead(carol, ada)
    assert run(vault, "UPDATE grants SET grantee_id = ? WHERE grantee_id = ?", bobs, carols) == 1
    assert run(vault, "UPDATE secrets SET owner_id = ? WHERE id = ?", carols, db) == 1
    assert read(bob, carol, "db")[0] == 404
    assert received(bob) == []


def test_every_column_is_bound(ada: Person, bob: Person, vault: Vault) -> None:
    """A new one is bound, or there is a reason: the id orders lists, and says nothing."""
    shared(ada, "db", bob, "write")
    with vault.db.read() as tx:
        columns = tx.all(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'grants' AND table_schema = current_schema()"
            if tx.dialect.name == "postgresql"
            else "SELECT name FROM pragma_table_info('grants')"
        )
        row = tx.one(
            "SELECT secret_id, grantee_id, permission, granted_at, mac FROM grants "
            "WHERE grantee_id = ?",
            user_id(vault, bob),
        )
    assert {name for (name,) in columns} == BOUND | {"id"}
    assert row is not None
    secret, grantee, permission, moment, mac = row
    bound = (secret, user_id(vault, ada), grantee, permission, moment)
    assert mac == grant_mac(vault.grant_key, bound)
    assert mac != grant_mac(vault.token_key, bound)


@pytest.mark.invariant(number=6)
def test_the_key_for_grants_is_stored_wrapped(vault: Vault) -> None:
    """A stolen database without the master key forges none."""
    with vault.db.read() as tx:
        wrapped = tx.all("SELECT sealed FROM system_keys WHERE purpose = 'grant'")
    assert len(wrapped) == 1
    assert vault.grant_key.decode() not in repr(wrapped)
    assert vault.grant_key.decode() not in repr(vault)
