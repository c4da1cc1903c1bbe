"""Requests whose transaction is undone in favour of another: nobody notices, or is told 503.

Real deadlocks of a real PostgreSQL, with an operator's session.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from werkzeug.test import TestResponse

from models.events import EventQuery
from models.rows import Username
from models.times import to_microseconds, utcnow
from tests.support.people import PASSWORD, Person, problem
from utils.db import TRIES
from utils.store import audit
from utils.vault import Vault

pytestmark = pytest.mark.one_engine("postgresql", "SQLite undoes no transaction for another")

_PATIENCE = 60


@pytest.fixture
def alice(alice: Person) -> Person:
    """Alice, logged in, with a secret."""
    assert alice.post("/secrets", json={"name": "a", "secret": "value"}).status_code == 201
    return alice


_ENDS = "SELECT chain_id FROM audit_heads FOR UPDATE"


@dataclass
class _Circle:
    """Two that wait for each other, as soon as the operator wants something of the request's."""

    operator: psycopg.Connection
    answer: TestResponse = field(init=False)  # once it is broken


@contextmanager
def _waiting(
    vault: Vault, request: Callable[[], TestResponse], lock: str = _ENDS
) -> Iterator[_Circle]:
    """An operator's session that has locked the ends of all chains, which is what transactions of
    the service take last; and a request that has locked what comes before, and waits for it.

    What the session does next closes the circle. The request waits since longer, so PostgreSQL
    undoes the request."""
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(vault.settings.DATABASE_URL) as operator,
        psycopg.connect(vault.settings.DATABASE_URL, autocommit=True) as watch,
    ):
        operator.execute("SET deadlock_timeout = '1min'")
        operator.execute(lock.encode())
        pending = pool.submit(request)
        while not watch.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert not pending.done()
        circle = _Circle(operator)
        yield circle
        operator.commit()
        circle.answer = pending.result(_PATIENCE)


def _undone(vault: Vault) -> bool:
    """Whether PostgreSQL undid a transaction because of a deadlock; it tells a second later."""
    deadline = time.monotonic() + _PATIENCE
    with psycopg.connect(vault.settings.DATABASE_URL, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
            if row is not None and row[0] > 0:
                return True
            time.sleep(0.1)
    return False


def _outcomes(vault: Vault, action: str) -> list[str]:
    """How what she did ended, the newest first."""
    vault.audit.flush()
    with vault.db.read() as tx:
        chain = audit.chain_named(tx, Username("alice"))
        found = audit.list_page(tx, chain, EventQuery(2**62, 100, action=action))
    return [one.event.outcome for one in found]


def test_a_caller_does_not_notice_a_deadlock(alice: Person, vault: Vault) -> None:
    """One write, one version, one event, though its transaction ran twice."""
    with _waiting(vault, lambda: alice.put("/secrets/a", json={"secret": "new"})) as circle:
        circle.operator.execute("SELECT id FROM users FOR UPDATE")
    assert circle.answer.status_code == 200
    assert alice.secret("a") == "new"
    body = alice.get("/secrets/a:versions").json
    assert body is not None
    assert [version["version"] for version in body["versions"]] == [2, 1]
    assert _outcomes(vault, "secret.write") == ["ok"]
    assert _undone(vault)


_WANTED_AT_COMMIT = """
    CREATE TABLE gate AS SELECT 1 AS n;
    CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM n FROM gate FOR UPDATE; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER pass AFTER INSERT ON secret_versions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION pass()
"""


def test_what_is_refused_the_second_time_leaves_that_in_the_trail(
    alice: Person, vault: Vault
) -> None:
    """The first run had recorded a success. It was undone; the refusal is what happened."""
    with psycopg.connect(vault.settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute(_WANTED_AT_COMMIT)
    with _waiting(
        vault,
        lambda: alice.patch("/secrets/a", json={"secret": "new"}),
        "SELECT * FROM gate FOR UPDATE",
    ) as circle:
        circle.operator.execute("SELECT id FROM users FOR UPDATE")
        circle.operator.execute("UPDATE secrets SET deleted_at = 1, purge_at = 2")
    assert problem(circle.answer) == "not-found"
    assert _outcomes(vault, "secret.change") == ["not-found"]


_NEW = "a new and better password"
_AFTER_A_GUESS: dict[str, tuple[str, str, dict[str, str]]] = {
    "login": ("POST", "/login", {"username": "alice", "password": PASSWORD}),
    "password.change": (
        "PUT",
        "/account/password",
        {"current_password": PASSWORD, "new_password": _NEW},
    ),
    "account.delete": ("DELETE", "/account", {"password": PASSWORD}),
}


@pytest.mark.parametrize(
    ("method", "path", "body"), _AFTER_A_GUESS.values(), ids=list(_AFTER_A_GUESS)
)
def test_what_comes_after_a_password_runs_again_alone(
    alice: Person, vault: Vault, method: str, path: str, body: dict[str, str]
) -> None:
    """The guess was counted in a transaction before. It is not counted again, so that what is given
    back is all of it."""
    with _waiting(vault, lambda: alice.request(method, path, json=body)) as circle:
        circle.operator.execute("SELECT id FROM users FOR UPDATE")
    assert circle.answer.status_code == 200
    assert _undone(vault)
    with vault.db.read() as tx:
        counted = tx.all("SELECT full_at FROM login_attempts")
    assert counted
    assert max(row[0] for row in counted) <= to_microseconds(utcnow())


_ALWAYS_LOSE = """
    CREATE SEQUENCE runs;
    CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('runs'); RAISE 'lost' USING ERRCODE = '{state}'; END $$;
    CREATE TRIGGER lose BEFORE INSERT ON secret_versions FOR EACH ROW EXECUTE FUNCTION lose()
"""


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_who_loses_each_time_is_told_to_come_back(alice: Person, vault: Vault, state: str) -> None:
    """The same error from the server itself, again and again: 503 after a few times, and nothing of
    it has happened. A sequence counts the runs, as it is not undone."""
    with psycopg.connect(vault.settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute(_ALWAYS_LOSE.format(state=state).encode())
        answer = alice.put("/secrets/a", json={"secret": "new"})
        assert connection.execute("SELECT last_value FROM runs").fetchone() == (TRIES,)
    assert (answer.status_code, problem(answer)) == (503, "database-busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert alice.secret("a") == "value"
    assert _outcomes(vault, "secret.write") == []
