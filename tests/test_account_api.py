"""A caller's own account over HTTP: another password, and the end of it all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.conftest import ENGINES
from tests.support.dump import dump
from tests.support.guesses import ELSEWHERE, PAIR, WRONG, login, verdict
from tests.support.people import PASSWORD, Person
from tests.support.rotation import assert_sound
from tests.support.shared import newcomer, pointers, refusal, shared_app
from tests.support.tokens import ACCESS, REFRESH
from utils.vault import Vault
from utils.verify import verify

ENDED = (401, "not-authenticated")
NEW = "a password nobody guesses"


@pytest.fixture(scope="module", params=ENGINES)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for tests that take an account of their own."""
    # All of them come from one address.
    with shared_app(
        request, request.param, tmp_path_factory, LOGIN_ATTEMPTS_SOURCE=0
    ) as application:
        yield application


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account, logged in."""
    return newcomer(shared, "ada")


def device(app: Flask, owner: Person, **options: Any) -> Person:
    """Another device of the same person, logged in."""
    other = Person(app, owner.username)
    body = {"username": owner.username, "password": owner.password}
    assert other.post("/login", json=body, **options).status_code == 200
    return other


def change(person: Person, current: str = PASSWORD, new: str = NEW) -> Any:
    """Try to change the password."""
    return person.put("/account/password", json={"current_password": current, "new_password": new})


# --- guesses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_stolen_session_does_not_let_its_thief_guess_the_password(
    shared: Flask, method: str
) -> None:
    """Here as at the login, and in the same count: the right one is not looked at any more. From
    elsewhere the owner still logs in."""
    ada = newcomer(shared, "ada")

    def guess(password: str) -> Any:
        if method == "PUT":
            return change(ada, password)
        return ada.delete("/account", json={"password": password})

    assert [refusal(guess(WRONG)) for _ in range(PAIR - 1)] == [(403, "wrong-password")] * (
        PAIR - 1
    )
    assert verdict(login(shared, ada.username, source="127.0.0.1")) == "wrong-credentials"
    assert refusal(guess(PASSWORD)) == (429, "too-many-attempts")
    assert verdict(login(shared, ada.username, PASSWORD, "127.0.0.1")) == "too-many-attempts"
    assert verdict(login(shared, ada.username, PASSWORD, ELSEWHERE)) == "in"


# --- PUT /account/password ---------------------------------------------------------------------


def test_a_changed_password_is_the_only_one_and_ends_other_sessions(
    shared: Flask, ada: Person
) -> None:
    """Whoever knew the old one is out; who changed it stays."""
    phone, eve = device(shared, ada), newcomer(shared, "eve")
    answer = change(ada)
    assert (answer.status_code, answer.json) == (200, {"sessions_ended": 1})
    assert refusal(phone.get("/account")) == ENDED
    assert ada.get("/account").status_code == 200
    assert ada.post("/refresh").status_code == 200
    assert refusal(phone.login()) == (401, "wrong-credentials")
    phone.password = NEW
    assert phone.login().status_code == 200
    assert eve.get("/account").status_code == 200


@pytest.mark.parametrize("guess", ["", "wrong horse battery staple", PASSWORD + "x", "x" * 100_000])
def test_a_wrong_current_password_changes_nothing(shared: Flask, ada: Person, guess: str) -> None:
    """A stolen cookie alone must not lock its owner out."""
    phone = device(shared, ada)
    assert refusal(change(ada, guess)) == (403, "wrong-password")
    assert refusal(ada.delete("/account", json={"password": guess})) == (403, "wrong-password")
    assert phone.get("/account").status_code == 200
    assert phone.login().status_code == 200


@pytest.mark.parametrize("new", ["short", "x" * 1025, "password1", "USERNAME", PASSWORD])
def test_a_new_password_must_be_a_good_and_another_one(ada: Person, new: str) -> None:
    """The rules of registration; and changing nothing is not a change."""
    new = ada.username.upper() if new == "USERNAME" else new
    answer = change(ada, new=new)
    assert pointers(answer) == {"#/new_password"}
    assert new not in answer.text
    assert ada.login().status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "complaints"),
    [
        ("PUT", "/account/password", {}, {"#/current_password", "#/new_password"}),
        ("PUT", "/account/password", {"current_password": 1, "new_password": NEW, "x": 1}, {"#"}),
        ("PUT", "/account/password?new=canary", {}, {"?"}),
        ("DELETE", "/account", {}, {"#/password"}),
        ("DELETE", "/account", {"password": None}, {"#/password"}),
        ("DELETE", "/account", {"password": PASSWORD, "canary": 1}, {"#"}),
        ("DELETE", "/sessions", {"all": True}, {"#"}),
    ],
)
def test_wrong_fields_are_named(
    ada: Person, method: str, path: str, body: dict[str, Any], complaints: set[str]
) -> None:
    """And the call does nothing."""
    assert complaints <= pointers(ada.request(method, path, json=body))
    assert ada.get("/account").status_code == 200


# --- DELETE /account ---------------------------------------------------------------------------


def test_a_deleted_account_leaves_its_name_and_nothing_else(
    vault: Vault, app: Flask, alice: Person, bob: Person
) -> None:
    """No session, no value, no key; the keys' history stays. Others notice nothing."""
    for value in ("first", "second"):
        alice.put("/secrets/db", json={"secret": value})
    alice.post("/keys:rotate")
    alice.put("/secrets/db", json={"secret": "third"})
    alice.put("/secrets/deleted", json={"secret": "x"})
    alice.delete("/secrets/deleted")
    bob.put("/secrets/db", json={"secret": "bob's"})
    for owner, grantee in ((alice, "bob"), (bob, "alice")):
        grant = {"username": grantee, "permission": "read"}
        assert owner.post("/secrets/db:share", json=grant).status_code == 201
    assert alice.post("/tokens", json={"name": "job", "scopes": ["read"]}).status_code == 201
    phone = device(app, alice)

    answer = alice.delete("/account", json={"password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == {"username", "deleted_at"}
    assert alice.client.get_cookie(ACCESS) is None
    assert alice.client.get_cookie(REFRESH) is None
    assert refusal(phone.get("/secrets/db")) == ENDED
    assert refusal(phone.post("/refresh")) == ENDED
    assert refusal(phone.login()) == (401, "wrong-credentials")
    assert refusal(phone.register()) == (409, "already-exists")

    found = assert_sound(vault)
    (gone,) = [row for row in found["users"] if row["username"] == "alice"]
    assert (gone["state"], gone["password_hash"]) == ("deleted", None)
    keys = [key for key in found["user_keys"] if key["owner_id"] == gone["id"]]
    assert [key["state"] for key in keys] == ["destroyed"] * 2
    assert all(key["destroyed_at"] and key["retired_at"] for key in keys)
    # Its number is random: it is in no other column by chance, whatever table is added.
    told = {table for table, rows in found.items() if any(gone["id"] in r.values() for r in rows)}
    assert told == {"users", "user_keys"}, "add its deletion to utils/store/accounts.delete"
    assert [row["opened"] for row in found["secret_versions"]] == [b"bob's"]
    assert len(found["user_key_material"]) == len(found["sessions"]) == 1
    assert bob.secret("db") == "bob's"
    assert verify(vault.db, vault.master, lambda _done: None).faults == []


@pytest.mark.invariant(number=9)
def test_a_deletion_is_all_or_nothing(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it breaks off, the account is as it was."""

    def fail(*_: object) -> None:
        raise RuntimeError("the last step")

    alice.put("/secrets/db", json={"secret": "hunter2"})
    before = dump(vault.db, vault.master)
    with monkeypatch.context() as broken:
        broken.setattr("utils.store.accounts.destroy_all", fail)
        assert alice.delete("/account", json={"password": PASSWORD}).status_code == 500
    after = dump(vault.db, vault.master)
    # The check of the password was reserved, and given back, by itself.
    assert {**after, "login_attempts": []} == {**before, "login_attempts": []}
    assert alice.secret("db") == "hunter2"
