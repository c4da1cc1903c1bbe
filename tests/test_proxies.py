"""Forwarded headers: believed from the configured proxies, and from nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request_started
from flask import request as current_request

from tests.support.people import PASSWORD, Person
from tests.support.shared import newcomer, refusal, shared_app

PROXIES = "10.0.0.0/8, 192.0.2.7, 2001:db8:1::/48"
STRANGER = "198.51.100.1"
CLIENT = "203.0.113.9"
pytestmark = pytest.mark.one_engine("sqlite", "it is about headers")


@pytest.fixture(scope="module")
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application behind PROXIES. Transport rules know no database engine."""
    with shared_app(request, "sqlite", tmp_path_factory, TRUSTED_PROXIES=PROXIES) as application:
        yield application


@pytest.fixture(scope="module")
def direct_app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application that trusts no proxy, which is the default."""
    with shared_app(request, "sqlite", tmp_path_factory) as application:
        yield application


def arrive(app: Flask, remote: str, headers: dict[str, str], scheme: str = "http") -> Any:
    """What the application makes of a request: scheme, client address, host."""
    seen: list[tuple[str, str | None, str]] = []

    def look(_sender: Flask, **_: Any) -> None:
        seen.append((current_request.scheme, current_request.remote_addr, current_request.host))

    with request_started.connected_to(look, app):
        app.test_client().get(
            "/healthz",
            base_url=f"{scheme}://secrets.example",
            headers=headers,
            environ_overrides={"REMOTE_ADDR": remote},
        )
    return seen[0]


def log_in(app: Flask, remote: str, headers: dict[str, str]) -> Any:
    """A login over plain HTTP to us, from *remote*."""
    someone = newcomer(app, "client")
    return Person(app, "").post(
        "/login",
        json={"username": someone.username, "password": PASSWORD},
        base_url="http://secrets.example",
        headers=headers,
        environ_overrides={"REMOTE_ADDR": remote},
    )


@pytest.mark.parametrize(
    ("remote", "chain", "expected"),
    [
        ("10.1.2.3", CLIENT, CLIENT),
        ("192.0.2.7", CLIENT, CLIENT),
        ("::ffff:10.1.2.3", CLIENT, CLIENT),
        ("2001:db8:1::5", "2001:db8:2::1", "2001:db8:2::1"),
        ("10.1.2.3", f" {CLIENT} ", CLIENT),
        # Whatever stands to the left was written by somebody we do not know.
        ("10.1.2.3", f"127.0.0.1, {CLIENT}", CLIENT),
        ("10.1.2.3", f"10.9.9.9, {CLIENT}", CLIENT),
        ("10.1.2.3", f"nonsense, {CLIENT}", CLIENT),
        # Proxies behind proxies.
        ("10.1.2.3", f"{CLIENT}, 10.4.5.6", CLIENT),
        ("10.1.2.3", f"127.0.0.1, {CLIENT}, 192.0.2.7, 10.4.5.6", CLIENT),
        ("10.1.2.3", "10.4.5.6", "10.4.5.6"),
        ("10.1.2.3", "10.7.7.7, 10.4.5.6", "10.7.7.7"),
        # What is no address ends the chain where it still made sense.
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "unknown", "10.1.2.3"),
        ("10.1.2.3", f"{CLIENT}, unknown", "10.1.2.3"),
        ("10.1.2.3", f"{CLIENT}, nonsense, 10.4.5.6", "10.4.5.6"),
        ("10.1.2.3", f"{CLIENT},", "10.1.2.3"),
        ("10.1.2.3", f"{CLIENT}:4711", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.999", "10.1.2.3"),
        # Who is not a proxy of ours is the client, whatever it says.
        (STRANGER, CLIENT, STRANGER),
        ("192.0.2.8", CLIENT, "192.0.2.8"),
        ("11.0.0.1", CLIENT, "11.0.0.1"),
        ("127.0.0.1", CLIENT, "127.0.0.1"),
        ("::ffff:11.0.0.1", CLIENT, "::ffff:11.0.0.1"),
        ("2001:db8:2::5", CLIENT, "2001:db8:2::5"),
        ("", CLIENT, ""),
        ("unix:", CLIENT, "unix:"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(
    app: Flask, remote: str, chain: str, expected: str
) -> None:
    """Counting hops instead would believe whoever connects without the proxy."""
    assert arrive(app, remote, {"X-Forwarded-For": chain})[1] == expected


@pytest.mark.parametrize(
    ("remote", "proto", "scheme", "expected"),
    [
        ("10.1.2.3", "https", "http", "https"),
        ("10.1.2.3", "HTTPS", "http", "https"),
        ("10.1.2.3", "http, https", "http", "https"),
        ("10.1.2.3", "https, http", "http", "http"),
        ("10.1.2.3", "http", "https", "http"),
        ("10.1.2.3", "", "http", "http"),
        ("10.1.2.3", "", "https", "https"),
        ("10.1.2.3", "wss", "http", "http"),
        ("10.1.2.3", "https://", "http", "http"),
        (STRANGER, "https", "http", "http"),
        (STRANGER, "http", "https", "https"),
        ("127.0.0.1", "https", "http", "http"),
    ],
)
def test_the_scheme_is_what_a_proxy_of_ours_says(
    app: Flask, remote: str, proto: str, scheme: str, expected: str
) -> None:
    """The last value: it is the one that the nearest proxy wrote."""
    assert arrive(app, remote, {"X-Forwarded-Proto": proto}, scheme)[0] == expected


@pytest.mark.parametrize("remote", ["10.1.2.3", STRANGER])
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Port": "443"},
        {"X-Forwarded-Prefix": "/evil"},
        {"X-Forwarded-Server": "evil.example"},
        {"X-Real-IP": CLIENT},
        {"Forwarded": f"for={CLIENT};proto=https;host=evil.example"},
        {"X-Forwarded-Scheme": "https", "X-Forwarded-SSL": "on", "Front-End-Https": "on"},
        {"X-Url-Scheme": "https", "X-Original-Host": "evil.example", "True-Client-IP": CLIENT},
    ],
)
def test_no_other_header_says_anything(app: Flask, remote: str, headers: dict[str, str]) -> None:
    """Not even from a proxy of ours: it may pass on what the client wrote."""
    assert arrive(app, remote, headers) == ("http", remote, "secrets.example")


def test_without_configured_proxies_nothing_is_believed(direct_app: Flask) -> None:
    """Not from anywhere, loopback included."""
    forged = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"}
    for remote in ("127.0.0.1", "::1", "10.1.2.3", STRANGER):
        assert arrive(direct_app, remote, forged)[:2] == ("http", remote)
        assert refusal(log_in(direct_app, remote, forged)) == (403, "https-required")


def test_behind_a_proxy_of_ours_a_login_is_one_over_tls(app: Flask) -> None:
    """Secure cookies with the names of production, and HSTS."""
    answer = log_in(app, "10.1.2.3", {"X-Forwarded-Proto": "https", "X-Forwarded-For": CLIENT})
    assert answer.status_code == 200
    for line in answer.headers.getlist("Set-Cookie"):
        assert line.startswith("__Host-")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} < set(line.split("; "))
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("remote", "headers"),
    [
        ("10.1.2.3", {}),
        ("10.1.2.3", {"X-Forwarded-Proto": "http"}),
        ("10.1.2.3", {"X-Forwarded-For": CLIENT}),
        (STRANGER, {"X-Forwarded-Proto": "https"}),
        (STRANGER, {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3"}),
    ],
)
def test_a_proxy_that_does_not_say_https_is_plain_http(
    app: Flask, remote: str, headers: dict[str, str]
) -> None:
    """So that a proxy which listens on port 80 too does not open a hole."""
    answer = log_in(app, remote, headers)
    assert refusal(answer) == (403, "https-required")
    assert "Set-Cookie" not in answer.headers


def test_a_foreign_page_cannot_name_itself_through_the_proxy(app: Flask) -> None:
    """The own origin is scheme and Host; X-Forwarded-Host has no say."""
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Origin": "https://evil.example",
    }
    assert refusal(log_in(app, "10.1.2.3", headers)) == (403, "foreign-origin")
    own = {"X-Forwarded-Proto": "https", "Origin": "https://secrets.example"}
    assert log_in(app, "10.1.2.3", own).status_code == 200
