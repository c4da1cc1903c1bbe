"""What an operator's command shows: one result on stdout, what is wrong on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

import click

from models.errors import DatabaseUnavailable, SecretsManagerError
from models.reports import Fault, Progress

DONE, INCOMPLETE = 0, 1  # exit statuses
_MOST_FAULTS_SHOWN = 100


class Output:
    """One summary line, or one JSON object, on stdout; faults and errors on stderr.

    A progress bar only on a terminal: cron mails whatever else is printed.
    """

    def __init__(self, *, as_json: bool, quiet: bool, command: str = "rotate_keys.py") -> None:
        self._command = command
        self._as_json = as_json
        self._quiet = quiet
        self._faults: list[Fault] = []

    def progress(self, label: str, count: Callable[[], int]) -> AbstractContextManager[Progress]:
        """A bar over as many steps as *count* says, or nothing where nobody watches: then
        nothing needs counting either."""
        if self._quiet or not sys.stderr.isatty():
            return nullcontext(lambda _done: None)
        return _bar(label, count())

    def faults(self, faults: list[Fault]) -> None:
        """Name each fault. Also with --quiet: they are what is wrong."""
        self._faults = faults
        if self._as_json:
            return
        for fault in faults[:_MOST_FAULTS_SHOWN]:
            print(f"fault: {fault.where}: {fault.what}", file=sys.stderr)
        if len(faults) > _MOST_FAULTS_SHOWN:
            print(f"... and {len(faults) - _MOST_FAULTS_SHOWN} more", file=sys.stderr)

    def table(self, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Columns for people; with --json the summary holds the same."""
        if self._as_json or self._quiet:
            return
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in (header, *rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(line.rstrip())

    def summary(self, line: str, facts: dict[str, Any]) -> None:
        """The result. With --quiet only if there are faults."""
        if self._quiet and not self._faults:
            return
        if self._as_json:
            shown = [asdict(fault) for fault in self._faults]
            print(json.dumps({"ok": not shown, **facts, "faults": shown}))
        else:
            print(line)

    def failure(self, status: int, sentence: str) -> int:
        """Why nothing, or not everything, was done; always told."""
        if self._as_json:
            print(json.dumps({"ok": False, "exit": status, "error": sentence}))
        print(f"{self._command}: {sentence}", file=sys.stderr)
        return status


def sentence(error: SecretsManagerError) -> str:
    """For the operator, who may know more than a caller of the API."""
    if isinstance(error, DatabaseUnavailable) and error.why:
        return f"{str(error).removesuffix('.')}: {error.why}."
    return str(error)


@contextmanager
def _bar(label: str, length: int) -> Iterator[Progress]:
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update
