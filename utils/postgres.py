"""PostgreSQL: a pool of connections, their settings, and transactions."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool, PoolTimeout

from models.errors import DatabaseBusy, DatabaseUnavailable, RotationRunning
from models.reports import Fault
from utils.behind import Behind
from utils.db import PATIENCE, POSTGRESQL, Database, Row, Tx, note_commit
from utils.postgres_behind import PostgresBehind
from utils.postgres_tx import BUSY_SENTENCE, Once, PostgresTx, our_errors

# The pool warns of each failing connection in libpq's words, which quote parts of the URL: with a
# mistyped one, of the password. What failed reaches the log as DatabaseUnavailable.
logging.getLogger("psycopg").setLevel(logging.ERROR)

_NO_WAIT_SECONDS = 0.001
_NO_LOCK_WAIT_MS = 1  # 0 would mean: wait for ever
_NO_HOPE_SECONDS = 0.1
# What answered so lately is asked without a check, if it is only to read: see _ask.
_FRESH_SECONDS = 0.1
_REPLACING_SECONDS = 1.0
# The connection broke after COMMIT was sent: nobody here can tell whether it arrived.
_UNKNOWN_OUTCOME = (
    "The database went away while it stored this, which may or may not have happened. "
    "Read it again before you repeat the request."
)
# The service's own, whatever the database's defaults are. Under REPEATABLE READ, who waits for the
# owner's row would go on with a snapshot from before, and write under a key that is retired.
_SESSION = r"-c timezone=UTC -c default_transaction_isolation=read\ committed"
# A server that vanishes with its machine says no goodbye. By the system's defaults a request would
# wait for it for two hours, or for a quarter of one where it has just sent something.
_SILENCE_SECONDS = 10
_NOTICE_SILENCE = {
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * _SILENCE_SECONDS,
}
_BY_INDEX = (
    "SELECT set_config('enable_' || name, 'off', true) "
    "FROM unnest(ARRAY['sort', 'seqscan', 'bitmapscan', 'hashjoin', 'mergejoin']) AS name"
)
_ROTATION = 7_403_801_996_021_534  # names the rotation among advisory locks


class PostgresDatabase(Database):
    """A PostgreSQL database. Isolation is READ COMMITTED; what must not race locks the row."""

    dialect = POSTGRESQL

    def __init__(self, url: str, busy_timeout_seconds: float, pool_size: int) -> None:
        self._url = url
        self._busy_timeout_ms = int(busy_timeout_seconds * 1000)
        self.patience_seconds = PATIENCE * busy_timeout_seconds
        self._pool_size = pool_size
        self._pool: ConnectionPool[_Connection] | None = None
        self._pid = os.getpid()
        self._opening = threading.Lock()
        self._away, self._answered_at = False, time.monotonic()
        self._replaced_at = self._answered_at - _REPLACING_SECONDS
        self._this_thread = _ThisThread()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """See :meth:`Database.read`."""
        with self._transaction(stores=False) as tx:
            yield tx

    @contextmanager
    def read_by_index(self) -> Iterator[Tx]:
        """See :meth:`Database.read_by_index`."""
        with self.read() as tx:
            tx.run(_BY_INDEX)
            yield tx

    @contextmanager
    def read_once(self) -> Iterator[Tx]:
        """See :meth:`Database.read_once`."""
        self.at_rest()
        yield Once(self._ask)

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """See :meth:`Database.write`."""
        with self._transaction(None if wait else _NO_WAIT_SECONDS) as tx:
            if not wait:
                tx.run(f"SET LOCAL lock_timeout = '{_NO_LOCK_WAIT_MS}ms'")
            yield tx
        note_commit()

    def behind(self) -> Behind:
        """See :meth:`Database.behind`."""
        return PostgresBehind(self, lambda: psycopg.connect(self._url, **_how(_NO_LOCK_WAIT_MS)))

    def _ask(self, statement: bytes, parameters: Sequence[object]) -> list[Row]:
        """Its rows. Where a connection that was not checked turns out to be dead, another is asked:
        it was only to read."""
        with our_errors():
            trusted = False
            try:
                with self._borrow(trusting=True) as connection:
                    trusted = connection.trusted
                    return connection.execute(statement, parameters).fetchall()
            except psycopg.OperationalError:
                if not trusted:
                    raise
            with self._borrow() as connection:
                return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def _borrow(
        self, pool_timeout: float | None = None, *, trusting: bool = False
    ) -> Iterator[_Connection]:
        began = time.perf_counter()
        self._this_thread.trusting = trusting
        with self._open_pool().connection(self._patience(pool_timeout)) as connection:
            self._away, self._answered_at = False, time.monotonic()
            self.waited("connection", time.perf_counter() - began)
            yield connection
            connection.answered_at = time.monotonic()

    @contextmanager
    def _transaction(
        self, pool_timeout: float | None = None, *, stores: bool = True
    ) -> Iterator[Tx]:
        self.at_rest()
        committing = False
        try:
            with (
                our_errors(),
                self._borrow(pool_timeout) as connection,
                connection.begun(stores=stores),
            ):
                yield PostgresTx(connection)
                committing = stores
        except DatabaseUnavailable as error:
            if committing:
                raise DatabaseUnavailable(_UNKNOWN_OUTCOME) from error
            if pool_timeout is not None and isinstance(error.__cause__, PoolTimeout):
                # Who would not wait has learned only that no connection was free just then.
                raise DatabaseBusy(BUSY_SENTENCE) from error
            raise

    def _patience(self, wanted: float | None) -> float | None:
        """Once it is known that the database is away, nobody waits for it any more: else a minute
        without it would keep every thread of the server waiting, and health checks with them."""
        return _NO_HOPE_SECONDS if self._away and wanted is None else wanted

    def _check(self, connection: _Connection) -> None:
        """Before each use. Where one is found dead the others are too, as after any restart. The
        pool would try them one by one, with ever longer pauses: too long for a request."""
        fresh = time.monotonic() - connection.answered_at < _FRESH_SECONDS
        connection.trusted = fresh and self._this_thread.trusting
        if connection.trusted:
            return
        connection.patience = self._busy_timeout_ms / 1000
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            connection.close()  # also where the server stands still: it may yet answer
            with self._opening:
                now = time.monotonic()
                # Several requests may meet dead ones at the same moment. What the first of them
                # has asked for is not to be thrown away by the next.
                again = now - self._replaced_at < _REPLACING_SECONDS
                pool, self._replaced_at = self._pool, self._replaced_at if again else now
            if pool is not None and not again:
                pool.drain()
            raise
        connection.patience = None

    def _note_failure(self, _pool: object) -> None:
        """The pool tried to connect for the whole of the timeout. Where other connections go on,
        the server is only full."""
        self._away = time.monotonic() - self._answered_at >= self._busy_timeout_ms / 1000

    def _open_pool(self) -> ConnectionPool[_Connection]:
        """Opened at first use and again after a fork: sockets and threads do not survive one."""
        with self._opening:
            if self._pool is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._pool = ConnectionPool(
                    self._url,
                    connection_class=_Connection,
                    min_size=1,
                    max_size=self._pool_size,
                    timeout=self._busy_timeout_ms / 1000,
                    # Else the pool tries at ever longer intervals, and a server that was away
                    # for a minute is not found again for another.
                    reconnect_timeout=self._busy_timeout_ms / 1000,
                    reconnect_failed=self._note_failure,
                    kwargs=_how(self._busy_timeout_ms),
                    check=self._check,
                    open=True,
                )
            return self._pool

    @contextmanager
    def rotation_lock(self) -> Iterator[None]:
        """See :meth:`Database.rotation_lock`. The server frees it with the connection."""
        with our_errors(), psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_ROTATION]).fetchone()
            if row is None or not row[0]:
                raise RotationRunning("Another rotation is running.")
            yield

    def scrub(self) -> bool:
        """See :meth:`Database.scrub`.

        Vacuuming frees the dead rows' space for reuse. PostgreSQL overwrites it only then, and
        its write-ahead log keeps copies until it is recycled: SECURITY.md says so.
        """
        with our_errors(), psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("VACUUM secret_versions, user_key_material, system_keys")
        return True

    def check(self) -> list[Fault]:
        """See :meth:`Database.check`. PostgreSQL enforces its constraints; nothing to ask."""
        return []

    def close(self) -> None:
        """See :meth:`Database.close`."""
        with self._opening:
            if self._pool is not None and self._pid == os.getpid():
                self._pool.close()
            self._pool = None


def _how(lock_timeout_ms: int) -> dict[str, Any]:
    """How to connect."""
    return {
        "autocommit": True,  # transaction() says BEGIN; nothing begins unasked
        "connect_timeout": 5,
        "options": f"-c lock_timeout={lock_timeout_ms} {_SESSION}",
        **_NOTICE_SILENCE,
    }


class _ThisThread(threading.local):
    """How a thread takes its next connection."""

    trusting = False


class _Connection(psycopg.Connection):
    """A connection that can lose patience with its server, in seconds."""

    patience: float | None = None
    answered_at: float = -math.inf  # by time.monotonic()
    trusted: bool = False  # taken without a check, the last time

    def begun(self, *, stores: bool) -> AbstractContextManager[object]:
        """A transaction, whose BEGIN says what it is for. By default, READ COMMITTED, one that
        reads would be shown another state by each statement."""
        level = None if stores else psycopg.IsolationLevel.REPEATABLE_READ
        if self.isolation_level is not level:
            self.isolation_level, self.read_only = level, None if stores else True
        return self.transaction()

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """What everything that is sent passes through."""
        return super().wait(gen, interval, self.patience if timeout is None else timeout)
