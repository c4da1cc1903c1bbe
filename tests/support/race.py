"""Many at once: threads that begin together, and a gate that holds password hashing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import bcrypt
import pytest

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
