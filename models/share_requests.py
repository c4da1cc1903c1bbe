"""What may come in about sharing; the rest is in requests.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.account_requests import ListSessions
from models.grants import Permission
from models.requests import MAX_VALUE_BYTES, Request, checked_value, from_base64
from models.rows import Change, Username, Value


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

    owner: Annotated[Username, AfterValidator(_username), shapes.USERNAME] | None = None
