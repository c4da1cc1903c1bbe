"""API tokens in tests: made by their owner, held by a machine that has nothing else; and the routes
that take them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person
from tests.support.shared import refusal
from tests.support.wrapped import Wrapped
from utils.db import Database, Tx

TOKEN_FIELDS = {
    *("id", "name", "scopes", "prefixes", "cidrs", "created_at", "expires_at", "last_used_at"),
}


class Machine(Person):
    """A program with an API token and no cookies."""

    def __init__(self, app: Flask, token: str) -> None:
        super().__init__(app, "machine")
        self.client = app.test_client(use_cookies=False)
        self.token = token

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request with the token."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return super().request(method, path, headers=headers, **options)


def made(owner: Person, name: str = "job", **fields: Any) -> dict[str, Any]:
    """What *owner* is told of a new token; it may read and write unless *fields* say otherwise."""
    response = owner.post("/tokens", json={"name": name, "scopes": ["read", "write"], **fields})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json  # type: ignore[assignment]
    return body


def machine(owner: Person, name: str = "job", **fields: Any) -> Machine:
    """A program with a new token of *owner*'s."""
    return Machine(owner.client.application, made(owner, name, **fields)["token"])


def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    """The person's tokens, as the list tells them."""
    response = person.get(f"/tokens{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json["tokens"]  # type: ignore[index]
    return found


@dataclass(frozen=True)
class Route:
    """A call about the secret NAME, and the scope that it needs."""

    scope: str
    method: str
    path: str
    options: dict[str, Any]

    def name_in(self, folder: str) -> str:
        """A name for which it succeeds, in a folder with a secret *there* and one *deleted*."""
        if self.path in {"/secrets", "/secrets:import"}:
            return folder + "new"
        return folder + ("deleted" if self.path.endswith(":undelete") else "there")

    def call(self, caller: Person, name: str, **options: Any) -> TestResponse:
        """Call it for the secret *name*."""
        sent = {**self.options, **options}
        if "json" in sent:
            sent["json"] = _with_name(sent["json"], name)
        return caller.request(self.method, self.path.replace("NAME", name), **sent)


def _with_name(body: Any, name: str) -> Any:
    if isinstance(body, str):
        return body.replace("NAME", name)
    if isinstance(body, dict):
        return {_with_name(key, name): _with_name(value, name) for key, value in body.items()}
    return [_with_name(value, name) for value in body] if isinstance(body, list) else body


_WRITES = {"json": {"writes": [{"name": "NAME", "secret": "n"}]}}
_VALUE = {"json": {"secret": "new"}}
_VERBS = {
    "versions": Route("read", "GET", "/secrets/NAME:versions", {}),
    "rollback": Route("write", "POST", "/secrets/NAME:rollback", {"json": {"version": 1}}),
    "undelete": Route("write", "POST", "/secrets/NAME:undelete", {}),
    "destroy": Route("write", "POST", "/secrets/NAME:destroy", {"json": {"all": True}}),
    "move": Route("write", "POST", "/secrets/NAME:move", {"json": {"to": "NAME-moved"}}),
}
ROUTES: dict[str, Route] = {
    "POST /secrets": Route("write", "POST", "/secrets", {"json": {"name": "NAME", "secret": "n"}}),
    "GET /secrets": Route("read", "GET", "/secrets", {}),
    "GET /secrets/<secret_name:name>": Route("read", "GET", "/secrets/NAME", {}),
    "PUT /secrets/<secret_name:name>": Route("write", "PUT", "/secrets/NAME", _VALUE),
    "PATCH /secrets/<secret_name:name>": Route("write", "PATCH", "/secrets/NAME", _VALUE),
    "DELETE /secrets/<secret_name:name>": Route("write", "DELETE", "/secrets/NAME", {}),
    **{f"{one.method} /secrets/<secret_name:name>:{verb}": one for verb, one in _VERBS.items()},
    "POST /secrets:batchGet": Route(
        "read", "POST", "/secrets:batchGet", {"json": {"names": ["NAME"]}}
    ),
    "POST /secrets:batchWrite": Route("write", "POST", "/secrets:batchWrite", _WRITES),
    "GET /secrets:export": Route("read", "GET", "/secrets:export", {}),
    "POST /secrets:import": Route("write", "POST", "/secrets:import", {"json": {"NAME": "new"}}),
}
# The others leave out what the token does not reach, or say so of each name.
_OF_MANY = {"GET /secrets", "GET /secrets:export", "POST /secrets:batchGet"}
NAMED = {what: route for what, route in ROUTES.items() if what not in _OF_MANY}


def missing(response: TestResponse) -> str:
    """The sentence that says which power is missing."""
    assert refusal(response) == (403, "missing-power")
    assert "canary" not in response.text
    assert response.json is not None
    return str(response.json["detail"])


class Counting(Wrapped):
    """A database that notes which transactions were asked of it."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner)
        self.transactions: list[str] = []

    def read(self) -> AbstractContextManager[Tx]:
        """See :meth:`Database.read`."""
        self.transactions.append("read")
        return super().read()

    def write(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        """See :meth:`Database.write`."""
        self.transactions.append("write")
        return super().write(wait=wait)
