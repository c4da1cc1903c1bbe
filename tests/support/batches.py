"""Batches in tests: what to send, and the answer."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.support.people import Person


def get_batch(person: Person, *names: Any) -> dict[str, Any]:
    """What a batch of names answers."""
    answer = person.post("/secrets:batchGet", json={"names": list(names)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json  # type: ignore[assignment]
    assert set(found) == {"secrets", "errors"}
    return found


def write_batch(person: Person, *writes: Any) -> TestResponse:
    """The answer to a batch of writes; a name alone is written with some value."""
    body = [{"name": one, "secret": "value"} if isinstance(one, str) else one for one in writes]
    return person.post("/secrets:batchWrite", json={"writes": body})


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    """So many writes of different names and values."""
    return [{"name": f"n/{i:03}", "secret": f"value-{i:03}", **fields} for i in range(count)]
