"""What a line is: the service and a limit, measured by turns, and how they compare."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    folder: Path
    rounds: int = 5
    seconds: float = 4
    scale: float = 1.0
    url: str = ""  # of a service that runs already

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

    def judge(self, found: Comparison) -> dict[str, object]:
        """The entry of ``results.json``."""
        ratio = statistics.median(found.ratios)
        return {
            "name": self.name,
            "ratio": round(ratio, 3),
            "reach": self.reach,
            "ok": ratio <= self.reach if self.at_most else ratio >= self.reach,
            "lowest": round(min(found.ratios), 3),
            "highest": round(max(found.ratios), 3),
            **asdict(found),
        }


def alternate(
    plan: Plan, unit: str, ours: Callable[[], float], limit: Callable[[], float], note: str = ""
) -> Comparison:
    """A B, B A, A B, ...: neither side is always the one that comes second."""
    found: dict[Callable[[], float], list[float]] = {ours: [], limit: []}
    for number in range(plan.rounds):
        for side in (ours, limit) if number % 2 == 0 else (limit, ours):
            found[side].append(side())
    return Comparison(unit, found[ours], found[limit], note)


def table(entries: Sequence[dict[str, object]]) -> str:
    """For people."""
    rows = [("what", "ratio", "lowest-highest", "reach", "")]
    rows += [
        (
            str(entry["name"]),
            f"{entry['ratio']}",
            f"{entry['lowest']}-{entry['highest']}",
            f"{entry['reach']}",
            "ok" if entry["ok"] else "short",
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
