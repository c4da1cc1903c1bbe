"""People who use a server over its socket: ``alice.put("/secrets/db", json={…})``."""

from __future__ import annotations

from typing import Any

import requests

from tests.support.people import PASSWORD
from tests.support.server import Server

_TIMEOUT = 60


class Remote:
    """A client of a real server, with an account and a cookie jar of its own."""

    def __init__(self, server: Server, username: str) -> None:
        self.credentials = {"username": username, "password": PASSWORD}
        self.session = requests.Session()
        self._server = server

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; *options* as the requests library takes them."""
        return self.session.request(method, self._server.url + path, timeout=_TIMEOUT, **options)

    def get(self, path: str) -> requests.Response:
        """GET."""
        return self.request("GET", path)

    def put(self, name: str, value: str) -> requests.Response:
        """Set a secret to a text."""
        return self.request("PUT", f"/secrets/{name}", json={"secret": value})

    def delete(self, name: str) -> requests.Response:
        """Delete a secret."""
        return self.request("DELETE", f"/secrets/{name}")

    def login(self) -> requests.Response:
        """Log in; the session keeps the cookies."""
        return self.request("POST", "/login", json=self.credentials)

    def enter(self) -> Remote:
        """Register and log in."""
        assert self.request("POST", "/register", json=self.credentials).status_code == 201
        assert self.login().status_code == 200
        return self

    def secret(self, name: str) -> str:
        """The value of a secret that must be there."""
        response = self.get(f"/secrets/{name}")
        assert response.status_code == 200, response.text
        value: str = response.json()["secret"]
        return value


def assert_try_later(response: requests.Response) -> None:
    """503, as a problem, saying when to come back."""
    assert response.status_code == 503, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    kind = response.json()["type"].rsplit(":", 1)[1]
    assert kind in {"database-busy", "database-unavailable"}
