"""What may come in about API tokens; the rest is in requests.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models import names, shapes
from models.account_requests import ListSessions
from models.powers import SCOPES, Powers, Scope, parse_network
from models.requests import Request

MAX_PREFIXES = MAX_CIDRS = 32
MAX_EXPIRES_IN = 3650 * 86_400  # seconds


def _name(text: str) -> str:
    if not names.is_token_name(text):
        raise PydanticCustomError("token_name", f"must be {names.TOKEN_NAME_RULE}")
    return text


def _prefixes(texts: list[str]) -> list[str]:
    """The empty one, which every name begins with, would be a limit that limits nothing."""
    if not all(text and names.begins_a_name(text) for text in texts):
        raise PydanticCustomError("prefixes", "each must be the beginning of a secret's name")
    return sorted(set(texts))


def _cidrs(texts: list[str]) -> list[str]:
    try:
        return sorted({str(parse_network(text)) for text in texts})
    except ValueError as error:  # its text quotes the value
        raise PydanticCustomError(
            "cidrs", "each must be a network such as 10.0.0.0/8 or 2001:db8::/32, no bits after it"
        ) from error


class NewToken(Request):
    """``POST /tokens``. A limit that is left out, or ``null``, is none; an empty list could mean
    "nothing" as well as "everything", and is refused."""

    name: Annotated[str, AfterValidator(_name), shapes.TOKEN_NAME]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
    prefixes: (
        Annotated[
            list[Annotated[str, shapes.TOKEN_PREFIX]],
            Field(min_length=1, max_length=MAX_PREFIXES),
            AfterValidator(_prefixes),
        ]
        | None
    ) = None
    cidrs: (
        Annotated[
            list[Annotated[str, shapes.CIDR]],
            Field(min_length=1, max_length=MAX_CIDRS),
            AfterValidator(_cidrs),
        ]
        | None
    ) = None
    expires_in: Annotated[int, Field(ge=1, le=MAX_EXPIRES_IN)] | None = None  # seconds

    def powers(self, now: datetime) -> Powers:
        """The same, as a token carries it."""
        lifetime = self.expires_in
        return Powers(
            scopes=tuple(sorted(set(self.scopes))),
            prefixes=tuple(self.prefixes or ()),
            cidrs=tuple(self.cidrs or ()),
            expires_at=None if lifetime is None else now + timedelta(seconds=lifetime),
        )


class ListTokens(ListSessions):
    """``GET /tokens``: pages as those of sessions."""
