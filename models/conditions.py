"""Conditional requests: ``If-Match`` and ``If-None-Match`` as values (RFC 9110 section 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.errors import PreconditionFailed
from models.rows import SecretInfo

Tags = frozenset[str] | Literal["*"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold of a secret for a write to happen. Checked inside its transaction."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None

    def require(self, found: SecretInfo | None) -> None:
        """Raises PreconditionFailed. *found* is None where no live secret has the name."""
        if self.if_match is not None and not _matches(self.if_match, found):
            raise PreconditionFailed(
                "The secret is not in the state that If-Match names. Read it again, then decide."
            )
        if self.if_none_match is not None and _matches(self.if_none_match, found):
            raise PreconditionFailed(
                "The secret is already in a state that If-None-Match rules out. It was not changed."
            )


UNCONDITIONAL = Conditions()


def _matches(tags: Tags, found: SecretInfo | None) -> bool:
    return found is not None and (tags == "*" or found.tag in tags)
