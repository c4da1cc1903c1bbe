"""The figures as tables: for a terminal, and in Markdown for the documents.

Each table of a document stands between two comments, which name it, and so does the picture.
``make plot`` puts them there.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence

from benchmarks.catalogue import LINES
from benchmarks.growth import Cost
from benchmarks.results import Entry, Machine, Run

ALT = "How near to its limit each line gets, and what it costs as there are more secrets"


def plain(entries: Sequence[Entry]) -> str:
    """For a terminal: each run with its spread."""
    rows = [("what", "ratio", "each run", "reach", "")]
    rows += [
        (
            entry["name"],
            f"{entry['ratio']}",
            _runs(entry),
            LINES[entry["name"]].goal,
            _verdict(entry),
        )
        for entry in entries
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def results(entries: Sequence[Entry]) -> str:
    """The table of all lines, in Markdown."""
    if not entries:
        return "Not measured yet: `make bench` does it."
    runs = [run for entry in entries for run in entry["runs"]]
    return "\n".join(
        [
            "| What | Beside it | Ours : the limit | Each run (its rounds) | Ratio | Reach | |",
            "|---|---|---|---|---|---|---|",
            *map(_row, entries),
            "",
            _where((run["when"], run["on"]) for run in runs),
        ]
    )


def growth(costs: Sequence[Cost]) -> str:
    """The table of costs as work grows, in Markdown."""
    if not costs:
        return "Not measured yet: `make growth` does it."
    sizes = sorted({cost["secrets"] for cost in costs})
    names = list(dict.fromkeys((cost["name"], cost["unit"]) for cost in costs))
    medians = {(cost["name"], cost["secrets"]): cost["median"] for cost in costs}
    rows = [
        f"| {name}, {unit} | "
        + " | ".join(
            _figure(medians[name, size]) if (name, size) in medians else "" for size in sizes
        )
        + " |"
        for name, unit in names
    ]
    return "\n".join(
        [
            "| Secrets | " + " | ".join(f"{size:,}" for size in sizes) + " |",
            "|---" + "|---:" * len(sizes) + "|",
            *rows,
            "",
            _where((cost["when"], cost["on"]) for cost in costs),
        ]
    )


def fill_in(
    document: str, entries: Sequence[Entry], costs: Sequence[Cost], picture: str = ""
) -> str:
    """*document* with its tables as they should be, and the picture that lies at the path
    *picture* from it. What it has no place for, it does not get."""
    shown = f"![{ALT}]({picture})" if picture and (entries or costs) else ""
    parts = (("picture", shown), ("results", results(entries)), ("growth", growth(costs)))
    for name, content in parts:
        begins, ends = rf"<!-- {name}: [^\n]*-->\n", f"\n<!-- end of {name} -->"
        around = re.split(f"({begins}).*?({ends})", document, maxsplit=1, flags=re.DOTALL)
        if len(around) == 4:
            before, begin, end, after = around
            document = f"{before}{begin}\n{content}\n{end}{after}"
    return document


def _row(entry: Entry) -> str:
    line, runs = LINES[entry["name"]], entry["runs"]
    ours, limit = (_median(runs, side) for side in ("ours", "limit"))
    cells = [
        f"`{line.name}`: {line.what}",
        line.limit,
        f"{_figure(ours)} : {_figure(limit)} {runs[0]['unit']}",
        _runs(entry),
        f"{entry['ratio']:.3f}",
        LINES[entry["name"]].goal,
        _verdict(entry),
    ]
    return f"| {' | '.join(cells)} |"


def _median(runs: Iterable[Run], side: str) -> float:
    """Of all rounds of all runs."""
    return statistics.median(
        figure for run in runs for figure in (run["ours"] if side == "ours" else run["limit"])
    )


def _runs(entry: Entry) -> str:
    return ", ".join(
        f"{run['ratio']:.2f} ({run['lowest']:.2f}–{run['highest']:.2f})" for run in entry["runs"]
    )


def _verdict(entry: Entry) -> str:
    return "ok" if entry["ok"] else "short"


def _figure(number: float) -> str:
    """Three digits of it, and no power of ten."""
    whole = float(f"{number:.3g}")
    return f"{whole:,.0f}" if whole >= 100 else f"{whole:g}"


def _where(made: Iterable[tuple[str, Machine]]) -> str:
    """When and on what, in a sentence for each machine or program that took part."""
    spans: dict[str, list[str]] = {}
    for when, on in made:
        what = f"{on['cores']} cores, {on['system']}, Python {on['python']}"
        spans.setdefault(what + (f", commit {on['commit']}" if on["commit"] else ""), []).append(
            when
        )
    return "\n".join(
        f"Measured on {what}, {' to '.join(sorted({min(when)[:10], max(when)[:10]}))}."
        for what, when in spans.items()
    )
