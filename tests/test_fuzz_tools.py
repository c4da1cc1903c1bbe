"""The instruments of ``make fuzz``: a route that breaks its promises must not get past them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify
from werkzeug.serving import make_server

from models import requests, responses
from models.errors import AlreadyExists
from routes.declared import Answer
from routes.endpoint import Call, answer, endpoint
from routes.guard import anybody, session
from routes.trail import Unrecorded
from tests.fuzz.schemathesis_row import faults, fuzz
from tests.torture.framework import Attempt

_SEED = 1
pytestmark = pytest.mark.one_engine("sqlite", "it is about the instruments")


class Thing(responses.Response):
    """An answer."""

    thing: str


class NewThing(requests.Request):
    """A body."""

    thing: str


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The application of this test, with routes that are wrong, on a socket."""

    def route(path: str, access: Any, view: Any, body: Any = requests.Nothing) -> None:
        wrapped = endpoint(
            access=access,
            audit=Unrecorded("a test"),
            body=body,
            query=requests.NoQuery,
            answers={200: Answer(Thing)},
        )(view)
        method = "GET" if body is requests.Nothing else "POST"
        app.add_url_rule(path, path.strip("/"), wrapped, methods=[method])

    def crashes(_call: Call[Any, Any]) -> Response:
        raise ZeroDivisionError

    def says_more(_call: Call[Any, Any]) -> Response:
        return jsonify(thing="a", owner="b")

    def refuses(_call: Call[Any, Any]) -> Response:
        raise AlreadyExists("It is there.")

    def is_right(_call: Call[Any, Any]) -> Response:
        return answer(Thing(thing="a"))

    route("/crashes", anybody, crashes)
    route("/says-more", anybody, says_more)
    route("/refuses", anybody, refuses, NewThing)
    route("/is-right", anybody, is_right)
    route("/is-closed", session, is_right)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "errors", "undocumented"),
    [("/crashes", 1, 1), ("/says-more", 0, 1), ("/refuses", 0, 1), ("/is-right", 0, 0)],
)
def test_schemathesis_finds_what_is_not_as_documented(
    url: str, tmp_path: Path, path: str, errors: int, undocumented: int
) -> None:
    """A crash, a field that nobody allowed, a refusal that is not declared; and nothing else."""
    report = fuzz(Attempt(tmp_path, _SEED, 0.005), url, "--include-path", path)
    found, unlike = faults(report)
    assert bool(found) == bool(errors), report["failures"]
    assert bool(unlike) == bool(undocumented), report["failures"]
    assert report["test_cases"]["generated"] > 0


def test_a_route_that_asks_for_a_session_gets_one(url: str, tmp_path: Path) -> None:
    """Otherwise the fuzzer would see nothing but 401, and find everything in order."""
    report = fuzz(Attempt(tmp_path, _SEED, 0.005), url, "--include-path", "/is-closed")
    assert faults(report) == (0, 0)
    assert "GET /is-closed" not in report["warnings"]["missing_auth"]
