"""What may come in about many secrets at once; the rest is in requests.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from models import rows
from models.errors import BodyTooLarge
from models.requests import NewSecret, Request

MAX_BATCH = 100


def _refuse_repeated(names: list[str]) -> None:
    """Two writes of one secret would depend on their order, and a name read twice is a mistake.

    The first that repeats is told by its place: a name is something that the caller sent.
    """
    for place, name in enumerate(names):
        if name in names[:place]:
            message = f"each name may occur once; entry {place}, counted from 0, repeats another"
            raise PydanticCustomError("names", "{message}", {"message": message})


def _unique(names: list[str]) -> list[str]:
    _refuse_repeated(names)
    return names


class BatchGet(Request):
    """``POST /secrets:batchGet``. No rule for names: one that no secret can have is absent."""

    names: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_BATCH, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_unique),
    ]


class Write(NewSecret):
    """What is said of one secret in a batch: as for a PUT, with the name."""

    if_version: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None

    @model_validator(mode="after")
    def _value_can_be_kept(self) -> Write:
        """Too large is 413 elsewhere, which could not tell which of the values it is."""
        try:
            _ = self.value
        except BodyTooLarge as error:
            raise PydanticCustomError("secret", "{why}", {"why": str(error)}) from error
        return self

    def write(self) -> rows.Write:
        """The same, as the data layer takes it."""
        return rows.Write(self.name, self.change(), self.if_version)


def _one_each(writes: list[Write]) -> list[Write]:
    _refuse_repeated([write.name for write in writes])
    return writes


class BatchWrite(Request):
    """``POST /secrets:batchWrite``."""

    writes: Annotated[
        list[Write], Field(min_length=1, max_length=MAX_BATCH), AfterValidator(_one_each)
    ]
