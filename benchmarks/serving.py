"""The servers under test: the service, and bare Flask beside it, both started as docs/operation.md
starts the service behind a proxy: ``python -m utils.serving --plain-http``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.support.ports import free_port
from tests.support.server import ROOT

WORKERS = 2
_BARE = ROOT / "benchmarks" / "bare"
_PATIENCE_SECONDS = 60
_PASSWORD = "the fastest password of them all"
# Everything is on, and nothing is reached: what counts requests counts them.
_PLENTY = "1000000"
SETTINGS = {
    "SECRETS_ALLOW_PLAIN_HTTP": "true",  # TLS would cost both sides the same
    "SECRETS_REQUESTS_PER_MINUTE_PRINCIPAL": _PLENTY,
    "SECRETS_REQUESTS_PER_MINUTE_SOURCE": _PLENTY,
    "SECRETS_LOGIN_ATTEMPTS_PAIR": _PLENTY,
    "SECRETS_LOGIN_ATTEMPTS_ACCOUNT": _PLENTY,
    "SECRETS_LOGIN_ATTEMPTS_SOURCE": _PLENTY,
    "SECRETS_MAX_VERSIONS": "0",
    "SECRETS_ACCESS_TOKEN_LIFETIME": "12h",
}


@dataclass
class Serving:
    """An application under the production server: the ``app:create_app`` of a folder."""

    folder: Path
    log: Path
    ready: str = "/"
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def __enter__(self) -> Serving:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "utils.serving", "--plain-http"),
                    *("--port", str(self.port), "--workers", str(WORKERS), "--drain", "1"),
                ],
                cwd=self.folder,
                env=environment({"PYTHONPATH": str(ROOT), **self.environ}),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not answers(f"http://127.0.0.1:{self.port}{self.ready}"):
            if time.monotonic() > deadline or self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.folder} did not start:\n{tail}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=_PATIENCE_SECONDS)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split() if _is_worker(int(child))]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but PATH, HOME and the like."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
    return {**inherited, **environ}


def service(folder: Path, environ: Mapping[str, str] | None = None) -> Serving:
    """The service, over a folder of its own."""
    settings = {**SETTINGS, "SECRETS_INSTANCE_DIR": str(folder), **(environ or {})}
    return Serving(ROOT, folder.with_suffix(".log"), "/readyz", settings)


def bare(route: str, folder: Path, environ: Mapping[str, str] | None = None) -> Serving:
    """Bare Flask, with one of :mod:`benchmarks.bare`."""
    chosen = {"BARE_ROUTE": route, **(environ or {})}
    return Serving(_BARE, folder / f"{route}.log", "/", chosen)


@dataclass
class Caller:
    """An account on the service, and how it calls."""

    url: str
    name: str
    _session: requests.Session = field(default_factory=requests.Session)

    @property
    def address(self) -> tuple[str, int]:
        """Where its service listens."""
        parts = urlsplit(self.url)
        return str(parts.hostname), parts.port or 80

    @property
    def credentials(self) -> dict[str, str]:
        """A username and its password, as a login wants them."""
        return {"username": self.name, "password": _PASSWORD}

    def enter(self) -> dict[str, str]:
        """Register if need be, log in; the header that a session sends."""
        self._session.post(f"{self.url}/register", json=self.credentials, timeout=60)
        answer = self._session.post(f"{self.url}/login", json=self.credentials, timeout=60)
        answer.raise_for_status()
        cookie = next(c for c in answer.cookies if "access" in c.name)
        return {"Cookie": f"{cookie.name}={cookie.value}"}

    def token(self, session: Mapping[str, str]) -> dict[str, str]:
        """The header that an API token of all powers sends."""
        wanted = {"name": f"bench-{time.time_ns()}", "scopes": ["read", "write"]}
        answer = requests.post(f"{self.url}/tokens", json=wanted, headers=session, timeout=60)
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    def store(self, session: Mapping[str, str], count: int) -> list[str]:
        """So many secrets; their names."""
        names = [f"bench/secret-{number}" for number in range(count)]
        for name in names:
            body = {"secret": f"the value of {name}, some 40 characters"}
            url = f"{self.url}/secrets/{name}"
            self._session.put(url, json=body, headers=session, timeout=60).raise_for_status()
        return names


def answers(url: str) -> bool:
    """Whether there is somebody at *url*."""
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.ConnectionError:
        return False


def _is_worker(pid: int) -> bool:
    """The module multiprocessing starts a process of its own that keeps track of resources."""
    return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
