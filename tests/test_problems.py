"""Every answer's form: problems for all that is refused, and the headers that no answer lacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.shared import SECURITY_HEADERS
from tests.support.target import JSON, SERVERS, Target, assert_refused, under_attack
from tests.support.wire import Reply, exchange, head

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "PROPFIND")
ALLOWED = {
    "/register": {"POST"},
    "/login": {"POST"},
    "/refresh": {"POST"},
    "/logout": {"POST"},
    "/account": {"GET", "DELETE"},
    "/account/password": {"PUT"},
    "/sessions": {"GET", "DELETE"},
    "/sessions/a": {"DELETE"},
    "/tokens": {"GET", "POST"},
    "/tokens/a": {"DELETE"},
    "/secrets": {"GET", "POST"},
    "/secrets/a": {"GET", "PUT", "PATCH", "DELETE"},
    "/secrets/a:versions": {"GET"},
    **{f"/secrets/a:{verb}": {"POST"} for verb in ("rollback", "undelete", "destroy", "move")},
    "/healthz": {"GET"},
    "/readyz": {"GET"},
    "/metrics": {"GET"},
}
UNKNOWN = (
    *(
        "/",
        "/canary",
        "/secrets/",
        "/Secrets",
        "/account/",
        "/healthz/x",
    ),
    *("/static/app.py", "/.env", "/instance/master.key", "/login/canary", "/console", "*"),
    *("/.git/config", "/.git/HEAD", "/secrets.db", "/requirements.txt", "/docs/", "/metrics/"),
    *("/canary%00", "/%ff%fe", "/%E2%82%AC", "/../../etc/passwd", "/secrets;canary", "/é"),
)


@pytest.fixture(scope="module", params=SERVERS)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Both servers that the service runs under."""
    with under_attack(request.param(tmp_path_factory.mktemp("target")), "") as attacked:
        yield attacked


def kind(reply: Reply) -> str:
    """The kind of a problem."""
    return str(reply.json()["type"]).rsplit(":", 1)[1]


def assert_guarded(reply: Reply) -> None:
    """The headers that no answer lacks, and those that none may have."""
    assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert len(reply.headers["X-Request-ID"]) == 22
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
    assert "Strict-Transport-Security" not in reply.headers  # this is plain HTTP


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ALLOWED)
def test_a_method_that_a_url_does_not_have_is_405_with_those_it_has(
    target: Target, path: str, method: str
) -> None:
    """TRACE too: it would send back the cookies. HEAD comes with GET, OPTIONS with everything."""
    allowed = ALLOWED[path] | {"OPTIONS"} | ({"HEAD"} if "GET" in ALLOWED[path] else set())
    # Without cookies: a POST to /logout would be one.
    port = target.server.port
    reply = exchange(port, head(method, path, port, JSON, "X-Canary: canary", "Content-Length: 0"))
    assert_guarded(reply)
    assert (reply.status == 405) == (method not in allowed)
    if reply.status == 405 and method != "HEAD":
        assert_refused(reply, {405})
    if method == "OPTIONS":
        assert (reply.status, reply.body) == (200, b"")
    if reply.status == 405 or method == "OPTIONS":
        assert set(reply.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "TRACE", "OPTIONS"])
@pytest.mark.parametrize("path", UNKNOWN)
def test_a_url_that_does_not_exist_is_a_problem(target: Target, path: str, method: str) -> None:
    """404 of its own kind, and no file is ever served."""
    reply = target.send(method, path.encode().decode("latin-1"), "Content-Length: 0")
    if reply.status == 400 and not reply.body:
        return  # the server before the application did not even take it for a URL
    assert_refused(reply, {404})
    assert_guarded(reply)
    assert kind(reply) == "unknown-url"


def test_every_answer_has_an_id_of_its_own(target: Target) -> None:
    """Never the client's: an id that it chose could be somebody else's."""
    sent = "A" * 22
    replies = [target.send("GET", "/account", f"X-Request-ID: {sent}") for _ in range(3)]
    ids = {reply.headers["X-Request-ID"] for reply in replies}
    assert len(ids) == 3
    assert sent not in ids


