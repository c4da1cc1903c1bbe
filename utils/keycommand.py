"""Master keys that a command prints: age, a cloud's KMS, Vault, or a script of the operator's own.

Run directly, never by a shell: what is in the setting is a program and its arguments, and a ``;``
in it is just a character. What the command prints is never shown, nor what it complains of: ``aws
--debug`` and ``set -x`` write keys to stderr, and from there they would get into a log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from models.errors import ConfigurationError

_TIMEOUT_SECONDS = (
    30.0  # a KMS answers within one or two; a start that waits for ever tells nothing
)
_MOST_BYTES = 16 * 1024  # some 300 keys


def read_from_command(command: Sequence[str]) -> str:
    """What *command* prints. Raises ConfigurationError unless it ends well, and in time.

    It gets no input and no terminal, so that one which wants a passphrase fails, not waits.
    """
    program = Path(command[0]).name
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL byte
        raise _failure(f"{program} cannot be run. Is it installed, and executable?") from error
    output = _Output(process)
    try:
        return _printed(process, output, program)
    except BaseException:
        _kill(process)
        raise
    finally:
        output.close()


def _printed(process: subprocess.Popen[bytes], output: _Output, program: str) -> str:
    """All that it prints until its end."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    try:
        printed = output.read(_TIMEOUT_SECONDS)
        if len(printed) > _MOST_BYTES:
            raise _failure(f"{program} printed more than {_MOST_BYTES // 1024} KiB.")
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise _failure(f"{program} did not end within {_TIMEOUT_SECONDS:g} seconds.") from None
    if status != 0:
        how = f"with status {status}" if status > 0 else f"by signal {-status}"
        raise _failure(f"{program} ended {how}. Run it by hand to see why.")
    try:
        return printed.decode("ascii")
    except UnicodeDecodeError:  # its text quotes what was printed
        raise _failure(f"{program} printed something else than keys.") from None


class _Output:
    """What a process prints, read by a thread: a pipe that some grandchild keeps may never end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        self._pipe = process.stdout
        self._printed: bytes | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self._printed = self._pipe.read(_MOST_BYTES + 1)

    def read(self, seconds: float) -> bytes:
        """All of it, or a little more than is allowed. Raises TimeoutError."""
        self._reader.join(seconds)
        if self._printed is None:
            raise TimeoutError
        return self._printed

    def close(self) -> None:
        """Unless the thread still reads, and closing would wait for it."""
        self._reader.join(1)
        if not self._reader.is_alive():
            self._pipe.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it started. It was not waited for, so the number is still its own."""
    if process.returncode is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, OSError):  # Windows has no groups; or only the group's leader is left
        process.kill()
    process.wait()


def _failure(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"SECRETS_MASTER_KEYS_COMMAND: {what} (Its output is not shown: it may hold keys.)"
    )
