"""What comes of an operation whose database calls are made to fail."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Trial:
    """What came of an operation whose calls failed one after the other."""

    calls: int = 0  # that it makes when nothing fails
    failed: int = 0  # of them made to fail, before or after being carried out
    survived: int = 0  # of those, where the operation had happened all the same
    partial: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # answers
