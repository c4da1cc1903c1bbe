"""Requests with a limit: an installation that has one, and somebody who asks again and again."""

from __future__ import annotations

from config import Settings
from tests.support.people import Person

HOME, AWAY = "192.0.2.1", "198.51.100.7"


def limited(settings: Settings, principal: int, source: int) -> Settings:
    """The same installation with these limits."""
    return settings.model_copy(
        update={
            "REQUESTS_PER_MINUTE_PRINCIPAL": principal,
            "REQUESTS_PER_MINUTE_SOURCE": source,
        }
    )


def get(person: Person, path: str = "/secrets", address: str = HOME) -> int:
    """GET from *address*; the status."""
    return person.get(path, environ_base={"REMOTE_ADDR": address}).status_code
