"""Behind a real nginx with deploy/nginx.conf: TLS, who the client is, what nginx writes down."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from config import Settings
from tests.support.clients import CLIENTS, Make, assert_stays_logged_in
from tests.support.log import line_of
from tests.support.nginx import DOCUMENTED, Front, service_behind_nginx
from tests.support.people import PASSWORD
from tests.support.production import Certificate, ProductionServer, make_certificate
from tests.support.rotation import wait_until
from tests.support.shared import SECURITY_HEADERS, unique
from tests.support.tokens import ACCESS, REFRESH
from tests.support.walkthrough import SCRIPT
from tests.support.wire import Reply, exchange, head

CREDENTIALS = {"username": "alice", "password": PASSWORD}
FORGED = "203.0.113.66"
FORGERIES = {
    "X-Forwarded-For": FORGED,
    "X_Forwarded_For": FORGED,
    "X-Real-IP": FORGED,
    "Forwarded": f"for={FORGED};proto=https",
    "X-Forwarded-For, twice": f"{FORGED}\r\nX-Forwarded-For: {FORGED}",
    "X-Forwarded-For, a list": f"{FORGED}, 127.0.0.1",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of an authority that nobody but these tests trusts."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def front(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """nginx, and alice has an account behind it."""
    folder = tmp_path_factory.mktemp("behind")
    with service_behind_nginx(folder, certificate) as both:
        assert post(both, "/register").status_code == 201
        yield both


def post(front: Front, path: str, **options: str) -> requests.Response:
    """A POST of alice's credentials, with the certificate verified."""
    verify = str(front.certificate.authority)
    return requests.post(
        front.url + path, json=CREDENTIALS, verify=verify, timeout=60, headers=options
    )


def ask(front: Front, method: str, path: str, *lines: str, body: bytes = b"") -> Reply:
    """A request by hand."""
    start = head(method, path, front.port, *lines)
    return exchange(front.port, start, *([body] if body else []), tls=front.certificate.context())


# --- TLS, in both setups -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_tls(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProductionServer]:
    """The other documented setup: TLS ends in the service's own server."""
    folder = tmp_path_factory.mktemp("own") / "instance"
    server = ProductionServer(folder, certificate=certificate, workers=2)
    with server:
        yield server


