"""``flask run`` on a developer's machine: there plain HTTP works for real clients; only there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from tests.support.clients import CLIENTS, Make, assert_stays_logged_in
from tests.support.people import PASSWORD, Person
from tests.support.server import Server
from tests.support.shared import newcomer, refusal, shared_app, unique
from tests.support.target import JSON, Target, assert_refused, flask_run, under_attack
from tests.support.tokens import ACCESS, cookie
from tests.support.wire import exchange, head

LOGIN = b'{"username": "alice", "password": "correct horse battery staple"}'
HERE: dict[str, Any] = {"werkzeug.socket": object(), "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """``flask run`` without any configuration."""
    with under_attack(flask_run(tmp_path_factory.mktemp("transport")), "") as attacked:
        yield attacked


@pytest.fixture(scope="module")
def running(target: Target) -> Server:
    """The server of :func:`target`."""
    return target.server


@pytest.fixture(scope="module")
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """The application in this process. Transport rules know no database engine."""
    with shared_app(request, "sqlite", tmp_path_factory) as application:
        yield application


# --- who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("make", CLIENTS)
def test_every_plain_client_logs_in_and_stays_logged_in(
    running: Server, tmp_path: Path, make: Make, host: str
) -> None:
    """With no setting on its side: curl, requests and httpx, by name and by address."""
    origin = f"http://{host}:{running.port}"
    with make(tmp_path, None) as client:
        assert_stays_logged_in(client, origin, unique("client"))


def test_development_cookies_are_http_only_and_not_secure(running: Server) -> None:
    """Python's jars do not send a Secure cookie over plain HTTP, not even to localhost."""
    credentials = {"username": "alice", "password": PASSWORD}
    answer = requests.post(running.url + "/login", json=credentials, timeout=30)
    lines = answer.raw.headers.getlist("Set-Cookie")
    assert {line.partition("=")[0] for line in lines} == {
        "access_token_cookie",
        "refresh_token_cookie",
    }
    for line, age in zip(lines, (900, 7 * 24 * 3600), strict=True):
        attributes = set(line.split("; ")[1:])
        assert {"HttpOnly", "Path=/", "SameSite=Strict"} < attributes
        assert not {"Secure"} & attributes
        assert "Domain" not in line
        given = next(a for a in attributes if a.startswith("Max-Age="))
        assert int(given.partition("=")[2]) in {age - 1, age}


def test_production_cookies_are_not_read_in_development(target: Target) -> None:
    """Each place has its own names, and reads no others."""
    renamed = target.cookies.replace("access_token_cookie", ACCESS)
    port = target.server.port
    assert exchange(port, head("GET", "/account", port, f"Cookie: {renamed}")).status == 401
    assert target.send("GET", "/account").status == 200


# --- who is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "localhost.evil"),
        *("evil.localhost", "0.0.0.0:PORT", "192.168.0.10:PORT", "[::2]:PORT", "128.0.0.1"),
        *("localhost, evil.example", "localhost@evil.example", "", "<script>", "localhost:x:PORT"),
        *("2130706433", "0x7f000001", "127.1", "[::ffff:10.0.0.1]"),
    ],
)
def test_a_foreign_host_header_is_not_exempt(target: Target, host: str) -> None:
    """A page whose name resolves to 127.0.0.1 (DNS rebinding) sends its own name. Two names, or
    two such headers, are refused as such."""
    port = target.server.port
    lines = (f"Host: {host.replace('PORT', str(port))}", JSON, f"Content-Length: {len(LOGIN)}")
    start = "\r\n".join(["POST /login HTTP/1.1", *lines, "", ""]).encode()
    reply = exchange(port, start, LOGIN)
    assert_refused(reply, {400 if "," in host else 403})
    assert b"bad-request" in reply.body or b"https-required" in reply.body
    assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize("host", ["LOCALHOST:PORT", "127.0.0.2:PORT", "[::1]:PORT", "localhost"])
def test_every_loopback_host_is_exempt(target: Target, host: str) -> None:
    """However it is written."""
    port = target.server.port
    lines = (f"Host: {host.replace('PORT', str(port))}", f"Cookie: {target.cookies}")
    start = "\r\n".join(["GET /account HTTP/1.1", *lines, "", ""]).encode()
    assert exchange(port, start).status == 200


@pytest.mark.parametrize(
    "line",
    [
        *("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: "),
        *("X-Forwarded-Proto: http", "X-Forwarded-Proto: https", "X-Forwarded-Host: localhost"),
        *("Forwarded: for=127.0.0.1;proto=https", "X-Real-IP: 127.0.0.1", "Via: 1.1 proxy"),
    ],
)
def test_behind_a_proxy_nobody_is_exempt(target: Target, line: str) -> None:
    """A default nginx in front looks like a loopback client, but for these headers."""
    for method, path in (("POST", "/login"), ("GET", "/account"), ("GET", "/secrets")):
        reply = target.send(method, path, line, "Content-Length: 0")
        assert_refused(reply, {403})
        assert b"https-required" in reply.body


