"""Accounts over HTTP: who can be registered, and who can log in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app import create_app
from config import Settings
from models.rows import Username
from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.people import PASSWORD, Person
from tests.support.shared import indistinct, newcomer, pointers, refusal, shared_app, unique
from utils.store import accounts
from utils.vault import Vault

ANY = "a-name-that-nobody-has"


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """One application for the whole module, on each engine."""
    with shared_app(
        request, request.param, tmp_path_factory, LOGIN_ATTEMPTS_SOURCE=0
    ) as application:
        yield application


@pytest.fixture
def closed_app(
    request: pytest.FixtureRequest, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application that takes no new accounts."""
    with shared_app(request, engine, tmp_path_factory, REGISTRATION="closed") as application:
        yield application


def register(app: Flask, username: Any, password: Any = PASSWORD) -> Any:
    """Try to register, as a stranger."""
    return Person(app, "").post("/register", json={"username": username, "password": password})


def login(app: Flask, username: Any, password: Any = PASSWORD) -> Any:
    """Try to log in, as a stranger."""
    return Person(app, "").post("/login", json={"username": username, "password": password})


def stored_hash(vault: Vault, username: str) -> str:
    """The password hash that the database holds."""
    with vault.db.read() as tx:
        found = accounts.find_credentials(tx, Username(username))
    assert found is not None
    return found.password_hash


def set_state(vault: Vault, username: str, state: str) -> None:
    """What an operator does to an account, in SQL."""
    gone = ", password_hash = NULL" if state == "deleted" else ""
    with vault.db.write() as tx:
        changed = tx.run(f"UPDATE users SET state = ?{gone} WHERE username = ?", state, username)  # noqa: S608
    assert changed == 1


# --- register, log in, account ------------------------------------------------------------------


def test_a_registered_account_can_log_in_and_see_itself(app: Flask) -> None:
    """The whole way, with exactly the fields that the contract names."""
    someone = Person(app, "walks-the-whole-way")
    registered = someone.register()
    assert registered.status_code == 201
    assert registered.headers["Location"] == "/account"
    assert registered.json is not None
    assert set(registered.json) == {"username", "created_at"}

    logged_in = someone.login()
    assert (logged_in.status_code, logged_in.json) == (
        200,
        {"username": someone.username, "expires_in": 900},
    )
    assert someone.get("/account").json == registered.json


def test_registering_does_not_log_in(app: Flask) -> None:
    """Nothing is set: a session begins with a login."""
    someone = Person(app, "registers-only")
    assert "Set-Cookie" not in someone.register().headers
    assert refusal(someone.get("/account")) == (401, "not-authenticated")


# --- usernames ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "username",
    ["a", "Z", "0", "9z", "b" * 64, "m_", "m.", "m-", "m@", "m+", "me+tag@example.org", "x..--@@"],
)
def test_a_username_within_the_alphabet_is_taken_in_lower_case(app: Flask, username: str) -> None:
    """1 to 64 of the allowed characters, and any mixture of cases logs in."""
    answer = register(app, username)
    assert answer.status_code == 201, answer.text
    assert answer.json["username"] == username.lower()
    assert login(app, username.upper()).json["username"] == username.lower()


@pytest.mark.parametrize(
    "username",
    ["", *(first + "canary" for first in "_.-@+"), "c" * 65]
    + [f"canary{outside}x" for outside in " !\"#$%&'()*,/:;<=>?[\\]^`{|}~\x00\n\r\t\x7f"]
    + ["canary ", " canary", "canary\n", "caná", "\u0441anary", "\uff43anary", "\u212aanary"]
    + ["canary\u0130", "canary\u200b", "canary\U0001f600"],
)
def test_any_other_username_is_refused(app: Flask, username: str) -> None:
    """Look-alikes of other alphabets too (the Kelvin sign lower-cases to a k); never repeated."""
    answer = register(app, username)
    assert pointers(answer) == {"#/username"}
    assert "canary" not in answer.text


def test_a_name_is_taken_in_every_case_once(app: Flask) -> None:
    """Dora, dora and DORA are one account."""
    assert register(app, "Dora").status_code == 201
    for again in ("Dora", "dora", "DORA"):
        assert refusal(register(app, again)) == (409, "already-exists")


def test_the_name_of_a_deleted_account_stays_taken(app: Flask) -> None:
    """Whoever took it over would be taken for its former owner."""
    someone = newcomer(app, "leaves")
    set_state(vault_of(app), someone.username, "deleted")
    assert refusal(someone.register()) == (409, "already-exists")
    assert refusal(someone.login()) == (401, "wrong-credentials")


# --- passwords ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "8 chars.",
        "x" * 1024,
        "\U0001f511" * 64,
        "\U0001f511" * 256,  # 1024 bytes
        "  spaces stay  ",
        "\tno\ntrimming\r\n",
        "a\x00b c\x00d e",
        "пароль-пароль",
    ],
    ids=["8", "1024", "64 emoji", "256 emoji", "spaces", "white", "NUL", "Cyrillic"],
)
def test_a_password_logs_in_exactly_as_it_was_set(app: Flask, password: str) -> None:
    """8 characters to 1024 bytes, of anything, with nothing trimmed or cut."""
    someone = Person(app, unique("exact"))
    someone.password = password
    assert someone.register().status_code == 201
    assert someone.login().status_code == 200
    assert refusal(login(app, someone.username, password + "x")) == (401, "wrong-credentials")
    assert refusal(login(app, someone.username, password[:-1])) == (401, "wrong-credentials")


