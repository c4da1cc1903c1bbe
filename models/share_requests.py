"""What may come in about sharing; the rest is in requests.py."""

from __future__ import annotations

from pydantic import Field

from models.account_requests import ListSessions
from models.grants import Permission
from models.requests import Request, UsernameField, WithValue
from models.rows import Change


class Share(Request):
    """``POST /secrets/<name>:share``."""

    username: UsernameField
    permission: Permission


class Unshare(Request):
    """``POST /secrets/<name>:unshare``."""

    username: UsernameField


class PatchShared(WithValue):
    """``PATCH /shared/<owner>/<name>``: a value. The rest of a secret is its owner's affair."""

    secret: str = Field(repr=False)

    def change(self) -> Change:
        """The same, as the data layer takes it."""
        return Change(value=self.value)


class ListShares(ListSessions):
    """``GET /secrets/<name>:shares``: pages as those of sessions."""


class ListShared(ListSessions):
    """``GET /shared``: pages as those of sessions, of one owner or of all."""

    owner: UsernameField | None = None
