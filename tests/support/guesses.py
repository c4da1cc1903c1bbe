"""Guesses at passwords, from addresses of their own."""

from __future__ import annotations

from collections import Counter

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person, problem

HOME, ELSEWHERE = "192.0.2.10", "198.51.100.7"
PAIR, ACCOUNT, SOURCE = 10, 50, 50  # as they are by default
WRONG = "not the password"
TOO_MANY = "too-many-attempts"


def login(
    app: Flask, username: str, password: str = WRONG, source: str = ELSEWHERE
) -> TestResponse:
    """Try to log in, from an address."""
    return Person(app, "").post(
        "/login",
        json={"username": username, "password": password},
        environ_overrides={"REMOTE_ADDR": source},
    )


def verdict(answer: TestResponse) -> str:
    """What became of a login: ``in``, or the kind of problem."""
    return "in" if answer.status_code == 200 else problem(answer)


def verdicts(app: Flask, count: int, username: str, source: str = ELSEWHERE) -> Counter[str]:
    """The same of *count* wrong guesses."""
    return Counter(verdict(login(app, username, source=source)) for _ in range(count))


def exhaust_account(app: Flask, username: str) -> None:
    """Guess from many machines until the account's own limit is reached."""
    for number in range(ACCOUNT // 5):
        verdicts(app, 5, username, f"203.0.113.{number}")
    assert verdict(login(app, username, source="203.0.113.99")) == TOO_MANY
