"""Processes that start the service at the same instant, or are killed in the middle of it.

A program (``python -m tests.torture.starter``) that reads one order a line and answers each with
a line, both JSON. It has imported everything; the processes it forks begin where a server that
has just loaded begins, so that the race is about our start-up and not about Python's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from app import create_app
from config import Settings
from models.conditions import UNCONDITIONAL
from models.errors import AlreadyExists, NotFound
from models.rows import Act, Author, Change, SecretName, Username, Value
from models.times import utcnow
from routes.context import vault_of
from tests.support.chains import begin_chain
from tests.support.people import PASSWORD
from tests.support.server import ROOT
from utils.store import accounts, secret_reads, secrets, system
from utils.tokens import new_account_id
from utils.vault import Vault

_NAME = SecretName("mine")
_PATIENCE = 30  # seconds; also what a process that failed costs each of its peers


# --- the side of the row -----------------------------------------------------------------------


@dataclass
class Starter:
    """The program, from outside. Close it at the end."""

    log: Path
    _process: subprocess.Popen[str] = field(init=False, repr=False)
    _stderr: TextIO = field(init=False, repr=False)

    def __enter__(self) -> Starter:
        self._stderr = self.log.open("a")
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SECRETS_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.starter"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._stderr, self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def start(
        self, settings: Settings, processes: int, kill_after: list[float] | None = None
    ) -> list[dict[str, Any] | None]:
        """Start so many at once; what each has to tell, or None for one that was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "instance": str(settings.INSTANCE_DIR),
            "database": settings.DATABASE_URL,
            "processes": processes,
            "kill_after": kill_after,
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the starter ended: {self.log.read_text()[-2000:]}")
        answers: list[dict[str, Any] | None] = json.loads(line)
        return answers


# --- the side of the program -------------------------------------------------------------------


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        print(json.dumps(_carry_out(json.loads(line))), flush=True)


def _carry_out(order: dict[str, Any]) -> list[Any]:
    go_read, go_write = os.pipe()
    children = []
    for number in range(order["processes"]):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            os.write(write, b"\n")
            os.read(go_read, 1)  # ends when our parent closes the other end
            _be_a_child(order, number, write)
        os.close(write)
        os.read(read, 1)
        children.append((pid, read))
    os.close(go_read)
    os.close(go_write)
    if order["kill_after"] is not None:
        _kill([pid for pid, _ in children], order["kill_after"])
    return [_answer_of(pid, read) for pid, read in children]


def _kill(pids: list[int], moments: list[float]) -> None:
    began = time.monotonic()
    for moment, pid in sorted(zip(moments, pids, strict=True)):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        os.kill(pid, signal.SIGKILL)


def _answer_of(pid: int, read: int) -> Any:
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


def _be_a_child(order: dict[str, Any], number: int, write: int) -> None:
    """Start the service and work with it. Never returns."""
    try:
        answer = _start(order, number)
    except BaseException as error:  # noqa: BLE001 - SystemExit is how a start fails
        answer = {"error": f"{type(error).__name__}: {error}"}
    os.write(write, json.dumps(answer).encode())
    os._exit(0)


def _start(order: dict[str, Any], number: int) -> dict[str, Any]:
    began = time.monotonic()
    settings = Settings(
        INSTANCE_DIR=Path(order["instance"]), DATABASE_URL=order["database"], BCRYPT_COST=4
    )
    vault = vault_of(create_app(settings))
    seconds = time.monotonic() - began
    answer = {"won": _register(vault, "shared"), "keys": _key_digest(vault), "seconds": seconds}
    _register(vault, f"process{number}")
    _write(vault, f"process{number}")
    if order["kill_after"] is None:
        others = [f"process{other}" for other in range(order["processes"])]
        answer["read"] = [_wait_for(vault, other) for other in others]
    return answer


def _register(vault: Vault, name: str) -> bool:
    account_id = new_account_id()
    hashed = vault.hasher.hash(PASSWORD, account_id)
    try:
        with vault.db.write() as tx:
            created = accounts.create(
                tx, vault.master, account_id, Username(name), hashed, utcnow()
            )
            begin_chain(tx, vault.audit.key, created)
    except AlreadyExists:
        return False
    return True


def _write(vault: Vault, name: str) -> None:
    change = Change(Value(name.encode(), "text"))
    with vault.db.write() as tx:
        found = accounts.find_credentials(tx, Username(name))
        assert found is not None
        act = Act(found.account.id, Author(Username(name), "session"), utcnow())
        secrets.put(tx, vault.master, act, _NAME, change, UNCONDITIONAL)


def _wait_for(vault: Vault, name: str) -> str:
    """What another process wrote, opened with the keys that this one started with."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with vault.db.read() as tx:
            found = accounts.find_credentials(tx, Username(name))
            if found and vault.hasher.verify(PASSWORD, found.account.id, found.password_hash):
                try:
                    secret = secret_reads.read(
                        tx, vault.master, found.account.id, _NAME, None, utcnow()
                    )
                    return secret.value.data.decode()
                except NotFound:
                    pass
        time.sleep(0.002)
    raise TimeoutError(f"{name} wrote nothing")


def _key_digest(vault: Vault) -> str:
    """Names all keys that this process works with."""
    with vault.db.read() as tx:
        keys = system.load_keys(tx, vault.master)
        signing = system.current_signing_key(tx, vault.master)
    assert keys is not None
    parts = [repr(vault.master).encode(), *keys.values(), str(signing.number).encode()]
    return sha256(b"\n".join(parts)).hexdigest()


if __name__ == "__main__":
    main()
