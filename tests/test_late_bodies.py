"""A body that comes late: what counts is when it was all there, not when its sender began."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from models.times import utcnow
from tests.support.guesses import PAIR, TOO_MANY, verdict, verdicts
from tests.support.people import PASSWORD, Person
from tests.support.shared import refusal
from utils.vault import Vault

NEW = "a password nobody guesses"
ENDED = (401, "not-authenticated")


class Late(io.BytesIO):
    """A body whose reading takes as long as something else that happens meanwhile."""

    def __init__(self, body: dict[str, Any], meanwhile: Callable[[], object]) -> None:
        super().__init__(json.dumps(body).encode())
        self._meanwhile = meanwhile

    def readinto(self, buffer: Any) -> int:
        """What Werkzeug reads with."""
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return super().readinto(buffer)


def send(
    person: Person, method: str, path: str, body: dict[str, Any], meanwhile: Callable[[], object]
) -> TestResponse:
    """A request whose headers come before *meanwhile*, and whose body comes after it."""
    late = Late(body, meanwhile)
    return person.request(
        method,
        path,
        input_stream=late,
        content_type="application/json",
        headers={"Content-Length": str(len(late.getvalue()))},
    )


def again(person: Person) -> Person:
    """The same person on another device."""
    other = Person(person.client.application, person.username)
    assert other.login().status_code == 200
    return other


def test_guesses_are_counted_when_they_are_complete(app: Flask, alice: Person) -> None:
    """Held back, a guess was taken for one of a clock that was set back: it was let through, and
    emptied the bucket for others."""
    with time_machine.travel(utcnow(), tick=False) as clock:

        def exhaust() -> None:
            clock.shift(timedelta(minutes=15))
            verdicts(app, PAIR, alice.username, "127.0.0.1")

        body = {"username": alice.username, "password": PASSWORD}
        for _ in range(2):
            answer = send(Person(app, "nobody"), "POST", "/login", body, exhaust)
            assert verdict(answer) == TOO_MANY
        assert verdicts(app, 3, alice.username, "127.0.0.1") == {TOO_MANY: 3}


@pytest.mark.parametrize("minutes", [0, 5])
def test_a_session_that_ended_meanwhile_makes_no_token(alice: Person, minutes: int) -> None:
    """A thief would hold the request back, and keep a key to everything for ever."""
    owner = again(alice)
    with time_machine.travel(utcnow(), tick=False) as clock:

        def throw_out() -> None:
            clock.shift(timedelta(minutes=minutes))
            body = {"current_password": PASSWORD, "new_password": NEW}
            assert owner.put("/account/password", json=body).status_code == 200

        body = {"name": "for-ever", "scopes": ["read", "write"]}
        assert refusal(send(alice, "POST", "/tokens", body, throw_out)) == ENDED
    assert owner.get("/tokens").json == {"tokens": [], "next_cursor": None}


def test_a_session_that_ended_meanwhile_shares_nothing(
    vault: Vault, alice: Person, bob: Person
) -> None:
    """Whoever took it could else read on with an account of their own."""
    alice.put("/secrets/a", json={"secret": "value"})

    def end() -> None:
        with vault.db.write() as tx:
            tx.run("DELETE FROM sessions WHERE id <> ''")

    body = {"username": bob.username, "permission": "read"}
    assert refusal(send(alice, "POST", "/secrets/a:share", body, end)) == ENDED
    with vault.db.read() as tx:
        assert tx.all("SELECT 1 FROM grants") == []


def test_a_session_that_ended_meanwhile_writes_nothing(alice: Person) -> None:
    """Any call: who may make it is asked again when its body took its time."""
    owner = again(alice)
    with time_machine.travel(utcnow(), tick=False) as clock:

        def end() -> None:
            clock.shift(timedelta(seconds=5))
            assert owner.delete("/sessions").status_code == 200

        assert refusal(send(alice, "PUT", "/secrets/a", {"secret": "late"}, end)) == ENDED
    assert owner.get("/secrets/a").status_code == 404
