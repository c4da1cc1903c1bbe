"""Which SQLite we run on, what is known of it, and its errors in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import DatabaseBusy, DatabaseUnavailable, IntegrityViolation

if TYPE_CHECKING:
    import sqlite3
else:
    # The same module over a newer SQLite, where it has a wheel: see has_wal_reset_bug().
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["BUSY", "has_wal_reset_bug", "our_errors", "primary_code", "sqlite3"]

BUSY = {5, 6}  # SQLITEBUSY, SQLITE_LOCKED
_UNAVAILABLE = {  # primary result code: part of its text, and the same for an operator
    8: ("readonly", "it is read-only"),
    10: ("disk I/O error", "its file cannot be read or written"),
    11: ("malformed", "its file is damaged"),
    13: ("is full", "its disk is full"),
    14: ("unable to open", "its file cannot be opened"),
    26: ("not a database", "its file is no database"),
}
# Python 3.10's own module tells no code, only the text.
_CODE_BY_TEXT = {"locked": 5, **{text: code for code, (text, _) in _UNAVAILABLE.items()}}


def has_wal_reset_bug(version: tuple[int, int, int] | None = None) -> bool:
    """Whether this SQLite can corrupt a WAL database (sqlite.org/wal.html#walresetbug).

    In 3.7.0 to 3.51.2, except the repaired 3.44.6 and 3.50.7, a second checkpoint that starts
    right after a complete one, while another connection commits, can skip committed pages.
    """
    found = version or sqlite3.sqlite_version_info
    repaired_branch = (3, 44, 6) <= found < (3, 45, 0) or (3, 50, 7) <= found < (3, 51, 0)
    return found < (3, 51, 3) and not repaired_branch


class _OurErrors:
    """Foreign exceptions stop here. A mistake in our SQL passes: it is a bug, not weather.

    Around every statement, so written out: a generator's context manager costs as much as the
    statement does.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, sqlite3.DatabaseError) and (ours := _translated(error)) is not None:
            raise ours from error


our_errors = _OurErrors()


def _translated(error: sqlite3.DatabaseError) -> Exception | None:
    if isinstance(error, sqlite3.IntegrityError):
        return IntegrityViolation("The database refused the change.")
    code = primary_code(error)
    if code in BUSY:
        return DatabaseBusy("The database is busy. Try again in a moment.")
    if code in _UNAVAILABLE:
        return DatabaseUnavailable("The database is not available.", _UNAVAILABLE[code][1])
    return None


def primary_code(error: sqlite3.DatabaseError) -> int | None:
    """SQLite's result code, without its extension; None if it can't be told."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF
    text = str(error)
    return next((known for part, known in _CODE_BY_TEXT.items() if part in text), None)
