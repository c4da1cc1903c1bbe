"""Parts of the OpenAPI document that no declaration spells out: headers, credentials, variables."""

from __future__ import annotations

from pydantic.json_schema import WithJsonSchema

from models import shapes
from models.powers import SCOPES
from routes.tokens import CSRF_HEADER
from routes.transport import CookieNames
from utils.openapi import Schema
from utils.openapi_examples import ID, VARIABLE

# What a variable in a URL may hold: by its converter, or its own name; otherwise it is an id.
_VARIABLES: dict[str, WithJsonSchema] = {
    "secret_name": shapes.SECRET_NAME,
    "name": shapes.SECRET_NAME,
    "owner": shapes.USERNAME,
}
_SLASHES = "A secret's name. Its slashes may be written as they are: `/secrets/shop/db-password`."
_SCOPES = " or ".join(f"`{scope}`" for scope in SCOPES)
_TAG = {"type": "string", "examples": ['"RoeZHLrDXlPZ3gJd0JPqrw"']}
HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "The id of this request, also in the service's log.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
    },
    "ETag": {
        "description": "Changes with every change of value, labels or expiry.",
        "required": True,
        "schema": _TAG,
    },
    "Location": {
        "description": "Where what was created is.",
        "required": True,
        "schema": {"type": "string", "pattern": "^/"},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {
        "description": "The methods that this URL has.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "`Cookie`, or `Bearer` where an API token was sent.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Set-Cookie": {
        "description": "The session's cookies, new or taken back.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Content-Security-Policy": {
        "description": "The page's own: only what comes from here, and nothing inline.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Vary": {
        "description": "What the answer depends on.",
        "required": True,
        "schema": {"type": "string"},
    },
}


def schemes(cookies: CookieNames, *, csrf: bool) -> dict[str, Schema]:
    """How a caller shows who it is; cookies have their names from where it calls."""
    found: dict[str, Schema] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookies.access,
            "description": "Set by `POST /login` and `POST /refresh`.",
        },
        "refresh": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookies.refresh,
            "description": "Set beside it; works once.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": f"An API token of `POST /tokens`, with the scope {_SCOPES}.",
        },
    }
    found["metrics"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of the setting METRICS_TOKEN.",
    }
    if csrf:
        found["csrf"] = {
            "type": "apiKey",
            "in": "header",
            "name": CSRF_HEADER,
            "description": f"The value of the cookie `{cookies.csrf}`.",
        }
    return found


def variable(converter: str, name: str) -> Schema:
    """A part of the path."""
    schema = dict(_VARIABLES.get(converter or name, shapes.ID).json_schema or {})
    if converter == "secret_name":
        schema["description"] = f"{_SLASHES} {schema['description']}"
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": schema.pop("description"),
        "schema": schema,
        "example": VARIABLE.get(name, ID),
    }


def condition(name: str, description: str, *, strict: bool = True) -> Schema:
    """A header that a request depends on. A read does not refuse one that makes no sense: the worst
    that comes of it is an answer that the caller had."""
    pattern = r'^(?:\*|(?:W/)?"[!#-~]*"(?:, ?(?:W/)?"[!#-~]*")*)$'
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description + ".",
        "schema": {**_TAG, "pattern": pattern} if strict else _TAG,
    }
