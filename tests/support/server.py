"""The service as a real process on a real socket, started as a user would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
# Thousands of requests in a minute come from one address, with hundreds of accounts.
NO_LIMITS = {
    "SECRETS_REGISTRATIONS_SOURCE": "0",
    "SECRETS_REQUESTS_PER_MINUTE_PRINCIPAL": "0",
    "SECRETS_REQUESTS_PER_MINUTE_SOURCE": "0",
    "SECRETS_MAX_VERSIONS": "0",
}
_PATIENCE_SECONDS = 60  # shared machines: a start takes one second, or ten


@dataclass
class Server:
    """``flask run`` over a folder of its own. Starts at once; ``stop()`` or ``kill()`` ends it."""

    instance: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    # A command that ends in exec, so that the process stays ours to kill: ("setpriv", ...).
    prefix: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Everything it wrote to stdout and stderr, over all its starts."""
        return self.instance.with_name(self.instance.name + ".log")

    def environment(self) -> dict[str, str]:
        """The settings of the process, and nothing of ours but PATH, HOME and the like."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))
        }
        return {
            **inherited,
            "SECRETS_INSTANCE_DIR": str(self.instance),
            "SECRETS_BCRYPT_COST": "4",
            **NO_LIMITS,
            **self.environ,
        }

    def start(self) -> Server:
        """Start the process, without waiting until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "flask", "run", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def wait_until_ready(self) -> Server:
        """Wait for the first good answer. Raises RuntimeError with the log's end otherwise."""
        assert self.process is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.answers():
                return self
            time.sleep(0.02)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the server did not become ready:\n{tail}")

    def answers(self) -> bool:
        """Whether the service is ready right now."""
        try:
            return requests.get(self.url + "/readyz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        """``kill -9``: no clean-up of any kind happens."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, as a service manager does it."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=_PATIENCE_SECONDS)
            self.process = None

    def __enter__(self) -> Server:
        return self.start().wait_until_ready()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()
