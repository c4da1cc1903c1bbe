"""What may go out about versions; the rest is in responses.py. No value, no key, no ciphertext."""

from __future__ import annotations

from models import rows
from models.responses import Moment, Response


class Version(Response):
    """One version: when it was written, by whom, and with which credential."""

    version: int
    created_at: Moment
    by: str  # a username, as it was then
    credential: str  # "session", or the name of the API token

    @classmethod
    def of(cls, version: rows.VersionInfo) -> Version:
        """Shape a version's metadata for the secret's owner."""
        return cls(
            version=version.number,
            created_at=version.created_at,
            by=version.author.username,
            credential=version.author.credential,
        )


class VersionList(Response):
    """``GET /secrets/<name>:versions``."""

    versions: list[Version]
    next_cursor: str | None


class Destroyed(Response):
    """``POST /secrets/<name>:destroy``."""

    name: str
    versions_destroyed: int
