"""SIGTERM and Ctrl-C for a command: it stops where nothing is half done, and says so.

An exception out of a signal handler would come anywhere: inside an import, which then looks broken,
or between a lock and its release. So the handler only takes a note, and the database asks for
it before each transaction (``Database.at_rest``).
"""

from __future__ import annotations

import signal
import sys
import threading


class Interrupted(Exception):
    """Somebody asked the command to stop."""


class Interruption:
    """Whether somebody did. Takes over both signals when it is made."""

    def __init__(self) -> None:
        self._requested = False
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._note)

    def _note(self, _signal: int, _frame: object) -> None:
        self._requested = True

    def check(self) -> None:
        """Raises Interrupted, once for each request: what follows it can still use the database."""
        if self._requested:
            self._requested = False
            raise Interrupted


def exit_on_sigterm() -> None:
    """Let SIGTERM end a process as its main function would, where it would just stop: so that what
    threads have yet to write is written. For Flask's own server, which does not see to it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
