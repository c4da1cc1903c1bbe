"""The first start on an empty folder: by several processes at once, and killed in the middle."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import Settings
from models.times import utcnow
from tests.support.postgres import start_postgres
from tests.torture.framework import Attempt, Figure, none
from tests.torture.inspection import inspect
from tests.torture.starter import Starter
from utils.store.system import PURPOSES
from utils.vault import open_store

PROCESSES = 6
RACES = 150
POSTGRES_RACES = 20
KILLED_STARTS = 300
_KINDS_OF_REMAINS = 4
_ENOUGH = 10  # faults


class _EnoughFaults(Exception):
    """The row is short whatever comes now, and a process that failed costs its peers a wait."""


@dataclass
class _Tally:
    """What the rounds of a row add up to."""

    processes: int = 0
    races: int = 0
    killed: int = 0
    remains: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def row(attempt: Attempt) -> Sequence[Figure]:
    """First starts race or are killed: one master key, one set of keys, and all agree."""
    tally = _Tally()
    with Starter(attempt.folder / "starter.log") as starter, suppress(_EnoughFaults):
        for number in range(attempt.scaled(RACES)):
            settings = _settings(attempt.folder / f"race{number}")
            _race(starter, settings, tally)
        with start_postgres() as postgres:
            for number in range(attempt.scaled(POSTGRES_RACES)):
                url = postgres.create_database(f"race{number}")
                _race(starter, _settings(attempt.folder / f"postgres{number}", url), tally)
        usual = _usual_seconds(starter, attempt.folder / "usual")
        for number in range(attempt.scaled(KILLED_STARTS)):
            _killed_start(starter, attempt, attempt.folder / f"killed{number}", usual, tally)
    attempt.blame(tally.faults)
    return [
        Figure(tally.races, "races", at_least=attempt.scaled(RACES)),
        Figure(tally.processes, "processes in them"),
        Figure(
            tally.killed,
            "starts killed half-way",
            at_least=max(1, attempt.scaled(KILLED_STARTS) // 2),
        ),
        Figure(
            len(tally.remains),
            "different remains of them",
            at_least=min(_KINDS_OF_REMAINS, attempt.scaled(KILLED_STARTS) / 10),
        ),
        none(tally.faults, "disagreements or second keys"),
    ]


def _settings(folder: Path, database_url: str = "") -> Settings:
    return Settings(INSTANCE_DIR=folder, DATABASE_URL=database_url, BCRYPT_COST=4)


def _race(starter: Starter, settings: Settings, tally: _Tally) -> None:
    answers = starter.start(settings, PROCESSES)
    tally.races += 1
    tally.processes += len(answers)
    _judge(settings, answers, tally, registered_before=False)


def _killed_start(
    starter: Starter, attempt: Attempt, folder: Path, usual: float, tally: _Tally
) -> None:
    """Kill one to three processes that start, then start as if nothing had happened."""
    settings, rng = _settings(folder), attempt.random
    moments = [rng.uniform(0, 1.2 * usual) for _ in range(rng.choice((1, 1, 3)))]
    killed = starter.start(settings, len(moments), moments)
    tally.killed += killed.count(None)
    tally.remains.add(_remains(folder))
    _judge(settings, starter.start(settings, 1), tally, registered_before=True)


def _usual_seconds(starter: Starter, folder: Path) -> float:
    """How long a first start takes on this machine."""
    answers = starter.start(_settings(folder), 1)
    seconds: list[float] = [answer["seconds"] for answer in answers if answer]
    return max(seconds)


def _remains(folder: Path) -> str:
    """What a killed start left behind, by name."""
    names = sorted(path.name for path in folder.glob("*")) if folder.exists() else ["nothing"]
    return " ".join(re.sub(r"\.[0-9a-f]{16}$", ".draft", name) for name in names)


def _judge(
    settings: Settings,
    answers: Sequence[dict[str, Any] | None],
    tally: _Tally,
    *,
    registered_before: bool,
) -> None:
    """Compare what the processes say with each other, and with what is on disk."""
    faults = [_complaint(answer, len(answers)) for answer in answers]
    told = [answer for answer in answers if answer and "error" not in answer]
    if len({answer["keys"] for answer in told}) > 1:
        faults.append("the processes work with different keys")
    winners = sum(answer["won"] for answer in told)
    if winners > 1 or (winners == 0 and not registered_before):
        faults.append(f"{winners} processes registered the same name")
    behind = inspect(settings)
    faults += behind.unreadable + behind.inconsistent + _key_faults(settings)
    faults = [f"{settings.INSTANCE_DIR.name}: {fault}" for fault in faults if fault]
    tally.faults += faults
    if not faults:
        shutil.rmtree(settings.INSTANCE_DIR)
    if len(tally.faults) >= _ENOUGH:
        raise _EnoughFaults


def _complaint(answer: dict[str, Any] | None, processes: int) -> str:
    if answer is None:
        return "a process died"
    if "error" in answer:
        return str(answer["error"])
    expected = [f"process{number}" for number in range(processes)]
    return "" if answer["read"] == expected else f"a process read {answer['read']}"


def _key_faults(settings: Settings) -> list[str]:
    db, _ = open_store(settings, utcnow())
    try:
        with db.read() as tx:
            counted: dict[str, int] = dict(
                tx.all("SELECT purpose, count(*) FROM system_keys GROUP BY purpose")
            )
    finally:
        db.close()
    expected = dict.fromkeys(PURPOSES, 1)
    faults = [] if counted == expected else [f"system keys: {counted}"]
    folder = settings.INSTANCE_DIR
    places = [folder, *folder.iterdir()]
    return faults + [f"{path.name} is open to others" for path in places if _is_open(path)]


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)
