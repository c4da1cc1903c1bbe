"""No events of reads: where a test counts on a free lock, or on each call to the database."""

from __future__ import annotations

from utils.vault import Vault


def without_queued_events(vault: Vault) -> None:
    """Nothing is written later by a thread; what is recorded in transactions still is."""
    vault.audit.add = lambda *_events, **_options: None  # type: ignore[method-assign]
