"""Time: sessions and tokens end by it, so it must not go backwards, nor differ between nodes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

from models.findings import Finding, danger, ok, warn
from models.times import rfc3339
from utils.db import Tx
from utils.store import moments

_NOTICED, _BAD = timedelta(seconds=5), timedelta(seconds=60)
_SET_IT = "Set this machine's clock, and let NTP keep it."
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_STRUCTURE_BYTES = 512  # struct timex has 208


def examine_clock(tx: Tx, now: datetime) -> Iterator[Finding]:
    """Against what is stored, and the database's own clock where it has one."""
    behind = (moments.newest(tx) or now) - now
    server = moments.clock(tx)
    apart = abs(server - now) if server else timedelta(0)
    yield clock(now, max(behind, apart), ahead=behind >= apart)
    yield synchronised(clock_state())


def clock(now: datetime, off: timedelta, *, ahead: bool) -> Finding:
    """*off* is how far it is from what it must be."""
    seconds = f"{off.total_seconds():.0f} s"
    if ahead:
        what = f"It is {rfc3339(now)} here, but something was stored {seconds} later: "
        what += "the clock went backwards, or another node's is ahead."
    else:
        what = f"This machine's clock and the database's differ by {seconds}."
    if off > _BAD:
        return danger("clock", f"{what} What has expired can come to life again.", _SET_IT)
    if off > _NOTICED:
        return warn("clock", what, _SET_IT)
    return ok("clock", f"It is {rfc3339(now)}, after all that is stored.")


def synchronised(state: int | None) -> Finding:
    """What the kernel says of it."""
    if state is None:
        return ok("clock-sync", "Whether NTP keeps the clock cannot be told here.")
    if state == _UNSYNCHRONISED:
        what = "The kernel's clock is not synchronised with any other."
        return warn("clock-sync", what, "Run an NTP client, such as systemd-timesyncd or chrony.")
    return ok("clock-sync", "The kernel's clock is synchronised.")


def clock_state() -> int | None:
    """What adjtimex(2) answers; it is asked to change nothing. None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    state: int = function(ctypes.create_string_buffer(_STRUCTURE_BYTES))
    return None if state < 0 else state
