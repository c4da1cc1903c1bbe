"""A story that is told to a real server, over its socket, by clients that know only HTTP.

The clock is the teller's: each request carries the time at which it is sent, and the server, which
starts from here instead of from ``app.py``, stands at that time. (A story that lasts for months
could not be told otherwise; the rest of the server is as everybody's.) ``flask run`` finds
:func:`create_app` by the variable FLASK_APP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse

import app
from config import Settings
from models.times import utcnow
from routes.context import vault_of
from tests.stateful.divergence import LONG
from tests.support.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CLOCK = "Story-Clock"
_TIMEOUT = 60
_ENVIRON = {
    "FLASK_APP": "tests.stateful.live",
    **{f"SECRETS_LOGIN_ATTEMPTS_{limit}": "0" for limit in ("PAIR", "ACCOUNT", "SOURCE")},
    **{
        f"SECRETS_{name}": f"{LONG.days}d"
        for name in ("ACCESS_TOKEN_LIFETIME", "SESSION_IDLE_LIFETIME", "SESSION_LIFETIME")
    },
}


def create_app() -> Flask:
    """The application, in a process whose clock stands where the request before has put it."""
    clock = time_machine.travel(utcnow(), tick=False).start()
    application = app.create_app()
    inner: WSGIApplication = application.wsgi_app

    def at_the_time_of_the_story(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        sent = environ.get("HTTP_" + _CLOCK.upper().replace("-", "_"))
        if sent is not None:
            clock.move_to(datetime.fromisoformat(sent))
        return inner(environ, start_response)

    application.wsgi_app = at_the_time_of_the_story  # type: ignore[method-assign]
    return application


class SocketClient(FlaskClient):
    """Takes what Flask's own client takes, and sends it to a server."""

    url = ""

    def __init__(self, *args: Any, use_cookies: bool = True, **options: Any) -> None:
        super().__init__(*args, use_cookies=use_cookies, **options)
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc

    def open(self, *args: Any, **options: Any) -> TestResponse:
        """Send a request: a path, a method, and any of headers, query_string, json, data with
        content_type."""
        sent = dict(options)
        sent.pop("base_url", None)
        sent["params"] = sent.pop("query_string", None)
        headers: Mapping[str, str] = sent.pop("headers", None) or {}
        kind = {"Content-Type": sent.pop("content_type")} if "content_type" in sent else {}
        sent["headers"] = {**headers, **kind, _CLOCK: utcnow().isoformat()}
        method: str = sent.pop("method")
        answer = self._session.request(method, self.url + args[0], timeout=_TIMEOUT, **sent)
        assert answer.request.path_url is not None
        asked = EnvironBuilder(answer.request.path_url, self.url, method=method).get_request()
        status = f"{answer.status_code} {answer.reason}"
        return TestResponse([answer.content], status, Headers(answer.headers.items()), asked)


@contextmanager
def live(folder: Path, database_url: str) -> Iterator[Flask]:
    """A second node over the database of a server that is running: its clients are those of the
    server, its vault is for the work of cron, and it serves nobody."""
    environ = {**_ENVIRON, **({"SECRETS_DATABASE_URL": database_url} if database_url else {})}
    with Server(folder, environ) as server:
        node = app.create_app(
            Settings(INSTANCE_DIR=folder, DATABASE_URL=database_url, BCRYPT_COST=4)
        )

        class Client(SocketClient):
            """Of this server."""

            url = server.url

        node.test_client_class = Client
        try:
            yield node
        finally:
            vault_of(node).close()
