"""``benchmarks/results.json``: how far each line got, in each of its runs, when, and on what.

The file holds what was measured on one machine at full scale, and the documents show nothing
else. An entry's runs were made one after the other by one ``make bench ARGS="--runs 3"``, so they
tell how well a figure repeats, and not what changed in between.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict, cast

from benchmarks.catalogue import LINES
from benchmarks.compare import Comparison
from models.times import utcnow

RESULTS = Path(__file__).with_name("results.json")
_CODE = ("*.py", "*.sql", "*.txt", "*.toml")  # and not the figures themselves, or what shows them


class Machine(TypedDict):
    """On what something was measured. The commit is empty outside of git, and has a + if files
    differed from it."""

    python: str
    system: str
    cores: int
    commit: str


class Run(TypedDict):
    """One comparison. The ratio is the median of its rounds'."""

    when: str
    on: Machine
    ratio: float
    lowest: float
    highest: float
    unit: str
    ours: list[float]
    limit: list[float]
    note: str


class Entry(TypedDict):
    """A line of the table. The ratio is the median of its runs'."""

    name: str
    ratio: float
    reach: float
    ok: bool
    runs: list[Run]


def run_of(found: Comparison) -> Run:
    """What was found just now."""
    return {
        "when": now(),
        "on": machine(),
        "ratio": round(statistics.median(found.ratios), 3),
        "lowest": round(min(found.ratios), 3),
        "highest": round(max(found.ratios), 3),
        "unit": found.unit,
        "ours": rounded(found.ours),
        "limit": rounded(found.limit),
        "note": found.note,
    }


def entry_of(name: str, runs: Sequence[Run]) -> Entry:
    """The line of this name, judged by all its runs."""
    line = LINES[name]
    ratio = statistics.median(run["ratio"] for run in runs)
    return {
        "name": name,
        "ratio": round(ratio, 3),
        "reach": line.reach,
        "ok": line.reaches(ratio),
        "runs": list(runs),
    }


def load(path: Path = RESULTS) -> list[Entry]:
    """What was measured so far; nothing, where nothing was."""
    return cast("list[Entry]", json.loads(path.read_text("utf-8"))) if path.exists() else []


def save(entries: Iterable[Entry], path: Path = RESULTS) -> None:
    """Put these into the place of their namesakes, in the catalogue's order. Others stay."""
    merged = {entry["name"]: entry for entry in [*load(path), *entries]}
    write(path, [merged[name] for name in LINES if name in merged])


def write(path: Path, content: object) -> None:
    """All or nothing: what took an hour is not lost to a Ctrl-C."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    new.replace(path)


def now() -> str:
    """The time, to the second."""
    return utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")


def machine() -> Machine:
    """This one, as far as it says something about the figures."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores or 1,
        "commit": _commit(),
    }


def rounded(figures: Sequence[float]) -> list[float]:
    """To five digits: more would claim what no measurement gives."""
    return [float(f"{figure:.5g}") for figure in figures]


def _commit() -> str:
    """The commit's name, with a + if the working tree has other code than it."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{name}+" if changed else name


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=RESULTS.parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()
