"""How many sessions and tokens an account may have, and how many accounts a source may make."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import bcrypt
import pytest
import time_machine
from flask import Flask

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.api_tokens import made
from tests.support.people import PASSWORD, Person
from tests.support.race import at_once
from tests.support.rotation import number
from tests.support.shared import refusal, unique
from utils.vault import Vault

SESSIONS, TOKENS, REGISTRATIONS = 4, 3, 5
HOME, AWAY = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation with little room."""
    return settings.model_copy(
        update={
            "MAX_SESSIONS": SESSIONS,
            "MAX_TOKENS": TOKENS,
            "REGISTRATIONS_SOURCE": REGISTRATIONS,
        }
    )


# --- sessions ----------------------------------------------------------------------------------


def another(app: Flask, someone: Person) -> Person:
    """One more session of the same account."""
    client = Person(app, someone.username)
    assert client.login().status_code == 200
    return client


def alive(sessions: list[Person]) -> list[bool]:
    """Which of them still work."""
    return [session.get("/account").status_code == 200 for session in sessions]


def test_a_login_beyond_ends_the_session_that_was_used_longest_ago(
    app: Flask, alice: Person, now: datetime
) -> None:
    """Nobody is locked out by sessions that were never ended. A refresh is a use; and the account
    next door loses none."""
    bob = Person(app, "bob")
    bob.register()
    bob.login()
    sessions = [alice]
    with time_machine.travel(now, tick=False) as clock:
        for _ in range(SESSIONS - 1):
            clock.shift(60)
            sessions.append(another(app, alice))
        clock.shift(60)
        assert alice.post("/refresh").status_code == 200
        sessions.append(another(app, alice))
        assert alive(sessions) == [True, False, True, True, True]
        clock.shift(60)
        sessions.append(another(app, alice))
        assert alive(sessions) == [True, False, False, True, True, True]
        assert bob.get("/account").status_code == 200


def test_a_login_that_replaces_its_own_session_ends_no_other(app: Flask, alice: Person) -> None:
    """A client that logs in again and again has one session."""
    sessions = [alice, *(another(app, alice) for _ in range(SESSIONS - 1))]
    for _ in range(3):
        assert sessions[-1].login().status_code == 200
    assert alive(sessions) == [True] * SESSIONS


def test_what_is_ended_so_is_ended_at_once(app: Flask, alice: Person) -> None:
    """Both of its cookies, as after a logout."""
    for _ in range(SESSIONS):
        another(app, alice)
    assert refusal(alice.get("/account")) == (401, "not-authenticated")
    assert refusal(alice.post("/refresh")) == (401, "not-authenticated")


def test_many_logins_at_once_do_not_pass_the_limit(app: Flask, vault: Vault, alice: Person) -> None:
    """A hundred, and each is let in; never more sessions than there may be."""
    clients = [Person(app, alice.username) for _ in range(100)]
    statuses = Counter(at_once([partial(_log_in, client) for client in clients]))
    assert statuses[200] > SESSIONS
    assert set(statuses) <= {200, 429, 503}
    assert number(vault, "SELECT count(*) FROM sessions") == SESSIONS
    assert sum(alive(clients)) == SESSIONS


def _log_in(client: Person) -> int:
    return client.login().status_code


# --- tokens ------------------------------------------------------------------------------------


def test_one_token_too_many_is_refused(alice: Person) -> None:
    """The setting decides, and the refusal says how many. After a deletion there is room again."""
    tokens = [made(alice, f"job{name}") for name in range(TOKENS)]
    refused = alice.post("/tokens", json={"name": "new", "scopes": ["read"]})
    assert refusal(refused) == (409, "limit-reached")
    assert f"at most {TOKENS} tokens" in refused.text
    assert alice.delete(f"/tokens/{tokens[1]['id']}").status_code == 200
    made(alice, "new")


# --- registrations -----------------------------------------------------------------------------


def register(app: Flask, address: str = HOME, username: str = "") -> tuple[int, str]:
    """Make an account from *address*; the status, and which problem it was."""
    answer = Person(app, "").post(
        "/register",
        json={"username": username or unique("new"), "password": PASSWORD},
        environ_base={"REMOTE_ADDR": address},
    )
    return refusal(answer) if answer.status_code >= 400 else (answer.status_code, "")


