"""Clients that send as fast as they are answered, over connections that stay open.

A process of its own, and no HTTP library: whatever the client costs is taken from the same cores as
the server under test, and would make two servers look more alike than they are.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle

CONNECTIONS = 8
_APART = 0.02  # seconds between two connections
_WARM_UP = 0.5  # seconds in which answers are not counted
_FEWEST = 2  # answers: with fewer there is no spread, so a short load of slow ones lasts longer
_PATIENCE = 30
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Measured:
    """What one load got done."""

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def message(
    method: str, path: str, headers: Mapping[str, str], body: bytes = b"", kind: str = ""
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def apply(
    address: tuple[str, int],
    messages: Sequence[bytes],
    seconds: float,
    connections: int = CONNECTIONS,
) -> Measured:
    """Send these, round and round, for so long, or until two are answered.

    Raises RuntimeError at the first answer that is no 2xx: a server that refuses is fast.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        return pool.submit(_apply, address, messages, seconds, connections).result()


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: float = 0
    received: bytearray = field(default_factory=bytearray)
    missing: int = -1  # bytes of the body; -1 until the header is there

    def send(self, data: bytes) -> None:
        self.received.clear()
        self.missing = -1
        self.sent_at = time.perf_counter()
        self.socket.sendall(data)

    def receive(self) -> bool:
        """Whether the answer is there, whole."""
        chunk = self.socket.recv(_MOST_BYTES)
        if not chunk:
            raise RuntimeError("the server closed the connection")
        self.received += chunk
        if self.missing < 0:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return False
            self.missing = end + 4 + _length(bytes(self.received[:end])) - len(self.received)
        else:
            self.missing -= len(chunk)
        return self.missing == 0


def _length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"not answered with success: {head[:500]!r}")
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    return int(lowered[at:].split(b"\r\n", 1)[0])


def _apply(
    address: tuple[str, int], messages: Sequence[bytes], seconds: float, connections: int
) -> Measured:
    following, latencies = cycle(messages), list[float]()
    with selectors.DefaultSelector() as selector:
        for connection in _connect(address, connections):
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(following))
        began = time.perf_counter() + _WARM_UP
        end = began + seconds
        while (now := time.perf_counter()) < end or len(latencies) < _FEWEST:
            ready = selector.select(_PATIENCE)
            if not ready:
                raise RuntimeError("no answer")
            for key, _ in ready:
                connection = key.data
                if connection.receive():
                    if now >= began:
                        latencies.append(time.perf_counter() - connection.sent_at)
                    connection.send(next(following))
        lasted = time.perf_counter() - began
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    cut = statistics.quantiles(latencies, n=100)
    return Measured(len(latencies), lasted, cut[49] * 1000, cut[98] * 1000)


def _connect(address: tuple[str, int], count: int) -> Iterator[_Connection]:
    """One by one, as clients come: of connections that are opened in one go, a single worker often
    takes all, and half of a server is measured."""
    for _ in range(count):
        time.sleep(_APART)
        opened = socket.create_connection(address, timeout=_PATIENCE)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield _Connection(opened)
