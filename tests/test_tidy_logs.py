"""Crashes: the caller learns a request id and no more; the log tells where, and quotes nothing."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NoReturn

import pytest
import requests
from flask import Flask, Response
from pydantic import BaseModel

from models.errors import IntegrityViolation
from tests.support.log import logged
from tests.support.people import PASSWORD, Person, problem
from tests.support.server import Server
from utils.store import secret_reads, secrets

CANARY = "canary-7c1d90"
pytestmark = pytest.mark.one_engine("sqlite", "it is about the log")


class Model(BaseModel):
    """A model of somebody who did not think of hiding what was refused."""

    number: int


def crash_plainly() -> NoReturn:
    """An exception whose message quotes a value."""
    raise RuntimeError(f"cannot handle {CANARY}")


def crash_in_validation() -> None:
    """Pydantic's errors show their input."""
    Model.model_validate({"number": CANARY})


def crash_in_sql() -> None:
    """SQLite's errors show the statement's words."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute('SELECT 1 FROM "canary-7c1d90"')


def crash_with_a_history() -> NoReturn:
    """Causes and contexts are quoted by tracebacks too."""
    try:
        crash_in_validation()
    except ValueError as error:
        raise LookupError(CANARY) from error
    raise AssertionError


def crash_in_a_circle() -> NoReturn:
    """Two exceptions, each the cause of the other: whoever follows them must stop."""
    first, second = RuntimeError(CANARY), ValueError(CANARY)
    first.__cause__, second.__cause__ = second, first
    raise first


def crash_while_decoding() -> None:
    """Codecs show the bytes that they refuse."""
    f"\ud800{CANARY}".encode()


def crash_on_a_constraint() -> NoReturn:
    """An error of ours that no caller can mend. Its own words hold no value; its cause's do."""
    raise IntegrityViolation("The database refused the change.") from ValueError(CANARY)


CRASHES: list[tuple[Callable[[], object], str]] = [
    (crash_plainly, "builtins.RuntimeError"),
    (crash_in_validation, "pydantic_core._pydantic_core.ValidationError"),
    (crash_in_sql, "sqlite3.OperationalError"),
    (crash_with_a_history, "builtins.LookupError"),
    (crash_in_a_circle, "builtins.RuntimeError"),
    (crash_while_decoding, "builtins.UnicodeEncodeError"),
    (crash_on_a_constraint, "models.errors.IntegrityViolation"),
]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that is logged, at any level, by whatever logger."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def last_error(log: pytest.LogCaptureFixture) -> logging.LogRecord:
    """The newest record of an error; after it comes the request's own line."""
    return next(record for record in reversed(log.records) if record.levelno == logging.ERROR)


def crashing(monkeypatch: pytest.MonkeyPatch, crash: Callable[[], object]) -> None:
    """From now on every read of a secret crashes, deep below the view."""
    monkeypatch.setattr(secret_reads, "read", lambda *_: crash())


@pytest.mark.invariant(number=5)
@pytest.mark.parametrize(("crash", "kind"), CRASHES, ids=[crash.__name__ for crash, _ in CRASHES])
def test_a_crash_shows_nothing_to_the_caller(
    alice: Person,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
    crash: Callable[[], object],
    kind: str,
) -> None:
    """Status 500, a problem of one kind, and the id under which the log has the rest."""
    crashing(monkeypatch, crash)
    response = alice.get(f"/secrets/{CANARY}?version=1")
    assert (response.status_code, problem(response)) == (500, "internal-error")
    assert CANARY not in response.text + str(response.headers)
    assert "Traceback" not in response.text
    entry = last_error(log).getMessage()
    assert entry.count(kind) == 1
    assert crash.__name__ in entry, "the frames tell where"
    assert f"error request_id={response.headers['X-Request-ID']} method=GET" in entry
    assert "route=/secrets/<name> problem=internal-error" in entry
    # The whole record, with what a handler would add to the message: traceback and stack.
    assert CANARY not in log.text
    assert last_error(log).exc_info is None


def test_the_log_tells_of_causes(
    alice: Person, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """An error that was translated on its way is found by what it was at first."""
    crashing(monkeypatch, crash_with_a_history)
    alice.get("/secrets/db")
    entry = last_error(log).getMessage()
    assert entry.index("LookupError") < entry.index("ValidationError")


@pytest.mark.parametrize("crash", [crash for crash, _ in CRASHES], ids=lambda crash: crash.__name__)
def test_the_worker_lives_on(
    alice: Person, monkeypatch: pytest.MonkeyPatch, crash: Callable[[], object]
) -> None:
    """The next request finds everything as it was: no lock held, no transaction open."""
    assert alice.put("/secrets/db", json={"secret": "hunter2"}).status_code == 201
    with monkeypatch.context() as broken:
        crashing(broken, crash)
        for _ in range(3):
            assert alice.get("/secrets/db").status_code == 500
    assert alice.secret("db") == "hunter2"
    assert alice.put("/secrets/db", json={"secret": "hunter3"}).status_code == 200


@pytest.mark.invariant(number=5)
@pytest.mark.invariant(number=9)
def test_a_crash_in_a_write_changes_nothing(
    alice: Person, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """The transaction that it broke is rolled back, and the value is in no log."""
    with monkeypatch.context() as broken:
        broken.setattr(secrets, "add_versions", lambda *_: crash_plainly())
        response = alice.put(f"/secrets/{CANARY}", json={"secret": CANARY, "labels": {"a": CANARY}})
    assert (response.status_code, problem(response)) == (500, "internal-error")
    assert alice.get(f"/secrets/{CANARY}").status_code == 404
    assert CANARY not in log.text


def test_a_crash_after_the_view_is_tidy_too(app: Flask, log: pytest.LogCaptureFixture) -> None:
    """Flask hands what fails while it finishes a response to another path, which logs tracebacks
    with their messages unless told not to."""

    def fail(_response: Response) -> Response:
        raise RuntimeError(CANARY)

    app.after_request(fail)
    response = Person(app, "alice").get("/healthz")
    assert response.status_code == 500
    assert CANARY not in response.text
    assert CANARY not in log.text
    assert "builtins.RuntimeError" in log.text


@pytest.mark.invariant(number=5)
def test_a_real_server_keeps_its_log_tidy(engine: str, server: Server) -> None:
    """With the damage that a disk can do: a value that does not open any more."""
    alice = requests.Session()
    login = {"username": "alice", "password": PASSWORD}
    assert alice.post(server.url + "/register", json=login, timeout=30).status_code == 201
    assert alice.post(server.url + "/login", json=login, timeout=30).status_code == 200
    url = f"{server.url}/secrets/db"
    assert alice.put(url, json={"secret": CANARY}, timeout=30).status_code == 201
    with closing(sqlite3.connect(server.instance / "secrets.db")) as connection, connection:
        connection.execute("UPDATE secret_versions SET ciphertext = 'damaged'")
    response = alice.get(url, timeout=30)
    assert response.status_code == 500
    log = server.log.read_text()
    (error,) = logged(server.log, "error")
    assert (error["problem"], error["method"]) == ("secret-unreadable", "GET")
    assert error["route"] == "/secrets/<name>"
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert "models.errors.Undecryptable" in log
    assert "cryptography.fernet.InvalidToken" in log
    for private in (CANARY, PASSWORD, alice.cookies["access_token_cookie"], "Traceback"):
        assert private not in log
        assert private not in response.text
    assert alice.get(server.url + "/secrets", timeout=30).status_code == 200