@pytest.mark.parametrize(
    ("password", "attempt"),
    [
        ("secret enough", "secret enough "),
        (" secret enough", "secret enough"),
        ("Secret Enough", "secret enough"),
        ("before\x00after", "before\x00other"),
        ("a before\x00", "a before\x00a before\x00"),
        ("y" * 72 + "A", "y" * 72 + "B"),
        ("y" * 73, "y" * 72),
        ("z" * 1000 + "A", "z" * 1000 + "B"),
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
    ],
    ids=["trailing", "leading", "case", "NUL", "cyclic", "73rd", "72", "1001st", "NFC"],
)
def test_every_byte_of_a_password_counts(app: Flask, password: str, attempt: str) -> None:
    """Alone, bcrypt ignores what follows the 72nd byte and repeats the password around a NUL."""
    someone = Person(app, unique("counts"))
    someone.password = password
    assert someone.register().status_code == 201
    assert refusal(login(app, someone.username, attempt)) == (401, "wrong-credentials")


@pytest.mark.parametrize(
    "password",
    [
        *("", "7 chars", "\U0001f511" * 7, "x" * 1025, "\U0001f511" * 257),
        *("password1", "12345678", "PASSWORD1", "iloveyou2", "qwertyuiop"),
        *(ANY, ANY.upper(), "my secrets-manager", "SecretsManager1!"),
    ],
)
def test_a_password_that_is_short_huge_or_guessable_is_refused(app: Flask, password: str) -> None:
    """The most common ones, the account's own name and the service's, in any case."""
    answer = register(app, ANY, password)
    assert pointers(answer) == {"#/password"}
    assert not password or password not in answer.text


# --- refused logins and registrations ----------------------------------------------------------


def test_a_refused_login_says_the_same_for_every_reason(app: Flask) -> None:
    """An unknown name, an impossible one, a wrong, short or huge password, a disabled account."""
    alice, disabled = newcomer(app, "alice"), newcomer(app, "disabled")
    set_state(vault_of(app), disabled.username, "disabled")
    attempts = [
        (alice.username, "wrong horse battery staple"),
        (alice.username, ""),
        (alice.username, "x" * 100_000),
        ("nobody", PASSWORD),
        ("no such name!", PASSWORD),
        ("", ""),
        ("x" * 1000, PASSWORD),
        (disabled.username, disabled.password),
    ]
    answers = [login(app, *attempt) for attempt in attempts]
    assert {refusal(answer) for answer in answers} == {(401, "wrong-credentials")}
    assert all(indistinct(answer) == indistinct(answers[0]) for answer in answers)
    assert not any("Set-Cookie" in answer.headers for answer in answers)


@pytest.mark.parametrize("path", ["/register", "/login"])
@pytest.mark.parametrize(
    ("body", "complaints"),
    [
        ({}, {"#/username", "#/password"}),
        ({"username": ANY}, {"#/password"}),
        ({"password": PASSWORD}, {"#/username"}),
        ({"username": 1, "password": True}, {"#/username", "#/password"}),
        ({"username": None, "password": [PASSWORD]}, {"#/username", "#/password"}),
        ({"username": ANY, "password": PASSWORD, "canary": 1}, {"#"}),
        ({"username": ANY, "password": PASSWORD, "Username": ANY}, {"#"}),
        ([ANY, PASSWORD], {"#"}),
        (None, {"#"}),
        ("canary", {"#"}),
    ],
)
def test_wrong_fields_are_named_without_repeating_them(
    app: Flask, path: str, body: Any, complaints: set[str]
) -> None:
    """Missing, unknown and mistyped fields, and what is no object at all."""
    answer = Person(app, "").post(path, data=json.dumps(body), content_type="application/json")
    assert pointers(answer) == complaints
    assert "canary" not in answer.text
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("path", ["/register", "/login", "/refresh", "/logout"])
def test_a_query_parameter_is_refused_where_none_is_taken(app: Flask, path: str) -> None:
    """A password in a URL would end up in logs; a misspelt option would be believed."""
    alice = newcomer(app, "alice")
    answer = alice.post(path + "?canary=1", json={})
    assert pointers(answer) == {"?"}
    assert "canary" not in answer.text


def test_a_closed_registration_says_so_and_changes_nothing_else(closed_app: Flask) -> None:
    """An operator who closes it keeps the accounts that exist."""
    assert refusal(register(closed_app, "late")) == (403, "registration-closed")
    assert refusal(login(closed_app, "late")) == (401, "wrong-credentials")


# --- the hash and the state of an account -------------------------------------------------------


def test_a_login_moves_the_hash_to_the_configured_cost(
    app: Flask, request: pytest.FixtureRequest
) -> None:
    """Raising the cost takes effect account by account, and only with the right password."""
    alice, vault = newcomer(app, "alice"), vault_of(app)
    before = stored_hash(vault, alice.username)
    raised = create_app(Settings(**{**dict(vault.settings), "BCRYPT_COST": 5}))
    request.addfinalizer(vault_of(raised).db.close)

    assert login(raised, alice.username, "the wrong password").status_code == 401
    assert stored_hash(vault, alice.username) == before
    assert login(raised, alice.username).status_code == 200
    upgraded = stored_hash(vault, alice.username)
    assert before.startswith("$2b$04$")
    assert upgraded.startswith("$2b$05$")
    assert login(raised, alice.username).status_code == 200
    assert stored_hash(vault, alice.username) == upgraded


def test_a_disabled_account_loses_its_session_at_once(app: Flask) -> None:
    """No token outlives the account: neither access nor refresh, and the login is refused."""
    alice = newcomer(app, "alice")
    set_state(vault_of(app), alice.username, "disabled")
    for answer in (alice.get("/account"), alice.get("/secrets"), alice.post("/refresh")):
        assert refusal(answer) == (401, "not-authenticated")
    assert refusal(alice.login()) == (401, "wrong-credentials")
    set_state(vault_of(app), alice.username, "active")
    assert alice.login().status_code == 200
