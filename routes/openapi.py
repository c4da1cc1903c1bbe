"""The API's own description, for programs and for people: ``/openapi.json`` and ``/docs``.

The page works without internet: Swagger UI comes out of an installed package, and its own
Content-Security-Policy lets it load from here only, and run nothing that is not a file of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from models import requests
from routes import guard
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import JSON, Call, endpoint
from routes.specification import document
from routes.trail import NOBODYS
from routes.transport import CookieNames, cookie_names

HTML, SCRIPT, STYLE = "text/html", "text/javascript", "text/css"
_OURS = Path(__file__).with_name("docs_page")
_CACHE = "secrets-manager-openapi"
# Swagger UI's style sheet holds its icons as data: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

bp = Blueprint("openapi", __name__)
_View = Callable[[Call[requests.Nothing, requests.NoQuery]], Response]


@bp.get("/openapi.json")
@endpoint(
    access=guard.anybody,
    audit=NOBODYS,
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: Answer(None, ("ETag",)), 304: Answer(None, ("ETag",))},
)
def specification(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """This document. It depends on settings, and on how cookies are called where you call from."""
    text = _specification(cookie_names())
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    response = Response(text, content_type=JSON)
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    response.set_etag(tag)
    return response


def _file_at(rule: str, kind: str, headers: tuple[str, ...] = ()) -> Callable[[_View], object]:
    """Declare a part of the page: anybody may load it, and nothing is asked or told of anybody."""
    declared = endpoint(
        access=guard.anybody,
        audit=NOBODYS,
        body=requests.Nothing,
        query=requests.NoQuery,
        answers={200: Answer(None, headers)},
        produces=(kind,),
    )
    return lambda view: bp.get(rule)(declared(view))


@_file_at("/docs", HTML, ("Content-Security-Policy",))
def page(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """The same for people, in a browser. Nothing can be sent from there."""
    response = _file(_OURS / "page.html", HTML)
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@_file_at("/docs/page.js", SCRIPT)
def script(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """A part of the page."""
    return _file(_OURS / "page.js", SCRIPT)


@_file_at("/docs/swagger-ui.js", SCRIPT)
def swagger_script(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """A part of the page: Swagger UI."""
    return _file(_swagger_ui() / "swagger-ui-bundle.js", SCRIPT)


@_file_at("/docs/swagger-ui.css", STYLE)
def swagger_style(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """A part of the page: how Swagger UI looks."""
    return _file(_swagger_ui() / "swagger-ui.css", STYLE)


def _specification(cookies: CookieNames) -> str:
    """Made once for each way that cookies are called: there are two."""
    made: dict[CookieNames, str] = current_app.extensions.setdefault(_CACHE, {})
    if cookies not in made:
        csrf = current_vault().settings.JWT_COOKIE_CSRF_PROTECT
        made[cookies] = json.dumps(document(current_app, cookies, csrf=csrf))
    return made[cookies]


def _swagger_ui() -> Path:
    return Path(str(files("flask_swagger_ui"))) / "dist"


def _file(path: Path, kind: str) -> Response:
    return Response(_content(path), content_type=f"{kind}; charset=utf-8")


@cache
def _content(path: Path) -> bytes:
    """Read once: the files are part of the program."""
    return path.read_bytes()
