"""What a line is: the service and a limit, measured by turns, and how they compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    folder: Path
    rounds: int = 5
    seconds: float = 4
    scale: float = 1.0
    url: str = ""  # of a service that runs already

    @property
    def full(self) -> bool:
        """Whether its figures may be kept: of the whole work, for long enough, on a service that
        was started for it alone."""
        least = Plan(self.folder)
        return (
            not self.url
            and self.scale >= least.scale
            and self.rounds >= least.rounds
            and self.seconds >= least.seconds
        )

    def scaled(self, full: int) -> int:
        """How many of what a full run has *full* of."""
        return max(1, round(full * self.scale))


@dataclass(frozen=True)
class Comparison:
    """The figures of both sides, one pair a round."""

    unit: str
    ours: list[float]
    limit: list[float]
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Round by round: what slows the machine for a minute slows both sides."""
        return [one / other for one, other in zip(self.ours, self.limit, strict=True)]


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    what: str
    limit: str
    reach: float
    measure: Callable[[Plan], Comparison]
    at_most: bool = False  # the ratio is of what should be small: time, memory

    @property
    def goal(self) -> str:
        """What the ratio should be, for people."""
        return f"{'≤' if self.at_most else '≥'} {self.reach:g}"

    def reaches(self, ratio: float) -> bool:
        """Whether that is as far as it should be."""
        return ratio <= self.reach if self.at_most else ratio >= self.reach


def alternate(
    plan: Plan, unit: str, ours: Callable[[], float], limit: Callable[[], float], note: str = ""
) -> Comparison:
    """A B, B A, A B, ...: neither side is always the one that comes second."""
    found: dict[Callable[[], float], list[float]] = {ours: [], limit: []}
    for number in range(plan.rounds):
        for side in (ours, limit) if number % 2 == 0 else (limit, ours):
            found[side].append(side())
    return Comparison(unit, found[ours], found[limit], note)
