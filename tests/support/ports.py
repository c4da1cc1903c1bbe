"""Ports for servers that tests start, each for one of them only."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import BinaryIO

# Below the range that systems hand out to outgoing connections (from 32768 on Linux, 49152 on
# macOS): port 0 would give one inside it, which somebody else may have before our server has.
_PORTS = range(15_000, 32_000)
_held: list[BinaryIO] = []  # open lock files: the system frees them with this process


def free_port() -> int:
    """A port that nobody listens on, and that no other process of the tests is given meanwhile.

    It stays the caller's while a server is down between a kill and a restart. Without that, two
    workers of one test run start servers on the same port, and one talks to the other's.
    """
    folder = Path(tempfile.gettempdir()) / f"secrets-manager-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        port = random.choice(_PORTS)
        lock = (folder / str(port)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:  # it is another process's, or this one's from before
            lock.close()
            continue
        _held.append(lock)
        return port
