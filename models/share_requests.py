"""What may come in about sharing; the rest is in requests.py."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from models import shapes
from models.account_requests import ListSessions
from models.grants import Permission
from models.requests import MAX_VALUE_BYTES, Request, UsernameField, checked_value, from_base64
from models.rows import Change, Value

Position = tuple[int, str]  # in a list: when it was granted, and the grant's id


class Share(Request):
    """``POST /secrets/<name>:share``."""

    username: UsernameField
    permission: Permission


class Unshare(Request):
    """``POST /secrets/<name>:unshare``."""

    username: UsernameField


class PatchShared(Request):
    """``PATCH /shared/<owner>/<name>``: a value. The rest of a secret is its owner's affair."""

    model_config = shapes.secret_fields(MAX_VALUE_BYTES)

    secret: str = Field(repr=False)
    encoding: Literal["text", "base64"] = "text"

    @model_validator(mode="after")
    def _value_can_be_kept(self) -> PatchShared:
        self._value()
        return self

    def _value(self) -> Value:
        if self.encoding == "base64":
            return checked_value(from_base64(self.secret), "bytes")
        return checked_value(self.secret.encode(), "text")

    def change(self) -> Change:
        """The same, as the data layer takes it."""
        return Change(value=self._value())


class ListShares(ListSessions):
    """``GET /secrets/<name>:shares``: pages as those of sessions."""


class ListShared(ListSessions):
    """``GET /shared``: pages as those of sessions, of one owner or of all."""

    owner: UsernameField | None = None


def cursor_after(last: Position | None) -> str | None:
    """An opaque cursor for the page that follows *last*; None if there is none."""
    return None if last is None else f"{last[0]}.{last[1]}"
