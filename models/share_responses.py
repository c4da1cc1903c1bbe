"""What may go out about sharing: allow-lists, like those in responses.py."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models import grants, rows
from models.responses import Moment, Response, allowed, value_fields


class Granted(Response):
    """``POST /secrets/<name>:share``: who may do what, for the owner."""

    username: str
    permission: grants.Permission
    granted_at: Moment

    @classmethod
    def of(cls, grant: grants.Grant) -> Granted:
        """Shape a grant for the secret's owner."""
        return cls(username=grant.grantee, permission=grant.permission, granted_at=grant.granted_at)


class ShareList(Response):
    """``GET /secrets/<name>:shares``."""

    shares: list[Granted]
    next_cursor: str | None


class Unshared(Response):
    """``POST /secrets/<name>:unshare``."""

    username: str
    unshared: Literal[True] = True


class SharedInfo(Response):
    """``PATCH /shared/<owner>/<name>``: somebody else's secret without its value. Labels are the
    owner's own notes."""

    owner: str
    name: str
    permission: grants.Permission
    granted_at: Moment
    version: int
    created_at: Moment
    updated_at: Moment
    expires_at: Moment | None

    @classmethod
    def of(cls, shared: grants.Shared) -> SharedInfo:
        """Shape a secret's metadata for its grantee."""
        return cls(**allowed(cls, shared.info, **_grant(shared)))


class SharedList(Response):
    """``GET /shared``."""

    shares: list[SharedInfo]
    next_cursor: str | None


class SharedSecret(SharedInfo):
    """``GET /shared/<owner>/<name>``."""

    secret: str = Field(repr=False)
    encoding: Literal["text", "base64"]

    @classmethod
    def holding(cls, shared: grants.Shared, secret: rows.Secret) -> SharedSecret:
        """Shape a secret with its value for its grantee."""
        value = value_fields(secret.value)
        return cls(**allowed(cls, shared.info, **_grant(shared), **value))


def _grant(shared: grants.Shared) -> dict[str, Any]:
    return {
        "owner": shared.owner_name,
        "permission": shared.grant.permission,
        "granted_at": shared.grant.granted_at,
    }
