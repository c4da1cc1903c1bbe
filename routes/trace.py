"""What is remembered of each request until it is answered: for its line in the log, and to count.

It lives in the WSGI environment, because it has to outlive Flask's own context: the line is
written when the answer is ready, whatever went wrong on the way to it, and exactly once.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from models.rows import ApiToken, Principal
from routes.client import address
from utils import logs
from utils.tokens import new_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY = "secrets-manager.trace"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ANSWER = 500  # what a server says for us


@dataclass(slots=True)
class Trace:
    """One request. The route is the rule that matched, never the path: that holds names."""

    method: str
    request_id: str = field(default_factory=new_id)
    route: str = "-"
    status: int = _NO_ANSWER
    seconds: float = 0.0
    problem: str | None = None
    caller: Principal | None = None


Observer = Callable[[Trace], None]


def install(app: Flask, observers: Iterable[Observer]) -> None:
    """Trace every request of *app*; *observers* are shown each when it is answered.

    The last to be installed around the application: what happens outside of it has no line."""
    app.url_value_preprocessor(_note_route)  # comes before every check
    app.wsgi_app = _Traced(app.wsgi_app, tuple(observers))  # type: ignore[method-assign, assignment]


def current_trace() -> Trace:
    """That of the request that is being handled."""
    return trace_of(request.environ)


def trace_of(environ: WSGIEnvironment) -> Trace:
    """That of this request."""
    trace = environ[_KEY]
    assert isinstance(trace, Trace)  # noqa: S101 - _Traced put it there
    return trace


def request_id() -> str:
    """The id of this request, in every response and in the log. Never taken from the client."""
    return current_trace().request_id


def note_caller(caller: Principal) -> None:
    """Whoever it is: they showed a credential that counts. The log's line and the audit trail's
    events are theirs from here on."""
    current_trace().caller = caller


def note_problem(kind: str) -> None:
    """Which problem the answer tells."""
    current_trace().problem = kind


def log_request(trace: Trace, client: str) -> None:
    """The one line of a request."""
    token = trace.caller if isinstance(trace.caller, ApiToken) else None
    logs.log(
        logs.REQUEST,
        request_id=trace.request_id,
        method=trace.method,
        route=trace.route,
        status=trace.status,
        ms=round(trace.seconds * 1000, 1),
        problem=trace.problem,
        principal=trace.caller and ("token" if token else "session"),
        account=trace.caller and trace.caller.account.username,
        token=token and token.id,
        client=client or None,
    )


def log_error(kind: str, error: BaseException) -> None:
    """An answer of 5xx: where it came from, without any message of a foreign exception."""
    logs.log(logs.ERROR, **error_fields(kind, error))


def error_fields(kind: str, error: BaseException) -> dict[str, object]:
    """What an ``error`` line tells."""
    trace = current_trace()
    return {
        "request_id": trace.request_id,
        "method": trace.method,
        "route": trace.route,
        "problem": kind,
        "traceback": logs.describe(error),
    }


def _note_route(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    if request.url_rule is not None:
        current_trace().route = _as_documented(request.url_rule.rule)


@functools.lru_cache(maxsize=256)
def _as_documented(rule: str) -> str:
    """``/secrets/<name>``, as docs/api.md writes it, without the converter."""
    return re.sub(r"<[a-z_]+:", "<", rule)


class _Traced:
    """Around everything else, so that nothing can be answered without a line."""

    def __init__(self, app: WSGIApplication, observers: tuple[Observer, ...]) -> None:
        self._app = app
        self._observers = observers

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        trace = environ[_KEY] = Trace(method if method in _METHODS else "OTHER")
        began = time.perf_counter()

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            trace.status = int(status[:3])
            return start(status, headers, *rest)

        try:
            return self._app(environ, begin)
        finally:
            trace.seconds = time.perf_counter() - began
            # Behind a trusted proxy, it is by now the client that the proxy names.
            log_request(trace, address(environ.get("REMOTE_ADDR", "")))
            for observe in self._observers:
                observe(trace)
