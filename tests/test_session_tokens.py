"""Forged session tokens: every one gets the answer of somebody who sent none."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.forgeries import FORGERIES, Forgery, Genuine, taken_from
from tests.support.shared import indistinct, module_app, newcomer, refusal, shared_app
from tests.support.tokens import ACCESS, REFRESH, cookie, header_of, present

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

app = module_app()


@pytest.fixture(scope="module")
def live(app: Flask) -> dict[str, Genuine]:
    """Tokens that are alive, so that nothing but the forgery can be the reason to refuse one."""
    return {name: taken_from(newcomer(app, "alice"), name) for name in (ACCESS, REFRESH)}


@pytest.fixture
def genuine(live: dict[str, Genuine]) -> Genuine:
    """An access token of a live session."""
    return live[ACCESS]


def cookie_of(token: str, name: str = ACCESS) -> str:
    """The header as a client sends it: bytes, which WSGI shows as Latin-1."""
    return f"{name}={token}".encode().decode("latin-1")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [("GET", "/account", ACCESS), ("POST", "/refresh", REFRESH)],
    ids=["access", "refresh"],
)
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_is_answered_like_none(
    app: Flask, live: dict[str, Genuine], forgery: Forgery, method: str, path: str, name: str
) -> None:
    """401, and the body tells nothing of what was wrong."""
    forged = forgery(live[name])
    answer = present(app, method, path, cookie_of(forged, name))
    assert indistinct(answer) == indistinct(present(app, method, path, ""))
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_the_same_token_untouched_is_accepted(app: Flask, genuine: Genuine) -> None:
    """The control of the experiment: it is the forgery that is refused, not the forging."""
    for token in (
        genuine.token,
        genuine.with_claims(),
        genuine.with_header(),
        genuine.with_bytes(),
    ):
        assert present(app, "GET", "/account", cookie_of(token)).status_code == 200


@pytest.mark.parametrize("changed", [{"sid": "A" * 22}, {"sub": str(2**62)}])
def test_a_good_signature_does_not_make_a_session(
    app: Flask, genuine: Genuine, changed: dict[str, str]
) -> None:
    """The row decides: no session of this id, or not of this account."""
    answer = present(app, "GET", "/account", cookie_of(genuine.with_claims(**changed)))
    assert refusal(answer) == (401, "not-authenticated")


def test_no_changed_character_goes_unnoticed(app: Flask, genuine: Genuine) -> None:
    """One bit, at every position of the token."""
    for place, character in enumerate(genuine.token):
        if character != ".":
            other = ALPHABET[ALPHABET.index(character) ^ 1]
            forged = genuine.token[:place] + other + genuine.token[place + 1 :]
            answer = present(app, "GET", "/account", cookie_of(forged))
            assert answer.status_code == 401, place


@pytest.mark.parametrize("order", [1, -1])
def test_two_cookies_of_one_name_are_refused(app: Flask, genuine: Genuine, order: int) -> None:
    """One of them was planted, and which cannot be told."""
    pair = [cookie_of(genuine.token), cookie_of("planted")][::order]
    answer = present(app, "GET", "/account", "; ".join(pair))
    assert indistinct(answer) == indistinct(present(app, "GET", "/account", ""))


def test_a_token_of_another_installation_is_refused(
    app: Flask, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its keys are its own, though the rows and the key's name may be the same."""
    with shared_app(request, "sqlite", tmp_path_factory) as other:
        foreign = cookie(newcomer(other, "alice"), ACCESS)
        assert present(other, "GET", "/account", cookie_of(foreign)).status_code == 200
    assert present(app, "GET", "/account", cookie_of(foreign)).status_code == 401


@pytest.mark.parametrize(
    ("path", "headers", "cookies"),
    [
        ("/account", {"Authorization": "Bearer TOKEN"}, ""),
        ("/account", {"Authorization": "JWT TOKEN"}, ""),
        ("/account", {"X-Access-Token": "TOKEN"}, ""),
        ("/account?jwt=TOKEN", {}, ""),
        ("/account", {}, "access_token_cookie=TOKEN"),
        ("/account", {}, "__Secure-access_token=TOKEN"),
        ("/account", {}, "__host-access_token=TOKEN"),
        ("/account", {}, f"{REFRESH}=TOKEN"),
    ],
)
def test_a_session_token_counts_in_its_own_cookie_only(
    app: Flask, genuine: Genuine, path: str, headers: dict[str, str], cookies: str
) -> None:
    """Not in a header, not in a URL, not under a name that somebody else can set."""
    sent = {name: value.replace("TOKEN", genuine.token) for name, value in headers.items()}
    answer = present(
        app,
        "GET",
        path.replace("TOKEN", genuine.token),
        cookies.replace("TOKEN", genuine.token),
        headers=sent,
    )
    assert answer.status_code == 401
    assert genuine.token not in answer.text


def test_a_configured_key_signs_alone(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With JWT_SECRET_KEY set, a token under a key of the database's own counts no more."""
    settings = {"JWT_SECRET_KEY": "configured " * 4}
    with shared_app(request, "sqlite", tmp_path_factory, **settings) as app:
        own, configured = taken_from(newcomer(app, "alice"), ACCESS), "configured " * 4
        assert header_of(own.token)["kid"] == "configured"
        assert present(app, "GET", "/account", cookie_of(own.token)).status_code == 200
        real = Genuine(own.token, configured.encode(), own.pepper, own.peppers_number)
        assert present(app, "GET", "/account", cookie_of(real.with_claims())).status_code == 200
        for kid in ("1", "2", own.peppers_number, "unknown"):
            for forged in (own.with_header(kid=kid), real.with_header(kid=kid)):
                assert present(app, "GET", "/account", cookie_of(forged)).status_code == 401
