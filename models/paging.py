"""Pages of lists: where one begins and ends, and how a caller is told.

A page begins after the last entry of the one before, by index: so the millionth costs as much as
the first, and what is written meanwhile neither repeats nor hides an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from models.times import to_microseconds

Entry = TypeVar("Entry")
# In a list that is newest first: when the entry was made, in microseconds, and its id.
Position = tuple[int, str]

NEWEST: Position = (2**63 - 1, "")  # before every entry
CURSOR_RULE = "must be the `next_cursor` of a page, unchanged"


def cut(found: Sequence[Entry], limit: int) -> tuple[Sequence[Entry], Entry | None]:
    """The page, where one entry more than *limit* was asked for; and its last entry, if that shows
    that another page follows."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def cursor_of(position: Position) -> str:
    """An opaque cursor for the page that follows this position."""
    return f"{position[0]}.{position[1]}"


def cursor_at(moment: datetime, number: str) -> str:
    """The same for what was made at *moment* and has this id."""
    return cursor_of((to_microseconds(moment), number))
