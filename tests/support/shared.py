"""An application that the tests of a module share.

A database of its own for each row of a table of refusals would cost more than the test: these
tests share one, and each takes an account of its own instead, which sees nothing of the others'.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from routes.context import vault_of
from tests.support.engines import ENGINES
from tests.support.people import Person, problem
from tests.support.postgres import PostgresServer


@contextmanager
def shared_app(
    request: pytest.FixtureRequest, engine: str, factory: pytest.TempPathFactory, **settings: Any
) -> Iterator[Flask]:
    """An application on *engine* for a fixture of wider scope than one test."""
    folder = factory.mktemp("shared")
    url = f"sqlite:///{folder / 'secrets.db'}"
    if engine == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database(f"t{uuid.uuid4().hex}")
    application = create_app(
        Settings(
            **{
                "INSTANCE_DIR": folder / "instance",
                "DATABASE_URL": url,
                "BCRYPT_COST": 4,
                "REGISTRATIONS_SOURCE": 0,
                "REQUESTS_PER_MINUTE_PRINCIPAL": 0,
                "REQUESTS_PER_MINUTE_SOURCE": 0,
                **settings,
            }
        )
    )
    yield application
    vault_of(application).close()


def module_app(**settings: Any) -> object:
    """The fixture ``app`` of a module: one application for all its tests, on each engine."""

    @pytest.fixture(scope="module", params=ENGINES)
    def app(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Flask]:
        with shared_app(request, request.param, tmp_path_factory, **settings) as application:
            yield application

    return app


def unique(username: str) -> str:
    """A username that nobody has yet."""
    return f"{username}-{uuid.uuid4().hex[:12]}"


def newcomer(app: Flask, username: str) -> Person:
    """Somebody with a new account, logged in. The name is *username* and something unique."""
    someone = Person(app, unique(username))
    assert someone.register().status_code == 201
    assert someone.login().status_code == 200
    return someone


SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def refusal(response: TestResponse) -> tuple[int, str]:
    """Status and kind of a problem, which must be whole: ``(404, "not-found")``."""
    kind = problem(response)
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    body = response.json
    assert body is not None
    expected = {"type", "title", "status", "detail", "request_id"}
    assert set(body) - {"errors"} == expected
    return response.status_code, kind


def pointers(response: TestResponse) -> set[str]:
    """Which fields a 422 complains about."""
    assert refusal(response) == (422, "invalid-fields")
    body = response.json
    assert body is not None
    return {error["pointer"] for error in body["errors"]}


def indistinct(response: TestResponse) -> tuple[int, dict[str, Any]]:
    """A problem without its request id: what must be the same where nothing may be learned."""
    refusal(response)
    body = dict(response.json or {})
    del body["request_id"]
    return response.status_code, body
