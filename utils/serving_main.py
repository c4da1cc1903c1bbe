"""The production server's main process: granian's, which drops no request when it stops or reloads.

It loads nothing of the application, so a reload serves new code, new certificates and new files
of settings.

Granian alone resets connections when it replaces a worker. Here:

- All workers take connections from one socket. On Linux granian gives each its own, and what
  waits at one is reset with its worker.
- A worker that is to go first stops taking connections, and says ``Connection: close`` in its
  answers. HTTP/1.1 lets a client send at any moment, so closing a kept connection without a
  word can cut off a request; after that word the client sends no more. What is silent until
  the worker goes is closed as any idle connection would be.
- A new worker takes over when it is ready. One that does not come up, because of a wrong
  setting for example, changes nothing: the old one stays.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.log import logger
from granian.server.mp import MPServer, WorkerProcess

from utils.serving_worker import CLOSE, CONNECTED, NOBODY, READY, SERVE, TAKE_NO_MORE, load_worker

KILL_SECONDS = 30  # how long an answer may still take, before its worker is killed
_POLL_SECONDS = 0.05
_TRY_AGAIN_SECONDS = 6.0  # granian ends everything if a worker crashes twice within 5.5
_PKCS_8 = " PRIVATE ".join(("-----BEGIN", "KEY-----"))  # in one piece it would look like a key


class Refused(Exception):
    """Not started, for a reason that fits in a line."""


def require_certificate(certificate: Path, key: Path) -> None:
    """Granian's own messages for these are tracebacks, and come once for each worker."""
    for option, path in (("--certificate", certificate), ("--key", key)):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise Refused(
                f"{option} {path} cannot be read. Name your own files (make serve CERTIFICATE=... "
                "KEY=...), or start with --plain-http behind a proxy that ends TLS."
            ) from None
    if _PKCS_8 not in text:
        raise Refused(
            f"--key {key} is not an unencrypted PKCS #8 key. To make it one: "
            f"openssl pkcs8 -topk8 -nocrypt -in {key} -out new-key.pem"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError:
        raise Refused(
            f"--certificate {certificate} is no certificate in PEM, or not one for the key {key}."
        ) from None


class MainProcess(MPServer):
    """Granian's main process, with one socket for all, and a gentler way to replace a worker."""

    drain_seconds = 0.0
    certificate: tuple[Path, Path] | None = None  # and its key; looked at again at each reload

    def _init_shared_socket(self) -> None:
        """As granian does it on every system but Linux. Nobody can connect before a worker is
        ready: see _becomes_ready."""
        self._sso = socket.socket(socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET)
        self._sso.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Taken over by each connection. Without it, the second part of an answer would wait for the
        # client to confirm the first, which clients put off for 40 ms.
        self._sso.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._sso.bind((self.bind_addr, self.bind_port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise Refused(f"{self.bind_addr} port {self.bind_port}: {why}.") from None
        self._sso.setblocking(False)
        self._sso.set_inheritable(True)
        self._shd = SocketHolder(self._sso.fileno(), False, self.backlog)  # type: ignore[call-arg, assignment]
        self._lines: dict[WorkerProcess, socket.socket] = {}
        self._starting: set[WorkerProcess] = set()

    def _drop_shared_socket(self) -> None:
        """Not before the workers are done with it: see _stop_workers."""

    def _spawn_worker(  # type: ignore[override] # as granian's own subclass has it
        self, idx: int, target: Callable[..., None], callback_loader: Callable[..., Any]
    ) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        main_ends = [*self._lines.values(), ours]
        loader = partial(load_worker, callback_loader, theirs, main_ends, self.bind_port)
        worker = super()._spawn_worker(idx, target, loader)
        worker.interrupt_by_parent = True  # until it is ready, we look after it ourselves
        self._lines[worker] = ours
        self._starting.add(worker)
        worker.start()
        theirs.close()
        return worker

    def _spawn_workers(self, spawn_target: Callable[..., None], target_loader: Any) -> None:
        """One by one: what the first cannot start with, none can, and it makes the schema."""
        try:
            for idx in range(self.workers):
                self.wrks.append(self._new_worker(idx, spawn_target, target_loader))
        except Refused:
            self._stop_workers()
            if not self.interrupt_signal:
                raise

    def _new_worker(
        self, idx: int, target: Callable[..., None], target_loader: Any
    ) -> WorkerProcess:
        """One that is ready. Raises Refused."""
        if self.certificate is not None:
            require_certificate(*self.certificate)
        worker = self._spawn_worker(idx, target, target_loader)
        if not self._becomes_ready(worker):
            self._end([worker])
            raise Refused("the application did not start; what it said is above.")
        return worker

    def _respawn_workers(
        self,
        workers: Iterable[int],
        spawn_target: Callable[..., None],
        target_loader: Any,
        delay: float = 0,  # noqa: ARG002 - nobody has to guess how long a start takes
    ) -> None:
        """One after the other, each only when there is another in its place."""
        for idx in workers:
            self.respawned_wrks[idx] = time.monotonic()
            try:
                new, old = self._new_worker(idx, spawn_target, target_loader), self.wrks[idx]
            except Refused as refused:
                logger.error("What runs stays as it is: %s", refused)
                if not self.wrks[idx].is_alive():
                    self._try_again(idx)
                return
            self.wrks[idx] = new
            self._ask([old], TAKE_NO_MORE)
            self._let_go([old], self.drain_seconds)
            self._end([old])
        logger.info("All workers are new.")

    def _try_again(self, idx: int) -> None:
        """A worker that crashed must be replaced: later, if others serve meanwhile."""

        def ask() -> None:
            self.interrupt_children.append(idx)
            self.main_loop_interrupt.set()

        if any(worker.is_alive() for worker in self.wrks):
            later = threading.Timer(_TRY_AGAIN_SECONDS, ask)
            later.daemon = True
            later.start()
        else:
            ask()

    def _stop_workers(self) -> None:
        """They go on taking connections while they let go of old ones; then nobody does.

        Ours is closed first, so the last worker that leaves the socket takes whoever waits at it
        until that moment. What comes after it is refused by the system.
        """
        self._let_go(self.wrks, self.drain_seconds)
        if self._sso is not None:
            self._sso.close()
        self._ask(self.wrks, TAKE_NO_MORE)
        self._let_go(self.wrks, self.drain_seconds)
        self._end(self.wrks)
        self.wrks.clear()

    def _becomes_ready(self, worker: WorkerProcess) -> bool:
        """Wait until it is. False if it ended instead, or if everything is to end."""
        line = self._lines[worker]
        line.settimeout(_POLL_SECONDS)
        while worker.is_alive() and not self.interrupt_signal:
            with suppress(TimeoutError):
                if line.recv(1) != READY:
                    break
                worker.interrupt_by_parent = False
                self._starting.discard(worker)
                if self._sso is not None:
                    self._sso.listen(self.backlog)
                line.send(SERVE)
                return bool(worker.is_alive())
        return False

    def _let_go(self, workers: Sequence[WorkerProcess], at_most: float) -> None:
        """Wait until nobody is connected to *workers*, who say so in every answer from now on."""
        self._ask(workers, CLOSE)
        logger.info("Letting go of connections, for %g s at most.", at_most)
        deadline = time.monotonic() + at_most
        while time.monotonic() < deadline:
            if set(self._ask(workers, CONNECTED)) <= {b"", NOBODY}:
                return
            time.sleep(_POLL_SECONDS)

    def _ask(self, workers: Iterable[WorkerProcess], order: bytes) -> list[bytes]:
        """What those that serve answer, all at once; nothing for one that does not in time."""
        asked = [self._lines[one] for one in workers if one not in self._starting]
        answers = []
        for line in asked:
            with suppress(OSError):  # it ended meanwhile
                line.send(order)
        for line in asked:
            line.settimeout(KILL_SECONDS)
            try:
                answers.append(line.recv(1))
            except OSError:
                answers.append(b"")
        return answers

    def _end(self, workers: Sequence[WorkerProcess]) -> None:
        """Answers that are under way are finished. One that still starts would not even hear of
        it: that is killed, as anything may be at any time."""
        for worker in workers:
            worker.kill() if worker in self._starting else worker.terminate()
        deadline = time.monotonic() + KILL_SECONDS
        for worker in workers:
            # Not join: granian's thread that waits for it too makes one of both return too early.
            while worker.is_alive() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if worker.is_alive():
                logger.warning("Killing a worker that did not stop in %d s.", KILL_SECONDS)
                worker.kill()
                worker.join()
            self._starting.discard(worker)
            self._lines.pop(worker).close()
