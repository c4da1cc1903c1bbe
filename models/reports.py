"""What a command tells of its work: how far it is, what it did, and what it could not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[int], None]  # told, again and again, how many more are done


@dataclass(frozen=True, slots=True)
class Fault:
    """Something stored that is not as it must be: where (by id) and what."""

    where: str
    what: str


@dataclass
class Report:
    """What a rotation did so far, and what it could not do."""

    switched: int = 0
    signing_keys: int = 0
    reencrypted: int = 0
    destroyed: int = 0
    rewrapped: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def leaves_remains(self) -> bool:
        """Whether keys were deleted or replaced, which the database's files still hold."""
        return bool(self.destroyed or self.signing_keys or self.rewrapped)
