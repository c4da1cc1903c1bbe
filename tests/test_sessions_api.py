"""Sessions over HTTP: how one begins, goes on, and really ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import requests
import time_machine
from flask import Flask

from models.times import utcnow
from routes.context import vault_of
from tests.conftest import ENGINES
from tests.support.people import PASSWORD, Person
from tests.support.server import Server
from tests.support.shared import module_app, newcomer, refusal
from tests.support.tokens import ACCESS, REFRESH, claims_of, cookie, present

ENDED = (401, "not-authenticated")

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in."""
    return newcomer(app, "alice")


@pytest.fixture
def clock() -> Iterator[Callable[[timedelta], None]]:
    """``clock(timedelta(days=1))``: that long after the login, exactly."""
    start = utcnow() + timedelta(seconds=1)
    with time_machine.travel(start, tick=False) as traveller:
        yield lambda later: traveller.move_to(start + later)


def saved(person: Person) -> str:
    """The session's cookies, as a thief or a backup of a jar has them."""
    return f"{ACCESS}={cookie(person, ACCESS)}; {REFRESH}={cookie(person, REFRESH)}"


def assert_dead(app: Flask, cookies: str) -> None:
    """Neither token of *cookies* is good for anything."""
    for method, path in (("GET", "/account"), ("POST", "/refresh"), ("POST", "/logout")):
        assert refusal(present(app, method, path, cookies)) == ENDED


# --- ending -------------------------------------------------------------------------------------


def test_a_login_replaces_the_session_that_the_caller_had(app: Flask, alice: Person) -> None:
    """Otherwise every login of a script would leave a live session behind."""
    former = saved(alice)
    assert alice.login().status_code == 200
    assert_dead(app, former)
    assert alice.get("/account").status_code == 200


def test_a_refused_login_leaves_the_session_alone(alice: Person) -> None:
    """A typing mistake costs nothing."""
    answer = alice.post("/login", json={"username": alice.username, "password": "mistyped it"})
    assert refusal(answer) == (401, "wrong-credentials")
    assert alice.get("/account").status_code == 200


def test_sessions_of_two_devices_do_not_touch_each_other(app: Flask, alice: Person) -> None:
    """Logging in and out on one leaves the other alone."""
    phone = Person(app, alice.username)
    assert phone.login().status_code == 200
    assert alice.post("/logout").status_code == 200
    assert phone.get("/account").status_code == 200
    assert phone.post("/refresh").status_code == 200


def test_logout_ends_the_session_for_saved_tokens_too(app: Flask, alice: Person) -> None:
    """A token that was copied before the logout is worth nothing after it."""
    copied = saved(alice)
    answer = alice.post("/logout")
    assert (answer.status_code, answer.json) == (200, {"logged_out": True})
    assert_dead(app, copied)
    assert refusal(alice.post("/logout")) == ENDED


def test_logout_takes_every_cookie_back(alice: Person) -> None:
    """With the attributes they were set with: a client keeps a cookie that differs in one."""
    answer = alice.post("/logout")
    for line in answer.headers.getlist("Set-Cookie"):
        assert "=; " in line
        for attribute in ("Max-Age=0", "Path=/", "Secure", "SameSite=Strict"):
            assert attribute in line.split("; ")
    for name in (ACCESS, REFRESH):
        assert alice.client.get_cookie(name) is None


def test_either_cookie_is_enough_to_log_out(app: Flask, alice: Person) -> None:
    """Somebody whose access token expired must be able to end the session."""
    refresh_only = f"{REFRESH}={cookie(alice, REFRESH)}"
    copied = saved(alice)
    assert present(app, "POST", "/logout", refresh_only).status_code == 200
    assert_dead(app, copied)


# --- refreshing ---------------------------------------------------------------------------------


def test_an_access_token_lives_fifteen_minutes_and_a_refresh_goes_on(
    alice: Person, clock: Callable[[timedelta], None]
) -> None:
    """The client sees 401, refreshes, and is back, with two new tokens."""
    assert alice.login().json == {"username": alice.username, "expires_in": 900}
    before = (cookie(alice, ACCESS), cookie(alice, REFRESH))
    clock(timedelta(minutes=14, seconds=58))
    assert alice.get("/account").status_code == 200
    clock(timedelta(minutes=15))
    assert refusal(alice.get("/account")) == ENDED
    refreshed = alice.post("/refresh")
    assert (refreshed.status_code, refreshed.json) == (
        200,
        {"username": alice.username, "expires_in": 900},
    )
    assert alice.get("/account").status_code == 200
    assert not set(before) & {cookie(alice, ACCESS), cookie(alice, REFRESH)}


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_refresh_takes_no_fields(alice: Person, body: bytes) -> None:
    """No body, or an empty object, as clients send it."""
    content_type = "application/json" if body else None
    assert alice.post("/refresh", data=body, content_type=content_type).status_code == 200
    assert alice.post("/refresh", json={"token": "x"}).status_code == 422


def test_a_refresh_token_used_twice_ends_the_whole_session(app: Flask, alice: Person) -> None:
    """It was copied, and nobody knows which of the two is the thief: both lose."""
    copied = f"{REFRESH}={cookie(alice, REFRESH)}"
    assert alice.post("/refresh").status_code == 200
    assert alice.get("/account").status_code == 200
    winner = saved(alice)
    assert refusal(present(app, "POST", "/refresh", copied)) == ENDED
    assert_dead(app, winner)


