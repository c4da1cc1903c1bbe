"""Files of ``NAME=value``, read as python-dotenv reads them, but for two things.

``${NAME}`` stays as it is written: what it stands for depends on the machine of whoever reads the
file. (``${:-text}``, which names nothing, is ``text``: so an export writes what would be taken for
a name.) And a line that does not parse is refused, where python-dotenv warns and leaves it out.

Not python-dotenv itself, though its parser could be called: it takes hours for one line of 500,000
spaces, and ``flask run`` loads any ``.env`` that lies around as soon as the library is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# [^\S\n] is white space within a line, as Unicode has it.
_BLANK = re.compile(r"(?:\s*#[^\n]*\n)*\s*(?:#[^\n]*\Z)?")
_KEY = re.compile(r"(?:export[^\S\n]+|(?!export[^\S\n]))(?:'([^'\n]+)'|([^=#\s']+))[^\S\n]*")
_EQUALS = re.compile(r"=([^\S\n]*)")
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_UNQUOTED = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"\s#")
_END = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)")
_IN_SINGLE = re.compile(r"\\([\\'])")
_IN_DOUBLE = re.compile(r"\\([\\'\"abfnrtv])")
_NAMELESS = re.compile(r"\$\{:-([^}]*)\}")
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a line sets; without a key, it is one that does not parse."""

    line: int
    key: str | None
    value: str = field(default="", repr=False)


def assignments(text: str) -> Iterator[Assignment]:
    """What *text* sets, line by line; a key may come more than once."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    line, counted, position = 1, 0, 0
    while True:
        position = _BLANK.match(text, position).end()  # type: ignore[union-attr] # matches nothing
        if position == len(text):
            return
        line += text.count("\n", counted, position)
        counted = position
        found, position = _assignment(text, position)
        yield Assignment(line, *found) if found else Assignment(line, None)


def _assignment(text: str, start: int) -> tuple[tuple[str, str] | None, int]:
    """Key and value at *start*, and where the next line begins; None where it is neither."""
    key = _KEY.match(text, start)
    equals = _EQUALS.match(text, key.end()) if key else None
    if key and equals:
        value, end = _value(text, equals.end(), after_space=bool(equals[1]))
        if value is not None and (tail := _END.match(text, end)):
            return (key[1] or key[2], _resolved(value)), tail.end()
    newline = text.find("\n", start)
    return None, len(text) if newline < 0 else newline + 1


def _resolved(value: str) -> str:
    """Without ``${:-text}``. To the last brace only: beyond it, each ``${:-`` would search in vain,
    up to the end."""
    closed, brace, rest = value.rpartition("}")
    return _NAMELESS.sub(r"\1", closed + brace) + rest


def _value(text: str, start: int, *, after_space: bool) -> tuple[str | None, int]:
    """The value at *start* and where it ends; None where its quote is left open."""
    first = text[start : start + 1]
    if first in {"'", '"'}:
        quoted, escape = (_SINGLE, _IN_SINGLE) if first == "'" else (_DOUBLE, _IN_DOUBLE)
        if not (found := quoted.match(text, start)):
            return None, start
        return escape.sub(lambda e: _CONTROL.get(e[1], e[1]), found[1]), found.end()
    if first == "#" and after_space:
        return "", start
    end = _UNQUOTED.match(text, start).end()  # type: ignore[union-attr] # matches nothing too
    if comment := _COMMENT.search(text, start, end):
        return text[start : comment.start()].rstrip(), end
    return text[start:end].rstrip(), end
