"""How long a grant lasts: as long as that life of the secret and both accounts, or until ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from models.rows import SecretId
from models.times import rfc3339, utcnow
from tests.support.people import Person
from tests.support.rotation import number, run
from tests.support.shared import (
    module_app,
    newcomer,
    refusal,
)
from tests.support.sharing import (
    given,
    owner_of_db,
    path_of,
    read,
    received,
    shared,
    unshared,
    write,
)
from utils.vault import Vault

app = module_app()


@pytest.fixture
def ada(app: Flask) -> Person:
    """Somebody with a secret that has two versions and a label."""
    return owner_of_db(app)


@pytest.fixture
def bob(app: Flask) -> Person:
    """Somebody who has nothing yet."""
    return newcomer(app, "bob")


def only_secret(vault: Vault, owner: Person) -> SecretId:
    """The number of the one secret that *owner* has."""
    owned = "SELECT s.id FROM secrets s JOIN users u ON u.id = s.owner_id WHERE u.username = ?"
    return SecretId(number(vault, owned, owner.username))


def test_an_ended_grant_ends_at_once(ada: Person, bob: Person) -> None:
    """Read, write and list; and it cannot be ended twice."""
    shared(ada, "db", bob, "write")
    assert unshared(ada, "db", bob).status_code == 200
    assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
    assert given(ada, "db") == received(bob) == []
    assert refusal(unshared(ada, "db", bob)) == (404, "not-found")
    assert shared(ada, "db", bob).status_code == 201


def test_a_grant_outlives_a_new_name(vault: Vault, ada: Person, bob: Person) -> None:
    """It belongs to the secret, not to what it is called."""
    shared(ada, "db", bob)
    run(vault, "UPDATE secrets SET name = 'db2' WHERE id = ?", only_secret(vault, ada))
    assert read(bob, ada, "db")[0] == 404
    assert read(bob, ada, "db2") == (200, "second")
    assert [row["name"] for row in received(bob)] == ["db2"]


def test_a_deleted_secret_loses_its_grants(vault: Vault, ada: Person, bob: Person) -> None:
    """They don't come back with its next life."""
    shared(ada, "db", bob, "write")
    secret = only_secret(vault, ada)
    ada.delete("/secrets/db")
    assert number(vault, "SELECT count(*) FROM grants WHERE secret_id = ?", secret) == 0
    assert read(bob, ada, "db")[0] == 404
    assert received(bob) == []
    ada.put("/secrets/db", json={"secret": "new life"})
    assert only_secret(vault, ada) == secret
    assert read(bob, ada, "db")[0] == 404
    assert given(ada, "db") == []


_NEW = {"name": "db", "secret": "new life"}
BEGINNINGS: dict[str, tuple[str, str, Any]] = {
    "put": ("PUT", "/secrets/db", {"secret": "new life"}),
    "post": ("POST", "/secrets", _NEW),
    "batch": ("POST", "/secrets:batchWrite", {"writes": [{"name": "z", "secret": ""}, _NEW]}),
    "import": ("POST", "/secrets:import", {"db": "new life"}),
}


@pytest.mark.parametrize("how", BEGINNINGS)
def test_an_expired_secret_is_closed_and_its_grants_end_with_its_next_life(
    ada: Person, bob: Person, how: str
) -> None:
    """What was granted was that life's, however the next one begins."""
    soon = utcnow() + timedelta(minutes=5)
    ada.patch("/secrets/db", json={"expires_at": rfc3339(soon)})
    shared(ada, "db", bob, "write")
    assert read(bob, ada, "db") == (200, "second")
    with time_machine.travel(soon, tick=False):
        assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
        assert received(bob) == []
        method, path, body = BEGINNINGS[how]
        assert ada.request(method, path, json=body).status_code in {200, 201}
        assert ada.secret("db") == "new life"
        assert read(bob, ada, "db")[0] == 404
        assert given(ada, "db") == received(bob) == []


def test_nothing_is_left_of_an_account_that_is_deleted(
    app: Flask, vault: Vault, ada: Person, bob: Person
) -> None:
    """Neither what it granted nor what it was granted; other grants stay."""
    carol = newcomer(app, "carol")
    bob.put("/secrets/own", json={"secret": "bob's"})
    shared(ada, "db", bob)
    shared(bob, "own", ada)
    shared(ada, "db", carol)
    assert bob.delete("/account", json={"password": bob.password}).status_code == 200
    assert [row["username"] for row in given(ada, "db")] == [carol.username]
    assert received(ada) == []
    assert read(ada, bob, "own")[0] == 404
    assert read(carol, ada, "db") == (200, "second")


def test_a_disabled_owner_shows_nothing_and_an_enabled_one_again(
    app: Flask, ada: Person, bob: Person
) -> None:
    """Whoever got hold of the account may have shared with themselves: disabling ends that too."""
    commands = app.test_cli_runner()
    shared(ada, "db", bob, "write")
    assert commands.invoke(args=["users", "disable", ada.username]).exit_code == 0
    assert read(bob, ada, "db")[0] == write(bob, ada, "db", "x").status_code == 404
    assert received(bob) == []
    assert commands.invoke(args=["users", "enable", ada.username]).exit_code == 0
    assert read(bob, ada, "db") == (200, "second")
    assert len(received(bob)) == 1


def test_a_disabled_grantee_can_be_granted_and_use_nothing(
    app: Flask, ada: Person, bob: Person
) -> None:
    """Whether an account is disabled is nobody else's business."""
    commands = app.test_cli_runner()
    assert commands.invoke(args=["users", "disable", bob.username]).exit_code == 0
    assert shared(ada, "db", bob).status_code == 201
    assert refusal(bob.get(path_of(ada, "db"))) == (401, "not-authenticated")
    assert commands.invoke(args=["users", "enable", bob.username]).exit_code == 0
    assert bob.login().status_code == 200
    assert read(bob, ada, "db") == (200, "second")
