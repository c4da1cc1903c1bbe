"""API tokens in tests: made by their owner, held by a machine that has nothing else."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import Person

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
