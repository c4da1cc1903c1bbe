"""What the writers do: random operations on a secret, each with the state it leads to."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, replace
from typing import Any

from tests.torture.journal import Encoding, Page, Stored

_LARGEST = 64 * 1024
_TEXT_SAMPLE = 'ünï✓ "quoted" \\ {"json": null}\n\t\x00 '


@dataclass(frozen=True, slots=True)
class Operation:
    """A request, and the state of the secret if it is carried out."""

    method: str
    path: str
    after: Stored | None
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def choose(rng: random.Random, page: Page) -> Operation:
    """Something that must succeed in the state that *page* tells."""
    if page.now is None:
        return rng.choice((_create, _put))(rng, page)
    # Mostly PUT: each is a new version, and the other two are one kind of change each.
    return rng.choices((_put, _relabel, _patch, _delete), (6, 2, 1, 2))[0](rng, page)


def _create(rng: random.Random, page: Page) -> Operation:
    after, fields = _new_value(rng, page, labels=_labels(rng))
    body = {"name": page.name, "labels": after.labels, **fields}
    return Operation("POST", "/secrets", after, {"json": body})


def _put(rng: random.Random, page: Page) -> Operation:
    """Labels that a PUT does not mention stay."""
    kept = page.now.labels if page.now else {}
    path = f"/secrets/{page.name}"
    if rng.random() < 0.3:  # the bare value as the body
        after, _ = _new_value(rng, page, labels=kept)
        kind = "text/plain" if after.encoding == "text" else "application/octet-stream"
        return Operation(
            "PUT", path, after, {"data": after.data, "headers": {"Content-Type": kind}}
        )
    labels = _labels(rng) if rng.random() < 0.5 else None
    after, fields = _new_value(rng, page, labels=kept if labels is None else labels)
    mentioned = {} if labels is None else {"labels": labels}
    return Operation("PUT", path, after, {"json": {**fields, **mentioned}})


def _relabel(rng: random.Random, page: Page) -> Operation:
    """Labels alone: no new version."""
    assert page.now is not None
    labels = _labels(rng)
    after = replace(page.now, labels=labels)
    return Operation("PATCH", f"/secrets/{page.name}", after, {"json": {"labels": labels}})


def _patch(rng: random.Random, page: Page) -> Operation:
    """Value and labels in one request: half of it must never happen."""
    labels = _labels(rng)
    after, fields = _new_value(rng, page, labels=labels)
    return Operation(
        "PATCH", f"/secrets/{page.name}", after, {"json": {**fields, "labels": labels}}
    )


def _delete(_rng: random.Random, page: Page) -> Operation:
    return Operation("DELETE", f"/secrets/{page.name}", None, {})


def _new_value(
    rng: random.Random, page: Page, labels: dict[str, str]
) -> tuple[Stored, dict[str, str]]:
    """The next version with a random value, and the fields of a body that says so."""
    data, encoding = _value(rng)
    text = base64.b64encode(data).decode() if encoding == "base64" else data.decode()
    stored = Stored(data, encoding, labels, page.last_version + 1)
    return stored, {"secret": text, "encoding": encoding}


def _value(rng: random.Random) -> tuple[bytes, Encoding]:
    """0 bytes to 64 KiB, mostly short, so that a long run fits on a disk; text or bytes."""
    size = rng.choices((0, _LARGEST, int(_LARGEST * rng.random() ** 10)), (4, 1, 95))[0]
    if rng.random() < 0.5:
        return rng.randbytes(size), "base64"
    text = _TEXT_SAMPLE.encode() + rng.randbytes(size // 2).hex().encode()
    # Cut between characters, not inside one.
    return text[:size].decode(errors="ignore").encode(), "text"


def _labels(rng: random.Random) -> dict[str, str]:
    """Never the same twice, so that a relabelling that was lost shows."""
    labels = {"run": rng.randbytes(8).hex()}
    if rng.random() < 0.3:
        labels["place"] = rng.choice(("prod", "staging", 'with "quotes"', "ünï"))
    return labels
