"""Bytes to requests, strictly: what Flask and the json module would let pass is refused here.

Python's ``json`` takes duplicate keys (the last wins), ``NaN``, UTF-16 and nesting until the
stack overflows. Two parsers that read one message differently are how checks are bypassed.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn, TypeVar, get_args

from flask import request
from pydantic import ValidationError
from werkzeug.serving import DechunkedInput

from models import requests
from models.errors import (
    BodyTooLarge,
    FieldProblem,
    InvalidFields,
    LengthRequired,
    MalformedRequest,
    UnsupportedMediaType,
)
from models.rows import ValueKind
from models.transfer_requests import ImportFile
from routes.context import current_vault
from utils.serving_worker import BODY_READ

Body = TypeVar("Body", bound=requests.Request)
Query = TypeVar("Query", bound=requests.Query)
_BARE_KINDS: dict[str, ValueKind] = {"text/plain": "text", "application/octet-stream": "bytes"}
_EXACT = 2**53
_LONGEST_NUMBER = 40  # digits; no field of ours takes more
_FIELD_OF_KIND = {"base64": "secret", "secret": "secret"}
# What is plain enough in pydantic's sentences, between how it begins and what it adds.
_PYDANTIC = re.compile(r"^\w+ should (.*?)(?: after validation, not \d+)?$")
_JSON_TYPES = {"dict_type": "must be a JSON object", "int_type": "must be a whole number"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DRAIN_LIMIT = 16 * 1024 * 1024


def parse_query(model: type[Query]) -> Query:
    """The query string, each parameter at most once."""
    pairs = list(request.args.items(multi=True))
    given = dict(pairs)
    if len(given) < len(pairs):
        raise InvalidFields([FieldProblem("?", "each parameter may occur once")])
    return _validate(model, given, "?")


def parse_body(model: type[Body]) -> Body:
    """The body, as what the call takes: JSON, nothing, a secret's bare value, or a file."""
    if request.method in {"GET", "HEAD"}:
        return _validate(model, {}, "#/")
    data = _read_body(current_vault().settings.MAX_BODY_BYTES)
    if model is requests.Nothing and not data:
        return _validate(model, {}, "#/")
    if issubclass(model, requests.PutSecret) and _is_bare(data):
        _require_announced_end(data)
        kind = _BARE_KINDS.get(request.mimetype, "bytes")
        if kind == "text" and not _is_utf8():
            raise UnsupportedMediaType("Send text/plain in UTF-8.")
        return _validate(model, model.fields_of_bare(data, kind), "#/")
    if issubclass(model, ImportFile):
        return _validate(model, _fields_of_file(model, data), "#/")
    _require_json(model)
    return _validate(model, parse_json(data), "#/")


def _fields_of_file(model: type[ImportFile], data: bytes) -> dict[str, Any]:
    """A file that is imported: text/plain is a .env file, application/json an object."""
    if request.mimetype == "text/plain" and _is_utf8():
        _require_announced_end(data)
        return model.fields_of_dotenv(data)
    if request.mimetype == "application/json" and _is_utf8():
        return model.fields_of_json(parse_json(data))
    raise UnsupportedMediaType(
        "Send a .env file as text/plain, or a JSON object as application/json, in UTF-8 "
        "(curl: -H 'Content-Type: text/plain' --data-binary @.env)."
    )


def media_types(model: type[requests.Request]) -> tuple[str, ...]:
    """What :func:`parse_body` takes for this model; nothing for one without fields."""
    if model is requests.Nothing:
        return ()
    if issubclass(model, ImportFile):
        return ("text/plain", "application/json")
    bare = tuple(_BARE_KINDS) if issubclass(model, requests.PutSecret) else ()
    return ("application/json", *bare)


