"""What a login that is refused tells: nothing of accounts, and nothing of whom it stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.errors import HashingSaturated, Undecryptable
from models.times import utcnow
from routes.context import install, vault_of
from tests.support import canaries
from tests.support.dump import unopened
from tests.support.faults import FaultPlan, FaultyDatabase
from tests.support.guesses import (
    HOME,
    PAIR,
    SOURCE,
    TOO_MANY,
    WRONG,
    login,
    verdict,
    verdicts,
)
from tests.support.people import PASSWORD, Person
from tests.support.shared import indistinct
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


# --- nothing is learned ------------------------------------------------------------------------


def disable(vault: Vault, username: str) -> None:
    """What an operator does to an account."""
    with vault.db.write() as tx:
        assert tx.run("UPDATE users SET state = 'disabled' WHERE username = ?", username) == 1


def said(answer: TestResponse) -> tuple[object, ...]:
    """All that an answer tells."""
    return *indistinct(answer), answer.headers.get("Retry-After")


def test_thirty_answers_are_the_same_for_every_account(
    app: Flask, vault: Vault, ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """Known, unknown, disabled, impossible: status, words and Retry-After, one after the other."""
    shut = Person(app, "shut")
    assert shut.register().status_code == 201
    assert verdict(login(app, "shut", PASSWORD, HOME)) == "in"
    assert verdict(login(app, "ada", PASSWORD, HOME)) == "in"
    disable(vault, "shut")
    names = ["ada", "shut", "nobody", "not a username", "", "\x00", "\ud7ff\U0001f511" * 50]
    told: dict[str, list[object]] = {name: [] for name in names}
    for number in range(30):
        for place, name in enumerate(names):
            password = PASSWORD if name != "ada" and number % 2 else WRONG
            told[name].append(said(login(app, name, password, f"203.0.113.{place}")))
        clock(timedelta(seconds=7))
    assert all(answers == told["ada"] for answers in told.values())
    assert {answer[0] for answer in told["ada"]} == {401, 429}  # type: ignore[index]


def test_the_database_does_the_same_for_every_account(
    app: Flask, vault: Vault, ada: Person
) -> None:
    """Not a statement more for one that exists, at any stage: it would show in the time."""
    shut = Person(app, "shut")
    assert shut.register().status_code == 201
    disable(vault, "shut")
    plan = FaultPlan()
    install(app, replace(vault, db=FaultyDatabase(vault.db, plan)))
    told: dict[str, list[int]] = {}
    for place, name in enumerate(("ada", "shut", "nobody")):
        told[name] = []
        for _ in range(PAIR + 2):
            login(app, name, source=f"203.0.113.{place}")
            told[name].append(plan.disarm())
    assert told["ada"] == told["shut"] == told["nobody"]
    assert min(told["ada"]) > 0


@pytest.mark.parametrize(("took", "waited"), [(0.001, 0.024), (0.0249, 0.0001), (0.26, 0.015)])
def test_a_refused_login_is_answered_on_a_tick(
    app: Flask,
    ada: Person,
    vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
    took: float,
    waited: float,
) -> None:
    """Whatever its work took, and for whom: what it took longer for one of them does not show."""
    shut = Person(app, "shut")
    assert shut.register().status_code == 201
    disable(vault, "shut")
    slept: list[float] = []
    monkeypatch.setattr("routes.attempts.sleep", slept.append)
    for name, password in (("ada", WRONG), ("shut", PASSWORD), ("nobody", WRONG)):
        clock = iter((7.0, 7.0 + took))
        monkeypatch.setattr("routes.attempts.perf_counter", partial(next, clock))
        assert verdict(login(app, name, password)) == "wrong-credentials"
    assert slept == [pytest.approx(waited, abs=1e-9)] * 3


def test_whoever_gets_in_does_not_wait_for_it(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor who is told to come back later: that tells nothing of a password."""
    slept: list[float] = []
    monkeypatch.setattr("routes.attempts.sleep", slept.append)
    assert verdict(login(app, "ada", PASSWORD)) == "in"
    assert slept == []
    told = verdicts(app, PAIR + 3, "ada", "203.0.113.1")
    assert told == {"wrong-credentials": len(slept), TOO_MANY: PAIR + 3 - len(slept)}
    assert 0 < len(slept) < PAIR + 3


