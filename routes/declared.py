"""What a route declares about itself: requests are checked by it, and OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from models import requests
from models.rows import Principal

Access = Callable[[datetime], Principal | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer carries that is no problem.

    *shape* is its JSON; None where it has none of ours: a page, a bare value, no body. *headers*
    are those of :data:`routes.specification.HEADERS` that it has beside what every answer has.
    """

    shape: type[BaseModel] | None
    headers: tuple[str, ...] = ()


Answers = Mapping[int, Answer | type[BaseModel]]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What stands above a view. *refuses* names the errors that do not follow from the rest."""

    access: Access
    body: type[requests.Request]
    query: type[requests.Query]
    answers: Answers
    refuses: tuple[type[Exception], ...]
    produces: tuple[str, ...]
    plain_http: bool

    def answer(self, status: int) -> Answer:
        """What it answers with this status, however briefly that was declared."""
        declared = self.answers[status]
        return declared if isinstance(declared, Answer) else Answer(declared)


def declaration_of(view: object) -> Declaration | None:
    """What ``@endpoint`` was told above this view."""
    found = getattr(view, "declaration", None)
    return found if isinstance(found, Declaration) else None
