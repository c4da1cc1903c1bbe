"""Time as the service keeps and shows it.

The database holds whole microseconds since 1970-01-01T00:00Z: an integer sorts and compares
the same on SQLite and PostgreSQL, and no engine's opinion about time zones can change it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
# RFC 3339 section 5.6. datetime.fromisoformat alone takes much more, and differs by version.
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?"
    r"(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))\Z",
    re.ASCII,
)


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


def parse_rfc3339(text: str) -> datetime | None:
    """The inverse of :func:`rfc3339`, of any offset, in UTC; None for what is not written so.

    Digits beyond microseconds are dropped. Raises ValueError for a time that does not exist, such
    as on 31 February.
    """
    match = _RFC3339.match(text)
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    written = f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{offset or '+00:00'}"
    try:
        return datetime.fromisoformat(written).astimezone(timezone.utc)
    except OverflowError as error:  # year 1 east of Greenwich
        raise ValueError("no such time") from error