def test_what_was_typed_is_not_stored(
    app: Flask, vault: Vault, settings: Settings, clock: object
) -> None:
    """People type their password where their name belongs. From where a login came is in the
    audit trail, and in the session's row, and nowhere else."""
    typed, source = "correct-horse-battery", "2001:db8:beef:cafe::1"
    person = Person(app, "carol")
    assert person.register().status_code == 201
    assert verdict(login(app, "carol", PASSWORD, HOME)) == "in"
    assert verdict(login(app, typed, source=source)) == "wrong-credentials"
    found = unopened(vault.db)
    assert len(found["login_attempts"]) >= 3  # a pair, an account and a source
    assert len(found["known_sources"]) == 1
    stored = repr(found["login_attempts"] + found["known_sources"])
    wanted = ("carol", "correct", "2001", "beef", "cafe", HOME)
    for row in [*found["login_attempts"], *found["known_sources"]]:
        hashed = row.get("subject") or row.get("pair")
        assert isinstance(hashed, str)
        stored = stored.replace(hashed, "")
        assert len(bytes.fromhex(hashed)) == 32
    assert not [word for word in wanted if word in stored]
    if vault.db.dialect.name == "sqlite":
        vault.audit.flush()
        needles = canaries.needles({"typed": typed.encode()})
        folder = Path(settings.database_url.removeprefix("sqlite:///")).parent
        assert canaries.find_in_files([folder], needles) == []


# --- what is no guess --------------------------------------------------------------------------


def test_a_password_that_nobody_looked_at_is_not_counted(
    app: Flask, vault: Vault, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever floods the service with logins must not use up the attempts of everybody else."""

    def saturated(*_: object) -> bool:
        raise HashingSaturated("Too many logins at once. Try again in a moment.")

    with monkeypatch.context() as broken:
        broken.setattr(vault.hasher, "verify", saturated)
        assert verdicts(app, SOURCE + 5, "ada") == {"hashing-saturated": SOURCE + 5}
    assert verdicts(app, PAIR + 1, "ada") == {"wrong-credentials": PAIR, TOO_MANY: 1}


def test_a_login_whose_session_cannot_be_stored_is_not_counted(
    app: Flask, vault: Vault, ada: Person
) -> None:
    """The password was right, and the owner will try again when the database is back."""
    plan = FaultPlan()
    install(app, replace(vault, db=FaultyDatabase(vault.db, plan)))
    assert verdict(login(app, "ada", PASSWORD)) == "in"  # from now on, its source is known
    plan.disarm()
    assert verdict(login(app, "ada", PASSWORD)) == "in"
    last = plan.disarm()
    for _ in range(PAIR + 5):
        plan.arm(last, "instead")
        assert verdict(login(app, "ada", PASSWORD)) == "database-unavailable"
        plan.disarm()
    assert verdict(login(app, "ada", PASSWORD)) == "in"


def test_an_error_of_ours_counts(
    app: Flask, vault: Vault, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not understood is taken for a guess: nobody may guess on with the help of a bug."""

    def broken(*_: object) -> bool:
        raise Undecryptable("A stored password hash is damaged.")

    monkeypatch.setattr(vault.hasher, "verify", broken)
    assert verdicts(app, PAIR + 1, "ada") == {"secret-unreadable": PAIR, TOO_MANY: 1}


def test_a_limit_of_zero_is_none(settings: Settings, ada: Person) -> None:
    """For who measures something else, or limits elsewhere."""
    names = ("LOGIN_ATTEMPTS_PAIR", "LOGIN_ATTEMPTS_ACCOUNT", "LOGIN_ATTEMPTS_SOURCE")
    app = create_app(settings.model_copy(update=dict.fromkeys(names, 0)))
    assert verdicts(app, SOURCE + 5, "ada") == {"wrong-credentials": SOURCE + 5}
    assert unopened(vault_of(app).db)["login_attempts"] == []
    vault_of(app).close()
