"""What is counted while the service runs, for Prometheus; right across the workers of a server.

Each worker counts in files of its own (prometheus_client's multiprocess mode), and whichever
answers a scrape adds them all up. The folder for them is named after the process that started the
workers, so nobody has to empty it: a server that starts again begins a new one, and removes those
of servers that are gone. Where ``PROMETHEUS_MULTIPROC_DIR`` is set, that is the folder, and
emptying it at the start is up to whoever set it.

The library is loaded at the first count, and never where metrics are off. It decides by that
variable, while it is loaded, that there are several processes.
"""

from __future__ import annotations

import os
import platform
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatabaseUnavailable
from models.rows import KeyState
from utils import logs
from utils.status import Figures

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from prometheus_client.metrics_core import Metric

# Written, not only announced: the library maps its files into memory, and where a disk is full,
# touching a page that has no place on it yet kills the process.
_RESERVED_BYTES = 512 * 1024
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_WAITS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5)
_OUTCOMES = ("running", "done", "incomplete", "interrupted")
_STATES: tuple[KeyState, ...] = ("current", "retired", "destroyed")


@dataclass(frozen=True, slots=True)
class _Counters:
    requests: Counter
    seconds: Histogram
    problems: Counter
    logins: Counter
    waits: Histogram


class Metrics:
    """The counters of this process, and the sum of those of all."""

    def __init__(self, parent: Path) -> None:
        """*parent* is where the folder may be made, at the first count: an application is also made
        for commands, which must make nothing."""
        self._parent = parent
        self._opening = threading.Lock()
        self._counters: _Counters | None = None
        self._broken = False

    def count_request(
        self, method: str, route: str, status: int, seconds: float, problem: str | None
    ) -> None:
        """A request was answered. The route is a rule, never a path: labels are kept for ever."""

        def count(counters: _Counters) -> None:
            counters.requests.labels(method, route, str(status)).inc()
            counters.seconds.labels(route).observe(seconds)
            if problem is not None:
                counters.problems.labels(problem).inc()
            if (method, route) == ("POST", "/login"):
                counters.logins.labels(problem or "ok").inc()

        self._try(count)

    def count_wait(self, for_what: str, seconds: float) -> None:
        """A transaction had to wait for the write lock or a connection."""
        self._try(lambda counters: counters.waits.labels(for_what).observe(seconds))

    def text(self, read_figures: Callable[[], Figures | None]) -> bytes:
        """Everything, as Prometheus reads it; *read_figures* gives None without a database."""
        stored = _Stored(read_figures())
        self._try(lambda _counters: None)
        if self._broken:
            raise DatabaseUnavailable("The folder of the metrics cannot be written.")
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=os.environ[_VARIABLE])  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(stored)

    def _try(self, count: Callable[[_Counters], None]) -> None:
        """Count, if that is possible: what is counted is not worth a request."""
        if self._broken:
            return
        try:
            count(self._open())
        except OSError as error:
            self._broken = True
            message = f"Nothing is counted any more: {self._parent} cannot be written."
            logs.log(logs.CRASH, message=message, traceback=logs.describe(error))

    def _open(self) -> _Counters:
        """At first use: a server that loads the application before it forks has then forked."""
        with self._opening:
            if self._counters is None:
                if _VARIABLE not in os.environ:
                    os.environ[_VARIABLE] = str(_own_folder(self._parent))
                self._counters = _make_counters()
            return self._counters


def _make_counters() -> _Counters:
    from prometheus_client import CollectorRegistry, Counter, Histogram  # noqa: PLC0415

    one = CollectorRegistry()  # not the global one, to which the library adds what it likes
    return _Counters(
        requests=Counter(
            "secrets_manager_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=one,
        ),
        seconds=Histogram(
            "secrets_manager_request_seconds",
            "Time until the answer was ready.",
            ["route"],
            buckets=_LATENCIES,
            registry=one,
        ),
        problems=Counter(
            "secrets_manager_problems",
            "Requests refused or failed, by the kind of problem.",
            ["problem"],
            registry=one,
        ),
        logins=Counter(
            "secrets_manager_logins",
            "Attempts at POST /login: ok, or the problem.",
            ["outcome"],
            registry=one,
        ),
        waits=Histogram(
            "secrets_manager_database_wait_seconds",
            "Waits that succeeded: for SQLite's write lock, or a connection to PostgreSQL.",
            ["for"],
            buckets=_WAITS,
            registry=one,
        ),
    )


class _Stored:
    """What the database says at the moment of the scrape."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        from prometheus_client.core import GaugeMetricFamily as Gauge  # noqa: PLC0415

        found, prefix = self._figures, "secrets_manager_"
        yield Gauge(f"{prefix}database_up", "1 if it answered this scrape.", int(found is not None))
        if found is None:
            return
        keys = Gauge(f"{prefix}user_keys", "Keys of all accounts, by state.", labels=["state"])
        for state in _STATES:
            keys.add_metric([state], found.keys.get(state, 0))
        yield keys
        yield Gauge(
            f"{prefix}ciphertexts_remaining", "Stored values under retired keys.", found.stale
        )
        run = found.last_run
        outcomes = Gauge(f"{prefix}rotation_outcome", "Of the last rotation.", labels=["outcome"])
        for outcome in _OUTCOMES:
            outcomes.add_metric([outcome], int(run is not None and run.outcome == outcome))
        yield outcomes
        for name, meaning, moment in (
            ("rotation_started", "When the last rotation began.", run.started_at if run else None),
            ("rotation_done", "When one last ended with all done.", found.last_done_at),
            ("oldest_stale", "When the oldest of them was written.", found.oldest_stale_at),
        ):
            if moment is not None:
                yield Gauge(f"{prefix}{name}_timestamp_seconds", meaning, moment.timestamp())


# --- the folder ---------------------------------------------------------------------------------


def _own_folder(parent: Path) -> Path:
    """That of this server: the same for all of its workers. Those of servers that are gone go.

    By machine too: in a volume that two containers share, each has a process 1."""
    machine = platform.node()
    name = f"{machine}.{_identity(os.getppid())}"
    folder = parent / name
    parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for kind in ("counter", "histogram"):
        _reserve(folder / f"{kind}_{os.getpid()}.db")
    for other in parent.iterdir():
        found, _, identity = other.name.rpartition(".")
        if found == machine and identity != _identity(int(identity.partition("-")[0])):
            shutil.rmtree(other, ignore_errors=True)  # another worker may be doing the same
    return folder


def _identity(pid: int) -> str:
    """A process, told from a later one of the same number by its start, where that can be known;
    empty for one that is gone."""
    try:
        # proc(5): the name, in parentheses, may hold anything; the 20th field after it.
        started = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return f"{pid}-{started[19]}"
    except OSError:
        pass
    with suppress(OSError):
        os.kill(pid, 0)
        return f"{pid}-0"
    return ""


def _reserve(path: Path) -> None:
    with (
        suppress(FileExistsError),
        os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file,
    ):
        file.write(bytes(_RESERVED_BYTES))
