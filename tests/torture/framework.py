"""What a row is: an attempt to break the service, figures that it measured, goals they must meet.

A row is a function that takes an :class:`Attempt` and returns its figures. It is ``ok`` only if
every figure meets its goal *and* one of the goals is a least amount of work: a row that killed
nothing and lost nothing has shown nothing.
"""

from __future__ import annotations

import logging
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

SHOWN_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, read as "200 kills", and its goal. Without bounds it only informs."""

    value: float
    name: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the goal is met; NaN meets none."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def demands_work(self) -> bool:
        """Whether doing nothing would miss this goal."""
        return self.at_least is not None and self.at_least > 0

    @property
    def goal(self) -> str:
        """The goal in words; empty without one."""
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {_number(self.at_least)} {self.name}")
        if self.at_most is not None:
            limit = _number(self.at_most)
            parts.append(
                f"{limit} {self.name}" if not self.at_most else f"at most {limit} {self.name}"
            )
        return " and ".join(parts)

    def __str__(self) -> str:
        return f"{_number(self.value)} {self.name}"


def none(faults: Sequence[str], name: str) -> Figure:
    """A figure that counts faults and must be 0."""
    return Figure(len(faults), name, at_most=0)


@dataclass(slots=True)
class Attempt:
    """The circumstances of one run of a row."""

    folder: Path
    seed: int
    scale: float = 1.0
    notes: TextIO = field(default_factory=lambda: sys.stderr)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def scaled(self, full: int) -> int:
        """How many of what a full run does *full* times; at least one."""
        return max(1, round(full * self.scale))

    def speed(
        self,
        value: float,
        name: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> Figure:
        """A figure whose goal counts in a full run only: a short one shares its machine."""
        if self.scale < 1:
            return Figure(value, name)
        return Figure(value, name, at_least, at_most)

    def say(self, text: str) -> None:
        """Tell whoever watches: progress, and what exactly went wrong. Not part of the result."""
        print(f"  {text}", file=self.notes, flush=True)

    def blame(self, faults: Sequence[str]) -> None:
        """Show faults, but not a thousand of them."""
        for fault in faults[:SHOWN_FAULTS]:
            self.say(fault)
        if len(faults) > SHOWN_FAULTS:
            self.say(f"... and {len(faults) - SHOWN_FAULTS} more")


Row = Callable[[Attempt], Sequence[Figure]]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row: the line to print."""

    name: str
    figures: str
    goal: str
    ok: bool
    seconds: float

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "short"
        return f"{self.name}  {self.figures} ({self.seconds:.0f} s)  goal: {self.goal}  {verdict}"


def attempt(name: str, row: Row, circumstances: Attempt) -> Result:
    """Run a row. A row that raises is short, like one that misses its goals."""
    began = time.monotonic()
    try:
        figures: Sequence[Figure] = row(circumstances)
    except Exception as error:  # noqa: BLE001 - whatever stopped the row, the other rows go on
        traceback.print_exc(file=circumstances.notes)
        seconds = time.monotonic() - began
        return Result(name, f"stopped by {type(error).__name__}", "to finish", False, seconds)
    goal = ", ".join(figure.goal for figure in figures if figure.goal)
    measured = any(figure.demands_work for figure in figures)
    return Result(
        name,
        ", ".join(map(str, figures)) or "nothing measured",
        goal if measured else f"{goal or 'none'} (and no goal that doing nothing would miss)",
        measured and all(figure.ok for figure in figures),
        time.monotonic() - began,
    )


def summary(results: Sequence[Result]) -> str:
    """The last line of a run."""
    passed = sum(result.ok for result in results)
    return f"{passed} passed, {len(results) - passed} failed"


def describe(rows: Mapping[str, Row]) -> str:
    """One line a row: its name, and the first line of its docstring."""
    width = max(map(len, rows))
    return "\n".join(
        f"{name:{width}}  {(row.__doc__ or '').strip().splitlines()[0]}"
        for name, row in rows.items()
    )


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Each failure is logged with its frames: thousands of lines that nobody wants to see."""
    logger, handler = logging.getLogger("secrets_manager"), logging.FileHandler(path)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
        handler.close()


def _number(value: float) -> str:
    """Whole numbers as they are, others with three digits that count."""
    return str(int(value)) if float(value).is_integer() else f"{value:.3g}"
