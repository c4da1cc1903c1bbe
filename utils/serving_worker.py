"""A worker of the production server, as far as it is ours: it does what the main process orders.

Orders and answers are single bytes on a socket of their own. A signal would not do: Python carries
it out when it gets to it, and nobody would know when that was.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READY = b"r"  # said once, without an order
SERVE = b"s"  # and only after this does it: until then it may be killed
CLOSE = b"c"  # let go of each connection after its next answer
TAKE_NO_MORE = b"t"  # leave new connections to the others
CONNECTED = b"?"  # is anybody connected?
NOBODY = b"n"
BODY_READ = "secrets-manager.body-read"  # in a request's environ, once all of it was

_ACCEPT_SECONDS = 2.0
_M_ARENA_MAX = -8  # malloc.h
_HEAPS = 2


def load_worker(
    load: Callable[[], WSGIApplication],
    line: socket.socket,
    main_ends: Iterable[socket.socket],
    port: int,
) -> WSGIApplication:
    """In a worker, before it serves: make the application, say so, and listen for orders.

    *main_ends* came along with the fork. Open here, they would hide the main process's death.
    """
    for end in main_ends:
        end.close()
    # Ctrl-C, and a terminal that closes, signal the whole group; the main process tells us.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until granian takes it; no use of the parent's
    _share_heaps()
    application = _Closing(load())
    line.send(READY)
    if line.recv(1) != SERVE:
        sys.exit(1)
    threading.Thread(target=_obey, args=(line, application, port), daemon=True).start()
    return application


def _share_heaps() -> None:
    """Let all threads allocate from two heaps. glibc gives them one each, and what was freed in one
    is of no use to the others: a worker with 16 threads took 76 to 86 MB, and takes 73. Python lets
    one at a time run anyway. Elsewhere (musl, macOS) there is nothing to set."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


def _obey(line: socket.socket, application: _Closing, port: int) -> None:
    """Carry out an order, then answer: whoever gave it waits for that."""
    with suppress(ConnectionError):
        while order := line.recv(1):
            if order == CLOSE:
                application.closing = True
            elif order == TAKE_NO_MORE:
                _take_no_more_connections()
            nobody = order == CONNECTED and not _is_anybody_connected(port)
            line.send(NOBODY if nobody else order)
    os.kill(os.getpid(), signal.SIGTERM)  # nobody is left who would tell us to stop


class _Closing:
    """Adds ``Connection: close`` to answers, once it is told, and to those that come before the
    body was read: granian then closes the connection too, but without the word, and the client's
    next request on it would be lost. HTTP/2 has a word of its own.

    And no answer names the server program.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self.closing = False

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        def start_closing(
            status: str, headers: list[tuple[str, str]], *more: Any
        ) -> Callable[[bytes], object]:
            ours = [("Server", "")]
            closing = self.closing or _has_unread_body(environ)
            if closing and environ["SERVER_PROTOCOL"].startswith("HTTP/1"):
                ours.append(("Connection", "close"))
            return start(status, [*headers, *ours], *more)

        return self._application(environ, start_closing)


def _has_unread_body(environ: WSGIEnvironment) -> bool:
    announced = environ.get("CONTENT_LENGTH", "") not in {"", "0"}
    return (announced or "HTTP_TRANSFER_ENCODING" in environ) and BODY_READ not in environ


def _take_no_more_connections() -> None:
    """Put a socket that nobody knows in the place of the shared one, in this process alone.

    Granian has no call for it. What it accepted is served; whoever connects now gets another
    worker, out of the same queue. Where this is the last one, that queue dies with it: so whoever
    waits there already is let in first.
    """
    with socket.create_server(("127.0.0.1", 0)) as unknown:
        unknown.setblocking(False)
        for found in _sockets():
            if _is_listening(found):
                _wait_for_an_empty_queue(found)
                os.dup2(unknown.fileno(), found.fileno())


def _wait_for_an_empty_queue(listening: socket.socket) -> None:
    """Granian accepts in threads of its own, which on a busy machine may come after this one."""
    queue, deadline = select.poll(), time.monotonic() + _ACCEPT_SECONDS
    queue.register(listening, select.POLLIN)
    while queue.poll(0) and time.monotonic() < deadline:
        time.sleep(0.001)


def _is_anybody_connected(port: int) -> bool:
    """Whether a client is, by now: a socket with another end, and the served port at ours."""
    return any(_is_of_a_client(found, port) for found in _sockets())


def _is_of_a_client(found: socket.socket, port: int) -> bool:
    if found.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    try:
        found.getpeername()
        return bool(found.getsockname()[1] == port)
    except OSError:  # it has no other end, or granian has just closed it
        return False


def _is_listening(found: socket.socket) -> bool:
    try:
        return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # granian has just closed it
        return False


def _sockets() -> Iterator[socket.socket]:
    """Each socket of this process, as an object that leaves it open."""
    for entry in Path("/dev/fd").iterdir():
        try:
            found = socket.socket(fileno=int(entry.name))
        except OSError:  # no socket, or gone by now
            continue
        try:
            yield found
        finally:
            found.detach()
