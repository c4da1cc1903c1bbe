"""The production server, granian: TLS and the cookies' strict names, or no credentials at all."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.clients import CLIENTS, Make, assert_stays_logged_in
from tests.support.people import PASSWORD
from tests.support.production import Certificate, ProductionServer, make_certificate
from tests.support.shared import SECURITY_HEADERS, unique
from tests.support.target import JSON, SLOWEST
from tests.support.tokens import ACCESS, REFRESH
from tests.support.wire import Reply, exchange, head

CREDENTIALS = {"username": "alice", "password": PASSWORD}
LOGIN = b'{"username": "alice", "password": "correct horse battery staple"}'
CALLS = (
    *(("POST", path) for path in ("/register", "/login", "/refresh", "/logout", "/secrets")),
    *(("GET", path) for path in ("/account", "/secrets", "/secrets/a", "/nowhere")),
    *((method, "/secrets/a") for method in ("PUT", "PATCH", "DELETE", "OPTIONS")),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of an authority that nobody but these tests trusts."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProductionServer]:
    """TLS ends in granian, where alice has an account."""
    folder = tmp_path_factory.mktemp("granian-tls") / "instance"
    server = ProductionServer(folder, certificate=certificate)
    with server:
        assert post(server, "/register").status_code == 201
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    """Plain HTTP, without a word about it in its settings."""
    server = ProductionServer(tmp_path_factory.mktemp("granian") / "instance")
    with server:
        yield server


def post(server: ProductionServer, path: str, **options: Any) -> requests.Response:
    """A POST of alice's credentials, sent with the certificate verified."""
    verify = str(server.certificate.authority) if server.certificate else True
    return requests.post(server.url + path, json=CREDENTIALS, verify=verify, timeout=30, **options)


def ask(server: ProductionServer, path: str, *lines: str) -> Reply:
    """A GET by hand."""
    context = server.certificate.context() if server.certificate else None
    return exchange(server.port, head("GET", path, server.port, *lines), tls=context)


# --- over TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("make", CLIENTS)
def test_every_kind_of_client_stays_logged_in_over_tls(
    tls: ProductionServer, certificate: Certificate, tmp_path: Path, make: Make, host: str
) -> None:
    """With the certificate verified; curl speaks HTTP/2 here, where it can."""
    origin = f"https://{host}:{tls.port}"
    with make(tmp_path, certificate) as client:
        assert_stays_logged_in(client, origin, unique("client"))


def test_an_untrusted_certificate_is_noticed(tls: ProductionServer) -> None:
    """The control of the experiment: the clients above did verify."""
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(tls.url + "/healthz", timeout=30)


def test_nothing_older_than_tls_1_3_is_spoken(
    tls: ProductionServer, certificate: Certificate
) -> None:
    """Neither side can be talked down to a version with weaker ciphers."""
    old, new = certificate.context(), certificate.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        exchange(tls.port, head("GET", "/healthz", tls.port), tls=old)
    assert exchange(tls.port, head("GET", "/healthz", tls.port), tls=new).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/account", "/nowhere"])
def test_no_version_is_told(tls: ProductionServer, path: str) -> None:
    """Nor a name, of the server or of anything under it: it would say which holes to try."""
    reply = ask(tls, path)
    assert [reply.headers.get(name, "") for name in ("Server", "X-Powered-By", "Via")] == [""] * 3


def test_the_cookies_are_as_strict_as_cookies_can_be(tls: ProductionServer) -> None:
    """``__Host-``: no plain-HTTP page and no sibling domain can plant one."""
    lines = post(tls, "/login").raw.headers.getlist("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == [ACCESS, REFRESH]
    for line in lines:
        attributes = {part.partition("=")[0] for part in line.split("; ")[1:]}
        assert attributes == {"HttpOnly", "Max-Age", "Path", "SameSite", "Secure"} | (
            {"Expires"} & attributes
        )
        assert {"Path=/", "SameSite=Strict"} < set(line.split("; "))


def test_development_cookies_are_not_read_in_production(tls: ProductionServer) -> None:
    """Anybody on the network could plant a cookie of those names."""
    cookies = post(tls, "/login").cookies
    access, refresh = cookies[ACCESS], cookies[REFRESH]
    assert ask(tls, "/account", f"Cookie: {ACCESS}={access}").status == 200
    for name in ("access_token_cookie", "access_token", "__Secure-access_token"):
        assert ask(tls, "/account", f"Cookie: {name}={access}").status == 401
    answer = post(tls, "/refresh", headers={"Cookie": f"refresh_token_cookie={refresh}"})
    assert answer.status_code in {401, 422}


@pytest.mark.parametrize("path", ["/healthz", "/account", "/nowhere", "/secrets/a:b"])
def test_every_answer_over_tls_asks_for_tls_from_now_on(tls: ProductionServer, path: str) -> None:
    """HSTS beside the headers that no answer lacks."""
    reply = ask(tls, path)
    assert reply.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert len(reply.headers["X-Request-ID"]) == 22


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:PORT", "https://localhost:PORT", "https://evil.example", "null"]
)
def test_a_page_of_another_origin_is_foreign(tls: ProductionServer, origin: str) -> None:
    """The scheme counts, and so does the name that the client asked for."""
    sent = origin.replace("PORT", str(tls.port))
    assert post(tls, "/login", headers={"Origin": sent}).status_code == 403
    own = {"Origin": f"https://127.0.0.1:{tls.port}", "Sec-Fetch-Site": "same-origin"}
    assert post(tls, "/login", headers=own).status_code == 200


