"""API tokens in the header ``Authorization``: which routes take them, and what else is refused."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from app import create_app
from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import ROUTES, Machine, machine, made, missing
from tests.support.people import Person
from tests.support.shared import indistinct, module_app, newcomer, refusal, shared_app
from tests.support.tokens import ACCESS, REFRESH, cookie
from utils.tokens import new_token
from utils.vault import Vault

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account and two secrets."""
    someone = newcomer(shared, "ada")
    for name in ("app/there", "other/there"):
        assert someone.put(f"/secrets/{name}", json={"secret": "canary"}).status_code == 201
    return someone


def test_a_token_opens_no_other_route(shared: Flask, ada: Person) -> None:
    """The whole url map: what is not open to everybody is 403, with the owner's cookies beside it
    or without; and a token that is none is 401."""
    full = machine(ada)
    false = Machine(shared, new_token().written())
    cookies = {"Cookie": f"{ACCESS}={cookie(ada, ACCESS)}; {REFRESH}={cookie(ada, REFRESH)}"}
    open_to_all = {"/register", "/login", "/healthz", "/readyz", "/openapi.json", "/docs"}
    tried = 0
    for rule in shared.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "A" * 22, rule.rule)
        for method in (rule.methods or set()) - {"OPTIONS"}:
            what = f"{'GET' if method == 'HEAD' else method} {rule.rule}"
            if what in ROUTES or rule.rule in open_to_all or rule.rule.startswith("/docs/"):
                continue
            tried += 1
            for headers in ({}, cookies):
                # /refresh takes nothing but its cookie, and looks at none here.
                wanted = 401 if rule.rule == "/refresh" else 403
                answer = full.request(method, path, headers=headers, json={})
                assert answer.status_code == wanted, what
                if wanted == 403 and method != "HEAD":
                    assert "cannot do this" in missing(answer)
                answer = false.request(method, path, headers=headers, json={})
                assert answer.status_code == 401, what
    assert tried > 10
    assert ada.get("/account").status_code == 200, "the session went on"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "TOKEN",
        "Token TOKEN",
        "BearerTOKEN",
        "Bearer\tTOKEN",
        "Bearer TOKEN,",
        "Bearer TOKEN TOKEN",
        "Bearer TOKEN, Bearer TOKEN",
        "Bearer token=TOKEN",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
        "Digest\tusername=\xe9",
    ],
)
def test_any_other_header_is_refused_whatever_cookies_come_with_it(
    ada: Person, header: str
) -> None:
    """Which of two credentials counts must not be anybody's guess. Never a 5xx."""
    token = made(ada)["token"]
    headers = {"Authorization": header.replace("TOKEN", token)}
    for path in ("/secrets/app/there", "/account"):
        answer = ada.get(path, headers=headers)
        assert refusal(answer) == (401, "invalid-token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert token not in answer.text
    assert ada.get("/account").status_code == 200


def test_the_scheme_is_read_in_any_case(ada: Person) -> None:
    """RFC 9110 section 11.1."""
    token = made(ada)["token"]
    for scheme in ("bearer", "BEARER", "Bearer  "):
        headers = {"Authorization": f"{scheme} {token}"}
        assert ada.get("/secrets", headers=headers).status_code == 200


def test_with_a_token_cookies_are_not_looked_at(shared: Flask, ada: Person) -> None:
    """Whose secret it is depends on the token alone."""
    eve = newcomer(shared, "eve")
    eve.put("/secrets/app/there", json={"secret": "eve's"})
    token = made(ada)["token"]
    answer = eve.get("/secrets/app/there", headers={"Authorization": f"Bearer {token}"})
    assert answer.json is not None
    assert answer.json["secret"] == "canary"


def test_all_reasons_to_refuse_a_token_look_the_same(shared: Flask, ada: Person) -> None:
    """Misspelt, never made, deleted, expired: which, only its owner can know."""
    start = utcnow()
    gone, expired = made(ada, "gone"), made(ada, "expired", expires_in=60)
    ada.delete(f"/tokens/{gone['id']}")
    texts = [gone["token"], gone["token"][:-1] + "!", new_token().written(), "x"]
    answers = [Machine(shared, text).get("/secrets/app/there") for text in texts]
    with time_machine.travel(start + timedelta(minutes=2), tick=False):
        answers.append(Machine(shared, expired["token"]).get("/secrets/app/there"))
    first = indistinct(answers[0])
    assert first[0] == 401
    for answer in answers:
        assert indistinct(answer) == first
        assert answer.headers["WWW-Authenticate"] == answers[0].headers["WWW-Authenticate"]


def test_csrf_protection_is_not_about_tokens(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No browser sends one by itself. What was sent for a foreign page is refused all the same."""
    on = {"JWT_COOKIE_CSRF_PROTECT": True}
    with shared_app(request, "sqlite", tmp_path_factory, **on) as app:
        ada = newcomer(app, "ada")
        csrf = {"X-CSRF-TOKEN": cookie(ada, "__Host-csrf_token")}
        fields = {"name": "job", "scopes": ["read", "write"]}
        assert refusal(ada.post("/tokens", json=fields)) == (403, "csrf-failed")
        body = ada.post("/tokens", json=fields, headers=csrf).json
        assert body is not None
        job = Machine(app, body["token"])
        assert job.put("/secrets/a", json={"secret": "x"}).status_code == 201
        foreign = {"Origin": "https://evil.example"}
        answer = job.put("/secrets/a", json={"secret": "y"}, headers=foreign)
        assert refusal(answer) == (403, "foreign-origin")
        plain = job.get("/secrets/a", base_url="http://secrets.example")
        assert refusal(plain) == (403, "https-required")
        headers = {"Authorization": f"Bearer {body['token']}"}
        assert refusal(ada.delete(f"/tokens/{body['id']}", headers=headers)) == (
            403,
            "missing-power",
        )


def test_a_login_with_a_token_beside_it_is_a_login(ada: Person) -> None:
    """The header is not looked at where everybody may call, and neither is a cookie beside it."""
    job = machine(ada)
    body = {"username": ada.username, "password": ada.password}
    for token in (job.token, "x"):
        answer = ada.post("/login", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    assert ada.get("/account").status_code == 200


def test_a_deletion_counts_on_every_node(app: Flask, vault: Vault, alice: Person) -> None:
    """Nothing is remembered between requests, so no worker can know a token that is gone."""
    neighbour = create_app(vault.settings)
    token = made(alice)
    here, there = Machine(app, token["token"]), Machine(neighbour, token["token"])
    assert [job.get("/secrets").status_code for job in (here, there, here)] == [200] * 3
    assert alice.delete(f"/tokens/{token['id']}").status_code == 200
    assert [refusal(job.get("/secrets")) for job in (there, here)] == [(401, "invalid-token")] * 2
    vault_of(neighbour).close()


@pytest.mark.parametrize("header", ["Basic YTpi", "basic YTpi", "Digest username=a", "Negotiate x"])
def test_a_password_for_somebody_else_is_not_looked_at(
    shared: Flask, ada: Person, header: str
) -> None:
    """Clients send what a .netrc holds unasked, and proxies pass on what was meant for them."""
    headers = {"Authorization": header}
    assert ada.get("/account", headers=headers).status_code == 200
    assert refusal(Person(shared, "nobody").get("/account", headers=headers)) == (
        401,
        "not-authenticated",
    )
