"""From a request to a view and back. What a view takes is declared above it; it never parses.

The order is fixed: may this caller call, and reach the name in the URL → query string → body → the
view. A view is a few lines: one transaction, then the shape of the answer. It may run again where
the database undid its transaction, so what else it does must not matter twice.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Concatenate, Generic, ParamSpec, TypeVar

from flask import Response, request
from pydantic import BaseModel
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from models import requests
from models.errors import MissingPower, NotAcceptable, NotAuthenticated
from models.event_details import Detail
from models.events import ChainId
from models.rows import Account, Act, ApiToken, Author, Principal, Session
from models.times import utcnow
from routes import trail
from routes.context import current_vault
from routes.declared import Access, Answers, Declaration
from routes.pace import count_principal
from routes.parsing import parse_body, parse_query
from utils.db import Tx

Body = TypeVar("Body", bound=requests.Request)
Query = TypeVar("Query", bound=requests.Query)
Path = ParamSpec("Path")

JSON = "application/json"
_SOON = timedelta(seconds=1)
_REMEMBERED = 256  # Accept headers


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """A request that may proceed, parsed."""

    body: Body
    query: Query
    now: datetime
    accepts: str  # the media type to answer with
    caller: Principal | None

    @property
    def session(self) -> Session:
        """The caller's session, on routes that take nothing else."""
        if not isinstance(self.caller, Session):
            raise NotAuthenticated("Log in with POST /login.")
        return self.caller

    @property
    def account(self) -> Account:
        """Whose secrets this is about, on routes that take a session or an API token."""
        if self.caller is None:
            raise NotAuthenticated("Log in with POST /login.")
        return self.caller.account

    @property
    def act(self) -> Act:
        """The circumstances of a write by this caller to secrets of their own."""
        credential = self.caller.name if isinstance(self.caller, ApiToken) else "session"
        author = Author(self.account.username, credential)
        return Act(self.account.id, author, self.now, current_vault().settings.limits)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The beginnings of names that the caller is limited to; none: no limit."""
        return self.caller.powers.prefixes if isinstance(self.caller, ApiToken) else ()

    @property
    def may_learn_values(self) -> bool:
        """Whether an answer may tell the caller something of a value, if only that it is equal."""
        return not isinstance(self.caller, ApiToken) or "read" in self.caller.powers.scopes

    def require_name(self, name: str) -> None:
        """Raises MissingPower if the caller does not reach this name, whether it is there or not.

        For names in bodies, before anything is looked up: those in URLs are checked already. Of
        several, the refused one is what the request's event is about.
        """
        if isinstance(self.caller, ApiToken):
            try:
                self.caller.powers.require_name(name)
            except MissingPower:
                trail.about(name)
                raise

    def record(
        self,
        tx: Tx,
        *names: str,
        chain: ChainId | None = None,
        details: Sequence[Detail] = (),
    ) -> None:
        """The event of what was done, one for each of *names*, in the transaction that does it, as
        the last thing in it: it locks the end of the chain.

        *chain*: where it belongs, if not to the account; *details*: what each says besides.
        """
        trail.record(tx, self.now, *names, chain=chain, details=details)


def endpoint(
    *,
    access: Access,
    audit: str | trail.Unrecorded,
    body: type[Body],
    query: type[Query],
    answers: Answers,
    refuses: tuple[type[Exception], ...] = (),
    produces: tuple[str, ...] = (JSON,),
    plain_http: bool = False,
) -> Callable[[Callable[Concatenate[Call[Body, Query], Path], Response]], Callable[Path, Response]]:
    """Declare who may call, what the body and the query hold, what comes back, and what the audit
    trail calls it: what the request is checked by, and what ``GET /openapi.json`` tells.

    *answers* has what each good status carries. *refuses* has the view's own errors; those of
    *access*, *body*, *query* and *produces* follow from them. *plain_http* marks the routes that
    carry no credentials and so need no TLS.
    """
    declared = Declaration(access, body, query, answers, refuses, produces, plain_http)

    def decorate(
        view: Callable[Concatenate[Call[Body, Query], Path], Response],
    ) -> Callable[Path, Response]:
        @functools.wraps(view)
        def handle(*args: Path.args, **kwargs: Path.kwargs) -> Response:
            began = utcnow()
            trail.begin(audit, kwargs)
            caller = access(began)
            count_principal(caller, began)
            if isinstance(caller, ApiToken) and "name" in kwargs:
                caller.powers.require_name(str(kwargs["name"]))
            accepts, asked, sent = _negotiate(produces), parse_query(query), parse_body(body)
            # A body comes as slowly as its sender likes. What counts is when it was all there: who
            # had begun to send before could else do what they no longer may, in a time gone by.
            now = utcnow()
            if now - began > _SOON:
                caller = access(now)
            call = Call(sent, asked, now, accepts, caller)
            response = trail.retried(lambda: view(call, *args, **kwargs))
            trail.answered(now)
            return response

        handle.declaration = declared  # type: ignore[attr-defined]
        handle.access = access  # type: ignore[attr-defined]
        handle.plain_http = plain_http  # type: ignore[attr-defined]
        handle.audit = audit  # type: ignore[attr-defined]
        return handle

    return decorate


def answer(
    shaped: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response."""
    response = Response(shaped.model_dump_json(), status=status, content_type=JSON)
    if headers:
        response.headers.update(headers)
    return response


def _negotiate(produces: tuple[str, ...]) -> str:
    """The first of *produces* unless the caller prefers another (RFC 9110 section 12.5.1)."""
    sent = request.headers.get("Accept", "")
    chosen = _preferred(sent, produces) if sent else produces[0]
    if chosen is None:
        raise NotAcceptable(f"This URL answers with: {', '.join(produces)}.")
    return chosen


@functools.lru_cache(_REMEMBERED)
def _preferred(sent: str, produces: tuple[str, ...]) -> str | None:
    # Many clients ask for "application/json; charset=utf-8", which Werkzeug takes for another type.
    plain = re.sub(r';\s*charset="?utf-?8"?', "", sent, flags=re.I)
    accepted = parse_accept_header(plain, MIMEAccept)
    return accepted.best_match(produces) if accepted else produces[0]
