"""``make plot``: the figures of both files as a picture, and as tables, in the documents.

Upper half: how far each line gets, in units of how far it should get, so that one mark stands for
all; of what should be small, time and memory, the inverse. Lower half: what each kind of work
costs as there are more secrets, in units of what it costs with the fewest.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import growth, results, tables
from benchmarks.catalogue import LINES
from benchmarks.growth import Cost
from benchmarks.results import Entry
from benchmarks.svg import Drawing, Point

_ROOT = Path(__file__).resolve().parents[1]
PICTURE = _ROOT / "docs" / "performance.svg"
# And where the picture is from there.
DOCUMENTS = {
    _ROOT / "README.md": "docs/performance.svg",
    _ROOT / "docs" / "performance.md": "performance.svg",
}

_WIDTH = 800
_LEFT, _RIGHT = 290, 630  # of the bars and the curves; on both sides is text
_HEAD = 62  # of a chart: its title, and a line that says what is drawn
_ROW, _BAR = 36, 16
_MOST = 2.0  # times its reach: a bar that is longer is cut, and its text tells the figure
_CURVES = 210
_BETWEEN = 17  # the labels at the ends of two curves, at least


def picture(entries: Sequence[Entry], costs: Sequence[Cost]) -> str:
    """The whole SVG; empty, where nothing was measured."""
    if not entries and not costs:
        return ""
    bars = _HEAD + _ROW * len(entries) + 34 if entries else 0
    curves = _HEAD + _CURVES + 44 if costs else 0
    drawing = Drawing(_WIDTH, 12 + bars + curves, tables.ALT)
    if entries:
        _bars(drawing, 12, entries)
    if costs:
        _growth(drawing, 12 + bars, costs)
    return drawing.render()


def _bars(drawing: Drawing, top: float, entries: Sequence[Entry]) -> None:
    _head(
        drawing,
        top,
        "How near to its limit each line gets",
        "A bar over the line gets as far as it should; "
        "of start and memory, the inverse is drawn. Dots are runs.",
    )
    first, last = top + _HEAD, top + _HEAD + _ROW * len(entries)
    for share in (0, 0.5, 1.5, _MOST):
        drawing.line([(_across(share), first), (_across(share), last)], "grid")
    for number, entry in enumerate(entries):
        _bar(drawing, first + _ROW * number, entry)
    drawing.line([(_across(1), first - 4), (_across(1), last + 4)], "ink", 1.5)
    drawing.text((_across(1), last + 20), "as far as it should", "dim", "middle", "small")


def _bar(drawing: Drawing, top: float, entry: Entry) -> None:
    line, colour = LINES[entry["name"]], "good" if entry["ok"] else "bad"
    middle = top + _ROW / 2
    drawing.text((_LEFT - 10, middle - 2), line.what, anchor="end")
    drawing.text((_LEFT - 10, middle + 12), f"beside {line.limit}", "dim", "end", "small")
    length = _across(_share(entry, entry["ratio"])) - _LEFT
    drawing.bar((_LEFT, top + (_ROW - _BAR) / 2), length, _BAR, colour)
    for run in entry["runs"]:
        drawing.dot((_across(_share(entry, run["ratio"])), middle), "ink", 3)
    told = f"{entry['ratio']:.3f} ({line.goal}){'' if entry['ok'] else ', short'}"
    drawing.text((_RIGHT + 14, middle + 4.5), told)


def _share(entry: Entry, ratio: float) -> float:
    """Of what it should reach: more than 1 is well."""
    share = ratio / entry["reach"]
    return 1 / share if LINES[entry["name"]].at_most else share


def _across(share: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * min(share, _MOST) / _MOST


def _growth(drawing: Drawing, top: float, costs: Sequence[Cost]) -> None:
    sizes = sorted({cost["secrets"] for cost in costs})
    curves = {
        name: growth.relative(costs, name) for name in dict.fromkeys(cost["name"] for cost in costs)
    }
    highest = max(2, math.ceil(max(times for curve in curves.values() for _, times in curve)))
    _head(
        drawing,
        top,
        "What it costs as there are more secrets",
        f"Each kind of work, in units of what it costs with {sizes[0]:,} secrets.",
    )
    first = top + _HEAD
    last = first + _CURVES

    def place(size: int, times: float) -> Point:
        span = math.log10(sizes[-1] / sizes[0]) or 1
        along = math.log10(size / sizes[0]) / span
        return _LEFT + (_RIGHT - _LEFT) * along, last - _CURVES * times / highest

    step = max(1, highest // 5) if highest > 2 else 0.5
    for times in (step * number for number in range(int(highest / step) + 1)):
        level = place(sizes[0], times)[1]
        drawing.line([(_LEFT, level), (_RIGHT, level)], "grid")
        drawing.text((_LEFT - 10, level + 4), f"{times:g} times", "dim", "end", "small")
    for size in sizes:
        drawing.text((place(size, 0)[0], last + 20), f"{size:,}", "dim", "middle", "small")
    drawing.text((_LEFT - 30, last + 20), "secrets", "dim", "end", "small")
    ends = []
    for number, (name, curve) in enumerate(curves.items()):
        points = [place(size, times) for size, times in curve]
        colour = drawing.series(number, points)
        ends.append((points[-1][1] + 4.5, f"{name}: {curve[-1][1]:.2f} times", colour))
    _labels(drawing, ends, last)


def _labels(drawing: Drawing, ends: Sequence[tuple[float, str, str]], last: float) -> None:
    """At the ends of the curves, none over another, none below the chart."""
    heights: list[float] = []
    for level, _, _ in sorted(ends):
        heights.append(max(level, heights[-1] + _BETWEEN if heights else level))
    beyond = max(0, heights[-1] - last)
    for (_, words, colour), height in zip(sorted(ends), heights, strict=True):
        drawing.text((_RIGHT + 14, height - beyond), words, colour)


def _head(drawing: Drawing, top: float, title: str, what: str) -> None:
    drawing.text((24, top + 20), title, style="bold")
    drawing.text((24, top + 40), what, "dim")


def main() -> int:
    """Redraw, and fill the tables in."""
    entries, costs = results.load(), growth.load_costs()
    if not entries and not costs:
        print("Nothing was measured yet: make bench, make growth.", file=sys.stderr)
        return 1
    PICTURE.write_text(picture(entries, costs), "utf-8")
    for document, path in DOCUMENTS.items():
        text = document.read_text("utf-8")
        document.write_text(tables.fill_in(text, entries, costs, path), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
