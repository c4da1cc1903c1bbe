"""Rotations as processes that get killed: the command itself, or forks of one that has imported.

A start of ``rotate_keys.py`` is a quarter of a second of imports in which there is nothing to
lose. So most attempts are children that a program (``python -m tests.torture.rotator``) forks:
real processes with connections and a lock of their own, which run the same ``main()`` and get the
same SIGKILL, only without Python's start before it. The others are the command as cron starts it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import rotate_keys
from tests.support.server import ROOT

_PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a rotation ended, and how long it took until then."""

    status: int  # its exit status; negative for a signal, as in subprocess
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it was still at work."""
        return self.status == -signal.SIGKILL


# --- the side of the row -----------------------------------------------------------------------


@dataclass
class Rotations:
    """Starts rotations of one installation. Close it at the end."""

    environ: Mapping[str, str]
    log: Path
    _forker: subprocess.Popen[str] = field(init=False, repr=False)
    _log: TextIO = field(init=False, repr=False)

    def __enter__(self) -> Rotations:
        self._log = self.log.open("a")
        self._forker = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.rotator"],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._log, self._forker:
            assert self._forker.stdin is not None
            self._forker.stdin.close()

    def command(self, *arguments: str, kill_after: float | None = None) -> Ended:
        """Run ``rotate_keys.py``; kill it so many seconds later, if it still runs."""
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "rotate_keys.py", *arguments],
            cwd=ROOT,
            env=self.environ,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            process.wait(_PATIENCE if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
        return Ended(process.wait(), time.monotonic() - began)

    def fork(self, *arguments: str, kill_after: float | None = None) -> Ended:
        """The same, by a process that has imported everything already."""
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        order = {"arguments": arguments, "kill_after": kill_after}
        print(json.dumps(order), file=self._forker.stdin, flush=True)
        line = self._forker.stdout.readline()
        if not line:
            raise RuntimeError(f"the forker ended: {self.log.read_text()[-2000:]}")
        return Ended(**json.loads(line))


# --- the side of the program -------------------------------------------------------------------


def main() -> None:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(_attempt(order["arguments"], order["kill_after"])), flush=True)


def _attempt(arguments: list[str], kill_after: float | None) -> dict[str, float]:
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_a_child(arguments)
    ended, status = 0, 0
    while not ended:
        if kill_after is not None and time.monotonic() - began >= kill_after:
            os.kill(pid, signal.SIGKILL)  # it is not waited for yet, so the number is still its own
            _, status = os.waitpid(pid, 0)
            break
        time.sleep(0.001)
        ended, status = os.waitpid(pid, os.WNOHANG)
    return {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - began}


def _be_a_child(arguments: list[str]) -> None:
    """Never returns."""
    status = 70
    try:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # ours is for answers to orders
        status = rotate_keys.main(arguments)
    except BaseException:  # noqa: BLE001 - whatever it is, our parent's loop is not for this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
