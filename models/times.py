"""Time as the service keeps and shows it.

The database holds whole microseconds since 1970-01-01T00:00Z: an integer sorts and compares
the same on SQLite and PostgreSQL, and no engine's opinion about time zones can change it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def utcnow() -> datetime:
    """The current time. Called once per request or command, then passed on as ``now``."""
    return datetime.now(timezone.utc)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch, exactly (a float timestamp would round)."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The inverse of :func:`to_microseconds`."""
    return _EPOCH + microseconds * _MICROSECOND


def maybe_from_microseconds(microseconds: int | None) -> datetime | None:
    """Like :func:`from_microseconds`, for columns that may be NULL."""
    return None if microseconds is None else from_microseconds(microseconds)


def rfc3339(moment: datetime) -> str:
    """``2026-11-24T02:07:00.000000Z`` (RFC 3339, always UTC, always microseconds)."""
    # Not strftime: glibc's %Y writes the year 1 as "1".
    text = moment.astimezone(timezone.utc).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"
