"""HTTP by hand: bytes on a socket, for what no client library would send."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 20.0  # seconds until a test gives up; what a test demands is much less

QUIET = 2.0  # seconds in which a server that has something to say says it


@dataclass(frozen=True)
class Reply:
    """What came back; ``status`` is 0 where the server closed the connection without a word."""

    status: int
    headers: http.client.HTTPMessage = field(default_factory=http.client.HTTPMessage)
    body: bytes = b""
    seconds: float = 0.0

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def head(method: str, target: str, port: int, *lines: str) -> bytes:
    """The first line and the headers of a request, with the empty line that ends them."""
    first = f"{method} {target} HTTP/1.1"
    # UTF-8, so that a test can put any bytes into a header by way of surrogateescape.
    text = "\r\n".join([first, f"Host: 127.0.0.1:{port}", *lines, "", ""])
    return text.encode("utf-8", "surrogateescape")


def exchange(
    port: int, *parts: bytes, hang_up: bool = False, tls: ssl.SSLContext | None = None
) -> Reply:
    """Send *parts* one after the other and read one response.

    With *hang_up* the client closes its side after the last part, in the middle of whatever it
    had announced, and still listens.
    """
    began = time.monotonic()
    with _connect(port, tls) as connection:
        with contextlib.suppress(OSError):  # it has heard enough; perhaps it still answered
            for part in parts:
                connection.sendall(part)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        method = parts[0].split(b" ", 1)[0].decode("latin-1")
        return _read(connection, method, began)


def converse(port: int, message: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send *message*, and read all that comes until the server hangs up or has no more to say."""
    received = b""
    with _connect(port, tls) as connection, contextlib.suppress(OSError):
        connection.sendall(message)
        connection.settimeout(QUIET)
        while part := connection.recv(65536):
            received += part
    return received


def abandon(port: int, *parts: bytes) -> None:
    """Send *parts*, then reset the connection: the client crashed, or lost its network."""
    with _connect(port, None) as connection, contextlib.suppress(OSError):
        for part in parts:
            connection.sendall(part)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _connect(port: int, tls: ssl.SSLContext | None) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    return plain if tls is None else tls.wrap_socket(plain, server_hostname="127.0.0.1")


def _read(connection: socket.socket, method: str, began: float) -> Reply:
    """The final response; interim ones (100 Continue) are passed over."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ConnectionResetError):
        return Reply(0, seconds=time.monotonic() - began)
    finally:
        response.close()
    return Reply(response.status, response.headers, body, time.monotonic() - began)


def chunked(*chunks: bytes, last: bool = True) -> bytes:
    """Chunked transfer coding; without *last* it never ends."""
    out = io.BytesIO()
    for chunk in chunks:
        out.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    if last:
        out.write(b"0\r\n\r\n")
    return out.getvalue()