@pytest.mark.parametrize("options", [[], ["--http1.1"]], ids=["newest", "1.1"])
def test_a_value_of_unknown_length_is_refused_in_every_version_of_http(
    tls: ProductionServer, certificate: Certificate, options: list[str]
) -> None:
    """HTTP/2, which curl speaks where it can, has no chunks: a stream ends or breaks off."""
    cookies = post(tls, "/login").cookies
    command = ["curl", "--silent", "--show-error", "--max-time", "30", *options]
    command += ["--cacert", str(certificate.authority), "--cookie", f"{ACCESS}={cookies[ACCESS]}"]
    command += ["--header", "Content-Type: text/plain", "--upload-file", "-"]
    command += ["--write-out", "\n%{http_code}", f"{tls.url}/secrets/stream"]
    for value, status in ((b"x", 411), (b"", 411), (b"x" * 600_000, 413)):
        done = subprocess.run(command, input=value, check=True, capture_output=True)
        assert int(done.stdout.rpartition(b"\n")[2]) == status
    reply = ask(tls, "/secrets/stream", f"Cookie: {ACCESS}={cookies[ACCESS]}")
    assert reply.status == 404


# --- over plain HTTP ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("X-Forwarded-Proto: https",),
        ("X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1"),
        ("Forwarded: for=127.0.0.1;proto=https",),
        ("X_Forwarded_Proto: https",),
        ("X-Forwarded-Ssl: on", "Front-End-Https: on"),
        ("Host: localhost:5000",),
        ("Origin: https://127.0.0.1",),
    ],
)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_credentials_over_plain_http_are_refused(
    plain: ProductionServer, method: str, path: str, lines: tuple[str, ...]
) -> None:
    """With the ways out; from loopback too, for a proxy looks like that; whatever it claims."""
    length = f"Content-Length: {len(LOGIN)}"
    cookies = f"Cookie: {ACCESS}=x; access_token_cookie=x"
    start = head(method, path, plain.port, JSON, length, cookies, *lines)
    if any(line.startswith("Host:") for line in lines):
        start = start.replace(f"Host: 127.0.0.1:{plain.port}\r\n".encode(), b"")
    reply = exchange(plain.port, start, LOGIN)
    assert (reply.status, reply.seconds < SLOWEST) == (403, True)
    body = reply.json()
    kind = body["type"].rsplit(":", 1)[1]
    assert kind == "https-required" or (kind == "foreign-origin" and "Origin" in str(lines))
    if kind == "https-required":
        for way_out in ("https://", "SECRETS_TRUSTED_PROXIES", "SECRETS_ALLOW_PLAIN_HTTP"):
            assert way_out in body["detail"]
    assert "Set-Cookie" not in reply.headers
    assert "Strict-Transport-Security" not in reply.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_load_balancer_may_ask_over_plain_http(plain: ProductionServer, path: str) -> None:
    """It sends no credentials."""
    assert ask(plain, path).json() == {"status": "ok"}


def test_behind_a_named_proxy_plain_http_is_tls(tmp_path: Path) -> None:
    """From the address that is configured, with the header that says so, and not without."""
    environ = {"SECRETS_TRUSTED_PROXIES": "127.0.0.1"}
    server = ProductionServer(tmp_path / "instance", environ)
    with server:
        assert post(server, "/register").status_code == 403
        https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
        assert post(server, "/register", headers=https).status_code == 201
        login = post(server, "/login", headers=https)
        assert login.status_code == 200
        assert all("; Secure" in line for line in login.raw.headers.getlist("Set-Cookie"))
        assert "Strict-Transport-Security" in login.headers
        cookies = f"Cookie: {ACCESS}={login.cookies[ACCESS]}"
        assert ask(server, "/account", cookies, "X-Forwarded-Proto: https").status == 200
        assert ask(server, "/account", cookies).status == 403