def parse_json(data: bytes) -> Any:
    """Strict JSON (RFC 8259, and I-JSON's RFC 7493 on duplicates, numbers and surrogates).

    Raises MalformedRequest.
    """
    try:
        text = data.decode("utf-8")
        parsed = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
        if _SURROGATE.search(text):
            # Half of a pair is no character: kept, it would break every later answer that
            # shows it. Encoding finds it wherever it is, also in names and keys.
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
        return parsed
    except UnicodeDecodeError as error:
        raise MalformedRequest("The body must be JSON in UTF-8.") from error
    except RecursionError as error:
        raise MalformedRequest("The JSON is nested too deeply.") from error
    except json.JSONDecodeError as error:
        where = f"it is not at line {error.lineno}, column {error.colno}" if data else "it is empty"
        raise MalformedRequest(f"The body must be valid JSON; {where}.") from error
    except ValueError as error:
        raise MalformedRequest("The body must be valid JSON.") from error


def _read_body(limit: int) -> bytes:
    """All of the body, or an error: never a part of it.

    Under granian and gunicorn Werkzeug cuts a chunked body at its limit without a word, and
    half a secret would be stored as if whole. So it may read one byte more than the limit,
    and that byte tells. When the client goes away, granian ends the stream as if all had come.
    """
    _refuse_unclear_framing()
    stream = request.environ["wsgi.input"]
    if isinstance(stream, DechunkedInput):
        request.environ["wsgi.input"] = _CheckedChunks(stream)
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit:
        _drain(request.content_length or 0)
        raise _too_large(limit)
    data = request.get_data(cache=False)
    if len(data) > limit:
        _drain(_DRAIN_LIMIT)
        raise _too_large(limit)
    if len(data) < (request.content_length or 0):
        raise MalformedRequest("The body is shorter than its Content-Length.")
    request.environ[BODY_READ] = True  # else the worker would end the connection with the answer
    return data


class _CheckedChunks:
    """The development server's chunked bodies, without reading memory that is not theirs.

    When a client hangs up within a chunk, Werkzeug's reader shrinks the buffer that it was
    given, and says that it filled it. io.RawIOBase.read believes that, unless Python is new
    enough (gh-140607): it copies what lies behind the buffer into the body, or crashes.
    """

    def __init__(self, stream: DechunkedInput) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """At most *size* bytes. Raises OSError where the body breaks off."""
        buffer = bytearray(size)
        filled = self._stream.readinto(buffer)
        if len(buffer) < size:
            raise OSError("The client went away within a chunk.")
        return bytes(buffer[:filled])


