"""The documents as data: code blocks, tables, and the tables that must say what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from config import Settings
from tests.support.server import ROOT

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and the line that it begins in."""

    language: str
    text: str
    line: int


def read(name: str) -> str:
    """A document of the project."""
    return (ROOT / name).read_text("utf-8")


def blocks(markdown: str) -> list[Block]:
    """All fenced blocks, in order."""
    return [
        Block(found[1], found[2], markdown.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(markdown)
    ]


def section(markdown: str, heading: str) -> str:
    """The text under *heading*, up to the next one of the same or a higher level."""
    level = heading.partition(" ")[0]
    _, found, rest = f"\n{markdown}".partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in *text*, without headers. An escaped bar ends no cell."""
    table = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    headers = {number - 1 for number, cells in enumerate(table) if set(cells[0]) <= set("-: ")}
    rulers = {number + 1 for number in headers}
    return [cells for number, cells in enumerate(table) if number not in headers | rulers]


def anchors(markdown: str) -> set[str]:
    """What links may name after a ``#``: each heading as GitHub spells it in a URL."""
    headings: list[str] = re.findall(r"^#+ (.+)$", _FENCE.sub("", markdown), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings_table() -> str:
    """All settings as docs/configuration.md shows them."""
    lines = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _shown(field.default)
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(lines)


def _shown(default: object) -> str:
    """A default in the notation of the environment."""
    if isinstance(default, timedelta):
        seconds = int(default.total_seconds())
        unit, size = next((u, s) for u, s in _UNITS if seconds % s == 0)
        return f"{seconds // size}{unit}"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, Path):
        return f"{default.relative_to(ROOT)}/"
    if isinstance(default, Iterable) and not isinstance(default, str):
        return ",".join(map(str, default))
    return str(default)
