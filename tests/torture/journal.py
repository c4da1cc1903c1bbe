"""What a client knows it stored: the journal that the database is held against."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Encoding = Literal["text", "base64"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A secret as its owner sees it. Two are equal if nothing that was acknowledged differs."""

    data: bytes = field(repr=False)
    encoding: Encoding
    labels: dict[str, str]
    version: int

    @classmethod
    def read(cls, body: dict[str, Any]) -> Stored:
        """From the answer to ``GET /secrets/<name>``."""
        text, encoding = body["secret"], body["encoding"]
        data = base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
        return cls(data, encoding, body["labels"], body["version"])

    @property
    def digest(self) -> str:
        """Names the value without keeping it: a journal outlives many megabytes of values."""
        return digest(self.encoding == "text", self.data)

    def __str__(self) -> str:
        return f"version {self.version}, {len(self.data)} bytes {self.digest[:8]}, {self.labels}"


def digest(is_text: bool, data: bytes) -> str:
    """A name for a value and its kind."""
    return hashlib.sha256((b"text:" if is_text else b"bytes:") + data).hexdigest()


@dataclass(slots=True)
class Page:
    """One secret's page in the journal."""

    name: str
    now: Stored | None = None  # None: absent
    etag: str | None = None  # None: unknown, because the answer that told it was lost
    last_version: int = 0  # a name that is created again continues its numbering
    digests: dict[int, str] = field(default_factory=dict)  # of every version that must exist

    def keep(self, state: Stored | None, etag: str | None) -> None:
        """Note a state that was acknowledged, or that was found after an answer got lost."""
        self.now, self.etag = state, etag
        if state is not None:
            self.last_version = state.version
            self.digests[state.version] = state.digest

    def contradicts(self, found: Stored | None, etag: str | None) -> str:
        """In words, why what was read back is not what is written here; empty if it is."""
        if found != self.now:
            return f"{self.name} should be {self.now or 'absent'} and is {found or 'absent'}"
        if None not in (self.etag, etag) and etag != self.etag:
            return f"{self.name} changed its ETag though nothing changed it"
        return ""
