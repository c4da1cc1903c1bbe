"""The walkthrough as a user runs it, and other servers than ours for it to meet."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.server import ROOT

SCRIPT = ROOT / "tests" / "test.py"


def walk(cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would, from any folder, with nothing but *environ* of ours."""
    unset = ("SECRETS_", "FLASK_", "BASE_URL")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        check=False,
        cwd=cwd,
        env={**inherited, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )


class Stranger(BaseHTTPRequestHandler):
    """Some other program that speaks HTTP, and answers 404 to everything."""

    def do_GET(self) -> None:
        """404."""
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing into the tests' output."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A small HTTP server in this process; gives its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
