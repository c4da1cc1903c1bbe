"""``flask users`` in tests: the command in this process, and people with the passwords it gave."""

from __future__ import annotations

import re
from collections.abc import Callable

from click.testing import Result
from flask import Flask

from tests.support.people import Person

ONE_TIME = re.compile(r"[2-9a-hjkmnp-z]{24}\n")
CHANGE_FIRST = (403, "password-change-required")
WRONG = (401, "wrong-credentials")
NEW = "a password nobody guesses"
Users = Callable[..., Result]


def users_command(app: Flask) -> Users:
    """``users("disable", "alice")``: run the command in this process."""

    def run(*arguments: str, stdin: str = "") -> Result:
        return app.test_cli_runner().invoke(args=["users", *arguments], input=stdin)

    return run


def one_time(result: Result) -> str:
    """The password that a command printed: alone on stdout, once."""
    assert result.exit_code == 0, result.output
    assert ONE_TIME.fullmatch(result.stdout)
    password = result.stdout.strip()
    assert password not in result.stderr
    return password


def newcomer(app: Flask, username: str, password: str) -> Person:
    """Somebody who was given a password, not yet logged in."""
    someone = Person(app, username)
    someone.password = password
    return someone


def change(person: Person, new: str = NEW) -> tuple[int, str]:
    """Replace the password; status and body."""
    body = {"current_password": person.password, "new_password": new}
    answer = person.put("/account/password", json=body)
    return answer.status_code, answer.text
