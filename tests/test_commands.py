"""``flask users``: what an operator does to accounts, in this process and beside a live server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.support.dump import unopened
from tests.support.people import PASSWORD, Person
from tests.support.remote import Remote
from tests.support.rotation import assert_sound, environment
from tests.support.server import ROOT, Server
from tests.support.shared import indistinct, refusal
from tests.support.users import (
    ONE_TIME,
    Users,
    change,
    newcomer,
    one_time,
    users_command,
)
from utils.vault import Vault


@pytest.fixture
def users(app: Flask) -> Users:
    """``users("disable", "alice")``: run the command in this process."""
    return users_command(app)


# --- accounts -----------------------------------------------------------------------------------


def test_an_account_created_by_the_operator_is_one_like_others(
    vault: Vault, app: Flask, users: Users
) -> None:
    """With a key of its own, and a one-time password that only goes to stdout."""
    carol = newcomer(app, "carol", one_time(users("create", "Carol")))
    assert carol.login().status_code == 200
    assert change(carol)[0] == 200
    assert carol.put("/secrets/db", json={"secret": "hunter2"}).status_code == 201
    assert_sound(vault)


@pytest.mark.parametrize("ending", ["\n", "", "\r\n"])
def test_a_password_from_a_pipe_is_taken_as_it_is(app: Flask, users: Users, ending: str) -> None:
    """But for the end of its line; and nothing is printed that a script would take for one."""
    done = users("create", "carol", "--ask-password", stdin=f" {PASSWORD} {ending}")
    assert (done.exit_code, done.stdout) == (0, "")
    carol = newcomer(app, "carol", f" {PASSWORD} ")
    assert carol.login().status_code == 200
    assert carol.get("/secrets").status_code == 200


@pytest.mark.parametrize("password", ["short", "password1", "carol", "x" * 1025, ""])
def test_a_bad_password_from_a_pipe_is_refused_in_one_line(users: Users, password: str) -> None:
    """As the API refuses it, without repeating it; no account is made."""
    done = users("create", "carol", "--ask-password", stdin=password)
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: The password [^\n]+\n", done.stderr)
    assert password not in done.stderr or not password
    assert users("list").stdout == ""


def test_the_list_tells_every_account(app: Flask, users: Users, alice: Person) -> None:
    """Also deleted ones, whose names are taken; and who has yet to choose a password."""
    users("create", "carol")
    users("create", "dave-with-a-longer-name")
    users("disable", "dave-with-a-longer-name")
    assert alice.delete("/account", json={"password": PASSWORD}).status_code == 200
    rows = [line.split() for line in users("list").stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["alice", "deleted"],
        ["carol", "active"],
        ["dave-with-a-longer-name", "disabled"],
    ]
    assert [row[3:] for row in rows] == [[], ["one-time", "password"], ["one-time", "password"]]


def test_a_disabled_account_is_shut_out_at_once(
    app: Flask, users: Users, alice: Person, bob: Person
) -> None:
    """Its sessions are over for good, and its login is refused as an unknown one's."""
    alice.put("/secrets/db", json={"secret": "hunter2"})
    assert "sessions ended: 1" in users("disable", "ALICE").stderr
    assert refusal(alice.get("/secrets/db")) == (401, "not-authenticated")
    assert refusal(alice.post("/refresh")) == (401, "not-authenticated")
    unknown = Person(app, "nobody-has-this-name").login()
    assert indistinct(alice.login()) == indistinct(unknown)
    assert users("disable", "alice").exit_code == 0  # already so: no error
    assert bob.get("/account").status_code == 200

    assert users("enable", "alice").exit_code == 0
    assert refusal(alice.get("/account")) == (401, "not-authenticated")
    assert alice.login().status_code == 200
    assert alice.secret("db") == "hunter2"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "alice"), "This username is taken. Choose another."),
        (("create", "gone"), "This username is taken. Choose another."),
        (("create", "not a name"), "A username is "),
        (("disable", "nobody"), "There is no user nobody."),
        (("disable", "gone"), "There is no user gone."),
        (("enable", "nobody"), "There is no user nobody."),
        (("enable", "gone"), "There is no user gone."),
        (("reset-password", "nobody"), "There is no user nobody."),
        (("reset-password", "gone"), "There is no user gone."),
        (("reset-password", "-x"), ""),
    ],
)
def test_what_cannot_be_done_is_one_line(
    vault: Vault,
    users: Users,
    alice: Person,
    person: Callable[[str], Person],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    """On stderr, with a status that scripts see; nothing is changed."""
    gone = person("gone")
    assert gone.delete("/account", json={"password": PASSWORD}).status_code == 200
    before = unopened(vault.db)
    done = users(*arguments)
    assert done.stdout == ""
    if sentence:
        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: {sentence}")
        assert done.stderr.count("\n") == 1
    else:
        assert done.exit_code == 2  # click's own: not an option of ours
    assert unopened(vault.db) == before


# --- as processes -------------------------------------------------------------------------------


def flask(environ: dict[str, str], *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run ``flask users ...`` as an operator does: exit status, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "users", *arguments],
        check=False,
        cwd=ROOT,
        env={**environ, "SECRETS_BCRYPT_COST": "10"},  # at which it warns of nothing
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_commands_work_beside_a_live_server(vault: Vault, tmp_path: Path) -> None:
    """On both engines, and what they do counts at the server's next request."""
    environ = environment(vault.settings)
    ours = {name: value for name, value in environ.items() if name.startswith("SECRETS_")}
    with Server(vault.settings.INSTANCE_DIR, environ=ours) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("db", "hunter2").status_code == 201
        assert flask(environ, "disable", "alice") == (
            0,
            "",
            "Disabled alice; sessions ended: 1.\n",
        )
        assert alice.get("/secrets/db").status_code == 401
        assert alice.login().status_code == 401
        assert flask(environ, "enable", "alice") == (0, "", "Enabled alice.\n")
        assert alice.login().status_code == 200

        status, password, told = flask(environ, "reset-password", "alice")
        assert (status, told.count("\n")) == (0, 1)
        assert ONE_TIME.fullmatch(password)
        alice.credentials["password"] = password.strip()
        assert alice.login().status_code == 200
        assert alice.get("/secrets/db").status_code == 403

        assert flask(environ, "create", "carol", "--ask-password", stdin=PASSWORD)[:2] == (0, "")
        assert Remote(server, "carol").login().status_code == 200
        status, listing, errors = flask(environ, "list")
        assert (status, errors) == (0, "")
        assert [line.split()[0] for line in listing.splitlines()] == ["alice", "carol"]
        assert flask(environ, "enable", "eve") == (1, "", "Error: There is no user eve.\n")
    log = server.log.read_text()
    assert password.strip() not in log


def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """As for the server: what is wrong, and what to look at."""
    environ = {
        "SECRETS_INSTANCE_DIR": str(tmp_path / "instance"),
        "SECRETS_DATABASE_URL": "postgresql://127.0.0.1:9/nothing",
        "SECRETS_DATABASE_TIMEOUT": "1s",
    }
    status, out, errors = flask(environ, "list")
    assert (status, out) == (1, "")
    assert errors.startswith("Not started: The database cannot be opened.")
    assert errors.count("\n") == 1


def test_a_password_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    """In any locale, and without the library's sentence, which quotes it."""
    for locale in ("C", "C.UTF-8"):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "users", "create", "carol", "--ask-password"],
            cwd=ROOT,
            env={
                **os.environ,
                "LC_ALL": locale,
                "SECRETS_INSTANCE_DIR": str(tmp_path / "instance"),
                "SECRETS_BCRYPT_COST": "4",
            },
            input=b"\xff\xfe canary canary\n",
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == b"Error: The password must be text in UTF-8."
        assert b"canary" not in done.stderr
