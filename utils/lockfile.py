"""A lock file, for what must not run twice on one machine."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from models.errors import DatabaseUnavailable, RotationRunning

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def hold_lock_file(path: Path) -> Iterator[None]:
    """Hold the lock: the system frees it with the process, however that ends.

    The file stays: were it removed, two processes could hold locks on two files of its name.
    Raises RotationRunning.
    """
    try:
        file = open(path, "ab", opener=functools.partial(os.open, mode=0o600))  # noqa: SIM115
    except OSError as error:
        raise DatabaseUnavailable("The rotation's lock file cannot be created.") from error
    with file:
        _lock_or_refuse(file)
        yield


def _lock_or_refuse(file: BinaryIO) -> None:
    if fcntl is None:
        return  # on Windows the compare-and-set alone must do
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RotationRunning("Another rotation is running.") from error
