"""``make profile``: where the time of one read goes.

The application is called in this process, without a server or a client. The profiler makes every
call of a function dearer, so its times are only taken as shares: of the CPU time that a read takes
without it.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask

from app import create_app
from benchmarks.bare import json_route
from config import Settings
from routes.context import vault_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_READS = 3000
_ROUNDS = 5
_PLENTY = 1_000_000
_CREDENTIALS = {"username": "reader", "password": "the fastest password of them all"}
# What a request does, by the functions that do it: file, name. No function is inside another's.
PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "May it talk to us, and the headers of the answer": (
        ("transport.py", "check"),
        ("transport.py", "begin"),
    ),
    "Requests counted against the limits": (
        ("pace.py", "_count_source"),
        ("pace.py", "count_principal"),
        ("pace.py", "_settle"),
    ),
    "Who is calling: the cookie and its token": (("tokens.py", "access_claims"),),
    "Who is calling: the session's row": (("sessions.py", "find_session"),),
    "Accept, query and body parsed": (
        ("endpoint.py", "_negotiate"),
        ("parsing.py", "parse_query"),
        ("parsing.py", "parse_body"),
    ),
    "The secret's row": (("secret_reads.py", "read"),),
    "Decryption": (("crypto.py", "unseal"),),
    "The answer, as JSON, with its ETag": (("representations.py", "represent"),),
    "The event of the audit trail, queued": (("trail.py", "begin"), ("trail.py", "answered")),
    "The line of the log": (("trace.py", "log_request"),),
}
_INSIDE = {"The secret's row": "Decryption"}  # whose time is told apart
_REST = "Flask and Werkzeug, and what is between all these"
Read = Callable[[], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print microseconds of CPU, a part each."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("--reads", type=int, default=_READS, help="in a round (%(default)s)")
    reads = parser.parse_args(arguments).reads
    bare = _cpu(_reader(json_route(), "/", {}), reads)
    # The lines of the log are written, and not read.
    with (
        Path(os.devnull).open("w") as nobody,
        redirect_stderr(nobody),
        tempfile.TemporaryDirectory(prefix="profile-") as folder,
    ):
        app, path, carried = _service(Path(folder))
        read = _reader(app, path, carried)
        whole = _cpu(read, reads)
        shares = _shares(read, reads)
        vault_of(app).close()
    for part, share in shares.items():
        print(f"{share * whole:6.0f} us  {part}")
    print(
        f"{whole:6.0f} us  a read in all, {whole / bare:.1f} times a bare Flask route's {bare:.0f}"
    )
    return 0


def _service(folder: Path) -> tuple[Flask, str, dict[str, str]]:
    """The application, the path of a secret in it, and what its owner's requests carry."""
    app = create_app(
        Settings(
            INSTANCE_DIR=folder,
            REQUESTS_PER_MINUTE_PRINCIPAL=_PLENTY,
            REQUESTS_PER_MINUTE_SOURCE=_PLENTY,
            LOG_FORMAT="json",
        )
    )
    client, url = app.test_client(), "https://localhost"
    client.post("/register", json=_CREDENTIALS, base_url=url)
    answer = client.post("/login", json=_CREDENTIALS, base_url=url)
    cookie = "; ".join(sent.partition(";")[0] for sent in answer.headers.getlist("Set-Cookie"))
    body = {"secret": "the value of one, some 40 characters long"}
    client.put("/secrets/shop/db", json=body, headers={"Cookie": cookie}, base_url=url)
    return app, "/secrets/shop/db", {"HTTP_COOKIE": cookie}


def _reader(app: WSGIApplication | Flask, path: str, carried: dict[str, str]) -> Read:
    """A call of *app* as a server makes it. Raises AssertionError where it is not answered 200."""
    statuses: list[str] = []

    def start(status: str, _headers: Iterable[tuple[str, str]], *_: Any) -> Any:
        statuses[:] = [status]

    def read() -> None:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "https",
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **carried,
        }
        answer: Any = app(environ, start)
        b"".join(answer)
        answer.close()
        assert statuses == ["200 OK"]

    read()
    return read


def _cpu(read: Read, reads: int) -> float:
    """Microseconds of this thread's CPU time for one: the least of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.thread_time()
        for _ in range(reads):
            read()
        best = min(best, time.thread_time() - began)
    return best / reads * 1e6


def _shares(read: Read, reads: int) -> dict[str, float]:
    """Of the whole, what each part takes. Raises LookupError for one that was never called."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(reads):
        read()
    profile.disable()
    seconds: dict[tuple[str, str], float] = {}
    found: Any = pstats.Stats(profile)
    for (path, _, name), (*_, cumulative, _) in found.stats.items():
        place = Path(path).name, name
        if "site-packages" not in path:
            seconds[place] = seconds.get(place, 0) + cumulative
    taken = {part: sum(map(seconds.__getitem__, places)) for part, places in PARTS.items()}
    for outer, inner in _INSIDE.items():
        taken[outer] -= taken[inner]
    taken[_REST] = seconds["profile_read.py", "read"] - sum(taken.values())
    return {part: share / seconds["profile_read.py", "read"] for part, share in taken.items()}


if __name__ == "__main__":
    sys.exit(main())
