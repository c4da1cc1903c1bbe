"""One-time passwords of the operator's: each opens one login, to choose another password with."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from models.times import utcnow
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.shared import indistinct, refusal
from tests.support.users import (
    CHANGE_FIRST,
    NEW,
    WRONG,
    Users,
    change,
    newcomer,
    one_time,
    users_command,
)


@pytest.fixture
def users(app: Flask) -> Users:
    """``users("disable", "alice")``: run the command in this process."""
    return users_command(app)


def test_a_one_time_password_can_only_be_replaced(app: Flask, users: Users, alice: Person) -> None:
    """Whoever was told it, the operator included, sees nothing of what the account holds."""
    alice.put("/secrets/db", json={"secret": "hunter2"})
    reset = users("reset-password", "alice")
    assert "Sessions ended: 1." in reset.stderr
    alice.password = one_time(reset)
    assert refusal(alice.get("/account")) == (401, "not-authenticated")
    assert refusal(Person(app, "alice").login()) == WRONG
    assert alice.login().status_code == 200

    body = {"password": alice.password}
    for method, path, sent in (
        ("GET", "/secrets", None),
        ("GET", "/secrets/db", None),
        ("PUT", "/secrets/db", {"secret": "stolen"}),
        ("GET", "/keys", None),
        ("POST", "/keys:rotate", None),
        ("GET", "/sessions", None),
        ("DELETE", "/sessions", None),
        ("DELETE", "/account", body),
    ):
        assert refusal(alice.request(method, path, json=sent)) == CHANGE_FIRST
    assert alice.get("/account").status_code == 200
    assert alice.post("/refresh").status_code == 200
    assert refusal(alice.get("/secrets")) == CHANGE_FIRST

    assert change(alice, alice.password)[0] == 422  # keeping it is not replacing it
    assert change(alice) == (200, '{"sessions_ended":0}')
    assert alice.secret("db") == "hunter2"
    assert refusal(alice.login()) == WRONG
    alice.password = NEW
    assert [alice.login().status_code for _ in range(2)] == [200, 200]
    assert alice.secret("db") == "hunter2"


def test_a_one_time_password_opens_one_login(app: Flask, users: Users, alice: Person) -> None:
    """Also after a logout; a wrong guess does not use it up."""
    password = one_time(users("reset-password", "alice"))
    assert refusal(alice.login()) == WRONG
    alice.password = password
    assert alice.login().status_code == 200
    thief = newcomer(app, "alice", password)
    unknown = Person(app, "nobody-has-this-name").login()
    assert indistinct(thief.login()) == indistinct(unknown)
    assert alice.post("/logout").status_code == 200
    assert refusal(alice.login()) == WRONG
    alice.password = one_time(users("reset-password", "alice"))
    assert alice.login().status_code == 200


def test_of_many_logins_with_a_one_time_password_one_succeeds(app: Flask, users: Users) -> None:
    """The database decides, not a look before; and not the clocks, which may differ."""
    password = one_time(users("create", "carol"))
    crowd = [newcomer(app, "carol", password) for _ in range(6)]
    answers = at_once([lambda one=one: one.login().status_code for one in crowd])  # type: ignore[misc]
    assert sorted(answers) == [200] + [401] * 5
    with time_machine.travel(utcnow() - timedelta(hours=1), tick=False):
        assert refusal(crowd[0].login()) == WRONG


def test_a_one_time_password_ends_after_a_day(app: Flask, users: Users) -> None:
    """One that got lost in a mailbox opens nothing later."""
    start = utcnow()
    with time_machine.travel(start, tick=False) as clock:
        password = one_time(users("create", "carol"))
        clock.move_to(start + timedelta(hours=24))
        assert refusal(newcomer(app, "carol", password).login()) == WRONG
        clock.move_to(start + timedelta(hours=24) - timedelta(microseconds=1))
        assert newcomer(app, "carol", password).login().status_code == 200


def test_resetting_does_not_enable(app: Flask, users: Users, alice: Person) -> None:
    """Two decisions: an operator who wants both says both."""
    users("disable", "alice")
    alice.password = one_time(users("reset-password", "alice"))
    assert refusal(alice.login()) == WRONG
    users("enable", "alice")
    assert alice.login().status_code == 200
