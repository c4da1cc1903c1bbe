"""Three kinds of real client with a cookie jar, each used as its manual says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import requests

from tests.support.production import Certificate

# method, URL, JSON to send -> status, JSON that came back
Client = Callable[[str, str, Any], tuple[int, Any]]
Make = Callable[[Path, Certificate | None], AbstractContextManager[Client]]


@contextmanager
def with_requests(_folder: Path, trust: Certificate | None) -> Iterator[Client]:
    """``requests.Session``."""
    with requests.Session() as session:

        def send(method: str, url: str, body: Any) -> tuple[int, Any]:
            verify = str(trust.authority) if trust else True
            response = session.request(method, url, json=body, verify=verify, timeout=30)
            return response.status_code, response.json()

        yield send


@contextmanager
def with_httpx(_folder: Path, trust: Certificate | None) -> Iterator[Client]:
    """``httpx.Client``."""
    with httpx.Client(verify=trust.context() if trust else True, timeout=30) as client:

        def send(method: str, url: str, body: Any) -> tuple[int, Any]:
            response = client.request(method, url, json=body)
            return response.status_code, response.json()

        yield send


@contextmanager
def with_curl(folder: Path, trust: Certificate | None) -> Iterator[Client]:
    """``curl -b jar -c jar``, a process for each call."""
    jar = folder / "jar"

    def send(method: str, url: str, body: Any) -> tuple[int, Any]:
        command = ["curl", "--silent", "--show-error", "--max-time", "30", "--request", method]
        command += ["--cookie", str(jar), "--cookie-jar", str(jar)]
        command += ["--write-out", "\n%{http_code}", url]
        if trust:
            command += ["--cacert", str(trust.authority)]
        if body is not None:
            command += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text)

    yield send


CLIENTS: tuple[Make, ...] = (with_curl, with_requests, with_httpx)


def assert_stays_logged_in(send: Client, origin: str, username: str) -> None:
    """From registration to logout: each call depends on the cookies of the one before."""
    credentials = {"username": username, "password": "correct horse battery staple"}
    assert send("POST", origin + "/register", credentials)[0] == 201
    assert send("GET", origin + "/account", None)[0] == 401
    assert send("POST", origin + "/login", credentials)[0] == 200
    assert send("GET", origin + "/account", None)[1]["username"] == username
    assert send("PUT", origin + "/secrets/a", {"secret": "x"})[0] == 201
    assert send("POST", origin + "/refresh", None)[0] == 200
    assert send("GET", origin + "/secrets/a", None)[1]["secret"] == "x"
    assert send("POST", origin + "/logout", None)[0] == 200
    assert send("GET", origin + "/account", None)[0] == 401
