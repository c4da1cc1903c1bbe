"""The log of a server as its reader has it: a JSON object a line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 20


def logged(log: Path, event: str) -> list[dict[str, Any]]:
    """All lines of one kind so far. Lines that are not JSON are the server program's own."""
    lines = log.read_text("utf-8").splitlines()
    parsed = [json.loads(line) for line in lines if line.startswith("{")]
    return [fields for fields in parsed if fields["event"] == event]


def line_of(log: Path, request_id: str | None) -> dict[str, Any]:
    """The one line of a request. It may come a moment later than the answer."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = [line for line in logged(log, "request") if line["request_id"] == request_id]
        if found or time.monotonic() > deadline:
            (line,) = found
            return line
        time.sleep(0.02)