@pytest.mark.parametrize("setup", ["front", "own_tls"])
def test_the_walkthrough_passes_over_tls(
    setup: str, certificate: Certificate, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """As a user runs it, with the certificate verified; and not where it cannot be."""
    url = request.getfixturevalue(setup).url.replace("127.0.0.1", "localhost")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
    environ |= {"BASE_URL": url, "NO_PROXY": "localhost"}
    for authority, status in ((certificate.authority, 0), (_another(tmp_path), 1)):
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            env={**environ, "REQUESTS_CA_BUNDLE": str(authority)},
            check=False,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == status, done.stdout + done.stderr
    assert "SSLError" in done.stderr


def _another(folder: Path) -> Path:
    return make_certificate(folder).authority


@pytest.mark.parametrize("make", CLIENTS)
def test_every_kind_of_client_stays_logged_in(
    front: Front, certificate: Certificate, tmp_path: Path, make: Make
) -> None:
    """curl, requests and httpx keep the cookies that come through nginx."""
    with make(tmp_path, certificate) as client:
        assert_stays_logged_in(
            client, front.url.replace("127.0.0.1", "localhost"), unique("client")
        )


def test_the_cookies_are_secure_and_prefixed(front: Front) -> None:
    """Although the service itself speaks plain HTTP: nginx says that the client does not."""
    lines = post(front, "/login").raw.headers.getlist("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == [ACCESS, REFRESH]
    assert all(name.startswith("__Host-") for name in (ACCESS, REFRESH))
    for line in lines:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(line.split("; "))


def test_around_nginx_no_credentials_are_taken(front: Front) -> None:
    """Whoever reaches the service's own port speaks plain HTTP, and is told so."""
    answer = requests.post(front.server.url + "/login", json=CREDENTIALS, timeout=30)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":https-required")


@pytest.mark.parametrize("path", ["/healthz", "/account", "/nowhere", "/secrets/a//b"])
def test_every_answer_has_all_headers_and_no_version(front: Front, path: str) -> None:
    """Nginx adds its name and takes nothing away."""
    reply = ask(front, "GET", path)
    assert {name: reply.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert reply.headers["Strict-Transport-Security"]
    assert not any(character.isdigit() for character in reply.headers.get("Server", ""))


# --- who the client is -------------------------------------------------------------------------


@pytest.mark.parametrize("forgery", FORGERIES)
def test_nobody_can_say_that_they_are_somebody_else(front: Front, forgery: str) -> None:
    """In the log and in the audit trail stands who connected to nginx."""
    name = forgery.partition(",")[0]
    reply = ask(front, "GET", "/account", f"{name}: {FORGERIES[forgery]}")
    line = line_of(front.server.log, reply.headers["X-Request-ID"])
    assert line["client"] == "127.0.0.1"
    login = post(front, "/login", **({} if "," in forgery else {name: FORGED}))
    events = requests.get(
        front.url + "/audit",
        headers={"Cookie": "; ".join(f"{k}={v}" for k, v in login.cookies.items())},
        verify=str(front.certificate.authority),
        timeout=30,
    )
    assert events.status_code == 200
    assert FORGED not in events.text
    assert "127.0.0.1" in events.text


def test_guessing_is_limited_by_the_real_address(certificate: Certificate, tmp_path: Path) -> None:
    """A new X-Forwarded-For with each guess does not make a new source."""
    environ = {"SECRETS_LOGIN_ATTEMPTS_SOURCE": "3", "SECRETS_LOGIN_ATTEMPTS_PAIR": "0"}
    with service_behind_nginx(tmp_path, certificate, environ) as front:
        statuses = [
            post(front, "/login", **{"X-Forwarded-For": f"203.0.113.{n}"}).status_code
            for n in range(5)
        ]
    assert statuses == [401, 401, 401, 429, 429]


def test_a_proto_of_the_clients_own_is_replaced(front: Front) -> None:
    """It would turn HSTS and the cookies' Secure off."""
    reply = ask(front, "GET", "/healthz", "X-Forwarded-Proto: http")
    assert reply.headers["Strict-Transport-Security"]


# --- bodies, paths, and what is written down ---------------------------------------------------


def test_the_limit_of_a_body_is_the_services(front: Front) -> None:
    """Nginx lets through what the service answers with a problem, and ends what is far beyond."""
    limit = Settings().MAX_BODY_BYTES
    (size,) = re.findall(r"client_max_body_size (\d+)m;", DOCUMENTED.read_text("utf-8"))
    assert limit < int(size) * 1024 * 1024 <= 4 * limit
    for length, kind in ((limit + 1, "application/problem+json"), (8 * limit, "text/html")):
        lines = ("Content-Type: application/json", f"Content-Length: {length}")
        reply = ask(front, "POST", "/register", *lines, body=b" " * length)
        assert (reply.status, reply.headers["Content-Type"]) == (413, kind)


def put(front: Front, data: bytes | Iterator[bytes]) -> requests.Response:
    """Store a bare value, or what requests sends in chunks."""
    return requests.put(
        front.url + "/secrets/long",
        data=data,
        headers={"Cookie": cookies(front), "Content-Type": "application/octet-stream"},
        verify=str(front.certificate.authority),
        timeout=60,
    )


def cookies(front: Front) -> str:
    """A new session."""
    return "; ".join(f"{name}={value}" for name, value in post(front, "/login").cookies.items())


def read(front: Front) -> requests.Response:
    """The bare value."""
    headers = {"Cookie": cookies(front), "Accept": "application/octet-stream"}
    verify = str(front.certificate.authority)
    return requests.get(front.url + "/secrets/long", headers=headers, verify=verify, timeout=60)


def test_a_long_value_comes_through_whole(front: Front) -> None:
    """64 KiB."""
    value = os.urandom(65_536)
    assert put(front, value).status_code in {200, 201}
    assert read(front).content == value


def test_a_body_in_chunks_is_refused_by_nginx(front: Front) -> None:
    """With a problem that says what to do, before the service sees any of it; and the connection
    ends, since what follows could be read as another request."""
    assert put(front, b"before").status_code in {200, 201}
    refused = put(front, iter([b"in ", b"chunks"]))
    assert refused.status_code == 501
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Connection"] == "close"
    assert "Content-Length" in refused.json()["detail"]
    assert read(front).content == b"before"


def test_nginx_writes_down_no_path(front: Front) -> None:
    """A path is the name of a secret; a query string may be worse. Not even where nginx refuses
    the request, or finds nobody behind it."""
    canary = "canary4f1c"
    lines = (f"Referer: https://{canary}.example/", f"Cookie: {canary}=1")
    for path in (f"/secrets/{canary}", f"/secrets?q={canary}", f"/{canary}%", f"/{canary}%00"):
        ask(front, "GET", path, *lines)
    ask(front, "GET", f"/{canary}", "Content-Length: abc")
    ask(front, "PUT", f"/{canary}", "Content-Length: 9000000")
    ask(front, "GET", f"/{canary}" + "x" * 40_000)
    last = ask(front, "GET", "/account").headers["X-Request-ID"]
    # nginx answers first and writes its line then; all lines before it are there too.
    wait_until(lambda: last in front.logs, "nginx's line of the last request")
    assert canary not in front.logs.lower()


def test_where_nobody_is_behind_nginx_it_says_so_and_keeps_the_path_to_itself(
    certificate: Certificate, tmp_path: Path
) -> None:
    """502 while the service is stopped; the same nginx finds it again."""
    with service_behind_nginx(tmp_path, certificate) as front:
        front.server.stop()
        assert ask(front, "GET", "/secrets/canary4f1c").status == 502
        assert "canary4f1c" not in front.logs
        front.server.start().wait_until_ready()
        assert ask(front, "GET", "/healthz").status == 200
