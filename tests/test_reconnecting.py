"""A PostgreSQL that goes away and comes back: how long anybody waits, and that it goes on."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from models.errors import DatabaseUnavailable
from tests.support.postgres import PostgresServer
from utils.postgres import _FRESH_SECONDS, PostgresDatabase
from utils.postgres_tx import PostgresTx

pytestmark = pytest.mark.one_engine("postgresql", "SQLite is never away and back")

_POOL = 6
_TIMEOUT = 4.0  # seconds
_SOON = 2.0
_PATIENCE = 60


@pytest.fixture
def db(postgres: PostgresServer) -> Iterator[PostgresDatabase]:
    """A database whose pool is full of connections that nobody uses just now."""
    url = postgres.create_database(f"t{uuid.uuid4().hex}")
    opened = PostgresDatabase(url, _TIMEOUT, _POOL)
    together = threading.Barrier(_POOL)

    def use() -> None:
        with opened.read() as tx:
            tx.one("SELECT 1")
            together.wait(_PATIENCE)

    with ThreadPoolExecutor(_POOL) as pool:
        for user in [pool.submit(use) for _ in range(_POOL)]:
            user.result()
    time.sleep(2 * _FRESH_SECONDS)
    yield opened
    opened.close()


def seconds_of_a_read(db: PostgresDatabase) -> float:
    """How long one takes. Raises DatabaseUnavailable."""
    began = time.monotonic()
    with db.read() as tx:
        assert tx.one("SELECT 1") == (1,)
    return time.monotonic() - began


def seconds_until_told(db: PostgresDatabase) -> float:
    """How long one waits to be told that there is no database."""
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable), db.read():
        pass
    return time.monotonic() - began


def _wait_until_it_answers(db: PostgresDatabase) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(DatabaseUnavailable):
            seconds_of_a_read(db)
            break
    assert seconds_of_a_read(db) < _SOON


@pytest.mark.parametrize("how", ["stop", "abort", "kill"])
def test_a_restart_that_nobody_was_waiting_for_goes_unnoticed(
    postgres: PostgresServer, db: PostgresDatabase, how: str
) -> None:
    """All connections of the pool are dead. The first one that is found so gives away the others:
    who tried them one by one, with pauses, would be out of time before the last."""
    getattr(postgres, how)()
    postgres.start()
    assert seconds_of_a_read(db) < _SOON
    assert seconds_of_a_read(db) < _SOON


def test_one_connection_that_is_cut_costs_no_answer(
    postgres: PostgresServer, db: PostgresDatabase
) -> None:
    """By an administrator, or a firewall that forgets: while others work on, and go on working."""
    with db.read() as working:
        working.one("SELECT 1")
        with psycopg.connect(postgres.url, autocommit=True) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle' AND datname LIKE 't%'"
            )
        for _ in range(_POOL):
            assert seconds_of_a_read(db) < _SOON
        assert working.one("SELECT 1") == (1,)


def test_a_connection_that_has_just_answered_is_not_asked_whether_it_is_there(
    db: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would be another round trip on each request of a busy service. A moment later it is,
    and always before a transaction that may write."""
    asked = []
    really = ConnectionPool.check_connection

    def check(connection: Any) -> None:
        asked.append(connection)
        really(connection)

    monkeypatch.setattr(ConnectionPool, "check_connection", check)
    for _ in range(_POOL):  # the pool hands them out in turn
        with db.read_once() as tx:
            assert tx.one("SELECT 1") == (1,)
    all_of_them = set(asked)
    assert len(asked) == len(all_of_them) == _POOL
    for connection in all_of_them:
        connection.answered_at = time.monotonic() + 60  # as if it were busy ever since
    with db.read_once() as tx:
        assert tx.one("SELECT 1") == (1,)
    assert len(asked) == _POOL
    with db.write() as tx:
        tx.one("SELECT 1")
    assert len(asked) == _POOL + 1


def test_one_that_has_just_answered_and_is_dead_costs_no_answer(
    postgres: PostgresServer, db: PostgresDatabase
) -> None:
    """All of them are cut, a moment after they were used: or as if it were a moment, on a machine
    that takes longer."""
    used = []
    for _ in range(_POOL):
        with db.read() as tx:
            used.append(tx._connection)  # type: ignore[attr-defined]
    with psycopg.connect(postgres.url, autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 't%'"
        )
    for connection in used:
        connection.answered_at = time.monotonic() + 60
    with db.read_once() as tx:
        assert tx.one("SELECT 1") == (1,)
    assert seconds_of_a_read(db) < _SOON


def test_nobody_waits_for_a_database_that_is_known_to_be_away(
    postgres: PostgresServer, db: PostgresDatabase
) -> None:
    """A short absence is waited out. After a long one each request would hold a thread of the
    server for the whole timeout, and soon all of them; and a restart of ours must not be needed."""
    postgres.stop()
    try:
        assert seconds_until_told(db) >= _TIMEOUT  # it might have come back
        deadline = time.monotonic() + _PATIENCE
        while seconds_until_told(db) > 1:
            assert time.monotonic() < deadline, "it still waits"
    finally:
        postgres.start()
    _wait_until_it_answers(db)


def test_a_server_that_stands_still_costs_a_request_its_timeout_and_no_more(
    postgres: PostgresServer, db: PostgresDatabase
) -> None:
    """Its machine goes on to acknowledge what is sent, so no timer of the system ever ends. New
    requests find out before they begin, and then all of them know."""
    with postgres.frozen():
        assert seconds_until_told(db) < 2 * _TIMEOUT
        deadline = time.monotonic() + _PATIENCE
        while seconds_until_told(db) > 1:
            assert time.monotonic() < deadline, "it still waits"
    _wait_until_it_answers(db)


def test_a_machine_that_vanishes_is_not_waited_for_for_hours(db: PostgresDatabase) -> None:
    """Nobody says goodbye then, and only the system's own timers can tell. Its defaults are two
    hours, so every connection has others."""
    with db.read() as tx:
        assert isinstance(tx, PostgresTx)
        with socket.socket(fileno=os.dup(tx._connection.fileno())) as found:
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            name = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
            timers = (getattr(socket, name), socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            until, every, times = (found.getsockopt(socket.IPPROTO_TCP, one) for one in timers)
            assert until + every * times <= 10  # seconds, where nothing is sent
            if sys.platform == "linux":
                unanswered = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert 0 < unanswered <= 10_000  # milliseconds, where something is
