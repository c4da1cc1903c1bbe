"""Grants: what somebody may do with a secret that is another's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.errors import ReadOnlyGrant
from models.rows import SecretInfo, UserId, Username

Permission = Literal["read", "write"]  # write includes read
MAX_GRANTS = 100  # per secret


@dataclass(frozen=True, slots=True)
class Grant:
    """One secret, one grantee. The owner may end it at any time."""

    grantee: Username
    permission: Permission
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class Shared:
    """A live secret, as its grantee sees it: the newest value and its dates, never its labels,
    older versions or other grantees."""

    owner: UserId
    owner_name: Username
    info: SecretInfo
    grant: Grant

    def require_write(self) -> None:
        """Raises ReadOnlyGrant."""
        if self.grant.permission != "write":
            raise ReadOnlyGrant("This secret is shared with you for reading. Ask its owner.")
