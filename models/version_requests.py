"""What may come in about versions, and about what becomes of a whole secret; the rest is in
requests.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models import shapes
from models.paging import CURSOR_RULE
from models.requests import Number, Query, Request, SecretNameField

MAX_DESTROYED = 100  # versions named in one call
_LARGEST = 2**31 - 1
VersionNumber = Annotated[int, Field(ge=1, le=_LARGEST)]


def _only_true(value: object) -> object:
    """``1 == True`` in Python, and ``false`` would mean nothing at all."""
    if value is not True:
        raise PydanticCustomError("all", "must be true, or left out")
    return value


def _cursor(text: str) -> str:
    if not (text.isascii() and text.isdigit()) or text[0] == "0" or int(text[:11]) > _LARGEST:
        raise PydanticCustomError("cursor", CURSOR_RULE)
    return text


class ListVersions(Query):
    """``GET /secrets/<name>:versions``."""

    limit: Annotated[Number, Field(ge=1, le=100)] = 50
    cursor: Annotated[str, AfterValidator(_cursor), shapes.NUMBER] | None = None

    @property
    def before(self) -> int:
        """The versions of the page have smaller numbers than this."""
        return _LARGEST + 1 if self.cursor is None else int(self.cursor)


class Rollback(Request):
    """``POST /secrets/<name>:rollback``."""

    version: VersionNumber


class Destroy(Request):
    """``POST /secrets/<name>:destroy``. What is to go is said in full: neither is the default."""

    model_config = ConfigDict(json_schema_extra=shapes.ONE_OF_ITS_FIELDS)

    versions: (
        Annotated[list[VersionNumber], Field(min_length=1, max_length=MAX_DESTROYED)] | None
    ) = None
    all: Annotated[Literal[True], BeforeValidator(_only_true)] | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Destroy:
        if len(self.model_fields_set) != 1 or (self.versions is None and self.all is None):
            raise PydanticCustomError("which", "needs either `versions` or `all`, and not null")
        return self


class Move(Request):
    """``POST /secrets/<name>:move``."""

    to: SecretNameField