def _refuse_unclear_framing() -> None:
    """Each of these would make us keep something else than what was sent: Werkzeug takes a
    Content-Length that is no number for 0, and another coding than chunked for no body.
    """
    length = request.headers.get("Content-Length")
    coding = request.headers.get("Transfer-Encoding")
    if length and coding is not None:
        # RFC 9112 section 6.1: the classic of request smuggling.
        raise MalformedRequest("Send either Content-Length or Transfer-Encoding, not both.")
    if length and not re.fullmatch(r"[0-9]{1,19}", length):
        raise MalformedRequest("Content-Length must be a number of bytes.")
    if coding is not None and coding.strip().lower() != "chunked":
        raise MalformedRequest("The only Transfer-Encoding that is understood is chunked.")
    if "Content-Range" in request.headers:  # RFC 9110 section 14.5
        raise MalformedRequest("Send the whole value: Content-Range is not supported.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


def _require_announced_end(data: bytes) -> None:
    """JSON has an end of its own; a bare value that comes chunked ends where the client went away,
    and granian does not tell that from a last chunk. HTTP/1 announces an empty body by silence.
    """
    announced = request.content_length is not None or (
        not data
        and "Transfer-Encoding" not in request.headers
        and request.environ["SERVER_PROTOCOL"].startswith("HTTP/1")
    )
    if not announced:
        raise LengthRequired(
            "Send a bare value with Content-Length, or send it as JSON (curl, from a pipe: "
            "-H 'Content-Type: application/octet-stream' --data-binary @- instead of -T -)."
        )


def _drain(announced: int) -> None:
    """Read on and throw away, within reason: a client that is still sending does not see an
    answer, only a reset connection."""
    if announced > _DRAIN_LIMIT:
        return
    stream, left = request.environ["wsgi.input"], announced
    with suppress(OSError):  # the client went away, or its chunks are broken
        while left > 0 and (chunk := stream.read(min(left, 65536))):
            left -= len(chunk)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body may have at most {limit} bytes.")


def _is_bare(data: bytes) -> bool:
    """A body that is the value itself. Without a Content-Type (``curl -T file``) it is bytes
    (RFC 9110 section 8.3), unless it is empty: then somebody forgot it."""
    return request.mimetype in _BARE_KINDS or (not request.mimetype and bool(data))


def _is_utf8() -> bool:
    return request.mimetype_params.get("charset", "utf-8").lower() in {"utf-8", "utf8"}


def _require_json(model: type[requests.Request]) -> None:
    if request.mimetype == "application/json" and _is_utf8():
        return
    bare = media_types(model)[1:]
    raise UnsupportedMediaType(
        "Send JSON in UTF-8, with the header Content-Type: application/json "
        "(curl: -H 'Content-Type: application/json')"
        + (f", or the value alone as {' or '.join(bare)}." if bare else ".")
    )


def _validate(model: type[Body], given: Any, root: str) -> Body:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidFields(_field_problems(model, error, root)) from None


def _field_problems(
    model: type[requests.Request], error: ValidationError, root: str
) -> list[FieldProblem]:
    """Pydantic's findings in our words. A pointer names only fields we know: an unknown
    field's name, or a key inside `labels`, is a value that the caller sent."""
    problems = {}
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        place, inner, loc = _innermost(model, root, found["loc"])
        # Whether `secret` can be kept is asked of the whole model: it takes `encoding` to tell.
        field = loc[0] if loc else _FIELD_OF_KIND.get(found["type"], "")
        known = isinstance(field, str) and field in inner.model_fields
        if found["type"] == "extra_forbidden":
            names = ", ".join(inner.model_fields) or "none"
            problems[place] = f"unknown field; this call takes: {names}"
        elif found["type"] in {"model_type", "model_attributes_type"}:
            problems[place] = "must be a JSON object"
        elif found["type"] == "missing":
            problems[f"{place}{field}"] = "is required"
        else:
            words = _in_our_words(found["type"], found["msg"])
            if len(loc) > 1:  # of a list or an object
                words = f"each entry {words}"
            problems[f"{place}{field}" if known else place] = words
    return [
        FieldProblem(pointer.rstrip("/") or "#", detail) for pointer, detail in problems.items()
    ]


def _in_our_words(kind: str, message: str) -> str:
    """What something must be, for callers who know JSON and no Python."""
    plain = _PYDANTIC.sub(r"must \1", message).replace("a valid ", "a ")
    return _JSON_TYPES.get(kind, plain)


def _innermost(
    model: type[requests.Request], root: str, loc: tuple[int | str, ...]
) -> tuple[str, type[requests.Request], tuple[int | str, ...]]:
    """Of a finding inside of a list of models: the pointer to the entry, its model, and the rest
    of the location. A list of anything else is one field."""
    if len(loc) > 1 and loc[0] in model.model_fields and isinstance(loc[1], int):
        for entry in get_args(model.model_fields[str(loc[0])].annotation):
            if isinstance(entry, type) and issubclass(entry, requests.Request):
                return _innermost(entry, f"{root}{loc[0]}/{loc[1]}/", loc[2:])
    return root, model, loc


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedRequest("The JSON has an object with a key that occurs twice.")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise MalformedRequest("NaN and Infinity are not JSON.")


def _finite(text: str) -> float:
    """JSON knows one kind of number, and so does our document: 1.0 is the integer 1. Only as far as
    a float counts exactly; what is beyond fits nothing here."""
    number = float(text)
    if not math.isfinite(number):
        raise MalformedRequest("The JSON has a number out of range.")
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _bounded(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise MalformedRequest("The JSON has a number out of range.")
    return int(text)
