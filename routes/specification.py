"""The OpenAPI 3.1 document of an application, made of what its routes declare.

Nothing is written twice: paths and methods are the url map's, schemas those of the models that
validate requests and shape answers, problems those of :mod:`routes.refusals`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from pydantic import BaseModel
from werkzeug.routing import Rule

from models import errors
from models.shapes import ASSIGNMENTS
from models.transfer_requests import ImportFile
from routes import guard, refusals
from routes.declared import Answer, Declaration, declaration_of
from routes.endpoint import JSON
from routes.parsing import media_types
from routes.problems import Kind
from routes.specification_parts import HEADERS, condition, schemes, variable
from routes.transport import SAFE_METHODS, CookieNames
from utils.openapi import Schema, Shapes, prose, query_parameters
from utils.openapi_examples import BARE

VERSION = "0.1.0"  # as in pyproject.toml, which is not installed
_VARIABLE = re.compile(r"<(?:([^:<>]+):)?([^<>]+)>")
_ABOUT = (
    "Keeps API keys and passwords for scripts, cron jobs and small services. JSON in, JSON out; "
    "unknown fields and query parameters are refused. Every error is a problem (RFC 9457) whose "
    "`type` is stable. Every answer has `X-Request-ID` and `Cache-Control: no-store`. A URL that "
    "does not exist answers 404 `unknown-url`, another method 405 `method-not-allowed` with "
    "`Allow`."
)
_STATUSES = {200: "Done.", 201: "Created.", 202: "Begun.", 304: "Not modified: you have it."}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a URL, and what its route declares."""

    rule: Rule
    method: str
    view: Any
    declared: Declaration

    @property
    def path(self) -> str:
        """The URL with ``{variables}``."""
        return _VARIABLE.sub(r"{\2}", self.rule.rule)

    def kinds(self, *, csrf: bool) -> set[Kind]:
        """All problems that it can answer with."""
        found = refusals.kinds_of(self.declared, self.method, self.rule.arguments)
        return found if csrf else {kind for kind in found if kind.name != "csrf-failed"}


def operations(app: Flask) -> Iterator[Operation]:
    """Every method of every URL, by path. HEAD and OPTIONS come with them by themselves."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        declared = declaration_of(view)
        if declared is not None:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Operation(rule, method, view, declared)


def document(app: Flask, cookies: CookieNames, *, csrf: bool) -> Schema:
    """The whole document, for callers whose cookies have these names."""
    found = list(operations(app))
    models = Shapes.of(_asked(found), _told(found))
    paths: dict[str, Schema] = {}
    for one in found:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, models, csrf=csrf)
    used = [frozenset(one.kinds(csrf=csrf)) for one in found]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Secrets Manager API",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": _tag(noun)} for noun in app.blueprints],
        "paths": paths,
        "components": {
            "schemas": {**models.components, "Problem": refusals.problem_schema()},
            "responses": refusals.components(used),
            "examples": refusals.examples(),
            "headers": HEADERS,
            "securitySchemes": schemes(cookies, csrf=csrf),
        },
    }


def _asked(found: Iterable[Operation]) -> list[type[BaseModel]]:
    return _sorted({one.declared.body for one in found if media_types(one.declared.body)})


def _told(found: Iterable[Operation]) -> list[type[BaseModel]]:
    answers = [one.declared.answer(status) for one in found for status in one.declared.answers]
    return _sorted({answer.shape for answer in answers if answer.shape is not None})


def _tag(noun: str) -> str:
    return noun.replace("_", " ")


def _sorted(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    return sorted(models, key=lambda model: (model.__name__, model.__module__))


def _operation(one: Operation, models: Shapes, *, csrf: bool) -> Schema:
    summary, _, rest = prose(inspect.getdoc(one.view) or "").partition(". ")
    described: Schema = {
        "operationId": one.rule.endpoint.rpartition(".")[2],
        "tags": [_tag(one.rule.endpoint.partition(".")[0])],
        "summary": summary.rstrip(".").replace("`", ""),  # no Markdown there, says OpenAPI
        "description": rest,
        "security": _security(one, csrf=csrf),
        "parameters": _parameters(one),
        "requestBody": _body(one, models),
        "responses": {
            **{str(s): _answer(one, s, models) for s in sorted(one.declared.answers)},
            **refusals.responses_of(one.kinds(csrf=csrf)),
        },
    }
    return {key: value for key, value in described.items() if value or key == "security"}


def _security(one: Operation, *, csrf: bool) -> list[dict[str, list[str]]]:
    """Any one of these is enough. Cookies need their token beside them, with unsafe methods."""
    door = guard.DOORS[one.declared.access]
    needs_token = csrf and one.method not in SAFE_METHODS
    ways: list[dict[str, list[str]]] = [{}] if door.optional else []
    for scheme in door.schemes:
        beside = {"csrf": list[str]()} if needs_token and scheme != "token" else {}
        ways.append({scheme: [], **beside})
    return ways


def _parameters(one: Operation) -> list[Schema]:
    found = [variable(*match) for match in _VARIABLE.findall(one.rule.rule)]
    found += query_parameters(one.declared.query)
    # Of one secret: a batch has `if_version` for each.
    if errors.PreconditionFailed in one.declared.refuses and "name" in one.rule.arguments:
        found.append(condition("If-Match", "Do it only if the ETag is one of these: `*`, or tags"))
        found.append(condition("If-None-Match", "Do it only if the ETag is none of these"))
    elif 304 in one.declared.answers:  # noqa: PLR2004 - Not Modified
        about = "Answer 304 if the ETag is one of these"
        found.append(condition("If-None-Match", about, strict=False))
    return found


def _body(one: Operation, models: Shapes) -> Schema | None:
    types = media_types(one.declared.body)
    if not types or one.method in SAFE_METHODS:
        return None
    content = {kind: _bare(kind, file=one.declared.body is ImportFile) for kind in types}
    if JSON in content:
        content[JSON] = _json(one.declared.body, models)
    return {"required": True, "content": content}


def _answer(one: Operation, status: int, models: Shapes) -> Schema:
    declared = one.declared.answer(status)
    headers = ("X-Request-ID", *declared.headers)
    described: Schema = {
        "description": _STATUSES.get(status, "Done."),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }
    if status != 304:  # noqa: PLR2004 - Not Modified has no body
        described["content"] = {
            kind: _content(declared, kind, models) for kind in one.declared.produces
        }
    return described


def _content(declared: Answer, kind: str, models: Shapes) -> Schema:
    if kind != JSON:
        return _bare(kind)
    if declared.shape is None:
        return {"schema": {"type": "object"}}
    return _json(declared.shape, models)


def _json(model: type[BaseModel], models: Shapes) -> Schema:
    return {"schema": models.references[model], "example": models.example(model)}


def _bare(kind: str, *, file: bool = False) -> Schema:
    """Text as text; of bytes, OpenAPI 3.1 says nothing: that is its way to say "any"."""
    if file and kind == "text/plain":
        return {"schema": ASSIGNMENTS, "example": "DB_PASSWORD=hunter2\n"}
    return {"schema": {"type": "string"}, "example": BARE[kind]} if kind in BARE else {"schema": {}}