@pytest.mark.one_engine("sqlite", "it is about addresses")
@pytest.mark.parametrize(
    ("environ", "status"),
    [
        (HERE, 201),
        ({**HERE, "REMOTE_ADDR": "127.8.9.10"}, 201),
        ({**HERE, "REMOTE_ADDR": "::1"}, 201),
        ({**HERE, "REMOTE_ADDR": "::ffff:127.0.0.1"}, 201),
        ({**HERE, "REMOTE_ADDR": "192.0.2.1"}, 403),
        ({**HERE, "REMOTE_ADDR": "::ffff:192.0.2.1"}, 403),
        ({**HERE, "REMOTE_ADDR": "10.0.0.1"}, 403),
        ({**HERE, "REMOTE_ADDR": ""}, 403),
        ({**HERE, "REMOTE_ADDR": "localhost"}, 403),
        ({"REMOTE_ADDR": "127.0.0.1"}, 403),  # another server than flask run
    ],
)
def test_the_exemption_needs_flask_run_and_a_loopback_client(
    app: Flask, environ: dict[str, Any], status: int
) -> None:
    """Neither alone is enough."""
    someone = Person(app, unique("here"))
    credentials = {"username": someone.username, "password": PASSWORD}
    answer = someone.post(
        "/register",
        json=credentials,
        base_url="http://localhost:5000",
        environ_overrides=environ,
    )
    assert answer.status_code == status
    if status == 403:
        assert refusal(answer) == (403, "https-required")


# --- other sites' pages -------------------------------------------------------------------------

FOREIGN = (
    *("Origin: https://evil.example", "Origin: null", "Origin: ", "Origin: file://"),
    *("Origin: http://localhost", "Origin: https://127.0.0.1:PORT", "Origin: http://127.0.0.1:1"),
    *("Origin: http://127.0.0.1:PORT.evil.example", "Origin: http://127.0.0.1:PORT/"),
    *("Origin: http://evil@127.0.0.1:PORT", "Origin: http://127.0.0.1:PORT, http://evil.example"),
    *("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"),
)


@pytest.mark.parametrize("line", FOREIGN)
def test_an_unsafe_request_of_a_foreign_page_is_refused(target: Target, line: str) -> None:
    """Whether CSRF protection is on or off; nothing happens, and reading stays possible."""
    before, port = target.content(), target.server.port
    sent = line.replace("PORT", str(port))
    for method, path in (
        *(("POST", path) for path in ("/login", "/register", "/logout", "/refresh", "/secrets")),
        *((method, "/secrets/a") for method in ("PUT", "PATCH", "DELETE", "TRACE")),
        *(("POST", path) for path in ("/tokens", "/keys:rotate")),
        *(("DELETE", path) for path in ("/account", "/sessions", "/sessions/a", "/tokens/a")),
        ("PUT", "/account/password"),
    ):
        reply = target.send(method, path, sent, JSON, f"Content-Length: {len(LOGIN)}", body=LOGIN)
        assert_refused(reply, {403})
        assert b"foreign-origin" in reply.body
    assert target.send("GET", "/account", sent).status == 200
    assert target.content() == before


@pytest.mark.parametrize(
    "line",
    [
        *("Origin: http://127.0.0.1:PORT", "Origin: HTTP://127.0.0.1:PORT"),
        *("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"),
    ],
)
def test_a_page_of_our_own_is_let_through(target: Target, line: str) -> None:
    """The control of the experiment."""
    sent = line.replace("PORT", str(target.server.port))
    body = b'{"secret": "own"}'
    length = f"Content-Length: {len(body)}"
    assert target.send("PUT", "/secrets/own", sent, JSON, length, body=body).status in {200, 201}


@pytest.mark.parametrize("path", ["/login", "/secrets", "/secrets/a", "/healthz"])
def test_no_page_of_another_site_may_read_an_answer(target: Target, path: str) -> None:
    """A preflight gets an answer that allows nothing."""
    reply = target.send(
        "OPTIONS",
        path,
        "Origin: https://evil.example",
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type",
    )
    assert reply.status == 200
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"


# --- plain HTTP elsewhere -----------------------------------------------------------------------


def test_plain_http_can_be_allowed_knowingly(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For a proxy that cannot be named: the cookies stay those of production."""
    with shared_app(request, "sqlite", tmp_path_factory, ALLOW_PLAIN_HTTP=True) as allowing:
        someone = newcomer(allowing, "plain")
        for origin in ("http://localhost", "https://localhost"):
            answer = someone.post(
                "/login",
                json={"username": someone.username, "password": PASSWORD},
                base_url="http://localhost",
                headers={"Origin": origin},
            )
            assert answer.status_code == 200
            assert all("; Secure" in line for line in answer.headers.getlist("Set-Cookie"))
        assert "Strict-Transport-Security" not in answer.headers
        assert cookie(someone, ACCESS)
