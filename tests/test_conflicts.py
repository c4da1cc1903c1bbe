"""Transactions that the database undoes in favour of another: they run again, but not for ever.

Real deadlocks and serialization failures of a real PostgreSQL. SQLite has neither: its writers come
one after the other, and wait for that at the beginning.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.errors import DatabaseBusy
from models.events import EventQuery
from models.rows import Username
from models.times import to_microseconds, utcnow
from routes.context import vault_of
from tests.support.people import PASSWORD, Person, problem
from tests.support.postgres import PostgresServer
from utils.db import TRIES, Database, Tx, open_database, retried
from utils.store import audit
from utils.vault import Vault

pytestmark = pytest.mark.one_engine("postgresql", "SQLite undoes no transaction for another")

_PATIENCE = 60


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """An empty PostgreSQL database."""
    return postgres.create_database(f"t{uuid.uuid4().hex}")


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """A table with two rows, (1, 0) and (2, 0)."""
    opened = open_database(url, 30, 4)
    with opened.write() as tx:
        tx.run("CREATE TABLE numbers (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)")
        tx.run("INSERT INTO numbers (id, n) VALUES (1, 0), (2, 0)")
    yield opened
    opened.close()


def add_one(tx: Tx, row_id: int) -> None:
    """Change a row."""
    tx.run("UPDATE numbers SET n = n + 1 WHERE id = ?", row_id)


def numbers(db: Database) -> list[int]:
    """What stands in the rows."""
    with db.read() as tx:
        return [row[0] for row in tx.all("SELECT n FROM numbers ORDER BY id")]


# --- in the data layer ---------------------------------------------------------------------------


def test_two_that_deadlock_both_succeed(db: Database) -> None:
    """Each has one row and wants the other's. PostgreSQL undoes one of them, which runs again."""
    met, runs = threading.Barrier(2), []

    def cross(first: int, second: int) -> None:
        with db.write() as tx:
            runs.append(first)
            add_one(tx, first)
            if len(runs) <= 2:
                met.wait(_PATIENCE)
            add_one(tx, second)

    with ThreadPoolExecutor(2) as pool:
        crossing = [
            pool.submit(retried, lambda pair=pair: cross(*pair)) for pair in ((1, 2), (2, 1))
        ]
        for one in crossing:
            one.result(_PATIENCE)
    assert numbers(db) == [2, 2]
    assert len(runs) == 3  # of which one was undone: without it there was no deadlock


def _overtaken(db: Database, times: int, runs: list[int]) -> Callable[[], int]:
    """A transaction that another one overtakes, so many times: a serialization failure each."""

    def work() -> int:
        with db.write() as tx:
            tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            row = tx.one("SELECT n FROM numbers WHERE id = 1")
            assert row is not None
            runs.append(row[0])
            if len(runs) <= times:
                with ThreadPoolExecutor(1) as pool:
                    pool.submit(_overtake, db).result(_PATIENCE)
            add_one(tx, 1)
        return int(row[0])

    return work


def _overtake(db: Database) -> None:
    with db.write() as tx:
        add_one(tx, 1)


def test_a_serialization_failure_runs_again_from_its_first_read(db: Database) -> None:
    """What it decided by is read anew, and its answer is that of the run that was committed."""
    runs: list[int] = []
    assert retried(_overtaken(db, TRIES - 1, runs)) == TRIES - 1
    assert runs == list(range(TRIES))
    assert numbers(db) == [TRIES, 0]


def test_it_does_not_run_for_ever(db: Database) -> None:
    """Whoever loses each time is told that it is busy; nobody further out begins again."""
    runs: list[int] = []
    with pytest.raises(DatabaseBusy):
        retried(lambda: retried(_overtaken(db, 100, runs)))
    assert len(runs) == TRIES
    assert numbers(db) == [TRIES, 0]


def test_what_is_committed_is_not_repeated(db: Database) -> None:
    """A conflict in the second of two transactions would do the first one twice."""
    runs: list[int] = []

    def two() -> None:
        with db.write() as tx:
            add_one(tx, 2)
        _overtaken(db, 1, runs)()

    with pytest.raises(DatabaseBusy):
        retried(two)
    assert (len(runs), numbers(db)) == (1, [1, 1])


def test_who_waited_for_a_lock_in_vain_does_not_wait_again(url: str, db: Database) -> None:
    """That has taken the whole DATABASE_TIMEOUT already, and four of them would be too long."""
    runs, impatient = [], open_database(url, 2, 2)

    def work() -> None:
        with impatient.write() as tx:
            runs.append(1)
            add_one(tx, 1)

    with db.write() as tx:
        add_one(tx, 1)
        with pytest.raises(DatabaseBusy):
            retried(work)
    impatient.close()
    assert runs == [1]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_database_with_stricter_defaults_changes_nothing(url: str, level: str) -> None:
    """A snapshot from before the owner's row was locked would show the key that was retired
    meanwhile: who has waited for a row must see what was committed until then."""
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(name, level)
        )
    strict = open_database(url, 30, 2)
    with strict.write() as tx:
        assert tx.one("SHOW transaction_isolation") == ("read committed",)
    with strict.read() as tx:
        assert tx.one("SHOW transaction_isolation") == ("repeatable read",)
    strict.close()


# --- through the API -----------------------------------------------------------------------------


@pytest.fixture
def app(url: str, tmp_path: Path) -> Iterator[Flask]:
    """The application, on PostgreSQL."""
    settings = Settings(
        INSTANCE_DIR=tmp_path / "i", DATABASE_URL=url, BCRYPT_COST=4, REGISTRATIONS_SOURCE=0
    )
    application = create_app(settings)
    yield application
    vault_of(application).close()


@pytest.fixture
def vault(app: Flask) -> Vault:
    """What the application works with."""
    return vault_of(app)


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with a secret."""
    someone = Person(app, "alice")
    assert someone.register().status_code == 201
    assert someone.login().status_code == 200
    assert someone.post("/secrets", json={"name": "a", "secret": "value"}).status_code == 201
    return someone


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
