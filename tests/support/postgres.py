"""A real PostgreSQL for the tests, thrown away afterwards.

Real, because what is worth testing on PostgreSQL (locks, races, crashes, the wording of its errors)
is what an imitation does differently. A server of our own, because a test must be able to stop it,
kill it and log in with a password, and must never find somebody's data in it.

``TEST_POSTGRES=/folder/of/its/programs`` chooses one version of several, for all that is here. As a
program (``python -m tests.support.postgres``) it says where the PostgreSQL is that the tests would
use, and fails if there is none.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support.ports import free_port
from tests.support.postgres_programs import (
    Account,
    PostgresMissing,
    find_postgres,
    server_account,
    succeeds,
)

# Seconds. A start takes about one; after a kill -9 it first syncs every file, to a busy disk.
_START_TIMEOUT = 300
_STOP_TIMEOUT = 30


class PostgresFailed(Exception):
    """PostgreSQL is there, but did not start; with the end of what it had to say."""


def start_postgres(directory: Path | None = None, *, synced: bool = True) -> PostgresServer:
    """Start a new, empty server.

    Unless it is *synced* it does not wait for the disk: it is faster, and loses nothing when it is
    killed, only when the machine is.

    Without *directory* the server makes one, and removes it when it is closed. With one, its files
    stay there; pytest's ``tmp_path`` will not do under root, being closed to the user that the
    server runs as.
    """
    programs = find_postgres()
    account = server_account()
    if programs is None or account is None:
        raise PostgresMissing
    own = directory is None
    # resolve(): on macOS the temporary folder is a symbolic link.
    directory = (directory or Path(tempfile.mkdtemp(prefix="secrets-pg-"))).resolve()
    if "user" in account:
        os.chown(directory, account["user"], account["group"])
        if not succeeds(["test", "-x", str(directory)], account):
            raise PostgresFailed(
                f"{directory} is closed to the user that PostgreSQL runs as:"
                " call start_postgres() without a directory"
            )
    password = secrets.token_urlsafe()
    server = PostgresServer(
        directory=directory,
        url=f"postgresql://secrets:{password}@127.0.0.1:{free_port()}/postgres",
        _programs=programs,
        _account=account,
        _remove=own,
        _guard=_start_guard(directory, own, account),
        _options=["-c", f"fsync={'on' if synced else 'off'}"],
    )
    try:
        _initdb(programs, directory, password, account)
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def _start_guard(directory: Path, remove: bool, account: Account) -> subprocess.Popen[bytes]:
    """Watch over our own end, however we end: a killed test run must leave no server behind.

    The guard reads from a pipe that nobody writes to and that closes with us.
    """
    script = """
        read -r _
        pid=$(head -n 1 "$1/data/postmaster.pid") && kill -QUIT "$pid" && sleep 1
        [ "$2" = keep ] || rm -rf "$1"
    """
    return subprocess.Popen(
        ["sh", "-c", script, "guard", str(directory), "remove" if remove else "keep"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # Ctrl-C in the terminal is for us.
        start_new_session=True,
        **account,
    )


def _initdb(programs: Path, directory: Path, password: str, account: Account) -> None:
    """Create the cluster, with password logins only, as a real server has them."""
    password_file = directory / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    if "user" in account:
        os.chown(password_file, account["user"], account["group"])
    answer = subprocess.run(
        [
            str(programs / "initdb"),
            f"--pgdata={directory / 'data'}",
            "--username=secrets",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            # Only the new, empty cluster is not synced; the server itself syncs every commit.
            "--no-sync",
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        **account,
    )
    password_file.unlink()
    if answer.returncode != 0:
        raise PostgresFailed(answer.stderr)


@dataclass
class PostgresServer:
    """A running server; as a context manager it stops at the end.

    An acknowledged write has to be there after :meth:`kill` and :meth:`start`.
    """

    directory: Path
    url: str = field(repr=False)  # it holds the password
    _programs: Path = field(repr=False)
    _account: Account = field(repr=False)
    _remove: bool = field(repr=False)
    _guard: subprocess.Popen[bytes] = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _options: list[str] = field(default_factory=list, repr=False)

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the server that was stopped or killed, on the same data and at the same URL."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._try_start(deadline):
            # Processes of a killed server hold its shared memory until they notice; that soon
            # passes. Anything else does not, and the log says what it is.
            if "shared memory" not in self._log() or time.monotonic() > deadline:
                raise PostgresFailed(self._log())
            time.sleep(0.1)

    def _try_start(self, deadline: float) -> bool:
        with (self.directory / "log").open("wb") as log:
            self._process = process = subprocess.Popen(
                [
                    str(self._programs / "postgres"),
                    *("-D", str(self.directory / "data")),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"port={urlsplit(self.url).port}"),
                    # The usual folder for sockets belongs to the system's own server.
                    *("-c", "unix_socket_directories="),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **self._account,
            )
        while process.poll() is None and time.monotonic() < deadline:
            if self._is_ready(process.pid):
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _is_ready(self, pid: int) -> bool:
        """Read it where ``pg_ctl`` does; an attempt to connect would litter the log."""
        try:
            lines = (self.directory / "data/postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(pid)] and lines[7:8] != [] and lines[7].strip() == "ready"

    def _log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-2_000:]

    def program(self, name: str) -> str:
        """The path of a program of the same version, such as ``pg_dump``."""
        return str(self._programs / name)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Create a database like the template, which is empty, and return its URL. It takes 0.05 s
        to 0.2 s. Nobody may be connected to the template."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop_database(self, name: str) -> None:
        """Give back its 10 MB, also while somebody is still connected."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def insist_on_tls(self, certificate: Path, key: Path) -> None:
        """From the next start on, take connections over TLS only."""
        data = self.directory / "data"
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = data / name
            target.touch(mode=0o600)
            target.write_bytes(source.read_bytes())
            if "user" in self._account:
                os.chown(target, self._account["user"], self._account["group"])
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        self._options += ["-c", "ssl=on"]

    def stop(self) -> None:
        """Shut down in order, ending every connection; the data stays for :meth:`start`."""
        self._end(signal.SIGINT)

    def abort(self) -> None:
        """End every connection at once and write nothing out (``pg_ctl stop -m immediate``): the
        next start recovers as after a crash."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill it without warning, as a crash would."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still, with its connections open, as on a machine that is suspended."""
        assert self._process is not None
        parent = str(self._process.pid)
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
        ).stdout
        family = [int(pid) for pid, of in map(str.split, listed.splitlines()) if of == parent]
        for pid in (self._process.pid, *family):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in (self._process.pid, *family):
                os.kill(pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop it, unless it is stopped or killed already, and start it again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good, and remove the data if the folder was made for it."""
        # Data that is about to be removed need not be written out first: that takes half a
        # minute after some hundred databases.
        self._end(signal.SIGQUIT if self._remove else signal.SIGINT)
        with self._guard as guard:
            guard.kill()
        if self._remove:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    found = find_postgres()
    if found is None:
        sys.exit(str(PostgresMissing()))
    print(found)
