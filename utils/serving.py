"""The production server's command line: ``python -m utils.serving``, which ``make serve`` runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from granian.constants import Interfaces

from utils.serving_main import KILL_SECONDS, MainProcess, Refused, require_certificate

_BACKLOG = 1024
_THREADS = 16  # more than the HASHING_SLOTS and HASHING_QUEUE that wait for bcrypt


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it. The exit status."""
    asked = _parse(arguments)
    try:
        certificate = None if asked.plain_http else (asked.certificate, asked.key)
        if certificate is not None:
            require_certificate(*certificate)
        server = MainProcess(
            "app:create_app",
            factory=True,
            address=asked.host,
            port=asked.port,
            interface=Interfaces.WSGI,
            workers=asked.workers,
            blocking_threads=asked.threads,
            backlog=_BACKLOG,
            ssl_cert=certificate and certificate[0],
            ssl_key=certificate and certificate[1],
            respawn_failed_workers=True,
            workers_kill_timeout=KILL_SECONDS,
        )
        server.drain_seconds, server.certificate = asked.drain, certificate
        server.serve()
    except Refused as refused:
        print(f"Not started: {refused}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m utils.serving",
        description="Serve the API. SIGTERM stops it, SIGHUP reloads it; neither drops a request.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8443, help="(%(default)s)")
    parser.add_argument(
        "--certificate",
        type=Path,
        default=Path("instance/cert.pem"),
        help="PEM, with the chain (%(default)s)",
    )
    parser.add_argument(
        "--key", type=Path, default=Path("instance/key.pem"), help="PEM, PKCS #8 (%(default)s)"
    )
    parser.add_argument("--plain-http", action="store_true", help="no TLS: a proxy ends it")
    parser.add_argument(
        "--workers", type=int, choices=range(1, 1025), metavar="N", default=2, help="(%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=_THREADS, help="per worker (%(default)s)")
    parser.add_argument(
        "--drain",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a worker that goes waits for clients to let go of it (%(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
