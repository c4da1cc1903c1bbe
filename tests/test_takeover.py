"""Taking over an account: Mallory has one of her own, and can write to the database.

Everything of an account is bound to one random number: the password's pre-hash, the session tokens,
the wrapped keys. So nothing of her own, put into Alice's rows, makes the service decrypt for her.
Passwords' hashes and secrets that are copied from account to account are in test_store.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.people import Person
from utils.vault import Vault

pytestmark = pytest.mark.invariant(number=7)

ID = "SELECT id FROM users WHERE username = ?"


@pytest.fixture
def mallory(person: Callable[[str], Person], alice: Person) -> Person:
    """Mallory, logged in, with a password of her own; Alice has a secret."""
    assert alice.put("/secrets/db", json={"secret": "hunter2"}).status_code == 201
    return person("mallory")


def run(vault: Vault, sql: str, *parameters: object) -> None:
    """Write to the database behind the service's back."""
    with vault.db.write() as tx:
        assert tx.run(sql, *parameters) > 0


def identify(vault: Vault, username: str) -> int:
    """The number of an account."""
    with vault.db.read() as tx:
        row = tx.one(ID, username)
    assert row is not None
    return int(row[0])


def test_her_session_moved_to_alice_opens_nothing(vault: Vault, mallory: Person) -> None:
    """Her token says whose session it is, and the row no longer agrees."""
    run(
        vault,
        "UPDATE sessions SET user_id = ? WHERE user_id = ?",
        identify(vault, "alice"),
        identify(vault, "mallory"),
    )
    assert mallory.get("/account").status_code == 401
    assert mallory.post("/refresh").status_code == 401


@pytest.mark.one_engine("sqlite", "PostgreSQL's keys forbid it")
def test_her_row_under_alices_number_opens_nothing(vault: Vault, mallory: Person) -> None:
    """Who writes to the file itself is held by no foreign key: the two accounts swap numbers."""
    alice, own = identify(vault, "alice"), identify(vault, "mallory")
    with vault.db.write() as tx:
        tx.run("PRAGMA defer_foreign_keys = ON")
        for old, new in ((alice, 1), (own, alice), (1, own)):
            assert tx.run("UPDATE users SET id = ? WHERE id = ?", new, old) == 1
    # Her session is still that of her number, whatever name is on it now: no secret of Alice's.
    assert mallory.get("/secrets/db").status_code == 404
    assert mallory.login().status_code == 401
