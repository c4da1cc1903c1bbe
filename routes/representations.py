"""Secrets as they travel: the name in the URL, what a write answers, and the value itself."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from flask import Response, request
from pydantic import BaseModel

from models import responses, rows
from models.errors import FieldProblem, InvalidFields, NotAcceptable
from models.names import NAME_RULE, parse_secret_name
from models.rows import SecretName
from routes.declared import Answer
from routes.endpoint import JSON, answer
from utils.store.secret_rows import absent

TEXT, BYTES = "text/plain", "application/octet-stream"
# A strong ETag tells representations apart (RFC 9110 section 8.8.3.1): the bare value is
# another one than the JSON.
BARE_SUFFIX = "-bare"
# What :func:`described` answers.
READ_HEADERS = ("ETag", "Vary")
CHANGED = Answer(responses.SecretInfo, ("ETag",))
CREATED = MOVED = Answer(responses.SecretInfo, ("ETag", "Location"))


def readable(text: str) -> SecretName:
    """A name that can't exist is as absent as any other. Raises NotFound."""
    if (name := parse_secret_name(text)) is None:
        raise absent()
    return name


def creatable(text: str) -> SecretName:
    """Raises InvalidFields for a name that can't exist."""
    if (name := parse_secret_name(text)) is None:
        raise InvalidFields([FieldProblem("#/name", f"must be {NAME_RULE}")])
    return name


def described(info: rows.SecretInfo, *, created: bool) -> Response:
    """What a write answers: metadata, never the value that was just sent."""
    response = answer(responses.SecretInfo.of(info), 201 if created else 200)
    response.set_etag(info.tag)
    if created:
        response.headers["Location"] = "/secrets/" + quote(info.name, safe="/")
    return response


def represent(
    secret: rows.Secret,
    accepts: str,
    shaped: Callable[[rows.Secret], BaseModel] = responses.Secret.of,
) -> Response:
    """A value in the media type *accepts*, or 304 for a caller who has it; as JSON, *shaped* says
    what is told of it besides. Raises NotAcceptable."""
    if accepts == JSON:
        response = answer(shaped(secret))
        suffix = ""
    elif accepts == TEXT and secret.value.kind == "bytes":
        raise NotAcceptable(f"This value was stored as bytes. Accept {BYTES} or {JSON}.")
    else:
        charset = "; charset=utf-8" if accepts == TEXT else ""
        response = Response(secret.value.data, content_type=accepts + charset)
        suffix = BARE_SUFFIX
    # Looked for first: most have none, and to parse nothing takes a while.
    if "If-None-Match" in request.headers and request.if_none_match.contains_weak(
        secret.info.tag + suffix
    ):
        response = Response(status=304)
    response.headers["Vary"] = "Accept, Authorization, Cookie"
    response.set_etag(secret.info.tag + suffix)
    return response
