"""Our errors as problem details (RFC 9457): the one place that knows HTTP statuses.

A problem never carries an exception's text, a stack, SQL, or a value that the caller sent. What
the caller can't mend is logged with the request id, and without the exception's message:
messages of foreign exceptions may quote values.
"""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from models import errors
from utils.tokens import new_id

logger = logging.getLogger("secrets_manager")
TYPE_PREFIX = "urn:secrets-manager:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: HTTP status, stable name, title. All are listed in docs/problems.md."""

    status: int
    name: str
    title: str


KINDS: dict[type[Exception], Kind] = {
    errors.MalformedRequest: Kind(400, "malformed-request", "The request does not parse"),
    errors.NotAuthenticated: Kind(401, "not-authenticated", "Log in first"),
    errors.InvalidToken: Kind(401, "invalid-token", "The API token is not valid"),
    errors.WrongCredentials: Kind(401, "wrong-credentials", "Username or password is wrong"),
    errors.InsecureTransport: Kind(403, "https-required", "Credentials need HTTPS"),
    errors.ForeignOrigin: Kind(403, "foreign-origin", "Sent for another site's page"),
    errors.CsrfFailed: Kind(403, "csrf-failed", "CSRF token missing or wrong"),
    errors.RegistrationClosed: Kind(403, "registration-closed", "Registration is closed"),
    errors.WrongPassword: Kind(403, "wrong-password", "The password is wrong"),
    errors.PasswordChangeRequired: Kind(
        403, "password-change-required", "Change the one-time password first"
    ),
    errors.MissingPower: Kind(403, "missing-power", "The API token may not do this"),
    errors.NotFound: Kind(404, "not-found", "No such thing, or not yours"),
    errors.NotAcceptable: Kind(406, "not-acceptable", "No acceptable representation"),
    errors.AlreadyExists: Kind(409, "already-exists", "The name is taken"),
    errors.LimitReached: Kind(409, "limit-reached", "There are as many as there may be"),
    errors.LengthRequired: Kind(411, "length-required", "Content-Length is needed"),
    errors.PreconditionFailed: Kind(412, "precondition-failed", "A precondition does not hold"),
    errors.BodyTooLarge: Kind(413, "too-large", "Too large"),
    errors.UnsupportedMediaType: Kind(415, "unsupported-media-type", "Wrong Content-Type"),
    errors.InvalidFields: Kind(422, "invalid-fields", "Some fields are not valid"),
    errors.TooManyAttempts: Kind(429, "too-many-attempts", "Too many attempts"),
    errors.DatabaseBusy: Kind(503, "database-busy", "The database is busy"),
    errors.DatabaseUnavailable: Kind(503, "database-unavailable", "The database is not available"),
    errors.HashingSaturated: Kind(503, "hashing-saturated", "Too many logins at once"),
    errors.MissingMasterKey: Kind(503, "master-key-missing", "This server lacks a master key"),
    errors.Undecryptable: Kind(500, "secret-unreadable", "A stored value does not open"),
}
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "The URL has no such method")
UNKNOWN_URL = Kind(404, "unknown-url", "The URL does not exist")
INTERNAL_ERROR = Kind(500, "internal-error", "The service made a mistake")

_OURS_TO_MEND = "The service could not answer. Report the request id to whoever operates it."


def install(app: Flask) -> None:
    """Register the handlers: every error the application answers passes one of these three."""
    app.register_error_handler(errors.SecretsManagerError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _crash)
    app.logger.addFilter(_without_messages)


def request_id() -> str:
    """The id of this request, in every response and in the log. Never taken from the client."""
    if "request_id" not in g:
        g.request_id = new_id()
    return str(g.request_id)


def _ours(error: errors.SecretsManagerError) -> Response:
    kind = KINDS.get(type(error))
    if kind is None:
        return _crash(error)
    detail = str(error)
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log(kind.name, error)
    if isinstance(error, errors.InvalidFields):
        extra["errors"] = [
            {"pointer": problem.pointer, "detail": problem.detail} for problem in error.problems
        ]
    if isinstance(error, errors.TryLater):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.MissingMasterKey):
        detail, headers["Retry-After"] = _OURS_TO_MEND, "30"
    if isinstance(error, errors.Undecryptable):
        detail = _OURS_TO_MEND
    if kind.status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2 wants a challenge, though no scheme is registered for cookies.
        headers["WWW-Authenticate"] = 'Cookie realm="secrets-manager"'
    if isinstance(error, errors.InvalidToken):
        headers["WWW-Authenticate"] = 'Bearer realm="secrets-manager", error="invalid_token"'
    return _problem(kind, detail, extra, headers)


def _http(error: HTTPException) -> Response:
    """Werkzeug's own: unknown URLs, wrong methods, broken framing."""
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return _problem(METHOD_NOT_ALLOWED, "`Allow` lists the methods of this URL.", {}, headers)
    if isinstance(error, RequestEntityTooLarge):
        return _ours(errors.BodyTooLarge("The request body is too large."))
    if error.code == HTTPStatus.NOT_FOUND:
        return _problem(UNKNOWN_URL, "Check the URL: the README lists all of them.", {}, {})
    if error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.code)
        kind = Kind(error.code, status.phrase.lower().replace(" ", "-"), status.phrase)
        return _problem(kind, "The request is not valid HTTP for this URL.", {}, {})
    return _crash(error)


def _crash(error: Exception) -> Response:
    _log("crash", error)
    return _problem(INTERNAL_ERROR, _OURS_TO_MEND, {}, {})


def _problem(kind: Kind, detail: str, extra: dict[str, Any], headers: dict[str, str]) -> Response:
    g.problem = kind.name  # for the audit trail
    body = {
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "request_id": request_id(),
        **extra,
    }
    response = Response(
        json.dumps(body), status=kind.status, content_type="application/problem+json"
    )
    response.headers.update(headers)
    return response


def _log(what: str, error: BaseException) -> None:
    rule = request.url_rule.rule if request.url_rule else "-"
    logger.error(
        "%s %s %s request_id=%s\n%s", what, request.method, rule, request_id(), _described(error)
    )


def _described(error: BaseException) -> str:
    """Types and frames of the whole chain, without messages: those may quote what was sent."""
    lines = []
    seen: set[int] = set()  # two exceptions can be each other's cause
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}{_own_words(link)}")
        lines.extend(
            f"  {frame.filename}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(link.__traceback__)
        )
        link = link.__cause__ or link.__context__
    return "\n".join(lines)


def _own_words(error: BaseException) -> str:
    """What an error of ours says, which never quotes what was sent: the operator needs it."""
    if not isinstance(error, errors.SecretsManagerError):
        return ""
    why = getattr(error, "why", "")
    return f": {error} {why}".rstrip()


def _without_messages(record: logging.LogRecord) -> bool:
    """Flask itself logs what fails outside of a view, and would quote the exception."""
    if record.exc_info and record.exc_info[1]:
        record.msg = f"{record.getMessage()}\n{_described(record.exc_info[1])}"
        record.args, record.exc_info = (), None
    return True
