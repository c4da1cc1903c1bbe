"""Our errors as problem details (RFC 9457): the one place that knows HTTP statuses.

A problem never carries an exception's text, a stack, SQL, or a value that the caller sent. What
the caller can't mend is logged with the request id, and without the exception's message:
messages of foreign exceptions may quote values.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from models import errors
from routes import trace, trail
from utils import logs

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
    errors.ReadOnlyGrant: Kind(403, "read-only", "Shared for reading only"),
    errors.NotFound: Kind(404, "not-found", "No such thing, or not yours"),
    errors.NotAcceptable: Kind(406, "not-acceptable", "No acceptable representation"),
    errors.AlreadyExists: Kind(409, "already-exists", "The name is taken"),
    errors.ImportConflict: Kind(409, "import-conflict", "Some names are taken"),
    errors.NotExportable: Kind(409, "not-exportable", "Some secrets do not fit the format"),
    errors.WrongState: Kind(409, "wrong-state", "Not in a state for this"),
    errors.LimitReached: Kind(409, "limit-reached", "There are as many as there may be"),
    errors.LengthRequired: Kind(411, "length-required", "Content-Length is needed"),
    errors.PreconditionFailed: Kind(412, "precondition-failed", "A precondition does not hold"),
    errors.BodyTooLarge: Kind(413, "too-large", "Too large"),
    errors.UnsupportedMediaType: Kind(415, "unsupported-media-type", "Wrong Content-Type"),
    errors.InvalidFields: Kind(422, "invalid-fields", "Some fields are not valid"),
    errors.TooManyAttempts: Kind(429, "too-many-attempts", "Too many attempts"),
    errors.TooManyRegistrations: Kind(429, "too-many-registrations", "Too many registrations"),
    errors.TooManyRequests: Kind(429, "too-many-requests", "Too many requests"),
    errors.DatabaseBusy: Kind(503, "database-busy", "The database is busy"),
    errors.DatabaseUnavailable: Kind(503, "database-unavailable", "The database is not available"),
    errors.HashingSaturated: Kind(503, "hashing-saturated", "Too many logins at once"),
    errors.MissingMasterKey: Kind(503, "master-key-missing", "This server lacks a master key"),
    errors.Undecryptable: Kind(500, "secret-unreadable", "A stored value does not open"),
}
METHOD_NOT_ALLOWED = Kind(405, "method-not-allowed", "The URL has no such method")
UNKNOWN_URL = Kind(404, "unknown-url", "The URL does not exist")
INTERNAL_ERROR = Kind(500, "internal-error", "The service made a mistake")

_ALL_CALLS = "GET /openapi.json lists all calls, as does /docs in a browser"
_OURS_TO_MEND = "The service could not answer. Report the request id to whoever operates it."


def install(app: Flask) -> None:
    """Register the handlers: every error the application answers passes one of these three."""
    app.register_error_handler(errors.SecretsManagerError, _ours)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _crash)
    app.logger.addFilter(_ours_alone)


def _ours(error: errors.SecretsManagerError) -> Response:
    kind = KINDS.get(type(error))
    if kind is None:
        return _crash(error)
    detail = str(error)
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        trace.log_error(kind.name, error)
    if named := [problem.name for problem in error.problems if problem.name]:
        trail.about(*named)
    if error.problems:
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


def kind_of(error: errors.SecretsManagerError) -> str:
    """The short name of what it is, as the end of ``type`` tells it."""
    return KINDS[type(error)].name


def in_short(error: errors.SecretsManagerError) -> dict[str, Any]:
    """A problem with one of several things that were asked for, inside of an answer."""
    kind = KINDS[type(error)]
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        trace.log_error(kind.name, error)
    detail = _OURS_TO_MEND if isinstance(error, errors.Undecryptable) else str(error)
    return {"type": TYPE_PREFIX + kind.name, "status": kind.status, "detail": detail}


def _http(error: HTTPException) -> Response:
    """Werkzeug's own: unknown URLs, wrong methods, broken framing."""
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        detail = f"This URL takes {headers['Allow']}; {_ALL_CALLS}."
        return _problem(METHOD_NOT_ALLOWED, detail, {}, headers)
    if isinstance(error, RequestEntityTooLarge):
        return _ours(errors.BodyTooLarge("The request body is too large."))
    if error.code == HTTPStatus.NOT_FOUND:
        return _problem(UNKNOWN_URL, f"Check the URL: {_ALL_CALLS}.", {}, {})
    if error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        status = HTTPStatus(error.code)
        kind = Kind(error.code, status.phrase.lower().replace(" ", "-"), status.phrase)
        return _problem(kind, "The request is not valid HTTP for this URL.", {}, {})
    return _crash(error)


def _crash(error: Exception) -> Response:
    trace.log_error(INTERNAL_ERROR.name, error)
    return _problem(INTERNAL_ERROR, _OURS_TO_MEND, {}, {})


def _problem(kind: Kind, detail: str, extra: dict[str, Any], headers: dict[str, str]) -> Response:
    trace.note_problem(kind.name)
    body = {
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "request_id": trace.request_id(),
        **extra,
    }
    response = Response(
        json.dumps(body), status=kind.status, content_type="application/problem+json"
    )
    response.headers.update(headers)
    return response


def _ours_alone(record: logging.LogRecord) -> bool:
    """Flask itself logs what fails outside of a view, and would quote path and exception."""
    if record.exc_info and record.exc_info[1]:
        fields = trace.error_fields(INTERNAL_ERROR.name, record.exc_info[1])
        record.msg, record.args, record.exc_info = logs.line(logs.ERROR, **fields), (), None
    return True
