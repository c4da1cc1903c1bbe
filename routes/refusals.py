"""Which problems a call can answer with, and how OpenAPI describes them.

What follows from a declaration is not declared again: who may call, what the body and the query
hold, whether there is something in the URL to be absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models import errors
from routes import guard, problems
from routes.declared import Declaration
from routes.parsing import media_types
from routes.problems import Kind
from routes.transport import SAFE_METHODS

Schema = dict[str, Any]
PROBLEM = "application/problem+json"
_BAD_REQUEST = Kind(400, "bad-request", "Bad Request")  # Werkzeug's, of what is not HTTP
_MEANINGS = {
    problems.UNKNOWN_URL: "No route has this URL.",
    problems.METHOD_NOT_ALLOWED: "The URL exists, but not with this method.",
    problems.INTERNAL_ERROR: "The service made a mistake.",
    _BAD_REQUEST: "It is not valid HTTP.",
    **{kind: str(error.__doc__) for error, kind in problems.KINDS.items()},
}
# Whatever is called: headers that do not fit, a parameter it does not know, a database in trouble.
_ALWAYS = (
    errors.TooManyRequests,
    errors.NotAcceptable,
    errors.InvalidFields,
    errors.DatabaseBusy,
    errors.DatabaseUnavailable,
    errors.MissingMasterKey,
    errors.Undecryptable,
)
_OF_BODIES = (errors.MalformedRequest, errors.BodyTooLarge, errors.UnsupportedMediaType)
_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}


def kinds_of(declared: Declaration, method: str, variables: Iterable[str]) -> set[Kind]:
    """All that a call can be refused with; CSRF's only where it is turned on."""
    refused: set[type[Exception]] = {*_ALWAYS, *declared.refuses}
    refused.update(guard.DOORS[declared.access].refuses)
    if not declared.plain_http:
        refused.add(errors.InsecureTransport)
    if method not in SAFE_METHODS:
        refused.update((*_OF_BODIES, errors.ForeignOrigin))
    else:
        refused.discard(errors.CsrfFailed)
    if len(media_types(declared.body)) > 1:  # a bare value among them
        refused.add(errors.LengthRequired)
    kinds = {problems.KINDS[error] for error in refused}
    if list(variables):
        kinds |= {problems.KINDS[errors.NotFound], problems.UNKNOWN_URL}
    return kinds | {_BAD_REQUEST, problems.INTERNAL_ERROR}


def responses_of(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """The same by status, as references to what :func:`components` has."""
    return {
        str(status): {"$ref": f"#/components/responses/{_name(status, found)}"}
        for status, found in _by_status(kinds).items()
    }


def components(used: Iterable[frozenset[Kind]]) -> dict[str, Schema]:
    """Each answer that an operation refers to, and the two that come where there is none."""
    wanted = {*used, frozenset({problems.UNKNOWN_URL}), frozenset({problems.METHOD_NOT_ALLOWED})}
    return {
        _name(status, found): _response(status, found)
        for kinds in sorted(wanted, key=lambda kinds: sorted(kind.name for kind in kinds))
        for status, found in _by_status(kinds).items()
    }


def all_kinds() -> list[Kind]:
    """Every kind there is."""
    return sorted(_MEANINGS, key=lambda kind: (kind.status, kind.name))


def problem_schema() -> Schema:
    """RFC 9457, as this service fills it in."""
    text = {"type": "string"}
    field = {
        "type": "object",
        "properties": {"pointer": text, "detail": text},
        "required": ["pointer", "detail"],
        "additionalProperties": False,
    }
    properties = {
        "type": {"enum": [problems.TYPE_PREFIX + kind.name for kind in all_kinds()]},
        "title": text,
        "status": {"type": "integer"},
        "detail": {**text, "description": "what to do; never repeats what was sent"},
        "request_id": {**text, "description": "also in the header `X-Request-ID`"},
    }
    return {
        "type": "object",
        "description": "A problem detail (RFC 9457). Decide by `type` or `status`.",
        "properties": {**properties, "errors": {"type": "array", "items": field}},
        "required": list(properties),
        "additionalProperties": False,
    }


def examples() -> dict[str, Schema]:
    """One of each kind."""
    return {kind.name: {"summary": kind.title, "value": _example(kind)} for kind in all_kinds()}


def _example(kind: Kind) -> Schema:
    example = {
        "type": problems.TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": _meaning(kind),
        "request_id": "RoeZHLrDXlPZ3gJd0JPqrw",
    }
    if kind is problems.KINDS[errors.InvalidFields]:
        example["errors"] = [{"pointer": "#/password", "detail": "must have at least 8 characters"}]
    return example


def _response(status: int, kinds: list[Kind]) -> Schema:
    types = [problems.TYPE_PREFIX + kind.name for kind in kinds]
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"type": {"enum": types}, "status": {"const": status}},
    }
    shown = {kind.name: {"$ref": f"#/components/examples/{kind.name}"} for kind in kinds}
    headers = ["X-Request-ID", *([_HEADERS[status]] if status in _HEADERS else [])]
    return {
        "description": "\n".join(f"- `{kind.name}`: {_meaning(kind)}" for kind in kinds),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {PROBLEM: {"schema": schema, "examples": shown}},
    }


def _meaning(kind: Kind) -> str:
    """The first sentence of what stands above the error."""
    words = " ".join(_MEANINGS[kind].replace("``", "`").split())
    return words.partition(". ")[0].rstrip(".") + "."


def _by_status(kinds: Iterable[Kind]) -> dict[int, list[Kind]]:
    found: dict[int, list[Kind]] = {}
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.name)):
        found.setdefault(kind.status, []).append(kind)
    return found


def _name(status: int, kinds: list[Kind]) -> str:
    return ".".join([str(status), *(kind.name for kind in kinds)])
