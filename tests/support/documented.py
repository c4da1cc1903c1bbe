"""Whether an answer is one that ``/openapi.json`` promises: asked of every answer that tests get in
their own process, so that no route keeps a refusal to itself."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from routes.specification import operations

Promised = dict[tuple[str, str], set[tuple[int, str]]]
_KNOWN: WeakKeyDictionary[Flask, tuple[int, Promised]] = WeakKeyDictionary()


def undocumented(app: Flask, response: TestResponse) -> str | None:
    """What is wrong with it, in words that say what to do; None for nothing."""
    environ = response.request.environ
    try:
        rule, _ = app.url_map.bind_to_environ(environ).match(return_rule=True)
    except HTTPException:
        return None  # no such URL or method: there is nothing that could declare it
    method: str = environ["REQUEST_METHOD"]
    if method == "HEAD":  # as GET, which is asked often enough, and without a body to tell more by
        return None
    promised = _promised(app).get((str(rule.rule), method))
    found = (response.status_code, _kind(response))
    if promised is None or found in promised or found == (500, "internal-error"):
        return None
    return (
        f"{method} {rule.rule} answered {found[0]} {found[1]}, which its @endpoint has "
        "neither in `answers` nor in `refuses`"
    )


def _promised(app: Flask) -> Promised:
    """By route: a test may add some."""
    rules = len(list(app.url_map.iter_rules()))
    if app not in _KNOWN or _KNOWN[app][0] != rules:
        made: Promised = {}
        for one in operations(app):
            kinds = {(kind.status, kind.name) for kind in one.kinds(csrf=True)}
            answers = {(status, "") for status in one.declared.answers}
            made[one.rule.rule, one.method] = kinds | answers
        _KNOWN[app] = rules, made
    return _KNOWN[app][1]


def _kind(response: TestResponse) -> str:
    if response.mimetype != "application/problem+json":
        return ""
    body: Any = response.get_json(silent=True) or {}
    return str(body.get("type", "")).rpartition(":")[2]
