"""Marks of a chart as SVG, readable on light and on dark pages.

Not matplotlib: for two charts it would bring numpy, Pillow and more into the lock file, and its
pictures differ from version to version, so no test could hold the one in docs/ to its figures. The
picture brings its own background, because a page's theme and the system's, which
``prefers-color-scheme`` asks for, need not agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Point = tuple[float, float]

# Class: colour on light and on dark. The five series differ in lightness and dashes too.
_COLOURS = {
    "page": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "dim": ("#59636e", "#9198a1"),
    "grid": ("#d1d9e0", "#30363d"),
    "good": ("#1a7f64", "#3fb68b"),
    "bad": ("#bc4c00", "#f0883e"),
    "s0": ("#0550ae", "#79c0ff"),
    "s1": ("#8250df", "#d2a8ff"),
    "s2": ("#bc4c00", "#f0883e"),
    "s3": ("#1a7f64", "#3fb68b"),
    "s4": ("#59636e", "#9198a1"),
}
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4")


class Drawing:
    """What is drawn so far, on a page of this size in pixels. Later marks cover earlier ones."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = f"{width:g} {height:g}"
        self._title = title
        self._marks: list[str] = []
        self.bar((0, 0), width, height, "page", radius=6)

    def text(
        self, at: Point, words: str, colour: str = "ink", anchor: str = "start", style: str = ""
    ) -> None:
        """Words whose base line begins, ends or has its middle at *at*. Styles: bold, small."""
        x, y = at
        classes = f"f-{colour} {style}".strip()
        self._marks.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def bar(self, at: Point, width: float, height: float, colour: str, radius: float = 2) -> None:
        """A filled rectangle; *at* is its upper left corner."""
        x, y = at
        self._marks.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius:g}" class="f-{colour}"/>'
        )

    def line(
        self, points: Sequence[Point], colour: str, width: float = 1, dashes: str = ""
    ) -> None:
        """From point to point."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._marks.append(
            f'<polyline points="{path}" fill="none" stroke-width="{width:g}"{dashed} '
            f'class="l-{colour}"/>'
        )

    def dot(self, at: Point, colour: str, radius: float = 3.5) -> None:
        """A dot with a rim, so that it shows on whatever is below it."""
        x, y = at
        self._marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" stroke-width="1.5" '
            f'class="f-{colour} l-page"/>'
        )

    def series(self, number: int, points: Sequence[Point]) -> str:
        """A line with dots, told apart by its number; its colour."""
        colour = f"s{number % 5}"
        self.line(points, colour, 2, _DASHES[number % 5])
        for point in points:
            self.dot(point, colour)
        return colour

    def render(self) -> str:
        """The file's content."""
        light, dark = (
            "".join(
                f".f-{name}{{fill:{pair[theme]}}}.l-{name}{{stroke:{pair[theme]}}}"
                for name, pair in _COLOURS.items()
            )
            for theme in (0, 1)
        )
        width, height = self._size.split()
        size = f'width="{width}" height="{height}" viewBox="0 0 {self._size}"'
        fonts = (
            "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif}"
            ".bold{font-weight:600;font-size:15px}.small{font-size:11.5px}"
        )
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(self._title)}</title>",
            f"<style>{fonts}{light}@media(prefers-color-scheme:dark){{{dark}}}</style>",
            *self._marks,
            "</svg>",
        ]
        return "\n".join(parts) + "\n"