TOO_MANY = (429, "too-many-registrations")


def test_a_source_makes_so_many_accounts_in_an_hour(app: Flask, now: datetime) -> None:
    """Then each waits as long as the header says, and other sources do not."""
    with time_machine.travel(now, tick=False) as clock:
        answers = [register(app)[0] for _ in range(REGISTRATIONS + 1)]
        assert answers == [201] * REGISTRATIONS + [429]
        assert register(app) == TOO_MANY
        assert register(app, AWAY) == (201, "")
        late = Person(app, unique("late"))
        answer = late.post(
            "/register",
            json={"username": late.username, "password": PASSWORD},
            environ_base={"REMOTE_ADDR": HOME},
        )
        wait = int(answer.headers["Retry-After"])
        assert wait == 3600 / REGISTRATIONS
        clock.shift(wait - 1)
        assert register(app) == TOO_MANY
        clock.shift(1)
        assert [register(app)[0] for _ in range(2)] == [201, 429]
        clock.shift(timedelta(hours=1))
        assert [register(app)[0] for _ in range(REGISTRATIONS + 1)][-2:] == [201, 429]


def test_what_makes_no_account_uses_nothing_up(app: Flask) -> None:
    """A name that is taken, a password that is refused, and what came when there was no room."""
    register(app, username="taken")
    for _ in range(REGISTRATIONS + 1):
        assert register(app, username="taken") == (409, "already-exists")
    answers = [register(app)[0] for _ in range(REGISTRATIONS)]
    assert answers == [201] * (REGISTRATIONS - 1) + [429]


def test_who_is_refused_costs_no_hashing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of registrations would else take the slots of those who log in."""
    for _ in range(REGISTRATIONS):
        register(app)
    monkeypatch.delattr(bcrypt, "hashpw")
    assert register(app) == TOO_MANY


def test_many_registrations_at_once_do_not_pass_the_limit(app: Flask, vault: Vault) -> None:
    """All look before the first is counted; what decides is in the transaction of the account."""
    statuses = Counter(at_once([partial(register, app) for _ in range(100)]))
    assert statuses[201, ""] == REGISTRATIONS
    assert set(statuses) <= {(201, ""), TOO_MANY, (503, "hashing-saturated")}
    assert number(vault, "SELECT count(*) FROM users") == REGISTRATIONS


def test_registrations_are_counted_for_all_nodes_and_logins_are_not(
    app: Flask, settings: Settings
) -> None:
    """In the database, over restarts; and a bucket of their own."""
    other = create_app(settings)
    wrong = {"username": unique("nobody"), "password": "not the password"}
    base = {"REMOTE_ADDR": HOME}
    for _ in range(REGISTRATIONS):
        assert Person(app, "").post("/login", json=wrong, environ_base=base).status_code == 401
    answers = [register(one)[0] for one in (app, other) * REGISTRATIONS]
    assert answers.count(201) == REGISTRATIONS
    assert Person(app, "").post("/login", json=wrong, environ_base=base).status_code == 401
    vault_of(other).close()


@pytest.mark.one_engine("sqlite", "it is about settings")
def test_zero_turns_each_limit_off(settings: Settings) -> None:
    """As the table of settings says."""
    names = ("MAX_SESSIONS", "MAX_TOKENS", "REGISTRATIONS_SOURCE")
    app = create_app(settings.model_copy(update=dict.fromkeys(names, 0)))
    assert [register(app)[0] for _ in range(2 * REGISTRATIONS)] == [201] * 2 * REGISTRATIONS
    alice = Person(app, "alice")
    alice.register()
    sessions = [another(app, alice) for _ in range(2 * SESSIONS)]
    assert all(alive(sessions))
    for name in range(2 * TOKENS):
        made(sessions[0], f"job{name}")
    vault_of(app).close()


def test_the_defaults_limit_and_are_generous() -> None:
    """Nobody meets them by chance, and nobody fills the disk."""
    defaults = Settings()
    assert min(defaults.MAX_SESSIONS, defaults.MAX_TOKENS, defaults.REGISTRATIONS_SOURCE) >= 100
    assert min(defaults.MAX_SECRETS, defaults.MAX_VERSIONS) >= 1000
