"""What may come in about sharing; the rest is in requests.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.account_requests import ListSessions
from models.grants import Permission
from models.requests import Request, WithValue
from models.rows import Change, Username


def _username(text: str) -> Username:
    if (parsed := names.parse_username(text)) is None:
        raise PydanticCustomError("username", f"must be {names.USERNAME_RULE}")
    return parsed


class Share(Request):
    """``POST /secrets/<name>:share``."""

    username: Annotated[Username, AfterValidator(_username), shapes.USERNAME]
    permission: Permission


class Unshare(Request):
    """``POST /secrets/<name>:unshare``."""

    username: Annotated[Username, AfterValidator(_username), shapes.USERNAME]


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

    owner: Annotated[Username, AfterValidator(_username), shapes.USERNAME] | None = None
