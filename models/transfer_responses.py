"""What may go out about an import; the rest is in responses.py. An export is a file, not fields."""

from __future__ import annotations

from collections.abc import Iterable

from models import rows
from models.responses import Response


class Imported(Response):
    """What became of one name."""

    name: str
    outcome: rows.ImportOutcome


class ImportReport(Response):
    """``POST /secrets:import``."""

    dry_run: bool  # whether this is what would happen, and nothing did
    secrets: list[Imported]

    @classmethod
    def of(cls, imported: Iterable[rows.Imported], *, dry_run: bool) -> ImportReport:
        """Shape what an import did, in the order of the file."""
        secrets = [Imported(name=one.name, outcome=one.outcome) for one in imported]
        return cls(dry_run=dry_run, secrets=secrets)
