"""Guessing at passwords over the API: how far it gets, and that it shuts nobody out but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import bcrypt
import pytest
import time_machine
from flask import Flask

from app import create_app
from config import Settings
from models.times import utcnow
from routes.context import vault_of
from tests.support.guesses import (
    ACCOUNT,
    ELSEWHERE,
    HOME,
    PAIR,
    SOURCE,
    TOO_MANY,
    WRONG,
    exhaust_account,
    login,
    verdict,
    verdicts,
)
from tests.support.people import PASSWORD, Person, problem
from tests.support.race import at_once
from utils.vault import Vault


@pytest.fixture
def clock() -> Iterator[Callable[[timedelta], None]]:
    """The time stands still, and moves on when it is told to."""
    with time_machine.travel(utcnow(), tick=False) as traveller:
        yield traveller.shift


@pytest.fixture
def ada(app: Flask) -> Person:
    """Somebody with an account, who has never logged in."""
    person = Person(app, "ada")
    assert person.register().status_code == 201
    return person


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Grows with each password that is really compared."""
    seen: list[bytes] = []
    real = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counting)
    return seen


@pytest.fixture
def workers(settings: Settings, app: Flask) -> Iterator[list[Flask]]:
    """Four workers on one database, each with connections of its own."""
    with ExitStack() as stack:
        found = [create_app(settings) for _ in range(4)]
        for worker in found:
            stack.callback(vault_of(worker).db.close)
        yield found


# --- how far guessing gets ---------------------------------------------------------------------


def test_after_ten_wrong_passwords_there_is_a_pause(
    app: Flask, ada: Person, evaluated: list[bytes], clock: object
) -> None:
    """Not even the right one is looked at then, so nothing can be learned; and the answer says
    when to come back."""
    assert verdicts(app, PAIR, "ada") == {"wrong-credentials": PAIR}
    refused = login(app, "ada", PASSWORD)
    assert (refused.status_code, problem(refused)) == (429, TOO_MANY)
    assert refused.headers["Retry-After"] == "90"
    assert "Set-Cookie" not in refused.headers
    assert len(evaluated) == PAIR


