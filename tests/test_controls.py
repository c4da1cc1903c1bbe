"""docs/controls.md says what the code does: fields, open doors, data, and what starts closed."""

from __future__ import annotations

import importlib
import os
import pkgutil
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import models
from models import names, requests
from models.powers import SCOPES
from routes import guard
from tests.support import docs
from tests.support.dump import Dump, unopened
from tests.support.people import Person
from tests.support.server import ROOT, Server
from tests.support.shared import refusal
from utils.passwords import _CONTEXT_WORDS
from utils.vault import Vault

CONTROLS = "docs/controls.md"
PASSWORD = "an entirely new password"
on_one_engine = pytest.mark.one_engine("sqlite", "it compares documents with the code")


# --- what may come in --------------------------------------------------------------------------


def requests_in_use() -> Iterator[tuple[str, type[requests.Request]]]:
    """Each request or query model that a call has to itself, with the call that its docstring
    begins with."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"models.{module.name}")
    waiting: list[type[requests.Request]] = [requests.Request]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if found := re.match(r"``([A-Z]+ /[^`]*)``", model.__doc__ or ""):
            yield found[1], model


def test_every_field_that_may_come_in_is_documented() -> None:
    """Which call takes it, whether it has to be there, and what it may hold."""
    expected = {
        (call, f"?{name}" if issubclass(model, requests.Query) else name, field.is_required())
        for call, model in requests_in_use()
        for name, field in model.model_fields.items()
    }
    table = docs.rows(docs.section(docs.read(CONTROLS), "## What may come in"))
    documented = {
        (call.strip("`"), field.strip("`"), required == "yes")
        for calls, field, required, _ in table
        for call in calls.split(", ")
    }
    assert documented == expected
    assert all(len(row) == 4 and row[3] for row in table)


@pytest.mark.parametrize(
    "rule", [names.USERNAME_RULE, names.NAME_RULE, names.LABEL_KEY_RULE, names.LABEL_VALUE_RULE]
)
def test_the_alphabets_are_documented(rule: str) -> None:
    """In the words in which a refusal tells them."""
    assert rule in docs.read(CONTROLS)


def test_the_words_that_no_password_may_hold_are_documented() -> None:
    """Nobody should have to guess why a password was refused."""
    text = docs.section(docs.read(CONTROLS), "## What nobody may choose as a password")
    assert set(re.findall(r"`([^`]+)`", text)) >= set(_CONTEXT_WORDS)


# --- who may call what -------------------------------------------------------------------------


def doors(app: Flask, *rules: object) -> set[str]:
    """The calls whose access rule is one of *rules*, as docs/api.md writes them."""
    return {
        f"{method} {re.sub(r'<[a-z_]+:', '<', rule.rule)}"
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@on_one_engine
def test_the_doors_that_are_not_for_a_session_alone_are_documented(app: Flask) -> None:
    """Everything else needs a session, and the text says so."""
    table = docs.rows(docs.section(docs.read(CONTROLS), "## Who may call what"))
    documented = {call for cells in table for call in re.findall(r"`([A-Z]+ /[^`]*)`", cells[1])}
    every = doors(app, *vars(guard).values())
    assert documented == every - doors(app, guard.session)


@on_one_engine
def test_what_each_scope_opens_is_documented(app: Flask) -> None:
    """Whoever makes a token looks there for what it can do. A scope's rule has its name."""
    table = docs.rows(docs.section(docs.read(CONTROLS), "## Who may call what"))
    for scope in SCOPES:
        (calls,) = (cells[1] for cells in table if f"scope `{scope}`" in cells[0])
        opened = doors(app, getattr(guard, f"may_{scope}"))
        assert set(re.findall(r"`([A-Z]+ /[^`]*)`", calls)) == opened


def fill_in(rule: str) -> str:
    """A URL of *rule*, with something in each gap."""
    return re.sub(r"<[^>]+>", "a", rule)


