"""Work that has time: commands wait for a busy database, where a request would be answered 503."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from models.errors import DatabaseBusy
from utils.db import Database

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.1


def patiently(db: Database, attempt: Callable[[], int]) -> int:
    """Run a transaction again while the database is busy. Raises DatabaseBusy in the end.

    A rotation has time: better to wait for half a minute than to leave the work to tomorrow.
    And it is the one to step back: its pauses grow longer than those of a waiting writer.
    """
    deadline, pause = time.monotonic() + db.patience_seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            return attempt()
        except DatabaseBusy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0, pause))  # noqa: S311 - only to be out of step with others
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
