"""What may come in about the audit trail."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.events import EventQuery
from models.paging import CURSOR_RULE
from models.requests import Moment, Number, Query

_NEWEST = 2**63 - 1
_ACTION = re.compile(r"[a-z-]{1,32}(\.[a-z-]{1,32})?\Z")


def _cursor(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > _NEWEST:
        raise PydanticCustomError("cursor", CURSOR_RULE)
    return text


def _action(text: str) -> str:
    if not _ACTION.match(text):
        raise PydanticCustomError("action", "must be an action such as secret.read")
    return text


def _about(text: str) -> str:
    if not (names.parse_secret_name(text) or names.is_token_name(text) or names.is_id(text)):
        raise PydanticCustomError("name", "must be a name, or the id of a session or token")
    return text


def _prefix(text: str) -> str:
    if not names.is_name_prefix(text):
        raise PydanticCustomError("prefix", "must be the beginning of a secret's name")
    return text


class ListEvents(Query):
    """``GET /audit``."""

    action: Annotated[str, AfterValidator(_action), shapes.ACTION] | None = None
    name: Annotated[str, AfterValidator(_about), shapes.SECRET_NAME] | None = None
    prefix: Annotated[str, AfterValidator(_prefix), shapes.PREFIX] | None = None
    outcome: Literal["ok", "refused"] | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[Number, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, AfterValidator(_cursor), shapes.NUMBER] | None = None

    def query(self) -> EventQuery:
        """What to ask for: one more than the page holds tells whether there is another."""
        return EventQuery(
            before=_NEWEST if self.cursor is None else int(self.cursor),
            limit=self.limit + 1,
            action=self.action,
            name=self.name,
            prefix=self.prefix,
            outcome=self.outcome,
            since=self.since,
            until=self.until,
        )