def test_whoever_waits_as_long_as_told_is_heard(
    app: Flask, ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """And not a second earlier."""
    assert verdicts(app, PAIR + 5, "ada")[TOO_MANY] == 5
    for _ in range(3):
        wait = int(login(app, "ada").headers["Retry-After"])
        clock(timedelta(seconds=wait - 1))
        assert verdict(login(app, "ada")) == TOO_MANY
        clock(timedelta(seconds=1))
        assert verdict(login(app, "ada")) == "wrong-credentials"
    clock(timedelta(seconds=int(login(app, "ada").headers["Retry-After"])))
    assert verdict(login(app, "ada", PASSWORD)) == "in"


def test_a_thousand_guesses_in_the_window_get_twenty_answers(
    workers: list[Flask], ada: Person, evaluated: list[bytes], clock: Callable[[timedelta], None]
) -> None:
    """At one account from one source, over four workers; and its owner gets in all the while, from
    where they were before."""
    assert verdict(login(workers[0], "ada", PASSWORD, HOME)) == "in"
    evaluated.clear()
    for number in range(1000):
        login(workers[number % 4], "ada")
        clock(timedelta(milliseconds=900))
        if number % 250 == 249:
            assert verdict(login(workers[number % 3], "ada", PASSWORD, HOME)) == "in"
            evaluated.pop()
    assert 10 < len(evaluated) <= 20


def test_guesses_that_come_at_once_are_counted_all_the_same(
    workers: list[Flask], ada: Person, evaluated: list[bytes]
) -> None:
    """An attempt is reserved before it is made, not counted afterwards."""
    answers = at_once([partial(login, workers[number % 4], "ada") for number in range(40)])
    assert len(evaluated) <= PAIR
    refused = Counter(verdict(answer) for answer in answers)
    assert refused["wrong-credentials"] == len(evaluated)
    # A busy database or too many hashes at once are 503, and count for nothing.
    assert refused[TOO_MANY] >= 40 - PAIR - refused["hashing-saturated"] - refused["database-busy"]


def test_a_restart_forgets_nothing(app: Flask, settings: Settings, ada: Person) -> None:
    """Else whoever makes the service crash may go on guessing."""
    assert verdicts(app, PAIR, "ada") == {"wrong-credentials": PAIR}
    vault_of(app).close()
    again = create_app(settings)
    assert verdicts(again, 3, "ada") == {TOO_MANY: 3}
    vault_of(again).close()


def test_many_machines_share_the_limit_of_the_account(app: Flask, ada: Person) -> None:
    """Each keeps below its own, and together they come no further."""
    found: Counter[str] = Counter()
    for number in range(ACCOUNT // 5 + 3):
        found += verdicts(app, 5, "ada", f"203.0.113.{number}")
    assert found == {"wrong-credentials": ACCOUNT, TOO_MANY: 15}
    assert verdict(login(app, "bob", source="203.0.113.1")) == "wrong-credentials"


def test_one_machine_cannot_try_a_password_on_everybody(app: Flask) -> None:
    """One guess an account stays below every account's own limit."""
    found = Counter(verdict(login(app, f"person-{number}")) for number in range(SOURCE + 10))
    assert found == {"wrong-credentials": SOURCE, TOO_MANY: 10}
    assert verdict(login(app, "person-1", source=HOME)) == "wrong-credentials"


def test_an_ipv6_customer_is_one_source(app: Flask) -> None:
    """With an address for each guess."""
    for number in range(PAIR):
        answer = login(app, "ada", source=f"2001:db8::{number:x}")
        assert verdict(answer) == "wrong-credentials"
    assert verdict(login(app, "ada", source="2001:db8::ffff")) == TOO_MANY
    assert verdict(login(app, "ada", source="2001:db8:0:1::1")) == "wrong-credentials"


def test_every_spelling_of_a_name_is_one_account(app: Flask) -> None:
    """Capitals are no way around the limit."""
    for number in range(PAIR):
        name = "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("alice"))
        assert verdict(login(app, name)) == "wrong-credentials"
    assert verdict(login(app, "alice")) == TOO_MANY


def test_an_address_counts_only_from_whom_we_trust(settings: Settings) -> None:
    """Behind a proxy of ours it is the client's, and a client cannot choose another."""
    app = create_app(settings.model_copy(update={"TRUSTED_PROXIES": ()}))
    for number in range(PAIR + 1):
        answer = Person(app, "").post(
            "/login",
            json={"username": "ada", "password": WRONG},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
    assert verdict(answer) == TOO_MANY
    vault_of(app).close()


# --- the owner gets in -------------------------------------------------------------------------


def test_a_swarm_does_not_lock_the_owner_out(app: Flask, ada: Person) -> None:
    """From where they have logged in before, the guesses of others do not count."""
    assert verdict(login(app, "ada", PASSWORD, HOME)) == "in"
    exhaust_account(app, "ada")
    assert verdict(login(app, "ada", PASSWORD, HOME)) == "in"
    assert verdict(login(app, "ada", PASSWORD, ELSEWHERE)) == TOO_MANY
    assert verdicts(app, PAIR + 1, "ada", HOME) == {"wrong-credentials": PAIR, TOO_MANY: 1}


def test_a_place_is_known_to_one_account(app: Flask, ada: Person) -> None:
    """Whoever has an account logs in where they please; that must open no other account's limit."""
    mallory = Person(app, "mallory")
    assert mallory.register().status_code == 201
    assert verdict(login(app, "mallory", PASSWORD, ELSEWHERE)) == "in"
    exhaust_account(app, "ada")
    assert verdict(login(app, "ada", source=ELSEWHERE)) == TOO_MANY


def test_right_passwords_are_not_counted(app: Flask, ada: Person) -> None:
    """A script may log in as often as it likes."""
    found = Counter(verdict(login(app, "ada", PASSWORD, HOME)) for _ in range(SOURCE + PAIR))
    assert found == {"in": SOURCE + PAIR}


def test_a_right_password_does_not_forgive_wrong_ones(app: Flask, ada: Person) -> None:
    """An attacker with an account of their own would log in to it between any two guesses."""
    mallory = Person(app, "mallory")
    assert mallory.register().status_code == 201
    found: Counter[str] = Counter()
    for number in range(SOURCE + 5):
        if verdict(login(app, "mallory", PASSWORD)) != TOO_MANY:
            found[verdict(login(app, f"victim-{number}"))] += 1
    assert found == {"wrong-credentials": SOURCE}


def test_a_login_that_hashing_turns_away_writes_nothing(
    app: Flask, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them would otherwise keep the one write lock busy, and every writer waiting."""

    def refuse(**_: object) -> None:
        raise AssertionError("a write transaction was begun")

    while vault.hasher._admitted.acquire(timeout=0):
        pass
    monkeypatch.setattr(vault.db, "write", refuse)
    assert verdict(login(app, "carol")) == "hashing-saturated"