def test_the_thief_who_refreshes_first_is_found_out_by_the_owner(app: Flask, alice: Person) -> None:
    """The same from the other side: the owner's next refresh ends the thief's session."""
    thief = present(app, "POST", "/refresh", f"{REFRESH}={cookie(alice, REFRESH)}")
    assert thief.status_code == 200
    stolen = "; ".join(line.partition(";")[0] for line in thief.headers.getlist("Set-Cookie"))
    assert present(app, "GET", "/account", stolen).status_code == 200
    assert refusal(alice.post("/refresh")) == ENDED
    assert_dead(app, stolen)


@pytest.mark.parametrize("engine", ENGINES)
def test_of_four_racing_refreshes_at_most_one_wins(
    engine: str, database_url: str, tmp_path: Path
) -> None:
    """Threads of a real server, started at once, with the same refresh token."""
    environ = {"SECRETS_DATABASE_URL": database_url}
    with Server(tmp_path / "instance", environ) as server:
        credentials = {"username": "alice", "password": PASSWORD}
        requests.post(server.url + "/register", json=credentials, timeout=30)
        for _ in range(10):
            login = requests.post(server.url + "/login", json=credentials, timeout=30)
            answers = _race(server.url + "/refresh", dict(login.cookies))
            assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
            winner = next(answer for answer in answers if answer.ok)
            after = requests.get(server.url + "/account", cookies=winner.cookies, timeout=30)
            assert after.status_code == 401


def _race(url: str, cookies: dict[str, str]) -> list[requests.Response]:
    """Four POSTs that leave together."""
    answers: list[requests.Response] = []
    together = threading.Barrier(4)

    def run() -> None:
        together.wait()
        answers.append(requests.post(url, cookies=cookies, timeout=30))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_neither_token_does_the_work_of_the_other(app: Flask, alice: Person) -> None:
    """A refresh token opens nothing, and an access token prolongs nothing."""
    access, refresh = cookie(alice, ACCESS), cookie(alice, REFRESH)
    swapped = f"{ACCESS}={refresh}; {REFRESH}={access}"
    assert_dead(app, swapped)
    assert alice.get("/account").status_code == 200
    assert alice.post("/refresh").status_code == 200


# --- lifetimes ----------------------------------------------------------------------------------


def test_a_session_that_is_not_refreshed_for_seven_days_ends(
    app: Flask, alice: Person, clock: Callable[[timedelta], None]
) -> None:
    """A refresh begins the seven days anew; a mere request does not."""
    alice.login()
    clock(timedelta(days=6, hours=23))
    assert alice.post("/refresh").status_code == 200
    clock(timedelta(days=13))
    assert alice.post("/refresh").status_code == 200
    clock(timedelta(days=20))
    assert_dead(app, saved(alice))


def test_no_session_outlives_thirty_days(
    app: Flask, alice: Person, clock: Callable[[timedelta], None]
) -> None:
    """However often it is refreshed; the last tokens end with it."""
    alice.login()
    for days in range(6, 30, 6):
        clock(timedelta(days=days))
        assert alice.post("/refresh").status_code == 200
    clock(timedelta(days=29, hours=23, minutes=55))
    last = alice.post("/refresh")
    assert (last.status_code, last.json) == (200, {"username": alice.username, "expires_in": 300})
    clock(timedelta(days=29, hours=23, minutes=59, seconds=58))
    assert alice.get("/account").status_code == 200
    clock(timedelta(days=30))
    assert_dead(app, saved(alice))


def test_the_database_ends_a_session_even_if_its_tokens_do_not(app: Flask, alice: Person) -> None:
    """A token's own dates are a promise; the row decides, on every request."""
    vault, now = vault_of(app), utcnow()
    past = int((now - timedelta(seconds=1)).timestamp() * 1_000_000)
    session = claims_of(cookie(alice, ACCESS))["sid"]
    for column in ("idle_expires_at", "expires_at"):
        with vault.db.write() as tx:
            assert tx.run(f"UPDATE sessions SET {column} = ? WHERE id = ?", past, session) == 1  # noqa: S608
        assert_dead(app, saved(alice))
        with vault.db.write() as tx:
            later = int((now + timedelta(days=1)).timestamp() * 1_000_000)
            tx.run(f"UPDATE sessions SET {column} = ? WHERE id = ?", later, session)  # noqa: S608
        assert alice.get("/account").status_code == 200


def test_a_login_clears_the_accounts_dead_sessions_away(
    app: Flask, alice: Person, clock: Callable[[timedelta], None]
) -> None:
    """The table does not grow for ever, and the sessions of others are left alone."""
    bob = newcomer(app, "bob")
    clock(timedelta(days=8))
    Person(app, alice.username).login()
    with vault_of(app).db.read() as tx:
        rows = tx.all(
            "SELECT u.username FROM sessions s JOIN users u ON u.id = s.user_id "
            "WHERE u.username IN (?, ?)",
            alice.username,
            bob.username,
        )
    assert sorted(row[0] for row in rows) == sorted([alice.username, bob.username])


def test_a_session_begins_now(alice: Person) -> None:
    """Neither token is valid before it was made, nor after what the contract says."""
    claims = {name: claims_of(cookie(alice, name)) for name in (ACCESS, REFRESH)}
    moment = datetime.now().astimezone().timestamp()
    for name, lifetime in ((ACCESS, 15 * 60), (REFRESH, 7 * 24 * 3600)):
        issued, ends = claims[name]["iat"], claims[name]["exp"]
        assert issued == claims[name]["nbf"]
        assert abs(moment - issued) < 60
        assert ends - issued in {lifetime - 1, lifetime}
    assert claims[ACCESS]["jti"] != claims[REFRESH]["jti"]
