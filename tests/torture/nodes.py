"""Several nodes over one PostgreSQL, each to be killed and restarted, the database too."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from config import Settings
from tests.support.postgres import PostgresServer
from tests.support.production import Certificate, ProductionServer, make_certificate
from tests.support.server import ROOT

NODES = 3
_PATIENCE = 120  # seconds; a shared machine may need ten for a start
_BETWEEN_ROTATIONS = 1.0
_DONE, _RUNNING = 0, 75  # exit statuses of a rotation


class Node(ProductionServer):
    """The production server, as a service manager looks after it."""

    def kill(self) -> None:
        """Nothing of it is left, nor has time to say goodbye. Raises RuntimeError if somebody else
        still answers in its place: then the kill has shown nothing."""
        super().kill()
        if self.answers():
            raise RuntimeError("a node that was killed goes on answering")

    def revive(self) -> None:
        """Start it, and again where it ended because it found no database: what a service manager
        does. Returns when it is ready."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                self.kill()
                self.start()
            if self.answers():
                return
            time.sleep(0.05)
        raise TimeoutError(f"a node does not come back:\n{self.log.read_text()[-2000:]}")

    def answers(self) -> bool:
        """Whether it is ready right now."""
        try:
            return super().answers()
        except OSError:  # it was slow, or went away in the middle
            return False


@dataclass
class Absences:
    """When the database was away; moments are those of ``time.monotonic()``."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def touch(self, since: float, until: float) -> bool:
        """Whether there was a moment without the database."""
        return any(began <= until and since <= ended for began, ended in self.spans)

    def recovery(self, since: float, until: float) -> float:
        """How much of a client's outage came after the database was back, if it had been away."""
        back = max((ended for _, ended in self.spans if ended <= until), default=since)
        return until - max(since, back)


@dataclass
class Cluster:
    """The nodes, their database, and when that was away."""

    folder: Path
    database: PostgresServer
    certificate: Certificate = field(init=False)
    nodes: list[Node] = field(init=False)
    away: Absences = field(default_factory=Absences)
    _key: str = field(default_factory=lambda: Fernet.generate_key().decode(), repr=False)
    _url: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._url = self.database.create_database("nodes")
        self.certificate = make_certificate(self.folder)
        self.nodes = [
            Node(self.folder / f"node{number}", self.environ, certificate=self.certificate)
            for number in range(NODES)
        ]

    @property
    def environ(self) -> Mapping[str, str]:
        """What is the same for every node."""
        return {
            "SECRETS_DATABASE_URL": self._url,
            "SECRETS_MASTER_KEYS": self._key,
            # Long-lived tokens: on a slow machine the run may outlast the usual 15 minutes.
            "SECRETS_ACCESS_TOKEN_LIFETIME": "12h",
            "SECRETS_LOGIN_ATTEMPTS_SOURCE": "0",  # everybody is one source here
        }

    @property
    def settings(self) -> Settings:
        """For a look behind the API."""
        return Settings(
            INSTANCE_DIR=self.folder / "behind", DATABASE_URL=self._url, MASTER_KEYS=(self._key,)
        )

    def __enter__(self) -> Cluster:
        for node in self.nodes:  # all at once: one of them makes the schema
            node.start()
        for node in self.nodes:
            node.revive()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.kill()

    def without_database(self, how: Callable[[], None], meanwhile: Callable[[], None]) -> None:
        """Stop the database, do something, start it again."""
        since = time.monotonic()
        how()
        try:
            meanwhile()
        finally:
            self.database.start()
            self.away.spans.append((since, time.monotonic()))

    def stop(self) -> None:
        """The nodes, as a service manager does it."""
        for node in self.nodes:
            node.stop()

    def rotate(self, *arguments: str) -> Rotated:
        """``rotate_keys.py``, with new keys for all unless it is told otherwise."""
        began = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "rotate_keys.py", *(arguments or ("--all",))],
            cwd=ROOT,
            env=self.nodes[0].environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        return Rotated(ran.returncode, ran.stdout + ran.stderr, began, time.monotonic())


@dataclass(frozen=True, slots=True)
class Rotated:
    """How a rotation ended."""

    status: int
    output: str
    began: float
    ended: float

    def complaints(self, *, excused: bool = False) -> list[str]:
        """What must not be: to fail, unless that is *excused*, and to fall over, ever."""
        failed = self.status not in {_DONE, _RUNNING} and not excused
        if failed or "Traceback" in self.output:
            return [f"a rotation ended with {self.status}: {self.output[-500:]}"]
        return []


class Rotation(threading.Thread):
    """Rotates everything, again and again, beside others that do."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.runs: list[Rotated] = []
        self._cluster = cluster
        self._stopping = threading.Event()

    @property
    def done(self) -> int:
        """How many came to their end."""
        return sum(ran.status == _DONE for ran in self.runs)

    def run(self) -> None:
        """Until told to stop."""
        while not self._stopping.is_set():
            self.runs.append(self._cluster.rotate())
            self._stopping.wait(_BETWEEN_ROTATIONS)

    def finish(self) -> None:
        """Wait for the end of the last one."""
        self._stopping.set()
        self.join(_PATIENCE)

    def faults(self) -> list[str]:
        """What no outage of the database excuses."""
        return [
            complaint
            for ran in self.runs
            for complaint in ran.complaints(excused=self._cluster.away.touch(ran.began, ran.ended))
        ]