@pytest.mark.parametrize(
    ("method", "path", "lines", "body", "status"),
    [
        ("GET", "/account", (), b"", 200),
        ("GET", "/secrets/a", (), b"", 200),
        ("GET", "/secrets/a", ("Accept: text/plain",), b"", 200),
        ("GET", "/secrets/a", ("If-None-Match: *",), b"", 304),
        ("PUT", "/secrets/b", (JSON, "Content-Length: 2"), b"{}", 422),
        ("POST", "/login", (JSON, "Content-Length: 2"), b"{}", 422),
        (
            "PUT",
            "/secrets/a",
            (JSON, 'If-Match: "x"', "Content-Length: 14"),
            b'{"secret": ""}',
            412,
        ),
        ("POST", "/secrets", (JSON, "Content-Length: 26"), b'{"name":"a","secret":"x"} ', 409),
        ("GET", "/secrets/absent", (), b"", 404),
        ("GET", "/secrets/a", ("Accept: image/png",), b"", 406),
        ("PUT", "/secrets/a", ("Transfer-Encoding: chunked",), b"1\r\nx\r\n0\r\n\r\n", 411),
        ("POST", "/secrets", ("Content-Length: 1", "Content-Type: x/y"), b"x", 415),
        ("POST", "/secrets", ("Origin: https://evil.example", "Content-Length: 0"), b"", 403),
        ("HEAD", "/secrets/a", (), b"", 200),
        ("GET", "/healthz", (), b"", 200),
        ("GET", "/readyz", (), b"", 200),
    ],
)
def test_no_answer_lacks_the_headers(
    target: Target, method: str, path: str, lines: tuple[str, ...], body: bytes, status: int
) -> None:
    """Whatever the status: good news, no news and bad news."""
    reply = target.send(method, path, *lines, body=body)
    assert reply.status == status, reply.body
    assert_guarded(reply)


@pytest.mark.parametrize(
    "line",
    [
        *("Cookie: \udcff\udcfe", "Cookie: =", "Cookie: ;;;", "Cookie: " + "a=b; " * 2000),
        *("If-Match: \udcff", 'If-None-Match: "\udcff"', "Accept: \udcff/\udcff", "Accept: ,;q="),
        *("Origin: \udcff", "Sec-Fetch-Site: \udcff", "X-CSRF-TOKEN: \udcff", "Range: bytes=0-"),
        *(
            "Authorization: Bearer canary",
            "Authorization: \udcff",
            "Authorization: Basic Y2FuYXJ5",
            "Content-Type: \udcff",
            "X-Forwarded-For: \udcff",
        ),
        *("X-HTTP-Method-Override: DELETE", "Upgrade: websocket", "Expect: canary", "TE: trailers"),
        *("Accept-Encoding: gzip;q=canary", "Accept-Charset: utf-16", "If-Modified-Since: canary"),
    ],
)
def test_no_header_makes_the_service_fail(target: Target, line: str) -> None:
    """Bytes that are no text, and words that mean nothing here: never a 5xx, never a quote."""
    port = target.server.port
    for method in ("GET", "DELETE", "PUT"):
        length = () if method == "GET" else ("Content-Length: 0",)
        for cookies in (f"Cookie: {target.cookies}", "X-None: 0"):
            path = "/secrets/absent" if method != "PUT" else "/secrets/impossible:name"
            reply = exchange(port, head(method, path, port, cookies, line, *length))
            assert reply.status == 0 or 400 <= reply.status < 500, reply
            assert b"canary" not in reply.body


def test_two_credentials_in_two_headers_are_refused(target: Target) -> None:
    """Servers join such headers, or keep one of them: never the one of somebody's choice."""
    body = b'{"name": "job", "scopes": ["read"]}'
    made = target.post_json("POST", "/tokens", body)
    assert made.status == 201, made.body
    line = f"Authorization: Bearer {made.json()['token']}"
    assert target.send("GET", "/secrets/a", line).status == 200
    for lines in ((line, "Authorization: Bearer x"), ("Authorization: Bearer x", line)):
        assert_refused(target.send("GET", "/secrets/a", *lines), {401})
