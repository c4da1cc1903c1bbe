"""Many at once: threads or processes that begin together; and a gate that holds bcrypt."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any, Literal, TypeVar

import bcrypt
import pytest

from tests.support.server import ROOT

Result = TypeVar("Result")
PATIENCE_SECONDS = 60


def at_once(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run each job in a thread of its own, all beginning together; their results in order."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Result]) -> Result:
        start.wait(PATIENCE_SECONDS)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs, timeout=PATIENCE_SECONDS))


def processes_at_once(code: str, *arguments: str, count: int) -> list[CompletedProcess[str]]:
    """Run so many interpreters with this code, which says "ready" and waits for a line before what
    is to begin together."""
    processes = [
        Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(one, *one.communicate(timeout=PATIENCE_SECONDS)) for one in processes]
    return [CompletedProcess(one.args, one.returncode, out, err) for one, out, err in ended]


class Gate:
    """Stands before the real bcrypt function and holds whoever comes until it is opened."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, function: Literal["hashpw", "checkpw"]
    ) -> None:
        self._arrivals = threading.Semaphore(0)
        self._open = threading.Event()
        self._real = getattr(bcrypt, function)
        monkeypatch.setattr(bcrypt, function, self)

    def __call__(self, password: bytes, hashed_or_salt: bytes) -> Any:
        """Stand in for the bcrypt function."""
        self._arrivals.release()
        assert self._open.wait(PATIENCE_SECONDS)
        return self._real(password, hashed_or_salt)

    def wait_for_arrival(self, timeout: float = PATIENCE_SECONDS) -> bool:
        """Until one more has come to the gate; whether one has."""
        return self._arrivals.acquire(timeout=timeout)

    def open(self) -> None:
        """Let pass whoever waits and whoever comes."""
        self._open.set()