def test_strangers_reach_nothing_but_the_open_doors(app: Flask) -> None:
    """Every call of the URL map, whichever is added: no session, no answer; and nothing changes."""
    stranger = Person(app, "stranger")
    unsafe = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    tried = 0
    for rule in app.url_map.iter_rules():
        access = getattr(app.view_functions[rule.endpoint], "access", None)
        if access in {guard.anybody, guard.session_if_any}:
            continue
        for method in (rule.methods or set()) & unsafe:
            answer = stranger.request(method, fill_in(rule.rule), json={})
            assert refusal(answer) == (401, "not-authenticated"), rule.rule
            assert answer.headers["WWW-Authenticate"].startswith("Cookie ")
            tried += 1
    assert tried > 10


def test_looking_changes_nothing(vault: Vault, app: Flask, alice: Person) -> None:
    """GET, HEAD and OPTIONS of every URL there is leave every row of every table as it was; that
    somebody looked is told in the audit trail."""
    alice.put("/secrets/a", json={"secret": "value"})
    before = without_events(vault)
    for rule in app.url_map.iter_rules():
        for method in ("GET", "HEAD", "OPTIONS"):
            for query in ("", "?canary=1"):
                alice.request(method, fill_in(rule.rule) + query)
    assert without_events(vault) == before


def without_events(vault: Vault) -> Dump:
    """Everything that is stored but the audit trail."""
    content = unopened(vault.db)
    return {table: rows for table, rows in content.items() if not table.startswith("audit_")}


def test_a_new_installation_has_no_accounts(vault: Vault) -> None:
    """Nobody can log in before somebody registers: there is no default password to forget."""
    content = unopened(vault.db)
    assert content["users"] == []
    assert content["sessions"] == []


# --- passwords on a terminal -------------------------------------------------------------------


def typed_at_a_terminal(instance: Path, *lines: str) -> tuple[int, str]:
    """``flask users create carol --ask-password``: exit status, and all that the screen showed."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "flask", "users", "create", "carol", "--ask-password"],
        cwd=ROOT,
        env=Server(instance).environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown, answers = "", list(lines)
        while chunk := _read(controller):
            shown += chunk
            # The blank comes when the terminal has stopped to show what is typed; before it, what
            # we typed would be thrown away.
            if answers and shown.endswith(": "):
                os.write(controller, f"{answers.pop(0)}\n".encode())
                shown += "\n"
    os.close(controller)
    return process.returncode, shown


def _read(controller: int) -> str:
    try:
        return os.read(controller, 4096).decode()
    except OSError:  # EIO: the process has gone, and its side of the terminal with it
        return ""


def test_a_password_typed_at_a_terminal_does_not_show(tmp_path: Path) -> None:
    """Whoever looks over the shoulder sees the question, and nothing of the answer."""
    status, shown = typed_at_a_terminal(tmp_path / "instance", PASSWORD, PASSWORD)
    assert status == 0, shown
    assert "Password:" in shown
    assert "Created carol." in shown
    assert PASSWORD not in shown


def test_unknown_fields_have_no_way_in(app: Flask, alice: Person) -> None:
    """What the service decides by itself cannot be said: owner, key, version, dates, state."""
    alice.put("/secrets/a", json={"secret": "value"})
    before = alice.get("/secrets/a").json
    decided: dict[str, Any] = dict.fromkeys(["id", "owner_id", "user_id", "key_id", "version"], 1)
    decided |= {"created_at": "2000-01-01T00:00:00Z", "deleted_at": None, "state": "active"}
    for name, value in decided.items():
        for method in ("PUT", "PATCH"):
            sent = {"secret": "changed", name: value}
            answer = alice.request(method, "/secrets/a", json=sent)
            assert refusal(answer) == (422, "invalid-fields"), name
        credentials = {"username": "mallory", "password": PASSWORD, name: value}
        answer = Person(app, "").post("/register", json=credentials)
        assert refusal(answer) == (422, "invalid-fields"), name
    assert alice.get("/secrets/a").json == before
