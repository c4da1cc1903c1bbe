"""What may come in about accounts and sessions; the rest is in requests.py."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.paging import CURSOR_RULE, NEWEST, Position
from models.requests import NewPassword, Number, Query, Request, UsernameField


class Register(Request):
    """``POST /register``."""

    username: UsernameField
    password: NewPassword


class Login(Request):
    """``POST /login``.

    No rules here: a name that can't exist and a password that could never have been set must
    fail the same way, and after the same work, as a wrong one.
    """

    username: str
    password: str = Field(repr=False)


class ChangePassword(Request):
    """``PUT /account/password``. The current one as it is, without rules, like a login's."""

    current_password: str = Field(repr=False)
    new_password: NewPassword


class DeleteAccount(Request):
    """``DELETE /account``."""

    password: str = Field(repr=False)


def _cursor(text: str) -> str:
    moment, _, number = text.partition(".")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", moment) or not names.is_id(number):
        raise PydanticCustomError("cursor", CURSOR_RULE)
    return text


class ListSessions(Query):
    """``GET /sessions``."""

    limit: Annotated[Number, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, AfterValidator(_cursor), shapes.MOMENT_CURSOR] | None = None

    def after(self) -> Position:
        """Where the page before ended."""
        if self.cursor is None:
            return NEWEST
        moment, _, number = self.cursor.partition(".")
        return int(moment), number
