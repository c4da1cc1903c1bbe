"""``make growth``: what reads, writes, lists, rotation and start cost as there are more secrets.

An installation for each size, with one account that has them all. Requests are measured by turns
on all of them, so that what slows the machine for a minute slows every size. Writes come last:
each leaves a version behind. Where a rotation takes minutes, there is one of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, cast

from benchmarks import load, results
from benchmarks.compare import Plan
from benchmarks.filling import fill
from benchmarks.over_http import pages
from benchmarks.processes import rotate, seconds_to_answer
from benchmarks.results import Machine
from benchmarks.serving import Caller, Serving, service
from tests.torture.seeding import name_of

GROWTH = Path(__file__).with_name("growth.json")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SECONDS = "seconds"  # the unit of what is no rate
_NAME = "grower"
_DIFFERENT = 5_000  # names that are asked for, from all over the table
_ROTATED = 300_000  # secrets in all of a size's rotations, about: half a minute


class Cost(TypedDict):
    """What one kind of work costs at one size. The median is that of the figures, one a round."""

    name: str
    unit: str
    secrets: int
    median: float
    figures: list[float]
    when: str
    on: Machine


@dataclass
class Installation:
    """A service with so many secrets."""

    serving: Serving
    secrets: int
    session: dict[str, str] = field(default_factory=dict)

    def fill(self) -> None:
        """Make the account and its secrets."""
        with self.serving:
            self.session = Caller(f"http://127.0.0.1:{self.serving.port}", _NAME).enter()
        fill(self.serving.environ, _NAME, self.secrets)
        os.sync()  # or the disk would be busy with all that while something is timed

    def rate(self, messages: Sequence[bytes], seconds: float) -> float:
        """Answers a second to these."""
        return load.apply(self.serving.address, messages, seconds).rate

    def start(self) -> float:
        """Seconds from ``flask run`` to the first answer."""
        return seconds_to_answer("app", "/healthz", self.serving.environ)

    def gets(self) -> list[bytes]:
        """Reads."""
        return [load.message("GET", f"/secrets/{name}", self.session) for name in self._names()]

    def puts(self) -> list[bytes]:
        """Writes of other values to what there is."""
        return [
            load.message(
                "PUT",
                f"/secrets/{name}",
                self.session,
                json.dumps({"secret": f"the value {number} of one, some 40 characters"}).encode(),
                "application/json",
            )
            for number, name in enumerate(self._names())
        ]

    def lists(self) -> list[bytes]:
        """Pages of a list."""
        return pages(self.session, self.secrets)

    def _names(self) -> list[str]:
        chosen = random.Random(1)
        return [name_of(chosen.randrange(self.secrets)) for _ in range(_DIFFERENT)]


def measure(plan: Plan, sizes: Sequence[int]) -> list[Cost]:
    """Everything, at each size."""
    places = [Installation(service(plan.folder / str(size)), size) for size in sizes]
    for place in places:
        place.fill()
        _say(f"{place.secrets} secrets are there")
    costs = _costs("rotation", "secrets/s", {p.secrets: _rotations(plan, p) for p in places})
    starts = _by_turns(plan, {place.secrets: place.start for place in places})
    with ExitStack() as stack:
        for place in places:
            stack.enter_context(place.serving)
        for name, unit, messages in (
            ("read", "requests/s", Installation.gets),
            ("list", "pages/s", Installation.lists),
            ("write", "writes/s", Installation.puts),
        ):
            sides = {place.secrets: _side(plan, place, messages(place)) for place in places}
            costs += _costs(name, unit, _by_turns(plan, sides))
    return costs + _costs("start", SECONDS, starts)


def relative(costs: Sequence[Cost], name: str) -> list[tuple[int, float]]:
    """For each size, how many times as much one of these costs as at the smallest size."""
    found = sorted((c["secrets"], c["median"], c["unit"]) for c in costs if c["name"] == name)
    _, base, unit = found[0]
    return [(size, it / base if unit == SECONDS else base / it) for size, it, _ in found]


def load_costs(path: Path = GROWTH) -> list[Cost]:
    """What was measured; nothing, where nothing was."""
    return cast("list[Cost]", json.loads(path.read_text("utf-8"))) if path.exists() else []


def _rotations(plan: Plan, place: Installation) -> list[float]:
    """The rates of as many rotations as there is time for."""
    times = max(1, min(plan.rounds, _ROTATED // place.secrets))
    return [timed.rate for timed in rotate(place.serving.environ, times)]


def _side(plan: Plan, place: Installation, messages: Sequence[bytes]) -> Callable[[], float]:
    return lambda: place.rate(messages, plan.seconds)


def _by_turns(plan: Plan, sides: dict[int, Callable[[], float]]) -> dict[int, list[float]]:
    """A B C D, D C B A, ...: no size is always the last."""
    found: dict[int, list[float]] = {size: [] for size in sides}
    for number in range(plan.rounds):
        for size in sides if number % 2 == 0 else reversed(sides):
            found[size].append(sides[size]())
    return found


def _costs(name: str, unit: str, figures: dict[int, list[float]]) -> list[Cost]:
    costs: list[Cost] = [
        {
            "name": name,
            "unit": unit,
            "secrets": size,
            "median": results.rounded([statistics.median(found)])[0],
            "figures": results.rounded(found),
            "when": results.now(),
            "on": results.machine(),
        }
        for size, found in figures.items()
    ]
    for cost in costs:
        _say(f"{name} at {cost['secrets']}: {cost['median']:g} {unit}")
    return costs


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and keep what was measured at full scale. The exit status."""
    whole = Plan(Path(), seconds=2)
    parser = argparse.ArgumentParser(prog="make growth", description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], metavar="N", help="secrets at most")
    parser.add_argument("--rounds", type=int, default=whole.rounds)
    parser.add_argument("--seconds", type=float, default=whole.seconds, help="of each load")
    parser.add_argument(
        "--output", type=Path, help=f"(benchmarks/{GROWTH.name}, if nothing is left out)"
    )
    asked = parser.parse_args(arguments)
    full = (asked.most, asked.rounds, asked.seconds) == (SIZES[-1], whole.rounds, whole.seconds)
    sizes = [size for size in SIZES if size <= asked.most] or [asked.most]
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        plan = Plan(Path(folder), asked.rounds, asked.seconds)
        costs = measure(plan, sizes)
    if target := asked.output or (GROWTH if full else None):
        results.write(target, costs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
