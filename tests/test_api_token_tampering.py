"""What a writer to the database can make of API tokens: dead ones (SECURITY.md)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from routes.context import vault_of
from tests.support.api_tokens import Machine, machine, made
from tests.support.people import Person
from tests.support.shared import module_app, newcomer, refusal
from utils.tokens import new_token, parse_token
from utils.vault import Vault

COLUMNS = {
    *("id", "user_id", "name", "mac", "scopes", "prefixes", "cidrs"),
    *("created_at", "expires_at", "last_used_at"),
}

shared = module_app()


@pytest.fixture
def store(shared: Flask) -> Vault:
    """What the application works with, to write behind its back."""
    return vault_of(shared)


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account and a secret."""
    someone = newcomer(shared, "ada")
    someone.put("/secrets/app/a", json={"secret": "canary"})
    return someone


def plant(store: Vault, sql: str, *parameters: object) -> None:
    """Write to the database."""
    with store.db.write() as tx:
        assert tx.run(sql, *parameters) == 1


TAMPERED: dict[str, tuple[str, str]] = {
    "no name": ("name", "''"),
    "another name": ("name", "'session'"),
    "no mac": ("mac", "''"),
    "another mac": ("mac", "'" + "0" * 64 + "'"),
    "a mac cut short": ("mac", "substr(mac, 1, 63)"),
    "a mac in another case": ("mac", "upper(mac)"),
    "a mac that is no ASCII": ("mac", "'\u20ac'"),
    "more scopes": ("scopes", "'read write'"),
    "other scopes": ("scopes", "'write'"),
    "a scope twice": ("scopes", "'read read'"),
    "spaces": ("scopes", "' read'"),
    "no prefixes": ("prefixes", "''"),
    "one prefix more": ("prefixes", "prefixes || ' b'"),
    "a shorter prefix": ("prefixes", "'a'"),
    "no networks": ("cidrs", "''"),
    "another network": ("cidrs", "'0.0.0.0/0'"),
    "what is no network": ("cidrs", "'127.0.0.0/8 nonsense'"),
    "another birth": ("created_at", "created_at + 1"),
    "a later end": ("expires_at", "expires_at + 1"),
    "no end": ("expires_at", "NULL"),
}


@pytest.mark.parametrize(("column", "value"), TAMPERED.values(), ids=TAMPERED.keys())
def test_a_changed_row_is_a_dead_token(ada: Person, store: Vault, column: str, value: str) -> None:
    """Whatever was changed in it, also to less than before; and it is refused, not a crash."""
    limits: dict[str, Any] = {"prefixes": ["app/"], "cidrs": ["127.0.0.0/8"], "expires_in": 60}
    token = made(ada, scopes=["read"], **limits)
    job = Machine(ada.client.application, token["token"])
    assert job.secret("app/a") == "canary"
    plant(store, f"UPDATE api_tokens SET {column} = {value} WHERE id = ?", token["id"])  # noqa: S608
    for method in ("GET", "PUT"):
        answer = job.request(method, "/secrets/app/a", json={"secret": "x"})
        assert refusal(answer) == (401, "invalid-token")
    assert ada.get("/tokens").status_code == 200


def test_every_column_is_looked_at_above_or_told_here(store: Vault) -> None:
    """A new one is bound, or there is a reason. The last use decides nothing; the id and the owner
    have tests of their own below."""
    with store.db.read() as tx:
        found = tx.all(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'api_tokens' AND table_schema = current_schema()"
            if tx.dialect.name == "postgresql"
            else "SELECT name FROM pragma_table_info('api_tokens')"
        )
    assert {name for (name,) in found} == COLUMNS
    elsewhere = {"id", "user_id", "last_used_at"}
    assert {column for column, _ in TAMPERED.values()} == COLUMNS - elsewhere


@pytest.mark.invariant(number=7)
def test_a_row_that_was_given_to_another_account_is_dead(
    shared: Flask, ada: Person, store: Vault
) -> None:
    """A token of one's own opens nobody else's secrets, and nobody else's token one's own."""
    eve = newcomer(shared, "eve")
    token = made(eve)
    job = Machine(shared, token["token"])
    owners = "SELECT id FROM users WHERE username = ?"
    plant(
        store,
        f"UPDATE api_tokens SET user_id = ({owners}) WHERE id = ?",  # noqa: S608
        ada.username,
        token["id"],
    )
    assert refusal(job.get("/secrets/app/a")) == (401, "invalid-token")
    plant(
        store,
        f"UPDATE api_tokens SET user_id = ({owners}) WHERE id = ?",  # noqa: S608
        eve.username,
        token["id"],
    )
    assert job.get("/secrets").status_code == 200


@pytest.mark.invariant(number=7)
def test_a_copied_row_is_dead_under_its_new_id(ada: Person, store: Vault) -> None:
    """Under an id whose token the writer knows: the MAC is over the id and the secret half."""
    token, mine = made(ada), new_token()
    plant(
        store,
        "INSERT INTO api_tokens (id, user_id, name, mac, scopes, prefixes, cidrs, created_at) "
        "SELECT ?, user_id, 'copy', mac, scopes, prefixes, cidrs, created_at "
        "FROM api_tokens WHERE id = ?",
        mine.id,
        token["id"],
    )
    app = ada.client.application
    assert refusal(Machine(app, mine.written()).get("/secrets")) == (401, "invalid-token")
    genuine = parse_token(token["token"])
    assert genuine is not None
    mixed = type(genuine)(mine.id, genuine.secret).written()
    assert refusal(Machine(app, mixed).get("/secrets")) == (401, "invalid-token")
    assert Machine(app, token["token"]).get("/secrets").status_code == 200


@pytest.mark.invariant(number=7)
def test_a_mac_of_another_token_fits_no_row(ada: Person, store: Vault) -> None:
    """Two tokens of one owner that may do the same: each has a MAC of its own."""
    one, two = made(ada, "one"), made(ada, "two")
    macs = "SELECT mac FROM api_tokens WHERE id = ?"
    plant(
        store,
        f"UPDATE api_tokens SET mac = ({macs}) WHERE id = ?",  # noqa: S608
        two["id"],
        one["id"],
    )
    app = ada.client.application
    assert refusal(Machine(app, one["token"]).get("/secrets")) == (401, "invalid-token")
    assert Machine(app, two["token"]).get("/secrets").status_code == 200


@pytest.mark.invariant(number=6)
def test_neither_the_token_nor_its_hash_alone_is_stored(ada: Person, store: Vault) -> None:
    """What is in the row proves nothing: the key for it is wrapped under the master key."""
    token = parse_token(machine(ada).token)
    assert token is not None
    with store.db.read() as tx:
        (row,) = tx.all("SELECT * FROM api_tokens WHERE id = ?", token.id)
        wrapped = tx.all("SELECT sealed FROM system_keys WHERE purpose = 'token'")
    assert token.secret not in repr(row)
    assert len(wrapped) == 1
    assert store.token_key.decode() not in repr(wrapped)
