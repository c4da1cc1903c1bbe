"""Double-submit CSRF protection, where an operator turned it on: real clients, and forgers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import requests
from flask import Flask

from tests.conftest import ENGINES
from tests.support.people import PASSWORD, Person
from tests.support.server import Server
from tests.support.shared import newcomer, refusal, shared_app
from tests.support.tokens import ACCESS, CSRF, REFRESH, claims_of, cookie, present

HEADER = "X-CSRF-TOKEN"
REFUSED = (403, "csrf-failed")
UNSAFE: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("POST", "/secrets", {"name": "a", "secret": "x"}),
    ("PUT", "/secrets/a", {"secret": "x"}),
    ("PATCH", "/secrets/a", {"labels": {}}),
    ("DELETE", "/secrets/a", {}),
    ("POST", "/refresh", {}),
    ("POST", "/logout", {}),
    ("PUT", "/account/password", {"current_password": PASSWORD, "new_password": "x" * 20}),
    ("DELETE", "/account", {"password": PASSWORD}),
    ("DELETE", "/sessions", {}),
    ("POST", "/tokens", {"name": "a", "scopes": ["read"]}),
    ("DELETE", "/tokens/" + "A" * 22, {}),
    ("DELETE", "/sessions/" + "A" * 22, {}),
)


@pytest.fixture(scope="module", params=ENGINES)
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """An application with the protection turned on, on each engine."""
    settings = {"JWT_COOKIE_CSRF_PROTECT": True}
    with shared_app(request, request.param, tmp_path_factory, **settings) as application:
        yield application


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in."""
    return newcomer(app, "alice")


@pytest.mark.parametrize(("method", "path", "body"), UNSAFE)
def test_an_unsafe_request_without_the_header_is_refused(
    alice: Person, method: str, path: str, body: dict[str, object]
) -> None:
    """All that a foreign page can make a browser send is the cookies."""
    assert refusal(alice.request(method, path, json=body)) == REFUSED


WRONG: dict[str, Callable[[str], str]] = {
    "empty": lambda _right: "",
    "another": lambda _right: "A" * 22,
    "cut": lambda right: right[:-1],
    "longer": lambda right: right + "x",
    "another case": lambda right: right.swapcase(),
    "twice": lambda right: f"{right},{right}",
    "not ASCII": lambda right: right[:-1] + "\xe9",
    "all bytes": lambda _right: "".join(map(chr, range(0xA0, 0x100))),
    "huge": lambda right: right * 2000,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_header_is_refused_whatever_it_holds(
    alice: Person, wrong: Callable[[str], str]
) -> None:
    """403, never a crash: what is compared comes from outside."""
    sent = wrong(cookie(alice, CSRF))
    answer = alice.put("/secrets/a", json={"secret": "x"}, headers={HEADER: sent})
    assert refusal(answer) == REFUSED
    assert not sent or sent not in answer.text
    assert alice.get("/secrets/a").status_code == 404


def test_neither_a_token_of_another_session_nor_a_planted_cookie_helps(
    app: Flask, alice: Person
) -> None:
    """The header is compared with what the signed token holds, not with the cookie beside it."""
    mallory = newcomer(app, "mallory")
    planted = cookie(mallory, CSRF)
    cookies = f"{ACCESS}={cookie(alice, ACCESS)}; {CSRF}={planted}"
    for sent in (planted, "x"):
        answer = present(
            app, "PUT", "/secrets/a", cookies, json={"secret": "x"}, headers={HEADER: sent}
        )
        assert refusal(answer) == REFUSED


def test_the_right_header_lets_every_unsafe_request_through(alice: Person) -> None:
    """One token a session state: it changes with every login and refresh."""
    first = cookie(alice, CSRF)
    assert alice.put("/secrets/a", json={"secret": "x"}, headers={HEADER: first}).status_code == 201
    assert alice.post("/refresh", headers={HEADER: first}).status_code == 200
    second = cookie(alice, CSRF)
    assert second != first
    assert refusal(alice.delete("/secrets/a", headers={HEADER: first})) == REFUSED
    assert alice.delete("/secrets/a", headers={HEADER: second}).status_code == 200
    assert alice.post("/logout", headers={HEADER: second}).status_code == 200
    assert alice.client.get_cookie(CSRF) is None


def test_old_cookies_keep_nobody_from_logging_in(alice: Person) -> None:
    """A login proves itself by the password; foreign pages are kept out by their origin."""
    assert alice.login().status_code == 200
    assert alice.login().status_code == 200


def test_safe_methods_need_no_header(alice: Person) -> None:
    """They change nothing."""
    for path in ("/account", "/secrets"):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert alice.request(method, path).status_code == 200


def test_only_the_csrf_cookie_can_be_read_by_a_page(app: Flask) -> None:
    """That a page of ours can read it, and a foreign one cannot, is the whole protection."""
    alice = newcomer(app, "alice")
    lines = alice.post(
        "/login",
        json={"username": alice.username, "password": PASSWORD},
        headers={HEADER: cookie(alice, CSRF)},
    ).headers.getlist("Set-Cookie")
    readable = {line.partition("=")[0] for line in lines if "HttpOnly" not in line}
    assert readable == {CSRF}
    assert len(lines) == 3
    for name in (ACCESS, REFRESH):
        assert claims_of(cookie(alice, name))["csrf"] == cookie(alice, CSRF)


@pytest.fixture
def protected(tmp_path: Path) -> Iterator[Server]:
    """A real server with the protection turned on."""
    environ = {"SECRETS_JWT_COOKIE_CSRF_PROTECT": "true"}
    with Server(tmp_path / "instance", environ) as server:
        yield server


def test_real_clients_work_with_the_protection_turned_on(protected: Server) -> None:
    """They copy a cookie into a header, before each unsafe request: the cookie changes."""
    credentials = {"username": "alice", "password": PASSWORD}
    url = protected.url
    requests.post(url + "/register", json=credentials, timeout=30).raise_for_status()
    with requests.Session() as session, httpx.Client() as client:
        for jar in (session, client):
            jar.post(url + "/login", json=credentials, timeout=30).raise_for_status()
            for _ in range(2):
                header = {HEADER: str(jar.cookies.get("csrf_access_token"))}
                put = jar.put(url + "/secrets/a", json={"secret": "x"}, headers=header, timeout=30)
                put.raise_for_status()
                jar.post(url + "/refresh", headers=header, timeout=30).raise_for_status()
            assert jar.post(url + "/logout", timeout=30).status_code == 403
            header = {HEADER: str(jar.cookies.get("csrf_access_token"))}
            assert jar.post(url + "/logout", headers=header, timeout=30).status_code == 200
