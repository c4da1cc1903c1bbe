"""People who use the API in tests: ``alice.put("/secrets/db", json={"secret": "hunter2"})``."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.documented import undocumented

PASSWORD = "correct horse battery staple"
# The test client is not `flask run`: production rules apply, and cookies need TLS.
ORIGIN = "https://localhost"


class Person:
    """A client of the application in this process, with a cookie jar of its own."""

    def __init__(self, app: Flask, username: str) -> None:
        self.username = username
        self.password = PASSWORD
        self.client: FlaskClient = app.test_client()

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; *options* as werkzeug's EnvironBuilder takes them. The answer is one that
        the OpenAPI document promises."""
        options.setdefault("base_url", ORIGIN)
        response = self.client.open(path, method=method, **options)
        fault = undocumented(self.client.application, response)
        assert fault is None, fault
        return response

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        """PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        """PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE."""
        return self.request("DELETE", path, **options)

    def register(self) -> TestResponse:
        """Create this person's account."""
        return self.post("/register", json={"username": self.username, "password": self.password})

    def login(self) -> TestResponse:
        """Log in; the client keeps the cookies."""
        return self.post("/login", json={"username": self.username, "password": self.password})

    def secret(self, name: str) -> str:
        """The value of a secret that must be there."""
        response = self.get(f"/secrets/{name}")
        assert response.status_code == 200, response.text
        value: str = response.json["secret"]  # type: ignore[index]
        return value


def clients(app: Flask, username: str, count: int) -> list[Person]:
    """Devices of one person, logged in."""
    found = [Person(app, username) for _ in range(count)]
    assert [client.login().status_code for client in found] == [200] * count
    return found


def problem(response: TestResponse) -> str:
    """The kind of a problem response: the last part of its ``type``."""
    assert response.content_type == "application/problem+json", response.text
    body = response.json
    assert body is not None
    assert body["status"] == response.status_code
    assert body["request_id"] == response.headers["X-Request-ID"]
    return str(body["type"]).rsplit(":", 1)[1]
