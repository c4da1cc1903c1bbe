"""Backups taken while keys rotate and clients write: restored elsewhere, all of each opens."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from config import Settings
from models.times import utcnow
from tests.support.server import ROOT, Server
from tests.torture import seeding
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import inspect
from tests.torture.pace import PacedWriter
from tests.torture.writers import Findings, together
from utils.vault import open_existing_store, open_store

BACKUPS = 20
WRITERS = 3
_INTERVAL = 0.1  # seconds between a writer's requests
_ACCOUNTS = 200
_FILLER = 20_000  # secrets: a rotation that takes longer than a backup
_PATIENCE = 300


def row(attempt: Attempt) -> Sequence[Figure]:
    """Backups under rotation and load: each is restored, and every value in it opens."""
    server = Server(attempt.folder / "instance")
    writers = [
        PacedWriter(server.url, f"writer{i}", attempt.random.random(), _INTERVAL)
        for i in range(WRITERS)
    ]
    filler = max(_FILLER // 20, attempt.scaled(_FILLER))
    with server:
        db, master = open_store(Settings(INSTANCE_DIR=server.instance), utcnow())
        seeding.fill(db, master, seeding.add_accounts(db, master, _ACCOUNTS), filler)
        db.close()
        rotations = Rotations(server)
        with together(writers), rotations:
            made = [_backup(server, number) for number in range(attempt.scaled(BACKUPS))]
    faults: list[str] = []
    opened = sum(_restored(server, path, filler, faults) for path in made)
    written = Findings()
    for writer in writers:
        written.add(writer.findings)
    wrong = written.unexpected + rotations.faults
    attempt.blame(faults + wrong)
    return [
        Figure(len(made), "backups restored", at_least=attempt.scaled(BACKUPS)),
        Figure(rotations.done, "rotations meanwhile", at_least=1),
        Figure(written.acknowledged, "acknowledged writes", at_least=1),
        Figure(opened, "ciphertexts opened", at_least=len(made) * filler),
        none(faults, "faults in them"),
        none(wrong, "wrong answers or exits"),
    ]


class Rotations(threading.Thread):
    """``rotate_keys.py --all``, again and again, while the context lasts."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._environ = server.environment()
        self._stopping = threading.Event()
        self.done = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Rotate until told to stop."""
        while not self._stopping.is_set():
            ended = subprocess.run(
                [sys.executable, "rotate_keys.py", "--all", "--quiet"],
                cwd=ROOT,
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE,
            )
            self.done += 1
            if ended.returncode or ended.stderr:
                self.faults.append(f"a rotation ended with {ended.returncode}: {ended.stderr}")

    def __enter__(self) -> Rotations:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(_PATIENCE)


def _backup(server: Server, number: int) -> Path:
    path = server.instance.with_name(f"backup-{number}.db")
    _flask(server, "backup", str(path))
    return path


def _restored(server: Server, backup: Path, filler: int, faults: list[str]) -> int:
    """How many ciphertexts it holds; what is wrong with them is added to *faults*."""
    folder = backup.with_suffix("")
    folder.mkdir(mode=0o700)
    shutil.copy2(server.instance / "master.key", folder / "master.key")
    _flask(Server(folder), "restore", str(backup))
    settings = Settings(INSTANCE_DIR=folder)
    found = inspect(settings)
    db, master = open_existing_store(settings)
    filled = seeding.check(db, master)
    db.close()
    faults += found.unreadable + found.inconsistent + filled.faults
    if filled.intact != filler:
        faults.append(f"{backup.name} lacks {filler - filled.intact} secrets")
    shutil.rmtree(folder)
    return found.versions


def _flask(server: Server, *arguments: str) -> None:
    """Raises CalledProcessError if the command does."""
    subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=ROOT,
        env=server.environment(),
        capture_output=True,
        check=True,
        timeout=_PATIENCE,
    )
