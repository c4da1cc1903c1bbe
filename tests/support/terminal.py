"""A terminal that somebody pastes commands into: one bash, block after block."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_PATIENCE_SECONDS = 120
_DONE = "\x01"  # ends the output of a block; nothing we run prints it


class CommandFailed(Exception):
    """A command exited with another status than 0, or never; holds what was printed."""


def wait_until(done: Callable[[], bool]) -> None:
    """Wait for something that takes seconds on a quiet machine. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


class Terminal:
    """A bash process that reads its commands from us, as a paste arrives: all at once.

    So a command that reads stdin would swallow the ones after it here too. Variables and the
    activated environment stay from block to block. The first failing command ends it.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._paste(
            "set -eE -o pipefail\n"
            """trap 'echo "exit status $?: $BASH_COMMAND (in this block: line $LINENO)"' ERR\n"""
        )

    def run(self, block: str) -> str:
        """Paste *block* and wait; what it printed. Raises CommandFailed."""
        start = self._log.stat().st_size
        self._paste(f"{block}\nprintf '{_DONE}'\n")
        self._wait_until(lambda: self._printed(start).endswith(_DONE))
        return self._printed(start).removesuffix(_DONE)

    def serve(self, block: str, answers: Callable[[], bool]) -> None:
        """Paste a block that runs until :meth:`close`; wait until *answers*."""
        self._paste(block)
        self._wait_until(answers)

    def close(self) -> None:
        """Close the window: everything that runs in it ends."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, how)
                self._process.wait(20)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.communicate()

    def _paste(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _wait_until(self, done: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            wait_until(lambda: done() or self._process.poll() is not None)
        if not done():
            raise CommandFailed(self._printed(0)[-3000:])

    def _printed(self, start: int) -> str:
        return self._log.read_bytes()[start:].decode(errors="replace")
