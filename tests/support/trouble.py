"""Databases in trouble: locked by another process, read-only, or on a disk that is full."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

_LOCK_SQLITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
# Every row that a write would change, so that whoever comes has to wait.
_LOCK_POSTGRESQL = """
import psycopg, sys
with psycopg.connect(sys.argv[1]) as connection:
    for table in ("users", "user_keys", "secret_versions"):
        connection.execute(f"SELECT 1 FROM {table} FOR UPDATE")
    print("locked", flush=True)
    sys.stdin.read()
"""
_SNAPSHOT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM users").fetchall()
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another process holds the database's write lock, or locks on all rows."""
    with _holding(_LOCK_SQLITE if url.startswith("sqlite") else _LOCK_POSTGRESQL, url):
        yield


@contextmanager
def old_snapshot(database: Path) -> Iterator[None]:
    """Another process reads a SQLite database, as a long backup does, and sees it as it was."""
    with _holding(_SNAPSHOT, str(database)):
        yield


@contextmanager
def _holding(script: str, target: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", script, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield


def as_if_not_root() -> tuple[str, ...]:
    """A command that takes root's power to ignore file modes, for tests that root runs."""
    if os.geteuid() != 0:
        return ()
    without = "-dac_override,-dac_read_search,-fowner"
    return ("setpriv", f"--bounding-set={without}", f"--inh-caps={without}")


@contextmanager
def read_only_files(folder: Path) -> Iterator[None]:
    """Nobody may write to the folder, nor to what is in it; for processes that are not root."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [*folder.iterdir(), folder]}
    for path, mode in modes.items():
        path.chmod(mode & ~stat.S_IWUSR)
    try:
        yield
    finally:
        for path, mode in reversed(modes.items()):
            path.chmod(mode)


@contextmanager
def read_only_postgres(url: str) -> Iterator[None]:
    """What a standby is after a failover. Connections that are open end."""
    _set_read_only(url, "on")
    try:
        yield
    finally:
        _set_read_only(url, "off")


def _set_read_only(url: str, value: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        name = connection.info.dbname
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                sql.Identifier(name), sql.SQL(value)
            )
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND pid <> pg_backend_pid()",
            [name],
        )


@contextmanager
def full_disk(pid: int, size: int) -> Iterator[None]:
    """No file that the process writes can grow beyond *size*. Linux changes the limits of a
    running process; elsewhere limit it before it starts."""
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
