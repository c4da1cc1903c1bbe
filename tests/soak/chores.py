"""What goes on beside the clients of a soak: rotations, purges, backups, scrapes, and a watch over
the processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import requests

from tests.soak.heard import Heard
from tests.support import canaries
from tests.support.production import ProductionServer
from tests.support.server import ROOT

_PATIENCE = 300


class Chore(threading.Thread):
    """Does something again and again, with a pause in between, while the context lasts."""

    def __init__(self, name: str, pause: float, work: Callable[[], str | None]) -> None:
        super().__init__(name=name, daemon=True)
        self._pause = pause
        self._work = work
        self._stopping = threading.Event()
        self.done = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Work until told to stop. What goes wrong is a fault, not the end."""
        while not self._stopping.is_set():
            try:
                fault = self._work()
            except Exception as error:  # noqa: BLE001 - told with the others
                fault = repr(error)
            self.done += 1
            if fault:
                self.faults.append(f"{self.name}: {fault}")
            self._stopping.wait(self._pause)

    def __enter__(self) -> Chore:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(_PATIENCE)


def command(server: ProductionServer, heard: Heard, *arguments: str) -> str | None:
    """Run one as cron does; what is wrong with how it ended."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=server.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    heard.hear("commands", f"{arguments} {ended.stdout}{ended.stderr}".encode())
    return f"ended with {ended.returncode}: {ended.stderr}" if ended.returncode else None


def backup(server: ProductionServer, heard: Heard, path: Path) -> str | None:
    """Make one, and remove it again."""
    fault = command(server, heard, "-m", "flask", "backup", str(path))
    if fault is None and path.stat().st_size == 0:
        fault = "the backup is empty"
    path.unlink(missing_ok=True)
    return fault


def scrape(server: ProductionServer, heard: Heard, token: str, trust: Path) -> str | None:
    """As Prometheus does."""
    answer = requests.get(
        f"{server.url}/metrics",
        headers={"Authorization": f"Bearer {token}"},
        verify=str(trust),
        timeout=60,
    )
    heard.hear("metrics", answer.content)
    return None if answer.ok else f"answered {answer.status_code}"


class Processes:
    """The server's processes: what each uses of the memory, and what anybody can see of them."""

    def __init__(self, server: ProductionServer, heard: Heard, ours: int) -> None:
        self._server = server
        self._heard = heard
        self._ours = ours
        self.memory: dict[int, list[tuple[float, int]]] = {}  # by worker: when, KiB

    def watch(self) -> None:
        """Look once."""
        for pid in _descendants(self._ours):
            with suppress(OSError, subprocess.CalledProcessError):  # it has ended
                self._heard.hear("arguments", canaries.process_arguments(pid))
        assert self._server.process is not None
        for pid in _children(self._server.process.pid):
            with suppress(OSError):
                kib = _memory(pid)
                self.memory.setdefault(pid, []).append((time.monotonic(), kib))

    def course(self) -> dict[int, list[int]]:
        """In MiB, of each worker: the middle of each tenth of the time. It shows whether what grew
        goes on growing."""
        courses = {}
        for pid, samples in self.memory.items():
            kept = [kib for _, kib in samples]
            tenth = max(1, len(kept) // 10)
            tenths = [kept[at : at + tenth] for at in range(0, len(kept), tenth)]
            courses[pid] = [round(_middle(one) / 1024) for one in tenths]
        return courses

    def growth(self, since: float) -> dict[int, float]:
        """In percent, of each worker: from the first tenth of the time since then to the last."""
        grown = {}
        for pid, samples in self.memory.items():
            kept = [kib for when, kib in samples if when >= since]
            tenth = max(1, len(kept) // 10)
            if kept:
                before, after = _middle(kept[:tenth]), _middle(kept[-tenth:])
                grown[pid] = 100 * (after - before) / before
        return grown


def _middle(numbers: list[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]


def _memory(pid: int) -> int:
    """Its anonymous memory where the system tells it: what a leak would be in. Pages of files come
    and go with the system's cache, and a share of them (PSS) with each command beside that loads
    the same libraries. Otherwise RSS. In KiB."""
    with suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    asked = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(asked, check=True, capture_output=True).stdout or 0)


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    """Of all of its threads: each may have started some."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        asked = subprocess.run(["pgrep", "-P", str(pid)], check=False, capture_output=True)
        return [int(line) for line in asked.stdout.split()]
    found: list[int] = []
    with suppress(OSError):
        for task in tasks.iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found
